"""Trial calls of the user's functions, which neither end nor block the program."""

from __future__ import annotations

import faulthandler
import io
import multiprocessing
import os
import pickle
import re
import signal
import sys
import threading
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from multiprocessing.context import ForkProcess
from typing import Any, Generic, TextIO, TypeVar

from iota2.errors import Iota2Error
from iota2.user_code.loading import UserCodeError, UserFile

T = TypeVar("T")
MAX_SECONDS = 60.0
"""Time after which a trial of a function ends."""
MAX_LINES = 20
"""Number of different printed lines of a function that are kept."""
_OTHER = "other lines"
"""What further lines count as."""
_MAX_LINE = 200
"""Number of characters of a printed line that are kept."""


@dataclass(frozen=True)
class Outcome(Generic[T]):
    """What the call of one function, or the execution of its file, gave."""

    name: str
    """Name of the function, or of the file."""
    result: T | None = None
    error: BaseException | None = None
    printed: Mapping[str, int] = field(default_factory=dict)
    """Printed lines, with the number of times; after ``MAX_LINES`` different ones, those that differ count together."""

    @property
    def value(self) -> T:
        """The result. Raises as ``require_success``."""
        self.require_success()
        assert self.result is not None, "calls return values"
        return self.result

    def require_success(self) -> None:
        """Raise the error of the call, if there is one; a UserCodeError with the printed lines."""
        if isinstance(self.error, UserCodeError):
            raise _with_printed(self.error, self.printed) from self.error
        if self.error is not None:
            raise self.error


def printed_texts(printed: Mapping[str, int]) -> list[str]:
    """What a function has printed, for the user."""
    return [f"printed: {line}{f' ({count} times)' if count > 1 else ''}" for line, count in printed.items()]


def _with_printed(error: UserCodeError, printed: Mapping[str, int]) -> UserCodeError:
    return UserCodeError("\n".join([str(error), *printed_texts(printed)]))


def outcomes(
    calls: Mapping[str, Callable[[], T]], file: UserFile, *, own_process: bool = False
) -> Iterator[Outcome[T]]:
    """The outcomes of calls of functions of ``file``, by name, in order.

    ``own_process``: make the calls in a forked process, so that a function that ends its process, or never ends, gives
    an error like others. Only for processes that have not used OpenMP, which does not survive a fork. Otherwise,
    on systems other than Linux, and in worker processes of ``multiprocessing``, which must not have children, each call
    is made in a thread; one without end stays until the program ends.
    UserCodeError for a file that cannot be executed.
    """
    if not own_process or sys.platform != "linux" or multiprocessing.current_process().daemon:
        file.load()
        yield from (_in_thread(name, call) for name, call in calls.items())
        return
    left = dict(calls)
    while left:
        with closing(_in_process(left, file)) as found:
            for outcome in found:
                left = {name: call for name, call in left.items() if name != outcome.name}
                yield outcome


def _outcome(name: str, call: Callable[[], T], lines: _Lines) -> Outcome[T]:
    try:
        return Outcome(name, call(), None, lines.finished())
    except BaseException as error:
        return Outcome(name, None, error, lines.finished())


def _too_slow(name: str) -> UserCodeError:
    return UserCodeError(
        f"{name} has not ended after {MAX_SECONDS:g} seconds on a small block. Make it faster: a tile of "
        "Sentinel-2 has 120 million pixels"
    )


class _Lines(io.TextIOBase):
    """A text file that counts equal lines."""

    def __init__(self, on_new: Callable[[str], object] = str) -> None:
        self.found: Counter[str] = Counter()
        self._on_new = on_new
        self._rest = ""

    def write(self, text: str, /) -> int:
        """Count the lines that ``text`` completes."""
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            self._add(line.rstrip()[:_MAX_LINE])
        return len(text)

    def flush(self) -> None:
        """End the current line."""
        self.write("\n")

    def finished(self) -> Mapping[str, int]:
        """The lines with their numbers, also a last one without end."""
        self.flush()
        return self.found

    def _add(self, line: str) -> None:
        if not line:
            return
        if line not in self.found and len(self.found) >= MAX_LINES:
            line = _OTHER
        if line not in self.found:
            self._on_new(line)
        self.found[line] += 1


# -------------------------------------------------------------------------------------------------------- threads


def _in_thread(name: str, call: Callable[[], T]) -> Outcome[T]:
    found: list[Outcome[T]] = []
    lines = _Lines()

    def run() -> None:
        found.append(_outcome(name, call, lines))

    thread = threading.Thread(target=run, name=f"trial of {name}", daemon=True)
    with redirect_stdout(lines), redirect_stderr(lines):
        thread.start()
        thread.join(MAX_SECONDS)
    return found[0] if found else Outcome(name, None, _too_slow(name), lines.found)


