"""The commands ``iota2`` and ``Iota2.py``: output and exit codes."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import rasterio

from iota2 import __version__
from iota2.chains.classification import CLASSIFICATION
from iota2.chains.load import load_config
from iota2.cli import legacy, legacy_main, main
from iota2.errors import UserError
from iota2.testing.files import WorldFiles
from iota2.testing.world import DATES, WorldOptions, make_world
from iota2.testing.writing import write_world
from tests.chain.conftest import configured
from tests.chain.helpers import Case, case, command, small

__all__ = ["case", "small"]
TINY = WorldOptions(size=64, overlap=16, classes=3, dates=DATES[2:10:3])


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> WorldFiles:
    files = write_world(make_world(TINY), tmp_path_factory.mktemp("world"))
    text = files.config.read_text(encoding="utf-8")
    files.config.write_text(text.replace("'classifier.rf.nbtrees' : 50", "'classifier.rf.nbtrees' : 5"), "utf-8")
    return files


HEAVY = (
    "scipy.fft",
    "scipy.ndimage",
    "skimage.registration",
    "requests",
    "pystac",
    "pystac_client",
    "sklearn",
    "matplotlib",
)
"""Modules that only some runs need and that are slow to import."""


def test_slow_modules_are_not_imported_with_the_commands() -> None:
    code = f"import sys, iota2.cli; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def call(monkeypatch: pytest.MonkeyPatch, *arguments: str, legacy: bool = False) -> int:
    """Exit code of a command."""
    monkeypatch.setattr(sys, "argv", ["command", *arguments])
    with pytest.raises(SystemExit) as stopped:
        (legacy_main if legacy else main)()
    code = stopped.value.code
    return code if isinstance(code, int) else int(code is not None)


def test_version(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(monkeypatch, "--version") == 0
    assert capsys.readouterr().out == f"iota2 {__version__}\n"


def test_init_writes_a_configuration_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "my.cfg"
    assert call(monkeypatch, "init", str(path)) == 0
    text = path.read_text(encoding="utf-8")
    assert "output_path" in text
    assert call(monkeypatch, "init", str(path)) == 1
    assert "already exists" in capsys.readouterr().err
    assert path.read_text(encoding="utf-8") == text
    assert call(monkeypatch, "init", str(tmp_path / "nodir" / "my.cfg")) == 1
    assert f"there is no folder {tmp_path / 'nodir'}. Create it" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["new.yaml", "new.YML"])
def test_init_writes_yaml_with_the_same_options_for_a_yaml_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    path, braces = tmp_path / name, tmp_path / "new.cfg"
    for one in (path, braces):
        assert call(monkeypatch, "init", str(one)) == 0
    for file in ("ground_truth.shp", "nomenclature.txt", "colors.txt"):
        (tmp_path / file).touch()
    (tmp_path / "sensor_data").mkdir()
    found, same = load_config(path), load_config(braces)
    assert (found.chain, found.arg_train) == (same.chain, same.arg_train)
    comments = [[line for line in one.read_text("utf-8").splitlines() if "#" in line] for one in (path, braces)]
    assert comments[0] == comments[1]


def test_check_reads_headers_and_writes_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], world: WorldFiles
) -> None:
    assert call(monkeypatch, "check", str(world.config)) == 0
    printed = capsys.readouterr().out
    assert "T31TCJ: 3 dates of Sentinel2" in printed
    assert "README.txt" in printed
    assert "Configuration is valid" in printed
    assert not world.output.exists()


def test_all_problems_of_a_configuration_are_reported_at_once_with_exit_code_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], world: WorldFiles, tmp_path: Path
) -> None:
    text = world.config.read_text(encoding="utf-8").replace("list_tile", "list_tiles")
    broken = tmp_path / "broken.cfg"
    broken.write_text(text.replace("runs : 1", "runs : 0"), encoding="utf-8")
    assert call(monkeypatch, "run", str(broken)) == 1
    message = capsys.readouterr().err
    assert "list_tiles" in message
    assert "runs" in message
    assert "Traceback" not in message


def test_run_prints_steps_progress_and_products(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], world: WorldFiles
) -> None:
    assert call(monkeypatch, "run", str(world.config), "--workers", "0") == 0
    printed = capsys.readouterr().out
    assert printed.count("[x] Step") == 27
    assert re.search(r"(\d+) of \1 jobs, 100 %  reportGeneration", printed)
    assert str(world.output / "final/Classif_Seed_0.tif") in printed
    assert str(world.output / "final/report.html") in printed
    assert str(world.output / "final/ProbabilityMap_seed_0.tif") in printed.partition("Products:")[2]
    assert str(world.output / "final/diff_seed_0.tif") in printed.partition("Products:")[2]
    page = (world.output / "final/report.html").read_text(encoding="utf-8")
    assert "arg_train.otb_classifier_options" in page
    assert call(monkeypatch, "run", str(world.config), "--workers", "0", "--force", "reportGeneration") == 0
    printed = capsys.readouterr().out
    assert printed.count("[x] Step") == 1
    assert printed.count("[ ] Step") == 26
    assert call(monkeypatch, "-config", str(world.config), "-only_summary", legacy=True) == 0
    printed = capsys.readouterr().out
    assert (printed.count("[x] Step"), printed.count("[ ] Step")) == (0, 27), "all jobs are up to date"


def test_a_failed_job_gives_exit_code_2_and_names_its_log(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    files = write_world(make_world(TINY), tmp_path)
    band = next((files.s2_path / "T31TDJ").glob("*/*_FRE_B4.tif"))
    with rasterio.open(band) as source:
        first_strip = int(source.get_tag_item("BLOCK_OFFSET_0_0", "TIFF", bidx=1))
    data = bytearray(band.read_bytes())
    data[first_strip : first_strip + 100] = b"\xff" * 100
    band.write_bytes(data)
    code = call(monkeypatch, "run", str(files.config), "--workers", "0")
    message = capsys.readouterr().err
    assert code == 2
    assert re.search(r"\d+ of \d+ jobs failed", message)
    assert band.name in message
    log = Path(re.search(r"log: (.*\.err)", message)[1])  # type: ignore[index]
    assert band.name in log.read_text(encoding="utf-8")


@pytest.mark.long
@pytest.mark.slow
def test_the_legacy_command_runs_the_chain(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], world: WorldFiles
) -> None:
    shutil.rmtree(world.output, ignore_errors=True)
    base = ("-config", str(world.config), "-scheduler_type")
    assert call(monkeypatch, *base, "debug", "-only_summary", legacy=True) == 0
    assert "jobs; output in" not in capsys.readouterr().out
    assert call(monkeypatch, *base, "debug", "-ending_step", "5", legacy=True) == 0
    printed = capsys.readouterr().out
    assert printed.count("[x] Step") == 4
    assert (world.output / "features/T31TCJ/nbView.tif").is_file()
    assert call(monkeypatch, *base, "localCluster", "-nb_parallel_tasks", "2", "-ending_step", "-1", legacy=True) == 0
    assert (world.output / "final/RESULTS.txt").is_file()
    last = len(CLASSIFICATION.steps)
    assert call(monkeypatch, *base, "debug", "-starting_step", f"{last + 1}", legacy=True) == 1
    assert f"numbered 1 to {last}" in capsys.readouterr().err


def test_the_installed_commands_run(tmp_path: Path) -> None:
    for name in ("iota2", "Iota2.py"):
        path = Path(sys.executable).with_name(name)
        done = subprocess.run([path, "--help"], capture_output=True, text=True, check=True, cwd=tmp_path)
        assert "config" in done.stdout.lower()
        assert not list(tmp_path.iterdir())
    assert os.access(Path(sys.executable).with_name("iota2"), os.X_OK)


@pytest.mark.parametrize("arguments", [["nonsense"], ["run"], ["check", "--bogus", "x"], ["run", "no/such/file.cfg"]])
def test_an_invalid_command_line_gives_the_exit_code_of_user_errors(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert call(monkeypatch, *arguments) == 1
    assert "Traceback" not in capsys.readouterr().err


def test_an_invalid_legacy_command_line_gives_the_exit_code_of_user_errors(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "-config", "x.cfg", "-scheduler_type", "abacus", legacy=True) == 1
    assert "abacus" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("-nb_parallel_tasks", "-1"), "expected a whole number ≥ 0 and ≤ 10000, got -1"),
        (("-nb_parallel_tasks", "two"), "expected a whole number ≥ 0 and ≤ 10000, got two"),
        (("-scheduler_type", "Slurm", "-nb_parallel_tasks", "0"), "Slurm needs workers"),
        (("-scheduler_type", "slurm", "-nb_parallel_tasks", "0"), "-scheduler_type Slurm needs workers"),
        (("-restart_from", "/nonexistent"), "there is no file /nonexistent"),
    ],
)
def test_an_invalid_legacy_option_is_reported_before_the_run(
    world: WorldFiles, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    config = configured(world, tmp_path)
    with pytest.raises(UserError) as error:
        legacy(["-config", str(config.source), *arguments])
    assert message in str(error.value)
    assert not config.chain.output_path.exists()


def test_options_of_the_legacy_command_are_accepted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], world: WorldFiles, tmp_path: Path
) -> None:
    config = configured(world, tmp_path)
    status = tmp_path / "IOTA2_tasks_status.txt"
    status.touch()
    files = ("-execution_graph_files", "a.svg", "b.svg")
    given = ("-config", str(config.source), "-restart_from", str(status), *files, "-only_summary")
    assert call(monkeypatch, *given, legacy=True) == 0
    printed = capsys.readouterr().out
    assert "the graph of the jobs is in logs/html/tasks_status_1.html" in printed
    assert printed.count("[x] Step") == 27


def test_an_archive_that_cannot_be_written_does_not_hide_failed_jobs(
    case: Case, capsys: pytest.CaptureFixture[str]
) -> None:
    config = case.configured()
    path = case.file("*_FRE_B8.tif")
    content = path.read_bytes()
    middle = len(content) // 2
    path.write_bytes(content[:middle] + bytes(range(256)) + content[middle + 256 :])
    (case.output / ".iota2").mkdir(parents=True)
    (case.output / "logs.zip").mkdir()
    code, printed, errors = command(capsys, "run", config, "--workers", "0")
    assert code == 2
    assert f"note: {case.output / 'logs.zip'} could not be written: Is a directory" in printed
    assert "Traceback" not in errors
    assert f"iota2 run {config}" in errors.splitlines()[-1]


@pytest.mark.parametrize("entry", ["main", "legacy_main"])
def test_ctrl_c_during_the_imports_ends_without_a_traceback(entry: str) -> None:
    script = (
        "import iota2.__main__ as commands\n"
        "def interrupted():\n    raise KeyboardInterrupt\n"
        f"commands._commands = interrupted\ncommands.{entry}()\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "Interrupted.\n")
