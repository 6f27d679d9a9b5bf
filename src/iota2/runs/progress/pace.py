"""Progress of a run, and an estimate of the remaining time."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping

from iota2.runs.plan.jobs import Plan
from iota2.runs.records.verdicts import Verdict
from iota2.runs.survey.forecast import Forecast
from iota2.runs.workers.job import JobResult

WARM_UP_SECONDS = 5.0
"""Time at the start of a run without estimates from guesses, because workers start and functions are compiled."""


class _Mean:
    """Mean seconds of some jobs."""

    def __init__(self) -> None:
        self.total, self.count = 0.0, 0

    def add(self, seconds: float) -> None:
        """Add one job."""
        self.total, self.count = self.total + seconds, self.count + 1

    @property
    def value(self) -> float | None:
        """The mean; None without jobs."""
        return self.total / self.count if self.count else None


class Pace:
    """Progress of a run; jobs that are up to date count as done.

    ``forecast`` provides the number of workers and guesses for jobs that never ran; ``clock`` returns seconds.
    """

    def __init__(
        self,
        plan: Plan,
        verdicts: Mapping[str, Verdict],
        forecast: Forecast | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.size = Counter(job.step.name for job in plan.jobs)
        """Number of jobs by step."""
        self.left = Counter(job.step.name for job in plan.jobs if verdicts[job.id].state != "fresh")
        """Number of jobs by step that have not ended."""
        self.total = len(plan.jobs)
        self.done = self.total - self.left.total()
        self._open = {id_ for id_, verdict in verdicts.items() if verdict.state == "open"}
        """Jobs that are kept if their inputs turn out unchanged."""
        self._open_left = Counter(id_.split("/", maxsplit=1)[0] for id_ in self._open)
        self._open_ran, self._open_kept = 0, 0
        self._workers = max(1, forecast.workers) if forecast else 1
        self._guesses = forecast.guesses if forecast else {}
        self._this_run: defaultdict[str, _Mean] = defaultdict(_Mean)
        self._earlier_runs: defaultdict[str, _Mean] = defaultdict(_Mean)
        self._clock, self._started = clock, clock()
        for job in plan.jobs:
            record = verdicts[job.id].measured
            if record is not None:
                self._earlier_runs[job.step.name].add(record.seconds)

    def ended(self, result: JobResult) -> None:
        """Count a job that has ended; a blocked job is neither done nor left."""
        step = result.id.split("/", maxsplit=1)[0]
        self.left[step] -= 1
        self.done += result.state != "blocked"
        if result.state == "done":
            self._this_run[step].add(result.seconds)
        if result.id in self._open:
            self._open_left[step] -= 1
            self._open_ran += result.state in ("done", "failed")
            self._open_kept += result.state == "kept"

    @property
    def elapsed(self) -> float:
        """Seconds since the beginning."""
        return self._clock() - self._started

    def step_text(self, step: str) -> str:
        """Progress of a step: ended jobs / all jobs."""
        return f"{self.size[step] - self.left[step]}/{self.size[step]}"

    def seconds_left(self) -> float | None:
        """Estimated seconds until the last job ends; None while there is no basis for an estimate.

        Sum over the steps of the remaining jobs times their mean time, divided by the workers. The mean is that of this
        run, else of earlier runs, else a guess. Jobs that may be kept are weighted by the share of such jobs that ran.
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
            mean = self._this_run[step].value
            mean = self._earlier_runs[step].value if mean is None else mean
            if mean is None:
                guessed, mean = True, self._guesses.get(step)
            if mean is None:
                return None
            seconds += mean * max(jobs / self._workers, min(jobs, 1.0))
        return None if guessed and self.elapsed < WARM_UP_SECONDS else seconds

    def _share_of_open(self) -> float | None:
        """Share of the ended open jobs that ran; None if some are left and none has ended."""
        ended = self._open_ran + self._open_kept
        if ended:
            return self._open_ran / ended
        return None if self._open_left.total() else 0.0

    def remaining_text(self) -> str:
        """The remaining time as text; empty if unknown or if all jobs are done."""
        seconds = self.seconds_left()
        if not seconds:
            return ""
        minutes = round(seconds / 60)
        if minutes >= 60:
            return f"about {minutes // 60} h {minutes % 60} min left"
        return f"about {minutes} min left" if minutes >= 2 else f"about {max(1, round(seconds))} s left"
