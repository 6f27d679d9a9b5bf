"""Options and common things of the benchmarks: sizes, archives, one finished run for each, the figures."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import rasterio

from benchmarks.archives import DATES, FULL_TILE, Archive, archive, input_bytes, side_of
from benchmarks.child import one_scene
from benchmarks.figures import Figures
from benchmarks.ground import Ground
from benchmarks.table import figures_text, targets_text
from iota2.chains.load import load_config
from iota2.classifiers.base import Model
from iota2.classifiers.models import load_model
from iota2.run.records.records import Ledger
from iota2.run.survey.survey import Survey, survey

FIGURES = pytest.StashKey[Figures]()
CORES = os.cpu_count() or 1


def pytest_addoption(parser: pytest.Parser) -> None:
    """Sizes, rounds, places."""
    group = parser.getgroup("benchmarks of iota2")
    group.addoption("--megapixels", default="1", help="sizes of the tiles, such as 1,4,16")
    group.addoption("--rounds", type=int, default=5, help="rounds of every figure")
    group.addoption("--bench-data", type=Path, help="folder in which made-up archives are kept and found again")
    group.addoption("--reuse-runs", action="store_true", help="take finished runs in --bench-data as they are")
    group.addoption(
        "--processor-time",
        action="store_true",
        help="seconds of the processor in place of the clock, on a busy machine",
    )
    group.addoption("--full-tile", action="store_true", help=f"also a tile of {FULL_TILE} x {FULL_TILE} pixels")
    group.addoption("--plan-tiles", type=int, default=4200, help="tiles of the made-up plan: 24 jobs each")
    group.addoption("--results", type=Path, help="JSON file to write")


def pytest_configure(config: pytest.Config) -> None:
    """Nothing is measured yet; which seconds count."""
    figures = config.stash[FIGURES] = Figures()
    if config.getoption("--processor-time"):
        config.option.benchmark_timer = "time.process_time"
        figures.processor = True
        figures.remarks.append("Seconds are those of the processor, not of the clock: other work was going on.")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One benchmark for each size of tile."""
    if "megapixels" in metafunc.fixturenames:
        sizes = [float(size) for size in metafunc.config.getoption("--megapixels").split(",")]
        metafunc.parametrize("megapixels", sizes, scope="session", ids=[f"{size:g}Mpx" for size in sizes])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Show the table; write the results where they are wanted."""
    figures, target = config.stash[FIGURES], config.getoption("--results")
    if figures.found:
        terminalreporter.write_line(figures_text(figures.found))
        terminalreporter.write_line(targets_text(figures.found))
    for remark in figures.remarks:
        terminalreporter.write_line(remark)
    if target and figures.found:
        figures.write(target)


@pytest.fixture(scope="session")
def figures(pytestconfig: pytest.Config) -> Figures:
    """Where figures go."""
    return pytestconfig.stash[FIGURES]


@pytest.fixture(scope="session")
def rounds(pytestconfig: pytest.Config) -> int:
    """How often everything is measured."""
    return pytestconfig.getoption("--rounds")


@pytest.fixture(scope="session")
def bench_data(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where archives are kept: the folder that is given, or one that is removed at the end."""
    given = pytestconfig.getoption("--bench-data")
    folder = given.absolute() if given else tmp_path_factory.mktemp("archives")
    yield folder
    if not given:
        shutil.rmtree(folder)


@dataclass(frozen=True)
class Finished:
    """A whole run over an archive, and what it left."""

    archive: Archive
    seconds: float | None
    """By the clock; None of a run that was there before."""
    processor: float
    """Of all processes."""
    found: Survey
    model: Model

    @property
    def pixels(self) -> int:
        """Pixels of the tile."""
        return self.archive.side**2

    @property
    def jobs(self) -> dict[str, tuple[float, int]]:
        """Seconds of all jobs of each step, and the greatest peak of memory, MiB."""
        steps: dict[str, tuple[float, int]] = {}
        for record in Ledger(self.archive.output).records.values():
            name = record.id.partition("/")[0]
            before = steps.get(name, (0.0, 0))
            steps[name] = before[0] + record.seconds, max(before[1], record.peak)
        return steps


@pytest.fixture(scope="session")
def finished(bench_data: Path, figures: Figures, pytestconfig: pytest.Config) -> Callable[[float], Finished]:
    """The whole chain over an archive of so many megapixels, run once."""
    known: dict[float, Finished] = {}

    def run(megapixels: float) -> Finished:
        if megapixels not in known:
            made = archive(bench_data, side_of(megapixels))
            reused = pytestconfig.getoption("--reuse-runs") and (made.output / "final" / "report.html").exists()
            known[megapixels] = looked_at(made) if reused else run_chain(made)
            stored, raw = input_bytes(made)
            figures.remarks.append(
                f"{made.megapixels:g} megapixels: {len(DATES)} dates, {stored / 2**20:.0f} MiB of files for "
                f"{raw / 2**20:.0f} MiB of pixels; {clear_share(made.output):.0%} of the observations clear; "
                f"a forest of {known[megapixels].model.meta.summary['nodes']} nodes."
            )
        return known[megapixels]

    return run


def run_chain(made: Archive) -> Finished:
    """Run ``iota2 run`` from nothing, as anyone would."""
    before, started = os.times(), time.perf_counter()
    shutil.rmtree(made.output, ignore_errors=True)
    command = [sys.executable, "-m", "iota2", "run", str(made.config)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stdout[-2000:] + done.stderr[-2000:])
    seconds, after = time.perf_counter() - started, os.times()
    processor = after.children_user + after.children_system - before.children_user - before.children_system
    return looked_at(made, seconds, processor)


def looked_at(made: Archive, seconds: float | None = None, processor: float = 0.0) -> Finished:
    """What a run left."""
    (folder,) = (path for path in (made.output / "model").iterdir() if path.is_dir())
    return Finished(made, seconds, processor, survey(load_config(made.config)), load_model(folder))


def clear_share(output: Path) -> float:
    """Part of all observations that are clear."""
    (path,) = output.glob("features/*/nbView.tif")
    with rasterio.open(path) as file:
        return float(np.mean(file.read(1)) / len(DATES))


@pytest.fixture(scope="session")
def grounds(finished: Callable[[float], Finished]) -> Callable[[float], Ground]:
    """The ground of a size of tile."""
    known: dict[float, Ground] = {}

    def ground(megapixels: float) -> Ground:
        if megapixels not in known:
            known.clear()
            run = finished(megapixels)
            known[megapixels] = Ground(run, one_scene(run.found.scenes), run.found.recipe)
        return known[megapixels]

    return ground
