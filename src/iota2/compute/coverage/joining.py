"""Patches that continue over the boundaries of cells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from iota2.compute.coverage.cells import CellIndex, CellSide, CellSides


@dataclass(frozen=True, eq=False)
class JoinedPatches:
    """Pieces of the patches that have several pieces; all other patches are complete in their cell.

    A piece is a patch of a cell. Its home is the first piece of the same patch, by row and column of the cell, and
    number in the cell. Pieces are in the order of their homes, then in their own.
    """

    pieces: np.ndarray
    """(piece, 3) int64: row and column of the cell, number of the patch there."""
    homes: np.ndarray
    """(piece, 3) int64: the home of each piece, likewise; homes are pieces, too."""


def join_cells(sides: Mapping[CellIndex, CellSides]) -> JoinedPatches:
    """Join the patches of cells that continue over a boundary of a cell: pixels with one label on both sides of it."""
    pairs = [np.empty((0, 2, 3), np.int64)]
    for (row, col), cell in sorted(sides.items()):
        if (row, col + 1) in sides:
            pairs.append(_contacts((row, col), cell.right, (row, col + 1), sides[row, col + 1].left))
        if (row + 1, col) in sides:
            pairs.append(_contacts((row, col), cell.bottom, (row + 1, col), sides[row + 1, col].top))
    pieces, numbers = np.unique(np.concatenate(pairs).reshape(-1, 3), axis=0, return_inverse=True)
    home = _first_members(numbers.reshape(-1, 2), len(pieces))
    order = np.argsort(home, kind="stable")
    return JoinedPatches(pieces[order], pieces[home[order]])


def _contacts(one: CellIndex, before: CellSide, other: CellIndex, after: CellSide) -> np.ndarray:
    """(pair, 2, 3): pieces that touch over the boundary between two cells and have one label."""
    same = (before.labels == after.labels) & (before.labels != 0)
    pairs = np.unique(np.column_stack([before.patches[same], after.patches[same]]), axis=0)
    cells = np.broadcast_to(np.array([one, other]), (len(pairs), 2, 2))
    return np.concatenate([cells, pairs[:, :, np.newaxis]], axis=2, dtype=np.int64)


def _first_members(links: np.ndarray, count: int) -> np.ndarray:
    """(element,): the first element of the set of each one; ``links`` (link, 2) are pairs in one set."""
    graph = coo_array((np.ones(len(links), bool), (links[:, 0], links[:, 1])), shape=(count, count))
    _, groups = connected_components(graph, directed=False)
    first = np.full(count, count)
    np.minimum.at(first, groups, np.arange(count))
    return first[groups]
