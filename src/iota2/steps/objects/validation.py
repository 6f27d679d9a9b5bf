"""Step: comparison of the classes of segments with those of their labelled pixels, for one seed."""

from __future__ import annotations

import numpy as np
import pandas as pd

from iota2 import layout
from iota2.core.graph import JobContext, Step
from iota2.core.tables import ORIGIN, VALIDATION
from iota2.io.tables import segment_labels
from iota2.io.tables.segment_counts import DISTANCE, PIXELS, PRODUCED, REFERENCE, SEGMENTS, write_segment_counts
from iota2.io.tables.segment_labels import read_segment_labels
from iota2.io.tables.segments import SegmentClasses
from iota2.io.tables.vectors import read_vector
from iota2.steps.learning_distances import distances_of_seed


def run(job: JobContext) -> None:
    """Count the segments with a class on the validation side by polygon and predicted class; each counts once."""
    labels = read_segment_labels(job.inp.labels)
    validates = (labels[segment_labels.SIDE] == VALIDATION) & (labels[segment_labels.REASON] == "")
    labels = labels[validates].reset_index(drop=True)
    produced = np.zeros(len(labels), np.int64)
    for key, path in job.inp.each("classes"):
        own = (labels[segment_labels.TILE] == key.tile).to_numpy()
        if own.any():
            rows = labels.loc[own, segment_labels.NUMBER].to_numpy() - 1
            produced[own] = SegmentClasses.read(path).label[rows]
    table = pd.DataFrame(
        {
            ORIGIN: labels[segment_labels.POLYGON],
            REFERENCE: labels[segment_labels.CODE],
            PRODUCED: produced,
            PIXELS: labels[segment_labels.LABELLED],
        }
    )
    groups = table.groupby([ORIGIN, REFERENCE, PRODUCED])[PIXELS]
    counts = pd.DataFrame({SEGMENTS: groups.size(), PIXELS: groups.sum()}).reset_index()
    metres = distances_of_seed(read_vector(job.inp.reference), job.key.seed)
    write_segment_counts(counts.assign(**{DISTANCE: counts[ORIGIN].map(metres)}), job.out.counts)


STEP = Step(
    name="segmentValidation",
    group="validation",
    about="Compare the classes of segments with the reference polygons.",
    task="segment_validation_seed_{seed}",
    run=run,
    over=("seed",),
    needs={
        "labels": layout.SEGMENT_LABELS,
        "classes": layout.SEGMENT_CLASSES,
        "reference": layout.REFERENCE,
    },
    makes={"counts": layout.SEGMENT_VALIDATION},
)
