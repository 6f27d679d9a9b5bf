"""A run that is killed goes on where it was, and ends with the same bytes; what did not change does not run."""

from __future__ import annotations

import hashlib
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import psutil
import pytest

from iota2.chains.load import load_config
from iota2.config.options.schema import Config
from iota2.io.files.atomic import is_temporary
from iota2.runs import runner
from iota2.runs.preview import preview_run
from iota2.runs.records.records import Ledger, Record
from iota2.testing.files import WorldFiles
from iota2.testing.world import DATES, WorldOptions, make_world
from iota2.testing.writing import write_world
from tests.chain.conftest import configured, run_chain
from tests.runs.run_process import recorded
from tests.runs.signals import default_signals, ignored_sigint

TINY = WorldOptions(size=64, overlap=16, classes=3, dates=DATES[2:10:2])
KILLS = 10
COMMAND = Path(sys.executable).with_name("iota2")


def small(text: str) -> str:
    text = text.replace("'classifier.rf.nbtrees' : 50", "'classifier.rf.nbtrees' : 5")
    return f"{text}\ntask_retry_limits :\n{{\n  allowed_retry : {KILLS}\n}}\n"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> WorldFiles:
    return write_world(make_world(TINY), tmp_path_factory.mktemp("tiny"))


def digests(root: Path) -> dict[str, str]:
    """Digest of every product and file in between; logs and records hold times."""
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file() and path.relative_to(root).parts[0] not in ("logs", ".iota2", "IOTA2_tasks_status.txt")
    }


def start(config: Path, signals: Callable[[], None] = default_signals) -> subprocess.Popen[str]:
    """A run in the background; ``signals`` says which it hears."""
    command = [COMMAND, "run", config, "--workers", "2"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, preexec_fn=signals)


def planned(process: subprocess.Popen[str]) -> tuple[int, int]:
    """Wait for the line that counts the jobs: all, and those up to date."""
    assert process.stdout is not None
    for line in process.stdout:
        if found := re.match(r"(\d+) jobs, (\d+) of them up to date", line):
            return int(found[1]), int(found[2])
    raise AssertionError("the run ended without counting its jobs")


