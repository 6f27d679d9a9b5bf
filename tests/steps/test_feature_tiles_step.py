"""The step that cuts a raster to a tile, on a raster with known values."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox

from iota2.core.user_raster import RasterSource, Resampling
from iota2.io.rasters.raster_source import source_to_plain
from iota2.steps.prepare import feature_tiles
from tests.steps.helpers import CRS, GRID, read_raster, run, scene_file, write_raster

NODATA = -1


def cut(folder: Path, values: np.ndarray, grid: GeoBox, resampling: Resampling) -> np.ndarray:
    """The raster on the grid of the tile, six rows and eight columns of 10 m."""
    folder.mkdir(exist_ok=True)
    write_raster(folder / "mine.tif", values, "int16", geobox=grid, nodata=NODATA)
    source = RasterSource(str(folder / "mine.tif"), resampling, NODATA)
    (folder / "source.json").write_text(json.dumps(source_to_plain(source, "")), encoding="utf-8")
    inp = {"scene": scene_file(folder, []), "source": "source.json"}
    run(feature_tiles.STEP, folder, inp, {"raster": "cut.tif"})
    return read_raster(folder / "cut.tif")


@pytest.mark.parametrize("kind", ["continuous", "categorical"])
def test_aligned_pixels_are_copied(tmp_path: Path, kind: Resampling) -> None:
    """Two columns of the tile are west of the raster, and the last row is south of it."""
    values = np.arange(5 * 9).reshape(5, 9)
    values[1, 1] = NODATA
    found = cut(tmp_path, values, GeoBox((5, 9), Affine(10, 0, 300_020, 0, -10, 4_900_000), CRS), kind)
    assert (found[:5, 2:] == values[:, :6]).all()
    assert (found[:, :2] == NODATA).all()
    assert (found[5] == NODATA).all()


def test_finer_pixels_are_averaged_or_the_most_frequent_is_taken(tmp_path: Path) -> None:
    fine = GeoBox((12, 16), Affine(5, 0, 300_000, 0, -5, 4_900_000), CRS)
    values = np.tile([[4, 4], [4, 8]], (6, 8))
    assert (cut(tmp_path / "a", values, fine, "continuous") == 5).all()
    assert (cut(tmp_path / "m", values, fine, "categorical") == 4).all()
    assert GRID.shape == (6, 8)
