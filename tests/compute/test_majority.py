"""Resampling to the most frequent label, against a slow version."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iota2.compute.majority import first_pixels, most_frequent


def slow(labels: np.ndarray, size: float, shape: tuple[int, int], larger: float) -> np.ndarray:
    """For each larger pixel, the labels of all pixels with their centre in it."""
    inside: dict[tuple[int, int], list[int]] = {}
    for (row, col), label in np.ndenumerate(labels):
        place = int(np.floor((row + 0.5) * size / larger + 1e-9)), int(np.floor((col + 0.5) * size / larger + 1e-9))
        inside.setdefault(place, []).append(int(label))
    out = np.zeros(shape, labels.dtype)
    for place, found in inside.items():
        counts = Counter(label for label in found if label)
        if 2 * counts.total() >= len(found) and counts:
            out[place] = min(counts, key=lambda label: (-counts[label], label))
    return out


@settings(deadline=None, max_examples=60)
@given(
    st.integers(0, 9999), st.tuples(st.integers(1, 23), st.integers(1, 23)), st.sampled_from([10.0, 15.0, 20.0, 37.3]),
    st.sampled_from([0.0, 0.3, 0.6]),
)  # fmt: skip
def test_each_pixel_gets_its_most_frequent_label(
    seed: int, shape: tuple[int, int], larger: float, missing: float
) -> None:
    rng = np.random.default_rng(seed)
    labels = np.where(rng.random(shape) < missing, 0, rng.integers(1, 4, shape)).astype(np.uint16) * 20_000
    size = tuple(int(np.ceil(side * 10.0 / larger)) for side in shape)
    rows, cols = (first_pixels(side, 10.0, count, larger) for side, count in zip(shape, size, strict=True))
    np.testing.assert_array_equal(most_frequent(labels, rows, cols), slow(labels, 10.0, size, larger))


@pytest.mark.parametrize(
    ("pixels", "label"),
    [([[5, 5], [3, 3]], 3), ([[5, 5], [5, 3]], 5), ([[0, 0], [0, 3]], 0), ([[0, 0], [7, 3]], 3), ([[0, 0], [0, 0]], 0)],
)
def test_ties_go_to_the_smallest_label_and_mostly_empty_pixels_have_none(pixels: list[list[int]], label: int) -> None:
    ends = np.array([0, 2])
    assert most_frequent(np.array(pixels, np.uint8), ends, ends).tolist() == [[label]]


def test_larger_pixels_beyond_the_labels_are_empty() -> None:
    assert first_pixels(2, 10.0, 3, 10.0).tolist() == [0, 1, 2, 2]
    assert most_frequent(np.full((2, 2), 4, np.uint8), np.array([0, 2, 2]), np.array([0, 2])).tolist() == [[4], [0]]
