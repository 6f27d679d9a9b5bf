"""Applications of Orfeo ToolBox on the same pixels, if they are installed (Debian: ``otb-bin``)."""

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
from benchmarks.conftest import CORES
from benchmarks.figures import Figures
from benchmarks.tasks import one_scene, run_task
from iota2.compute.features import feature_block
from iota2.core.grid import blocks
from iota2.core.tables import sample_columns
from iota2.io.series.reader import CubeReader, recipe_bands

RASTER_SIDE = 500
"""Pixels along the side of the feature raster: with 481 bands it has half a gigabyte."""
GROUP = "toolbox"
STARTUP_SIDE = 20
"""Pixels along the side of tiny rasters, whose processing takes only the startup of an application."""

pytestmark = pytest.mark.skipif(
    shutil.which("otbcli_ImageClassifier") is None, reason="Orfeo ToolBox is not installed (Debian: otb-bin)"
)


@dataclass(frozen=True)
class Toolbox:
    """Runs applications on all cores and measures their time."""

    processor_time: bool
    """Processor time instead of wall-clock time."""

    @property
    def cores(self) -> int:
        """Factor of the seconds: 1 for processor time, which is the sum over all cores."""
        return 1 if self.processor_time else CORES

    def seconds(self, application: str, *arguments: object) -> float:
        """Seconds of one application."""
        before = os.times()
        clock = otb(application, *arguments)
        after = os.times()
        used = after.children_user + after.children_system - before.children_user - before.children_system
        return used if self.processor_time else clock


@pytest.fixture(scope="session")
def toolbox(figures: Figures) -> Toolbox:
    """The toolbox, with the kind of time to measure."""
    return Toolbox(figures.processor_time)


def otb(application: str, *arguments: object) -> float:
    """Wall-clock seconds of one application; RuntimeError with its output if it fails."""
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
class FeatureRasters:
    """A feature raster, and a raster of its first rows, which measures startup and loading."""

    whole: Path
    startup: Path
    pixels: int
    startup_pixels: int


@pytest.fixture(scope="session")
def feature_rasters(
    finished_run: Callable[[float], Any], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[float], FeatureRasters]:
    """The features of a corner of the tile."""
    known: dict[float, FeatureRasters] = {}

    def write(megapixels: float) -> FeatureRasters:
        if megapixels not in known:
            run, folder = finished_run(megapixels), tmp_path_factory.mktemp("features")
            known[megapixels] = FeatureRasters(
                folder / "features.tif", folder / "startup.tif", *_write_features(run, folder)
            )
        return known[megapixels]

    return write


def _write_features(run: Any, folder: Path) -> tuple[int, int]:
    """Write both rasters, (band, y, x) float32; returns their numbers of pixels."""
    scene, recipe = one_scene(run.found.scenes), run.found.recipe
    side = min(RASTER_SIDE, run.archive.side)
    corner = scene.geobox[0:side, 0:side]
    rows = 50
    profile = {
        "driver": "GTiff", "dtype": "float32", "count": len(recipe.names), "width": side, "crs": str(corner.crs),
        "transform": corner.affine, "interleave": "pixel", "BIGTIFF": "IF_SAFER",
    }  # fmt: skip
    with (
        CubeReader(scene, recipe_bands(recipe)) as reader,
        rasterio.open(folder / "features.tif", "w", height=side, **profile) as whole,
        rasterio.open(folder / "startup.tif", "w", height=2, **profile) as startup,
    ):
        for block in blocks(scene.tile, corner, (rows, side)):
            values = feature_block(reader.read(block), recipe).values
            whole.write(values, window=Window(0, block.rows[0], side, block.shape[0]))
            if block.rows[0] == 0:
                startup.write(np.ascontiguousarray(values[:, :2]))
    return side * side, 2 * side


