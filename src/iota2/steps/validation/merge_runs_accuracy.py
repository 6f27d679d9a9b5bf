"""Step: sum of the pixels of all tiles that validate the fusion of runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd

from iota2 import layout
from iota2.compute.accuracy import scores
from iota2.compute.run_fusion import split_undecided
from iota2.compute.sampling import BOTH
from iota2.compute.validation import confusion_of, sum_counts, with_distances
from iota2.config.options.schema import Config
from iota2.core.graph import JobContext, Step
from iota2.core.tables import FUSION, LEARN, UNUSED, PolygonCounts, seed_columns
from iota2.io.files.atomic import replacing, write_text
from iota2.io.tables.classes import read_classes
from iota2.io.tables.confusions import confusion_csv
from iota2.io.tables.polygon_counts import polygon_counts_csv, read_polygon_counts
from iota2.io.tables.vectors import read_vector
from iota2.steps.drawing import figures_module
from iota2.steps.fused_runs import undecided_by_user_name
from iota2.steps.learning_distances import metres_to_learning


@dataclass(frozen=True)
class MergeRunsAccuracyParams:
    """Label of undecided pixels; None if the method decides all."""

    undecided: int | None

    def by_user_name(self) -> Mapping[str, object]:
        """The parameters by option name of the configuration."""
        return undecided_by_user_name(self.undecided)


def params(config: Config) -> MergeRunsAccuracyParams:
    """The label of undecided pixels."""
    return MergeRunsAccuracyParams(config.multi_run_fusion.undecided_label)


def run(job: JobContext[MergeRunsAccuracyParams]) -> None:
    """Write the counts of the fusion and of each run, and the confusion matrix of the fusion with its figure."""
    classes = read_classes(job.inp.classes)
    metres = distances_to_learning(read_vector(job.inp.reference))
    fused = _sum(job.inp.all("fusion").values(), metres)
    write_text(job.out.fusion, polygon_counts_csv(fused))
    for key, path in job.out.each("runs"):
        tables = [table for tile, table in job.inp.each("runs") if tile.seed == key.seed]
        write_text(path, polygon_counts_csv(_sum(tables, metres)))
    decided, _ = split_undecided(fused, classes.codes, job.params.undecided)
    confusion = confusion_of(decided, classes.codes)
    write_text(job.out.confusion, confusion_csv(confusion))
    with replacing(job.out.figure) as part:
        figures_module().confusion_figure(confusion, scores(confusion), classes, part)


def _sum(tables: Iterable[Path], metres: dict[int, float]) -> PolygonCounts:
    """Sum of the counts of all tiles, with distances."""
    return with_distances(sum_counts(read_polygon_counts(path) for path in tables), metres)


def distances_to_learning(reference: gpd.GeoDataFrame) -> dict[int, float]:
    """Distance in metres from each polygon that validates the fusion to the nearest learning polygon of its class.

    A polygon learns if it does for any seed. Without reserved polygons, all polygons validate the fusion. Keys are rows
    of the reference data; polygons of a class without learning polygons are omitted.
    """
    sides = reference[seed_columns(reference.columns)]
    learns = sides.isin([LEARN, BOTH]).any(axis=1).to_numpy()
    reserved, unused = (sides.eq(side).any(axis=1).to_numpy() for side in (FUSION, UNUSED))
    validates = reserved if reserved.any() else ~unused
    return metres_to_learning(reference, learns, validates)


STEP = Step(
    name="mergeRunsAccuracy",
    group="validation",
    about="Measure the accuracy of the fusion of the runs.",
    task="merge_runs_accuracy",
    run=run,
    over=(),
    needs={
        "fusion": layout.TILE_MERGED_VALIDATION,
        "runs": layout.TILE_RUN_VALIDATION,
        "reference": layout.REFERENCE,
        "classes": layout.CLASSES,
    },
    makes={
        "fusion": layout.MERGED_VALIDATION,
        "runs": layout.RUN_VALIDATION,
        "confusion": layout.MERGED_CONFUSION,
        "figure": layout.MERGED_CONFUSION_FIGURE,
    },
    params=params,
    version=2,
    when=layout.with_merged_runs,
)
