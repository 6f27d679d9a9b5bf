"""What a run costs before its first job: a plan of 100,000 jobs, and a run in which nothing is to be done."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks import plan
from benchmarks.figures import Figures


def bench_plan(figures: Figures, pytestconfig: pytest.Config, tmp_path: Path) -> None:
    """Planning, and looking whether all is as it was."""
    tiles: Any = pytestconfig.getoption("--plan-tiles")
    message = plan.measured(tiles, tmp_path)
    note, memory = f"{message['jobs']} jobs", message["memory"]
    figures.add("planning", "plan", [message["plan"]], memory=memory, note=note)
    figures.add("planning", "check that all is up to date", [message["check"]], memory=memory, note=note)


def bench_up_to_date(figures: Figures, rounds: int, tmp_path: Path) -> None:
    """A run of the made-up world that has nothing to do, from the command to its end."""
    figures.add("planning", "run that is up to date", plan.up_to_date(tmp_path, rounds))
