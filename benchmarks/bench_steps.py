"""Complete steps in a separate process, the complete chain, and their peak memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.archives import FULL_TILE_SIDE, archive
from benchmarks.conftest import CORES
from benchmarks.figures import Figures
from benchmarks.tasks import run_task

SAMPLE_POINTS = 50_000


def bench_chain(figures: Figures, finished_run: Callable[[float], Any], megapixels: float) -> None:
    """``iota2 run`` with an empty output folder, and the seconds of the jobs of its longer steps."""
    run = finished_run(megapixels)
    if run.seconds is None:
        pytest.skip("the run is reused, so its duration is unknown")
    size = {"megapixels": run.archive.megapixels}
    peak = max(memory for _, memory in run.jobs.values())
    whole = [run.processor] if figures.processor_time else [run.seconds]
    cores = 1 if figures.processor_time else CORES
    figures.add("chain", "iota2 run", whole, pixels=run.pixels, cores=cores, memory=peak, **size)
    for name, (seconds, memory) in run.jobs.items():
        if seconds >= 0.01 * sum(total for total, _ in run.jobs.values()):
            figures.add("chain", f"step {name}", [seconds], pixels=run.pixels, memory=memory, **size)


@pytest.mark.parametrize("name", ["PixelValidity", "samplesExtraction", "classification", "mosaic"])
def bench_step(
    figures: Figures, finished_run: Callable[[float], Any], megapixels: float, name: str, rounds: int
) -> None:
    """All jobs of a step, one after the other, on one thread; compiled code comes from the cache."""
    run = finished_run(megapixels)
    message = run_task("step", run.archive.config, "--step", name, "--rounds", _fewer(rounds, megapixels))
    size = {"megapixels": run.archive.megapixels, "memory": message["memory"]}
    figures.add("steps", name, message["processor" if figures.processor_time else "seconds"], pixels=run.pixels, **size)


def bench_extraction(figures: Figures, finished_run: Callable[[float], Any], megapixels: float, rounds: int) -> None:
    """Extraction of 50,000 points across the tile, against the time to decode the tile once."""
    run = finished_run(megapixels)
    message = run_task(
        "extraction", run.archive.config, "--points", SAMPLE_POINTS, "--rounds", _fewer(rounds, megapixels)
    )
    _note_extraction(figures, message, run.pixels, run.archive.megapixels)


def bench_compiling(figures: Figures, finished_run: Callable[[float], Any], megapixels: float, tmp_path: Path) -> None:
    """Compilation time: a classification job without compiled code, minus the same job right after it."""
    run = finished_run(megapixels)
    options = ("--step", "classification", "--jobs", 1, "--rounds", 2)
    which = "processor" if figures.processor_time else "seconds"
    first, second = run_task("step", run.archive.config, *options, NUMBA_CACHE_DIR=str(tmp_path))[which]
    figures.add("compiling", "first job on a machine", [max(first - second, 0.0)], megapixels=run.archive.megapixels)
    first, second = run_task("step", run.archive.config, *options, NUMBA_CACHE_DIR=str(tmp_path))[which]
    figures.add("compiling", "first job of a process", [max(first - second, 0.0)], megapixels=run.archive.megapixels)


def bench_full_tile(figures: Figures, bench_data: Path, pytestconfig: pytest.Config) -> None:
    """Extraction of 50,000 points across a full tile. Two dates have different pixels, the others are links to them."""
    if not pytestconfig.getoption("--full-tile"):
        pytest.skip("a full tile needs some gigabytes and half an hour; enable it with --full-tile")
    made = archive(bench_data, FULL_TILE_SIDE, distinct=2)
    message = run_task("extraction", made.config, "--points", SAMPLE_POINTS)
    _note_extraction(figures, message, FULL_TILE_SIDE**2, made.megapixels)


def _note_extraction(figures: Figures, message: dict[str, Any], pixels: int, megapixels: float) -> None:
    every_byte, which = "decode, every byte once", "processor" if figures.processor_time else "seconds"
    figures.add("extraction", every_byte, message["decoding"][which], pixels=pixels, megapixels=megapixels)
    name, more = f"{SAMPLE_POINTS} points across the tile", {"memory": message["memory"], "reference": every_byte}
    figures.add("extraction", name, message[which], pixels=pixels, megapixels=megapixels, **more)


def _fewer(rounds: int, megapixels: float) -> int:
    """Number of rounds of a step: at most 3 on a large tile."""
    return rounds if megapixels <= 1 else min(3, rounds)
