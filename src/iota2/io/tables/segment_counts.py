"""CSV file with the number of validation segments of each polygon, by class in the classification, for one seed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from iota2.core.tables import ORIGIN, PolygonCounts
from iota2.errors import InputError
from iota2.io.files.atomic import write_text

REFERENCE, PRODUCED, SEGMENTS, PIXELS, DISTANCE = "reference", "produced", "segments", "pixels", "distance"
COLUMNS = (ORIGIN, REFERENCE, PRODUCED, SEGMENTS, PIXELS, DISTANCE)
"""``produced`` is 0 for segments that are not classified; ``pixels``: labelled pixels of the segments; ``distance``: in
metres, from the polygon to the nearest learning polygon of its class, empty without one."""


def write_segment_counts(table: pd.DataFrame, path: Path) -> None:
    """Write a table with the ``COLUMNS``."""
    write_text(path, table[list(COLUMNS)].to_csv(index=False, float_format="%.3f"))


def read_segment_counts(path: Path) -> PolygonCounts:
    """The counts from a file of ``write_segment_counts``, in segments; InputError for another file."""
    try:
        table = pd.read_csv(path, dtype=dict.fromkeys(COLUMNS[:-1], np.int64) | {DISTANCE: np.float64})[list(COLUMNS)]
    except (KeyError, ValueError, OSError) as err:
        raise InputError(f"{path}: cannot be read as counts of segments ({err}). Run the step again") from err
    polygon, reference, produced, segments = (
        table[name].to_numpy() for name in (ORIGIN, REFERENCE, PRODUCED, SEGMENTS)
    )
    distance = table[DISTANCE].fillna(np.inf).to_numpy()
    return PolygonCounts(polygon, reference, produced, np.zeros(len(table), bool), segments, distance)
