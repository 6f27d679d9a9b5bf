"""Statistics of segments against pandas, for any blocks, orders of blocks and parts."""

from __future__ import annotations

from collections.abc import Iterator
from weakref import ref

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iota2.compute.open_segments import OpenSegments
from iota2.compute.segment_statistics import (
    CELL,
    SegmentPieces,
    block_pieces,
    merged_pieces,
    piece_bytes,
    segment_values,
)
from iota2.core.recipe import MISSING

ALL = ("mean", "std", "min", "max")
"""Also in another order than that of features."""
NONE = -1.0
"""Value of features without any value in these tests."""
Tile = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Features (feature, y, x), segments (y, x), pixels whose features count (y, x)."""


def tile(seed: int, shape: tuple[int, int], size: int, *, absent: float = 0.2) -> Tile:
    """Three features, the last with an offset that is large compared with its spread; segments of about ``size`` rows
    and columns with ragged edges, one of them over the whole tile, and holes."""
    random = np.random.default_rng(seed)
    values = random.normal([[[0.0]], [[500.0]], [[1e6]]], [[[1.0]], [[300.0]], [[5.0]]], (3, *shape)).astype(np.float32)
    values[random.random(values.shape) < absent] = np.nan
    values[random.random(values.shape) < absent] = MISSING
    rows, cols = np.indices(shape) + random.integers(0, 3, (2, *shape))
    segments = (2 + rows // size * (shape[1] // size + 2) + cols // size).astype(np.uint32)
    segments[random.random(shape) < 0.1] = 1
    segments[random.random(shape) < 0.1] = 0
    return values, segments, random.random(shape) < 0.9


def numbers(segments: np.ndarray) -> np.ndarray:
    """(segment,) pixels of each segment, of numbers from 1."""
    return np.bincount(segments.ravel(), minlength=2)[1:]


def pieces_of(found: Tile, rows: tuple[int, int], cols: tuple[int, int], statistics: tuple[str, ...]) -> SegmentPieces:
    place = np.s_[rows[0] : rows[1], cols[0] : cols[1]]
    values, segments, used = found
    block, origin = (values[:, *place], segments[place], used[place]), (rows[0], cols[0])
    return block_pieces(*block, origin=origin, width=segments.shape[1], statistics=statistics)


def whole(found: Tile, statistics: tuple[str, ...] = ALL) -> SegmentPieces:
    """The statistics of all segments, from one block."""
    height, width = found[1].shape
    return merged_pieces([pieces_of(found, (0, height), (0, width), statistics)])


def expected(found: Tile, statistics: tuple[str, ...]) -> pd.DataFrame:
    """Values by segment, with pandas."""
    values, segments, used = (array.reshape(*array.shape[:-2], -1) for array in found)
    frame = pd.DataFrame(values.T.astype(np.float64))
    frame = frame.where((frame != MISSING) & used[:, None])
    groups = frame[segments > 0].groupby(segments[segments > 0])
    columns = [groups.std(ddof=0) if name == "std" else groups.agg(name) for name in statistics]
    return pd.concat(columns, axis=1).fillna(NONE)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 999), st.tuples(st.integers(1, 90), st.integers(1, 300)), st.integers(1, 40),
    st.sampled_from([("mean",), ("std",), ("max", "mean"), ("min", "std"), ALL]),
)  # fmt: skip
def test_statistics_equal_those_of_pandas(
    seed: int, shape: tuple[int, int], size: int, statistics: tuple[str, ...]
) -> None:
    found = tile(seed, shape, size)
    merged = whole(found, statistics)
    wanted = expected(found, statistics)
    np.testing.assert_array_equal(merged.segment, wanted.index)
    values = segment_values(merged, statistics, NONE)
    assert (values.dtype, values.shape) == (np.float32, (len(wanted), 3 * len(statistics)))
    # the rounding error of a variance in float64 is relative to the mean: 1e6 of the last feature
    np.testing.assert_allclose(values, wanted.to_numpy(), rtol=1e-6, atol=1e-6)
    _, segments, used = found
    np.testing.assert_array_equal(merged.pixels, numbers(segments)[wanted.index - 1])
    np.testing.assert_array_equal(merged.seen, np.bincount(segments[used], minlength=segments.max() + 1)[wanted.index])


def in_blocks(shape: tuple[int, int], cells: tuple[int, int], parts: int) -> list[list[tuple[int, int]]]:
    """Upper-left pixels of the blocks of each part of a tile."""
    (height, width), (high, wide) = shape, (CELL[0] * cells[0], CELL[1] * cells[1])
    rows, cols = range(0, height, high), range(0, width, wide)
    some = -(-len(rows) // parts)
    return [[(r, c) for r in rows[k : k + some] for c in cols] for k in range(0, len(rows), some)]


@settings(max_examples=60, deadline=None)
@given(
    st.tuples(
        st.integers(0, 999), st.tuples(st.integers(1, 150), st.integers(1, 400)), st.sampled_from([3, 9, 40, 200])
    ),
    st.tuples(st.integers(1, 3), st.integers(1, 3)), st.integers(1, 4), st.randoms(use_true_random=False),
)  # fmt: skip
def test_statistics_do_not_depend_on_blocks_their_order_and_parts(
    tile_of: tuple[int, tuple[int, int], int], cells: tuple[int, int], parts: int, random: object
) -> None:
    found, shape = tile(*tile_of), tile_of[1]
    pixels = numbers(found[1])
    complete, rest = [], []
    for blocks in in_blocks(shape, cells, parts):
        random.shuffle(blocks)  # type: ignore[attr-defined]
        accumulated = OpenSegments(pixels, 3, ALL)
        for row, col in blocks:
            end = min(row + CELL[0] * cells[0], shape[0]), min(col + CELL[1] * cells[1], shape[1])
            done = accumulated.add(pieces_of(found, (row, end[0]), (col, end[1]), ALL))
            np.testing.assert_array_equal(done.pixels, pixels[done.segment - 1])
            complete.append(done)
        rest.append(accumulated.rest())
        assert len(accumulated) == 0
    merged = merged_pieces([*complete, merged_pieces(rest)])
    for one, other in zip(merged.arrays, whole(found).arrays, strict=True):
        np.testing.assert_array_equal(one, other)


def test_parts_are_merged_one_by_one() -> None:
    """A part and the merged pieces before it are released when the next part is requested."""
    found, former = tile(1, (160, 200), 9), []

    def parts() -> Iterator[SegmentPieces]:
        for row in range(0, 160, 32):
            assert [part() for part in former] == [None] * len(former)
            part = pieces_of(found, (row, row + 32), (0, 200), ALL)
            former.append(ref(part))
            yield part
            del part

    for one, other in zip(merged_pieces(parts()).arrays, whole(found).arrays, strict=True):
        np.testing.assert_array_equal(one, other)
    assert len(former) == 5


def test_merging_needs_a_part() -> None:
    with pytest.raises(ValueError, match="expected at least one"):
        merged_pieces([])


def test_features_without_any_value_are_missing() -> None:
    values = np.array([[[np.nan, MISSING, np.inf, 7.0]], [[1.0, 2.0, 3.0, 7.0]]], np.float32)
    found = values, np.full((1, 4), 5, np.uint32), np.array([[True, True, True, False]])
    merged = whole(found)
    np.testing.assert_array_equal(merged.count, [[0, 3]])
    assert (merged.pixels[0], merged.seen[0]) == (4, 3)
    np.testing.assert_array_equal(
        segment_values(merged, ALL, MISSING),
        np.array([[MISSING, 2, MISSING, np.sqrt(2 / 3), MISSING, 1, MISSING, 3]], np.float32),
    )


def test_segments_that_no_date_sees_have_pixels_but_no_values() -> None:
    merged = whole((np.ones((2, 1, 3), np.float32), np.array([[4, 0, 4]], np.uint32), np.zeros((1, 3), bool)))
    assert (merged.segment[0], merged.pixels[0], merged.seen[0]) == (4, 2, 0)
    np.testing.assert_array_equal(segment_values(merged, ("mean", "max"), NONE), np.full((1, 4), NONE))


def test_a_segment_of_one_pixel_has_its_value_and_no_deviation() -> None:
    merged = whole((np.full((1, 1, 1), 0.1, np.float32), np.ones((1, 1), np.uint32), np.ones((1, 1), bool)))
    np.testing.assert_array_equal(segment_values(merged, ALL, NONE), np.float32([[0.1, 0, 0.1, 0.1]]))


def test_every_pixel_of_a_cell_can_be_a_segment_of_any_number() -> None:
    """Numbers near the limits of uint32, and equal modulo the number of slots of the table of a cell."""
    steps = np.arange(CELL[0] * CELL[1], dtype=np.int64).reshape(CELL)
    ids = np.concatenate([2**32 - 1 - steps * 4096, 1 + steps], axis=1).astype(np.uint32)
    values = np.random.default_rng(0).random((1, *ids.shape)).astype(np.float32)
    merged = whole((values, ids, np.ones(ids.shape, bool)))
    order = np.argsort(ids, axis=None)
    np.testing.assert_array_equal(merged.segment, ids.ravel()[order])
    np.testing.assert_array_equal(segment_values(merged, ("mean",), NONE)[:, 0], values.ravel()[order])


def test_a_block_without_segments_has_no_pieces() -> None:
    found = np.ones((2, *CELL), np.float32), np.zeros(CELL, np.uint32), np.ones(CELL, bool)
    merged = whole(found)
    assert (len(merged), merged.mean.shape) == (0, (0, 2))
    assert segment_values(merged, ALL, NONE).shape == (0, 8)
    empty = np.zeros((2, 0, 0), np.float32), np.zeros((0, 0), np.uint32), np.zeros((0, 0), bool)
    assert len(whole(empty)) == 0


def test_only_the_requested_statistics_have_columns() -> None:
    pieces = whole(tile(0, (20, 70), 5), ("max",))
    assert [array.shape[1] for array in (pieces.mean, pieces.squares, pieces.minimum, pieces.maximum)] == [0, 0, 0, 3]
    assert whole(tile(0, (20, 70), 5), ("std",)).mean.shape[1] == 3
    assert piece_bytes(3, ("max",)) * len(pieces) == sum(array.nbytes for array in pieces.arrays)


def pieces_at(
    origin: tuple[int, int], shape: tuple[int, int], width: int, *, used: tuple[int, int] | None = None
) -> SegmentPieces:
    values, segments = np.zeros((1, *shape), np.float32), np.ones(shape, np.uint32)
    return block_pieces(values, segments, np.ones(used or shape, bool), origin=origin, width=width, statistics=["mean"])


@pytest.mark.parametrize("origin", [(8, 0), (0, 32)])
def test_blocks_beside_the_cells_are_refused(origin: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=r"expected multiples of \(16, 64\)"):
        pieces_at(origin, (4, 4), 4 + origin[1])


def test_a_block_that_ends_in_a_cell_before_the_edge_of_the_tile_is_refused() -> None:
    with pytest.raises(ValueError, match="70 of the 80 columns"):
        pieces_at((0, 0), (16, 70), 80)


def test_arrays_of_other_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="differ in shape"):
        pieces_at((0, 0), (16, 64), 64, used=(16, 6))


@pytest.mark.parametrize("statistics", [[], ["mean", "median"]])
def test_unknown_statistics_are_refused(statistics: list[str]) -> None:
    with pytest.raises(ValueError, match="expected some of"):
        SegmentPieces.empty(3, statistics)