def workers_of(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """The workers of a run that live; one that was killed may not be gone yet."""
    found: list[psutil.Process] = []
    children: list[psutil.Process] = []
    with suppress(psutil.NoSuchProcess):
        children = psutil.Process(process.pid).children()
    for child in children:
        with suppress(psutil.Error):
            found += [child] if "iota2.runs.workers.worker" in child.cmdline() else []
    return found


def until(reached: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Wait until a run has come so far; AssertionError when it ends before."""
    while not reached():
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.02)


def until_recorded(count: int, root: Path, process: subprocess.Popen[str]) -> None:
    """Wait until so many jobs are recorded; the run goes on then."""
    until(lambda: len(recorded(root)) >= count, process)
    assert process.poll() is None, process.communicate()[0]


@dataclass(frozen=True)
class Undisturbed:
    """A run that nothing happened to, what it made, and how many jobs it had."""

    config: Config
    digests: dict[str, str]
    jobs: int

    def afresh(self) -> Path:
        """Its output folder, away: some files hold its name, so others are made in the same place."""
        root = self.config.chain.output_path
        shutil.rmtree(root)
        return root


@pytest.fixture(scope="module")
def undisturbed(tiny: WorldFiles, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    config = configured(tiny, tmp_path_factory.mktemp("undisturbed"), small)
    run_chain(config)
    root = config.chain.output_path
    return Undisturbed(config, digests(root), len(Ledger(root).records))


@pytest.mark.long
@pytest.mark.timeout(600)
def test_killed_at_random_instants_and_resumed_the_bytes_are_the_same(undisturbed: Undisturbed) -> None:
    """Killed while it works, after so many records; what was recorded never runs again, so only jobs in flight do."""
    root, jobs, config = undisturbed.afresh(), undisturbed.jobs, undisturbed.config
    kept: dict[str, Record] = {}
    for count in sorted(random.Random(3).sample(range(1, jobs - 5), KILLS)):
        process = start(config.source)
        assert planned(process) == (jobs, len(kept)), "what was recorded is up to date"
        until_recorded(count, root, process)
        process.kill()
        process.communicate()
        now = Ledger(root).records
        assert count <= len(now) < jobs
        assert now.items() >= kept.items(), "made again, an output would have another time"
        kept = dict(now)
    process = start(config.source)
    printed, _ = process.communicate(timeout=120)
    assert process.returncode == 0, printed
    assert digests(root) == undisturbed.digests
    assert Ledger(root).records.items() >= kept.items()
    assert len(recorded(root)) == jobs
    assert not [path for path in root.rglob(".*") if is_temporary(path.name)]


@pytest.mark.long
@pytest.mark.timeout(600)
def test_workers_killed_at_random_instants_cost_their_jobs_in_flight_only(undisturbed: Undisturbed) -> None:
    """In one run, ten times; a job may be hit each time, so as many further attempts are allowed."""
    root, jobs, config = undisturbed.afresh(), undisturbed.jobs, undisturbed.config
    process = start(config.source)
    assert planned(process) == (jobs, 0)
    drawn, kept = random.Random(4), {}
    for count in sorted(drawn.sample(range(1, jobs - 5), KILLS)):
        until_recorded(count, root, process)
        until(lambda: bool(workers_of(process)), process)
        workers = workers_of(process)
        now = Ledger(root).records
        assert now.items() >= kept.items(), "made again, an output would have another time"
        kept = dict(now)
        drawn.choice(workers).kill()
    printed, _ = process.communicate(timeout=120)
    assert process.returncode == 0, printed
    assert digests(root) == undisturbed.digests
    assert Ledger(root).records.items() >= kept.items()
    assert len(recorded(root)) == jobs


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "signals"),
    [
        pytest.param(signal.SIGINT, default_signals, marks=pytest.mark.long),
        (signal.SIGTERM, default_signals),
        pytest.param(signal.SIGTERM, ignored_sigint, marks=pytest.mark.long),
    ],
    ids=["SIGINT", "SIGTERM", "SIGTERM-nohup"],
)
def test_asked_to_stop_it_stops_cleanly_and_goes_on_later(
    undisturbed: Undisturbed, number: signal.Signals, signals: Callable[[], None]
) -> None:
    root, config = undisturbed.afresh(), undisturbed.config
    process = start(config.source, signals)
    until_recorded(1, root, process)
    process.send_signal(number)
    printed, _ = process.communicate(timeout=60)
    assert process.returncode == 130, printed
    assert "completed jobs are kept" in printed
    assert "Traceback" not in printed
    states = {line.split()[0] for line in (root / "IOTA2_tasks_status.txt").read_text().splitlines()}
    assert "waiting" in states
    assert not (root / ".iota2/lock").exists()
    assert not list(root.rglob(".*.part*"))
    run_chain(config)
    assert digests(root) == undisturbed.digests


@pytest.mark.long
@pytest.mark.slow
def test_a_second_run_in_the_same_folder_is_refused(tiny: WorldFiles, tmp_path: Path) -> None:
    config = configured(tiny, tmp_path, lambda text: small(text).replace("'validation'", "'init'"))
    assert config.chain.last_step == "init"
    first = start(config.source)
    until((config.chain.output_path / ".iota2/lock").exists, first)
    first.send_signal(signal.SIGSTOP)  # it cannot end before the second looks
    second = start(config.source)
    printed, _ = second.communicate(timeout=60)
    first.send_signal(signal.SIGCONT)
    assert second.returncode == 1
    assert f"process {first.pid} on" in printed
    printed, _ = first.communicate(timeout=120)
    assert first.returncode == 0, printed


# --------------------------------------------------------------------------- one change, exactly these steps run


@pytest.fixture(scope="module")
def finished(tiny: WorldFiles, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A folder with an archive, a configuration and its finished output; a copy of the folder."""
    folder = tmp_path_factory.mktemp("done") / "folder"
    shutil.copytree(tiny.folder, folder / "world")
    text = tiny.config.read_text(encoding="utf-8").replace(str(tiny.folder), "world")
    text = small(text).replace("'world/IOTA2_Outputs/Results'", "'results'")
    (folder / "run.cfg").write_text(text, encoding="utf-8")
    run_chain(load_config(folder / "run.cfg"))
    return folder, Path(shutil.copytree(folder, folder.with_name("copy")))


@pytest.fixture
def done(finished: tuple[Path, Path]) -> Path:
    """The folder as the run left it, in its place: files name the paths of images, and a test may change anything."""
    folder, copy = finished
    shutil.rmtree(folder)
    return Path(shutil.copytree(copy, folder))


def edit_config(old: str, new: str) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        text = (folder / "run.cfg").read_text(encoding="utf-8")
        assert old in text
        (folder / "run.cfg").write_text(text.replace(old, new), encoding="utf-8")

    return edit


def comment(folder: Path) -> None:
    path = folder / "run.cfg"
    path.write_text("# a comment\n" + path.read_text(encoding="utf-8"), encoding="utf-8")


def touch_everything(folder: Path) -> None:
    for path in (folder / "world").rglob("*"):
        os.utime(path)


def move_polygon(folder: Path) -> None:
    path = folder / "world/vector_data/reference_data.shp"
    frame = gpd.read_file(path)
    frame.loc[0, "geometry"] = frame.geometry[0].buffer(-8)
    frame.to_file(path)


def change_product(folder: Path) -> None:
    path = next((folder / "world/sensor_data/T31TDJ").glob("*/*_FRE_B4.tif"))
    other = next((folder / "world/sensor_data/T31TDJ").glob("*/*_FRE_B3.tif"))
    path.write_bytes(other.read_bytes())


def rename_class(folder: Path) -> None:
    path = folder / "world/nomenclature.txt"
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join(["autre nom:" + lines[0].split(":")[1], *lines[1:]]), encoding="utf-8")


LATE_STEPS = (
    "learnModel classification classificationMerge classifShaping mosaic confusionCmd confusionsMerge "
    "confusionFigure differenceMosaic mapStages reportGeneration"
)
AFTER_TRAINING = set(LATE_STEPS.split())
SAMPLING = {
    "VectorFormatting",
    "samplesMerge",
    "statsSamplesModel",
    "samplingLearningPolygons",
    "samplesByTiles",
    "samplesExtraction",
    "samplesExtractionMerge",
    "samplesByModels",
    "classStatistics",
}
SEED = "random_seed: 42 → 43"
READ_IMAGES = ("CommonMasks", "PixelValidity", "samplesExtraction", "classification")

Reasons = dict[str, str]
"""By step a part of what is reported: all of it names files and values of several options."""
CHANGES: list[tuple[str, Callable[[Path], None], Reasons, set[str]]] = [
    ("nothing", lambda folder: None, {}, set()),
    ("a comment", comment, {}, set()),
    ("times of all inputs", touch_everything, {}, set()),
    (
        "an option of the classifier",
        edit_config("'classifier.rf.max' : 25", "'classifier.rf.max' : 24"),
        {"learnModel": "classifier.rf.max: 25 → 24"},
        AFTER_TRAINING,
    ),
    (
        "the seed",
        edit_config("random_seed : 42", "random_seed : 43"),
        {"referenceData": ""} | dict.fromkeys(("samplingLearningPolygons", "learnModel", "reportGeneration"), SEED),
        {"referenceData"} | SAMPLING | AFTER_TRAINING,
    ),
    (
        "one polygon",
        move_polygon,
        {"referenceData": "reference_data.shp: content changed"},
        {"referenceData"} | SAMPLING | AFTER_TRAINING,
    ),
    (
        "the name of a class",
        rename_class,
        {"referenceData": "nomenclature.txt: content changed"},
        {"referenceData", "mosaic", "confusionFigure", "reportGeneration"},
    ),
    (
        "one band of one product",
        change_product,
        dict.fromkeys(READ_IMAGES, "_FRE_B4.tif changed"),
        {*READ_IMAGES, "samplesExtractionMerge", "samplesByModels", "classStatistics"} | AFTER_TRAINING,
    ),
]


LONG_CHANGES = ("the seed", "one band of one product", "a comment")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "reasons", "may_run"),
    [pytest.param(*rest, id=name, marks=[pytest.mark.long] if name in LONG_CHANGES else []) for name, *rest in CHANGES],
)
def test_one_change_runs_what_depends_on_it_and_says_why(
    done: Path, change: Callable[[Path], None], reasons: Reasons, may_run: set[str]
) -> None:
    change(done)
    config = load_config(done / "run.cfg")
    preview = preview_run(config, runner.Options())
    stale = {job_id.split("/")[0]: v.reason for job_id, v in preview.verdicts.items() if v.state == "stale"}
    assert stale.keys() == reasons.keys()
    assert not [(step, message) for step, message in stale.items() if reasons[step] not in message]
    results = runner.run(config, runner.Options(workers=0), runner.Watcher())
    ran = {id_.split("/")[0] for id_, result in results.items() if result.state == "done"}
    assert set(reasons) <= ran <= may_run
    assert not any(v.state != "fresh" for v in preview_run(config, runner.Options()).verdicts.values())
    if change is change_product:
        made = {id_ for id_, result in results.items() if result.state == "done"}
        assert not {id_ for id_ in made if "T31TCJ" in id_ and id_.startswith(("CommonMasks", "samplesExtraction"))}
