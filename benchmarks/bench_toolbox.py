"""Programs of Orfeo ToolBox on the same pixels, where they are on the machine (Debian: ``otb-bin``)."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.windows import Window

from benchmarks.archives import DATES
from benchmarks.child import call, one_scene
from benchmarks.conftest import CORES
from benchmarks.figures import Figures
from iota2.compute.features import feature_block
from iota2.core.grid import blocks
from iota2.core.tables import sample_columns
from iota2.io.series.reader import CubeReader, recipe_bands

SIDE = 500
"""Pixels along the side of the raster of features: at 481 bands it takes half a gigabyte."""
GROUP = "toolbox"
LITTLE = 20
"""Pixels along the side of rasters that are done as soon as the application has started."""

pytestmark = pytest.mark.skipif(
    shutil.which("otbcli_ImageClassifier") is None, reason="Orfeo ToolBox is not on this machine (Debian: otb-bin)"
)


@dataclass(frozen=True)
class Toolbox:
    """Runs applications on all cores and says how long they took."""

    processor: bool
    """Seconds of the processor in place of the clock."""

    @property
    def cores(self) -> int:
        """By how many the seconds count: those of the processor are of all cores together."""
        return 1 if self.processor else CORES

    def seconds(self, application: str, *arguments: object) -> float:
        """Seconds of one application."""
        before = os.times()
        clock = otb(application, *arguments)
        after = os.times()
        used = after.children_user + after.children_system - before.children_user - before.children_system
        return used if self.processor else clock


@pytest.fixture(scope="session")
def toolbox(figures: Figures) -> Toolbox:
    """The toolbox, with the seconds that count."""
    return Toolbox(figures.processor)


def otb(application: str, *arguments: object) -> float:
    """Seconds of one application by the clock; RuntimeError with what it said when it fails."""
    environment = {**os.environ, "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS": str(CORES)}
    started = time.perf_counter()
    done = subprocess.run(
        [f"otbcli_{application}", *map(str, arguments)], env=environment, capture_output=True, text=True, check=False
    )
    seconds = time.perf_counter() - started
    if done.returncode:
        raise RuntimeError(f"{application}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return seconds


@dataclass(frozen=True)
class Rasters:
    """A raster of features, and its first rows: what these take is starting and loading."""

    whole: Path
    little: Path
    pixels: int
    little_pixels: int


@pytest.fixture(scope="session")
def rasters(finished: Callable[[float], Any], tmp_path_factory: pytest.TempPathFactory) -> Callable[[float], Rasters]:
    """The features of a corner of the tile."""
    known: dict[float, Rasters] = {}

    def write(megapixels: float) -> Rasters:
        if megapixels not in known:
            run, folder = finished(megapixels), tmp_path_factory.mktemp("features")
            known[megapixels] = Rasters(folder / "features.tif", folder / "little.tif", *_write_features(run, folder))
        return known[megapixels]

    return write


def _write_features(run: Any, folder: Path) -> tuple[int, int]:
    """Write both rasters, (band, y, x) float32; returns their numbers of pixels."""
    scene, recipe = one_scene(run.found.scenes), run.found.recipe
    side = min(SIDE, run.archive.side)
    corner = scene.geobox[0:side, 0:side]
    rows = 50
    profile = {
        "driver": "GTiff", "dtype": "float32", "count": len(recipe.names), "width": side, "crs": str(corner.crs),
        "transform": corner.affine, "interleave": "pixel", "BIGTIFF": "IF_SAFER",
    }  # fmt: skip
    with (
        CubeReader(scene, recipe_bands(recipe)) as reader,
        rasterio.open(folder / "features.tif", "w", height=side, **profile) as whole,
        rasterio.open(folder / "little.tif", "w", height=2, **profile) as little,
    ):
        for block in blocks(scene.tile, corner, (rows, side)):
            values = feature_block(reader.read(block), recipe).values
            whole.write(values, window=Window(0, block.rows[0], side, block.shape[0]))
            if block.rows[0] == 0:
                little.write(np.ascontiguousarray(values[:, :2]))
    return side * side, 2 * side


@pytest.fixture(scope="session")
def toolbox_forest(finished: Callable[[float], Any]) -> Callable[[float], Path]:
    """A forest of OpenCV (the toolbox of Debian has no other), of as many trees as deep, on the same samples."""

    def train(megapixels: float) -> Path:
        run = finished(megapixels)
        model = run.archive.files.folder / "toolbox-forest.txt"
        if not model.exists():
            (samples,) = (run.archive.output / "learningSamples").glob("Samples_region_*")
            names = [name.lower() for name in sample_columns(run.found.recipe)]
            options = ("-classifier", "rf", "-classifier.rf.nbtrees", 100, "-classifier.rf.max", 25)
            options = (*options, "-classifier.rf.min", 5, "-classifier.rf.acc", 0, "-cfield", "code", "-feat", *names)
            otb("TrainVectorClassifier", "-io.vd", samples, "-io.out", model.with_suffix(".part"), *options)
            model.with_suffix(".part").rename(model)
        return model

    return train


def nodes_of(model: Path) -> int:
    """Nodes of a forest as OpenCV writes it."""
    with model.open(encoding="utf-8") as file:
        return sum(len(re.findall(r"\bdepth\b", line)) for line in file)


def bench_image_classifier(
    *,
    figures: Figures,
    toolbox: Toolbox,
    finished: Callable[[float], Any],
    rasters: Callable[[float], Rasters],
    toolbox_forest: Callable[[float], Path],
    megapixels: float,
    tmp_path: Path,
    rounds: int,
) -> None:
    """Labels of a raster of features with all cores: theirs, less starting and loading; ours."""
    model, raster = toolbox_forest(megapixels), rasters(megapixels)
    (folder,) = (path for path in (finished(megapixels).archive.output / "model").iterdir() if path.is_dir())
    size = {"megapixels": finished(megapixels).archive.megapixels}

    def theirs(path: Path) -> float:
        return toolbox.seconds(
            "ImageClassifier", "-in", path, "-model", model, "-out", tmp_path / "labels.tif", "uint8"
        )

    started = [theirs(raster.little) for _ in range(min(3, rounds))]
    seconds = [theirs(raster.whole) - float(np.median(started)) for _ in range(min(3, rounds))]
    pixels = raster.pixels - raster.little_pixels
    note = f"OpenCV's forest, {nodes_of(model)} nodes, one vote a tree"
    size["cores"] = toolbox.cores
    figures.add(GROUP, "ImageClassifier", seconds, pixels=pixels, note=note, **size)
    figures.add(GROUP, "starting and loading the forest, ImageClassifier", started, **size)
    options = ("--model", folder, "--raster", raster.whole, "--out", tmp_path / "ours.tif", "--threads", CORES)
    message = call("predict", finished(megapixels).archive.config, *options, "--rounds", rounds)
    more = {"memory": message["memory"], "reference": "ImageClassifier", **size}
    name = "iota2, the same raster of features"
    taken = message["processor" if toolbox.processor else "seconds"]
    figures.add(GROUP, name, taken, pixels=raster.pixels, **more)


def bench_superimpose(
    *,
    figures: Figures,
    toolbox: Toolbox,
    finished: Callable[[float], Any],
    megapixels: float,
    tmp_path: Path,
    rounds: int,
) -> None:
    """Resampling and stacking the ten bands of a date, less starting, taken as often as there are dates."""
    run = finished(megapixels)
    (sensor,) = one_scene(run.found.scenes).sensors
    bands = sensor.acquisitions[0].bands
    fine = [bands[name] for name in bands if sensor.grids[name].affine.a == 10]
    coarse = [bands[name] for name in bands if bands[name] not in fine]
    size = {"megapixels": run.archive.megapixels, "cores": toolbox.cores, "note": f"one date, taken {len(DATES)} times"}
    found: dict[str, dict[int, list[float]]] = {"Superimpose": {}, "ConcatenateImages": {}}
    for side in (LITTLE, run.archive.side):
        lower, upper, up = (tmp_path / f"{name}{side}.tif" for name in ("20m", "10m", "up"))
        _stack(coarse, lower, side // 2)
        _stack(fine, upper, side)
        options = ("-interpolator", "bco", "-interpolator.bco.radius", 2, "-out", up, "int16")
        given = ("-inr", upper, "-inm", lower, *options)
        found["Superimpose"][side] = [toolbox.seconds("Superimpose", *given) for _ in range(rounds)]
        given = ("-il", upper, up, "-out", tmp_path / "all.tif", "int16")
        found["ConcatenateImages"][side] = [toolbox.seconds("ConcatenateImages", *given) for _ in range(rounds)]
    for name, seconds in found.items():
        starting = float(np.median(seconds[LITTLE]))
        worked = [len(DATES) * (whole - starting) for whole in seconds[run.archive.side]]
        figures.add(GROUP, name, worked, pixels=run.pixels, **size)


def _stack(paths: list[str], target: Path, side: int) -> None:
    """One raster of several bands: so many rows and columns of each, from the upper left."""
    with rasterio.open(paths[0]) as first:
        profile = {"driver": "GTiff", "dtype": "int16", "crs": first.crs, "transform": first.transform}
    with rasterio.open(target, "w", count=len(paths), height=side, width=side, **profile) as out:
        for number, path in enumerate(paths, start=1):
            with rasterio.open(path) as source:
                out.write(source.read(1, window=Window(0, 0, side, side)), number)
