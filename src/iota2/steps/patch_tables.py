"""Tables of the polygons of patches, or of their pieces, which steps pass to each other."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import geopandas as gpd
import numpy as np
import shapely

from iota2.compute.coverage.cells import CellIndex
from iota2.io.tables.polygon_tables import RowGroup, polygon_groups, read_row_group, write_polygons

_IDENTITY = ("cell_row", "cell_col", "patch")


class PatchPolygons(NamedTuple):
    """Polygons of patches; the arrays have one element or row for each."""

    identity: np.ndarray
    """(patch, 3) int64: row and column of the cell, number of the patch there."""
    codes: np.ndarray
    """(patch,) uint16: class code."""
    polygons: np.ndarray
    """(patch,) shapely polygons."""

    @staticmethod
    def of_cell(cell: tuple[int, int], numbers: np.ndarray, codes: np.ndarray, polygons: np.ndarray) -> PatchPolygons:
        """Some patches of one cell, given by their ``numbers``; ``codes`` and ``polygons`` of all."""
        identity = np.column_stack([np.broadcast_to(np.array(cell, np.int64), (len(numbers), 2)), numbers])
        return PatchPolygons(identity, codes[numbers].astype(np.uint16), polygons[numbers])

    def take(self, rows: np.ndarray) -> PatchPolygons:
        """The patches at ``rows``, indices or bool."""
        return PatchPolygons(self.identity[rows], self.codes[rows], self.polygons[rows])

    @property
    def keys(self) -> list[tuple[int, int, int]]:
        """Identities as tuples."""
        return [(row, col, patch) for row, col, patch in self.identity.tolist()]

    def frame(self, crs: str) -> gpd.GeoDataFrame:
        """The polygons with their attributes."""
        columns = {name: self.identity[:, k].astype(np.int32) for k, name in enumerate(_IDENTITY)}
        return gpd.GeoDataFrame({**columns, "code": self.codes}, geometry=self.polygons, crs=crs)


NO_PATCH_POLYGONS = PatchPolygons(np.zeros((0, 3), np.int64), np.zeros(0, np.uint16), np.zeros(0, object))


def write_patches(groups: Iterable[PatchPolygons], crs: str, path: Path) -> None:
    """Write patches, a cell at a time; equal groups give equal bytes."""
    write_polygons(NO_PATCH_POLYGONS.frame(crs), (group.frame(crs) for group in groups), path)


def patch_row_groups(path: Path) -> dict[CellIndex, RowGroup]:
    """The row groups of a file of ``write_patches`` by cell; each has the patches of one cell."""
    return {group.first: group for group in polygon_groups(path, _IDENTITY[:2])}


def read_patches(group: RowGroup) -> PatchPolygons:
    """The patches of a group."""
    frame = read_row_group(group, [*_IDENTITY, "code"])
    identity = np.column_stack([frame[name].to_numpy(np.int64) for name in _IDENTITY])
    return PatchPolygons(identity, frame["code"].to_numpy(np.uint16), shapely.get_parts(frame.geometry.to_numpy()))
