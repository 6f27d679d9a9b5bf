"""How clear each date of a tile is, as a CSV file."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from iota2.core.scene import Scene

COLUMNS = ("sensor", "date", "inside", "clear", "part")


@dataclass(frozen=True)
class DateView:
    """What one date shows of a tile, in pixels of its working grid."""

    inside: int
    """Inside the image: no edge mask applies."""
    clear: int
    """Of these, to which no mask applies."""

    @property
    def part(self) -> float | None:
        """The clear part of what is inside the image; None when the image shows nothing of the tile."""
        return self.clear / self.inside if self.inside else None


def clear_dates_csv(scene: Scene, seen: Mapping[str, np.ndarray]) -> str:
    """A line for each day of a sensor; ``seen`` by sensor: (day, 2), pixels inside its images, and the clear ones."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for sensor in scene.series:
        for day, (inside, clear) in zip(sensor.by_day, seen[sensor.spec.name], strict=True):
            view = DateView(int(inside), int(clear))
            part = "" if view.part is None else f"{view.part:.4f}"
            writer.writerow([sensor.spec.name, f"{day:%Y%m%d}", view.inside, view.clear, part])
    return text.getvalue()


def read_clear_dates(path: Path) -> dict[tuple[str, str], DateView]:
    """The days by sensor and date (``YYYYMMDD``), as ``clear_dates_csv`` wrote them."""
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return {(row["sensor"], row["date"]): DateView(int(row["inside"]), int(row["clear"])) for row in rows}
