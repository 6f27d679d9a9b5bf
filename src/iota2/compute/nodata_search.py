"""Search for undeclared nodata values in a layer: usual nodata codes and isolated extremes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

USUAL_CODES = (-99999.0, -32768.0, -32767.0, -10000.0, -9999.0, -999.0, 9999.0, 32767.0, 65535.0, 99999.0)
"""Values that are often used as nodata."""
MIN_ASTRONOMIC = 1e19
"""Magnitude from which values cannot be measurements."""
MIN_CODE_DISTANCE = 50.0
"""Distance to other values; a code that is more frequent than all values within this distance is probably nodata."""
MIN_DISTINCT_VALUES = 20
"""Minimum number of distinct values to search for extremes; layers with fewer contain codes, which may be isolated."""
SAMPLES_PER_DISTINCT_VALUE = 100
"""Pixels sampled to count distinct values, as a multiple of ``MIN_DISTINCT_VALUES``."""
MIN_EXTREME_PIXELS = 16
"""Minimum number of pixels of an isolated extreme to be reported."""


def nodata_meant(values: np.ndarray, value: float) -> np.ndarray:
    """Where values equal the nodata ``value``, as bool.

    Astronomic nodata values are often written with few digits: values of the same sign match from 90 % of their
    magnitude on.
    """
    if MIN_ASTRONOMIC <= abs(value) < math.inf:
        found: np.ndarray = values * np.sign(value) >= 0.9 * abs(value)
        return found
    same: np.ndarray = values == values.dtype.type(value)
    return same


@dataclass
class _Extreme:
    """Smallest value so far, its count, and the second smallest value."""

    value: float = math.inf
    count: int = 0
    next: float = math.inf

    def add(self, values: np.ndarray) -> None:
        least = float(values.min())
        above = values[values > least]
        following = float(above.min()) if len(above) else math.inf
        if least < self.value:
            self.next = min(self.value, following)
            self.value, self.count = least, 0
        else:
            self.next = min(self.next, least if least > self.value else following)
        if least == self.value:
            self.count += int(np.count_nonzero(values == least))


@dataclass
class NodataSearch:
    """Counter of candidates for nodata values over the blocks of a layer."""

    pixels: int = 0
    nan: int = 0
    _codes: dict[float, int] = field(default_factory=dict)
    _near: dict[float, int] = field(default_factory=dict)
    _astronomic: dict[float, int] = field(default_factory=dict)
    _distinct: set[float] = field(default_factory=set)
    _least: _Extreme = field(default_factory=_Extreme)
    _greatest: _Extreme = field(default_factory=_Extreme)

    def add(self, values: np.ndarray, known: Sequence[float] = ()) -> None:
        """Add a block of the layer; values ``known`` to be nodata are excluded."""
        self.pixels += values.size
        flat = values.ravel().astype(np.float64)
        empty = np.isnan(flat)
        self.nan += int(np.count_nonzero(empty))
        flat = flat[
            ~empty & ~np.logical_or.reduce([np.zeros(len(flat), bool), *(nodata_meant(flat, v) for v in known)])
        ]
        large = np.abs(flat) >= MIN_ASTRONOMIC
        if large.any():
            for value, count in zip(*np.unique(flat[large], return_counts=True), strict=True):
                self._astronomic[float(value)] = self._astronomic.get(float(value), 0) + int(count)
            flat = flat[~large]
        if not len(flat):
            return
        self._least.add(flat)
        self._greatest.add(-flat)
        if len(self._distinct) < MIN_DISTINCT_VALUES:
            step = 1 + len(flat) // (MIN_DISTINCT_VALUES * SAMPLES_PER_DISTINCT_VALUE)
            self._distinct.update(np.unique(flat[::step]).tolist())
        low, high = flat.min(), flat.max()
        for code in USUAL_CODES:
            if low <= code + MIN_CODE_DISTANCE and code - MIN_CODE_DISTANCE <= high:
                same = int(np.count_nonzero(flat == code))
                self._codes[code] = self._codes.get(code, 0) + same
                near = int(np.count_nonzero(np.abs(flat - code) <= MIN_CODE_DISTANCE)) - same
                self._near[code] = self._near.get(code, 0) + near

    def found(self) -> dict[float, int]:
        """Number of pixels of each candidate value; NaN is counted in ``nan``."""
        holes = dict(self._astronomic)
        holes |= {code: count for code, count in self._codes.items() if count > self._near[code]}
        if len(self._distinct) < MIN_DISTINCT_VALUES:
            return dict(sorted(holes.items()))
        for extreme, other, sign in ((self._least, self._greatest, 1.0), (self._greatest, self._least, -1.0)):
            if extreme.count >= MIN_EXTREME_PIXELS and math.isfinite(extreme.next):
                rest = -other.value - extreme.next
                if extreme.next - extreme.value > max(2 * rest, MIN_CODE_DISTANCE) and rest > 0:
                    holes.setdefault(sign * extreme.value, extreme.count)
        return dict(sorted(holes.items()))
