"""Learning pixels that are not in usable segments of their class, in runs on segments."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from iota2.compute.sampling import BOTH
from iota2.core.losses import Amount
from iota2.core.tables import LEARN
from iota2.io.tables.segment_labels import BOTH_SIDES, CODE, NO_MAJORITY, NUMBER, REASON, SIDE, TILE
from iota2.steps.labelled_parts import SegmentParts

_REASONS = {BOTH_SIDES: "both_sides", NO_MAJORITY: "no_majority"}
"""Reasons in the table of labels, as in ``core.losses.REASONS``."""
_SEGMENT, _PIXELS = "segment", "pixels"


def losses_before_selection(
    parts: SegmentParts, labels: pd.DataFrame, learning: Mapping[int, int]
) -> dict[int, dict[str, Amount]]:
    """Learning pixels that no sample can contain, and the segments that contain them, by class code and reason.

    ``labels``: table of ``read_segment_labels`` for the same seed. ``learning``: learning pixels by class code; those
    that are not in ``parts`` are outside all segments. A segment with pixels of several classes counts in each.
    """
    table = _learning_parts(parts, labels)
    return {code: _losses(table[table[CODE] == code], count) for code, count in learning.items()}


def _learning_parts(parts: SegmentParts, labels: pd.DataFrame) -> pd.DataFrame:
    """Class, segment, pixels, and reason of the loss, empty without one, of each part in a learning polygon."""
    own = np.isin(parts.side, [LEARN, BOTH])
    sides = labels.loc[labels[SIDE] == LEARN, [TILE, NUMBER, CODE, REASON]]
    segments = parts.places[[TILE, NUMBER]].merge(sides, on=[TILE, NUMBER], how="left").iloc[parts.segment[own]]
    table = pd.DataFrame({CODE: parts.code[own], _SEGMENT: parts.segment[own], _PIXELS: parts.pixels[own]})
    other = np.where(segments[CODE] == table[CODE].to_numpy(), "", "other_class")
    return table.assign(**{REASON: np.where(segments[REASON] == "", other, segments[REASON].map(_REASONS))})


def _losses(of_class: pd.DataFrame, learning: int) -> dict[str, Amount]:
    """Losses of one class by reason, from its parts and its number of learning pixels."""
    lost = {"no_segment": Amount(pixels=learning - int(of_class[_PIXELS].sum()))}
    for reason, rows in of_class[of_class[REASON] != ""].groupby(REASON):
        lost[str(reason)] = Amount(pixels=int(rows[_PIXELS].sum()), segments=rows[_SEGMENT].nunique())
    return lost
