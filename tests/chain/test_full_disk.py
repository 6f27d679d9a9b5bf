"""A disk that is full at any moment: a message with path and remedy, nothing half written, and a run that resumes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from iota2.io.files.atomic import is_temporary
from tests.chain.helpers import Case, case, small
from tests.chain.test_disks import mounted
from tests.forked import Commands, commands

__all__ = ["case", "small"]
pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(os.getuid() != 0, reason="mounting file systems takes root"),
]
KIB = 1 << 10


@pytest.fixture
def iota2() -> Iterator[Commands]:
    with commands() as started:
        yield started


def fill(disk: Path, left: int) -> Path:
    """Leave so many bytes free."""
    seen, filler = os.statvfs(disk), disk / "filler"
    with open(filler, "wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(1, seen.f_bavail * seen.f_frsize - left))
    return filler


@pytest.mark.parametrize("stage", ["nothing there", "mark there", "made before"])
def test_whatever_is_left_on_the_disk_a_run_says_so_and_the_next_one_ends_well(
    stage: str, case: Case, iota2: Commands, tmp_path: Path
) -> None:
    disk = tmp_path / "disk"
    config = case.configured(chain={"output_path": str(disk / "results")})
    with mounted(disk, "-t", "tmpfs", "-o", "size=16M", "tmpfs"):
        if stage == "made before":
            assert iota2("run", config, "--workers", 0, seconds=60).code == 0
        for left in (0, 1, 4, 8, 12, 16, 20, 28, 40, 64, 128, 256):
            if stage == "made before":
                shutil.rmtree(disk / "results/final", ignore_errors=True)
                (disk / "results/.iota2/inputs.json").unlink(missing_ok=True)
            else:
                shutil.rmtree(disk / "results", ignore_errors=True)
            if stage == "mark there":
                (disk / "results/.iota2").mkdir(parents=True)
            filler = fill(disk, left * KIB)
            outcome = iota2("run", config, "--workers", 0, seconds=60)
            assert outcome.code in (1, 2), (left, outcome)
            assert "Traceback" not in outcome.output
            assert str(disk) in outcome.err, (left, outcome)
            assert "ree some space" in outcome.err or "ree disk space" in outcome.err, (left, outcome)
            assert [path for path in disk.rglob("*") if is_temporary(path.name)] == []
            assert not (disk / "results/.iota2/lock").exists()
            filler.unlink()
            if left % 8 == 0:
                assert iota2("run", config, "--workers", 0, seconds=60).code == 0, left


def test_a_read_only_file_system_is_named(case: Case, iota2: Commands, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    config = case.configured(chain={"output_path": str(disk / "results")})
    with mounted(disk, "-t", "tmpfs", "-o", "ro", "tmpfs"):
        for words in (("check", config), ("run", config, "--workers", 0)):
            outcome = iota2(*words)
            assert outcome.code == 1
            assert f"{disk} is on a read-only file system" in outcome.err
        assert iota2("status", config).code == 0
