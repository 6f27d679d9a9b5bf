"""The lock: two runs never use one output folder at the same time."""

from __future__ import annotations

import errno
import fcntl
import json
import multiprocessing
import os
import socket
import subprocess
import sys
import time
from dataclasses import asdict, replace
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from pathlib import Path

import psutil
import pytest

from iota2.errors import OutputError
from iota2.runs.records import lock
from iota2.runs.records.lock import LOCK, Holder, holder, locked, require_lock

PROCESSES, ROUNDS = 4, 50


def test_a_second_run_is_refused_with_process_and_host_of_the_first(tmp_path: Path) -> None:
    with locked(tmp_path) as message:
        assert message is None
        with pytest.raises(OutputError, match=rf"process {os.getpid()} on {socket.gethostname()}"), locked(tmp_path):
            pass
        assert holder(tmp_path) is not None
    assert holder(tmp_path) is None
    assert list((tmp_path / LOCK).parent.iterdir()) == []


def test_the_lock_of_a_dead_process_is_taken_over_with_a_message(tmp_path: Path) -> None:
    former = dead_holder()
    write(tmp_path, former)
    with locked(tmp_path) as message:
        assert message == f"The previous run in {tmp_path} (process {former.pid}) did not finish; resuming it."
        now = holder(tmp_path)
        assert now is not None
        assert now.pid == os.getpid()
    assert list((tmp_path / LOCK).parent.iterdir()) == []


def test_a_zombie_process_is_dead() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        assert child.stdin is not None
        mine = holder_of(child.pid)
        assert mine.alive
        child.stdin.close()
        while psutil.Process(child.pid).status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.01)
        assert not mine.alive
    finally:
        child.kill()
        child.wait()


def test_a_reused_process_number_does_not_keep_a_lock_alive(tmp_path: Path) -> None:
    me = holder_of(os.getpid())
    assert me.alive
    assert not replace(me, started=me.started - 1).alive
    assert not replace(me, boot="another start of the machine").alive
    write(tmp_path, replace(me, started=1))
    with locked(tmp_path) as message:
        assert message


def test_setting_the_clock_does_not_make_a_run_look_dead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Process times since 1970 change with the clock, so the lock must not compare them."""
    with locked(tmp_path):
        monkeypatch.setattr(psutil, "boot_time", lambda: 0.0)
        monkeypatch.setattr(time, "time", lambda: 0.0)
        expected = json.loads((tmp_path / LOCK).read_text())
        assert expected["started"] < time.clock_gettime(time.CLOCK_BOOTTIME) * os.sysconf("SC_CLK_TCK")
        with pytest.raises(OutputError, match="another run uses this folder"), locked(tmp_path):
            pass


def test_the_lock_of_another_users_process_is_respected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system may hide processes of other users; only the existence of the number is known."""

    def kill(pid: int, number: int) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "kill", kill)
    write(tmp_path, dead_holder())
    with pytest.raises(OutputError, match="another run uses this folder"), locked(tmp_path):
        pass


def test_a_lock_of_another_host_is_respected(tmp_path: Path) -> None:
    write(tmp_path, Holder("elsewhere", 1, "", 1))
    with pytest.raises(OutputError, match=r"on elsewhere.*[Dd]elete .*lock"), locked(tmp_path):
        pass


@pytest.mark.parametrize("content", ["", "{", '{"pid": 1}'])
def test_a_lock_that_cannot_be_read_is_respected(tmp_path: Path, content: str) -> None:
    """On a disk without hard links it may belong to a run that is starting."""
    (tmp_path / LOCK).parent.mkdir()
    (tmp_path / LOCK).write_text(content)
    with pytest.raises(OutputError, match=r"cannot be read.*Delete it"), locked(tmp_path):
        pass
    assert (tmp_path / LOCK).read_text() == content


def test_the_lock_is_removed_when_the_run_fails(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), locked(tmp_path):
        raise ZeroDivisionError
    assert not (tmp_path / LOCK).exists()


