"""Pieces of segments are read as they were written; damaged and other ones are errors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from iota2.compute.segment_statistics import SegmentPieces, block_pieces
from iota2.errors import InputError
from iota2.io.tables.segment_pieces import read_segment_pieces, write_segment_pieces


def pieces(statistics: tuple[str, ...] = ("mean", "max"), features: int = 3) -> SegmentPieces:
    random = np.random.default_rng(0)
    values = random.random((features, 16, 128)).astype(np.float32)
    segments = random.integers(0, 5, (16, 128)).astype(np.uint32)
    used = random.random((16, 128)) < 0.9
    return block_pieces(values, segments, used, origin=(16, 64), width=192, statistics=statistics)


def test_pieces_are_read_as_written(tmp_path: Path) -> None:
    for name in "ab":
        write_segment_pieces(pieces(), tmp_path / f"{name}.npz")
    found = read_segment_pieces(tmp_path / "a.npz", 3, ("mean", "max"))
    for one, other in zip(found.arrays, pieces().arrays, strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_no_pieces_are_possible(tmp_path: Path) -> None:
    write_segment_pieces(SegmentPieces.empty(3, ("std",)), tmp_path / "none.npz")
    assert len(read_segment_pieces(tmp_path / "none.npz", 3, ("std",))) == 0


@pytest.mark.parametrize("damage", ["missing", "cut", "text", "features", "statistics", "array", "pixels"])
def test_a_damaged_file_is_named(tmp_path: Path, damage: str) -> None:
    path, found = tmp_path / "pieces.npz", pieces()
    write_segment_pieces(found, path)
    if damage == "missing":
        path.unlink()
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:300])
    elif damage == "text":
        path.write_text("pieces", encoding="utf-8")
    elif damage == "array":
        np.savez(path, segment=found.segment)
    elif damage == "pixels":
        short = SegmentPieces(found.segment, found.cell, found.pixels[1:], *found.arrays[3:])
        write_segment_pieces(short, path)
    with pytest.raises(InputError, match=r"pieces\.npz: .*Compute the values of the segments again"):
        read_segment_pieces(path, 3 + (damage == "features"), ("mean", "std" if damage == "statistics" else "max"))
