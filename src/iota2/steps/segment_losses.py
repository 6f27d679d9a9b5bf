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


def losses_before_selection(
    parts: SegmentParts, labels: pd.DataFrame, learning: Mapping[int, int]
) -> dict[int, dict[str, Amount]]:
    """Learning pixels that no sample can contain, and the segments that contain them, by class code and reason.

    ``labels``: table of ``read_segment_labels`` for the same seed. ``learning``: learning pixels by class code; those
    that are not in ``parts`` are outside all segments. A segment with pixels of several classes counts in each.
    """
    own = np.isin(parts.side, [LEARN, BOTH])
    sides = labels.loc[labels[SIDE] == LEARN, [TILE, NUMBER, CODE, REASON]]
    segments = parts.places[[TILE, NUMBER]].merge(sides, on=[TILE, NUMBER], how="left").iloc[parts.segment[own]]
    table = pd.DataFrame({"code": parts.code[own], "segment": parts.segment[own], "pixels": parts.pixels[own]})
    other = np.where(segments[CODE] == table["code"].to_numpy(), "", "other_class")
    table["reason"] = np.where(segments[REASON] == "", other, segments[REASON].map(_REASONS))
    found: dict[int, dict[str, Amount]] = {}
    for code, count in learning.items():
        of_class = table[table["code"] == code]
        lost = {"no_segment": Amount(pixels=count - int(of_class["pixels"].sum()))}
        for reason, rows in of_class[of_class["reason"] != ""].groupby("reason"):
            lost[str(reason)] = Amount(pixels=int(rows["pixels"].sum()), segments=rows["segment"].nunique())
        found[code] = lost
    return found
