"""Profile of a step as text: ``python -m benchmarks.profiled CONFIG [STEP]`` after a complete run.

The time of compiled loops is attributed to the Python function that calls them. If ``perf`` is installed, its samples
by library follow; code compiled by numba is ``[JIT]``.
"""

from __future__ import annotations

import argparse
import cProfile
import io
import pstats
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from benchmarks.tasks import step
from iota2.chains.load import load_config

MAX_LINES = 14
PACKAGES = ("iota2", "rasterio", "numpy", "numba")


def by_function(config: Path, name: str) -> str:
    """The functions with the largest own time, in the second execution of the step."""
    options = argparse.Namespace(step=name, threads=1, jobs=1, rounds=1)
    loaded = load_config(config)
    step(loaded, options)
    profile = cProfile.Profile()
    profile.runcall(step, loaded, options)
    stats = pstats.Stats(profile, stream=io.StringIO())
    total = sum(entry[2] for entry in stats.stats.values())  # type: ignore[attr-defined]
    entries = sorted(stats.stats.items(), key=lambda item: -item[1][2])  # type: ignore[attr-defined]
    lines = [f"{'share':>6} {'calls':>8}  function"]
    for (path, _, function), (_, calls, own, _, _) in entries[:MAX_LINES]:
        lines.append(f"{own / total:6.1%} {calls:8}  {_place(path)}{function}")
    return "\n".join(lines)


def _place(path: str) -> str:
    """The module of a function, without the path of its package on this machine."""
    if path == "~":
        return ""
    parts = Path(path).with_suffix("").parts
    package = next((k for k, part in enumerate(parts) if part in PACKAGES), len(parts) - 1)
    return ".".join(parts[package:]) + ": "


def by_library(config: Path, name: str) -> str:
    """Samples of the whole process by library, including its startup; a remark if ``perf`` is not installed."""
    if shutil.which("perf") is None:
        return "perf is not installed: no samples by library"
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "perf.data"
        task = [sys.executable, "-m", "benchmarks.tasks", "step", str(config), "--step", name, "--rounds", "3"]
        record = ["perf", "record", "--quiet", "-F", "499", "-o", str(data), *task]
        subprocess.run(record, check=True, capture_output=True)
        report = ["perf", "report", "-i", str(data), "--sort", "dso", "--stdio", "--field-separator", ";"]
        text = subprocess.run(report, check=True, capture_output=True, text=True).stdout
    shares: Counter[str] = Counter()
    for share, library in (line.split(";")[:2] for line in text.splitlines() if ";" in line and line[0] != "#"):
        shares[library.split(" tid")[0].strip().split("-")[0]] += float(share.strip().rstrip("%"))
    return "\n".join(f"{share:5.1f} %  {library}" for library, share in shares.most_common(MAX_LINES) if share >= 0.5)


def main() -> None:
    """Print both profiles."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path)
    parser.add_argument("step", nargs="?", default="classification")
    options = parser.parse_args()
    print(by_function(options.config, options.step))
    print()
    print(by_library(options.config, options.step))


if __name__ == "__main__":
    main()