@pytest.fixture(scope="session")
def toolbox_forest(finished_run: Callable[[float], Any]) -> Callable[[float], Path]:
    """A forest of OpenCV, the only one in Debian's toolbox, with the same depth, number of trees and samples."""

    def train(megapixels: float) -> Path:
        run = finished_run(megapixels)
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
    finished_run: Callable[[float], Any],
    feature_rasters: Callable[[float], FeatureRasters],
    toolbox_forest: Callable[[float], Path],
    megapixels: float,
    tmp_path: Path,
    rounds: int,
) -> None:
    """Labels of a feature raster on all cores: ImageClassifier without startup and loading, and iota2."""
    model, raster = toolbox_forest(megapixels), feature_rasters(megapixels)
    (folder,) = (path for path in (finished_run(megapixels).archive.output / "model").iterdir() if path.is_dir())
    size = {"megapixels": finished_run(megapixels).archive.megapixels}

    def classify(path: Path) -> float:
        return toolbox.seconds(
            "ImageClassifier", "-in", path, "-model", model, "-out", tmp_path / "labels.tif", "uint8"
        )

    started = [classify(raster.startup) for _ in range(min(3, rounds))]
    seconds = [classify(raster.whole) - float(np.median(started)) for _ in range(min(3, rounds))]
    pixels = raster.pixels - raster.startup_pixels
    note = f"OpenCV's forest, {nodes_of(model)} nodes, one vote per tree"
    size["cores"] = toolbox.cores
    figures.add(GROUP, "ImageClassifier", seconds, pixels=pixels, note=note, **size)
    figures.add(GROUP, "startup and loading of the forest, ImageClassifier", started, **size)
    options = ("--model", folder, "--raster", raster.whole, "--out", tmp_path / "ours.tif", "--threads", CORES)
    message = run_task("predict", finished_run(megapixels).archive.config, *options, "--rounds", rounds)
    more = {"memory": message["memory"], "reference": "ImageClassifier", **size}
    name = "iota2, same feature raster"
    taken = message["processor" if toolbox.processor_time else "seconds"]
    figures.add(GROUP, name, taken, pixels=raster.pixels, **more)


def bench_superimpose(
    *,
    figures: Figures,
    toolbox: Toolbox,
    finished_run: Callable[[float], Any],
    megapixels: float,
    tmp_path: Path,
    rounds: int,
) -> None:
    """Resampling and stacking of the ten bands of one date, without startup, multiplied by the number of dates."""
    run = finished_run(megapixels)
    (sensor,) = one_scene(run.found.scenes).sensors
    bands = sensor.acquisitions[0].bands
    fine = [bands[name] for name in bands if sensor.grids[name].affine.a == 10]
    coarse = [bands[name] for name in bands if bands[name] not in fine]
    size = {
        "megapixels": run.archive.megapixels,
        "cores": toolbox.cores,
        "note": f"one date, multiplied by {len(DATES)}",
    }
    found: dict[str, dict[int, list[float]]] = {"Superimpose": {}, "ConcatenateImages": {}}
    for side in (STARTUP_SIDE, run.archive.side):
        lower, upper, up = (tmp_path / f"{name}{side}.tif" for name in ("20m", "10m", "up"))
        _stack(coarse, lower, side // 2)
        _stack(fine, upper, side)
        options = ("-interpolator", "bco", "-interpolator.bco.radius", 2, "-out", up, "int16")
        given = ("-inr", upper, "-inm", lower, *options)
        found["Superimpose"][side] = [toolbox.seconds("Superimpose", *given) for _ in range(rounds)]
        given = ("-il", upper, up, "-out", tmp_path / "all.tif", "int16")
        found["ConcatenateImages"][side] = [toolbox.seconds("ConcatenateImages", *given) for _ in range(rounds)]
    for name, seconds in found.items():
        starting = float(np.median(seconds[STARTUP_SIDE]))
        worked = [len(DATES) * (whole - starting) for whole in seconds[run.archive.side]]
        figures.add(GROUP, name, worked, pixels=run.pixels, **size)


def _stack(paths: list[str], target: Path, side: int) -> None:
    """Stack bands into one raster: the upper left ``side`` x ``side`` pixels of each."""
    with rasterio.open(paths[0]) as first:
        profile = {"driver": "GTiff", "dtype": "int16", "crs": first.crs, "transform": first.transform}
    with rasterio.open(target, "w", count=len(paths), height=side, width=side, **profile) as out:
        for number, path in enumerate(paths, start=1):
            with rasterio.open(path) as source:
                out.write(source.read(1, window=Window(0, 0, side, side)), number)
