"""Execution of jobs in this process and on workers, and failures of jobs and workers."""

from __future__ import annotations

import ctypes
import logging
import os
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from iota2.core.graph import Artifact, JobContext, Resources, Step
from iota2.errors import InputError, UserError
from iota2.runs.host import cores
from iota2.runs.plan.jobs import Plan, make_plan
from iota2.runs.records.records import Ledger
from iota2.runs.records.verdicts import assess
from iota2.runs.workers.execute import MIN_RETRIES_AFTER_DEATH, Cores, DaskEngine, DebugEngine, Engine, Retry, execute
from iota2.runs.workers.job import JobResult
from iota2.runs.workers.local import local_workers
from tests.runs.rows import rows_of

FIRST = Artifact("first/{tile}.txt", "First.")
SECOND = Artifact("second/{tile}.txt", "Second.")
LAST = Artifact("last.txt", "Last.")


def write_first(job: JobContext) -> None:
    """Fails on tile B with a user error, on C with an unexpected error, and kills its process on D."""
    print("tile", job.key.tile)
    logging.getLogger("iota2.test").warning("careful with %s", job.key.tile)
    if job.key.tile == "B":
        raise InputError("B.tif is damaged")
    if job.key.tile == "C":
        raise ZeroDivisionError
    if job.key.tile == "D":
        os.kill(os.getpid(), signal.SIGKILL)
    job.out.first.write_text(str(job.key.tile))


def write_second(job: JobContext) -> None:
    job.out.second.write_text(job.inp.first.read_text() * 2)


def write_last(job: JobContext) -> None:
    job.out.last.write_text(",".join(path.read_text() for path in job.inp.all("second").values()))


def forgets_its_output(job: JobContext) -> None:
    """Makes nothing."""


def writes_half(job: JobContext) -> None:
    job.out.first.write_text("ha")
    raise InputError("the rest is missing")


def writes_half_a_shapefile(job: JobContext) -> None:
    for suffix in (".shp", ".dbf"):
        job.out.first.with_suffix(suffix).write_text("ha")
    raise InputError("the rest is missing")


def makes_a_folder(job: JobContext) -> None:
    job.out.first.mkdir()


def makes_a_pipe(job: JobContext) -> None:
    os.mkfifo(job.out.first)


def changes_its_input(job: JobContext) -> None:
    job.inp.first.write_text("changed")
    job.out.second.write_text("done")


STEPS = (
    Step("one", "init", "One.", "one_{tile}", write_first, ("tile",), {}, {"first": FIRST}),
    Step("two", "init", "Two.", "two_{tile}", write_second, ("tile",), {"first": FIRST}, {"second": SECOND}),
    Step("three", "init", "Three.", "three", write_last, (), {"second": SECOND}, {"last": LAST}),
)


def planned(root: Path, tiles: str, steps: tuple[Step, ...] = STEPS) -> Plan:
    return make_plan(steps, rows_of({t: (1, ["1"]) for t in tiles}, ["S"], 1), None, root=root, constants={})


def run(plan: Plan, engine: Engine, retry: Retry | None = None) -> tuple[dict[str, str], list[str]]:
    """States by job, and the jobs in the order in which they ended."""
    ended: list[JobResult] = []
    verdicts = assess(plan, Ledger(plan.root), {})
    results = execute(plan, verdicts, engine, ended.append, Resources(), retry=retry)
    return {id_: result.state for id_, result in results.items()}, [result.id for result in ended]


@pytest.fixture(scope="module")
def workers() -> Iterator[DaskEngine]:
    with local_workers(2) as cluster:
        yield cluster


@pytest.fixture(params=["debug", "workers"])
def engine(request: pytest.FixtureRequest) -> Engine:
    return DebugEngine() if request.param == "debug" else request.getfixturevalue("workers")


def test_jobs_run_after_the_jobs_that_they_need(tmp_path: Path, engine: Engine) -> None:
    states, order = run(planned(tmp_path, "AEF"), engine)
    assert set(states.values()) == {"done"}
    assert (tmp_path / "last.txt").read_text() == "AA,EE,FF"
    assert order.index("one/one_E") < order.index("two/two_E") < order.index("three/three")


