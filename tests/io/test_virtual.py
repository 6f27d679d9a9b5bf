"""Virtual rasters of several files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox

from iota2.core.grid import block_of
from iota2.io.rasters.files import RasterProfile, RasterWriter
from iota2.io.rasters.virtual import write_virtual

GRID = GeoBox((70, 40), Affine(10, 0, 300_000.5, 0, -10, 4_900_000), "EPSG:32631")


@pytest.mark.parametrize("name", ["plain", 'a & <b> "é" \'', "t t"])
def test_a_virtual_raster_has_the_pixels_and_descriptions_of_its_files(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    values = np.random.default_rng(1).integers(-500, 500, (2, 70, 40)).astype(np.int16)
    profile = RasterProfile(
        GRID, "int16", 2, nodata=-10000, descriptions=("a<b>&", "second"), band_tags=({"DATE": "2018-01-01"}, {})
    )
    files = []
    for part, rows in enumerate(((0, 30), (30, 60))):
        block = block_of("T", GRID, rows, (0, 40))
        files.append(folder / f"{name}_{part}.tif")
        with RasterWriter(files[-1], RasterProfile(block.geobox, "int16", 2, nodata=-10000)) as writer:
            writer.write(block, values[:, rows[0] : rows[1]])
    write_virtual(folder / f"{name}.vrt", profile, files)
    moved = tmp_path / "moved"
    folder.rename(moved)
    with rasterio.open(moved / f"{name}.vrt") as source:
        found = source.read()
        assert source.descriptions == ("a<b>&", "second")
        assert (source.tags(1)["DATE"], source.nodata, source.transform) == ("2018-01-01", -10000, GRID.affine)
        assert source.crs.to_epsg() == 32631
    np.testing.assert_array_equal(found[:, :60], values[:, :60])
    assert (found[:, 60:] == -10000).all(), "no file has these rows"
