"""Classification of the segments of a tile: time and peak memory of each step."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio
from odc.geo.geobox import GeoBox
from rasterio.windows import Window

from benchmarks.archives import DATES, FULL_TILE_SIDE, Archive, archive, side_of
from benchmarks.figures import Figures
from benchmarks.tasks import run_task

GROUP = "segments"
CONFIG = """\
builders : {{ builders_class_name : ['I2Obia'] }}
obia : {{ obia_segmentation_path : '{segments}', stats_used : ['mean', 'std'] }}
iota2_feature_extraction : {{ extract_bands : True }}
Sentinel_2 : {{ keep_bands : ['B3', 'B4', 'B8', 'B11'] }}
"""
STEPS = (
    "segmentation",
    "labelledSegments",
    "segmentValues",
    "mergeSegments",
    "segmentLabels",
    "segmentSamples",
    "segmentClassification",
    "segmentPolygons",
    "mergeSegmentPolygons",
)
ROWS_PER_SEGMENT, COLS_PER_SEGMENT = 8, 7
ROWS_AT_A_TIME = 1024


def bench_objects(figures: Figures, bench_data: Path, megapixels: float, pytestconfig: pytest.Config) -> None:
    """A run on the segments of a raster, with two dates; then all jobs of each step on one thread.

    With ``--full-tile``, two million segments of a whole tile.
    """
    side = FULL_TILE_SIDE if pytestconfig.getoption("--full-tile") else side_of(megapixels)
    made = archive(bench_data, side, dates=DATES[12:14])
    config, which = _configured(made), "processor" if figures.processor_time else "seconds"
    done = subprocess.run(
        [sys.executable, "-m", "iota2", "run", str(config)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(done.stdout[-2000:] + done.stderr[-2000:])
    for step in STEPS:
        message = run_task("step", config, "--step", step)
        figures.add(GROUP, step, message[which], memory=message["memory"], megapixels=made.megapixels)
    segments = -(-side // ROWS_PER_SEGMENT) * -(-side // COLS_PER_SEGMENT)
    figures.remarks.append(f"{segments:,} segments, {made.megapixels:g} megapixels.")
    shutil.rmtree(_output(made))


def _output(made: Archive) -> Path:
    return made.output.with_name("Objects")


def _configured(made: Archive) -> Path:
    path, segments = made.files.folder / "objects.cfg", made.files.folder / "segments.tif"
    if not segments.exists():
        _write_segments(segments, made)
    text = made.config.read_text(encoding="utf-8").replace(str(made.output), str(_output(made)))
    text = text.replace("'strategy' : 'constant', 'strategy.constant.nb' : 1700", "'strategy' : 'all'")
    path.write_text(text + CONFIG.format(segments=segments), encoding="utf-8")
    return path


def _write_segments(path: Path, made: Archive) -> None:
    """Rectangles of some rows and columns on the grid of the images."""
    image = next(made.files.s2_path.rglob("*_B4.tif"))
    with rasterio.open(image) as source:
        geobox = GeoBox(source.shape, source.transform, source.crs)
    height, width = geobox.shape
    profile = {"driver": "GTiff", "height": height, "width": width, "count": 1, "dtype": "uint32", "nodata": 0}
    profile |= {"crs": geobox.crs, "transform": geobox.affine, "compress": "deflate", "tiled": True}
    across = -(-width // COLS_PER_SEGMENT)
    with rasterio.open(path, "w", **profile) as out:
        for first in range(0, height, ROWS_AT_A_TIME):
            rows, cols = np.arange(first, min(first + ROWS_AT_A_TIME, height)), np.arange(width)
            numbers = rows[:, None] // ROWS_PER_SEGMENT * across + cols // COLS_PER_SEGMENT + 1
            out.write(numbers.astype(np.uint32), 1, window=Window(0, first, width, len(rows)))
