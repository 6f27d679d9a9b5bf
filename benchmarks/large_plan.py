"""Time and memory of planning and checking a run of 100,000 jobs that are all up to date.

The run is synthetic: 4200 tiles of ten strips with three regions each. Every output file exists (empty), and every job
has its record.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

from iota2.chains import SURVEY
from iota2.chains.classification import CLASSIFICATION
from iota2.chains.load import load_config
from iota2.config.options.schema import Config
from iota2.runs.plan.jobs import Plan, make_plan
from iota2.runs.records.output import prepare
from iota2.runs.records.records import Ledger, Record
from iota2.runs.records.stamps import checksum, stamp_of
from iota2.runs.records.verdicts import assess, params_digest
from iota2.runs.workers.peak_memory import peak_mib
from iota2.testing.world import WorldOptions, make_world
from iota2.testing.writing import write_world
from tests.runs.rows import rows_of

PARTS, REGIONS, SEEDS = 10, ("1", "2", "3"), 1
SMALL_WORLD = WorldOptions(
    size=64, overlap=16, classes=3, dates=(date(2018, 3, 17), date(2018, 5, 11), date(2018, 8, 9))
)


def synthetic_plan(config: Config, tiles: int, root: Path) -> Plan:
    """The plan of a synthetic run."""
    rows = rows_of({f"T{number:04}": (PARTS, REGIONS) for number in range(tiles)}, ["Sentinel2"], SEEDS)
    constants = {"region_base": "MyRegion", "cloud": 0, "samples": "sqlite", "features_map": "features_map"}
    return make_plan(CLASSIFICATION.steps, rows, config, root=root, constants=constants, given=SURVEY)


def write_outputs(plan: Plan, digests_of_survey: dict[str, str]) -> None:
    """Write every output of the plan as an empty file, and the record of every job."""
    prepare(plan.root, (name for job in plan.jobs for name in job.makes), remove=False)
    params: dict[str, str] = {}
    digests, lines = dict(digests_of_survey), []
    for job in plan.jobs:
        for name in job.makes:
            path = plan.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
            digests[name] = checksum(path)
        inputs = {name: digests[name] for name in job.reads}
        if job.step.name not in params:
            params[job.step.name] = params_digest(job.params)
        outputs = {name: stamp_of(plan.root / name) for name in job.makes}
        lines.append(Record(job.id, job.step.version, params[job.step.name], inputs, outputs).to_json() + "\n")
    Ledger(plan.root).path.write_text("".join(lines), encoding="utf-8")


def survey_digests(plan: Plan) -> dict[str, str]:
    """Synthetic digests of the files of the survey."""
    return dict.fromkeys(plan.given, "0")


def prepare_run(tiles: int, folder: Path) -> None:
    """Write a configuration and a finished run to ``folder``."""
    config = load_config(write_world(make_world(SMALL_WORLD), folder / "world").config)
    plan = synthetic_plan(config, tiles, folder / "results")
    write_outputs(plan, survey_digests(plan))


def measure_in_subprocess(tiles: int, folder: Path) -> dict[str, Any]:
    """``measure`` in a separate process, after ``prepare_run``. RuntimeError if a job is not up to date."""
    prepare_run(tiles, folder)
    command = [sys.executable, "-m", "benchmarks.large_plan", str(tiles), str(folder)]
    done = subprocess.run(command, cwd=Path(__file__).parents[1], check=True, capture_output=True, text=True)
    message: dict[str, Any] = json.loads(done.stdout)
    if set(message["states"]) != {"fresh"}:
        raise RuntimeError(f"jobs that are not up to date: {message['states']}")
    return message


def measure(tiles: int, folder: Path) -> dict[str, Any]:
    """Seconds of planning and of checking, number of jobs, their states, and peak memory in MiB."""
    root, config = folder / "results", load_config(folder / "world" / "demo.cfg")
    started = time.perf_counter()
    plan = synthetic_plan(config, tiles, root)
    between = time.perf_counter()
    states = Counter(verdict.state for verdict in assess(plan, Ledger(root), survey_digests(plan)).values())
    seconds = {"plan": between - started, "check": time.perf_counter() - between}
    return {**seconds, "jobs": len(plan.jobs), "states": states, "memory": peak_mib()}


def time_runs_without_jobs(folder: Path, rounds: int) -> list[float]:
    """Seconds of ``rounds`` runs of the synthetic landscape in which all jobs are up to date."""
    files = write_world(make_world(SMALL_WORLD), folder / "demo")
    command = [sys.executable, "-m", "iota2", "run", str(files.config)]
    subprocess.run(command, check=True, capture_output=True)
    found = []
    for _ in range(rounds):
        started = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        found.append(time.perf_counter() - started)
    return found


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]), Path(sys.argv[2]))))