def test_a_failed_job_blocks_dependent_jobs_only(tmp_path: Path, engine: Engine) -> None:
    states, order = run(planned(tmp_path, "ABC"), engine)
    assert states == {
        "one/one_A": "done", "one/one_B": "failed", "one/one_C": "failed",
        "two/two_A": "done", "two/two_B": "blocked", "two/two_C": "blocked", "three/three": "blocked",
    }  # fmt: skip
    assert len(order) == len(states)


def test_logs_contain_the_output_and_the_error_of_a_job(tmp_path: Path, engine: Engine) -> None:
    run(planned(tmp_path, "ABC"), engine)
    logs = tmp_path / "logs/one"
    assert "tile A" in (logs / "one_A.out").read_text()
    assert "careful with A" in (logs / "one_A.err").read_text()
    assert "done in" in (logs / "one_A.out").read_text()
    assert "InputError: B.tif is damaged" in (logs / "one_B.err").read_text()
    assert "Traceback" not in (logs / "one_B.err").read_text()
    assert "ZeroDivisionError" in (logs / "one_C.err").read_text()
    assert "Traceback" in (logs / "one_C.err").read_text()
    assert not (tmp_path / "logs/two/two_B.out").exists()


def test_a_job_without_its_outputs_has_failed(tmp_path: Path, engine: Engine) -> None:
    lazy = Step("one", "init", "One.", "one_{tile}", forgets_its_output, ("tile",), {}, {"first": FIRST})
    states, _ = run(planned(tmp_path, "A", (lazy,)), engine)
    assert states == {"one/one_A": "failed"}
    assert "without making" in (tmp_path / "logs/one/one_A.err").read_text()


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (writes_half, "the rest is missing"),
        (makes_a_folder, "has made an empty folder"),
        (makes_a_pipe, "which is neither a file nor a folder"),
    ],
)
def test_an_incomplete_output_of_a_failed_job_is_removed(
    tmp_path: Path, function: Callable[[JobContext], None], message: str
) -> None:
    step = Step("one", "init", "One.", "one_{tile}", function, ("tile",), {}, {"first": FIRST})
    states, _ = run(planned(tmp_path, "A", (step,)), DebugEngine())
    assert states == {"one/one_A": "failed"}
    assert message in (tmp_path / "logs/one/one_A.err").read_text()
    assert not os.path.lexists(tmp_path / "first/A.txt")


def test_all_files_of_an_incomplete_shapefile_are_removed(tmp_path: Path) -> None:
    shapes = Artifact("first/{tile}.shp", "Shapes.")
    step = Step("one", "init", "One.", "one_{tile}", writes_half_a_shapefile, ("tile",), {}, {"first": shapes})
    run(planned(tmp_path, "A", (step,)), DebugEngine())
    assert list((tmp_path / "first").iterdir()) == []


def test_a_failed_job_keeps_an_output_that_it_has_not_written(tmp_path: Path) -> None:
    (tmp_path / "first").mkdir()
    (tmp_path / "first/B.txt").write_text("of an earlier run")
    states, _ = run(planned(tmp_path, "B", STEPS[:1]), DebugEngine())
    assert states == {"one/one_B": "failed"}
    assert (tmp_path / "first/B.txt").read_text() == "of an earlier run"


def test_a_job_that_changes_its_input_has_failed(tmp_path: Path) -> None:
    step = Step("two", "init", "Two.", "two_{tile}", changes_its_input, ("tile",), {"first": FIRST}, {"second": SECOND})
    states, _ = run(planned(tmp_path, "A", (STEPS[0], step)), DebugEngine())
    assert states == {"one/one_A": "done", "two/two_A": "failed"}
    assert "has changed its input" in (tmp_path / "logs/two/two_A.err").read_text()


@pytest.mark.slow
def test_the_death_of_a_worker_fails_its_job_only(tmp_path: Path) -> None:
    with local_workers(2) as cluster:
        states, _ = run(planned(tmp_path, "ADE"), cluster)
    assert states["one/one_D"] == "failed"
    assert (tmp_path / "logs/one/one_D.out").read_text().count("tile D") == 1 + MIN_RETRIES_AFTER_DEATH
    assert states["two/two_D"] == states["three/three"] == "blocked"
    assert {states[f"{step}_{tile}"] for step in ("one/one", "two/two") for tile in "AE"} == {"done"}


def faults(job: JobContext) -> None:
    print("calls a compiled library")
    ctypes.string_at(0)


