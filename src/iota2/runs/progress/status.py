"""State of a run and its jobs, in a text file that is updated during the run."""

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
from iota2.runs.plan.jobs import Plan
from iota2.runs.records.records import JOURNAL
from iota2.runs.records.stamps import stat_stamp
from iota2.runs.records.state import StateFile, remove_obstacle, require
from iota2.runs.records.verdicts import State as VerdictState
from iota2.runs.records.verdicts import Verdict
from iota2.runs.workers.job import JobResult

MIN_INTERVAL_SECONDS = 2.0
"""Minimum time between two updates of the text file."""
VERDICT_TEXTS: Mapping[VerdictState, str] = {"stale": "will run", "open": "may run", "fresh": "up to date"}
"""Verdicts in messages."""
RESULT_TEXTS = {"done": "done", "kept": "up to date", "failed": "failed", "blocked": "blocked"}
"""Results in messages; a kept job is up to date because its inputs are unchanged."""
WAITING = "waiting"
RunState = Literal["running", "done", "failed", "stopped"]
"""State of the last run; ``running`` also if it was killed."""
_LINE = re.compile(r"(?P<state>.+?) +(?P<measured>[\d.]+ s +\S+ MiB)  (?P<id>.*?)(?:  (?P<message>.*))?")
_LAST_RUN_PATH = layout.LAST_RUN.path


class Status:
    """States of all jobs in a text file that can be read during the run."""

    def __init__(self, plan: Plan, verdicts: Mapping[str, Verdict]) -> None:
        self._path = plan.root / layout.STATUS.path
        self._lines = {
            job.id: _line(VERDICT_TEXTS["fresh"] if verdicts[job.id].state == "fresh" else WAITING, job.id)
            for job in plan.jobs
        }
        self._written = 0.0

    def ended(self, result: JobResult) -> None:
        """Note a result; the file is written if the last update is long enough ago."""
        message = result.message.strip().partition("\n")[0] if result.state == "failed" else ""
        self._lines[result.id] = _line(RESULT_TEXTS[result.state], result.id, result.seconds, result.peak, message)
        if time.monotonic() - self._written > MIN_INTERVAL_SECONDS:
            self.write()

    def write(self) -> None:
        """Write the file."""
        remove_obstacle(self._path)
        write_text(self._path, printable("\n".join(self._lines.values())))
        self._written = time.monotonic()


def _line(state: str, id_: str, seconds: float = 0.0, peak: int = 0, message: str = "") -> str:
    return f"{state:10} {seconds:9.2f} s {peak or '-':>7} MiB  {id_}{f'  {message}' if message else ''}"


@dataclass(frozen=True)
class JobState:
    """State of a job, from the text file."""

    state: str
    line: str
    message: str = ""
    """First line of the message of a failed job."""
    measured: str = ""
    """Time of the job and peak memory of its process."""


def job_states(root: Path) -> dict[str, JobState]:
    """States of the jobs of the current or last run: the text file, completed by later records."""
    found = _as_written(root)
    for id_ in _recorded_since_start(root):
        if id_ in found and found[id_].state == WAITING:
            found[id_] = JobState(RESULT_TEXTS["done"], _line(RESULT_TEXTS["done"], id_))
    return found


def failures(root: Path) -> dict[str, str]:
    """First line of the message of each failed job of the last run."""
    return {id_: job.message for id_, job in _as_written(root).items() if job.state == RESULT_TEXTS["failed"]}


def _as_written(root: Path) -> dict[str, JobState]:
    lines = STATUS_FILE.load(root)
    found = [(line, _LINE.fullmatch(line)) for line in lines]
    return {
        match["id"]: JobState(match["state"], line, match["message"] or "", " ".join(match["measured"].split()))
        for line, match in found
        if match
    }


def _recorded_since_start(root: Path) -> list[str]:
    """Jobs recorded since the start of the last run; an incomplete line is ignored."""
    begun = LAST_RUN_FILE.load(root).journal
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


def note_start(root: Path, left_out: int = 0) -> None:
    """Note the start of a run, which counts as running or killed until ``note_end``.

    ``left_out``: number of jobs of steps that are not selected.
    """
    _note(root, LastRun("running", stat_stamp(root / JOURNAL)[0], left_out))


def note_end(root: Path, how: RunState) -> None:
    """Note how the last run ended."""
    _note(root, replace(LAST_RUN_FILE.load(root), state=how))


def last_run_state(root: Path) -> RunState | None:
    """How the last run ended; ``running`` for a run in progress or a killed one, None without a run."""
    return LAST_RUN_FILE.load(root).state


def jobs_left_out(root: Path) -> int:
    """Number of jobs that the current or last run excludes because their steps are not selected."""
    return LAST_RUN_FILE.load(root).left_out


@dataclass(frozen=True)
class LastRun:
    """Saved state of the last run."""

    state: RunState | None = None
    journal: int = 0
    """Size of the records in bytes when the run began."""
    left_out: int = 0
    """Number of jobs of steps that are not selected."""


def _note(root: Path, last: LastRun) -> None:
    remove_obstacle(root / _LAST_RUN_PATH)
    write_text(root / _LAST_RUN_PATH, json.dumps(asdict(last)))


def _parsed(text: str) -> LastRun:
    last = LastRun(**json.loads(text))
    require(last.state in get_args(RunState), f"expected one of {', '.join(get_args(RunState))}")
    require(type(last.journal) is int and 0 <= last.journal < 1 << 62, "expected a number of bytes")
    require(type(last.left_out) is int and 0 <= last.left_out < 1 << 62, "expected a number of jobs")
    return last


LAST_RUN_FILE = StateFile(
    _LAST_RUN_PATH, _parsed, LastRun, "The next run recreates it; it is not known how the last run ended."
)
STATUS_FILE: StateFile[list[str]] = StateFile(
    layout.STATUS.path,
    str.splitlines,
    list,
    "The next run recreates it; the job states of the last run are not known.",
)
