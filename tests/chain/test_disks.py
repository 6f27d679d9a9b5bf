"""Inputs on a slow disk that cannot be written to; results and temporary files on two other file systems."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from iota2.chains.load import load_config
from tests.chain.conftest import run_chain
from tests.chain.helpers import Case, case, small
from tests.chain.test_restart import digests

pytestmark = pytest.mark.long

__all__ = ["case", "small"]
COMMAND = Path(sys.executable).with_name("iota2")
THROTTLE = Path("/sys/fs/cgroup/blkio")
BYTES_PER_SECOND = 30_000


def tell(*command: object) -> None:
    subprocess.run([str(word) for word in command], check=True, capture_output=True, timeout=60)


@contextmanager
def mounted(folder: Path, *source: object) -> Iterator[None]:
    folder.mkdir(exist_ok=True)
    tell("mount", *source, folder)
    try:
        yield
    finally:
        tell("umount", "-l", folder)


@dataclass(frozen=True)
class SlowDisk:
    """A disk whose reading by processes of a group of their own is slowed down by the kernel."""

    number: str
    group: Path

    def run(self, *command: object, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command in that group."""
        return subprocess.run(
            ["sh", "-c", f'echo $$ > {self.group}/cgroup.procs; exec "$@"', "sh", *map(str, command)],
            env={**os.environ, **environment},
            check=False,
            capture_output=True,
            text=True,
            timeout=200,
        )

    @property
    def bytes_read(self) -> int:
        """What the group has read from the disk itself."""
        message = (self.group / "blkio.throttle.io_service_bytes").read_text(encoding="utf-8")
        found = re.search(rf"^{self.number} Read (\d+)$", message, re.MULTILINE)
        return int(found[1]) if found else 0


def remove_group(group: Path) -> None:
    """Once its last process is gone, which the kernel notices a moment later."""
    for _ in range(300):
        with suppress(OSError):
            group.rmdir()
            return
        time.sleep(0.1)
    raise AssertionError(f"processes of the run live on: {(group / 'cgroup.procs').read_text(encoding='utf-8')}")


@contextmanager
def on_a_slow_disk(folder: Path) -> Iterator[SlowDisk]:
    """A copy of the folder, on a read-only disk of its own, in the folder's place."""
    image, group = folder.with_name("image"), THROTTLE / f"iota2-{os.getpid()}"
    tell("mkfs.ext4", "-q", "-d", folder, image, "64M")
    with mounted(folder, "-o", "loop,ro", image):
        device = os.stat(folder).st_dev
        number = f"{os.major(device)}:{os.minor(device)}"
        group.mkdir()
        try:
            (group / "blkio.throttle.read_bps_device").write_text(f"{number} {BYTES_PER_SECOND}", encoding="utf-8")
            yield SlowDisk(number, group)
        finally:
            remove_group(group)


@pytest.mark.slow
@pytest.mark.skipif(os.getuid() != 0, reason="mounting file systems takes root")
@pytest.mark.skipif(shutil.which("mkfs.ext4") is None, reason="there is no mkfs.ext4: apt-get install e2fsprogs")
@pytest.mark.skipif(
    not (THROTTLE / "blkio.throttle.read_bps_device").exists(), reason="this kernel offers no blkio group to slow disks"
)
def test_slow_inputs_and_results_on_other_file_systems_give_the_same_bytes(case: Case, tmp_path: Path) -> None:
    """A file that was made on one file system and renamed to another would fail its job."""
    output, scratch = tmp_path / "output", tmp_path / "scratch"
    path = case.configured(chain={"output_path": str(output / "results")})
    config = load_config(path)
    with ExitStack() as stack:
        stack.enter_context(mounted(output, "-t", "tmpfs", "tmpfs"))
        stack.enter_context(mounted(scratch, "-t", "tmpfs", "tmpfs"))
        run_chain(config)
        expected = digests(config.chain.output_path)
        shutil.rmtree(config.chain.output_path)
        disk = stack.enter_context(on_a_slow_disk(case.files.folder))
        assert len({os.stat(place).st_dev for place in (case.files.folder, output, scratch, tmp_path)}) == 4
        done = disk.run(COMMAND, "run", path, "--workers", "2", TMPDIR=str(scratch))
        assert done.returncode == 0, done.stdout + done.stderr
        assert disk.bytes_read > 2 * BYTES_PER_SECOND, "the disk itself was read, and slowed the run down"
        assert digests(config.chain.output_path) == expected