def test_log_and_message_of_a_job_show_the_place_of_a_fault_of_compiled_code(tmp_path: Path) -> None:
    step = Step("one", "init", "One.", "one_{tile}", faults, ("tile",), {}, {"first": FIRST})
    with local_workers(1) as engine:
        plan = planned(tmp_path, "A", (step,))
        results = execute(plan, assess(plan, Ledger(plan.root), {}), engine, str, Resources())
    assert results["one/one_A"].state == "failed"
    assert "code that it called (last line of its log: calls a compiled library)" in results["one/one_A"].message
    text = (tmp_path / "logs/one/one_A.err").read_text()
    assert "Segmentation fault" in text
    assert re.search(r'File ".*test_execute.py", line \d+ in faults', text)


def dies_once(job: JobContext) -> None:
    """Kills its worker at the first attempt, except on tile Z."""
    attempt = job.out.first.with_suffix(".tried")
    if job.key.tile != "Z" and not attempt.exists():
        attempt.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    job.out.first.write_text("done")


@pytest.mark.long
def test_waiting_jobs_are_not_counted_as_failed_when_workers_die(tmp_path: Path) -> None:
    """Eight workers die, each in another job, while other jobs wait in the queue; no job fails."""
    fatal = Step("one", "init", "One.", "one_{tile}", dies_once, ("tile",), {}, {"first": FIRST})
    with local_workers(2) as cluster:
        states, _ = run(planned(tmp_path, "ABCDEFGHZ", (fatal,)), cluster)
    assert set(states.values()) == {"done"}
    assert len(list((tmp_path / "first").glob("*.tried"))) == 8


def dies_until_it_has_enough(job: JobContext) -> None:
    """As the system kills a process when memory is exhausted."""
    with open(job.out.first.with_suffix(".attempts"), "a") as file:
        file.write(f"{job.use.memory} ")
    if job.use.memory < 4 * Resources().memory:
        os.kill(os.getpid(), signal.SIGKILL)
    job.out.first.write_text("done")


@pytest.mark.slow
@pytest.mark.parametrize("allowed", [0, pytest.param(1, marks=pytest.mark.long)])
def test_a_killed_job_is_retried_with_twice_the_memory_on_a_new_worker(
    tmp_path: Path, allowed: int, caplog: pytest.LogCaptureFixture
) -> None:
    hungry = Step("one", "init", "One.", "one_{tile}", dies_until_it_has_enough, ("tile",), {}, {"first": FIRST})
    with local_workers(1) as cluster:
        states, _ = run(planned(tmp_path, "A", (hungry,)), cluster, Retry(allowed=allowed))
    assert states == {"one/one_A": "done"}
    memory = Resources().memory
    attempts = (tmp_path / "first/A.attempts").read_text().split()
    assert attempts == [str(memory), str(2 * memory), str(4 * memory)]
    assert caplog.text.count("one/one_A: its worker died. Trying again, with ") == 2


@pytest.mark.slow
def test_workers_killed_during_their_start_are_replaced(tmp_path: Path) -> None:
    with local_workers(2) as cluster:
        for process in psutil.Process().children():
            if "iota2.runs.workers.worker" in process.cmdline():
                process.kill()
        states, _ = run(planned(tmp_path, "AEF"), cluster)
    assert set(states.values()) == {"done"}


def test_workers_that_never_connect_end_the_run_with_their_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "sitecustomize.py").write_text("import os, sys\nprint('no library', file=sys.stderr)\nos._exit(7)\n")
    monkeypatch.syspath_prepend(broken)
    with (
        pytest.raises(UserError, match=r"5 workers in a row .* with code 7. Its log ends:\n  no library"),
        local_workers(1) as c,
    ):
        run(planned(tmp_path, "A"), c)


def fails_until_it_has_enough(job: JobContext) -> None:
    """Needs four times the memory of its first attempt."""
    with open(job.out.first.with_suffix(".attempts"), "a") as file:
        file.write(f"{job.use.memory},{job.use.threads} ")
    if job.use.memory < 4 * Resources().memory:
        raise MemoryError("too little")
    job.out.first.write_text("done")


RETRIED_STEP = Step("one", "init", "One.", "one_{tile}", fails_until_it_has_enough, ("tile",), {}, {"first": FIRST})


