"""How the dates of a tile lie, found by comparison with a reference image, as a CSV file."""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from iota2.compute.registration import Translation
from iota2.core.remarks import Remark
from iota2.core.words import counted, some

COLUMNS = ("sensor", "date", "right", "down", "state", "windows", "compared", "spread", "before", "after", "about")


@dataclass(frozen=True)
class Alignment:
    """How one date was found to lie, and what is made of it."""

    found: Translation
    """From the reference image; in a cascade, from the date ``about`` names."""
    right: float = 0.0
    down: float = 0.0
    """Pixels by which its images are moved back while they are read."""
    about: str = ""
    """Where this comes from, or why it is not known how the date lies."""
    known: bool = True
    """Whether it is; a date of which it is not is read as it lies."""

    @property
    def moved(self) -> bool:
        """Whether its images are moved at all."""
        return (self.right, self.down) != (0.0, 0.0)

    @property
    def state(self) -> str:
        """In a word: ``near`` is too near to be moved."""
        return "moved" if self.moved else "near" if self.known else "unknown"


def alignments_csv(aligned: Mapping[str, Mapping[str, Alignment]]) -> str:
    """A line for each date; numbers that are not known are empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for sensor, dates in aligned.items():
        for key, one in dates.items():
            found = one.found
            measures = (_text(value) for value in (found.spread, found.before, found.after))
            place = (f"{one.right:.3f}", f"{one.down:.3f}", one.state)
            writer.writerow([sensor, key, *place, found.windows, found.compared, *measures, one.about])
    return text.getvalue()


def read_alignments(path: Path) -> dict[tuple[str, str], Alignment]:
    """The dates by sensor and key, as ``alignments_csv`` wrote them; of what was found, the measures."""
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return {
        (row["sensor"], row["date"]): Alignment(
            Translation(
                windows=int(row["windows"]),
                compared=int(row["compared"]),
                spread=_number(row["spread"]),
                before=_number(row["before"]),
                after=_number(row["after"]),
            ),
            float(row["right"]),
            float(row["down"]),
            row["about"],
            known=row["state"] != "unknown",
        )
        for row in rows
    }


def unaligned(path: Path, tile: str) -> Iterator[Remark]:
    """Remarks on the dates of a tile whose displacement is unknown."""
    by_sensor: dict[str, list[str]] = {}
    aligned = read_alignments(path)
    counts = Counter(sensor for sensor, _ in aligned)
    for (sensor, key), one in aligned.items():
        if not one.known:
            by_sensor.setdefault(sensor, []).append(key)
    for sensor, keys in by_sensor.items():
        text = (
            f"{sensor}, tile {tile}: {len(keys)} of {counted(counts[sensor], 'date')} could not be aligned with the "
            f"reference image and are read unshifted: {some(keys)} ({path.name} says why)."
        )
        yield Remark(text, "alignment", tile, sensor)


def _text(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.3f}"


def _number(text: str) -> float:
    return float(text) if text else math.nan
