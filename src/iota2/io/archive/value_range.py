"""Values of a sensor description outside the range of the files' data types."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

import numpy as np

from iota2.compute.valid import nodata_of
from iota2.core.sensor import BandSpec, MaskRule, SensorSpec
from iota2.io.archive.headers import Header

Part = TypeVar("Part", BandSpec, MaskRule)


def out_of_range_values(spec: SensorSpec, found: Sequence[Mapping[str, Header]]) -> list[str]:
    """A message for each bit and value of a mask that the data type of some file cannot represent.

    ``found``: for each product, headers by band or mask. Floats can represent all values.
    """
    messages = [sentence for part, kind in _types(spec, spec.masks, found) for sentence in _of(part, kind)]
    return list(dict.fromkeys(messages))


def unrepresentable_nodata(spec: SensorSpec, found: Sequence[Mapping[str, Header]]) -> list[str]:
    """A message for each nodata value that the data type of some files cannot represent.

    Such a value hides nothing: only masks flag missing data of the band.
    """
    bands: dict[tuple[float, str], dict[str, None]] = {}
    for band, kind in _types(spec, spec.bands, found):
        nodata = spec.nodata_of(band.name)
        if nodata is not None and kind.kind in "iu" and nodata_of(kind, nodata) is None:
            bands.setdefault((nodata, kind.name), {})[band.name] = None
    return [
        f"no pixel of {', '.join(names)} counts as without data by its value: nodata {nodata:g} of the description of "
        f"the sensor cannot be held by {kind}. If such files have another one, correct it in a description of your own"
        for (nodata, kind), names in bands.items()
    ]


def _types(
    spec: SensorSpec, parts: Sequence[Part], found: Sequence[Mapping[str, Header]]
) -> Iterator[tuple[Part, np.dtype]]:
    """Distinct data types of the files of some bands or masks."""
    seen = set()
    for headers in found:
        for part in parts:
            index = part.index if isinstance(part, BandSpec) else 1
            types = headers[part.name].types if part.name in headers else ()
            if len(types) >= index and (part.name, types[index - 1]) not in seen:
                seen.add((part.name, types[index - 1]))
                yield part, np.dtype(types[index - 1])


def _of(part: MaskRule, kind: np.dtype) -> list[str]:
    """Bits and values of one mask that a data type cannot represent."""
    if kind.kind not in "iu":
        return []
    limits, bits = np.iinfo(kind), 8 * kind.itemsize
    remedy = "Correct the description of the sensor, or give files of another type"
    where, messages = f"mask {part.name} ({part.file})", []
    beyond = [str(bit) for bit in part.bits if bit >= bits]
    if beyond:
        messages.append(f"{where}: bit {', '.join(beyond)}, but the file's values have {bits} bits (0 to {bits - 1})")
    never = [str(value) for value in part.values if nodata_of(kind, value) is None]
    if never:
        messages.append(
            f"{where}: value {', '.join(never)}, but the file's values, of {kind}, "
            f"lie from {limits.min} to {limits.max}"
        )
    return [f"{text}. {remedy}" for text in messages]
