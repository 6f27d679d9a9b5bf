"""Patches of cells as files: those along the limits of cells, and the homes of pieces."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from iota2.compute.coverage.cells import CellEdges, CellSide
from iota2.compute.coverage.joining import Cell, JoinedPatches
from iota2.io.tables.array_files import read_arrays, write_arrays

_REMEDY = "Run the step that makes it again"
_SIDES = CellEdges._fields


def write_edges(edges: Mapping[Cell, CellEdges], path: Path) -> None:
    """Write the patches along the limits of cells; equal content gives equal bytes."""
    sides = [side for cell in edges.values() for side in cell]
    write_arrays(
        path,
        cells=np.array([*edges], np.int64).reshape(-1, 2),
        lengths=np.array([len(side.labels) for side in sides], np.int64),
        patches=np.concatenate([np.zeros(0, np.int32), *(side.patches for side in sides)]),
        labels=np.concatenate([np.zeros(0, np.uint16), *(side.labels for side in sides)]).astype(np.uint16),
    )


def read_edges(path: Path) -> dict[Cell, CellEdges]:
    """The patches that ``write_edges`` wrote; InputError if the file is missing or damaged."""
    names = ("cells", "lengths", "patches", "labels")
    cells, lengths, patches, labels = read_arrays(path, names, what="limits of cells", remedy=_REMEDY)
    ends = np.cumsum(lengths)[:-1]
    sides = [CellSide(*pair) for pair in zip(np.split(patches, ends), np.split(labels, ends), strict=True)]
    count = len(_SIDES)
    return {(int(row), int(col)): CellEdges(*sides[count * k : count * (k + 1)]) for k, (row, col) in enumerate(cells)}


def write_homes(joined: JoinedPatches, path: Path) -> None:
    """Write pieces with their homes; equal content gives equal bytes."""
    write_arrays(path, pieces=joined.pieces, homes=joined.homes)


def read_homes(path: Path) -> JoinedPatches:
    """The pieces that ``write_homes`` wrote; InputError if the file is missing or damaged."""
    return JoinedPatches(*read_arrays(path, ("pieces", "homes"), what="pieces of patches", remedy=_REMEDY))
