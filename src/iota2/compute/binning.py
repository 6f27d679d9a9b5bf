"""Features of samples as 8-bit codes, from which trees are grown: bins between quantiles."""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numba import njit

from iota2.core.recipe import MISSING

BINS = 256
"""Maximum number of bins of a feature."""
QUANTILE_SAMPLES = 2**16
"""Number of samples from which bins are derived, at most; evenly spread over all samples."""
_TOGETHER = 16
"""Features that a thread encodes together: a cache line of float32."""


@dataclass(frozen=True, eq=False)
class BinnedFeatures:
    """Codes of the bins of all features of all samples.

    A code is at most ``c`` if and only if the value is at most ``cuts[feature, c]``, for every float32 value, whether
    or not it determined the bins.
    """

    codes: np.ndarray
    """(feature, sample) uint8: bin of each value."""
    cuts: np.ndarray
    """(feature, 255) float32: ascending upper limits of the bins, infinite from the last bin of the feature on."""
    centres: np.ndarray
    """(feature, 256) float32: middle between the lowest and the highest value of each bin; 0 for bins not used."""


def bin_features(x: np.ndarray, *, threads: int = 1) -> BinnedFeatures:
    """Bins and codes of ``x`` (sample, feature) float32.

    A feature with up to 256 distinct values has one bin for each; otherwise bins contain about equal numbers of
    samples. Frequent values, and ``MISSING``, have their own bin. A limit lies in the middle between two
    neighbouring values, as thresholds of exact trees do. Bins are derived from ``QUANTILE_SAMPLES``. ``threads`` do not
    change the result. Raises ``ValueError`` for values that are not finite, and without samples.
    """
    if x.ndim != 2 or not x.size:
        raise ValueError(f"features have shape {x.shape}; expected at least one sample and one feature")
    x = np.ascontiguousarray(x, dtype=np.float32)
    count = x.shape[1]
    rows = np.linspace(0, len(x) - 1, min(len(x), QUANTILE_SAMPLES)).astype(np.int64)
    codes = np.empty((count, len(x)), np.uint8)
    cuts, centres = np.full((count, BINS - 1), np.inf, np.float32), np.zeros((count, BINS), np.float32)

    def encode(first: int) -> None:
        last = min(first + _TOGETHER, count)
        lowest = _lowest(x, first, last)
        for feature in range(first, last):
            chosen = np.sort(x[rows, feature])
            chosen[0] = lowest[feature - first]  # a rare missing value need not be among the chosen samples
            _find_bins(chosen, MISSING, cuts[feature], centres[feature])
        if not _encode(x, first, cuts[first:last], codes[first:last]):
            raise ValueError(f"features {first} to {last - 1} contain values that are not finite")

    with ThreadPoolExecutor(threads) as pool:
        deque(pool.map(encode, range(0, count, _TOGETHER)), maxlen=0)
    return BinnedFeatures(codes, cuts, centres)


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _lowest(x: np.ndarray, first: int, last: int) -> np.ndarray:
    """Lowest value (feature,) of the features from ``first`` to before ``last``; arbitrary with NaN."""
    lowest = x[0, first:last].copy()
    for sample in range(x.shape[0]):
        for feature in range(lowest.size):
            lowest[feature] = min(lowest[feature], x[sample, first + feature])
    return lowest


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _find_bins(values: np.ndarray, missing: float, cuts: np.ndarray, centres: np.ndarray) -> None:
    """Set ``cuts`` and ``centres`` of one feature from its sorted ``values``.

    Bins are filled from the lowest value on, each with an equal share of the values that remain; a value with more
    than this share ends the bin before it.
    """
    starts = _starts_of_runs(values)
    runs = starts.size - 1
    bins, first, inside = 0, 0, 0
    for run in range(runs):
        inside += starts[run + 1] - starts[run]
        last = run + 1 == runs
        ends = last
        if not last and bins < BINS - 1:
            left = float(values.size - starts[run + 1] + inside) / (BINS - bins)
            lone = values[starts[run]] == missing or values[starts[run + 1]] == missing
            following = starts[run + 2] - starts[run + 1]
            ends = runs <= BINS or lone or inside >= left or following >= left
        if ends:
            low, high = values[starts[first]], values[starts[run]]
            centres[bins] = (np.float64(low) + np.float64(high)) / 2
            if not last:
                cuts[bins] = _between(high, values[starts[run + 1]])
            bins, first, inside = bins + 1, run + 1, 0


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _starts_of_runs(values: np.ndarray) -> np.ndarray:
    """First position of each distinct value of sorted values, and their number."""
    starts = np.zeros(values.size + 1, np.int64)
    count = 1
    for k in range(1, values.size):
        if values[k] != values[k - 1]:
            starts[count] = k
            count += 1
    starts[count] = values.size
    return starts[: count + 1]


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _between(low: np.float32, high: np.float32) -> np.float32:
    """The float32 in the middle of two values, at least the lower and below the higher."""
    middle = np.float32((np.float64(low) + np.float64(high)) / 2)
    return middle if middle < high else low


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _encode(x: np.ndarray, first: int, cuts: np.ndarray, codes: np.ndarray) -> bool:
    """Set the codes (feature, sample) of some features of ``x`` from ``first`` on; False for a value not finite."""
    finite = True
    for sample in range(x.shape[0]):
        for feature in range(cuts.shape[0]):
            value = x[sample, first + feature]
            finite &= np.isfinite(value)
            below = 0  # number of limits below the value, by binary search without branches
            for step in (128, 64, 32, 16, 8, 4, 2, 1):
                below += step * (cuts[feature, below + step - 1] < value)
            codes[feature, sample] = below
    return finite
