"""CSV file with the number of validation pixels of each polygon."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from iota2.core.tables import ORIGIN, PolygonCounts

COLUMNS = (ORIGIN, "reference", "produced", "edge", "pixels", "distance")


def polygon_counts_csv(counts: PolygonCounts) -> str:
    """CSV text of the counts; ``distance`` is empty for a polygon without any learning polygon to measure from."""
    lines = [",".join(COLUMNS)]
    whole = (counts.polygon, counts.reference, counts.produced, counts.edge.astype(np.int64), counts.pixels)
    for *numbers, distance in zip(*(values.tolist() for values in (*whole, counts.distance)), strict=True):
        lines.append(",".join(map(str, numbers)) + f",{'' if math.isinf(distance) else f'{distance:.3f}'}")
    return "\n".join(lines) + "\n"


def parse_polygon_counts_csv(text: str, source: str) -> PolygonCounts:
    """The counts from the text of ``polygon_counts_csv``; ValueError, with the name ``source``, for another text."""
    head, *lines = text.splitlines() or [""]
    try:
        if tuple(head.split(",")) != COLUMNS:
            raise ValueError(f"expected the columns {', '.join(COLUMNS)}, found {head!r}")
        cells = [line.split(",") for line in lines]
        numbers = np.array([[int(cell) for cell in row[:5]] for row in cells], dtype=np.int64).reshape(-1, 5)
        distance = np.array([float(row[5]) if row[5] else math.inf for row in cells], dtype=np.float64)
    except (ValueError, IndexError) as err:
        raise ValueError(f"{source} is not a table of validation pixels: {err}") from err
    polygon, reference, produced, edge, pixels = numbers.T
    return PolygonCounts(polygon, reference, produced, edge > 0, pixels, distance)


def read_polygon_counts(path: Path) -> PolygonCounts:
    """The counts from a file of ``polygon_counts_csv``."""
    return parse_polygon_counts_csv(path.read_text(encoding="utf-8"), str(path))
