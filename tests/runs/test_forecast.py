"""The forecast of a run, compared with measurements, and its consequences if memory or disk space are insufficient."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from iota2.chains import BUILDERS
from iota2.classifiers.registry import untrained, validate_options
from iota2.core.builder import Chain
from iota2.core.graph import Resources, default_cost
from iota2.core.words import size_text
from iota2.errors import ConfigError, OutputError
from iota2.runs import runner
from iota2.runs.host import available_memory
from iota2.runs.preview import preview_run, survey_and_plan
from iota2.runs.survey.forecast import (
    Forecast,
    fitting_workers,
    forecast_run,
    needed_memory,
    require_disk_space,
)
from iota2.runs.survey.survey import Survey
from iota2.runs.workers.execute import Retry
from iota2.runs.workers.resources import read_resources
from iota2.testing.files import WorldFiles
from iota2.testing.world import WorldOptions, make_world
from iota2.testing.writing import write_world
from tests.chain.conftest import configured

CHAIN = Chain(BUILDERS)
GIB = 1 << 30
FACTOR = 3
COMMAND = Path(sys.executable).with_name("iota2")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> WorldFiles:
    return write_world(make_world(WorldOptions(size=160, overlap=48)), tmp_path_factory.mktemp("world"))


def resident(parent: psutil.Process) -> int:
    """Memory in bytes of a process and its children."""
    total = 0
    for process in (parent, *parent.children(recursive=True)):
        try:
            total += process.memory_info().rss
        except psutil.Error:
            continue
    return total


@pytest.mark.long
@pytest.mark.timeout(180)
def test_the_forecast_is_within_a_factor_of_the_measured_resources(files: WorldFiles, tmp_path: Path) -> None:
    config = configured(files, tmp_path)
    root = config.chain.output_path
    preview = preview_run(config, runner.Options())
    message = forecast_run(config, preview.survey, preview.plan, preview.verdicts, use=Resources(), workers=2)
    assert message.rough
    process = subprocess.Popen(
        [COMMAND, "run", config.source, "--workers", "2"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    peaks = [0]

    def watch() -> None:
        while process.poll() is None:
            with suppress(psutil.NoSuchProcess):  # it may end between two lines
                peaks.append(resident(psutil.Process(process.pid)))
            time.sleep(0.05)

    watcher = threading.Thread(target=watch)
    watcher.start()
    printed, _ = process.communicate(timeout=150)
    watcher.join()
    assert process.returncode == 0, printed
    line = next(line for line in printed.splitlines() if line.startswith("expected: "))
    assert "(a rough guess)" in line
    assert size_text(message.disk) in line
    assert size_text(message.memory) in line
    disk = sum(path.stat().st_size for path in root.rglob("*") if path.is_file() and "logs" not in path.parts)
    assert message.disk / FACTOR < disk < message.disk * FACTOR
    assert message.memory / FACTOR < max(peaks) < message.memory


@pytest.mark.slow
def test_times_come_from_earlier_runs_and_only_jobs_to_run_count(files: WorldFiles, tmp_path: Path) -> None:
    config = configured(files, tmp_path)
    runner.run(config, runner.Options(workers=0), runner.Watcher())
    force = runner.Options(force=("learnModel",))
    preview = preview_run(config, force)
    message = forecast_run(config, preview.survey, preview.plan, preview.verdicts, use=Resources(), workers=0)
    again = [verdict for verdict in preview.verdicts.values() if verdict.state != "fresh"]
    assert 0 < len(again) < len(preview.verdicts)
    assert not message.rough
    assert message.seconds == pytest.approx(sum(verdict.record.seconds for verdict in again if verdict.record))
    others = {id_: replace(verdict, params="other options") for id_, verdict in preview.verdicts.items()}
    assert forecast_run(config, preview.survey, preview.plan, others, use=Resources(), workers=0).rough
    afresh = forecast_run(
        config,
        preview.survey,
        preview.plan,
        preview_run(configured(files, tmp_path / "other"), runner.Options()).verdicts,
        use=Resources(),
        workers=0,
    )
    assert message.disk < afresh.disk


@pytest.mark.slow
@pytest.mark.long
def test_replaced_and_removed_files_reduce_the_needed_disk_space(files: WorldFiles, tmp_path: Path) -> None:
    config = configured(files, tmp_path)
    runner.run(config, runner.Options(workers=0), runner.Watcher())
    taken = sum(path.stat().st_size for path in config.chain.output_path.rglob("*") if path.is_file())
    everything = runner.Options(force=tuple({job.step.name for job in survey_and_plan(config)[1].jobs}))
    preview = preview_run(config, everything)

    def message(freed: int | None = None) -> Forecast:
        return forecast_run(
            config, preview.survey, preview.plan, preview.verdicts, use=Resources(), workers=0, freed=freed
        )

    assert 0 < message().needed_disk < 0.75 * taken
    assert message(0).needed_disk == message(0).disk == message().disk
    assert message(taken // 2).needed_disk == pytest.approx(message().disk - taken // 2, abs=1)
    assert message(10**12).needed_disk == 0
    assert "more than now" in message().text(0)
    assert "more than now" not in message(0).text(0)


def test_a_step_that_declares_no_cost_is_named_and_the_disk_is_a_lower_bound(files: WorldFiles, tmp_path: Path) -> None:
    config = configured(files, tmp_path)
    preview = preview_run(config, runner.Options())

    def message(without: str, steps: Collection[str]) -> str:
        """The forecast of the jobs of some steps, one of which declares no cost."""
        jobs = tuple(
            replace(job, step=replace(job.step, cost=default_cost)) if job.step.name == without else job
            for job in preview.plan.jobs
            if job.step.name in steps or not steps
        )
        plan = replace(preview.plan, jobs=jobs)
        forecast = forecast_run(config, preview.survey, plan, preview.verdicts, use=Resources(), workers=0)
        assert (forecast.disk == 0) == bool(steps)
        return forecast.text(0)

    assert "; disk about " in message("", ())
    assert "no estimate" not in message("", ())
    assert re.search(r"; disk at least [\d.]+ .B \(no estimate for mosaic\), ", message("mosaic", ()))
    report = message("", ("reportGeneration",))
    assert "; disk unknown (no estimate for reportGeneration)," in report


def test_the_shares_of_steps_count(files: WorldFiles, tmp_path: Path) -> None:
    config = configured(files, tmp_path)
    resources = tmp_path / "resources.cfg"
    resources.write_text("classification : { ram : '40gb' }", encoding="utf-8")
    preview = preview_run(config, runner.Options())
    shares = read_resources(resources, Resources(), Retry(), CHAIN.numbers).steps

    def message(shares: Mapping[str, Resources] | None = None) -> Forecast:
        use = Resources(memory=8 << 20)
        return forecast_run(
            config, preview.survey, preview.plan, preview.verdicts, use=use, workers=2, step_resources=shares
        )

    assert message().memory < 2 * GIB
    assert message(shares).memory > 40 * GIB, "two concurrent jobs"
    assert message(shares).block[0] * message(shares).block[1] > message().block[0] * message().block[1]


TRAINING = """
import sys
import numpy as np
from iota2.classifiers import train_model, validate_options
from iota2.core.recipe import FeatureRecipe, SensorRecipe
from iota2.runs.workers.peak_memory import peak_mib, reset_peak

