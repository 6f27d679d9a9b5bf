"""Number and median size of segments."""

from __future__ import annotations

import math

import numpy as np
import pytest

from iota2.compute.segment_sizes import segment_sizes


@pytest.mark.parametrize("sizes", [[7], [3, 1, 4, 1, 5], [3, 1, 4, 1, 5, 9], [2, 2, 2, 8], [1, 10]])
def test_the_median_is_that_of_all_segments(sizes: list[int]) -> None:
    found = segment_sizes([("A", np.array(sizes[:2])), ("B", np.array(sizes[2:]))])
    assert found.median == np.median(sizes)
    assert found.count == len(sizes)


def test_segments_without_pixels_do_not_count() -> None:
    found = segment_sizes([("A", np.array([0, 5, 0])), ("B", np.array([4, 9]))])
    assert (dict(found.tiles), found.median, found.largest_tile) == ({"A": 1, "B": 2}, 5, "B")


def test_without_segments_the_median_is_unknown() -> None:
    found = segment_sizes([("A", np.array([0])), ("B", np.zeros(0, np.int64))])
    assert (found.count, found.largest_tile) == (0, "A")
    assert math.isnan(found.median)
