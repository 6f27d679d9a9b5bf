"""No-data values of the files of a series: from the sensor description and from the nodata tag of each file."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from iota2.compute.valid import kept_type, nodata_of
from iota2.core.sensor import BandSpec, SensorSpec
from iota2.core.words import counted, some
from iota2.io.archive.headers import Header

FULL_REFLECTANCE = 10000.0
"""Reflectance of 1 in product units."""


@dataclass(frozen=True)
class Tagged:
    """A file of a band, and the value of its nodata tag."""

    product: str
    path: str
    band: BandSpec
    kind: np.dtype
    tag: float


Found = Mapping[str, tuple[Mapping[str, str], Mapping[str, Header]]]
"""By product name: its files and their headers, by band or mask."""


def with_tags(spec: SensorSpec, found: Found) -> SensorSpec:
    """The description, with the nodata tag of most files as nodata where it has none that the pixels can represent.

    All bands get the same value when all can represent it. Bands of floats need none: NaN stands for missing values.
    """
    kinds = _kinds(spec, found)
    lacking = {name for name, kind in kinds.items() if kind.kind in "iu" and not _holds(kind, spec.nodata_of(name))}
    tags = [one for one in _tagged(spec, found) if one.band.name in lacking]
    if not tags:
        return spec
    usual = _most_common(tags)
    if lacking == set(kinds) and all(_holds(kinds[name], usual) for name in lacking):
        return replace(spec, nodata=usual, bands=tuple(replace(band, nodata=None) for band in spec.bands))
    own = {name: _most_common(held) for name in lacking if (held := [t for t in tags if t.band.name == name])}
    return replace(spec, bands=tuple(replace(band, nodata=own.get(band.name, band.nodata)) for band in spec.bands))


def hidden_values(spec: SensorSpec, found: Found) -> dict[str, dict[str, tuple[float, ...]]]:
    """By product and band, values of nodata tags that differ from the nodata of the description.

    ``spec`` is the description that ``with_tags`` returns.
    """
    kinds = _kinds(spec, found)
    hidden: dict[str, dict[str, tuple[float, ...]]] = {}
    for one in _tagged(spec, found):
        kind = kinds[one.band.name]
        if not _same(kind, one.tag, spec.nodata_of(one.band.name)):
            hidden.setdefault(one.product, {})[one.band.name] = (as_stored(kind, one.tag),)
    return hidden


def contradictions(spec: SensorSpec, found: Found) -> list[str]:
    """A message for each nodata tag whose value is a valid reflectance by the description."""
    if not spec.spectral:
        return []
    by_tag: dict[tuple[float, str], list[Tagged]] = {}
    for one in _tagged(spec, found):
        said = spec.nodata_of(one.band.name)
        if said is not None and not _same(one.kind, one.tag, said) and _is_reflectance(spec, one):
            by_tag.setdefault((one.tag, shown(said)), []).append(one)
    return [
        f"the nodata tag of {counted(len(ones), 'file')} (first: {ones[0].path}) is {shown(tag)}, a valid reflectance "
        f"by the description of the sensor, whose nodata is {said}. If {shown(tag)} means no data, write "
        f"`nodata: {shown(tag)}` in a description of your own; if it is a measure, write `file_nodata: ignored` there, "
        f"or correct the files (gdal_edit.py -a_nodata {said})"
        for (tag, said), ones in by_tag.items()
    ]


def tag_notes(described: SensorSpec, found: Found) -> list[str]:
    """A message for each nodata tag that the description does not mention."""
    by_tag: dict[tuple[float, str], list[Tagged]] = {}
    for one in _tagged(described, found):
        said = described.nodata_of(one.band.name)
        if not _same(one.kind, one.tag, said):
            by_tag.setdefault((one.tag, "has none" if said is None else f"says {shown(said)}"), []).append(one)
    return [
        f"the nodata tag of files of {len({one.product for one in ones})} of {counted(len(found), 'product')} (first: "
        f"{ones[0].product}) is {shown(tag)}, in {some(list(dict.fromkeys(one.band.name for one in ones)), 13)}; the "
        f"description of the sensor {said}. Pixels of {'this value' if said == 'has none' else 'either value'} count "
        "as missing"
        for (tag, said), ones in by_tag.items()
    ]


def shown(value: float) -> str:
    """A number as text: integers with all their digits."""
    return f"{value:.0f}" if abs(value) < 1e12 and value == int(value) else f"{value:g}"


def as_stored(kind: np.dtype, value: float) -> float:
    """A value as a data type stores it; infinite when it is too large for the type."""
    with np.errstate(over="ignore"):
        return float(kind.type(value)) if kind.kind == "f" else float(value)


def _tagged(spec: SensorSpec, found: Found) -> Iterator[Tagged]:
    """Files of bands with a nodata tag that can occur in their pixels."""
    if spec.file_nodata == "ignored":
        return
    for product, (files, headers) in found.items():
        for band in spec.bands:
            header = headers.get(band.name)
            if header is None or len(header.types) < band.index:
                continue
            kind, tag = np.dtype(header.types[band.index - 1]), header.nodata[band.index - 1]
            if tag is not None and not math.isnan(tag) and _holds(kind, tag):
                yield Tagged(product, files[band.name], band, kind, float(tag))


def _kinds(spec: SensorSpec, found: Found) -> dict[str, np.dtype]:
    """Common data type of the files of each band."""
    types: dict[str, list[np.dtype]] = {}
    for _, headers in found.values():
        for band in spec.bands:
            if band.name in headers and len(headers[band.name].types) >= band.index:
                types.setdefault(band.name, []).append(np.dtype(headers[band.name].types[band.index - 1]))
    return {name: kept_type(*dict.fromkeys(kinds)) for name, kinds in types.items()}


def _holds(kind: np.dtype, value: float | None) -> bool:
    return value is not None and not math.isnan(value) and nodata_of(kind, value) is not None


def _same(kind: np.dtype, tag: float, said: float | None) -> bool:
    """Whether two values are equal once stored in a data type."""
    return said is not None and as_stored(kind, tag) == as_stored(kind, said)


def _most_common(tags: Sequence[Tagged]) -> float:
    values = [one.tag for one in tags]
    return max(dict.fromkeys(values), key=values.count)


def _is_reflectance(spec: SensorSpec, one: Tagged) -> bool:
    """Whether a tag is a reflectance above 0 and up to 1, and not the smallest or largest value of its data type."""
    ends = (np.iinfo(one.kind).min, np.iinfo(one.kind).max) if one.kind.kind in "iu" else ()
    return one.tag not in ends and 0 < one.tag * spec.scale + spec.offset <= FULL_REFLECTANCE
