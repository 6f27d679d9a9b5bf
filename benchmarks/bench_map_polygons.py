"""Polygons of a whole map, with attributes: time and peak memory of each step."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.windows import Window
from scipy.ndimage import gaussian_filter

from benchmarks.archives import FULL_TILE_SIDE, side_of
from benchmarks.figures import Figures
from benchmarks.tasks import run_task

GROUP = "polygons of a whole map"
CONFIG = """\
chain : {{ output_path : '{output}' }}
builders : {{ builders_class_name : ['I2Vectorization'] }}
simplification :
{{
  classification : '{folder}/map.tif'
  confidence : '{folder}/confidence.tif'
  validity : '{folder}/validity.tif'
  umc1 : 10
  umc2 : 3
  rssize : {rssize}
}}
"""
STEPS = (
    "regularisedMap",
    "squareLines",
    "joinedPatches",
    "squarePolygons",
    "clippedPolygons",
    "allPolygons",
    "polygonsSummary",
)
ROWS_AT_A_TIME = 1024


@pytest.mark.parametrize("rssize", [20, 10])
def bench_map_polygons(
    figures: Figures, bench_data: Path, megapixels: float, rssize: int, pytestconfig: pytest.Config
) -> None:
    """A run on a map, with and without resampling; then all jobs of each step on one thread.

    The map has fields with a third of random labels; or it repeats the classification of ``--map``. With
    ``--full-tile``, it is that of a whole tile.
    """
    side = FULL_TILE_SIDE if pytestconfig.getoption("--full-tile") else side_of(megapixels)
    folder = bench_data / f"map_{side}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    _write_rasters(folder, side, _piece(pytestconfig.getoption("--map")))
    config = folder / "polygons.cfg"
    config.write_text(CONFIG.format(output=folder / "results", folder=folder, rssize=rssize), encoding="utf-8")
    command = [sys.executable, "-m", "iota2", "run", str(config)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stdout[-2000:] + done.stderr[-2000:])
    which = "processor" if figures.processor_time else "seconds"
    for step in STEPS:
        message = run_task("step", config, "--step", step)
        name = f"{step}, pixels of {rssize} m"
        figures.add(GROUP, name, message[which], memory=message["memory"], megapixels=side**2 / 1e6)
    shutil.rmtree(folder)


def _piece(path: Path | None) -> np.ndarray:
    """Labels that the map repeats: those of a file, or fields with a third of random labels."""
    if path is not None:
        with rasterio.open(path) as source:
            return np.asarray(source.read(1))
    rng = np.random.default_rng(0)
    fields = gaussian_filter(rng.normal(size=(1100, 1100)), 8)
    labels = np.digitize(fields, np.quantile(fields, [0.2, 0.4, 0.6, 0.8])) + 1
    return np.where(rng.random(labels.shape) < 0.35, rng.integers(1, 6, labels.shape), labels).astype(np.uint8)


def _write_rasters(folder: Path, side: int, piece: np.ndarray) -> None:
    """The map of mirrored pieces, without seams, its confidence and its validity."""
    profile = {"driver": "GTiff", "height": side, "width": side, "count": 1, "dtype": "uint8", "nodata": 0}
    profile |= {"crs": "EPSG:32631", "transform": rasterio.transform.from_origin(300_000, 4_900_020, 10, 10)}
    profile |= {"compress": "deflate", "tiled": True}
    rows, cols = (_mirrored(side, length) for length in piece.shape)
    rng = np.random.default_rng(1)
    with (
        rasterio.open(folder / "map.tif", "w", **profile) as labels,
        rasterio.open(folder / "confidence.tif", "w", **profile) as confidence,
        rasterio.open(folder / "validity.tif", "w", **profile) as validity,
    ):
        for first in range(0, side, ROWS_AT_A_TIME):
            found = piece[rows[first : first + ROWS_AT_A_TIME]][:, cols]
            window = Window(0, first, side, len(found))
            labels.write(found, 1, window=window)
            confidence.write(rng.integers(30, 101, found.shape, np.uint8), 1, window=window)
            validity.write(rng.integers(1, 41, found.shape, np.uint8), 1, window=window)


def _mirrored(side: int, length: int) -> np.ndarray:
    """Positions in a piece for each position of the map: forwards, backwards, forwards …"""
    at = np.arange(side) % (2 * length)
    return np.minimum(at, 2 * length - 1 - at)
