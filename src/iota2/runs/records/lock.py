"""Lock of an output folder: one run at a time."""

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
from iota2.core.files import error_path, read_text
from iota2.errors import OutputError
from iota2.io.files.atomic import temporary_path

LOCK = layout.LOCK.path
_NO_LINKS = (errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP)
"""Errors of file systems without hard links."""
_NOT_A_LOCK = (errno.ENXIO, errno.EISDIR, errno.ELOOP, errno.EFBIG)
"""Errors of reading if the path of the lock is not a regular file."""
_MAX_BYTES = 1 << 16
"""Maximum size of a lock file."""
_MAX_ATTEMPTS = 100
"""Maximum number of attempts to take the lock; another attempt follows a change by another process."""


@dataclass(frozen=True)
class Holder:
    """The process that has locked a folder."""

    host: str
    pid: int
    boot: str
    """Identifier of the machine's current boot."""
    started: int
    """Start of the process in ticks since the boot of the machine, because process numbers are reused."""
    run: str = ""
    """Identifier of the run, because a process can have several."""
    room: str = ""
    """PID namespace of ``pid``; each container has a separate one."""

    @property
    def alive(self) -> bool:
        """Whether the process may still run; True for other hosts, whose processes are unknown."""
        if self.host != socket.gethostname():
            return True
        if self.boot != _boot_id():
            return False
        if self.room and self.room != _pid_namespace():
            return True  # a container with the same host name: its processes are not visible
        return _process_exists(self.pid) and _process_start(self.pid) in (self.started, None)


def _this_process() -> Holder:
    pid = os.getpid()
    return Holder(socket.gethostname(), pid, _boot_id(), _process_start(pid) or 0, uuid4().hex, _pid_namespace())


def _pid_namespace() -> str:
    return os.readlink("/proc/self/ns/pid")


def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def _process_exists(pid: int) -> bool:
    """Whether a process with this number exists, also one of another user, which ``/proc`` may hide."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _process_start(pid: int) -> int | None:
    """Start of a process in ticks since the boot; 0 for a zombie, None if it cannot be determined."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    state, *numbers = text.rpartition(")")[2].split()  # the process name before may contain any character
    return 0 if state in "ZX" else int(numbers[18])


def holder(root: Path) -> Holder | None:
    """The process that has locked the folder; None without a lock or for an unreadable one."""
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
    """Text of the lock file, different for every run; empty if there is none."""
    try:
        return read_text(root / LOCK, errors="replace", max_bytes=_MAX_BYTES)
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except OSError as err:
        if err.errno not in _NOT_A_LOCK:
            raise
        return f"{{{err.strerror}}}"  # differs from the text of any run


def require_lock(root: Path, text: str) -> None:
    """Raise OutputError if the folder is now locked by another run than the one with the lock ``text``.

    Otherwise a worker that briefly outlives its run would overwrite files of the next run. A missing lock is accepted:
    no other run writes then, and shared disks show new files late on other hosts.
    """
    now = lock_text(root)
    if text and now and now != text:
        raise OutputError(f"{root}: another run now uses this folder, so the outputs of this one are discarded.")


@contextmanager
def locked(root: Path) -> Iterator[str | None]:
    """Lock the folder while the body runs; yields a message if the lock of a dead run was taken over.

    Raises OutputError with host and process if another run has the lock. Only one of several concurrent attempts
    succeeds.
    """
    path = root / LOCK
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(asdict(_this_process()))
    former = _take_lock(root, text)
    message = None
    if former is not None:
        message = f"The previous run in {root} (process {former.pid}) did not finish; resuming it."
    try:
        yield message
    finally:
        if lock_text(root) == text:
            path.unlink(missing_ok=True)


def _take_lock(root: Path, text: str) -> Holder | None:
    """Take the lock; returns the holder of a dead run's lock, which is replaced, or None."""
    path = root / LOCK
    for _ in range(_MAX_ATTEMPTS):
        part = _write_part(path, text)
        try:
            if _link_lock(part, path, text):
                return None
            content = lock_text(root)
            if not content and path.is_symlink():
                raise OutputError(f"{path}: is a broken symbolic link. Delete it if no run uses the folder.")
            if content == text:  # a network drive may execute a request and lose the reply
                return None
            former = _require_dead(path, content)
            if _replace_lock(path, content, part, former):
                return former
        except FileNotFoundError:
            continue  # the run with the lock has just ended
        finally:
            part.unlink(missing_ok=True)
    raise OutputError(f"{root}: other runs start and end here continually. Try again.")


def _write_part(path: Path, text: str) -> Path:
    """A temporary file in the folder of ``path`` with the content ``text``, synced to the disk."""
    part = temporary_path(path)
    try:
        with error_path(path, part), open(part, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return part


def _link_lock(part: Path, path: Path, text: str) -> bool:
    """Hard-link ``part`` to ``path``; False if ``path`` exists or ``part`` was removed as a temporary file."""
    try:
        os.link(part, path)
    except (FileExistsError, FileNotFoundError):
        return False
    except OSError as err:
        if err.errno not in _NO_LINKS:
            raise
        return _create_lock(path, text)
    return True


def _create_lock(path: Path, text: str) -> bool:
    """Create the lock without hard links; the file is empty for a moment, which other runs treat as a lock."""
    try:
        with error_path(path), open(path, "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        return False
    except OSError:  # a full disk
        path.unlink(missing_ok=True)
        raise
    return True


def _require_dead(path: Path, content: str) -> Holder:
    """The holder in the text of a lock; OutputError if its process may be alive."""
    former = _parsed(content)
    if former is None:
        raise OutputError(f"{path}: this lock cannot be read. Delete it if no run uses the folder.")
    if former.alive:
        raise OutputError(
            f"{path.parents[1]}: another run uses this folder (process {former.pid} on {former.host}). Wait for it, or "
            f"choose another chain.output_path. Delete {path} if that process no longer exists."
        )
    return former


def _replace_lock(path: Path, content: str, part: Path, former: Holder) -> bool:
    """Replace a dead run's lock with ``part``; False if another process has replaced it already.

    Only processes of this host take over a lock of this host. An advisory lock on the file, which ends with its
    process, admits one of them at a time; later ones find a different file under the name.
    """
    try:
        with open(path, "r+", encoding="utf-8", errors="replace") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if file.read() != content or not os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return False
            os.replace(part, path)
    except FileNotFoundError:
        return False
    except OSError as err:
        raise OutputError(
            f"{path}: the run with this lock (process {former.pid}) no longer exists, but the lock cannot be replaced "
            f"({err.strerror}). Delete it."
        ) from err
    return True
