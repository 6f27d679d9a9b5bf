"""Patches of cells as files: those along the boundaries of cells, and the homes of pieces."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from iota2.compute.coverage.cells import CellIndex, CellSide, CellSides
from iota2.compute.coverage.joining import JoinedPatches
from iota2.io.tables.array_files import read_arrays, write_arrays

_SIDES = CellSides._fields
_HOMES_REMEDY = "Run the step joinedPatches again"


def write_sides(of_cells: Mapping[CellIndex, CellSides], path: Path) -> None:
    """Write the patches along the boundaries of cells; equal content gives equal bytes."""
    sides = [side for cell in of_cells.values() for side in cell]
    write_arrays(
        path,
        cells=np.array([*of_cells], np.int64).reshape(-1, 2),
        lengths=np.array([len(side.labels) for side in sides], np.int64),
        patches=np.concatenate([np.zeros(0, np.int32), *(side.patches for side in sides)]),
        labels=np.concatenate([np.zeros(0, np.uint16), *(side.labels for side in sides)]).astype(np.uint16),
    )


def read_sides(path: Path) -> dict[CellIndex, CellSides]:
    """The patches that ``write_sides`` wrote; InputError if the file is missing or damaged."""
    names = ("cells", "lengths", "patches", "labels")
    cells, lengths, patches, labels = read_arrays(
        path, names, what="sides of cells", remedy="Run the step squareLines again"
    )
    ends = np.cumsum(lengths)[:-1]
    sides = [CellSide(*pair) for pair in zip(np.split(patches, ends), np.split(labels, ends), strict=True)]
    count = len(_SIDES)
    return {(int(row), int(col)): CellSides(*sides[count * k : count * (k + 1)]) for k, (row, col) in enumerate(cells)}


def write_homes(joined: JoinedPatches, path: Path) -> None:
    """Write pieces with their homes; equal content gives equal bytes."""
    write_arrays(path, pieces=joined.pieces, homes=joined.homes)


def read_homes(path: Path) -> JoinedPatches:
    """The pieces that ``write_homes`` wrote; InputError if the file is missing or damaged."""
    return JoinedPatches(*read_arrays(path, ("pieces", "homes"), what="pieces of patches", remedy=_HOMES_REMEDY))