samples, features, classes = map(int, sys.argv[1:])
dates = tuple(str(20180000 + k) for k in range(features))
recipe = FeatureRecipe((SensorRecipe("S", ("A",), {}, dates, indices=()),))
parameters, _ = validate_options("rf", {"classifier.rf.nbtrees": 8})
def train(count):
    rng = np.random.default_rng(0)
    y = rng.integers(1, classes + 1, count)
    reset_peak()
    before = peak_mib()
    x = rng.standard_normal((count, features), np.float32)
    x += 0.02 * y[:, None].astype(np.float32)
    train_model("rf", parameters, x, y, recipe=recipe, seed=0, region="1", threads=1)
    return peak_mib() - before
train(50)
print(train(samples))
"""


@pytest.mark.parametrize(("samples", "features", "classes"), [(12_000, 6, 17), (15_000, 500, 2)])
def test_the_memory_of_training_is_within_a_factor_of_the_measured_memory(
    samples: int, features: int, classes: int
) -> None:
    """Memory grows with the classes (trees) and with the features (samples)."""
    command = [sys.executable, "-c", TRAINING, str(samples), str(features), str(classes)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    forest = untrained("rf", validate_options("rf", {"classifier.rf.nbtrees": 8})[0])
    message, taken = forest.training_memory(samples, features, classes) / 2**20, int(done.stdout)
    assert message / FACTOR < taken < message * 1.5


def test_the_trees_of_each_kind_of_forest_count() -> None:
    for kind in ("rf", "sharkrf"):
        few, many = (
            untrained(kind, validate_options(kind, {f"classifier.{kind}.nbtrees": trees})[0]) for trees in (10, 1000)
        )
        assert many.training_memory(10**5, 10, 5) > 50 * few.training_memory(10**5, 10, 5)
        assert many.pixel_seconds(10**5, 10, 5) == pytest.approx(100 * few.pixel_seconds(10**5, 10, 5))


def test_samples_count_towards_the_memory(files: WorldFiles, tmp_path: Path) -> None:
    config = configured(files, tmp_path)
    every = config.arg_train.sample_selection.model_copy(update={"strategy": "all"})
    config = replace(config, arg_train=config.arg_train.model_copy(update={"sample_selection": every}))
    preview = preview_run(config, runner.Options())
    many = replace(preview.survey, labelled=preview.survey.labelled * 10_000)

    def message(found: Survey) -> Forecast:
        return forecast_run(config, found, preview.plan, preview.verdicts, use=Resources(), workers=2)

    assert message(many).memory > message(preview.survey).memory + 10 * GIB
    config = replace(config, arg_train=config.arg_train.model_copy(update={"max_samples_per_class": 100}))
    assert message(many).memory < message(preview.survey).memory + GIB, "only samples for training count"


def test_a_memory_below_the_smallest_block_is_rejected_before_the_run(files: WorldFiles, tmp_path: Path) -> None:
    config = configured(files, tmp_path)
    with pytest.raises(ConfigError, match=r"a block of 16 x 64 pixels needs .* MB"):
        runner.run(config, runner.Options(workers=0, use=Resources(memory=1 << 20)), runner.Watcher())
    assert not (config.chain.output_path / "features/recipe.json").exists()


def test_the_number_of_workers_fits_into_the_memory() -> None:
    budgets = [256 << 20] * 20
    assert fitting_workers(8, budgets, 64 * GIB) == 8
    assert fitting_workers(8, budgets, 3 * GIB) == 3
    assert needed_memory(3, budgets) <= 3 * GIB < needed_memory(4, budgets)
    assert fitting_workers(8, budgets, 0) == 1
    assert fitting_workers(0, budgets, 64 * GIB) == 0


def test_large_jobs_count_as_often_as_they_can_run_concurrently() -> None:
    budgets = [16 * GIB, *[GIB // 4] * 20]
    assert 16 * GIB < needed_memory(0, budgets) < 17 * GIB
    assert 17 * GIB < needed_memory(3, budgets) < 19 * GIB, "only one large job exists"
    assert fitting_workers(8, budgets, 20 * GIB) == 5
    assert fitting_workers(8, [16 * GIB] * 3, 40 * GIB) == 2
    assert needed_memory(2, []) > 0


def test_only_cores_available_to_the_process_count() -> None:
    text = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); from iota2.runs.host import cores; "
    found = subprocess.run([sys.executable, "-c", text + "print(cores())"], capture_output=True, text=True, check=True)
    assert found.stdout == "1\n"


def test_the_memory_limit_of_a_control_group_counts(tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text(f"{GIB}\n")
    (tmp_path / "memory.current").write_text(f"{GIB // 2}\n")
    (tmp_path / "memory.stat").write_text(f"anon 1\ninactive_file {GIB // 4}\n")
    assert available_memory(tmp_path) == GIB * 3 // 4, "cached files are freed on demand"
    (tmp_path / "memory.max").write_text("max\n")
    assert available_memory(tmp_path) > 0


def test_a_disk_without_enough_space_is_reported_with_needed_and_free_space(tmp_path: Path) -> None:
    free = os.statvfs(tmp_path)
    with pytest.raises(OutputError, match=r"needs about 1000\.0 TB more on this disk, .*B are free"):
        require_disk_space(tmp_path, 10**15)
    assert require_disk_space(tmp_path, 1) == pytest.approx(free.f_bavail * free.f_frsize, rel=0.1)


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (36e6, "36 MB"), (2.5e9, "2.5 GB"), (4e13, "40.0 TB")],
)
def test_sizes_are_shown_with_few_digits(count: float, text: str) -> None:
    assert size_text(count) == text
