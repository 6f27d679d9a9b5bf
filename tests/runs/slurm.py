"""A SLURM installation with one node on this machine, with separate key, ports and folders, for tests."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.runs.run_process import background

NEEDED = ("munged", "slurmctld", "slurmd", "sbatch", "scancel", "squeue")
START_SECONDS = 60
CONFIGURATION = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmctldPort={controller}
SlurmdPort={node}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
ReturnToService=2
SlurmdParameters=config_overrides
JobAcctGatherType=jobacct_gather/none
KillWait=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
NodeName={host} NodeAddr=127.0.0.1 CPUs=8 RealMemory=16000 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def missing_requirement() -> str | None:
    """The reason why SLURM cannot be started here; None if it can."""
    missing = [command for command in NEEDED if shutil.which(command) is None]
    if missing:
        return f"SLURM is not installed (no {', '.join(missing)}): apt-get install slurm-wlm munge"
    return "starting the daemons of SLURM takes root" if os.getuid() else None


@dataclass(frozen=True)
class Slurm:
    """A running SLURM."""

    environment: Mapping[str, str]

    def output_of(self, *command: str) -> str:
        """Output of a command of SLURM; RuntimeError with its message if it fails."""
        done = subprocess.run(
            command, env={**os.environ, **self.environment}, check=False, capture_output=True, text=True, timeout=60
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
        return done.stdout


@contextmanager
def started(folder: Path) -> Iterator[Slurm]:
    """Run SLURM while the body runs. ``folder`` must be short: paths of sockets have at most 108 characters."""
    for name in ("state", "spool"):
        (folder / name).mkdir(parents=True)
    key = folder / "munge.key"
    key.write_bytes(secrets.token_bytes(128))
    key.chmod(0o600)
    names = {"host": socket.gethostname(), "folder": folder, "controller": _free_port(), "node": _free_port()}
    configuration = folder / "slurm.conf"
    configuration.write_text(CONFIGURATION.format(**names), encoding="utf-8")
    slurm = Slurm({"SLURM_CONF": str(configuration)})
    munge = [f"--key-file={key}", f"--socket={folder}/munge.socket", f"--pid-file={folder}/munge.pid"]
    munge += [f"--log-file={folder}/munge.log", f"--seed-file={folder}/munge.seed", "--force", "--foreground"]
    with ExitStack() as stack:

        def daemon(*command: str) -> None:
            stack.enter_context(background(command, folder / f"{command[0]}.out", slurm.environment))

        daemon("munged", *munge)
        _wait((folder / "munge.socket").exists, folder)
        daemon("slurmctld", "-D")
        daemon("slurmd", "-D")
        _wait(lambda: _idle(slurm), folder)
        yield slurm


def _idle(slurm: Slurm) -> bool:
    try:
        return "idle" in slurm.output_of("sinfo", "-h", "-o", "%T")
    except (RuntimeError, subprocess.TimeoutExpired):
        return False


def _wait(ready: object, folder: Path) -> None:
    assert callable(ready)
    until = time.monotonic() + START_SECONDS
    while not ready():
        if time.monotonic() > until:
            logs = "\n".join(path.read_text(errors="replace")[-2000:] for path in folder.glob("*.[ls]*[gd]"))
            raise AssertionError(f"SLURM does not start:\n{logs}")
        time.sleep(0.3)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port