def test_the_lock_of_another_run_is_not_removed(tmp_path: Path) -> None:
    """A run ends whose lock was removed by hand, while the next run is in progress."""
    other = json.dumps(asdict(replace(holder_of(os.getpid()), run="another")))
    with locked(tmp_path):
        (tmp_path / LOCK).write_text(other)
    assert (tmp_path / LOCK).read_text() == other


def test_locks_work_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def link(old: object, new: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", link)
    with locked(tmp_path):
        with pytest.raises(OutputError, match="another run uses this folder"), locked(tmp_path):
            pass
        require_lock(tmp_path, (tmp_path / LOCK).read_text())
    write(tmp_path, dead_holder())
    with locked(tmp_path) as message:
        assert message


def test_a_starting_run_whose_temporary_file_is_removed_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run with the lock removes temporary files, including the one that the other run is about to link."""

    def tidied(part: Path, path: Path, text: str) -> bool:
        part.unlink()
        return really(part, path, text)

    with locked(tmp_path):
        really = lock._link_lock
        monkeypatch.setattr(lock, "_link_lock", tidied)
        with pytest.raises(OutputError, match="another run uses this folder"), locked(tmp_path):
            pass


def test_a_starting_run_is_refused_if_another_takes_over_the_lock_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def quicker(file: object, operation: int) -> None:
        write(tmp_path / "aside", holder_of(os.getpid()))
        os.replace(tmp_path / "aside" / LOCK, tmp_path / LOCK)

    write(tmp_path, dead_holder())
    monkeypatch.setattr(fcntl, "flock", quicker)
    with pytest.raises(OutputError, match="another run uses this folder"), locked(tmp_path):
        pass
    assert holder(tmp_path) == holder_of(os.getpid())


def compete(root: str, rounds: int, start: Barrier, end: Barrier, expected: Queue[tuple[int, str]]) -> None:
    """In each round, try to lock the folder of the round at the same time as other processes; keep the lock until all
    have tried."""
    for number in range(rounds):
        start.wait()
        try:
            with locked(Path(root, str(number))):
                expected.put((number, "inside"))
                end.wait()
        except OutputError as error:
            expected.put((number, "refused" if "another run uses this folder" in str(error) else str(error)))
            end.wait()
        except BaseException as error:
            expected.put((number, repr(error)))
            end.wait()


@pytest.mark.parametrize("stale", [False, True])
def test_one_of_several_runs_started_simultaneously_gets_the_lock(tmp_path: Path, stale: bool) -> None:
    former = dead_holder()
    for number in range(ROUNDS):
        folder = tmp_path / str(number)
        folder.mkdir()
        if stale:
            write(folder, former)
    context = multiprocessing.get_context("spawn")
    start, end, expected = context.Barrier(PROCESSES), context.Barrier(PROCESSES), context.Queue()
    starters = [
        context.Process(target=compete, args=(str(tmp_path), ROUNDS, start, end, expected)) for _ in range(PROCESSES)
    ]
    for starter in starters:
        starter.start()
    results = [expected.get() for _ in range(PROCESSES * ROUNDS)]
    for starter in starters:
        starter.join()
    for number in range(ROUNDS):
        assert sorted(what for n, what in results if n == number) == ["inside", *["refused"] * (PROCESSES - 1)]


def holder_of(pid: int) -> Holder:
    """The lock holder of a living process."""
    started = lock._process_start(pid)
    assert started
    return Holder(socket.gethostname(), pid, lock._boot_id(), started)


def dead_holder() -> Holder:
    """The lock holder of a process that has ended."""
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    expected = holder_of(child.pid)
    child.communicate(b"\n")
    return expected


def write(root: Path, former: Holder) -> None:
    (root / LOCK).parent.mkdir(parents=True, exist_ok=True)
    (root / LOCK).write_text(json.dumps(asdict(former)))


def test_a_process_in_another_container_with_the_same_host_name_counts_as_alive(tmp_path: Path) -> None:
    """Process numbers of another container have no meaning here."""
    gone = replace(lock._this_process(), pid=2**22 - 1)
    assert not gone.alive
    assert replace(gone, room="pid:[1]").alive
