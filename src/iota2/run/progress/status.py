"""How far a run is, or how it ended: a text file to read while it goes on, and what can be known after a crash."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal, get_args

from iota2 import layout
from iota2.core.files import require_regular
from iota2.core.words import printable
from iota2.io.files.atomic import write_text
from iota2.run.plan.jobs import Plan
from iota2.run.records.records import JOURNAL
from iota2.run.records.stamps import stat_stamp
from iota2.run.records.state import StateFile, make_way, require
from iota2.run.records.verdicts import State as VerdictState
from iota2.run.records.verdicts import Verdict
from iota2.run.workers.job import JobResult

EVERY = 2.0
"""Seconds: the text file is written at most this often."""
WORDS: Mapping[VerdictState, str] = {"stale": "will run", "open": "may run", "fresh": "up to date"}
"""What a verdict is called."""
RESULTS = {"done": "done", "kept": "up to date", "failed": "failed", "blocked": "blocked"}
"""What a result is called; what it reads turned out as it was, so a job that was kept is up to date."""
WAITING = "waiting"
End = Literal["running", "done", "failed", "stopped"]
_LINE = re.compile(r"(?P<state>.+?) +(?P<measured>[\d.]+ s +\S+ MiB)  (?P<id>.*?)(?:  (?P<message>.*))?")
_RUN = layout.LAST_RUN.path


class Status:
    """State of every job, in a text file that can be read while the run goes on."""

    def __init__(self, plan: Plan, verdicts: Mapping[str, Verdict]) -> None:
        self._path = plan.root / layout.STATUS.path
        self._lines = {
            job.id: _line(WORDS["fresh"] if verdicts[job.id].state == "fresh" else WAITING, job.id) for job in plan.jobs
        }
        self._written = 0.0

    def ended(self, result: JobResult) -> None:
        """Note a result; the file follows at most every other second."""
        message = result.message.strip().partition("\n")[0] if result.state == "failed" else ""
        self._lines[result.id] = _line(RESULTS[result.state], result.id, result.seconds, result.peak, message)
        if time.monotonic() - self._written > EVERY:
            self.write()

    def write(self) -> None:
        """Bring the file up to date."""
        make_way(self._path)
        write_text(self._path, printable("\n".join(self._lines.values())))
        self._written = time.monotonic()


def _line(state: str, id_: str, seconds: float = 0.0, peak: int = 0, message: str = "") -> str:
    return f"{state:10} {seconds:9.2f} s {peak or '-':>7} MiB  {id_}{f'  {message}' if message else ''}"


@dataclass(frozen=True)
class JobState:
    """A job as the text file has it."""

    state: str
    line: str
    message: str = ""
    """Of a job that failed, the first line of its message."""
    measured: str = ""
    """Its time and the peak memory of its process."""


def job_states(root: Path) -> dict[str, JobState]:
    """The jobs of the run under way or of the last one; records tell of those that ended after the file was written."""
    found = _as_written(root)
    for id_ in _recorded_since_start(root):
        if id_ in found and found[id_].state == WAITING:
            found[id_] = JobState(RESULTS["done"], _line(RESULTS["done"], id_))
    return found


def failures(root: Path) -> dict[str, str]:
    """First line of the message of each job that failed in the last run."""
    return {id_: job.message for id_, job in _as_written(root).items() if job.state == RESULTS["failed"]}


def _as_written(root: Path) -> dict[str, JobState]:
    lines = STATES.load(root)
    found = [(line, _LINE.fullmatch(line)) for line in lines]
    return {
        match["id"]: JobState(match["state"], line, match["message"] or "", " ".join(match["measured"].split()))
        for line, match in found
        if match
    }


def _recorded_since_start(root: Path) -> list[str]:
    """Jobs with a record of the last run, from lines that are whole."""
    begun = LAST.load(root).journal
    try:
        require_regular(root / JOURNAL)
        with open(root / JOURNAL, "rb") as journal:
            journal.seek(begun)
            lines = journal.read().decode(errors="replace").split("\n")[:-1]
    except OSError:
        return []
    found = []
    for line in lines:
        try:
            found.append(str(json.loads(line)["id"]))
        except (ValueError, KeyError, TypeError):
            continue
    return found


# -------------------------------------------------------------------------------------------------- begin and end


def note_begin(root: Path, left_out: int = 0) -> None:
    """A run begins: until ``note_end`` it counts as under way, or cut short. ``left_out``: jobs of steps that were not
    asked for."""
    _note(root, LastRun("running", stat_stamp(root / JOURNAL)[0], left_out))


def note_end(root: Path, how: End) -> None:
    """The run that began last has come to its end."""
    _note(root, replace(LAST.load(root), state=how))


def last_end(root: Path) -> End | None:
    """How the last run ended; ``running`` when it is under way or was cut short, None when there was none."""
    return LAST.load(root).state


def jobs_left_out(root: Path) -> int:
    """How many jobs the last run, or that under way, leaves out since their steps were not asked for."""
    return LAST.load(root).left_out


@dataclass(frozen=True)
class LastRun:
    """What is kept of the last run."""

    state: End | None = None
    journal: int = 0
    """Bytes of the records when it began."""
    left_out: int = 0
    """Jobs of steps that were not asked for."""


def _note(root: Path, last: LastRun) -> None:
    make_way(root / _RUN)
    write_text(root / _RUN, json.dumps(asdict(last)))


def _parsed(text: str) -> LastRun:
    last = LastRun(**json.loads(text))
    require(last.state in get_args(End), "an end that runs do not have")
    require(type(last.journal) is int and 0 <= last.journal < 1 << 62, "expected a number of bytes")
    require(type(last.left_out) is int and 0 <= last.left_out < 1 << 62, "expected a number of jobs")
    return last


LAST = StateFile(_RUN, _parsed, LastRun, "It is made anew by the next run; how the last one ended is not known.")
STATES: StateFile[list[str]] = StateFile(
    layout.STATUS.path,
    str.splitlines,
    list,
    "It is made anew by the next run; the states of the last one are not known.",
)
