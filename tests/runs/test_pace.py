"""Estimates of the remaining time of a run, and no estimate without a basis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pytest

from iota2.runs.plan.jobs import Plan
from iota2.runs.progress.pace import WARM_UP_SECONDS, Pace
from iota2.runs.records.records import Record
from iota2.runs.records.verdicts import Verdict
from iota2.runs.survey.forecast import Forecast
from iota2.runs.workers.job import JobResult
from tests.runs.two_step_chain import plan

__all__ = ["plan"]

State = Literal["fresh", "stale", "open"]


@dataclass
class Clock:
    """A clock that shows a set time."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


def verdicts(plan: Plan, states: dict[str, State], seconds: dict[str, float] | None = None) -> dict[str, Verdict]:
    """Verdicts by step, with records of the given times."""
    known = seconds or {}
    return {
        job.id: Verdict(
            states[job.step.name],
            "",
            Record(job.id, 1, "", {}, {}, known[job.step.name]) if job.step.name in known else None,
            "",
            {},
        )
        for job in plan.jobs
    }


def forecast(workers: int = 1, **guesses: float) -> Forecast:
    return Forecast(0, 0, 0, 0.0, rough=True, workers=workers, block=(1, 1), guesses=guesses)


def test_jobs_without_a_record_use_the_guesses_of_the_forecast_after_the_warm_up(plan: Plan) -> None:
    clock = Clock()
    pace = Pace(plan, verdicts(plan, {"one": "stale", "two": "stale"}), forecast(one=2.0, two=30.0), clock)
    pace.ended(JobResult("one/one_A", "done", 0.1))
    assert pace.remaining_text() == "", "no estimate from guesses during the warm-up"
    clock.now += WARM_UP_SECONDS
    assert pace.seconds_left() == pytest.approx(3 * 0.1 + 4 * 30), "means are by step"
    assert pace.remaining_text() == "about 2 min left"


def test_open_jobs_give_no_estimate_until_one_of_them_has_ended(plan: Plan) -> None:
    known = verdicts(plan, {"one": "stale", "two": "open"}, {"one": 10.0, "two": 100.0})
    pace = Pace(plan, known, forecast(), Clock())
    assert (pace.seconds_left(), pace.remaining_text()) == (None, "")
    pace.ended(JobResult("one/one_A", "done", 10.0))
    pace.ended(JobResult("two/two_A", "kept"))
    assert pace.seconds_left() == pytest.approx(3 * 10), "no open job has run yet"
    pace.ended(JobResult("one/one_B", "done", 10.0))
    pace.ended(JobResult("two/two_B", "done", 100.0))
    assert pace.seconds_left() == pytest.approx(2 * 10 + 0.5 * 2 * 100), "half of the open jobs ran"


def test_open_jobs_are_weighted_by_the_share_that_ran(plan: Plan) -> None:
    for state, expected in (("done", 300.0), ("kept", 0.0)):
        known = verdicts(plan, {"one": "fresh", "two": "open"}, {"two": 100.0})
        pace = Pace(plan, known, forecast(), Clock())
        pace.ended(JobResult("two/two_A", state, 100.0 if state == "done" else 0.0))  # type: ignore[arg-type]
        assert pace.seconds_left() == pytest.approx(expected)


@pytest.mark.parametrize(("workers", "expected"), [(1, 40.0), (2, 20.0), (4, 10.0), (100, 10.0)])
def test_workers_share_the_jobs_of_a_step_but_not_one_job(plan: Plan, workers: int, expected: float) -> None:
    known = verdicts(plan, {"one": "fresh", "two": "stale"}, {"two": 10.0})
    assert Pace(plan, known, forecast(workers), Clock()).seconds_left() == pytest.approx(expected)


def test_elapsed_time_does_not_change_the_remaining_time(plan: Plan) -> None:
    clock = Clock()
    pace = Pace(plan, verdicts(plan, {"one": "fresh", "two": "stale"}, {"two": 10.0}), forecast(), clock)
    for seconds in (0.0, 0.01, 1.0, 1000.0):
        clock.now += seconds
        assert pace.seconds_left() == pytest.approx(40.0), "the wait for the first job does not count"


def test_a_complete_run_has_no_remaining_time(plan: Plan) -> None:
    pace = Pace(plan, verdicts(plan, {"one": "fresh", "two": "fresh"}), None, Clock())
    assert (pace.seconds_left(), pace.remaining_text()) == (0.0, "")
