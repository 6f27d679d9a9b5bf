"""How long the rest of a run takes, from what is known so far, and nothing while that is not enough."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pytest

from iota2.run.plan.jobs import Plan
from iota2.run.progress.pace import WARM_UP_SECONDS, Pace
from iota2.run.records.records import Record
from iota2.run.records.verdicts import Verdict
from iota2.run.survey.forecast import Forecast
from iota2.run.workers.job import JobResult
from tests.run.two_step_chain import plan

__all__ = ["plan"]

State = Literal["fresh", "stale", "open"]


@dataclass
class Clock:
    """A clock that stands where it is put."""

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


def test_jobs_without_a_record_count_as_the_forecast_guesses_once_the_start_is_over(plan: Plan) -> None:
    clock = Clock()
    pace = Pace(plan, verdicts(plan, {"one": "stale", "two": "stale"}), forecast(one=2.0, two=30.0), clock)
    pace.ended(JobResult("one/one_A", "done", 0.1))
    assert pace.remaining_text() == "", "a guess says nothing in the first seconds"
    clock.now += WARM_UP_SECONDS
    assert pace.seconds_left() == pytest.approx(3 * 0.1 + 4 * 30), "not four times the tenth of a second of the first"
    assert pace.remaining_text() == "about 2 min left"


def test_open_jobs_say_nothing_until_one_of_them_reports_whether_they_run(plan: Plan) -> None:
    known = verdicts(plan, {"one": "stale", "two": "open"}, {"one": 10.0, "two": 100.0})
    pace = Pace(plan, known, forecast(), Clock())
    assert (pace.seconds_left(), pace.remaining_text()) == (None, "")
    pace.ended(JobResult("one/one_A", "done", 10.0))
    pace.ended(JobResult("two/two_A", "kept"))
    assert pace.seconds_left() == pytest.approx(3 * 10), "none of the open jobs ran so far"
    pace.ended(JobResult("one/one_B", "done", 10.0))
    pace.ended(JobResult("two/two_B", "done", 100.0))
    assert pace.seconds_left() == pytest.approx(2 * 10 + 0.5 * 2 * 100), "half of them did"


def test_open_jobs_that_all_run_count_in_full_and_those_that_are_all_kept_not_at_all(plan: Plan) -> None:
    for state, expected in (("done", 300.0), ("kept", 0.0)):
        known = verdicts(plan, {"one": "fresh", "two": "open"}, {"two": 100.0})
        pace = Pace(plan, known, forecast(), Clock())
        pace.ended(JobResult("two/two_A", state, 100.0 if state == "done" else 0.0))  # type: ignore[arg-type]
        assert pace.seconds_left() == pytest.approx(expected)


@pytest.mark.parametrize(("workers", "expected"), [(1, 40.0), (2, 20.0), (4, 10.0), (100, 10.0)])
def test_workers_share_the_jobs_of_a_step_but_not_one_job(plan: Plan, workers: int, expected: float) -> None:
    known = verdicts(plan, {"one": "fresh", "two": "stale"}, {"two": 10.0})
    assert Pace(plan, known, forecast(workers), Clock()).seconds_left() == pytest.approx(expected)


def test_the_time_that_has_gone_by_does_not_change_what_is_left(plan: Plan) -> None:
    clock = Clock()
    pace = Pace(plan, verdicts(plan, {"one": "fresh", "two": "stale"}, {"two": 10.0}), forecast(), clock)
    for seconds in (0.0, 0.01, 1.0, 1000.0):
        clock.now += seconds
        assert pace.seconds_left() == pytest.approx(40.0), "waiting for the first job is no slowness of all"


def test_all_done_leaves_nothing(plan: Plan) -> None:
    pace = Pace(plan, verdicts(plan, {"one": "fresh", "two": "fresh"}), None, Clock())
    assert (pace.seconds_left(), pace.remaining_text()) == (0.0, "")
