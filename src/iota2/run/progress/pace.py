"""How far a run is, and how long the rest of it will take."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping

from iota2.run.plan.jobs import Plan
from iota2.run.records.verdicts import Verdict
from iota2.run.survey.forecast import Forecast
from iota2.run.workers.job import JobResult

SETTLING = 5.0
"""Seconds in which no time is told that rests on guesses: workers start, and functions are compiled."""


class _Mean:
    """Mean seconds of some jobs."""

    def __init__(self) -> None:
        self.total, self.count = 0.0, 0

    def add(self, seconds: float) -> None:
        """One job more."""
        self.total, self.count = self.total + seconds, self.count + 1

    @property
    def value(self) -> float | None:
        """The mean; None of no jobs."""
        return self.total / self.count if self.count else None


class Pace:
    """How far a run is: jobs that are up to date count as done.

    ``forecast`` says how many workers there are, and what it guesses for jobs that never ran. ``clock`` gives seconds.
    """

    def __init__(
        self,
        plan: Plan,
        verdicts: Mapping[str, Verdict],
        forecast: Forecast | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.size = Counter(job.step.name for job in plan.jobs)
        """Jobs by step."""
        self.left = Counter(job.step.name for job in plan.jobs if verdicts[job.id].state != "fresh")
        """Those that have not ended."""
        self.total = len(plan.jobs)
        self.done = self.total - self.left.total()
        self._open = {id_ for id_, verdict in verdicts.items() if verdict.state == "open"}
        """Jobs that will be kept when what they read turns out as it was."""
        self._open_left = Counter(id_.split("/", maxsplit=1)[0] for id_ in self._open)
        self._open_ran, self._open_kept = 0, 0
        self._workers = max(1, forecast.workers) if forecast else 1
        self._guesses = forecast.guesses if forecast else {}
        self._now: defaultdict[str, _Mean] = defaultdict(_Mean)
        self._earlier: defaultdict[str, _Mean] = defaultdict(_Mean)
        self._clock, self._started = clock, clock()
        for job in plan.jobs:
            record = verdicts[job.id].record
            if record is not None:
                self._earlier[job.step.name].add(record.seconds)

    def ended(self, result: JobResult) -> None:
        """One job more has come to its end, well or not; one that is blocked is not done, and no longer to be done."""
        step = result.id.split("/", maxsplit=1)[0]
        self.left[step] -= 1
        self.done += result.state != "blocked"
        if result.state == "done":
            self._now[step].add(result.seconds)
        if result.id in self._open:
            self._open_left[step] -= 1
            self._open_ran += result.state in ("done", "failed")
            self._open_kept += result.state == "kept"

    @property
    def elapsed(self) -> float:
        """Seconds since the beginning."""
        return self._clock() - self._started

    def of_step(self, step: str) -> str:
        """How far a step is."""
        return f"{self.size[step] - self.left[step]}/{self.size[step]}"

    def seconds_left(self) -> float | None:
        """Seconds until the last job has ended; None while there is nothing to tell it from.

        One step after the other: its jobs left, at the mean time of this run, else of earlier ones, else as guessed,
        shared by the workers. Jobs that may be kept count by how many of their kind so far were not.
        """
        if self.done == self.total or not self.left.total():
            return 0.0
        share = self._share_of_open()
        if share is None:
            return None
        seconds, guessed = 0.0, False
        for step, count in self.left.items():
            jobs = count - (1 - share) * self._open_left[step]
            if jobs <= 0:
                continue
            mean = self._now[step].value
            mean = self._earlier[step].value if mean is None else mean
            if mean is None:
                guessed, mean = True, self._guesses.get(step)
            if mean is None:
                return None
            seconds += mean * max(jobs / self._workers, min(jobs, 1.0))
        return None if guessed and self.elapsed < SETTLING else seconds

    def _share_of_open(self) -> float | None:
        """Of the open jobs that have ended, those that ran; None when some are left and none has ended."""
        ended = self._open_ran + self._open_kept
        if ended:
            return self._open_ran / ended
        return None if self._open_left.total() else 0.0

    def words(self) -> str:
        """The time left, to read; empty when it is not known, or all is done."""
        seconds = self.seconds_left()
        if not seconds:
            return ""
        minutes = round(seconds / 60)
        if minutes >= 60:
            return f"about {minutes // 60} h {minutes % 60} min left"
        return f"about {minutes} min left" if minutes >= 2 else f"about {max(1, round(seconds))} s left"
