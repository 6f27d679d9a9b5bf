"""Values that the description of a sensor names and that the files of its products cannot hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

import numpy as np

from iota2.compute.valid import nodata_of
from iota2.core.sensor import BandSpec, MaskRule, SensorSpec
from iota2.io.archive.headers import Header

Part = TypeVar("Part", BandSpec, MaskRule)


def out_of_range_values(spec: SensorSpec, found: Sequence[Mapping[str, Header]]) -> list[str]:
    """A sentence on each bit and value of a mask that no pixel of the type of some file can be.

    ``found``: of each product, what the header of the file of a band or mask says. Floats can hold all.
    """
    told = [sentence for part, kind in _types(spec, spec.masks, found) for sentence in _of(part, kind)]
    return list(dict.fromkeys(told))


def unheld_nodata(spec: SensorSpec, found: Sequence[Mapping[str, Header]]) -> list[str]:
    """A sentence on each nodata value that pixels of the type of some files cannot be. It hides nothing there: of such
    a band only the masks say where it has no data."""
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
    """The types of the pixels of the files of some bands or masks, each once."""
    seen = set()
    for headers in found:
        for part in parts:
            index = part.index if isinstance(part, BandSpec) else 1
            types = headers[part.name].types if part.name in headers else ()
            if len(types) >= index and (part.name, types[index - 1]) not in seen:
                seen.add((part.name, types[index - 1]))
                yield part, np.dtype(types[index - 1])


def _of(part: MaskRule, kind: np.dtype) -> list[str]:
    """What is impossible of one mask whose pixels are of a type."""
    if kind.kind not in "iu":
        return []
    limits, bits = np.iinfo(kind), 8 * kind.itemsize
    remedy = "Correct the description of the sensor, or give files of another type"
    where, told = f"mask {part.name} ({part.file})", []
    beyond = [str(bit) for bit in part.bits if bit >= bits]
    if beyond:
        told.append(f"{where}: bit {', '.join(beyond)}, but the file's values have {bits} bits (0 to {bits - 1})")
    never = [str(value) for value in part.values if nodata_of(kind, value) is None]
    if never:
        told.append(
            f"{where}: value {', '.join(never)}, but the file's values, of {kind}, "
            f"lie from {limits.min} to {limits.max}"
        )
    return [f"{text}. {remedy}" for text in told]
