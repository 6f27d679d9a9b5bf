"""Compiled code belongs to one state of the source."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numba
import pytest

import iota2
from iota2.kernel_cache import use_own_folder

CALLING = """
from numba import njit
from made.compute.called import value

@njit(cache=True)
def doubled():
    return 2 * value()
"""
CALLED = """
from numba import njit

@njit(cache=True)
def value():
    return {}
"""
PROGRAM = """
from pathlib import Path
from iota2.kernel_cache import use_own_folder
use_own_folder(Path("made"))
from made.compute.calling import doubled
print(doubled())
"""


@pytest.fixture(autouse=True)
def _same_folder_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other tests use the folder of this process again."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", os.environ["NUMBA_CACHE_DIR"])
    monkeypatch.setattr(numba.config, "CACHE_DIR", numba.config.CACHE_DIR)


def doubled(folder: Path, value: int) -> int:
    """What a program prints whose compiled function calls one of another file that returns ``value``."""
    (folder / "made" / "compute" / "called.py").write_text(CALLED.format(value), encoding="utf-8")
    paths = os.pathsep.join([str(folder), str(Path(iota2.__file__).parents[1])])
    given = {**os.environ, "PYTHONPATH": paths}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=folder, env=given, capture_output=True, text=True, check=True
    )
    return int(done.stdout)


def test_code_is_compiled_again_after_a_function_of_another_file_has_changed(tmp_path: Path) -> None:
    (tmp_path / "made" / "compute").mkdir(parents=True)
    (tmp_path / "made" / "compute" / "calling.py").write_text(CALLING, encoding="utf-8")
    assert [doubled(tmp_path, value) for value in (1, 2, 1)] == [2, 4, 2]


def test_a_folder_of_the_user_is_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "mine"))
    use_own_folder(tmp_path)
    assert os.environ["NUMBA_CACHE_DIR"] == str(tmp_path / "mine")


def test_folders_of_other_versions_are_removed_when_they_are_old(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "iota2-compiled-parent"))
    kept = ["iota2-compiled-recent", "other"]
    for name in ("iota2-compiled-old", *kept):
        (tmp_path / "__pycache__" / name).mkdir(parents=True)
    for name in ("iota2-compiled-old", "other"):
        os.utime(tmp_path / "__pycache__" / name, (time.time() - 8 * 86400,) * 2)
    use_own_folder(tmp_path)
    made = Path(os.environ["NUMBA_CACHE_DIR"])
    assert made.parent == tmp_path / "__pycache__"
    assert {path.name for path in made.parent.iterdir()} == {made.name, *kept}


def chosen(folder: Path, **environment: str) -> Path:
    """The folder that is chosen for a package, in a new process."""
    code = "import os, numba; from pathlib import Path; from iota2.kernel_cache import use_own_folder; "
    code += "use_own_folder(Path('/proc/none')); assert numba.config.CACHE_DIR == os.environ['NUMBA_CACHE_DIR']; "
    code += "print(numba.config.CACHE_DIR)"
    paths = {"PYTHONPATH": str(Path(iota2.__file__).parents[1]), "PATH": os.environ["PATH"], "TMPDIR": str(folder)}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=paths | environment, capture_output=True, text=True, check=True)
    return Path(done.stdout.strip())


def test_a_folder_that_others_can_write_is_not_used(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    own = chosen(tmp_path, XDG_CACHE_HOME=str(cache))
    assert own.parent == cache / "iota2"
    own.chmod(0o777)
    other = chosen(tmp_path, XDG_CACHE_HOME=str(cache))
    assert other.parent == tmp_path
    other.rmdir()
    other.symlink_to(tmp_path / "nowhere")
    assert chosen(tmp_path, XDG_CACHE_HOME=str(cache)).name.startswith("iota2-compiled-")
    assert chosen(tmp_path, XDG_CACHE_HOME="relative", HOME=str(tmp_path / "home")).parent.parent.name == ".cache"


def test_the_folder_is_used_again_where_files_are_writable_for_the_group(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With umask 002, a common default, a new folder would be writable for the group, and not be trusted later."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", "iota2-compiled-parent")
    before = os.umask(0o002)
    try:
        use_own_folder(tmp_path)
        made = os.environ["NUMBA_CACHE_DIR"]
        use_own_folder(tmp_path)
    finally:
        os.umask(before)
    assert os.environ["NUMBA_CACHE_DIR"] == made
    assert Path(made).parent == tmp_path / "__pycache__"
