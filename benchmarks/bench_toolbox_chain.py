"""The whole chain against the same work with applications of Orfeo ToolBox, on the same cores and the same files.

``make bench BENCH="-k toolbox_chain"`` needs some five minutes for each round, 2 GB and ``otb-bin``. The toolbox
resamples the bands at 20 m of every date, stacks all dates, draws the samples, extracts them, trains OpenCV's forest of
100 trees and classifies. ``iota2 run`` does this and more: it fills gaps under clouds (the toolbox has no
application for it in Debian), adds three indices to each date (156 features instead of 120), and writes confidence,
validity, accuracy and report. Both have the same number of samples.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import geopandas as gpd
import pytest
from pyogrio import read_info

from benchmarks.archives import Archive, archive, side_of
from benchmarks.bench_toolbox import otb
from benchmarks.conftest import CORES, FinishedRun, run_chain
from benchmarks.figures import Figures
from benchmarks.tasks import one_scene
from iota2.core.scene import SensorScene

GROUP = "whole chain against the toolbox"
MEGAPIXELS = 4.8
DAYS_APART = 33
DATES = tuple(date(2018, 1, 1) + timedelta(DAYS_APART * k) for k in range(12))
PIXEL = 10
"""Metres of a pixel of the map; bands with larger pixels are resampled."""
CUBIC = ("-interpolator", "bco", "-interpolator.bco.radius", 2)
MARKER = "# of this benchmark"
"""Separates the options that this benchmark appends to the configuration."""
REFERENCE = "toolbox, all applications"
CALIBRATIONS = ("auto", "none")
"""Values of ``arg_classification.calibration``, the default first."""

pytestmark = pytest.mark.skipif(
    shutil.which("otbcli_ImageClassifier") is None, reason="Orfeo ToolBox is not installed (Debian: otb-bin)"
)


def bench_toolbox_chain(figures: Figures, bench_data: Path, rounds: int, tmp_path: Path) -> None:
    """In turn: the applications of the toolbox, and ``iota2 run`` with and without calibration."""
    made = archive(bench_data, side_of(MEGAPIXELS), dates=DATES)
    run = _run(made, CALIBRATIONS[0])  # compiles the code
    samples = _count_samples(run)
    sensor = one_scene(run.found.scenes).sensors[0]
    polygons = _half_of_polygons(made, str(sensor.grids["B2"].crs), tmp_path / "polygons.gpkg")
    found: dict[str, list[float]] = {}
    for number in range(min(2, rounds)):
        folder = tmp_path / str(number)
        folder.mkdir()
        parts = dict(_toolbox(sensor, polygons, samples, folder))
        shutil.rmtree(folder)
        whole = {REFERENCE: sum(parts.values())}
        for calibration in CALIBRATIONS:
            whole[f"iota2 run, calibration : '{calibration}'"] = _run(made, calibration).seconds or 0.0
        for name, seconds in {**parts, **whole}.items():
            found.setdefault(name, []).append(seconds)
    for name, seconds in found.items():
        reference = REFERENCE if name.startswith("iota2") else None
        figures.add(GROUP, name, seconds, pixels=made.side**2, cores=CORES, megapixels=made.megapixels,
                    reference=reference, note=f"{len(DATES)} dates, {samples} samples")  # fmt: skip


def _run(made: Archive, calibration: str) -> FinishedRun:
    """``iota2 run`` with as many interpolation dates as images, and a kind of calibration."""
    text = made.config.read_text(encoding="utf-8").partition(MARKER)[0]
    options = f"arg_classification : {{ calibration : '{calibration}' }}"
    sensor = f"Sentinel_2 : {{ temporal_resolution : {DAYS_APART} }}"
    made.config.write_text(f"{text}{MARKER}\n{options}\n{sensor}\n", encoding="utf-8")
    return run_chain(made)


def _count_samples(run: FinishedRun) -> int:
    """Number of samples from which the chain has learned."""
    (path,) = (run.archive.output / "learningSamples").glob("Samples_region_*")
    return int(read_info(path)["features"])


def _half_of_polygons(made: Archive, crs: str, target: Path) -> Path:
    """Every second polygon in the projection of the images: about as many as the chain learns from."""
    gpd.read_file(made.files.ground_truth).iloc[::2].to_crs(crs).to_file(target, engine="pyogrio")
    return target


def _toolbox(sensor: SensorScene, polygons: Path, samples: int, folder: Path) -> Iterator[tuple[str, float]]:
    """Name and wall-clock seconds of each kind of application."""
    resampled = stacked = 0.0
    dates = []
    for number, acquisition in enumerate(sensor.acquisitions):
        coarse = {name for name in acquisition.bands if sensor.grids[name].affine.a > PIXEL}
        fine = [path for name, path in acquisition.bands.items() if name not in coarse]
        for name in sorted(coarse):
            out = folder / f"{number}_{name}.tif"
            resampled += otb(
                "Superimpose", "-inr", fine[0], "-inm", acquisition.bands[name], *CUBIC, "-out", out, "int16"
            )
            fine.append(str(out))
        dates.append(folder / f"{number}.tif")
        stacked += otb("ConcatenateImages", "-il", *fine, "-out", dates[-1], "int16")
    stack, statistics, points = folder / "stack.tif", folder / "statistics.xml", folder / "points.sqlite"
    stacked += otb("ConcatenateImages", "-il", *dates, "-out", f"{stack}?&gdal:co:BIGTIFF=YES", "int16")
    yield "Superimpose", resampled
    yield "ConcatenateImages", stacked
    field = ("-field", "code")
    drawn = otb("PolygonClassStatistics", "-in", stack, "-vec", polygons, *field, "-out", statistics)
    strategy = ("-strategy", "total", "-strategy.total.v", samples, "-sampler", "random")
    given = ("-in", stack, "-vec", polygons, "-instats", statistics, *field, *strategy)
    yield "PolygonClassStatistics, SampleSelection", drawn + otb("SampleSelection", *given, "-out", points)
    yield "SampleExtraction", otb("SampleExtraction", "-in", stack, "-vec", points, *field)
    names = [f"value_{k}" for k in range(sum(len(a.bands) for a in sensor.acquisitions))]
    forest = ("-classifier", "rf", "-classifier.rf.nbtrees", 100, "-classifier.rf.max", 25)
    forest = (*forest, "-classifier.rf.min", 5, "-classifier.rf.acc", 0)
    model = folder / "forest.txt"
    yield (
        "TrainVectorClassifier",
        otb("TrainVectorClassifier", "-io.vd", points, "-io.out", model, *forest, "-cfield", "code", "-feat", *names),
    )
    yield "ImageClassifier", otb("ImageClassifier", "-in", stack, "-model", model, "-out", folder / "map.tif", "uint8")
