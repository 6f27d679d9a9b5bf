"""A plan of two steps over four tiles, for tests that run no job."""

from __future__ import annotations

from pathlib import Path

import pytest

from iota2.core.graph import Artifact, JobContext, Step
from iota2.runs.plan.jobs import Plan, make_plan
from tests.runs.rows import rows_of

TILES = ("A", "B", "C", "D")


def nothing(job: JobContext) -> None:
    """Never called."""


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    first, second = Artifact("first/{tile}", "First."), Artifact("second/{tile}", "Second.")
    steps = (
        Step("one", "init", "One.", "one_{tile}", nothing, ("tile",), {}, {"first": first}),
        Step("two", "init", "Two.", "two_{tile}", nothing, ("tile",), {"first": first}, {"second": second}),
    )
    rows = rows_of({tile: (1, ["1"]) for tile in TILES}, ["S"], 1)
    return make_plan(steps, rows, None, root=tmp_path, constants={})
