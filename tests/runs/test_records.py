"""A job runs if and only if its record differs from the plan; the reason is reported."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from iota2.core.graph import Artifact, JobContext, Resources, Step
from iota2.runs.plan.jobs import Plan, make_plan
from iota2.runs.records.records import JOURNAL, Ledger, Record
from iota2.runs.records.stamps import checksum, checksum_of_text
from iota2.runs.records.verdicts import assess, params_digest
from iota2.runs.verify import damaged
from iota2.runs.workers.execute import DebugEngine, execute
from tests.runs.rows import rows_of

SOURCE = Artifact("source/{tile}.json", "From outside.")
NUMBER = Artifact("number/{tile}.txt", "A number.")
RASTER = Artifact("raster/{tile}.bin", "Derived.")
SUM = Artifact("sum.txt", "Of all.")
SHAPE = Artifact("shape.shp", "With companions.")
FOLDER = Artifact("model", "A folder.")


@dataclass(frozen=True)
class Settings:
    factor: int = 2
    file: Path | None = None


def halve(job: JobContext) -> None:
    """Integer division, so that two successive inputs give the same output."""
    job.out.number.write_text(str(int(job.inp.source.read_text()) // 2))


def times(job: JobContext) -> None:
    job.out.raster.write_bytes(bytes([int(job.inp.number.read_text()) * job.params.factor]) * 100)


def add(job: JobContext) -> None:
    job.out.sum.write_text(str(sum(path.read_bytes()[0] for path in job.inp.all("rasters").values())))
    for suffix in (".shp", ".dbf"):
        job.out.shape.with_suffix(suffix).write_text("shape")
    job.out.model.mkdir(exist_ok=True)
    (job.out.model / "model.json").write_text("{}")


HALVE = Step("halve", "init", "", "halve_{tile}", halve, ("tile",), {"source": SOURCE}, {"number": NUMBER})
TIMES = Step(
    "times", "init", "", "times_{tile}", times, ("tile",), {"number": NUMBER}, {"raster": RASTER}, lambda config: config
)
ADD = Step("add", "init", "", "add", add, (), {"rasters": RASTER}, {"sum": SUM, "shape": SHAPE, "model": FOLDER})
STEPS = (HALVE, TIMES, ADD)


@dataclass
class Project:
    """An output folder with two tiles, settings and steps."""

    root: Path
    settings: Settings = Settings()
    steps: tuple[Step, ...] = STEPS
    tiles: str = "AB"

    def source(self, tile: str) -> Path:
        return self.root / f"source/{tile}.json"

    def plan(self) -> Plan:
        rows = rows_of({tile: (1, ["1"]) for tile in self.tiles}, ["S"], 1)
        return make_plan(self.steps, rows, self.settings, root=self.root, constants={}, given=[SOURCE])

    def given(self) -> dict[str, str]:
        return {f"source/{tile}.json": checksum(self.source(tile)) for tile in self.tiles}

    def run(self, **options: Any) -> dict[str, str]:
        """Run the jobs that are not fresh; returns their states."""
        plan, ledger = self.plan(), Ledger(self.root)
        verdicts = assess(plan, ledger, self.given(), **options)
        results = execute(plan, verdicts, DebugEngine(), lambda result: None, Resources())
        for result in results.values():
            if result.state == "done" and result.record:
                ledger.add(result.record)
        return {id_: result.state for id_, result in results.items()}

    def reasons(self, **options: Any) -> dict[str, tuple[str, str]]:
        """State and reason of the jobs that are not fresh."""
        verdicts = assess(self.plan(), Ledger(self.root), self.given(), **options)
        return {id_: (v.state, v.reason) for id_, v in verdicts.items() if v.state != "fresh"}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project that has run once."""
    made = Project(tmp_path)
    (tmp_path / "source").mkdir()
    made.source("A").write_text("10")
    made.source("B").write_text("20")
    assert set(made.run().values()) == {"done"}
    assert (tmp_path / "sum.txt").read_text() == str(2 * 5 + 2 * 10)
    return made


def test_nothing_runs_when_nothing_changed(project: Project) -> None:
    assert project.reasons() == {}
    assert project.run() == {}


Change = Callable[[Project], None]


def change_parameter(project: Project) -> None:
    project.settings = Settings(factor=3)


def raise_version(project: Project) -> None:
    project.steps = (HALVE, replace(TIMES, version=2), ADD)


def remove_output(project: Project) -> None:
    (project.root / "raster/B.bin").unlink()


def cut_output(project: Project) -> None:
    path = project.root / "raster/B.bin"
    path.write_bytes(path.read_bytes()[:50])


def zero_middle(project: Project) -> None:
    path = project.root / "raster/B.bin"
    data = bytearray(path.read_bytes())
    data[40:60] = bytes(20)
    path.write_bytes(data)


def forget(project: Project) -> None:
    journal = project.root / JOURNAL
    lines = journal.read_text().splitlines()
    journal.write_text("\n".join(line for line in lines if "times_B" not in line) + "\n")


