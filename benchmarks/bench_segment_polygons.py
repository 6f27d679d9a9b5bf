"""Polygons of segments: their outlines, and files with their features."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox
from scipy.ndimage import gaussian_filter

from benchmarks.figures import Figures
from iota2.core.grid import block_of
from iota2.io.rasters.files import RasterProfile, RasterReader, RasterWriter
from iota2.io.rasters.segment_polygons import segment_polygons
from iota2.io.tables.polygon_layers import write_geopackage
from iota2.io.tables.polygon_tables import group_rows, join_polygons, write_polygons

GROUP = "polygons of segments"
SIDE, CELL = 1000, 8
"""Pixels of the raster, and of the squares whose borders are displaced, which are the segments."""
GRID = GeoBox((SIDE, SIDE), Affine(10, 0, 300_000, 0, -10, 4_900_020), "EPSG:32631")
NOTE = f"{(SIDE // CELL) ** 2} segments of about {CELL**2} pixels"


@pytest.fixture(scope="module")
def raster(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A raster of segments with winding borders."""
    rng = np.random.default_rng(0)
    row, col = (
        np.clip(pixel + (40 * gaussian_filter(rng.normal(size=GRID.shape), 3)).astype(int), 0, SIDE - 1) // CELL
        for pixel in np.indices(GRID.shape)
    )
    path = tmp_path_factory.mktemp("segments") / "segments.tif"
    with RasterWriter(path, RasterProfile(GRID, "uint32", nodata=0)) as writer:
        block = block_of("", GRID, (0, SIDE), (0, SIDE))
        writer.write(block, (row * (SIDE // CELL) + col + 1).astype(np.uint32))
    return path


def outlines(raster: Path, features: int = 10) -> list[tuple[np.ndarray, np.ndarray]]:
    """Numbers and polygons of all segments."""
    with RasterReader(raster) as reader:
        pixels = np.bincount(reader.read(GRID).ravel())[1:]
    return [*segment_polygons(raster, pixels > 0, group_rows(features))]


def bench_outlines(*, benchmark: Any, figures: Figures, rounds: int, raster: Path) -> None:
    """Polygons along the edges of pixels."""
    benchmark.pedantic(lambda: outlines(raster), rounds=rounds, iterations=1, warmup_rounds=1)
    figures.add(GROUP, "outlines", benchmark.stats.stats.data, note=NOTE)


@pytest.mark.parametrize("features", [10, 400])
@pytest.mark.parametrize("name", ["GeoParquet", "GeoPackage", "joined GeoParquet"])
def bench_files(
    *, benchmark: Any, figures: Figures, rounds: int, raster: Path, tmp_path: Path, name: str, features: int
) -> None:
    """Files of polygons with features, from the outlines or from a GeoParquet file."""
    rng, path = np.random.default_rng(0), tmp_path / "segments.parquet"
    frames = []
    for numbers, polygons in outlines(raster, features):
        values = rng.normal(1000, 300, (len(numbers), features)).astype(np.float32)
        table = pd.DataFrame(values, columns=[f"f{k}" for k in range(features)])
        frames.append(gpd.GeoDataFrame(table, geometry=polygons, crs="EPSG:2154"))
    write_polygons(frames[0][:0], frames, path)
    work = {
        "GeoParquet": lambda: write_polygons(frames[0][:0], frames, path),
        "GeoPackage": lambda: write_geopackage(path, tmp_path / "segments.gpkg", "segments"),
        "joined GeoParquet": lambda: join_polygons([path], tmp_path / "joined.parquet"),
    }
    benchmark.pedantic(work[name], rounds=rounds, iterations=1, warmup_rounds=1)
    figures.add(GROUP, f"{name}, {features} features", benchmark.stats.stats.data, note=NOTE)
