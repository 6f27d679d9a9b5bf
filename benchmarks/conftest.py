"""Options and fixtures of the benchmarks: tile sizes, archives, one finished run for each size, the figures."""

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

from benchmarks.archives import DATES, FULL_TILE_SIDE, Archive, archive, input_bytes, side_of
from benchmarks.figures import Figures
from benchmarks.stage_inputs import StageInputs
from benchmarks.table import figures_text, targets_text
from benchmarks.tasks import one_scene
from iota2.chains.load import load_config
from iota2.classifiers.base import Model
from iota2.classifiers.models import load_model
from iota2.runs.records.records import Ledger
from iota2.runs.survey.survey import Survey, survey

FIGURES_KEY = pytest.StashKey[Figures]()
CORES = os.cpu_count() or 1


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the benchmarks."""
    group = parser.getgroup("benchmarks of iota2")
    group.addoption("--megapixels", default="1", help="sizes of the tiles, such as 1,4,16")
    group.addoption("--rounds", type=int, default=5, help="number of measurements of each figure")
    group.addoption("--bench-data", type=Path, help="folder in which synthetic archives are kept and reused")
    group.addoption("--reuse-runs", action="store_true", help="reuse the finished runs in --bench-data")
    group.addoption(
        "--processor-time",
        action="store_true",
        help="processor time instead of wall-clock time, for a busy machine",
    )
    group.addoption(
        "--full-tile", action="store_true", help=f"also a tile of {FULL_TILE_SIDE} x {FULL_TILE_SIDE} pixels"
    )
    group.addoption("--plan-tiles", type=int, default=4200, help="tiles of the synthetic plan, with 24 jobs each")
    group.addoption("--polygons", type=int, default=2_000_000, help="polygons of the synthetic segmentation")
    group.addoption(
        "--map", type=Path, help="classification (GeoTIFF) that is repeated for the polygons of a whole map"
    )
    group.addoption("--results", type=Path, help="JSON file to write")


def pytest_configure(config: pytest.Config) -> None:
    """Create the empty list of figures, and select the kind of time."""
    figures = config.stash[FIGURES_KEY] = Figures()
    if config.getoption("--processor-time"):
        config.option.benchmark_timer = "time.process_time"
        figures.processor_time = True
        figures.remarks.append("Processor time instead of wall-clock time, because of other load on the machine.")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One benchmark for each size of tile."""
    if "megapixels" in metafunc.fixturenames:
        sizes = [float(size) for size in metafunc.config.getoption("--megapixels").split(",")]
        metafunc.parametrize("megapixels", sizes, scope="session", ids=[f"{size:g}Mpx" for size in sizes])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the tables; write the results to the file of ``--results``."""
    figures, target = config.stash[FIGURES_KEY], config.getoption("--results")
    if figures.entries:
        terminalreporter.write_line(figures_text(figures.entries))
        terminalreporter.write_line(targets_text(figures.entries))
    for remark in figures.remarks:
        terminalreporter.write_line(remark)
    if target and figures.entries:
        figures.write(target)


@pytest.fixture(scope="session")
def figures(pytestconfig: pytest.Config) -> Figures:
    """The figures of this session."""
    return pytestconfig.stash[FIGURES_KEY]


@pytest.fixture(scope="session")
def rounds(pytestconfig: pytest.Config) -> int:
    """Number of measurements of each figure."""
    return pytestconfig.getoption("--rounds")


@pytest.fixture(scope="session")
def bench_data(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Folder of the archives: that of ``--bench-data``, or a temporary one."""
    given = pytestconfig.getoption("--bench-data")
    folder = given.absolute() if given else tmp_path_factory.mktemp("archives")
    yield folder
    if not given:
        shutil.rmtree(folder)


@dataclass(frozen=True)
class FinishedRun:
    """A complete run over an archive, and its results."""

    archive: Archive
    seconds: float | None
    """Wall-clock seconds; None for a reused run."""
    processor: float
    """Processor seconds of all processes."""
    found: Survey
    model: Model

    @property
    def pixels(self) -> int:
        """Pixels of the tile."""
        return self.archive.side**2

    @property
    def jobs(self) -> dict[str, tuple[float, int]]:
        """By step: seconds of all jobs, and their largest peak memory in MiB."""
        steps: dict[str, tuple[float, int]] = {}
        for record in Ledger(self.archive.output).records.values():
            name = record.id.partition("/")[0]
            before = steps.get(name, (0.0, 0))
            steps[name] = before[0] + record.seconds, max(before[1], record.peak)
        return steps


@pytest.fixture(scope="session")
def finished_run(bench_data: Path, figures: Figures, pytestconfig: pytest.Config) -> Callable[[float], FinishedRun]:
    """A function from megapixels to a complete run over an archive of that size; each size is run once."""
    known: dict[float, FinishedRun] = {}

    def run(megapixels: float) -> FinishedRun:
        if megapixels not in known:
            made = archive(bench_data, side_of(megapixels))
            reused = pytestconfig.getoption("--reuse-runs") and (made.output / "final" / "report.html").exists()
            known[megapixels] = read_finished(made) if reused else run_chain(made)
            stored, raw = input_bytes(made)
            figures.remarks.append(
                f"{made.megapixels:g} megapixels: {len(DATES)} dates, {stored / 2**20:.0f} MiB of files for "
                f"{raw / 2**20:.0f} MiB of pixels; {clear_share(made.output):.0%} of the observations clear; "
                f"a forest of {known[megapixels].model.meta.summary['nodes']} nodes."
            )
        return known[megapixels]

    return run


def run_chain(made: Archive) -> FinishedRun:
    """Run ``iota2 run`` with an empty output folder."""
    before, started = os.times(), time.perf_counter()
    shutil.rmtree(made.output, ignore_errors=True)
    command = [sys.executable, "-m", "iota2", "run", str(made.config)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stdout[-2000:] + done.stderr[-2000:])
    seconds, after = time.perf_counter() - started, os.times()
    processor = after.children_user + after.children_system - before.children_user - before.children_system
    return read_finished(made, seconds, processor)


def read_finished(made: Archive, seconds: float | None = None, processor: float = 0.0) -> FinishedRun:
    """The results in the output folder of a finished run."""
    (folder,) = (path for path in (made.output / "model").iterdir() if path.is_dir())
    return FinishedRun(made, seconds, processor, survey(load_config(made.config)), load_model(folder))


def clear_share(output: Path) -> float:
    """Share of the observations that are clear, 0 to 1."""
    (path,) = output.glob("features/*/nbView.tif")
    with rasterio.open(path) as file:
        return float(np.mean(file.read(1)) / len(DATES))


@pytest.fixture(scope="session")
def stage_inputs(finished_run: Callable[[float], FinishedRun]) -> Callable[[float], StageInputs]:
    """A function from megapixels to the inputs of the stages."""
    known: dict[float, StageInputs] = {}

    def prepare(megapixels: float) -> StageInputs:
        if megapixels not in known:
            known.clear()
            run = finished_run(megapixels)
            known[megapixels] = StageInputs(run, one_scene(run.found.scenes), run.found.recipe)
        return known[megapixels]

    return prepare
