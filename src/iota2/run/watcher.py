"""What a run tells as it goes on, to whoever listens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from iota2.core.graph import Step
from iota2.run.plan.jobs import Plan
from iota2.run.records.verdicts import Verdict
from iota2.run.survey.forecast import Forecast
from iota2.run.survey.survey import Survey
from iota2.run.workers.job import JobResult


class Watcher:
    """Is told of a run as it goes on. The base class keeps quiet."""

    def say(self, text: str) -> None:
        """Something a person should know."""

    def summary(self, steps: Sequence[tuple[int, Step, bool]], found: Survey) -> None:
        """Before anything runs: the active steps with their numbers, those to be run marked."""

    def started(self, plan: Plan, verdicts: Mapping[str, Verdict], forecast: Forecast | None = None) -> None:
        """The jobs are known, and which of them have to run; what that will need, when any does."""

    def ended(self, result: JobResult) -> None:
        """One job came to its end."""

    def outdated(self, products: Mapping[Path, str]) -> None:
        """After a run of some steps: products of an earlier run that are out of date, each with why."""