# ------------------------------------------------------------------------------------------------------ processes


@dataclass(frozen=True)
class _Forked:
    """A forked process that calls functions of a file."""

    file: UserFile
    process: ForkProcess
    events: Connection
    faults: TextIO
    """Traceback of a fault of a compiled library."""

    def outcome(self, name: str) -> Outcome[Any]:
        """The outcome of the call in progress, or of the execution of the file if ``name`` is its name."""
        printed: list[str] = []
        until = time.monotonic() + MAX_SECONDS
        try:
            while self.events.poll(max(0.0, until - time.monotonic())):
                if isinstance(event := self.events.recv(), Outcome):
                    return event
                printed.append(event)
        except EOFError:
            error = self._end(name)
        else:
            error = self._slow_file() if name == self.file.name else _too_slow(name)
            self.stop()
        return Outcome(name, None, error, dict.fromkeys(printed, 1))

    def stop(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.join()

    def _slow_file(self) -> UserCodeError:
        return UserCodeError(
            f"{self.file.name}: the execution of the file has not ended after {MAX_SECONDS:g} seconds. Remove slow "
            "code outside functions: every process of a run executes the file"
        )

    def _end(self, name: str) -> UserCodeError:
        """The error of a function, or of the file, that has ended the process."""
        whole = name == self.file.name
        what, when = (name, "when it was executed") if whole else (f"{name} in {self.file.name}", "on a small block")
        self.process.join()
        code = self.process.exitcode or 0
        how = f"with exit code {code}" if code >= 0 else f"by the signal {signal.Signals(-code).name}"
        self.faults.seek(0)
        line = re.search(rf'File "{re.escape(self.file.name)}", (line \d+)', self.faults.read())
        hint = _HINTS.get(code, "It must return its features or raise an error, and not end the program")
        return UserCodeError(f"{what}{f', {line[1]},' if line else ''} ended the process {how} {when}. {hint}")


_HINTS = {
    -signal.SIGKILL: "The memory was probably insufficient: use fewer or smaller arrays",
    -signal.SIGSEGV: "A compiled library that it calls has failed: check the arrays that it gets, or do without it",
}
"""What to do about code that ends its process, by exit code."""


def _in_process(calls: Mapping[str, Callable[[], T]], file: UserFile) -> Generator[Outcome[T], None, None]:
    """The outcomes of calls in a forked process, until one of them ends it or is too slow."""
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    with receiver, open(os.memfd_create("faults"), "w+", encoding="utf-8", errors="replace") as faults:
        process = context.Process(target=_make_calls, args=(sender, faults, calls, file))
        with sender, warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of forks beside threads: the calls use none of these
            process.start()
        forked = _Forked(file, process, receiver, faults)
        try:
            forked.outcome(file.name).require_success()
            for name in calls:
                yield forked.outcome(name)
                if not process.is_alive():
                    return
        finally:
            forked.stop()


def _make_calls(sender: Connection, faults: TextIO, calls: Mapping[str, Callable[[], T]], file: UserFile) -> None:
    """Send new printed lines and the outcome of the execution of the file, then of each call."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent process ends this one
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.set_wakeup_fd(-1)  # of the parent process
    faulthandler.enable(faults, all_threads=False)
    os.dup2(2, 1)  # compiled libraries may print; standard output may be read by programs
    given: list[tuple[str, Callable[[], Any]]] = [(file.name, file.load), *calls.items()]
    for name, call in given:
        signal.alarm(round(MAX_SECONDS) + 5)  # in case the parent process has been killed
        lines = _Lines(sender.send)
        with redirect_stdout(lines), redirect_stderr(lines):
            outcome = _outcome(name, call, lines)
        sender.send(replace(outcome, error=_portable(outcome.error)))
        if name == file.name and outcome.error is not None:
            return


def _portable(error: BaseException | None) -> BaseException | None:
    """An error that another process can receive: alone, because its cause may be of a class of the user.

    The traceback of an unexpected error is a note.
    """
    if error is None:
        return None
    if not isinstance(error, Iota2Error):
        error.add_note("".join(traceback.format_exception(error)))
    error.__cause__ = error.__context__ = None
    try:
        pickle.loads(pickle.dumps(error.with_traceback(None)))  # noqa: S301 - pickled here
    except Exception:  # of any class of a library
        return RuntimeError(*error.__notes__)
    return error
