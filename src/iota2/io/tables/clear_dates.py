"""CSV file with the clear share of each date of a tile."""

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
class DateCoverage:
    """Numbers of pixels of a tile's working grid on one date."""

    inside: int
    """Pixels inside the image, to which no edge mask applies."""
    clear: int
    """Pixels inside the image to which no mask applies."""

    @property
    def clear_share(self) -> float | None:
        """Share (0 to 1) of clear pixels inside the image; None when the image does not overlap the tile."""
        return self.clear / self.inside if self.inside else None


def clear_dates_csv(scene: Scene, seen: Mapping[str, np.ndarray]) -> str:
    """A line for each day of each sensor; ``seen`` by sensor: (day, 2) numbers of inside and of clear pixels."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for sensor in scene.series:
        for day, (inside, clear) in zip(sensor.by_day, seen[sensor.spec.name], strict=True):
            view = DateCoverage(int(inside), int(clear))
            part = "" if view.clear_share is None else f"{view.clear_share:.4f}"
            writer.writerow([sensor.spec.name, f"{day:%Y%m%d}", view.inside, view.clear, part])
    return text.getvalue()


def read_clear_dates(path: Path) -> dict[tuple[str, str], DateCoverage]:
    """The content of a file of ``clear_dates_csv``, by sensor and date (``YYYYMMDD``)."""
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return {(row["sensor"], row["date"]): DateCoverage(int(row["inside"]), int(row["clear"])) for row in rows}
