"""The page of the environment names the program that ran: its folder, and its commit in a git clone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import iota2

CODE = "import sys; from pathlib import Path; from iota2.runs.progress.environment import environment as e; "
CODE += "print(dict(e(Path('.'))[0][1]))"


def program_of(source: Path) -> str:
    """What the page reports about the program whose package is in ``source``."""
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(source)!r}); {CODE}"],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def git(folder: Path, *words: str) -> str:
    who = ("-c", "user.name=a", "-c", "user.email=a@b")
    done = subprocess.run(["git", "-C", str(folder), *who, *words], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def copied_to(source: Path) -> Path:
    """A package whose folder has a link to each entry of the real one."""
    package = source / "iota2"
    package.mkdir(parents=True)
    for path in Path(iota2.__file__).parent.iterdir():
        if path.name == "__init__.py":
            (package / path.name).write_bytes(path.read_bytes())
        elif path.name != "__pycache__":
            (package / path.name).symlink_to(path)
    return package


def test_a_checkout_is_reported_with_its_commit_and_folder(tmp_path: Path) -> None:
    package = copied_to(tmp_path / "clone/src")
    git(tmp_path / "clone", "init")
    git(tmp_path / "clone", "commit", "--allow-empty", "-m", "first")
    found = program_of(package.parent)
    assert f"'Commit': '{git(tmp_path / 'clone', 'rev-parse', 'HEAD')}'" in found
    assert f"'Installed in': '{package}'" in found


def test_an_installed_program_has_no_commit(tmp_path: Path) -> None:
    package = copied_to(tmp_path / "site-packages")
    found = program_of(package.parent)
    assert "'Commit': 'not a git checkout'" in found
    assert f"'Installed in': '{package}'" in found
