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
from iota2.core.losses import (
    LEARNING,
    NO_SEGMENT_REMEDY,
    RESERVED,
    SELECTED,
    USABLE,
    VALIDATION,
    Amount,
    ClassLosses,
    losses_csv,
)
from iota2.core.tables import CODE, FUSION, LEARN, ORIGIN, UNUSED, seed_column
from iota2.core.tables import VALIDATION as VALIDATION_SIDE
from iota2.errors import InputError
from iota2.io.files.atomic import write_text
from iota2.io.tables.classes import read_classes
from iota2.io.tables.polygon_losses import read_class_losses, read_losses_csv
from iota2.io.tables.rates import Rate, borrows, read_rates
from iota2.io.tables.samples import read_columns
from iota2.io.tables.segment_labels import read_segment_labels
from iota2.io.tables.vectors import read_vector
from iota2.steps.labelled_parts import labelled_parts
from iota2.steps.segment_losses import losses_before_selection


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
            f"Seed {job.key.seed}: no region has a segment to learn from with a clear date. {NO_SEGMENT_REMEDY}"
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
    of_segments = "segments" in job.inp
    by_segment = _losses_of_segments(job, polygons) if of_segments else {}
    fates = []
    for code, label in zip(classes.codes, classes.labels, strict=True):
        amounts = losses_before_split.get(code, {}) | polygon_amounts(code, polygons, job.key.seed)
        if of_segments:
            amounts |= by_segment[code]
        else:
            amounts |= _selected_pixels(code, own.values(), samples[code])
        fates.append(ClassLosses(code, str(label), amounts, of_segments=of_segments))
    return fates


def _losses_of_segments(job: JobContext, polygons: pd.DataFrame) -> dict[int, dict[str, Amount]]:
    """Samples and losses after the split, by class code, in runs on segments."""
    models = [read_losses_csv(path) for path in job.inp.all("model_losses").values()]
    parts, labels = labelled_parts(job.inp, job.key.seed), read_segment_labels(job.inp.segments)
    learning = polygons[polygons[seed_column(job.key.seed)].isin([LEARN, BOTH])].groupby(CODE)["pixels"].sum()
    found = losses_before_selection(parts, labels, dict(zip(learning.index.tolist(), learning.tolist(), strict=True)))
    for entry in (one for of_model in models for one in of_model):
        amounts = found.setdefault(entry.code, {})
        for what in SELECTED:
            amounts[what] = amounts.get(what, Amount()) + entry.of(what)
    return found


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


def _selected_pixels(code: int, rates: Iterable[Mapping[int, Rate]], samples: int) -> dict[str, Amount]:
    """Samples of one class, and those that were lost by the selection or without features, in runs on pixels."""
    of_class = [found[code] for found in rates if code in found]
    requested = sum(rate.wanted for rate in of_class)
    left_out = sum(rate.left_out for rate in of_class)
    available = sum(rate.available for rate in of_class)
    counts = available - requested - left_out, left_out, requested - samples, samples
    return {what: Amount(pixels=count) for what, count in zip(SELECTED, counts, strict=True)}


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
        "tables": optional(layout.SEGMENT_TABLE),
        "shared": optional(layout.SHARED_SEGMENTS),
        "parts": optional(layout.LABELLED_PARTS),
        "model_losses": optional(layout.SEGMENT_LOSSES),
    },
    makes={"statistics": layout.CLASS_STATISTICS, "losses": layout.LOSSES},
    version=4,
)
