"""Extreme values of a quantity that look like no data: usual numbers for it, and repeated ones, far from all others."""

from __future__ import annotations

import numpy as np

from iota2.compute.nodata_search import MIN_ASTRONOMIC, USUAL_CODES

CODES = (*USUAL_CODES, -99.0, -32768.0, 99.0, 255.0, 999.0, 999999.0, -999999.0)
"""Numbers that are often used where there is no value."""
MIN_OTHERS = 5
"""Minimum number of different other values, to know how far values are usually apart."""
CODE_SPREADS = 3.0
"""Distance of a usual number from all others above which it is isolated, in interquartile ranges of the others: that of
the outer fence of Tukey (1977)."""
REPEATED_SPREADS = 10.0
"""The same for any number that several polygons have. A single one may be a measurement: the largest of a skewed
quantity can be that far from all others, but two measurements are hardly equal there."""


def isolated_values(values: np.ndarray) -> list[float]:
    """The smallest and the greatest of ``values`` (polygon,), if they look like no data; finite, without NaN.

    Spreads are those of different values, so that many equal ones, such as zeros, do not make others look isolated.
    """
    numbers, counts = np.unique(values, return_counts=True)
    found = []
    for end in (-1, 0):
        if len(numbers) <= MIN_OTHERS:
            break
        others = np.delete(numbers, end)
        if _isolated(float(numbers[end]), others, repeated=bool(counts[end] > 1)):
            found.append(float(numbers[end]))
            numbers, counts = others, np.delete(counts, end)
    return sorted(found)


def _isolated(number: float, others: np.ndarray, *, repeated: bool) -> bool:
    """Whether a number is far from ``others``, which are all smaller or all greater."""
    low, high = np.percentile(others, (25, 75)).tolist()
    distance = float(np.abs(others - number).min())
    # a column of float32 has 1.00000002e20 for 1e20
    usual = abs(number) >= MIN_ASTRONOMIC or bool(np.isclose(number, CODES, rtol=1e-6, atol=0).any())
    return (usual and distance > CODE_SPREADS * (high - low)) or (
        repeated and distance > REPEATED_SPREADS * (high - low)
    )
