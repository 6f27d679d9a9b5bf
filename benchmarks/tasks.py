"""Parts of a run in a separate process, to measure their time and peak memory.

``python -m benchmarks.tasks TASK CONFIG [options]`` prints one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.reading import decode, windows
from iota2.chains.load import load_config
from iota2.classifiers.models import load_model
from iota2.config.options.schema import Config
from iota2.core.cube import FeatureBlock
from iota2.core.graph import Resources
from iota2.core.grid import blocks
from iota2.core.scene import Scene
from iota2.io.files.gdal import gdal_environment, limit_threads
from iota2.io.rasters.files import RasterProfile, RasterReader, RasterWriter
from iota2.io.series.reader import recipe_bands
from iota2.runs.preview import survey_and_plan
from iota2.runs.survey.survey import survey
from iota2.runs.workers.peak_memory import peak_mib, reset_peak
from iota2.steps.pixels import features_at

ROOT = Path(__file__).parents[1]
BLOCK_ROWS = 16
"""Rows of a block for the classification of a feature raster."""


def run_task(task: str, config: Path, *options: object, **environment: str) -> dict[str, Any]:
    """Run a task in a child process; returns its results. RuntimeError with its error output if it fails."""
    command = [sys.executable, "-m", "benchmarks.tasks", task, str(config), *map(str, options)]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def timed(work: Callable[[], object], rounds: int) -> dict[str, Any]:
    """Wall-clock seconds and processor seconds of each round, and the peak memory in MiB."""
    clock, processor = [], []
    reset_peak()
    for _ in range(rounds):
        started = time.perf_counter(), time.process_time()
        work()
        clock.append(time.perf_counter() - started[0])
        processor.append(time.process_time() - started[1])
    return {"seconds": clock, "processor": processor, "memory": peak_mib()}


def step(config: Config, options: argparse.Namespace) -> dict[str, Any]:
    """All jobs of a step whose inputs are there, one after the other, as a worker runs them."""
    _, plan = survey_and_plan(config)
    use = Resources(threads=options.threads)
    jobs = [job for job in plan.jobs if job.step.name == options.step][: options.jobs]
    if not jobs:
        raise ValueError(
            f"no job of a step {options.step!r}; expected one of {sorted({j.step.name for j in plan.jobs})}"
        )

    def work() -> None:
        for job in jobs:
            with limit_threads(use.threads), gdal_environment(threads=use.threads):
                job.step.run(job.context(use))

    return {**timed(work, options.rounds), "jobs": len(jobs)}


def extraction(config: Config, options: argparse.Namespace) -> dict[str, Any]:
    """Extraction of the features of random points, and the time to decode the tile once."""
    found = survey(config)
    scene = one_scene(found.scenes)
    rng = np.random.default_rng(0)
    height, width = scene.geobox.shape
    at = np.sort(rng.choice(height * width, options.points, replace=False))
    use = Resources(threads=options.threads)
    with limit_threads(use.threads), gdal_environment(threads=use.threads):
        features_at(scene, found.recipe, at[:1] // width, at[:1] % width, use)  # loads or compiles the code
        found_features = timed(lambda: features_at(scene, found.recipe, at // width, at % width, use), options.rounds)
        strips = blocks(scene.tile, scene.geobox, (256, width))
        pieces = [windows(scene, recipe_bands(found.recipe), strip, exact=True) for strip in strips]
        decoding = timed(lambda: decode(pieces, threads=use.threads), options.rounds)
    return {**found_features, "decoding": decoding}


def predict(config: Config, options: argparse.Namespace) -> dict[str, Any]:
    """Labels of a feature raster, read and written block by block, on ``threads`` threads."""
    model = load_model(options.model)
    with RasterReader(options.raster) as source:
        grid = source.geobox
    pieces = list(blocks("features", grid, (BLOCK_ROWS, grid.shape.x)))

    def labels(number: int) -> np.ndarray:
        with RasterReader(options.raster) as source:
            values = source.read_bands(pieces[number].geobox)
        everywhere = np.ones(values.shape[1:], bool)
        block = FeatureBlock(values, model.recipe.names, everywhere.astype(np.uint16))
        return model.predict(block, everywhere).labels.astype(np.uint8)

    def work() -> None:
        with (
            gdal_environment(),
            RasterWriter(options.out, RasterProfile(grid, "uint8", nodata=0)) as writer,
            ThreadPoolExecutor(options.threads) as pool,
        ):
            for piece, found in zip(pieces, pool.map(labels, range(len(pieces))), strict=True):
                writer.write(piece, found)

    labels(0)  # loads or compiles the code
    return timed(work, options.rounds)


def one_scene(scenes: dict[str, Scene]) -> Scene:
    """The scene of the only tile."""
    (scene,) = scenes.values()
    return scene


TASKS = {"step": step, "extraction": extraction, "predict": predict}


def main() -> None:
    """Execute one task and print its measurements as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", choices=TASKS)
    parser.add_argument("config", type=Path)
    parser.add_argument("--step")
    parser.add_argument("--jobs", type=int)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--points", type=int, default=50_000)
    for name in ("model", "raster", "out"):
        parser.add_argument(f"--{name}", type=Path)
    options = parser.parse_args()
    print(json.dumps(TASKS[options.task](load_config(options.config), options)))


if __name__ == "__main__":
    main()
