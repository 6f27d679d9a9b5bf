"""Interface for observers of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from iota2.core.graph import Step
from iota2.runs.plan.jobs import Plan
from iota2.runs.records.verdicts import Verdict
from iota2.runs.survey.forecast import Forecast
from iota2.runs.survey.survey import Survey
from iota2.runs.workers.job import JobResult


class Watcher:
    """Observer of a run. The base class ignores all events."""

    def say(self, text: str) -> None:
        """Receive a message for the user."""

    def summary(self, steps: Sequence[tuple[int, Step, bool]], found: Survey) -> None:
        """Receive the inputs and the active steps before the first job: number, step, whether it will or may run."""

    def started(self, plan: Plan, verdicts: Mapping[str, Verdict], forecast: Forecast | None = None) -> None:
        """Receive the plan and the verdicts on its jobs, and the forecast if any job will run."""

    def ended(self, result: JobResult) -> None:
        """Receive the result of a job."""

    def outdated(self, products: Mapping[Path, str]) -> None:
        """Receive existing products and their styles that are out of date after the run, each with the reason: steps
        that were not selected have to run, or the products are those of earlier settings."""
