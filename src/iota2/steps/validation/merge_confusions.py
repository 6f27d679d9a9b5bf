"""Step: sum of the validation pixels of all tiles, for each seed."""

from __future__ import annotations

from functools import reduce
from operator import add

from iota2 import layout
from iota2.compute.map_reliability import sum_confidences
from iota2.compute.validation import sum_counts, with_distances
from iota2.core.graph import JobContext, Step
from iota2.io.files.atomic import write_text
from iota2.io.tables.confidence_counts import confidence_counts_csv, read_confidence_counts
from iota2.io.tables.confusions import confusion_csv, read_confusion
from iota2.io.tables.polygon_counts import polygon_counts_csv, read_polygon_counts
from iota2.io.tables.vectors import read_vector
from iota2.report.results.text import classification_results
from iota2.steps.learning_distances import distances_of_seed


def run(job: JobContext) -> None:
    """Write the confusion matrix, the measures and the validation pixels by polygon and confidence, for each seed."""
    reference = read_vector(job.inp.reference)
    for output, path in job.out.each("confusion"):
        seed = output.seed
        total = reduce(add, (read_confusion(p) for key, p in job.inp.each("tiles") if key.seed == seed))
        write_text(path, confusion_csv(total))
        write_text(job.out.at("results", seed=seed), classification_results(total))
        counts = sum_counts(read_polygon_counts(p) for key, p in job.inp.each("polygons") if key.seed == seed)
        counts = with_distances(counts, distances_of_seed(reference, seed))
        write_text(job.out.at("validation", seed=seed), polygon_counts_csv(counts))
        tables = (read_confidence_counts(p) for key, p in job.inp.each("confidences") if key.seed == seed)
        write_text(job.out.at("confidences", seed=seed), confidence_counts_csv(sum_confidences(tables)))


STEP = Step(
    name="confusionsMerge",
    group="validation",
    about="Add up the validation pixels of all tiles.",
    task="merge_confusions",
    run=run,
    over=(),
    needs={
        "tiles": layout.TILE_CONFUSION,
        "polygons": layout.TILE_VALIDATION,
        "confidences": layout.TILE_CONFIDENCES,
        "reference": layout.REFERENCE,
    },
    makes={
        "confusion": layout.CONFUSION,
        "results": layout.CLASSIFICATION_RESULTS,
        "validation": layout.VALIDATION,
        "confidences": layout.CONFIDENCES,
    },
    version=4,
)
