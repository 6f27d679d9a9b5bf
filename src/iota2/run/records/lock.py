"""One run at a time in an output folder."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from uuid import uuid4

from iota2 import layout
from iota2.core.files import naming, read_text
from iota2.errors import OutputError
from iota2.io.files.atomic import part_name

LOCK = layout.LOCK.path
_NO_LINKS = (errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP)
"""What file systems without hard links answer."""
_STRANGERS = (errno.ENXIO, errno.EISDIR, errno.ELOOP, errno.EFBIG)
"""What reading says of a lock that is no file, or no lock."""
_LONGEST = 1 << 16
"""Bytes of a lock."""
_ATTEMPTS = 100
"""Each follows a change that another process made in between; none waits."""


@dataclass(frozen=True)
class Holder:
    """The process that holds a folder."""

    host: str
    pid: int
    boot: str
    """Tells one start of the machine from another."""
    started: int
    """When the process began, in ticks since the machine started, whatever its clock says: another process may get its
    number later."""
    run: str = ""
    """Tells two runs of one process apart."""
    room: str = ""
    """The numbering of processes that ``pid`` belongs to: containers have their own."""

    @property
    def alive(self) -> bool:
        """Whether it may still run; of a process on another host one cannot know, so yes."""
        if self.host != socket.gethostname():
            return True
        if self.boot != _boot():
            return False
        if self.room and self.room != _room():
            return True  # a container of the same host name: its processes cannot be seen from here
        return _exists(self.pid) and _started(self.pid) in (self.started, None)


def _me() -> Holder:
    pid = os.getpid()
    return Holder(socket.gethostname(), pid, _boot(), _started(pid) or 0, uuid4().hex, _room())


def _room() -> str:
    return os.readlink("/proc/self/ns/pid")


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def _exists(pid: int) -> bool:
    """Whether there is a process of this number; true of those of other users, which ``/proc`` may hide."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _started(pid: int) -> int | None:
    """When a process began, in ticks since the start of the machine; 0 of one that has died and is still listed, None
    of one that cannot be looked at."""
    try:
        told = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    state, *numbers = told.rpartition(")")[2].split()  # the name before may hold anything
    return 0 if state in "ZX" else int(numbers[18])


def holder(root: Path) -> Holder | None:
    """Who holds the folder; None when nobody does, or when the lock cannot be read."""
    return _parsed(lock_text(root))


def _parsed(text: str) -> Holder | None:
    try:
        found = Holder(**json.loads(text))
    except (ValueError, TypeError, RecursionError):
        return None
    texts, numbers = (found.host, found.boot, found.run, found.room), (found.pid, found.started)
    sound = all(type(one) is str for one in texts) and all(type(one) is int for one in numbers)
    return found if sound and 0 < found.pid < 1 << 31 else None


def lock_text(root: Path) -> str:
    """What the lock says: another text for every run; empty when there is none."""
    try:
        return read_text(root / LOCK, errors="replace", most=_LONGEST)
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except OSError as err:
        if err.errno not in _STRANGERS:
            raise
        return f"{{{err.strerror}}}"  # another text than that of any run


def require_lock(root: Path, text: str) -> None:
    """Raise OutputError when another run than the one whose lock said ``text`` works in the folder by now.

    A worker that outlives its run for a moment would otherwise put its files in the place of those of the next run.
    A lock that is not there is no objection: what nobody else makes may be finished, and shared disks show new files
    late on other hosts.
    """
    now = lock_text(root)
    if text and now and now != text:
        raise OutputError(f"{root}: another run works here by now, so what this one makes is thrown away.")


@contextmanager
def locked(root: Path) -> Iterator[str | None]:
    """Hold the folder while the body runs; yields a message when the lock of a dead run was taken over.

    Raises OutputError, naming host and process, when another run holds it. Of those that try at once one gets it.
    """
    path = root / LOCK
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(asdict(_me()))
    former = _take(root, text)
    message = None
    if former is not None:
        message = f"The run that held {root} (process {former.pid}) is gone; going on from there."
    try:
        yield message
    finally:
        if lock_text(root) == text:
            path.unlink(missing_ok=True)


def _take(root: Path, text: str) -> Holder | None:
    """Put the lock in place, whole, where there is none or that of a dead run, which is returned."""
    path = root / LOCK
    for _ in range(_ATTEMPTS):
        part = _written(path, text)
        try:
            if _linked(part, path, text):
                return None
            said = lock_text(root)
            if not said and path.is_symlink():
                raise OutputError(f"{path}: is a broken symbolic link. If no run works there for sure, remove it.")
            if said == text:  # a network drive may carry an order out and lose the answer
                return None
            former = _require_dead(path, said)
            if _replaced(path, said, part, former):
                return former
        except FileNotFoundError:
            continue  # the run that held the folder has just ended
        finally:
            part.unlink(missing_ok=True)
    raise OutputError(f"{root}: other runs begin and end here all the time. Try again.")


def _written(path: Path, text: str) -> Path:
    """A file beside ``path`` that holds ``text``, on the disk."""
    part = part_name(path)
    try:
        with naming(path, part), open(part, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return part


def _linked(part: Path, path: Path, text: str) -> bool:
    """Give the file ``part`` the name ``path`` as well; False when that is taken, or ``part`` was tidied away."""
    try:
        os.link(part, path)
    except (FileExistsError, FileNotFoundError):
        return False
    except OSError as err:
        if err.errno not in _NO_LINKS:
            raise
        return _created(path, text)
    return True


def _created(path: Path, text: str) -> bool:
    """Without hard links: empty for a moment, in which it cannot be read and is respected."""
    try:
        with naming(path), open(path, "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        return False
    except OSError:  # a full disk
        path.unlink(missing_ok=True)
        raise
    return True


def _require_dead(path: Path, said: str) -> Holder:
    """The holder that a lock tells of; OutputError when it may be alive."""
    former = _parsed(said)
    if former is None:
        raise OutputError(f"{path}: this lock cannot be read. If no run works there for sure, remove it.")
    if former.alive:
        raise OutputError(
            f"{path.parents[1]}: another run works here (process {former.pid} on {former.host}). Wait for it, or give "
            f"another chain.output_path. If it is dead for sure, remove {path}."
        )
    return former


def _replaced(path: Path, said: str, part: Path, former: Holder) -> bool:
    """Put ``part`` in the place of a dead run's lock; False when another process has done so before.

    Only processes of this host take a lock of this host over, so an advisory lock on the file itself, which ends with
    its process, lets one of them in after the other, and those that come later find another file under the name.
    """
    try:
        with open(path, "r+", encoding="utf-8", errors="replace") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if file.read() != said or not os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return False
            os.replace(part, path)
    except FileNotFoundError:
        return False
    except OSError as err:
        raise OutputError(
            f"{path}: the run that held this lock (process {former.pid}) is gone, but it cannot be replaced "
            f"({err.strerror}). Remove it."
        ) from err
    return True
