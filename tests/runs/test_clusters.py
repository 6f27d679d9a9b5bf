"""Workers on clusters: job scripts, existing schedulers, and invalid options."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import dask
import pytest
from dask_jobqueue.core import JobQueueCluster
from distributed import Client, LocalCluster

from iota2.chains.load import load_config
from iota2.cli import legacy_main, main
from iota2.core.graph import Artifact, JobContext, Resources, Step
from iota2.errors import ConfigError, UserError
from iota2.import_path import worker_path
from iota2.runs.plan.jobs import make_plan
from iota2.runs.records.records import Ledger
from iota2.runs.records.verdicts import assess
from iota2.runs.runner import Options, resume_command, run
from iota2.runs.watcher import Watcher
from iota2.runs.workers import clusters
from iota2.runs.workers.clusters import Queue, job_queue, running_scheduler
from iota2.runs.workers.connections import run_certificates
from iota2.runs.workers.execute import DaskEngine, execute
from iota2.runs.workers.resources import WorkerResources
from iota2.testing.files import WorldFiles
from iota2.testing.world import DATES, WorldOptions, make_world
from iota2.testing.writing import write_world
from tests.chain.conftest import configured, run_chain
from tests.chain.test_restart import digests
from tests.runs.rows import rows_of
from tests.runs.run_process import background
from tests.runs.test_execute import planned

ON_A_NODE = {"PBS_JOBID": "42.server", "PYTHONPATH": worker_path()}
"""Environment of a job; workers import the steps of these tests from PYTHONPATH instead of the working folder."""
NO_QSUB = pytest.mark.skipif(shutil.which("qsub") is not None, reason="PBS is installed here")


def queue_in(folder: Path, **changes: str) -> Queue:
    worker = WorkerResources(threads=3, memory=5 << 30, seconds=90_000)
    here = folder / "it's $here; 100 %"
    here.mkdir(exist_ok=True)
    return Queue("pbs", 2, worker, here / "logs", here, **changes)  # type: ignore[arg-type]


@contextmanager
def queue_of(queue: Queue) -> Iterator[JobQueueCluster]:
    """The cluster of a queue, with new certificates."""
    with run_certificates(queue.certificates) as certificates, job_queue(queue, certificates) as cluster:
        yield cluster


def test_a_pbs_job_requests_the_configured_resources(tmp_path: Path) -> None:
    with queue_of(queue_in(tmp_path, account="land", partition="long")) as cluster:
        script = cluster.job_script()
        address = cluster.scheduler_address
    directives = [line for line in script.splitlines() if line.startswith("#PBS")]
    assert directives == [
        "#PBS -N iota2",
        "#PBS -q long",
        "#PBS -A land",
        "#PBS -l select=1:ncpus=3:mem=5120mb",
        "#PBS -l walltime=25:00:00",
        "#PBS -o /dev/null",
        "#PBS -e /dev/null",
    ]
    (command,) = (line for line in script.splitlines() if "dask_worker" in line)
    assert command.startswith(f"{sys.executable} -P -m distributed.cli.dask_worker {address} ")
    assert " --nthreads 1 " in command
    assert command.rindex("--memory-limit 0") > command.index("--memory-limit")


@pytest.mark.slow
def test_a_pbs_job_starts_a_worker_that_runs_jobs(tmp_path: Path) -> None:
    """A shell runs the script, as PBS does on a node."""
    queue = queue_in(tmp_path)
    queue.logs.mkdir()
    root = tmp_path / "root"
    root.mkdir()
    with queue_of(queue) as cluster, Client(cluster) as client:
        script = tmp_path / "job.sh"
        script.write_text(cluster.job_script(), encoding="utf-8")
        node = subprocess.Popen(["bash", script], env={**os.environ, **ON_A_NODE})
        try:
            plan = planned(root, "AB")
            verdicts = assess(plan, Ledger(root), {})
            results = execute(plan, verdicts, DaskEngine(client), lambda result: None, Resources())
        finally:
            node.terminate()
            node.wait(30)
    states = {id_: result.state for id_, result in results.items()}
    assert states["two/two_A"] == "done"
    assert states["one/one_B"] == "failed"
    assert "Registered to" in (queue.logs / "worker-42.server.log").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> WorldFiles:
    options = WorldOptions(size=64, overlap=16, classes=3, dates=DATES[2:10:3])
    return write_world(make_world(options), tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    """Address of a scheduler with one worker."""
    with LocalCluster(
        n_workers=1, threads_per_worker=1, dashboard_address="127.0.0.1:0", memory_limit=0
    ) as cluster:  # fmt: skip
        yield cluster.scheduler_address


@pytest.mark.long
def test_an_existing_scheduler_is_used_and_keeps_running(tiny: WorldFiles, tmp_path: Path, scheduler: str) -> None:
    config = configured(tiny, tmp_path)
    run_chain(config)
    expected = digests(config.chain.output_path)
    for _ in range(2):
        shutil.rmtree(config.chain.output_path)
        run(config, Options(scheduler=scheduler), Watcher())
        assert digests(config.chain.output_path) == expected


def test_a_worker_without_access_to_the_output_folder_fails_its_jobs_with_the_reason(
    tmp_path: Path, scheduler: str
) -> None:
    plan = planned(tmp_path / "elsewhere", "A")
    with running_scheduler(scheduler) as cluster:
        results = execute(plan, assess(plan, Ledger(plan.root), {}), cluster, lambda result: None, Resources())
    assert results["one/one_A"].state == "failed"
    assert "must share the disk of chain.output_path" in results["one/one_A"].message
    assert not plan.root.exists()


def kills_its_scheduler(job: JobContext) -> None:
    """A scheduler whose machine fails during a run."""
    os.kill(int(job.key.region), signal.SIGKILL)


@pytest.mark.long
def test_a_lost_scheduler_is_reported_as_such(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A scheduler without workers is reported; no job fails because of it."""
    monkeypatch.setattr(clusters, "MAX_SECONDS_WITHOUT_WORKER", 0.0)
    makes = {"out": Artifact("{region}", "Out.")}
    fatal = Step("one", "init", "One.", "one", kills_its_scheduler, ("region",), {}, makes)
    expected, cli = tmp_path / "scheduler.json", "distributed.cli.dask_"
    given = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(expected)]
    command = [sys.executable, "-m", f"{cli}scheduler", *given]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with ExitStack() as stack, dask.config.set({"distributed.comm.timeouts.connect": "1s"}):
        scheduler = stack.enter_context(subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL))
        stack.callback(scheduler.kill)
        while not expected.exists() or not expected.read_text(encoding="utf-8"):
            assert scheduler.poll() is None
            time.sleep(0.1)
        address = json.loads(expected.read_text(encoding="utf-8"))["address"]
        rows = rows_of({"A": (1, [str(scheduler.pid)])}, ["S"], 1)
        plan = make_plan((fatal,), rows, None, root=tmp_path / "out", constants={})
        plan.root.mkdir()
        cluster = stack.enter_context(running_scheduler(address))
        cluster.require_workers()
        assert f"{address} has no workers" in caplog.text
        worker = [sys.executable, "-m", f"{cli}worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard"]
        node = stack.enter_context(subprocess.Popen(worker, env=environment, stderr=subprocess.DEVNULL, cwd=tmp_path))
        stack.callback(node.kill)
        with pytest.raises(UserError, match=f"{address}: the scheduler is gone"):
            execute(plan, assess(plan, Ledger(plan.root), {}), cluster, lambda result: None, Resources())


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("openssl") is None, reason="there is no openssl")
@pytest.mark.long
def test_certificates_in_the_dask_configuration_encrypt_connections(tmp_path: Path) -> None:
    """As described on the page on clusters."""
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "9", "-subj", "/CN=dask"]
    subprocess.run([*made, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    tls = {f"DASK_DISTRIBUTED__COMM__TLS__{who}__CERT": str(certificate) for who in ("SCHEDULER", "WORKER", "CLIENT")}
    tls |= {name.replace("CERT", "KEY"): str(key) for name in tls}
    tls["DASK_DISTRIBUTED__COMM__TLS__CA_FILE"] = str(certificate)
    cli, expected = "distributed.cli.dask_", tmp_path / "scheduler.json"
    scheduler = ["scheduler", "--protocol", "tls", "--host", "127.0.0.1", "--port", 0, "--scheduler-file", expected]
    work = (
        "from iota2.runs.workers.clusters import running_scheduler as r\n"
        "with r({!r}) as c: print(c.client.submit(int).result())"
    )
    with ExitStack() as stack:
        start = [sys.executable, "-m"]
        command = [*start, cli + scheduler[0], *scheduler[1:], "--no-dashboard"]
        stack.enter_context(background(command, tmp_path / "scheduler.log", tls))
        for _ in range(300):
            if expected.exists() and expected.read_text(encoding="utf-8").endswith("}"):
                break
            time.sleep(0.1)
        address = json.loads(expected.read_text(encoding="utf-8"))["address"]
        assert address.startswith("tls://")
        worker = [*start, f"{cli}worker", address, "--nthreads", 1, "--no-dashboard"]
        stack.enter_context(background(worker, tmp_path / "worker.log", tls))
        client_command = [sys.executable, "-c", work.format(address)]
        done = subprocess.run(
            client_command, env={**os.environ, **tls}, check=False, capture_output=True, text=True, timeout=90
        )
        assert done.stdout == "0\n", done.stderr
        refused = subprocess.run(client_command, check=False, capture_output=True, text=True, timeout=90)
        assert "the connection cannot be encrypted" in refused.stderr


def call(monkeypatch: pytest.MonkeyPatch, *arguments: str, legacy: bool = False) -> object:
    """Exit code of a command."""
    monkeypatch.setattr(sys, "argv", ["command", *arguments])
    with pytest.raises(SystemExit) as stopped:
        (legacy_main if legacy else main)()
    return stopped.value.code


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        pytest.param(("--engine", "pbs"), "there is no command 'qsub' on this machine", marks=NO_QSUB),
        (("--engine", "slurm", "--workers", "0"), "--engine slurm needs workers"),
        (("--scheduler", "tcp://127.0.0.1:1", "--engine", "local"), "remove --engine and --workers"),
        (("--scheduler", "nonsense://x"), "no Dask scheduler responds"),
        (("--scheduler", "tls://127.0.0.1:1"), "the connection cannot be encrypted"),
        (("--resources", "no/such/file.cfg"), "cannot be read"),
    ],
)
def test_invalid_engine_options_are_reported(
    tiny: WorldFiles,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    expected: str,
) -> None:
    assert call(monkeypatch, "run", str(tiny.config), *arguments) == 1
    error = capsys.readouterr().err
    assert expected in error
    assert "Traceback" not in error


