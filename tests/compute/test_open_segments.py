"""Segments leave the accumulation with the block that completes them; others stay."""

from __future__ import annotations

import numpy as np
import pytest

from iota2.compute.open_segments import OpenSegments
from iota2.compute.segment_statistics import SegmentPieces, block_pieces


def block(segments: list[int], col: int) -> SegmentPieces:
    """The pieces of a block of one row of cells, whose columns have the given segments in its first pixels."""
    ids = np.zeros((1, 64), np.uint32)
    ids[0, : len(segments)] = segments
    values, used = np.full((1, 1, 64), col, np.float32), np.ones((1, 64), bool)
    return block_pieces(values, ids, used, origin=(0, col), width=256, statistics=("mean",))


def test_segments_are_complete_with_their_last_pixel() -> None:
    found = OpenSegments(np.array([3, 2, 1, 9]), 1, ("mean",))
    assert found.add(block([1, 2, 2, 4], 64)).segment.tolist() == [2]
    assert len(found) == 2
    done = found.add(block([3, 1, 1], 0))
    assert (done.segment.tolist(), done.pixels.tolist(), done.cell.tolist()) == ([1, 3], [3, 1], [0, 0])
    np.testing.assert_allclose(done.mean[:, 0], [64 / 3, 0])
    assert len(found) == 1


def test_the_rest_is_sorted_by_segment_and_cell() -> None:
    found = OpenSegments(np.array([9, 9]), 1, ("mean",))
    for col in (128, 0, 192, 64):
        assert len(found.add(block([2, 1], col))) == 0
    rest = found.rest()
    assert (rest.segment.tolist(), rest.cell.tolist()) == ([1, 1, 1, 1, 2, 2, 2, 2], [0, 1, 2, 3] * 2)
    assert rest.mean[:, 0].tolist() == [0, 64, 128, 192] * 2
    assert len(found.rest()) == 0


def test_rows_of_complete_segments_are_used_again() -> None:
    """A hundred rows of cells, each with segments that the next one completes: the store does not grow with them."""
    count, rows = 300, 100
    found, sizes = OpenSegments(np.full(count * rows, 2), 1, ("mean",)), []
    ids = np.zeros((16, 640), np.uint32)
    for row in range(rows + 1):
        ids[0, :count] = row * count + np.arange(1, count + 1) if row < rows else 0
        ids[1, :count] = (row - 1) * count + np.arange(1, count + 1) if row else 0
        values, used = np.ones((1, 16, 640), np.float32), np.ones(ids.shape, bool)
        pieces = block_pieces(values, ids, used, origin=(row * 16, 0), width=640, statistics=["mean"])
        assert len(found.add(pieces)) == (count if row else 0)
        sizes.append(sum(array.nbytes for array in found._store.arrays))
    assert len(found) == 0
    assert max(sizes) == sizes[1]


def test_pieces_are_kept_when_the_store_grows() -> None:
    """Four blocks of 1024 segments, and four further ones with the same segments."""
    count, blocks = 1024, 4
    found = OpenSegments(np.full(count * blocks, 2), 1, ("mean",))
    used = np.ones((16, 64), bool)
    for time in range(2):
        for k in range(blocks):
            ids = (k * count + 1 + np.arange(count)).reshape(16, 64).astype(np.uint32)
            origin = (16 * (time * blocks + k), 0)
            pieces = block_pieces(ids[None].astype(np.float32), ids, used, origin=origin, width=64, statistics=["mean"])
            done = found.add(pieces)
            assert len(done) == (count if time else 0)
            np.testing.assert_array_equal(done.mean[:, 0], done.segment)


def test_blocks_without_segments_and_tiles_without_segments_are_possible() -> None:
    found = OpenSegments(np.zeros(0, np.int64), 1, ("mean",))
    assert len(found.add(block([], 0))) == len(found.rest()) == 0


def test_more_pixels_than_expected_are_an_error() -> None:
    found = OpenSegments(np.array([1, 3]), 1, ("mean",))
    found.add(block([2, 2], 0))
    with pytest.raises(ValueError, match="segment 2 has 1 pixels more than expected"):
        found.add(block([2, 2], 0))
