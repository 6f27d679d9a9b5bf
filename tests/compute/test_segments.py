"""Counts of segments against the whole tile, segments in several tiles, and labels against pandas."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iota2.compute.segments import (
    DenseNumbers,
    SegmentCounts,
    dense,
    majority_labels,
    region_ranks,
    shared_rows,
)


def test_a_pixel_in_several_regions_belongs_to_the_first() -> None:
    masks = [np.array([[0, 1, 0]], bool), np.array([[0, 1, 1]], bool)]
    assert region_ranks(masks).tolist() == [[-1, 0, 1]]


def counted(
    numbers: np.ndarray, ranks: np.ndarray, area: np.ndarray, own: np.ndarray, shape: tuple[int, int]
) -> SegmentCounts:
    counts = SegmentCounts.empty(int(numbers.max()))
    for row in reversed(range(0, numbers.shape[0], shape[0])):
        for col in range(0, numbers.shape[1], shape[1]):
            place = np.s_[row : row + shape[0], col : col + shape[1]]
            counts.add(numbers[place], ranks[place], area[place], own[place], origin=(row, col), width=numbers.shape[1])
    return counts


@given(st.integers(0, 2**32 - 1), st.integers(1, 9), st.integers(1, 9))
def test_counts_do_not_depend_on_blocks(seed: int, rows: int, cols: int) -> None:
    rng = np.random.default_rng(seed)
    numbers = rng.integers(0, 6, (9, 8)).astype(np.uint32)
    numbers[0, 0] = 5
    ranks = rng.integers(-1, 3, (9, 8)).astype(np.int16)
    area = rng.random((9, 8)) < 0.1
    mapped = rng.random((9, 8)) < 0.1
    found = counted(numbers, ranks, area, mapped, (rows, cols))
    for number in range(1, 6):
        own = numbers == number
        assert found.present[number - 1] == area[own].any()
        assert found.mapped[number - 1] == mapped[own].sum()
        inside = np.flatnonzero((own & (ranks >= 0)).ravel())
        assert found.pixels[number - 1] == len(inside)
        assert found.place[number - 1] == (inside[0] if len(inside) else -1)
        assert found.region[number - 1] == (ranks.ravel()[inside].min() if len(inside) else -1)


def test_dense_numbers_are_consecutive_and_unknown_ones_are_none() -> None:
    numbers = DenseNumbers(20)
    numbers.add(np.array([[0, 7], [20, 7]]))
    numbers.add(np.array([3]))
    table = numbers.table()
    assert table.tolist() == [3, 7, 20]
    assert dense(np.array([[0, 3, 8], [20, 7, 3]]), table).tolist() == [[0, 1, 0], [3, 2, 1]]
    assert dense(np.array([1, 0]), np.zeros(0, np.int64)).tolist() == [0, 0]


def test_the_home_of_a_segment_is_the_first_tile_with_most_of_its_pixels() -> None:
    """Segment 9 is in tiles 0 and 2 alike, 4 mostly in tile 1, 5 in one tile, 6 outside the regions."""
    identifier = np.array([9, 4, 5, 6, 4, 6, 9])
    tile = np.array([2, 0, 0, 0, 1, 1, 0])
    pixels = np.array([3, 1, 8, 0, 2, 0, 3])
    region = np.array([0, 1, 0, -1, 2, -1, 1], np.int16)
    found = shared_rows(identifier, tile, pixels, region)
    assert identifier[found.row].tolist() == [4, 4, 6, 6, 9, 9]
    assert tile[found.row].tolist() == [0, 1, 0, 1, 0, 2]
    assert found.pixels.tolist() == [3, 3, 0, 0, 6, 6]
    assert found.region.tolist() == [1, 1, -1, -1, 0, 0]
    assert found.home.tolist() == [False, True, False, False, True, False]


def test_without_shared_segments_there_are_no_rows() -> None:
    none = np.zeros(0, np.int64)
    assert not len(shared_rows(none, none, none, none.astype(np.int16)).row)
    one = shared_rows(np.array([4, 5]), np.array([0, 1]), np.array([1, 1]), np.zeros(2, np.int16))
    assert not len(one.row)


def test_the_label_is_the_class_of_most_pixels_and_ties_have_none() -> None:
    identifier = np.array([7, 7, 7, 3, 3, 8])
    polygon = np.array([1, 2, 3, 4, 5, 6])
    code = np.array([10, 10, 20, 10, 20, 30])
    pixels = np.array([2, 4, 5, 6, 6, 1])
    found = majority_labels(identifier, polygon, code, pixels)
    assert found.identifier.tolist() == [3, 7, 8]
    assert found.code.tolist() == [0, 10, 30]
    assert found.polygon.tolist() == [-1, 2, 6]
    assert found.labelled.tolist() == [12, 11, 1]
    np.testing.assert_allclose(found.share, [0.5, 6 / 11, 1.0])


def test_segments_without_labelled_pixels_have_no_labels() -> None:
    none = np.zeros(0, np.int64)
    assert not len(majority_labels(none, none, none, none).identifier)


@given(st.integers(0, 2**32 - 1), st.integers(1, 40))
def test_labels_equal_those_of_pandas(seed: int, parts: int) -> None:
    rng = np.random.default_rng(seed)
    polygon = rng.integers(0, 12, parts)
    frame = pd.DataFrame({"id": rng.integers(1, 6, parts), "polygon": polygon, "code": polygon % 3 + 1})
    frame["pixels"] = rng.integers(1, 5, parts)
    found = majority_labels(*(frame[name].to_numpy() for name in ("id", "polygon", "code", "pixels")))
    assert found.identifier.tolist() == sorted(frame["id"].unique())
    for k, number in enumerate(found.identifier):
        own = frame[frame["id"] == number]
        sums = own.groupby("code")["pixels"].sum()
        assert found.labelled[k] == own["pixels"].sum()
        assert found.share[k] == pytest.approx(sums.max() / sums.sum())
        if (sums == sums.max()).sum() > 1:
            assert (found.code[k], found.polygon[k]) == (0, -1)
            continue
        assert found.code[k] == sums.idxmax()
        of_class = own[own["code"] == sums.idxmax()].groupby("polygon")["pixels"].sum()
        assert found.polygon[k] == of_class[of_class == of_class.max()].index.min()
