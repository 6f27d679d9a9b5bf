"""Values that the description of a sensor names and that the files of a product cannot hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from iota2.core.sensor import BandSpec, MaskRule, SensorSpec
from iota2.io.decoded import nodata_of
from iota2.io.headers import Header


def impossible_values(spec: SensorSpec, found: Sequence[Mapping[str, Header]]) -> list[str]:
    """A sentence on each nodata, bit and value of a mask that no pixel of the type of some file can be.

    ``found``: of each product, what the header of the file of a band or mask says. Floats can hold all.
    """
    told = []
    for headers in found:
        for part in spec.parts:
            index = part.index if isinstance(part, BandSpec) else 1
            types = headers[part.name].types if part.name in headers else ()
            if len(types) >= index:
                told += _of(spec, part, np.dtype(types[index - 1]))
    return list(dict.fromkeys(told))


def _of(spec: SensorSpec, part: BandSpec | MaskRule, kind: np.dtype) -> list[str]:
    """What is impossible of one band or mask whose pixels are of a type."""
    if kind.kind not in "iu":
        return []
    limits, bits = np.iinfo(kind), 8 * kind.itemsize
    remedy = "Correct the description of the sensor, or give files of another type"
    if isinstance(part, BandSpec):
        nodata = spec.nodata_of(part.name)
        if nodata is None or nodata_of(kind, nodata) is not None:
            return []
        return [f"band {part.name} ({part.file}): nodata {nodata:g} cannot be held by {kind}. {remedy}"]
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
