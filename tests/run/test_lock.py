"""Two runs never work in one output folder."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from iota2.errors import OutputError
from iota2.run.lock import LOCK, Holder, holder, locked


def test_a_second_run_is_refused_and_told_by_whom(tmp_path: Path) -> None:
    with locked(tmp_path) as message:
        assert message is None
        with pytest.raises(OutputError, match=rf"process {os.getpid()} on {socket.gethostname()}"), locked(tmp_path):
            pass
        assert holder(tmp_path) is not None
    assert holder(tmp_path) is None


def test_the_lock_of_a_dead_process_is_taken_over_with_a_message(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    write(tmp_path, Holder(socket.gethostname(), int(done.stdout), 0.0))
    with locked(tmp_path) as message:
        assert message is not None
        assert "is gone" in message


def test_a_number_that_another_process_got_is_no_sign_of_life(tmp_path: Path) -> None:
    write(tmp_path, Holder(socket.gethostname(), os.getpid(), 1.0))
    with locked(tmp_path) as message:
        assert message


def test_a_lock_of_another_host_is_respected(tmp_path: Path) -> None:
    write(tmp_path, Holder("elsewhere", 1, 1.0))
    with pytest.raises(OutputError, match=r"on elsewhere.*remove .*lock"), locked(tmp_path):
        pass


def test_an_unreadable_lock_is_taken_over(tmp_path: Path) -> None:
    (tmp_path / LOCK).parent.mkdir()
    (tmp_path / LOCK).write_text("{")
    with locked(tmp_path) as message:
        assert message


def test_the_lock_goes_when_the_run_fails(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), locked(tmp_path):
        raise ZeroDivisionError
    assert not (tmp_path / LOCK).exists()


def write(root: Path, former: Holder) -> None:
    (root / LOCK).parent.mkdir(parents=True)
    (root / LOCK).write_text(json.dumps(former.__dict__))
