"""CSV file with the number of validation pixels by polygon, class in the map and confidence."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from iota2.core.tables import ORIGIN, ConfidenceCounts

COLUMNS = (ORIGIN, "reference", "produced", "confidence", "pixels")


def confidence_counts_csv(counts: ConfidenceCounts) -> str:
    """CSV text of the counts."""
    columns = (counts.polygon, counts.reference, counts.produced, counts.confidence, counts.pixels)
    rows = (",".join(map(str, row)) for row in np.stack(columns, axis=1).tolist())
    return "\n".join([",".join(COLUMNS), *rows]) + "\n"


def read_confidence_counts(path: Path) -> ConfidenceCounts:
    """The counts from a file of ``confidence_counts_csv``; ValueError, with its name, for another file."""
    head, *lines = path.read_text(encoding="utf-8").splitlines() or [""]
    try:
        if tuple(head.split(",")) != COLUMNS:
            raise ValueError(f"expected the columns {', '.join(COLUMNS)}, found {head!r}")
        rows = np.array([line.split(",") for line in lines], dtype=np.int64).reshape(-1, len(COLUMNS))
    except ValueError as err:
        raise ValueError(f"{path} is not a table of confidences: {err}") from err
    return ConfidenceCounts(*rows.T)
