"""Cost of a run before its first job: planning of 100,000 jobs, and a run without jobs to execute."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks import large_plan
from benchmarks.figures import Figures


def bench_plan(figures: Figures, pytestconfig: pytest.Config, tmp_path: Path) -> None:
    """Planning, and the check that all jobs are up to date."""
    tiles: Any = pytestconfig.getoption("--plan-tiles")
    message = large_plan.measure_in_subprocess(tiles, tmp_path)
    note, memory = f"{message['jobs']} jobs", message["memory"]
    figures.add("planning", "plan", [message["plan"]], memory=memory, note=note)
    figures.add("planning", "check of up-to-date jobs", [message["check"]], memory=memory, note=note)


def bench_up_to_date(figures: Figures, rounds: int, tmp_path: Path) -> None:
    """A run of the synthetic landscape in which all jobs are up to date, from the command to its end."""
    figures.add("planning", "run without jobs to execute", large_plan.time_runs_without_jobs(tmp_path, rounds))
