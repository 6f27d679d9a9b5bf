"""How long planning and checking a run of 100,000 jobs takes, and how much memory, when all is up to date.

Made up: 4200 tiles of ten strips, three regions each. Every file of the output tree is there (empty), and
every job has its record.
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
from iota2.run.plan.jobs import Plan, make_plan
from iota2.run.records.output import prepare
from iota2.run.records.records import Ledger, Record
from iota2.run.records.stamps import checksum, stamp_of
from iota2.run.records.verdicts import assess, params_digest
from iota2.run.workers.peak_memory import peak_mib
from iota2.testing.world import WorldOptions, make_world
from iota2.testing.writing import write_world
from tests.run.rows import rows_of

PARTS, REGIONS, SEEDS = 10, ("1", "2", "3"), 1
SMALL = WorldOptions(size=64, overlap=16, classes=3, dates=(date(2018, 3, 17), date(2018, 5, 11), date(2018, 8, 9)))


def planned(config: Config, tiles: int, root: Path) -> Plan:
    """The plan of a made-up run."""
    rows = rows_of({f"T{number:04}": (PARTS, REGIONS) for number in range(tiles)}, ["Sentinel2"], SEEDS)
    constants = {"region_base": "MyRegion", "cloud": 0, "samples": "sqlite"}
    return make_plan(CLASSIFICATION.steps, rows, config, root=root, constants=constants, given=SURVEY)


def made(plan: Plan, given: dict[str, str]) -> None:
    """Every output of the plan, empty, and the record of every job."""
    prepare(plan.root, (name for job in plan.jobs for name in job.makes), remove=False)
    params: dict[str, str] = {}
    digests, lines = dict(given), []
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


def given_digests(plan: Plan) -> dict[str, str]:
    """Digests of the survey's files, made up."""
    return dict.fromkeys(plan.given, "0")


def prepare_run(tiles: int, folder: Path) -> None:
    """Leave a configuration and a finished run in ``folder``."""
    config = load_config(write_world(make_world(SMALL), folder / "world").config)
    plan = planned(config, tiles, folder / "results")
    made(plan, given_digests(plan))


def measured(tiles: int, folder: Path) -> dict[str, Any]:
    """Seconds of planning and of checking, jobs, and the peak of memory, in a process of its own; all is fresh."""
    prepare_run(tiles, folder)
    command = [sys.executable, "-m", "benchmarks.plan", str(tiles), str(folder)]
    done = subprocess.run(command, cwd=Path(__file__).parents[1], check=True, capture_output=True, text=True)
    message: dict[str, Any] = json.loads(done.stdout)
    if set(message["states"]) != {"fresh"}:
        raise RuntimeError(f"jobs that are not up to date: {message['states']}")
    return message


def measure(tiles: int, folder: Path) -> dict[str, Any]:
    """What ``measured`` reports, here."""
    root, config = folder / "results", load_config(folder / "world" / "demo.cfg")
    started = time.perf_counter()
    plan = planned(config, tiles, root)
    between = time.perf_counter()
    states = Counter(verdict.state for verdict in assess(plan, Ledger(root), given_digests(plan)).values())
    seconds = {"plan": between - started, "check": time.perf_counter() - between}
    return {**seconds, "jobs": len(plan.jobs), "states": states, "memory": peak_mib()}


def up_to_date(folder: Path, rounds: int) -> list[float]:
    """Seconds of runs in which nothing is to be done."""
    files = write_world(make_world(SMALL), folder / "demo")
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
