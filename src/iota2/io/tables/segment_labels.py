"""CSV file with the labels of segments that have labelled pixels, for one seed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from iota2.core.tables import REGION
from iota2.errors import InputError
from iota2.io.files.atomic import write_text

TILE, NUMBER, SIDE, CODE, POLYGON, LABELLED, SHARE, REASON = (
    "tile",
    "number",
    "side",
    "code",
    "polygon",
    "labelled",
    "share",
    "reason",
)
COLUMNS = (TILE, NUMBER, REGION, SIDE, CODE, POLYGON, LABELLED, SHARE, REASON)
"""Columns: home tile of the segment, and its number there; position of its region among
the regions by priority; side of the split; class; polygon of the class with most of the pixels; labelled pixels of the
side; share of the class among them; and why the segment is not used, empty if it is."""
SEGMENT = "segment"
"""An additional column for the user, which is not read again: identifier of the segment, such as that in the user's
file."""
BOTH_SIDES, NO_MAJORITY = "learning and validation", "no majority"
"""Reasons: the segment has pixels in learning and in validation polygons, or no class has half of its labelled
pixels."""


def write_segment_labels(table: pd.DataFrame, path: Path) -> None:
    """Write a table with the ``COLUMNS`` and, if it has it, ``SEGMENT``."""
    columns = [name for name in (SEGMENT, *COLUMNS) if name != SEGMENT or SEGMENT in table]
    write_text(path, table[columns].to_csv(index=False, float_format="%.6g"))


def read_segment_labels(path: Path) -> pd.DataFrame:
    """The table that ``write_segment_labels`` wrote; InputError for another file."""
    whole = dict.fromkeys((NUMBER, REGION, CODE, POLYGON, LABELLED), np.int64)
    try:
        table = pd.read_csv(path, dtype={**whole, TILE: str, SIDE: str, REASON: str}, keep_default_na=False)
        return table[list(COLUMNS)]
    except (KeyError, ValueError, OSError) as err:
        raise InputError(f"{path}: cannot be read as labels of segments ({err}). Run the step again") from err
