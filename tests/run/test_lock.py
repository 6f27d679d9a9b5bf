"""Two runs never work in one output folder."""

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
from iota2.run.records import lock
from iota2.run.records.lock import LOCK, Holder, holder, locked, require_lock

STARTERS, ROUNDS = 4, 50


def test_a_second_run_is_refused_and_reported_by_whom(tmp_path: Path) -> None:
    with locked(tmp_path) as message:
        assert message is None
        with pytest.raises(OutputError, match=rf"process {os.getpid()} on {socket.gethostname()}"), locked(tmp_path):
            pass
        assert holder(tmp_path) is not None
    assert holder(tmp_path) is None
    assert list((tmp_path / LOCK).parent.iterdir()) == []


def test_the_lock_of_a_dead_process_is_taken_over_with_a_message(tmp_path: Path) -> None:
    former = dead()
    write(tmp_path, former)
    with locked(tmp_path) as message:
        assert message == f"The previous run in {tmp_path} (process {former.pid}) did not finish; resuming it."
        now = holder(tmp_path)
        assert now is not None
        assert now.pid == os.getpid()
    assert list((tmp_path / LOCK).parent.iterdir()) == []


def test_a_process_that_died_and_is_still_listed_is_dead() -> None:
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


def test_a_number_that_another_process_got_is_no_sign_of_life(tmp_path: Path) -> None:
    me = holder_of(os.getpid())
    assert me.alive
    assert not replace(me, started=me.started - 1).alive
    assert not replace(me, boot="another start of the machine").alive
    write(tmp_path, replace(me, started=1))
    with locked(tmp_path) as message:
        assert message


def test_a_clock_that_is_set_does_not_make_a_run_look_dead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Times since 1970 that the system reports of processes move with the clock: none may be compared."""
    with locked(tmp_path):
        monkeypatch.setattr(psutil, "boot_time", lambda: 0.0)
        monkeypatch.setattr(time, "time", lambda: 0.0)
        expected = json.loads((tmp_path / LOCK).read_text())
        assert expected["started"] < time.clock_gettime(time.CLOCK_BOOTTIME) * os.sysconf("SC_CLK_TCK")
        with pytest.raises(OutputError, match="another run uses this folder"), locked(tmp_path):
            pass


def test_a_process_of_somebody_else_is_respected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Systems may hide the processes of others: their number is taken, and nothing more is to be known."""

    def kill(pid: int, number: int) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "kill", kill)
    write(tmp_path, dead())
    with pytest.raises(OutputError, match="another run uses this folder"), locked(tmp_path):
        pass


def test_a_lock_of_another_host_is_respected(tmp_path: Path) -> None:
    write(tmp_path, Holder("elsewhere", 1, "", 1))
    with pytest.raises(OutputError, match=r"on elsewhere.*[Dd]elete .*lock"), locked(tmp_path):
        pass


@pytest.mark.parametrize("content", ["", "{", '{"pid": 1}'])
def test_a_lock_that_cannot_be_read_is_respected(tmp_path: Path, content: str) -> None:
    """On a disk without hard links it may belong to a run that is just beginning."""
    (tmp_path / LOCK).parent.mkdir()
    (tmp_path / LOCK).write_text(content)
    with pytest.raises(OutputError, match=r"cannot be read.*Delete it"), locked(tmp_path):
        pass
    assert (tmp_path / LOCK).read_text() == content


def test_the_lock_goes_when_the_run_fails(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), locked(tmp_path):
        raise ZeroDivisionError
    assert not (tmp_path / LOCK).exists()


def test_the_lock_of_another_run_stays(tmp_path: Path) -> None:
    """A run whose lock somebody removed by hand ends while the next one works."""
    other = json.dumps(asdict(replace(holder_of(os.getpid()), run="another")))
    with locked(tmp_path):
        (tmp_path / LOCK).write_text(other)
    assert (tmp_path / LOCK).read_text() == other


def test_a_disk_without_hard_links_has_locks_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def link(old: object, new: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", link)
    with locked(tmp_path):
        with pytest.raises(OutputError, match="another run uses this folder"), locked(tmp_path):
            pass
        require_lock(tmp_path, (tmp_path / LOCK).read_text())
    write(tmp_path, dead())
    with locked(tmp_path) as message:
        assert message


def test_a_starter_whose_file_is_tidied_away_is_refused_like_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run that has the lock removes all that is in progress, at that moment what the other one is about to link."""

    def tidied(part: Path, path: Path, text: str) -> bool:
        part.unlink()
        return really(part, path, text)

    with locked(tmp_path):
        really = lock._link_lock
        monkeypatch.setattr(lock, "_link_lock", tidied)
        with pytest.raises(OutputError, match="another run uses this folder"), locked(tmp_path):
            pass


def test_a_starter_that_waited_while_another_took_over_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def quicker(file: object, operation: int) -> None:
        write(tmp_path / "aside", holder_of(os.getpid()))
        os.replace(tmp_path / "aside" / LOCK, tmp_path / LOCK)

    write(tmp_path, dead())
    monkeypatch.setattr(fcntl, "flock", quicker)
    with pytest.raises(OutputError, match="another run uses this folder"), locked(tmp_path):
        pass
    assert holder(tmp_path) == holder_of(os.getpid())


def compete(root: str, rounds: int, start: Barrier, end: Barrier, expected: Queue[tuple[int, str]]) -> None:
    """In each round, try to get a folder of its own at the same instant as the others; who has got it holds it until
    all have tried."""
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
def test_of_runs_that_begin_at_the_same_instant_one_gets_the_folder(tmp_path: Path, stale: bool) -> None:
    former = dead()
    for number in range(ROUNDS):
        folder = tmp_path / str(number)
        folder.mkdir()
        if stale:
            write(folder, former)
    context = multiprocessing.get_context("spawn")
    start, end, expected = context.Barrier(STARTERS), context.Barrier(STARTERS), context.Queue()
    starters = [
        context.Process(target=compete, args=(str(tmp_path), ROUNDS, start, end, expected)) for _ in range(STARTERS)
    ]
    for starter in starters:
        starter.start()
    results = [expected.get() for _ in range(STARTERS * ROUNDS)]
    for starter in starters:
        starter.join()
    for number in range(ROUNDS):
        assert sorted(what for n, what in results if n == number) == ["inside", *["refused"] * (STARTERS - 1)]


def holder_of(pid: int) -> Holder:
    """What the lock of a living process says."""
    started = lock._process_start(pid)
    assert started
    return Holder(socket.gethostname(), pid, lock._boot_id(), started)


def dead() -> Holder:
    """What the lock of a process said that has ended."""
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    expected = holder_of(child.pid)
    child.communicate(b"\n")
    return expected


def write(root: Path, former: Holder) -> None:
    (root / LOCK).parent.mkdir(parents=True, exist_ok=True)
    (root / LOCK).write_text(json.dumps(asdict(former)))


def test_a_process_of_another_container_of_the_same_name_may_live(tmp_path: Path) -> None:
    """Its number says nothing here: processes of a container are numbered anew."""
    gone = replace(lock._this_process(), pid=2**22 - 1)
    assert not gone.alive
    assert replace(gone, room="pid:[1]").alive
