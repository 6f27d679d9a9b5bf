"""Scales and offsets from the XML metadata of a product."""

from __future__ import annotations

import math
from fnmatch import fnmatchcase
from io import BytesIO
from typing import BinaryIO
from xml.etree.ElementTree import Element, ParseError

import defusedxml
from defusedxml.ElementTree import parse

from iota2.core.files import read_bytes
from iota2.core.sensor import SensorSpec
from iota2.errors import InputError, remedy_of

UNIT_REFLECTANCE = 10000.0
"""Value in product units of the reflectance 1."""


def read_scaling(path: str, spec: SensorSpec, content: BinaryIO | None = None) -> dict[str, tuple[float, float]]:
    """(scale, offset) of each band of a product: product units = file value x scale + offset.

    ``content``: content of ``path`` if this is not a local file. Raises InputError when the file cannot be read, is not
    XML, has a document type or entities, lacks the quantification value, or has offsets for some of the bands only.
    """
    assert spec.metadata is not None, "the sensor's description names metadata"
    try:
        root = parse(content or BytesIO(read_bytes(path)), forbid_dtd=True).getroot()
        assert root is not None, "a document that was parsed has a root"
    except defusedxml.DefusedXmlException as err:
        raise InputError(
            f"{path}: has a document type or entities, which are not allowed in metadata. Download the product again."
        ) from err
    except OSError as err:
        raise InputError(f"{path}: the metadata cannot be read: {err.strerror}. {remedy_of(err)}.") from err
    except (ParseError, ValueError, LookupError, RecursionError) as err:  # ValueError, LookupError: unknown encodings
        raise InputError(f"{path}: the metadata cannot be read: {err}. Download the product again.") from err
    quantification = _number(path, spec.metadata.quantification, _elements(root, spec.metadata.quantification))
    if quantification <= 0:
        raise InputError(f"{path}: {spec.metadata.quantification} is {quantification:g}, a number above 0 is expected.")
    scale, offsets = UNIT_REFLECTANCE / quantification, _elements(root, spec.metadata.offset)
    if not offsets:
        return {band.name: (scale, 0.0) for band in spec.bands}
    scaling = {}
    for band in spec.bands:
        name = f"{spec.metadata.offset} of {band.name} (band_id {band.id})"
        number = _number(path, name, [element for element in offsets if element.get("band_id") == band.id])
        scaling[band.name] = scale, scale * number
    return scaling


def _elements(root: Element, pattern: str) -> list[Element]:
    """Elements with names that match a pattern, in any namespace."""
    return [element for element in root.iter() if fnmatchcase(element.tag.rpartition("}")[2], pattern)]


def _number(path: str, name: str, elements: list[Element]) -> float:
    """The number in the only element of a list; ``name`` is for messages."""
    if len(elements) != 1:
        raise InputError(f"{path}: has {len(elements)} elements {name}, one is expected. Download the product again.")
    text = (elements[0].text or "").strip()
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise InputError(f"{path}: {name} is {text!r}, a number is expected. Download the product again.")
    return number
