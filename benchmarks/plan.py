"""How long planning and checking a run of 100,000 jobs takes, and how much memory, when all is up to date.

Made up: 4200 tiles of ten strips, three regions each. Every file of the output tree is there (empty), and
every job has its record. Run it with ``python benchmarks/plan.py [tiles]``.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections import Counter
from datetime import date
from pathlib import Path

from iota2.chain import CLASSIFICATION, SURVEY
from iota2.config.load import load_config
from iota2.config.schema import Config
from iota2.run.ledger import Ledger, Record, assess, checksum, params_digest, relative, stamp_of
from iota2.run.output import prepare
from iota2.run.peak import peak_mib
from iota2.run.plan import Plan, make_plan, rows_of
from iota2.testing.world import WorldOptions, make_world, write_world

PARTS, REGIONS, SEEDS = 10, ("1", "2", "3"), 1
MOST_SECONDS, MOST_MIB = 20, 1024
"""What a run of 100,000 jobs may take."""
SMALL = WorldOptions(size=64, overlap=16, classes=3, dates=(date(2018, 3, 17), date(2018, 5, 11), date(2018, 8, 9)))


def planned(config: Config, tiles: int, root: Path) -> Plan:
    """The plan of a made-up run."""
    rows = rows_of({f"T{number:04}": (PARTS, REGIONS) for number in range(tiles)}, ["Sentinel2"], SEEDS)
    constants = {"region_base": "MyRegion", "cloud": 0, "samples": "sqlite"}
    return make_plan(CLASSIFICATION, rows, config, root=root, constants=constants, given=SURVEY)


def made(plan: Plan, given: dict[str, str]) -> None:
    """Every output of the plan, empty, and the record of every job."""
    prepare(plan.root, (path for job in plan.jobs for path in job.outputs), remove=False)
    params: dict[str, str] = {}
    digests, lines = dict(given), []
    for job in plan.jobs:
        for path in job.outputs:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
            digests[relative(path, plan.root)] = checksum(path)
        inputs = {relative(path, plan.root): digests[relative(path, plan.root)] for path in job.inputs}
        if job.step.name not in params:
            params[job.step.name] = params_digest(job.params)
        outputs = {relative(path, plan.root): stamp_of(path) for path in job.outputs}
        lines.append(Record(job.id, job.step.version, params[job.step.name], inputs, outputs).to_json() + "\n")
    Ledger(plan.root).path.write_text("".join(lines), encoding="utf-8")


def given_digests(plan: Plan) -> dict[str, str]:
    """Digests of the survey's files, made up."""
    return {relative(path, plan.root): "0" for path in plan.given}


def prepare_run(tiles: int, folder: Path) -> None:
    """Leave a configuration and a finished run in ``folder``."""
    config = load_config(write_world(make_world(SMALL), folder / "world").config)
    plan = planned(config, tiles, folder / "results")
    made(plan, given_digests(plan))


def measure(tiles: int, folder: Path) -> int:
    """Print time and memory; 1 when either is more than it may be. In a process of its own, for its memory."""
    root, config = folder / "results", load_config(folder / "world" / "demo.cfg")
    started = time.perf_counter()
    plan = planned(config, tiles, root)
    between = time.perf_counter()
    states = Counter(verdict.state for verdict in assess(plan, Ledger(root), given_digests(plan)).values())
    ended = time.perf_counter()
    print(f"{len(plan.jobs)} jobs: plan {between - started:.1f} s, check {ended - between:.1f} s, {peak_mib()} MiB")
    print(dict(states))
    return int(ended - started > MOST_SECONDS or peak_mib() > MOST_MIB or set(states) != {"fresh"})


def up_to_date(folder: Path) -> None:
    """Print how long a run takes in which nothing is to be done."""
    files = write_world(make_world(SMALL), folder)
    command = [Path(sys.executable).with_name("iota2"), "run", files.config]
    subprocess.run(command, check=True, capture_output=True)
    started = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    print(f"a run that is up to date returns in {time.perf_counter() - started:.1f} s (at most 2 are wanted)")


def main(tiles: int) -> int:
    """Make up runs in a folder that is removed at the end, and measure."""
    with tempfile.TemporaryDirectory() as folder:
        up_to_date(Path(folder) / "demo")
        prepare_run(tiles, Path(folder))
        return subprocess.run([sys.executable, __file__, str(tiles), folder], check=False).returncode


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 4200
    sys.exit(measure(count, Path(sys.argv[2])) if len(sys.argv) > 2 else main(count))