def add_tile(project: Project) -> None:
    project.tiles = "ABC"
    project.source("C").write_text("30")


CASES: list[tuple[Change, dict[str, tuple[str, str]]]] = [
    (
        change_parameter,
        {"times/times_A": ("stale", "parameters changed"), "times/times_B": ("stale", "parameters changed")},
    ),
    (
        raise_version,
        {f"times/times_{t}": ("stale", "version of the step: 1 → 2") for t in "AB"},
    ),
    (remove_output, {"times/times_B": ("stale", "raster/B.bin is missing")}),
    (cut_output, {"times/times_B": ("stale", "raster/B.bin has changed since it was made")}),
    (zero_middle, {"times/times_B": ("stale", "raster/B.bin has changed since it was made")}),
    (forget, {"times/times_B": ("stale", "no record of it")}),
    (add_tile, {"halve/halve_C": ("stale", "never made"), "times/times_C": ("stale", "never made")}),
]


@pytest.mark.parametrize(("change", "expected"), CASES, ids=lambda case: getattr(case, "__name__", ""))
def test_a_change_makes_the_expected_jobs_run_with_the_expected_reason(
    project: Project, change: Change, expected: dict[str, tuple[str, str]]
) -> None:
    before = {path: checksum(project.root / path) for path in ("raster/A.bin", "sum.txt")}
    change(project)
    message = project.reasons()
    last = message.pop("add/add")
    assert message == expected
    if change is add_tile:
        assert last == ("stale", "other inputs: + raster/C.bin")
    else:
        assert last[0] == "open"
        assert last[1].startswith("waits for times/")
    states = project.run()
    assert {id_ for id_, state in states.items() if state == "done"} >= set(expected)
    assert project.reasons() == {}
    if change in (remove_output, cut_output, zero_middle, forget):
        assert states["add/add"] == "kept", "the outputs are unchanged, so downstream jobs are kept"
        assert {path: checksum(project.root / path) for path in before} == before


def test_a_changed_input_with_changed_outputs_runs_all_downstream_jobs(project: Project) -> None:
    project.source("A").write_text("14")
    assert project.reasons()["halve/halve_A"] == ("stale", "source/A.json changed")
    assert project.run() == {"halve/halve_A": "done", "times/times_A": "done", "add/add": "done"}
    assert (project.root / "sum.txt").read_text() == str(2 * 7 + 2 * 10)


def test_a_changed_input_with_equal_outputs_keeps_downstream_jobs(project: Project) -> None:
    project.source("A").write_text("11")
    assert project.run() == {"halve/halve_A": "done", "times/times_A": "kept", "add/add": "kept"}
    assert project.reasons() == {}


def test_a_touched_output_is_up_to_date_and_a_run_renews_its_stamp(project: Project) -> None:
    path, journal = project.root / "raster/A.bin", project.root / JOURNAL
    os.utime(path, ns=(1, 1))
    before = journal.read_bytes()
    assert project.reasons() == {}
    assert journal.read_bytes() == before, "without the lock nothing is written"
    assert project.reasons(renew=True) == {}
    assert Ledger(project.root).records["times/times_A"].outputs["raster/A.bin"].modified == 1


def test_an_output_missing_in_the_last_record_of_its_job_is_made_again(project: Project) -> None:
    """The output is not requested in a changed run, then requested again: the existing file is from the first run."""
    extra = Artifact("extra/{tile}.txt", "Only when asked for.")

    def both(job: JobContext) -> None:
        times(job)
        job.out.extra.write_text(str(job.params.factor))

    asking = (HALVE, replace(TIMES, run=both, makes={**TIMES.makes, "extra": extra}), ADD)
    project.steps = asking
    project.run()
    project.steps, project.settings = STEPS, Settings(factor=3)
    project.run()
    project.steps = asking
    assert project.reasons()["times/times_A"] == ("stale", "no record of extra/A.txt")
    project.run()
    assert (project.root / "extra/A.txt").read_text() == "3"
    assert project.reasons() == {}


def test_outputs_of_excluded_steps_count_by_their_current_content(project: Project) -> None:
    """A later run of all steps recreates the original file, so its readers run again."""

    def left_out(project: Project) -> dict[str, tuple[str, str]]:
        plan = project.plan().restricted(["times", "add"])
        verdicts = assess(plan, Ledger(project.root), project.given())
        return {id_: (v.state, v.reason) for id_, v in verdicts.items() if v.state != "fresh"}

    number = project.root / "number/A.txt"
    os.utime(number, ns=(1, 1))
    assert left_out(project) == {}
    number.write_text("9")
    assert left_out(project)["times/times_A"] == ("stale", "number/A.txt changed")
    plan, ledger = project.plan().restricted(["times", "add"]), Ledger(project.root)
    verdicts = assess(plan, ledger, project.given())
    for result in execute(plan, verdicts, DebugEngine(), lambda result: None, Resources()).values():
        assert result.record
        ledger.add(result.record)
    assert (project.root / "sum.txt").read_text() == str(2 * 9 + 2 * 10)
    assert project.run() == {"halve/halve_A": "done", "times/times_A": "done", "add/add": "done"}
    assert (project.root / "sum.txt").read_text() == str(2 * 5 + 2 * 10)


