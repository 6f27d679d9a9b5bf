"""Measured figures, a description of the machine, and the JSON file that contains both."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import rasterio

LATEST = Path(__file__).parent / "results" / "latest.json"
LIBRARIES = ("iota2", "numpy", "numba", "scikit-learn", "rasterio", "scipy")
PER_PIXEL = "µs per pixel and core"


@dataclass(frozen=True)
class Figure:
    """One measured figure: median and quartiles of some rounds."""

    group: str
    name: str
    unit: str
    median: float
    quartiles: tuple[float, float]
    rounds: int
    megapixels: float | None = None
    """Size of the tile, millions of pixels."""
    cores: int = 1
    reference: str | None = None
    """Name of a figure of the same group and tile to compare with."""
    memory: int | None = None
    """Peak memory of the process, MiB."""
    note: str = ""


@dataclass
class Figures:
    """The figures of a run, in the order in which they were measured."""

    entries: list[Figure] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    processor_time: bool = False
    """Seconds are processor time instead of wall-clock time."""

    def add(
        self,
        group: str,
        name: str,
        seconds: Sequence[float],
        *,
        pixels: float | None = None,
        cores: int = 1,
        **more: Any,
    ) -> Figure:
        """Add the seconds of some rounds; if ``pixels`` is given, converted to µs per pixel and core."""
        scale = 1e6 * cores / pixels if pixels else 1.0
        first, median, third = np.percentile(np.asarray(seconds) * scale, (25, 50, 75))
        unit = PER_PIXEL if pixels else "s"
        quartiles = (_rounded(first), _rounded(third))
        figure = Figure(group, name, unit, _rounded(median), quartiles, len(seconds), cores=cores, **more)
        self.entries.append(figure)
        return figure

    def to_json(self) -> dict[str, Any]:
        """The figures with machine, versions and remarks; without host names and folders."""
        return {
            "date": datetime.now(UTC).strftime("%Y-%m-%d"),
            "machine": machine(),
            "versions": versions(),
            "remarks": self.remarks,
            "figures": [asdict(figure) for figure in self.entries],
        }

    def write(self, path: Path) -> None:
        """Write the JSON file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(self.to_json(), indent=1, ensure_ascii=False)
        path.write_text(text + "\n", encoding="utf-8")


def read_results(path: Path = LATEST) -> dict[str, Any]:
    """The content of a JSON file of figures; ``figures`` is a list of ``Figure``."""
    content = json.loads(path.read_text(encoding="utf-8"))
    figures = [Figure(**{**item, "quartiles": tuple(item["quartiles"])}) for item in content["figures"]]
    return {**content, "figures": figures}


def machine() -> dict[str, str]:
    """Processor, cores, caches, memory, system."""
    caches = [f"L{level} {size}" for level, size in _caches().items()]
    return {
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "caches of a core": ", ".join(caches) or "unknown",
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "system": platform.system(),
    }


def versions() -> dict[str, str]:
    """Versions of Python and of the libraries that affect speed."""
    return {
        "Python": platform.python_version(),
        **{name: version(name) for name in LIBRARIES},
        "GDAL": rasterio.__gdal_version__,
    }


def _processor() -> str:
    """Name, family and model of the processor: names alone can be vague on virtual machines."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    found = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    return f"{found.get('model name', 'unknown')}, family {found.get('cpu family')}, model {found.get('model')}"


def _caches() -> dict[str, str]:
    """Size of the data caches of the first core, by level."""
    folders = sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*"))
    caches = [{name: (folder / name).read_text().strip() for name in ("level", "type", "size")} for folder in folders]
    return {cache["level"]: cache["size"] for cache in caches if cache["type"] != "Instruction"}


def _rounded(value: float) -> float:
    """A number with four significant digits."""
    return float(f"{value:.4g}")
