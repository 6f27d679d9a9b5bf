"""Step: classes of the segments with labelled pixels, for one seed."""

from __future__ import annotations

import logging

import numpy as np
import pandas as pd

from iota2 import layout
from iota2.compute.sampling import BOTH
from iota2.compute.segments import majority_labels
from iota2.core.graph import JobContext, Step
from iota2.core.tables import LEARN, VALIDATION
from iota2.io.tables.segment_labels import (
    BOTH_SIDES,
    CODE,
    LABELLED,
    MIXED,
    POLYGON,
    REASON,
    SHARE,
    SIDE,
    write_segment_labels,
)
from iota2.steps.labelled_parts import labelled_parts

log = logging.getLogger(__name__)

LEAST_SHARE = 0.5
"""Smallest share of the labelled pixels of a segment that its class has."""


def run(job: JobContext) -> None:
    """Give each segment the class of most of its labelled pixels, on each side of the split.

    A segment with pixels in learning and in validation polygons does not learn. A segment without a class of at least
    ``LEAST_SHARE`` of its labelled pixels, or with two of them, is not used.
    """
    parts = labelled_parts(job.inp, job.key.seed)
    met = {side: np.zeros(parts.size, bool) for side in (LEARN, VALIDATION)}
    for side, found in met.items():
        found[:] = np.isin(parts.segment, parts.segment[parts.side == side])
    rows = []
    for side in (LEARN, VALIDATION):
        own = np.isin(parts.side, [side, BOTH])
        labels = majority_labels(parts.segment[own], parts.polygon[own], parts.code[own], parts.pixels[own])
        table = pd.DataFrame(
            {
                SIDE: side,
                CODE: labels.code,
                POLYGON: labels.polygon,
                LABELLED: labels.labelled,
                SHARE: labels.share,
            }
        )
        both = np.isin(labels.identifier, parts.segment[met[LEARN] & met[VALIDATION]]) & (side == LEARN)
        mixed = (labels.code == 0) | (labels.share < LEAST_SHARE)
        table[REASON] = np.where(both, BOTH_SIDES, np.where(mixed, MIXED, ""))
        rows.append(pd.concat([parts.places.loc[labels.identifier].reset_index(drop=True), table], axis=1))
        for reason in (BOTH_SIDES, MIXED):
            if count := int((table[REASON] == reason).sum()):
                log.warning("%s: %d of %d segments are not used: %s", side, count, len(table), reason)
    write_segment_labels(pd.concat(rows, ignore_index=True), job.out.labels)


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
