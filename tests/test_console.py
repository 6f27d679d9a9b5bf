"""Progress of a run on the terminal: plain lines, JSON lines, remaining time."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console as RichConsole

from iota2.runs.plan.jobs import Plan
from iota2.runs.records.records import Record
from iota2.runs.records.verdicts import Verdict
from iota2.runs.workers.job import JobResult
from iota2.terminal.console import Console, JsonLines, Pace
from tests.chain.helpers import Case, case, command, small
from tests.runs.two_step_chain import TILES, plan

__all__ = ["case", "plan", "small"]


def verdicts(plan: Plan, seconds: dict[str, float], fresh: set[str]) -> dict[str, Verdict]:
    """Verdicts with records of the given durations."""
    return {
        job.id: Verdict(
            "fresh" if job.id in fresh else "stale",
            "",
            Record(job.id, 1, "", {}, {}, seconds[job.step.name]) if job.step.name in seconds else None,
            "",
            {},
        )
        for job in plan.jobs
    }


def test_jobs_that_are_up_to_date_count_as_done_and_the_total_is_reached(plan: Plan) -> None:
    fresh = {job.id for job in plan.jobs if job.step.name == "one"}
    pace = Pace(plan, verdicts(plan, {}, fresh))
    assert (pace.done, pace.total) == (4, 8)
    assert pace.remaining_text() == "", "no estimate yet"
    for tile in TILES:
        pace.ended(JobResult(f"two/two_{tile}", "done", 1.0))
    assert (pace.done, pace.seconds_left(), pace.remaining_text()) == (8, 0.0, "")


def test_records_of_an_earlier_run_give_the_remaining_time_from_the_start(plan: Plan) -> None:
    fresh = {job.id for job in plan.jobs if job.step.name == "one"}
    pace = Pace(plan, verdicts(plan, {"one": 1.0, "two": 60.0}, fresh))
    assert pace.seconds_left() == pytest.approx(240)
    assert pace.remaining_text() == "about 4 min left"


def test_a_blocked_job_is_neither_done_nor_left(plan: Plan) -> None:
    pace = Pace(plan, verdicts(plan, {}, set()))
    pace.ended(JobResult("one/one_A", "failed", 1.0))
    pace.ended(JobResult("two/two_A", "blocked"))
    assert (pace.done, pace.left["one"], pace.left["two"]) == (1, 3, 3)


def test_text_that_resembles_markup_is_printed_unchanged(capsys: pytest.CaptureFixture[str]) -> None:
    Console().say("/data/:fire:/x [red]y[/red]")
    assert capsys.readouterr().out == "/data/:fire:/x [red]y[/red]\n"


def test_a_repeated_run_has_one_set_of_progress_bars(plan: Plan) -> None:
    console = Console()
    console.out = RichConsole(file=io.StringIO(), force_terminal=True)
    console.started(plan, verdicts(plan, {}, set()))
    console.ended(JobResult("one/one_A", "failed", 1.0))
    first = console._progress
    assert first is not None
    assert first.live.is_started
    console.started(plan, verdicts(plan, {}, set()))
    assert not first.live.is_started
    console.ended(JobResult("one/one_A", "done", 1.0))
    second = console._progress
    assert second is not None
    assert [task.description for task in second.tasks] == ["all", "one"]
    console.close()
    assert not second.live.is_started


def test_each_event_is_one_line_of_json_for_any_text(plan: Plan) -> None:
    stream = io.StringIO()
    console = JsonLines(stream)
    console.started(plan, verdicts(plan, {}, set()))
    console.ended(JobResult("one/one_A", "failed", 0.5, 'two\nlines and "quotes" é'))
    console.say("note\nof two lines")
    events = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [event["event"] for event in events] == ["plan", "job", "note"]
    assert (events[0]["jobs"], events[0]["will_run"]) == (8, 8)
    assert events[1]["message"] == 'two\nlines and "quotes" é'
    assert events[1]["seconds_left"] is None


def test_run_with_json_reports_plan_jobs_and_products_and_nothing_else(
    case: Case, capsys: pytest.CaptureFixture[str]
) -> None:
    config = case.configured()
    for start in ("will_run", "up_to_date"):
        code, printed, errors = command(capsys, "run", config, "--json", "--workers", "0")
        assert code == 0, errors
        events = [json.loads(line) for line in printed.splitlines()]
        (planned,) = (event for event in events if event["event"] == "plan")
        ended = [event for event in events if event["event"] == "job"]
        assert planned[start] == planned["jobs"]
        assert len(ended) == planned["jobs"] - planned["up_to_date"]
        if ended:
            assert ended[-1]["done"] == ended[-1]["jobs"] == planned["jobs"]
        assert events[-1]["event"] == "done"
        assert all(Path(product["path"]).exists() for product in events[-1]["products"])
        assert len(events[-1]["products"]) > 5


def test_a_failed_run_prints_a_json_event_and_writes_an_archive(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    config = case.configured()
    code, _, _ = command(capsys, "run", config, "--workers", "0", "--last-step", "init")
    assert code == 0
    path = case.file("*_FRE_B8.tif")
    content = path.read_bytes()
    middle = len(content) // 2
    path.write_bytes(content[:middle] + bytes(range(256)) + content[middle + 256 :])
    code, printed, errors = command(capsys, "run", config, "--json", "--workers", "0")
    assert code == 2
    last = json.loads(printed.splitlines()[-1])
    assert (last["event"], last["exit_code"]) == ("failed", 2)
    assert str(path) in last["message"]
    assert f"iota2 run {config}" in errors.splitlines()[-1]
    assert (case.output / "logs.zip").exists()
    code, printed, _ = command(capsys, "status", config, "--zip")
    assert code == 0
    assert f"for a support request: {case.output / 'logs.zip'}" in printed


@pytest.mark.slow
def test_a_plain_log_has_no_control_characters_and_reaches_100_percent_when_resumed(
    case: Case, capsys: pytest.CaptureFixture[str]
) -> None:
    config = case.configured()
    assert command(capsys, "run", config, "--last-step", "sampling", "--workers", "0")[0] == 0
    words = [Path(sys.executable).with_name("iota2"), "run", config, "--workers", "1"]
    printed = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", printed)
    total, fresh = map(int, re.findall(r"(\d+) jobs, (\d+) of them up to date", printed)[0])
    assert fresh > 0
    counts = [tuple(map(int, found)) for found in re.findall(r"(\d+) of \d+ jobs, +(\d+) %", printed)]
    assert counts[0][0] > fresh
    assert counts[-1] == (total, 100)


def test_many_products_of_one_kind_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    tiles = [(Path(f"out/T{number}.tif"), "A `layer`.") for number in range(8)]
    Console().finished([*tiles, (Path("out/map.tif"), "The map.")], Path("out"))
    printed = capsys.readouterr().out
    assert "  out/T4.tif\n  … and 3 more\n      A layer.\n  out/map.tif\n      The map.\n" in printed
    assert "T5" not in printed
