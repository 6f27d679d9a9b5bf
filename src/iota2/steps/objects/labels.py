"""Step: classes of the segments with labelled pixels, for one seed."""

from __future__ import annotations

import logging

import numpy as np
import pandas as pd

from iota2 import layout
from iota2.compute.sampling import BOTH
from iota2.compute.segments import majority_labels
from iota2.core.graph import JobContext, Step
from iota2.core.losses import NO_SEGMENT_REMEDY
from iota2.core.tables import LEARN, VALIDATION
from iota2.errors import InputError
from iota2.io.tables.segment_labels import (
    BOTH_SIDES,
    CODE,
    LABELLED,
    NO_MAJORITY,
    NUMBER,
    POLYGON,
    REASON,
    SEGMENT,
    SHARE,
    SIDE,
    TILE,
    write_segment_labels,
)
from iota2.io.tables.segments import Segments
from iota2.steps.labelled_parts import SegmentParts, labelled_parts

log = logging.getLogger(__name__)

LEAST_SHARE = 0.5
"""Smallest share of the labelled pixels of a segment that its class has."""


def run(job: JobContext) -> None:
    """Give each segment the class of most of its labelled pixels, on each side of the split.

    A segment with pixels in learning and in validation polygons does not learn. A segment without a class of at least
    ``LEAST_SHARE`` of its labelled pixels, or with two of them, is not used. InputError if no segment learns.
    """
    parts = labelled_parts(job.inp, job.key.seed)
    learning, validation = (_labels_of_side(parts, side) for side in (LEARN, VALIDATION))
    if not (learning[REASON] == "").any():
        raise InputError(f"Seed {job.key.seed}: there is no segment to learn from. {NO_SEGMENT_REMEDY}")
    table = pd.concat([learning, validation], ignore_index=True)
    for key, path in job.inp.each("tables"):
        own = table[TILE] == key.tile
        table.loc[own, SEGMENT] = Segments.read(path).identifier[table.loc[own, NUMBER] - 1].astype(str)
    write_segment_labels(table, job.out.labels)


def _labels_of_side(parts: SegmentParts, side: str) -> pd.DataFrame:
    """The segments with pixels on a side of the split, with their class, or the reason why they are not used."""
    own = np.isin(parts.side, [side, BOTH])
    labels = majority_labels(parts.segment[own], parts.polygon[own], parts.code[own], parts.pixels[own])
    learns, validates = (np.isin(labels.identifier, parts.segment[parts.side == one]) for one in (LEARN, VALIDATION))
    both = learns & validates & (side == LEARN)
    no_majority = (labels.code == 0) | (labels.share < LEAST_SHARE)
    table = parts.places.loc[labels.identifier].reset_index(drop=True)
    table[SIDE], table[CODE], table[POLYGON] = side, labels.code, labels.polygon
    table[LABELLED], table[SHARE] = labels.labelled, labels.share
    table[REASON] = np.where(both, BOTH_SIDES, np.where(no_majority, NO_MAJORITY, ""))
    for reason in (BOTH_SIDES, NO_MAJORITY):
        if count := int((table[REASON] == reason).sum()):
            log.warning("%s: %d of %d segments are not used: %s", side, count, len(table), reason)
    return table


STEP = Step(
    name="segmentLabels",
    group="sampling",
    about="Find the class of each segment with labelled pixels.",
    task="segment_labels_seed_{seed}",
    run=run,
    over=("seed",),
    needs={
        "tables": layout.SEGMENT_TABLE,
        "shared": layout.SHARED_SEGMENTS,
        "parts": layout.LABELLED_PARTS,
        "reference": layout.REFERENCE,
    },
    makes={"labels": layout.SEGMENT_LABELS},
)
