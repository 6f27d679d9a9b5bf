"""A job runs if and only if its record and the plan disagree, and the program says why."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from iota2.core.graph import Artifact, JobContext, Resources, Step
from iota2.run.plan.jobs import Plan, make_plan
from iota2.run.records.records import JOURNAL, Ledger, Record
from iota2.run.records.stamps import checksum, checksum_of_text
from iota2.run.records.verdicts import assess, params_digest
from iota2.run.verify import damaged
from iota2.run.workers.execute import DebugEngine, execute
from tests.run.rows import rows_of

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
    """Odd and even neighbours give the same."""
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
    """An output folder with two tiles, its settings and steps."""

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
        """Run what is stale; the states of the jobs that were looked at."""
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
def test_one_change_makes_exactly_these_jobs_run_for_this_reason(
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
        assert states["add/add"] == "kept", "made again the same, so nothing after it runs"
        assert {path: checksum(project.root / path) for path in before} == before


def test_an_input_that_changes_the_outcome_runs_all_that_follows(project: Project) -> None:
    project.source("A").write_text("14")
    assert project.reasons()["halve/halve_A"] == ("stale", "source/A.json changed")
    assert project.run() == {"halve/halve_A": "done", "times/times_A": "done", "add/add": "done"}
    assert (project.root / "sum.txt").read_text() == str(2 * 7 + 2 * 10)


def test_an_input_that_changes_nothing_after_all_stops_the_run_early(project: Project) -> None:
    project.source("A").write_text("11")
    assert project.run() == {"halve/halve_A": "done", "times/times_A": "kept", "add/add": "kept"}
    assert project.reasons() == {}


def test_a_touched_output_with_the_same_bytes_is_fresh_and_gets_a_new_stamp_from_a_run(project: Project) -> None:
    path, journal = project.root / "raster/A.bin", project.root / JOURNAL
    os.utime(path, ns=(1, 1))
    before = journal.read_bytes()
    assert project.reasons() == {}
    assert journal.read_bytes() == before, "who only looks, without the lock, writes nothing"
    assert project.reasons(renew=True) == {}
    assert Ledger(project.root).records["times/times_A"].outputs["raster/A.bin"].modified == 1


def test_an_output_that_the_last_run_of_the_job_did_not_make_is_no_output_of_it(project: Project) -> None:
    """Asked for, not asked for while the job changed, and asked for again: what lies there is of the first time."""
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


def test_a_file_of_a_step_that_is_left_out_counts_as_it_is(project: Project) -> None:
    """Then a run of all steps, which makes it as it was, runs what read it once more."""

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


def test_bytes_changed_behind_size_and_time_are_seen_when_looking_deep(project: Project) -> None:
    path = project.root / "raster/A.bin"
    stat = path.stat()
    path.write_bytes(bytes(100))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert project.reasons() == {}
    assert damaged(project.root, deep=False) == {}
    assert damaged(project.root, deep=True).keys() == {"raster/A.bin"}
    Ledger(project.root).forget({"raster/A.bin"})  # as who looked deep does
    assert project.reasons()["times/times_A"] == ("stale", "no record of raster/A.bin")


@pytest.mark.parametrize("changed", ["shape.dbf", "model/model.json"])
def test_companions_of_a_shapefile_and_files_of_a_folder_count(project: Project, changed: str) -> None:
    (project.root / changed).write_text("other")
    name = "shape.shp" if changed == "shape.dbf" else "model"
    assert project.reasons() == {"add/add": ("stale", f"{name} has changed since it was made")}


def test_forced_steps_run_and_are_reported_so(project: Project) -> None:
    message = project.reasons(force=["halve"])
    assert message["halve/halve_A"] == ("stale", "--force halve")
    assert project.run(force=["halve"])["times/times_A"] == "kept"


def test_a_record_cut_short_by_a_crash_costs_its_job_only(project: Project) -> None:
    journal = project.root / JOURNAL
    lines = journal.read_text().splitlines()
    journal.write_text("\n".join(lines[:-1]) + "\n" + lines[-1][:20])
    assert set(project.reasons()) == {"add/add"}
    Ledger(project.root).compact()
    assert len(journal.read_text().splitlines()) == len(lines) - 1


@pytest.mark.parametrize("whole", [0, 2])
def test_a_record_after_one_cut_short_is_kept(project: Project, whole: int) -> None:
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


def test_a_journal_is_written_again_only_when_it_holds_more_than_the_records(project: Project) -> None:
    journal = project.root / JOURNAL
    before = journal.stat()
    Ledger(project.root).compact()
    assert os.path.samestat(journal.stat(), before)
    journal.write_text(journal.read_text()[:-1])  # the last line is whole, but for its end
    Ledger(project.root).compact()
    assert journal.read_bytes().endswith(b"\n")
    ledger = Ledger(project.root)
    ledger.add(next(iter(ledger.records.values())))
    ledger.compact()
    assert len(journal.read_text().splitlines()) == len(ledger.records)


def test_an_output_struck_from_the_records_is_made_again(project: Project) -> None:
    Ledger(project.root).forget({"raster/B.bin", "nothing"})
    message = project.reasons()
    assert message.pop("add/add")[0] == "open"
    assert message == {"times/times_B": ("stale", "no record of raster/B.bin")}
    assert project.run() == {"times/times_B": "done", "add/add": "kept"}


def test_a_file_named_by_a_parameter_counts_by_its_content_wherever_it_lies(tmp_path: Path) -> None:
    first, second = tmp_path / "a.txt", tmp_path / "b.txt"
    first.write_text("same")
    second.write_text("same")
    digest = params_digest(Settings(file=first))
    assert params_digest(Settings(file=second)) == digest
    second.write_text("other")
    assert params_digest(Settings(file=second)) != digest
    assert params_digest(Settings(factor=3, file=first)) != digest


def test_parameters_without_a_digest_are_a_defect() -> None:
    with pytest.raises(TypeError, match="no digest"):
        params_digest(object())


def test_checksum_of_a_text_is_that_of_the_file_that_holds_it(tmp_path: Path) -> None:
    path = tmp_path / "é.json"
    path.write_text("été\n", encoding="utf-8")
    assert checksum_of_text(path, "été\n") == checksum(path)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no disk that is always full")
def test_a_record_after_one_that_a_full_disk_cut_stands_by_itself(tmp_path: Path) -> None:
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
