"""Nothing is imported from the working folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

COMMANDS = Path(sys.executable).parent
NAMES = ("statistics", "secrets", "random", "tempfile", "pathlib", "numpy", "json", "typer", "distributed")
START_A_WORKER = """
import sys
from iota2.runs.workers.local import local_workers
sys.path.insert(0, "")
with local_workers(1) as cluster:
    print("worker result", cluster.client.submit(int, "7").result(timeout=60))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with files named like modules of libraries; each reports when it is executed."""
    for name in NAMES:
        (tmp_path / f"{name}.py").write_text("import os\nopen(os.environ['EXECUTED'], 'a').write(__name__)\n")
    return tmp_path


def output_of(folder: Path, command: list[object], *path: str) -> str:
    """Output of a command in the folder; AssertionError if a file of the folder was executed."""
    executed = folder / "executed.txt"
    entries = [*path, *(entry for entry in sys.path if os.path.isabs(entry))]
    environment = {**os.environ, "EXECUTED": str(executed), "PYTHONPATH": os.pathsep.join(entries)}
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert not executed.exists(), executed.read_text()
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "command",
    [
        [COMMANDS / "iota2", "--version"],
        [sys.executable, "-m", "iota2", "--version"],
        [COMMANDS / "Iota2.py", "-h"],
        [COMMANDS / "iota2", "sensors"],
    ],
    ids=["iota2", "module", "Iota2.py", "sensors"],
)
def test_commands_import_nothing_from_the_working_folder(folder: Path, command: list[object]) -> None:
    # PYTHONPATH is active during the start of the interpreter, which imports none of these modules.
    assert output_of(folder, command, "", ".")


@pytest.mark.slow
def test_workers_import_nothing_from_the_working_folder(folder: Path) -> None:
    assert "worker result 7" in output_of(folder, [sys.executable, "-P", "-c", START_A_WORKER])


def test_an_absolute_path_in_pythonpath_is_kept(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("")
    code = "import sys; sys.argv[0] = 'iota2'; import iota2, mine; print('kept')"
    assert "kept" in output_of(tmp_path, [sys.executable, "-P", "-c", code], "", str(tmp_path))


@pytest.mark.parametrize(
    "command", [[COMMANDS / "iota2"], [sys.executable, "-P", "-m", "iota2"], [COMMANDS / "Iota2.py"]]
)
def test_a_deleted_working_folder_is_reported(tmp_path: Path, command: list[object]) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    start = "import os, sys; os.chdir(sys.argv[1]); os.rmdir(sys.argv[1]); os.execv(sys.argv[2], sys.argv[2:])"
    words = [sys.executable, "-P", "-c", start, str(gone), *map(str, command), "--version"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == (
        "error: the working folder is gone (No such file or directory). Change to another folder first.\n"
    )


@pytest.mark.parametrize("kind", ["text", "pipe"])
def test_settings_of_matplotlib_in_the_working_folder_are_not_read(tmp_path: Path, kind: str) -> None:
    settings = tmp_path / "matplotlibrc"
    settings.write_bytes(b"backend: module://evil\n\xff\n") if kind == "text" else os.mkfifo(settings)
    code = (
        "import os; from iota2.steps.drawing import figures_module; before = os.getcwd(); figures_module()\n"
        "assert os.getcwd() == before; print('drawn')"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if os.path.isabs(entry))}
    words = [sys.executable, "-P", "-c", code]
    done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert (done.stdout, done.returncode) == ("drawn\n", 0), done.stderr
