"""Step: samples of one model: segments with the class of their labelled pixels, or their labelled parts."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd

from iota2 import layout
from iota2.compute.sampling import BOTH
from iota2.config.options.schema import Config
from iota2.core.cost import POINT_BYTES, SAMPLE_BYTES, SAMPLE_VALUE_BYTES, SECONDS_PER_JOB, Cost, JobFacts
from iota2.core.graph import JobContext, Step, optional
from iota2.core.grid import pixel_centres
from iota2.core.losses import SAMPLES, SELECTED, Amount, ClassLosses, losses_csv
from iota2.core.nomenclature import Nomenclature
from iota2.core.recipe import FeatureRecipe
from iota2.core.tables import CODE, LEARN, ORIGIN, REGION, TILE, sample_columns, seed_column
from iota2.core.words import counted
from iota2.io.files.atomic import write_text
from iota2.io.rasters.files import raster_geobox
from iota2.io.tables import segment_labels
from iota2.io.tables.classes import read_classes
from iota2.io.tables.rates import rates_csv
from iota2.io.tables.recipes import read_recipe
from iota2.io.tables.sample_tables import write_points
from iota2.io.tables.segment_labels import read_segment_labels
from iota2.io.tables.segments import LabelledParts, Segments, SharedSegments
from iota2.io.tables.vectors import read_vector
from iota2.steps.located_segments import located_segments, pixels_in_all_tiles
from iota2.steps.region_order import read_region_order
from iota2.steps.segment_features import features_of, read_selected, value_files
from iota2.steps.selection_targets import (
    Draw,
    SelectionParams,
    capped,
    left_out,
    requested_numbers,
    selection_options,
    selection_params,
)

log = logging.getLogger(__name__)

ROW = "row"
"""Column of the number of a segment, or of a labelled part, in the table of its tile."""
PLACE = "place"
"""Column of the number of its first pixel on the grid of the tile."""
PIXELS = "pixels"
"""Column of the number of pixels of the whole segment, in all tiles."""
LABELLED = segment_labels.LABELLED
"""Column of the number of learning pixels of the class."""


@dataclass(frozen=True)
class SegmentSampleParams:
    """Options of the selection, and order of regions."""

    options: SelectionParams
    region_priority: tuple[str, ...]

    def by_user_name(self) -> Mapping[str, object]:
        """The parameters by option name of the configuration."""
        return {**self.options.by_user_name(), "obia.region_priority": self.region_priority}


def params(config: Config) -> SegmentSampleParams:
    """Parameters of the samples from the configuration."""
    return SegmentSampleParams(selection_params(config), config.obia.region_priority or ())


def run(job: JobContext[SegmentSampleParams]) -> None:
    """Select samples of each class among the labelled segments of the region, and write them with their features.

    Without labelled segments, the table of samples is empty; see ``training._model``.
    """
    given, classes = job.params.options, read_classes(job.inp.classes)
    names = read_region_order(job.inp.regions, job.params.region_priority)
    labels = read_segment_labels(job.inp.labels)
    own = (labels[segment_labels.SIDE] == LEARN) & (labels[segment_labels.REASON] == "")
    labels = labels[own & (labels[REGION] == names.index(job.key.region))]
    found = _labelled_parts(job, labels) if "labelled" in job.inp else _whole_segments(job, labels)
    codes = found[CODE].to_numpy()
    available = {int(code): int(count) for code, count in zip(*np.unique(codes, return_counts=True), strict=True)}
    options = selection_options(given.selection, job.key.model, job.key.region)
    requested = requested_numbers(options, available, classes)
    targets = capped(requested, given.most)
    draw = Draw(given.random_seed + job.key.seed, "segments", job.key.model)
    taken = draw.chosen(options, codes, targets)
    chosen = found[taken]
    omitted = left_out(requested, targets)
    write_text(job.out.rates, rates_csv(targets, available, chosen, omitted))
    written = _write_samples(job, chosen)
    if written.empty:
        log.warning(
            "region %s, seed %d: no sample to learn from; %s of the region with a class in learning polygons, and "
            "without pixels of validation polygons; %s selected, none with a clear date",
            job.key.region,
            job.key.seed,
            counted(len(labels), "segment"),
            counted(len(chosen), "sample"),
        )
    write_text(job.out.losses, losses_csv(_losses(found, taken, written, omitted, classes), stages=[SAMPLES]))


def _losses(
    found: pd.DataFrame, taken: np.ndarray, written: pd.DataFrame, omitted: Mapping[int, int], classes: Nomenclature
) -> Iterator[ClassLosses]:
    """Samples of each class, and those that were lost with their learning pixels, by reason.

    ``found``: all that are available; ``taken`` (sample,) bool: those that were drawn; ``written``: of these, those
    with features; ``omitted``: number above the maximum, by class. The draw does not separate the latter from those
    that were not requested: pixels are divided in proportion.
    """
    for code in classes.codes:
        left, selected, learned = (_amount(samples, code) for samples in (found[~taken], found[taken], written))
        most = min(omitted.get(code, 0), left.samples)
        beyond = Amount(samples=most, pixels=round(left.pixels * most / max(1, left.samples)))
        amounts = dict(zip(SELECTED, (left - beyond, beyond, selected - learned, learned), strict=True))
        yield ClassLosses(code, str(classes.label(code)), amounts, of_segments=True)


def _amount(samples: pd.DataFrame, code: int) -> Amount:
    own = samples[samples[CODE] == code]
    return Amount(samples=len(own), pixels=int(own[LABELLED].sum()))


def _whole_segments(job: JobContext[SegmentSampleParams], labels: pd.DataFrame) -> pd.DataFrame:
    """A sample for each labelled segment, at its home tile."""
    shared, frames = SharedSegments.read(job.inp.shared), []
    for key, path in job.inp.each("tables"):
        own = labels[labels[segment_labels.TILE] == key.tile]
        rows = own[segment_labels.NUMBER].to_numpy()
        table = Segments.read(path)
        pixels = pixels_in_all_tiles(table, shared, key.tile)[rows - 1]
        # shares have six digits, so this is exact up to a million labelled pixels
        learning = np.rint(own[segment_labels.LABELLED] * own[segment_labels.SHARE]).astype(np.int64)
        labelled = own[segment_labels.CODE], own[segment_labels.POLYGON], learning
        frames.append(_frame(key.tile, rows, table.place[rows - 1], pixels, *labelled))
    return pd.concat(frames, ignore_index=True)


def _labelled_parts(job: JobContext[SegmentSampleParams], labels: pd.DataFrame) -> pd.DataFrame:
    """A sample for each part of a labelled segment inside a learning polygon of its class."""
    shared, polygons, frames = SharedSegments.read(job.inp.shared), read_vector(job.inp.reference), []
    code_of = polygons.set_index(ORIGIN)[CODE]
    learning = polygons[ORIGIN][polygons[seed_column(job.key.seed)].isin([LEARN, BOTH])]
    class_of = labels.set_index([segment_labels.TILE, segment_labels.NUMBER])[segment_labels.CODE]
    for key, path in job.inp.each("tables"):
        parts = LabelledParts.read(job.inp.at("parts", tile=key.tile))
        table = Segments.read(path)
        segments = located_segments(table, shared, key.tile).iloc[parts.segment - 1]
        pixels = pixels_in_all_tiles(table, shared, key.tile)[parts.segment - 1]
        keys = pd.MultiIndex.from_frame(segments[[segment_labels.TILE, segment_labels.NUMBER]])
        code = code_of.loc[parts.polygon].to_numpy()
        own = np.isin(parts.polygon, learning) & (class_of.reindex(keys).to_numpy() == code)
        rows = np.flatnonzero(own) + 1
        labelled = code[own], parts.polygon[own], parts.pixels[own]
        frames.append(_frame(key.tile, rows, parts.place[own], pixels[own], *labelled))
    return pd.concat(frames, ignore_index=True)


def _frame(tile: str, *columns: np.ndarray | pd.Series) -> pd.DataFrame:
    """Samples of a tile: row, place, pixels of the whole segment, class, polygon, and learning pixels of the class."""
    names = ROW, PLACE, PIXELS, CODE, ORIGIN, LABELLED
    return pd.DataFrame({TILE: tile, **{name: np.asarray(one) for name, one in zip(names, columns, strict=True)}})


def _write_samples(job: JobContext[SegmentSampleParams], chosen: pd.DataFrame) -> pd.DataFrame:
    """Write the samples as points at their first pixels, in the order of tiles; return those that have features."""
    recipe, proj = read_recipe(job.inp.recipe), job.params.options.proj
    none = chosen.iloc[:0].set_index(ROW), np.zeros(0, object), np.zeros((0, len(recipe.names)), np.float32)
    of_tiles = (_with_features(job, own, str(tile), recipe) for tile, own in chosen.groupby(TILE, sort=False))
    rows, points, values = zip(none, *of_tiles, strict=True)
    written: pd.DataFrame = pd.concat(rows)
    x = np.concatenate(values)
    frame = written.drop(columns=[PLACE, PIXELS, LABELLED]).assign(**{REGION: job.key.region}).reset_index(drop=True)
    whole = gpd.GeoDataFrame(frame, geometry=np.concatenate(points), crs=proj)
    write_points(whole, sample_columns(recipe), x, np.arange(len(x)), job.out.samples)
    return written


def _with_features(
    job: JobContext[SegmentSampleParams], chosen: pd.DataFrame, tile: str, recipe: FeatureRecipe
) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """The samples of a tile that have features; their first pixels as points; (sample, name) float32 features."""
    found = read_selected(_files(job, tile), chosen[ROW].to_numpy(), recipe)
    found = found.take(found.seen > 0)
    rows, geobox = chosen.set_index(ROW).loc[found.segment], raster_geobox(job.inp.at("segments", tile=tile))
    x, y = pixel_centres(geobox, *np.divmod(rows[PLACE].to_numpy(), geobox.shape[1]))
    points = gpd.GeoSeries(gpd.points_from_xy(x, y, crs=geobox.crs)).to_crs(job.params.options.proj)
    return rows, points.to_numpy(), features_of(replace(found, pixels=rows[PIXELS].to_numpy()), recipe)


def _files(job: JobContext[SegmentSampleParams], tile: str) -> Iterator[Path]:
    """The files with the features of the samples of a tile."""
    if "labelled" not in job.inp:
        yield from value_files(job.inp, tile)
        return
    for name in ("part_labelled", "labelled"):
        for key, path in job.inp.each(name):
            if key.tile == tile:
                yield path


def cost(config: Config, facts: JobFacts) -> Cost:
    """Cost of a job: the samples of the model are in memory."""
    run, runs = facts.run, config.arg_train.runs
    samples = run.samples_of_model(runs) / config.obia.segment_size
    features = run.features * len(config.obia.stats_used)
    return Cost(
        memory=max(facts.allowed, int(samples * (8 * features + POINT_BYTES))),
        seconds=SECONDS_PER_JOB + samples * features * 0.1e-6,
        disk=samples * (SAMPLE_BYTES + SAMPLE_VALUE_BYTES * features),
    )


STEP = Step(
    name="segmentSamples",
    version=2,
    group="sampling",
    about="Select the segments from which each model learns.",
    task="segment_samples_{region}{submodel}_seed_{seed}",
    run=run,
    over=("region", "submodel", "seed"),
    needs={
        "recipe": layout.SEGMENT_RECIPE,
        "regions": layout.REGIONS,
        "classes": layout.CODES,
        "reference": layout.REFERENCE,
        "labels": layout.SEGMENT_LABELS,
        "tables": layout.SEGMENT_TABLE,
        "segments": layout.SEGMENTS,
        "shared": layout.SHARED_SEGMENTS,
        "parts": layout.LABELLED_PARTS,
        "part_values": layout.PART_SEGMENTS,
        "values": layout.TILE_SEGMENTS,
        "shared_values": layout.TILE_SHARED_SEGMENTS,
        "part_labelled": optional(layout.PART_LABELLED),
        "labelled": optional(layout.TILE_LABELLED),
    },
    makes={"samples": layout.MODEL_SAMPLES, "rates": layout.RATES, "losses": layout.SEGMENT_LOSSES},
    params=params,
    cost=cost,
)
