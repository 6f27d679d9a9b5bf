"""CSV file with the estimated shifts of the dates of a tile from the reference image of the co-registration."""

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
    """Estimated shift of one date, and the shift that is corrected."""

    found: Translation
    """Estimated shift from the reference image; in a cascade, from the date that ``about`` names."""
    right: float = 0.0
    """Shift to the right in pixels that is corrected when the images are read."""
    down: float = 0.0
    """Shift down in pixels that is corrected when the images are read."""
    about: str = ""
    """Origin of the estimate, or the reason why there is none."""
    known: bool = True
    """Whether the shift is known; else the images are read without correction."""

    @property
    def moved(self) -> bool:
        """Whether the shift of the images is corrected."""
        return (self.right, self.down) != (0.0, 0.0)

    @property
    def state(self) -> str:
        """``moved``, ``near`` (the shift is too small to be corrected) or ``unknown``."""
        return "moved" if self.moved else "near" if self.known else "unknown"


def alignments_csv(aligned: Mapping[str, Mapping[str, Alignment]]) -> str:
    """CSV text with a line for each date, by sensor and date key; unknown numbers are empty."""
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
    """The alignments from a file of ``alignments_csv``, by sensor and date key.

    The file does not contain the estimated translation itself: ``found`` has only its quality measures.
    """
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


def unaligned_remarks(path: Path, tile: str) -> Iterator[Remark]:
    """Remarks on the dates of a tile with an unknown shift."""
    by_sensor: dict[str, list[str]] = {}
    aligned = read_alignments(path)
    counts = Counter(sensor for sensor, _ in aligned)
    for (sensor, key), one in aligned.items():
        if not one.known:
            by_sensor.setdefault(sensor, []).append(key)
    for sensor, keys in by_sensor.items():
        text = (
            f"{sensor}, tile {tile}: {len(keys)} of {counted(counts[sensor], 'date')} could not be aligned with the "
            f"reference image and are read without correction: {some(keys)}. See the reasons in {path.name}."
        )
        yield Remark(text, "alignment", tile, sensor)


def _text(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.3f}"


def _number(text: str) -> float:
    return float(text) if text else math.nan
