"""Step: number of samples by class and region, and losses between polygons and samples, for one seed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd

from iota2 import layout
from iota2.compute.sampling import BOTH
from iota2.core.graph import JobContext, Step, optional
from iota2.core.losses import LEARNING, RESERVED, SAMPLES, USABLE, VALIDATION, Amount, ClassLosses, losses_csv
from iota2.core.tables import CODE, FUSION, LEARN, ORIGIN, UNUSED, seed_column
from iota2.core.tables import VALIDATION as VALIDATION_SIDE
from iota2.errors import InputError
from iota2.io.files.atomic import write_text
from iota2.io.tables import segment_labels
from iota2.io.tables.classes import read_classes
from iota2.io.tables.polygon_losses import read_class_losses
from iota2.io.tables.rates import Rate, borrows, read_rates
from iota2.io.tables.samples import read_columns
from iota2.io.tables.segment_labels import read_segment_labels
from iota2.io.tables.vectors import read_vector


def run(job: JobContext) -> None:
    """Count the samples by class and region, and the losses between polygons and samples.

    InputError if no region of a run on segments has samples; without samples in one of them, the others are mapped.
    """
    counts: dict[str, pd.Series] = {}
    for key, path in job.inp.each("samples"):
        codes, found = np.unique(read_columns(path, [CODE], int), return_counts=True)
        counts[key.model] = pd.Series(found, index=codes)
    if "segments" in job.inp and not any(len(found) for found in counts.values()):
        raise InputError(
            f"Seed {job.key.seed}: no region has a segment to learn from, which has a class in learning polygons, and "
            "no pixel of validation polygons. Draw more polygons, or use other segments: they may be too large, or not "
            "at the polygons."
        )
    table = pd.DataFrame(counts).fillna(0).astype(int).sort_index()
    table.insert(0, "all", table.sum(axis=1))
    table.columns = [c if c == "all" else f"region_{c}" for c in table.columns]
    write_text(job.out.statistics, table.to_csv(index_label="class"))
    write_text(job.out.losses, losses_csv(_fates(job, counts)))


def _fates(job: JobContext, counts: Mapping[str, pd.Series]) -> list[ClassLosses]:
    """Losses of the polygons of each class, for this seed. ``counts``: samples by class code of each model.

    Samples that a model borrows from others of its region are those of the others.
    """
    classes = read_classes(job.inp.classes)
    losses_before_split = read_class_losses(job.inp.losses)
    polygons = polygon_pixels(read_vector(job.inp.reference), job.inp.all("pixels").values())
    by_model = {key.model: read_rates(path) for key, path in job.inp.each("rates")}
    own = {name: rates for name, rates in by_model.items() if not borrows(rates)}
    samples = sum((Counter(counts[name].to_dict()) for name in own), Counter[int]())
    segments = read_segment_labels(job.inp.segments) if "segments" in job.inp else None
    fates = []
    for code, label in zip(classes.codes, classes.labels, strict=True):
        amounts = losses_before_split.get(code, {}) | polygon_amounts(code, polygons, job.key.seed)
        selected = selection_amounts(code, own.values(), samples[code])
        if segments is None:
            amounts |= {what: Amount(pixels=count) for what, count in selected.items()}
        else:
            amounts |= {what: Amount(samples=count) for what, count in selected.items()}
            amounts |= {what: Amount(segments=count) for what, count in unused_segments(code, segments).items()}
        fates.append(ClassLosses(code, str(label), amounts, of_segments=segments is not None))
    return fates


def polygon_pixels(reference: gpd.GeoDataFrame, tables: Iterable[Path]) -> pd.DataFrame:
    """Polygons that are used, with their numbers of pixels over all tiles."""
    found = pd.concat([pd.read_csv(path) for path in tables]).groupby(ORIGIN)["pixels"].sum()
    used = pd.DataFrame(reference.drop(columns=reference.geometry.name))
    used = used[used[seed_column(0)] != UNUSED]
    return used.assign(pixels=used[ORIGIN].map(found).fillna(0).astype(int))


def polygon_amounts(code: int, polygons: pd.DataFrame, seed: int) -> dict[str, Amount]:
    """Polygons and pixels of one class at each stage from usable polygons to the split of one seed."""
    own = polygons[polygons[CODE] == code]
    side = own[seed_column(seed)]
    return {
        "no_pixel": Amount(int((own["pixels"] == 0).sum())),
        USABLE: _amount(own),
        RESERVED: _amount(own[side == FUSION]),
        VALIDATION: _amount(own[side.isin([VALIDATION_SIDE, BOTH])]),
        LEARNING: _amount(own[side.isin([LEARN, BOTH])]),
    }


def selection_amounts(code: int, rates: Iterable[Mapping[int, Rate]], samples: int) -> dict[str, int]:
    """Samples of one class, and those that were lost by the selection or without features."""
    of_class = [found[code] for found in rates if code in found]
    requested = sum(rate.wanted for rate in of_class)
    left_out = sum(rate.left_out for rate in of_class)
    available = sum(rate.available for rate in of_class)
    return {
        "selection": available - requested - left_out,
        "max_samples": left_out,
        "no_clear_date": requested - samples,
        SAMPLES: samples,
    }


def unused_segments(code: int, labels: pd.DataFrame) -> dict[str, int]:
    """Segments with learning pixels mostly of one class that do not learn, by reason."""
    own = labels[(labels[segment_labels.SIDE] == LEARN) & (labels[segment_labels.CODE] == code)]
    reasons = {"both_sides": segment_labels.BOTH_SIDES, "no_majority": segment_labels.NO_MAJORITY}
    return {what: int((own[segment_labels.REASON] == reason).sum()) for what, reason in reasons.items()}


def _amount(polygons: pd.DataFrame) -> Amount:
    """Number of polygons that have pixels, and their pixels."""
    return Amount(int((polygons["pixels"] > 0).sum()), int(polygons["pixels"].sum()))


STEP = Step(
    name="classStatistics",
    group="sampling",
    about="Count the samples and losses of each class and region.",
    task="class_statistics_seed_{seed}",
    run=run,
    over=("seed",),
    needs={
        "samples": layout.MODEL_SAMPLES,
        "rates": layout.RATES,
        "pixels": layout.POLYGON_PIXELS,
        "reference": layout.REFERENCE,
        "losses": layout.REFERENCE_LOSSES,
        "classes": layout.CODES,
        "segments": optional(layout.SEGMENT_LABELS),
    },
    makes={"statistics": layout.CLASS_STATISTICS, "losses": layout.LOSSES},
    version=3,
)
