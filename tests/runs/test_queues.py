"""Jobs of a queue that end before their worker connects.

PBS is simulated by scripts that run each job as a process of this machine; ``test_slurm.py`` uses a real SLURM.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import dask
import pytest

from iota2.core.graph import Resources
from iota2.errors import UserError
from iota2.import_path import worker_path
from iota2.runs.records.records import Ledger
from iota2.runs.records.verdicts import assess
from iota2.runs.workers import clusters
from iota2.runs.workers.clusters import Queue, job_queue, queued_workers
from iota2.runs.workers.connections import run_certificates
from iota2.runs.workers.execute import execute
from iota2.runs.workers.resources import WorkerResources
from tests.runs.test_execute import planned

QSUB = """#!/bin/bash
cp "${@: -1}" $JOBS/$$.sh
PBS_JOBID=$$.server setsid bash $JOBS/$$.sh < /dev/null > /dev/null 2>&1 &
echo $! > $JOBS/$$.process
echo $$.server
"""
QSELECT = """#!/bin/bash
for job in $JOBS/*.process; do
    case $(ps -o stat= -p $(cat $job)) in "" | Z*) ;; *) basename $job .process | sed s/$/.server/ ;; esac
done
"""
QDEL = """#!/bin/bash
kill -- -$(cat $JOBS/${1%%.*}.process)
"""
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("qsub") is not None, reason="PBS is installed here"),
    pytest.mark.skipif(not (shutil.which("setsid") and shutil.which("ps")), reason="there is no setsid, or no ps"),
]


@pytest.fixture
def jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the simulated queue, with a file for each submitted job."""
    commands, folder = tmp_path / "bin", tmp_path / "jobs"
    for made in (commands, folder, tmp_path / "root"):
        made.mkdir()
    for name, text in (("qsub", QSUB), ("qselect", QSELECT), ("qdel", QDEL)):
        (commands / name).write_text(text, encoding="utf-8")
        (commands / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{commands}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("JOBS", str(folder))
    monkeypatch.setenv("PYTHONPATH", worker_path())  # workers import nothing from the working folder
    monkeypatch.setattr(clusters, "POLL_MILLISECONDS", 300)
    return folder


def states(tmp_path: Path, workers: int, *prologue: str) -> dict[str, str]:
    """States of the jobs of a run whose cluster jobs begin with these commands."""
    plan = planned(tmp_path / "root", "AE")
    logs = tmp_path / "root" / "logs"
    queue = Queue("pbs", workers, WorkerResources(threads=1, memory=1 << 30, seconds=3600), logs, certificates=tmp_path)
    with run_certificates(tmp_path) as certificates, job_queue(queue, certificates):
        """Read Dask's defaults before any temporary settings are active."""
    with dask.config.set({"jobqueue.pbs.job-script-prologue": prologue}), queued_workers(queue) as cluster:
        verdicts = assess(plan, Ledger(plan.root), {})
        results = execute(plan, verdicts, cluster, lambda result: None, Resources())
    return {id_: result.state for id_, result in results.items()}


def submitted(jobs: Path) -> int:
    return len(list(jobs.glob("*.sh")))


def test_a_job_that_ends_immediately_is_submitted_again(tmp_path: Path, jobs: Path) -> None:
    """The first two jobs end immediately, the third one connects."""
    found = states(tmp_path, 1, *(f"mkdir {jobs}/{name} 2> /dev/null && exit 1" for name in ("first", "second")))
    assert set(found.values()) == {"done"}
    assert submitted(jobs) == 3


def test_a_slot_without_a_worker_is_removed_and_others_continue(
    tmp_path: Path, jobs: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """One job connects after the slots of the others have been removed."""
    alive = f"mkdir {jobs}/one 2> /dev/null || exit 1"
    waits = f"until [ $(ls {jobs}/*.sh | wc -l) -ge {1 + clusters.MAX_FAILED_STARTS} ]; do sleep 0.1; done; sleep 2"
    found = states(tmp_path, 2, alive, waits)
    assert set(found.values()) == {"done"}
    assert submitted(jobs) == 1 + clusters.MAX_FAILED_STARTS
    assert "Requesting 1 workers" in caplog.text


def test_jobs_without_a_log_are_reported_with_the_inaccessible_folder(tmp_path: Path, jobs: Path) -> None:
    logs = tmp_path / "root" / "logs"
    hidden = f"rm -f {logs}/*.log; exit 1"
    with pytest.raises(UserError, match=rf"engine pbs: 1 of its jobs ended .* has no log: check .* {logs}"):
        states(tmp_path, 1, hidden)
    assert submitted(jobs) == clusters.MAX_FAILED_STARTS


def test_a_queue_that_does_not_respond_is_not_an_error(tmp_path: Path, jobs: Path) -> None:
    (tmp_path / "bin" / "qselect").write_text("#!/bin/bash\nexit 1\n", encoding="utf-8")
    assert set(states(tmp_path, 1, "sleep 1").values()) == {"done"}
    assert submitted(jobs) == 1