def test_changed_bytes_with_equal_size_and_time_are_detected_by_deep_verification(project: Project) -> None:
    path = project.root / "raster/A.bin"
    stat = path.stat()
    path.write_bytes(bytes(100))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert project.reasons() == {}
    assert damaged(project.root, deep=False) == {}
    assert damaged(project.root, deep=True).keys() == {"raster/A.bin"}
    Ledger(project.root).forget({"raster/A.bin"})  # as after a deep verification
    assert project.reasons()["times/times_A"] == ("stale", "no record of raster/A.bin")


@pytest.mark.parametrize("changed", ["shape.dbf", "model/model.json"])
def test_changes_of_shapefile_companions_and_of_files_in_folders_are_detected(project: Project, changed: str) -> None:
    (project.root / changed).write_text("other")
    name = "shape.shp" if changed == "shape.dbf" else "model"
    assert project.reasons() == {"add/add": ("stale", f"{name} has changed since it was made")}


def test_forced_steps_run_and_the_reason_says_so(project: Project) -> None:
    message = project.reasons(force=["halve"])
    assert message["halve/halve_A"] == ("stale", "--force halve")
    assert project.run(force=["halve"])["times/times_A"] == "kept"


def test_an_incomplete_record_after_a_crash_affects_its_job_only(project: Project) -> None:
    journal = project.root / JOURNAL
    lines = journal.read_text().splitlines()
    journal.write_text("\n".join(lines[:-1]) + "\n" + lines[-1][:20])
    assert set(project.reasons()) == {"add/add"}
    Ledger(project.root).compact()
    assert len(journal.read_text().splitlines()) == len(lines) - 1


@pytest.mark.parametrize("whole", [0, 2])
def test_a_record_after_an_incomplete_one_is_kept(project: Project, whole: int) -> None:
    journal = project.root / JOURNAL
    lines = journal.read_text().splitlines()
    journal.write_text("".join(f"{line}\n" for line in lines[:whole]) + lines[whole][:20])
    former, ledger = Ledger(project.root), Ledger(project.root)
    ledger.add(replace(next(iter(_records(lines).values())), id="new"))
    assert set(Ledger(project.root).records) == {*former.records, "new"}
    ledger.compact()
    assert len(journal.read_text().splitlines()) == whole + 1


def _records(lines: list[str]) -> dict[str, Record]:
    return {record.id: record for record in map(Record.from_json, lines)}


def test_the_journal_is_rewritten_only_if_it_contains_more_than_the_valid_records(project: Project) -> None:
    journal = project.root / JOURNAL
    before = journal.stat()
    Ledger(project.root).compact()
    assert os.path.samestat(journal.stat(), before)
    journal.write_text(journal.read_text()[:-1])  # the last line lacks only its end of line
    Ledger(project.root).compact()
    assert journal.read_bytes().endswith(b"\n")
    ledger = Ledger(project.root)
    ledger.add(next(iter(ledger.records.values())))
    ledger.compact()
    assert len(journal.read_text().splitlines()) == len(ledger.records)


def test_an_output_removed_from_the_records_is_made_again(project: Project) -> None:
    Ledger(project.root).forget({"raster/B.bin", "nothing"})
    message = project.reasons()
    assert message.pop("add/add")[0] == "open"
    assert message == {"times/times_B": ("stale", "no record of raster/B.bin")}
    assert project.run() == {"times/times_B": "done", "add/add": "kept"}


def test_a_file_in_a_parameter_counts_by_content_and_not_by_path(tmp_path: Path) -> None:
    first, second = tmp_path / "a.txt", tmp_path / "b.txt"
    first.write_text("same")
    second.write_text("same")
    digest = params_digest(Settings(file=first))
    assert params_digest(Settings(file=second)) == digest
    second.write_text("other")
    assert params_digest(Settings(file=second)) != digest
    assert params_digest(Settings(factor=3, file=first)) != digest


def test_parameters_without_a_digest_are_an_error() -> None:
    with pytest.raises(TypeError, match="no digest"):
        params_digest(object())


def test_the_checksum_of_a_text_equals_that_of_its_file(tmp_path: Path) -> None:
    path = tmp_path / "é.json"
    path.write_text("été\n", encoding="utf-8")
    assert checksum_of_text(path, "été\n") == checksum(path)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no disk that is always full")
def test_a_record_after_one_truncated_by_a_full_disk_is_valid(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    first, lost, last = (Record(name, 1, "", {}, {}) for name in ("a/a", "b/b", "c/c"))
    ledger.add(first)
    whole = ledger.path.read_bytes()
    ledger.path.unlink()
    ledger.path.symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        ledger.add(lost)
    ledger.path.unlink()
    ledger.path.write_bytes(whole + b'{"id":"b/')
    ledger.add(last)
    assert set(Ledger(tmp_path).records) == {"a/a", "c/c"}
