"""Polygons of segments: their pixels, whatever the number of segments that are read at a time."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox

from iota2.core.grid import block_of
from iota2.io.rasters.files import RasterProfile, RasterWriter
from iota2.io.rasters.rasterize import pixels_inside
from iota2.io.rasters.segment_polygons import segment_polygons

GRID = GeoBox((60, 300), Affine(10, 0, 300_000, 0, -10, 4_900_000), "EPSG:32631")
"""Wider than a tile of the file."""


def write(path: Path, numbers: np.ndarray, grid: GeoBox = GRID) -> Path:
    with RasterWriter(path, RasterProfile(grid, "uint32", nodata=0)) as writer:
        writer.write(block_of("", grid, (0, grid.shape.y), (0, grid.shape.x)), numbers.astype(np.uint32))
    return path


def read(path: Path, wanted: np.ndarray, count: int = 1000) -> tuple[np.ndarray, np.ndarray]:
    found = [*segment_polygons(path, wanted, count)]
    return np.concatenate([one for one, _ in found]), np.concatenate([one for _, one in found])


@pytest.mark.parametrize("count", [1, 7, 1000])
def test_the_pixels_of_a_polygon_are_those_of_its_segment(tmp_path: Path, count: int) -> None:
    """Segments have several parts, holes, and parts and holes that touch at corners."""
    truth = np.random.default_rng(1).integers(0, 30, GRID.shape)
    path = write(tmp_path / "a.tif", truth)
    numbers, polygons = read(path, np.ones(29, bool), count)
    assert sorted(numbers) == [*range(1, 30)]
    assert shapely.is_valid(polygons).all()
    assert set(shapely.get_type_id(polygons)) == {shapely.GeometryType.MULTIPOLYGON}
    owner, rows, cols = pixels_inside(gpd.GeoDataFrame(geometry=polygons, crs="EPSG:32631"), GRID)
    drawn = np.zeros(GRID.shape, int)
    drawn[rows, cols] = numbers[owner]
    np.testing.assert_array_equal(drawn, truth)


def test_a_hole_that_opens_at_a_corner_gives_a_valid_polygon(tmp_path: Path) -> None:
    grid = GRID[:4, :4]
    path = write(tmp_path / "a.tif", np.array([[1, 1, 1, 1], [1, 0, 0, 1], [1, 1, 0, 1], [1, 1, 1, 0]]), grid)
    _, (polygon,) = read(path, np.ones(1, bool))
    assert polygon.is_valid
    assert polygon.area == 12 * 100


def test_segments_come_from_top_to_bottom_and_only_those_wanted(tmp_path: Path) -> None:
    numbers = np.zeros(GRID.shape, int)
    numbers[50:52], numbers[5:7], numbers[20:58, :2], numbers[30] = 1, 2, 3, 4
    wanted = np.array([True, True, True, False])
    path = write(tmp_path / "a.tif", numbers)
    assert [one.tolist() for one, _ in segment_polygons(path, wanted, 1)] == [[2], [3], [1]]
    assert [one.tolist() for one, _ in segment_polygons(path, wanted, 2)] == [[2, 3], [1]]
    found, polygons = read(path, wanted)
    assert found.tolist() == [1, 2, 3], "ascending each time"
    assert shapely.area(polygons).tolist() == [2 * 298 * 100, 2 * 300 * 100, (38 * 2 - 2) * 100]


def test_only_pixels_in_one_of_the_areas_count(tmp_path: Path) -> None:
    numbers = np.repeat([[1, 2]], [100, 200], axis=1) + np.zeros((60, 1))
    west, south = np.zeros(GRID.shape), np.zeros(GRID.shape)
    west[:, :90], south[40:, :110] = 1, 1
    areas = [write(tmp_path / "west.tif", west), write(tmp_path / "south.tif", south)]
    numbers[:10, 250:] = 3
    ((found, polygons),) = segment_polygons(write(tmp_path / "a.tif", numbers), np.ones(3, bool), 10, areas)
    assert found.tolist() == [1, 2], "the third has no such pixel"
    alone = segment_polygons(tmp_path / "a.tif", np.ones(3, bool), 1, areas)
    assert [one.tolist() for one, _ in alone] == [[1], [2]]
    assert shapely.area(polygons).tolist() == [(90 * 60 + 10 * 20) * 100, 10 * 20 * 100]


def test_nothing_is_yielded_without_segments(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", np.zeros(GRID.shape))
    assert [*segment_polygons(path, np.zeros(0, bool), 10)] == []
    assert [*segment_polygons(path, np.zeros(3, bool), 10)] == []
