"""The order of a run: all checks precede the first change of earlier results."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

import pytest

from iota2 import layout
from iota2.chains.classification import CLASSIFICATION
from iota2.cli import app, guarded
from iota2.config.options.schema import Config
from iota2.core.graph import Artifact, Resources
from iota2.errors import ConfigError, JobsFailed, UserError
from iota2.runs import runner
from iota2.runs.runner import Options, resume_command
from iota2.runs.workers import clusters
from iota2.testing.files import WorldFiles
from iota2.testing.world import DATES, WorldOptions, make_world
from iota2.testing.writing import write_world
from tests.chain.conftest import configured

QUIET = runner.Watcher()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> WorldFiles:
    options = WorldOptions(size=64, overlap=16, classes=3, dates=DATES[2:10:3])
    return write_world(make_world(options), tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def finished(files: WorldFiles, tmp_path_factory: pytest.TempPathFactory) -> Config:
    """A complete run whose output folder the next run empties."""
    edit = lambda text: text.replace("  last_step", "  remove_output_path : True\n  last_step")  # noqa: E731
    config = configured(files, tmp_path_factory.mktemp("finished"), edit)
    assert config.chain.remove_output_path
    runner.run(config, Options(workers=0), QUIET)
    return config


class Listens(runner.Watcher):
    """Collects the messages."""

    def __init__(self) -> None:
        self.reported: list[str] = []

    def say(self, text: str) -> None:
        self.reported.append(text)


def times(config: Config) -> dict[str, int]:
    """Modification times of all results, without pages of the report."""
    root = config.chain.output_path
    found = (path for path in root.rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): path.stat().st_mtime_ns for path in found}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (Options(force=("mosiac",)), "did you mean 'mosaic'?"),
        (Options(scheduler="tcp://127.0.0.1:9"), "no Dask scheduler responds"),
        (Options(engine="slurm"), "no command 'sbatch'"),
        (Options(workers=0, use=Resources(memory=1 << 20)), "a block of 16 x 64 pixels needs"),
        (Options(workers=0, legacy_last_step=99), f"numbered 1 to {len(CLASSIFICATION.steps)}"),
        (Options(workers=0, last_step="mosaik"), "is neither a step nor a group of steps; did you mean 'mosaic'?"),
    ],
)
def test_a_rejected_run_removes_nothing(
    finished: Config, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, options: Options, message: str
) -> None:
    monkeypatch.setattr(clusters, "CONNECT_SECONDS", 1)
    monkeypatch.setenv("PATH", str(tmp_path))
    before = times(finished)
    with pytest.raises(UserError) as refused:
        runner.run(finished, options, QUIET)
    assert message in str(refused.value)
    assert times(finished) == before


def test_an_invalid_resources_file_removes_nothing(finished: Config, tmp_path: Path) -> None:
    resources = tmp_path / "resources.cfg"
    resources.write_text("trainin : { nb_cpu : 2 }", encoding="utf-8")
    before = times(finished)
    with pytest.raises(ConfigError):
        runner.run(finished, Options(resources=resources), QUIET)
    assert times(finished) == before


def test_plan_shows_the_jobs_of_the_run_and_the_run_reports_removed_files(
    finished: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    def printed(*arguments: str) -> str:
        assert guarded(lambda: app(list(arguments), standalone_mode=False), debug=False) == 0
        return capsys.readouterr().out

    source, root, before = str(finished.source), finished.chain.output_path, times(finished)
    kept = printed("plan", source, "--restart")
    assert " 0 jobs will run" in f" {kept.splitlines()[-1]}"
    afresh = printed("plan", source)
    assert " 0 may run, 0 are up to date" in afresh
    assert f"files in {root} will be removed first" in afresh.splitlines()[-1]
    assert "the output folder is emptied first" in printed("why", source, "learnModel")
    assert "up to date" in printed("why", source, "learnModel", "--restart")
    assert "--force learnModel" in printed("why", source, "learnModel", "--restart", "--force", "learnModel")
    later = printed("plan", source, "--first-step", "mosaic", "--last-step", "mosaic", "--force", "mosaic")
    assert later.splitlines()[-1].endswith(" will run, 0 may run, 2 are up to date"), (
        "the run does not include the first step"
    )
    assert times(finished) == before
    listens = Listens()
    results = runner.run(finished, Options(workers=0), listens)
    assert {result.state for result in results.values()} == {"done"}
    (removed,) = (line for line in listens.reported if "removing" in line)
    assert removed.split(" will be")[0].split(" removing ")[1].split()[0] == afresh.splitlines()[-1].split()[1]


def test_the_resume_command_has_the_resources_and_steps_of_the_run(finished: Config) -> None:
    given = Options(
        first_step="learning", last_step="mosaic", workers=3, force=("mosaic",), use=Resources(memory=64 << 20)
    )
    steps = "--first-step learning --last-step mosaic --workers 3 --memory 64"
    command = f"iota2 run {finished.source} {steps} --restart --force mosaic"
    assert resume_command(finished, given) == command
    numbered = Options(
        legacy_first_step=3, legacy_last_step=9, workers=0, engine="slurm", resources=Path("my resources.cfg")
    )
    assert shlex.split(resume_command(finished, numbered)) == [
        "Iota2.py", "-config", str(finished.source), "-scheduler_type", "Slurm", "-nb_parallel_tasks", "0",
        "-starting_step", "3", "-ending_step", "9", "-config_ressources", "my resources.cfg", "-restart",
    ]  # fmt: skip


def test_the_resume_command_forces_unfinished_steps_and_omits_reduced_workers(
    files: WorldFiles, tmp_path: Path
) -> None:
    config = configured(files, tmp_path)
    runner.run(config, Options(workers=0), QUIET)
    logs = config.chain.output_path / "logs/learnModel"
    shutil.rmtree(logs)
    logs.write_text("no place for logs", encoding="utf-8")
    forced = Options(engine="debug", force=("CommonMasks", "learning"))
    with pytest.raises(JobsFailed, match="the log cannot be written") as failed:
        runner.run(config, forced, QUIET)
    command = f"iota2 run {config.source} --engine debug --force learning"
    assert str(failed.value).splitlines()[-1].endswith(f"then run: {command}")
    logs.unlink()
    results = runner.run(config, Options(engine="debug", force=("learnModel",)), QUIET)
    assert any(id_.startswith("learnModel/") for id_ in results)


def test_the_list_of_outputs_contains_the_log_folders_of_the_steps(finished: Config) -> None:
    runner.run(finished, Options(workers=0, restart=True), runner.Watcher())
    listed = (finished.chain.output_path / layout.OUTPUTS.path).read_text(encoding="utf-8").splitlines()
    assert {"logs/mosaic", "logs/learnModel"} <= set(listed)


def test_products_are_those_of_the_present_tiles(finished: Config) -> None:
    artifact = Artifact("final/Own_{tile}_{region}.tif", "A product.", role="product")
    for name in ("Own_A_1", "Own_A_2", "Own_B_1"):
        (finished.chain.output_path / f"final/{name}.tif").touch()
    found = runner._paths(finished.chain.output_path, artifact, {"tile": ("A",), "seed": (0,)})
    assert [path.name for path in found] == ["Own_A_1.tif", "Own_A_2.tif"]
