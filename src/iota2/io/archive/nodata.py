"""No-data values of the files of a series, from the sensor description and from the nodata tags of the files."""

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
"""Value in product units of the reflectance 1."""


@dataclass(frozen=True)
class TaggedFile:
    """A file of a band with a nodata tag."""

    product: str
    path: str
    band: BandSpec
    dtype: np.dtype
    tag: float
    """Value of the nodata tag."""


HeadersByProduct = Mapping[str, tuple[Mapping[str, str], Mapping[str, Header]]]
"""By product name: paths and headers of its files, both by band or mask."""


def with_nodata_tags(spec: SensorSpec, found: HeadersByProduct) -> SensorSpec:
    """The sensor description, with no-data values from the tags of most files where they are needed.

    Integer bands need one when their data type cannot represent the nodata of the description, or when it has none.
    Float bands do not, since NaN marks missing values. All bands get the same value if all can represent it.
    """
    dtypes = _dtypes(spec, found)
    lacking = {
        name for name, dtype in dtypes.items() if dtype.kind in "iu" and not _can_represent(dtype, spec.nodata_of(name))
    }
    tags = [one for one in _tagged_files(spec, found) if one.band.name in lacking]
    if not tags:
        return spec
    usual = _most_common(tags)
    if lacking == set(dtypes) and all(_can_represent(dtypes[name], usual) for name in lacking):
        return replace(spec, nodata=usual, bands=tuple(replace(band, nodata=None) for band in spec.bands))
    own = {name: _most_common(held) for name in lacking if (held := [t for t in tags if t.band.name == name])}
    return replace(spec, bands=tuple(replace(band, nodata=own.get(band.name, band.nodata)) for band in spec.bands))


def hidden_values(spec: SensorSpec, found: HeadersByProduct) -> dict[str, dict[str, tuple[float, ...]]]:
    """Values of nodata tags that differ from the nodata of the description, by product and band.

    ``spec`` is the description from ``with_nodata_tags``.
    """
    dtypes = _dtypes(spec, found)
    hidden: dict[str, dict[str, tuple[float, ...]]] = {}
    for one in _tagged_files(spec, found):
        dtype = dtypes[one.band.name]
        if not _same_stored(dtype, one.tag, spec.nodata_of(one.band.name)):
            hidden.setdefault(one.product, {})[one.band.name] = (as_stored(dtype, one.tag),)
    return hidden


def contradictions(spec: SensorSpec, found: HeadersByProduct) -> list[str]:
    """A problem for each value of nodata tags that is a valid reflectance according to the description."""
    if not spec.spectral:
        return []
    by_tag: dict[tuple[float, str], list[TaggedFile]] = {}
    for one in _tagged_files(spec, found):
        said = spec.nodata_of(one.band.name)
        if said is not None and not _same_stored(one.dtype, one.tag, said) and _is_reflectance(spec, one):
            by_tag.setdefault((one.tag, shown(said)), []).append(one)
    return [
        f"the nodata tag of {counted(len(ones), 'file')} (first: {ones[0].path}) is {shown(tag)}. The sensor "
        f"description has nodata {said}, so {shown(tag)} is a valid reflectance. If it means no data, write "
        f"`nodata: {shown(tag)}` in a sensor description of your own. If it is a measured value, write "
        f"`file_nodata: ignored` there, or correct the files (gdal_edit.py -a_nodata {said})"
        for (tag, said), ones in by_tag.items()
    ]


def tag_notes(described: SensorSpec, found: HeadersByProduct) -> list[str]:
    """A note for each value of nodata tags that differs from the nodata of the description."""
    by_tag: dict[tuple[float, str], list[TaggedFile]] = {}
    for one in _tagged_files(described, found):
        said = described.nodata_of(one.band.name)
        if not _same_stored(one.dtype, one.tag, said):
            described_nodata = "has no nodata" if said is None else f"has nodata {shown(said)}"
            by_tag.setdefault((one.tag, described_nodata), []).append(one)
    return [
        f"the nodata tag of files of {len({one.product for one in ones})} of {counted(len(found), 'product')} (first: "
        f"{ones[0].product}) is {shown(tag)}, in {some(list(dict.fromkeys(one.band.name for one in ones)), 13)}; the "
        f"sensor description {said}. Pixels with {'this value' if said == 'has no nodata' else 'either value'} count "
        "as missing"
        for (tag, said), ones in by_tag.items()
    ]


def shown(value: float) -> str:
    """A number as text; integers with all digits."""
    return f"{value:.0f}" if abs(value) < 1e12 and value == int(value) else f"{value:g}"


def as_stored(dtype: np.dtype, value: float) -> float:
    """A value rounded to a float data type; infinite when it is too large for the type. Unchanged for integer types."""
    with np.errstate(over="ignore"):
        return float(dtype.type(value)) if dtype.kind == "f" else float(value)


def _tagged_files(spec: SensorSpec, found: HeadersByProduct) -> Iterator[TaggedFile]:
    """Files of bands with a nodata tag that their data type can represent."""
    if spec.file_nodata == "ignored":
        return
    for product, (files, headers) in found.items():
        for band in spec.bands:
            header = headers.get(band.name)
            if header is None or len(header.types) < band.index:
                continue
            dtype, tag = np.dtype(header.types[band.index - 1]), header.nodata[band.index - 1]
            if tag is not None and not math.isnan(tag) and _can_represent(dtype, tag):
                yield TaggedFile(product, files[band.name], band, dtype, float(tag))


def _dtypes(spec: SensorSpec, found: HeadersByProduct) -> dict[str, np.dtype]:
    """Common data type of the files of each band."""
    types: dict[str, list[np.dtype]] = {}
    for _, headers in found.values():
        for band in spec.bands:
            if band.name in headers and len(headers[band.name].types) >= band.index:
                types.setdefault(band.name, []).append(np.dtype(headers[band.name].types[band.index - 1]))
    return {name: kept_type(*dict.fromkeys(dtypes)) for name, dtypes in types.items()}


def _can_represent(dtype: np.dtype, value: float | None) -> bool:
    return value is not None and not math.isnan(value) and nodata_of(dtype, value) is not None


def _same_stored(dtype: np.dtype, tag: float, said: float | None) -> bool:
    """Whether two values are equal when stored in a data type."""
    return said is not None and as_stored(dtype, tag) == as_stored(dtype, said)


def _most_common(tags: Sequence[TaggedFile]) -> float:
    values = [one.tag for one in tags]
    return max(dict.fromkeys(values), key=values.count)


def _is_reflectance(spec: SensorSpec, one: TaggedFile) -> bool:
    """Whether a tag is a reflectance above 0 and up to 1, and not the minimum or maximum of its data type."""
    ends = (np.iinfo(one.dtype).min, np.iinfo(one.dtype).max) if one.dtype.kind in "iu" else ()
    return one.tag not in ends and 0 < one.tag * spec.scale + spec.offset <= FULL_REFLECTANCE