def test_a_failed_job_is_retried_with_twice_the_memory(tmp_path: Path, engine: Engine) -> None:
    states, _ = run(planned(tmp_path, "A", (RETRIED_STEP,)), engine, Retry(allowed=2))
    assert states == {"one/one_A": "done"}
    memory = Resources().memory
    attempts = (tmp_path / "first/A.attempts").read_text().split()
    assert attempts == [f"{memory},1", f"{2 * memory},2", f"{4 * memory},4"]


def test_retries_respect_their_number_and_the_maximum_resources(tmp_path: Path, engine: Engine) -> None:
    memory = Resources().memory
    states, _ = run(planned(tmp_path, "A", (RETRIED_STEP,)), engine, Retry(allowed=3, memory=2 * memory, threads=1))
    assert states == {"one/one_A": "failed"}
    attempts = (tmp_path / "first/A.attempts").read_text().split()
    assert attempts == [f"{memory},1", *[f"{2 * memory},1"] * 3]


# ------------------------------------------------------------------------------------------ threads


def writes_its_threads(job: JobContext) -> None:
    for _, path in job.out.each("first"):
        path.write_text(str(job.use.threads))


def threaded(name: str, path: str, *, over: tuple[str, ...] = ("tile",), plain: bool = False) -> Step:
    """A step that writes the threads of its jobs."""
    makes = {"first": Artifact(path, "Threads.")}
    task = f"{name}_{{tile}}" if over else name
    return Step(name, "init", "Threads.", task, writes_its_threads, over, {}, makes, max_threads=1 if plain else 6)


def threads_of(root: Path, engine: Engine, *steps: Step, fixed: tuple[str, ...] = (), tiles: str = "AB") -> list[int]:
    """Threads of the jobs of some steps, by path."""
    root.mkdir(exist_ok=True)
    plan = planned(root, tiles, steps)
    execute(plan, assess(plan, Ledger(root), {}), engine, lambda result: None, Resources(), fixed_threads=fixed)
    return [int(path.read_text()) for path in sorted(root.glob("*.threads"))]


def test_a_job_alone_gets_the_cores_of_idle_workers(tmp_path: Path, workers: DaskEngine) -> None:
    alone = min(2, cores())
    one, several = threaded("one", "one.threads", over=()), threaded("two", "two_{tile}.threads")
    assert threads_of(tmp_path / "a", workers, one) == [alone]
    assert "2 threads" in (tmp_path / "a/logs/one/one.out").read_text() or alone == 1
    assert threads_of(tmp_path / "b", workers, several) == [1, 1], "as many jobs as workers"
    assert threads_of(tmp_path / "c", workers, several, tiles="A") == [alone]
    assert threads_of(tmp_path / "d", workers, threaded("one", "one.threads", over=(), plain=True)) == [1]
    assert threads_of(tmp_path / "e", workers, one, fixed=("one",)) == [1], "the resources file gives its threads"
    assert threads_of(tmp_path / "f", DebugEngine(), one) == [1]


def test_short_jobs_do_not_reduce_the_threads_of_others(tmp_path: Path, workers: DaskEngine) -> None:
    plain = threaded("plain", "x_{tile}.threads", plain=True)
    found = threads_of(tmp_path, workers, plain, threaded("one", "one.threads", over=()))
    assert found == [min(2, cores()), 1, 1]


def test_jobs_of_other_threaded_steps_count(tmp_path: Path) -> None:
    engine = DebugEngine(cores=Cores(shared=8))
    assert threads_of(tmp_path / "a", engine, threaded("one", "one.threads", over=())) == [6], "its maximum"
    steps = (threaded("one", "one_{tile}.threads"), threaded("two", "two_{tile}.threads"))
    assert threads_of(tmp_path, engine, *steps, tiles="ABC") == [2, 2, 2, 1, 1, 1]


@pytest.mark.parametrize(
    ("cores_of", "jobs", "threads"),
    [
        (Cores(), 1, 1),
        (Cores(shared=8), 1, 8),
        (Cores(shared=8), 3, 2),
        (Cores(shared=8), 9, 1),
        (Cores(own=4), 9, 4),
        (Cores(own=4), 1, 4),
    ],
)
def test_threads_of_all_jobs_together_are_no_more_than_the_cores(cores_of: Cores, jobs: int, threads: int) -> None:
    assert cores_of.threads(jobs) == threads
