"""Segments of one full tile from the polygons of a user."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import large_segmentation
from benchmarks.archives import FULL_TILE_SIDE
from benchmarks.figures import Figures

MEMORY = 256 << 20
"""Memory of a job for the arrays of a block."""


def bench_user_segments(figures: Figures, pytestconfig: pytest.Config, tmp_path: Path) -> None:
    """A GeoPackage with small polygons becomes a raster of segments."""
    path = tmp_path / "segments.gpkg"
    large_segmentation.write_polygons(path, pytestconfig.getoption("--polygons"), FULL_TILE_SIDE)
    found = large_segmentation.measure_in_subprocess(path, FULL_TILE_SIDE, MEMORY)
    note = f"{found['segments']} segments on {FULL_TILE_SIDE} x {FULL_TILE_SIDE} pixels"
    seconds = found["processor" if figures.processor_time else "seconds"]
    figures.add("user segments", "polygons to raster", seconds, memory=found["memory"], note=note)
