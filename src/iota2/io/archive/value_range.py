"""Mask values and no-data values of a sensor description that the data types of the files cannot represent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

import numpy as np

from iota2.compute.valid import nodata_of
from iota2.core.sensor import BandSpec, MaskRule, SensorSpec
from iota2.io.archive.headers import Header

Part = TypeVar("Part", BandSpec, MaskRule)


def out_of_range_values(spec: SensorSpec, found: Sequence[Mapping[str, Header]]) -> list[str]:
    """A problem for each mask with bits or values that the data type of some file cannot represent.

    ``found``: headers by band or mask, for each product. Float types can represent all values.
    """
    messages = [
        message for part, dtype in _dtypes(spec, spec.masks, found) for message in _unrepresentable(part, dtype)
    ]
    return list(dict.fromkeys(messages))


def unrepresentable_nodata(spec: SensorSpec, found: Sequence[Mapping[str, Header]]) -> list[str]:
    """A note for each nodata value that the data type of some files cannot represent.

    Such a value has no effect: missing data of the band are only marked by masks.
    """
    bands: dict[tuple[float, str], dict[str, None]] = {}
    for band, dtype in _dtypes(spec, spec.bands, found):
        nodata = spec.nodata_of(band.name)
        if nodata is not None and dtype.kind in "iu" and nodata_of(dtype, nodata) is None:
            bands.setdefault((nodata, dtype.name), {})[band.name] = None
    return [
        f"no pixel of {', '.join(names)} counts as no data by its value: {dtype} cannot represent nodata {nodata:g} of "
        "the sensor description. If the files have another no-data value, write it in a sensor description of your own"
        for (nodata, dtype), names in bands.items()
    ]


def _dtypes(
    spec: SensorSpec, parts: Sequence[Part], found: Sequence[Mapping[str, Header]]
) -> Iterator[tuple[Part, np.dtype]]:
    """Each of the bands or masks with each distinct data type of its files."""
    seen = set()
    for headers in found:
        for part in parts:
            index = part.index if isinstance(part, BandSpec) else 1
            types = headers[part.name].types if part.name in headers else ()
            if len(types) >= index and (part.name, types[index - 1]) not in seen:
                seen.add((part.name, types[index - 1]))
                yield part, np.dtype(types[index - 1])


def _unrepresentable(part: MaskRule, dtype: np.dtype) -> list[str]:
    """Messages about the bits and values of one mask that a data type cannot represent."""
    if dtype.kind not in "iu":
        return []
    limits, bits = np.iinfo(dtype), 8 * dtype.itemsize
    remedy = "Correct the sensor description, or use files of another data type"
    where, messages = f"mask {part.name} ({part.file})", []
    beyond = [str(bit) for bit in part.bits if bit >= bits]
    if beyond:
        messages.append(f"{where}: bit {', '.join(beyond)}, but the file's values have {bits} bits (0 to {bits - 1})")
    never = [str(value) for value in part.values if nodata_of(dtype, value) is None]
    if never:
        messages.append(
            f"{where}: value {', '.join(never)}, but the file's values, of type {dtype}, "
            f"are from {limits.min} to {limits.max}"
        )
    return [f"{text}. {remedy}" for text in messages]
