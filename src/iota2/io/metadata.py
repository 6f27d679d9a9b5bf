"""What the XML metadata of a product say about its values."""

from __future__ import annotations

from xml.etree.ElementTree import Element, ParseError

import defusedxml
from defusedxml.ElementTree import parse

from iota2.core.sensor import SensorSpec
from iota2.errors import InputError

UNIT = 10000.0
"""Product units of a reflectance of 1."""


def read_scaling(path: str, spec: SensorSpec) -> dict[str, tuple[float, float]]:
    """(scale, offset) of each band of a product, product units = file value x scale + offset.

    Raises InputError when the file cannot be read, is no plain XML (entities and references to other files are
    refused), or lacks the number that is divided by, or the offset of a band while other bands have one.
    """
    assert spec.metadata is not None, "the sensor's description names metadata"
    try:
        root = parse(path, forbid_dtd=True).getroot()
        assert root is not None, "a document that was parsed has a root"
    except (OSError, ParseError) as err:
        raise InputError(f"{path}: the metadata cannot be read: {err}. Get the product again.") from err
    except defusedxml.DefusedXmlException as err:
        raise InputError(f"{path}: holds a document type or entities, which metadata do not need: refused.") from err
    quantification = _number(path, spec.metadata.quantification, _elements(root, spec.metadata.quantification))
    if quantification <= 0:
        raise InputError(f"{path}: {spec.metadata.quantification} is {quantification:g}, a number above 0 is expected.")
    offsets = {element.get("band_id"): element for element in _elements(root, spec.metadata.offset)}
    lacking = [band.name for band in spec.bands if offsets and band.id not in offsets]
    if lacking:
        raise InputError(f"{path}: no {spec.metadata.offset} of {', '.join(lacking)}, though of other bands.")
    scale = UNIT / quantification
    return {
        band.name: (scale, scale * _number(path, spec.metadata.offset, [offsets[band.id]]) if offsets else 0.0)
        for band in spec.bands
    }


def _elements(root: Element, name: str) -> list[Element]:
    """The elements of a name, whatever their namespace."""
    return [element for element in root.iter() if name and element.tag.rpartition("}")[2] == name]


def _number(path: str, name: str, elements: list[Element]) -> float:
    """The number in the only element of a name."""
    try:
        (element,) = elements
        return float(element.text or "")
    except ValueError:
        raise InputError(f"{path}: {len(elements)} element(s) {name} with a number, one is expected.") from None
