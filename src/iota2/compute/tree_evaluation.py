"""Compiled evaluation of the trees of a forest, in the forms of ``tree_forms``.

All functions evaluate one tree for many pixels before the next tree. Features and sums of these pixels (a batch) and
one tree fit the second-level cache; what a batch does not reuse has to come from memory that other cores share.
Compiled functions that call each other are in one module: the cache of numba does not notice changes in other modules.
"""

from __future__ import annotations

import numpy as np
from numba import njit

LANES = 16
"""Pixels that move through a tree together."""
BATCH_BYTES = 768 * 1024
"""Bytes of features and sums of the pixels of a batch, in a second-level cache of 1 MiB or more."""
MAX_BATCH = 4096
"""Maximum number of pixels of a batch."""
LAST = np.uint32(2**31)
"""Flag of the last value of a leaf, in its column."""
DE_BRUIJN = np.uint32(0x077CB531)
"""Multiplied by a power of two, the five highest bits identify the power (Leiserson, Prokop and Randall, 1998)."""


def batch_pixels(bytes_of_pixel: int) -> int:
    """Number of pixels of a batch: a multiple of ``LANES``."""
    return LANES * int(np.clip(BATCH_BYTES // (LANES * bytes_of_pixel), 1, MAX_BATCH // LANES))


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _row(x: np.ndarray, f: int, at: np.ndarray, together: bool, gathered: np.ndarray) -> np.ndarray:
    """Values (pixel,) of one feature at the positions ``at``; ``together``: they are consecutive."""
    if together:
        return x[f, at[0] : at[0] + at.size]
    for k in range(at.size):
        gathered[k] = x[f, at[k]]
    return gathered[: at.size]


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _consecutive(at: np.ndarray) -> bool:
    together = True
    for k in range(at.size):
        together &= at[k] == at[0] + k
    return together


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _has_nan(values: np.ndarray) -> bool:
    missing = np.uint32(0)
    for k in range(values.size):
        missing |= np.uint32(np.isnan(values[k]))
    return missing != 0


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _clear_left(masks: np.ndarray, values: np.ndarray, threshold: float, mask: int) -> None:
    """Keep only the bits of ``mask`` in the masks (pixel,) of values (pixel,) above the threshold."""
    for k in range(masks.size):
        masks[k] &= mask | (np.uint32(0) - np.uint32(values[k] <= threshold))


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _add_leaves(sums: np.ndarray, masks: np.ndarray, values: np.ndarray) -> None:
    """Add to ``sums`` (pixel,) the value of the lowest leaf in each mask."""
    for k in range(masks.size):
        lowest = masks[k] & (np.uint32(0) - masks[k])
        sums[k] += values[np.uint32(lowest * DE_BRUIJN) >> np.uint32(27)]


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def add_small(x: np.ndarray, at: np.ndarray, arrays: tuple[np.ndarray, ...], step: int, total: np.ndarray) -> bool:
    """``SmallTrees.add`` in batches of ``step`` pixels."""
    tests, ends, column, leaves = arrays
    gathered, masks = np.empty(step, np.float32), np.empty(step, np.uint32)
    batch, sums = np.empty((x.shape[0], step), np.float32), np.empty((total.shape[1], step))
    for first in range(0, at.size, step):
        places = at[first : first + step]
        count, together = places.size, _consecutive(places)
        for f in range(x.shape[0]):
            batch[f, :count] = _row(x, f, places, together, gathered)
            if _has_nan(batch[f, :count]):
                return True
        for c in range(total.shape[1]):
            sums[c, :count] = total[first : first + count, c]
        test = 0
        for t in range(ends.size):
            masks[:count] = np.uint32(0xFFFFFFFF)
            while test < ends[t]:
                one = tests[test]
                _clear_left(masks[:count], batch[one.feature, :count], one.threshold, one.mask)
                test += 1
            _add_leaves(sums[column[t], :count], masks[:count], leaves[t])
        for c in range(total.shape[1]):
            total[first : first + count, c] = sums[c, :count]
    return False


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _add_values(sums: np.ndarray, value: np.uint32, column: np.ndarray, share: np.ndarray) -> None:
    """Add the values of a leaf, of which ``value`` is the first, to the sums (score,) of a pixel."""
    flagged = column[value]
    sums[flagged & np.uint32(0x7FFFFFFF)] += share[value]
    while not flagged >> np.uint32(31):
        value += np.uint32(1)
        flagged = column[value]
        sums[flagged & np.uint32(0x7FFFFFFF)] += share[value]


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _encode(values: np.ndarray, cuts: np.ndarray, codes: np.ndarray) -> bool:
    """Write the codes of the values (pixel,) of a feature to ``codes`` (group, lane); True for NaN."""
    missing = np.uint32(0)
    for k in range(values.size):
        value, code = values[k], np.uint32(0)
        missing |= np.uint32(np.isnan(value))
        for half in (128, 64, 32, 16, 8, 4, 2, 1):  # a binary search without branches
            code += np.uint32(half) * np.uint32(value > cuts[code + np.uint32(half - 1)])
        codes[k // LANES, k % LANES] = np.uint8(code)
    return missing != 0


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _find_coded(tree: np.ndarray, codes: np.ndarray, bits: int, node: np.ndarray) -> None:
    """Set ``node`` (lane,) to the leaves of the pixels of one group; ``codes`` are (feature, lane), flattened."""
    to_code, to_child = np.uint32(bits), np.uint32(bits + 8)
    mask = np.uint32((1 << bits) - 1)
    for k in range(LANES):
        node[k] = np.uint32(0)
    moving = True
    while moving:
        changed = np.uint32(0)
        for k in range(LANES):
            split = tree[node[k]].split
            code = np.uint32(codes[np.uint32(split & mask) * np.uint32(LANES) + np.uint32(k)])
            to = np.uint32(split >> to_child) + np.uint32(code > (np.uint32(split >> to_code) & np.uint32(255)))
            changed |= np.uint32(to ^ node[k])
            node[k] = to
        moving = changed != 0


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def add_coded(
    x: np.ndarray, at: np.ndarray, trees: tuple[np.ndarray, ...], sizes: tuple[int, int], total: np.ndarray
) -> bool:
    """``CodedTrees.add``; ``sizes``: number of bits of a feature in a node, and number of pixels of a batch."""
    nodes, roots, cuts, first_value, column, share = trees
    bits, step = sizes
    leaf, gathered = np.empty(LANES, np.uint32), np.empty(step, np.float32)
    # The last feature is that of leaves: its code 0 is never greater.
    batch = np.zeros((step // LANES, x.shape[0] + 1, LANES), np.uint8)
    for first in range(0, at.size, step):
        places = at[first : first + step]
        together = _consecutive(places)
        for f in range(x.shape[0]):
            if _encode(_row(x, f, places, together, gathered), cuts[f], batch[:, f]):
                return True
        for t in range(roots.size):
            tree, values = nodes[roots[t] :], first_value[t]
            for group in range((places.size + LANES - 1) // LANES):
                _find_coded(tree, batch[group].ravel(), bits, leaf)
                for k in range(min(LANES, places.size - group * LANES)):
                    value = values + tree[leaf[k]].value
                    _add_values(total[first + group * LANES + k], value, column, share)
    return False


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _find_compared(tree: np.ndarray, features: np.ndarray, bits: int, node: np.ndarray) -> None:
    """Set ``node`` (lane,) to the leaves of the pixels of one group; ``features`` are (feature, lane), flattened."""
    shift = np.uint32(bits)
    mask = np.uint32((1 << bits) - 1)
    for k in range(LANES):
        node[k] = np.uint32(0)
    moving = True
    while moving:
        changed = np.uint32(0)
        for k in range(LANES):
            test = tree[node[k]]
            value = features[np.uint32(test.split & mask) * np.uint32(LANES) + np.uint32(k)]
            to = np.uint32(test.split >> shift) + np.uint32(value > test.threshold)
            changed |= np.uint32(to ^ node[k])
            node[k] = to
        moving = changed != 0


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def add_compared(
    x: np.ndarray, at: np.ndarray, trees: tuple[np.ndarray, ...], sizes: tuple[int, int], total: np.ndarray
) -> bool:
    """``ComparedTrees.add``; ``sizes`` as in ``add_coded``."""
    nodes, roots, first_value, column, share = trees
    bits, step = sizes
    leaf, gathered = np.empty(LANES, np.uint32), np.empty(step, np.float32)
    # The last feature is that of leaves: never greater than a position.
    batch = np.full((step // LANES, x.shape[0] + 1, LANES), -np.inf, np.float32)
    for first in range(0, at.size, step):
        places = at[first : first + step]
        together = _consecutive(places)
        for f in range(x.shape[0]):
            values = _row(x, f, places, together, gathered)
            if _has_nan(values):
                return True
            for k in range(places.size):
                batch[k // LANES, f, k % LANES] = values[k]
        for t in range(roots.size):
            tree, start = nodes[roots[t] :], first_value[t]
            for group in range((places.size + LANES - 1) // LANES):
                _find_compared(tree, batch[group].ravel(), bits, leaf)
                for k in range(min(LANES, places.size - group * LANES)):
                    value = start + np.uint32(tree[leaf[k]].threshold)
                    _add_values(total[first + group * LANES + k], value, column, share)
    return False
