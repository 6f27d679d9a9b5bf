"""Pieces of segments that continue in another part of a tile, passed to the merge of its parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from iota2.compute.segment_statistics import SegmentPieces
from iota2.errors import InputError
from iota2.io.tables.array_files import read_arrays, write_arrays

_NAMES = tuple(one.name for one in fields(SegmentPieces))
_REMEDY = "Compute the values of the segments again"


def write_segment_pieces(pieces: SegmentPieces, path: Path) -> None:
    """Write the pieces as uncompressed arrays; equal pieces give equal bytes."""
    write_arrays(path, **dict(zip(_NAMES, pieces.arrays, strict=True)))


def read_segment_pieces(path: Path, features: int, statistics: Sequence[str]) -> SegmentPieces:
    """The pieces that ``write_segment_pieces`` wrote.

    InputError if the file is missing or damaged, or has not this number of features and these statistics.
    """
    found = SegmentPieces(*read_arrays(path, _NAMES, what="pieces of segments", remedy=_REMEDY))
    expected = SegmentPieces.empty(features, statistics)
    for name, one, like in zip(_NAMES, found.arrays, expected.arrays, strict=True):
        if (one.dtype, one.shape) != (like.dtype, (len(found), *like.shape[1:])):
            raise InputError(
                f"{path}: {name} has {one.dtype} of shape {one.shape}, expected {like.dtype} of "
                f"{(len(found), *like.shape[1:])} for {features} features and {', '.join(statistics)}. {_REMEDY}"
            )
    return found
