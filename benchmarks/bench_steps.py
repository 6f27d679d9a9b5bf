"""Whole steps in a process of their own, the whole chain, and their peaks of memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.archives import FULL_TILE, archive
from benchmarks.child import call
from benchmarks.conftest import CORES
from benchmarks.figures import Figures

POINTS = 50_000


def bench_chain(figures: Figures, finished: Callable[[float], Any], megapixels: float) -> None:
    """``iota2 run`` from nothing; the seconds of the jobs of its longer steps are reported beside."""
    run = finished(megapixels)
    if run.seconds is None:
        pytest.skip("the run was there before")
    size = {"megapixels": run.archive.megapixels}
    peak = max(memory for _, memory in run.jobs.values())
    whole = [run.processor] if figures.processor else [run.seconds]
    cores = 1 if figures.processor else CORES
    figures.add("chain", "iota2 run", whole, pixels=run.pixels, cores=cores, memory=peak, **size)
    for name, (seconds, memory) in run.jobs.items():
        if seconds >= 0.01 * sum(total for total, _ in run.jobs.values()):
            figures.add("chain", f"of it {name}", [seconds], pixels=run.pixels, memory=memory, **size)


@pytest.mark.parametrize("name", ["PixelValidity", "samplesExtraction", "classification", "mosaic"])
def bench_step(figures: Figures, finished: Callable[[float], Any], megapixels: float, name: str, rounds: int) -> None:
    """All jobs of a step, one after the other, on one thread; what is compiled comes from the cache."""
    run = finished(megapixels)
    message = call("step", run.archive.config, "--step", name, "--rounds", _fewer(rounds, megapixels))
    size = {"megapixels": run.archive.megapixels, "memory": message["memory"]}
    figures.add("steps", name, message["processor" if figures.processor else "seconds"], pixels=run.pixels, **size)


def bench_extraction(figures: Figures, finished: Callable[[float], Any], megapixels: float, rounds: int) -> None:
    """50,000 points all over the tile, against the time to decode it once."""
    run = finished(megapixels)
    message = call("extraction", run.archive.config, "--points", POINTS, "--rounds", _fewer(rounds, megapixels))
    _note_extraction(figures, message, run.pixels, run.archive.megapixels)


def bench_compiling(figures: Figures, finished: Callable[[float], Any], megapixels: float, tmp_path: Path) -> None:
    """A job of classification with nothing compiled, and another just after it."""
    run = finished(megapixels)
    options = ("--step", "classification", "--jobs", 1, "--rounds", 2)
    which = "processor" if figures.processor else "seconds"
    first, second = call("step", run.archive.config, *options, NUMBA_CACHE_DIR=str(tmp_path))[which]
    figures.add("compiling", "first job on a machine", [max(first - second, 0.0)], megapixels=run.archive.megapixels)
    first, second = call("step", run.archive.config, *options, NUMBA_CACHE_DIR=str(tmp_path))[which]
    figures.add("compiling", "first job of a process", [max(first - second, 0.0)], megapixels=run.archive.megapixels)


def bench_full_tile(figures: Figures, bench_data: Path, pytestconfig: pytest.Config) -> None:
    """50,000 points all over a full tile. Two of its dates have pixels of their own, the others are their files."""
    if not pytestconfig.getoption("--full-tile"):
        pytest.skip("a full tile takes some gigabytes and half an hour: --full-tile")
    made = archive(bench_data, FULL_TILE, distinct=2)
    message = call("extraction", made.config, "--points", POINTS)
    _note_extraction(figures, message, FULL_TILE**2, made.megapixels)


def _note_extraction(figures: Figures, message: dict[str, Any], pixels: int, megapixels: float) -> None:
    floor, which = "decode, every byte once", "processor" if figures.processor else "seconds"
    figures.add("extraction", floor, message["floor"][which], pixels=pixels, megapixels=megapixels)
    name, more = f"{POINTS} points all over the tile", {"memory": message["memory"], "reference": floor}
    figures.add("extraction", name, message[which], pixels=pixels, megapixels=megapixels, **more)


def _fewer(rounds: int, megapixels: float) -> int:
    """A step on a large tile is long enough to need few rounds."""
    return rounds if megapixels <= 1 else min(3, rounds)