@NO_QSUB
def test_the_legacy_scheduler_type_cluster_is_pbs(
    tiny: WorldFiles, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("cluster", "PBS"):
        assert call(monkeypatch, "-config", str(tiny.config), "-scheduler_type", name, legacy=True) == 1
        assert "engine pbs: there is no command 'qsub'" in capsys.readouterr().err


def test_legacy_resources_files_are_read(
    tiny: WorldFiles, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    resources = tmp_path / "resources.cfg"
    resources.write_text("trainin: { nb_cpu: 2 }", encoding="utf-8")
    given = ("-config", str(tiny.config), "-scheduler_type", "debug", "-config_ressources", str(resources))
    assert call(monkeypatch, *given, legacy=True) == 1
    assert "did you mean 'training'?" in capsys.readouterr().err


@pytest.mark.parametrize("legacy", [False, True])
def test_check_and_only_summary_read_the_resources_file(
    tiny: WorldFiles,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    legacy: bool,
) -> None:
    resources = tmp_path / "resources.cfg"
    given: tuple[str, ...] = ("check", str(tiny.config), "--resources", str(resources))
    if legacy:
        given = ("-config", str(tiny.config), "-only_summary", "-config_ressources", str(resources))
    resources.write_text("training : { ram : 'much', nb_cpu : 0 }", encoding="utf-8")
    assert call(monkeypatch, *given, legacy=legacy) == 1
    expected = capsys.readouterr().err
    assert f"{resources}: 2 problems" in expected
    resources.write_text("training : { nb_cpu : 2 }\nslic_segmentation : { nb_cpu : 2 }", encoding="utf-8")
    assert call(monkeypatch, *given, legacy=legacy) == 0
    assert "without effect here: slic_segmentation" in " ".join(capsys.readouterr().out.split())


def test_the_resume_command_keeps_the_engine(tiny: WorldFiles, tmp_path: Path) -> None:
    config = configured(tiny, tmp_path)
    given = Options(engine="slurm", resources=Path("my resources.cfg"))
    assert resume_command(config, Options()) == f"iota2 run {config.source}"
    assert resume_command(config, given) == f"iota2 run {config.source} --engine slurm --resources 'my resources.cfg'"
    assert resume_command(config, Options(scheduler="tcp://a:1")) == f"iota2 run {config.source} --scheduler tcp://a:1"


def test_accounts_with_shell_syntax_are_rejected(tiny: WorldFiles, tmp_path: Path) -> None:
    path = tmp_path / "run.cfg"
    text = tiny.config.read_text(encoding="utf-8")
    path.write_text(text + "\nslurm : { account : 'a\\'; rm -rf x', partition : 'long' }\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"slurm\.account: expected a name of letters"):
        load_config(path)
