"""The order of polygons in the files of areas."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import shapely

from iota2.core.graph import JobContext, Key, MultiplePaths, Paths, Resources
from iota2.io.tables.polygon_tables import write_polygons
from iota2.steps.vectors.clipped import ClippedParams, _groups


def cells(*places: tuple[int, int]) -> list[gpd.GeoDataFrame]:
    """A polygon of each cell, which fills it."""
    return [
        gpd.GeoDataFrame(
            {"cell_row": np.array([row], np.int32), "cell_col": np.array([col], np.int32)},
            geometry=[shapely.box(col, -row - 1, col + 1, -row)],
            crs="EPSG:2154",
        )
        for row, col in places
    ]


def job(folder: Path, squares: dict[str, list[tuple[int, int]]]) -> JobContext[ClippedParams]:
    for square, places in squares.items():
        frames = cells(*places)
        write_polygons(frames[0].iloc[:0], frames, folder / f"{square}.parquet")
    paths = MultiplePaths(("square",), {(square,): f"{square}.parquet" for square in squares})
    given = ClippedParams(None, "", "", (), 0)
    return JobContext(Paths(folder, {"squares": paths}), Paths(folder, {}), Key.of(area="all"), given, Resources())


def test_cells_are_read_row_by_row_whatever_their_square(tmp_path: Path) -> None:
    squares = {"0_0": [(0, 0), (0, 1), (1, 0), (1, 1)], "0_1": [(0, 2), (1, 2)], "1_0": [(10, 0)], "2_0": [(2, 0)]}
    found = [group.first for group in _groups(job(tmp_path, squares), None)]
    assert found == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (2, 0), (10, 0)]


def test_cells_outside_the_area_are_not_read(tmp_path: Path) -> None:
    found = _groups(job(tmp_path, {"0_0": [(0, 0), (0, 1), (1, 0)]}), shapely.box(0.2, -2, 0.8, -1.5))
    assert [group.first for group in found] == [(1, 0)]
