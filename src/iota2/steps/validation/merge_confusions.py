"""Step: sum of the validation pixels of all tiles, for each seed."""

from __future__ import annotations

from functools import reduce
from operator import add

import geopandas as gpd

from iota2 import layout
from iota2.compute.map_reliability import sum_confidences
from iota2.compute.neighbours import nearest_learning_distances
from iota2.compute.sampling import BOTH
from iota2.compute.validation import sum_counts, with_distances
from iota2.core.graph import JobContext, Step
from iota2.core.tables import CODE, LEARN, ORIGIN, VALIDATION, seed_column
from iota2.io.files.atomic import write_text
from iota2.io.files.crs import units_per_metre
from iota2.io.tables.confidence_counts import confidence_counts_csv, read_confidence_counts
from iota2.io.tables.confusions import confusion_csv, read_confusion
from iota2.io.tables.polygon_counts import polygon_counts_csv, read_polygon_counts
from iota2.io.tables.vectors import read_vector
from iota2.report.results.text import classification_results


def run(job: JobContext) -> None:
    """Write the confusion matrix, the measures and the validation pixels by polygon and confidence, for each seed."""
    reference = read_vector(job.inp.reference)
    for output, path in job.out.each("confusion"):
        seed = output.seed
        total = reduce(add, (read_confusion(p) for key, p in job.inp.each("tiles") if key.seed == seed))
        write_text(path, confusion_csv(total))
        write_text(job.out.at("results", seed=seed), classification_results(total))
        counts = sum_counts(read_polygon_counts(p) for key, p in job.inp.each("polygons") if key.seed == seed)
        counts = with_distances(counts, distances_to_learning(reference, seed))
        write_text(job.out.at("validation", seed=seed), polygon_counts_csv(counts))
        tables = (read_confidence_counts(p) for key, p in job.inp.each("confidences") if key.seed == seed)
        write_text(job.out.at("confidences", seed=seed), confidence_counts_csv(sum_confidences(tables)))


def distances_to_learning(reference: gpd.GeoDataFrame, seed: int) -> dict[int, float]:
    """Distance in metres from each validation polygon of a seed to the nearest learning polygon of its class.

    Keys are rows of the reference data. Polygons of a class without learning polygons are omitted.
    """
    side, origin = reference[seed_column(seed)], reference[ORIGIN].to_numpy()
    found = nearest_learning_distances(
        reference.geometry.to_numpy(),
        reference[CODE].to_numpy(),
        side.isin([LEARN, BOTH]).to_numpy(),
        side.isin([VALIDATION, BOTH]).to_numpy(),
    )
    units = units_per_metre(reference.crs, float(reference.total_bounds[[1, 3]].mean()))
    return {int(origin[k]): distance / units for k, distance in found.items()}


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
    version=3,
)
