"""Step: fusion of the maps of all runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from odc.geo.geobox import GeoBox

from iota2 import layout
from iota2.compute.label_fusion import (
    Measure,
    dempster_shafer,
    highest_mean,
    label_masses,
    majority_vote,
    undecided_problem,
)
from iota2.compute.predict import PROBABILITY_SCALE
from iota2.config.fusion_options import FusionMethod
from iota2.config.options.schema import Config
from iota2.core.cost import READING_SECONDS, Cost, JobFacts
from iota2.core.graph import JobContext, Step, only_for
from iota2.core.grid import Block, blocks
from iota2.core.nomenclature import MAX_UINT8_CODE, Nomenclature
from iota2.errors import ConfigError
from iota2.io.files.atomic import write_text
from iota2.io.rasters.files import RasterProfile, RasterReader, RasterWriter, raster_geobox
from iota2.io.rasters.qgis import confidence_style
from iota2.io.tables.classes import read_classes
from iota2.io.tables.confusions import read_confusion
from iota2.steps.blocks import WRITING_THREADS, copy_shape
from iota2.steps.fused_runs import undecided_by_user_name
from iota2.steps.map_colours import colour_table, map_style
from iota2.steps.profiles import NO_PROBABILITY, confidence_percent, percent_confidence_profile

CONFIDENCE = "mean probability of the label"
"""Description of the confidence of the fusion."""


@dataclass(frozen=True)
class MergeRunsParams:
    """Method of the fusion; None for values that the method does not use."""

    method: FusionMethod
    undecided: int | None
    """Label of undecided pixels."""
    measure: Measure | None
    """Accuracy measure that is the mass of a run."""

    def by_user_name(self) -> Mapping[str, object]:
        """The parameters by option name of the configuration."""
        return {
            "multi_run_fusion.merge_run_method": self.method,
            "multi_run_fusion.dempstershafer_mob": self.measure,
            **undecided_by_user_name(self.undecided),
        }


@dataclass(frozen=True, eq=False)
class Fused:
    """Fusion of a block."""

    labels: np.ndarray
    """(y, x) uint16."""
    confidence: np.ndarray | None = None
    """(y, x) uint8, percent; None without probabilities."""


def params(config: Config) -> MergeRunsParams:
    """The options of the method."""
    given = config.multi_run_fusion
    return MergeRunsParams(given.merge_run_method, given.undecided_label, given.measure)


def run(job: JobContext[MergeRunsParams]) -> None:
    """Write the fused map, the coloured one, their styles and, for averaged probabilities, the confidence."""
    classes, given = read_classes(job.inp.classes), job.params
    if given.undecided is not None and (text := undecided_problem(given.undecided, classes.codes)):
        raise ConfigError([f"multi_run_fusion.merge_run_undecidedlabel: {text}"])
    sources = dict(sorted((key.seed, path) for key, path in job.inp.each(_source(given))))
    geobox = raster_geobox(next(iter(sources.values())))
    with ExitStack() as stack:
        readers = {seed: stack.enter_context(RasterReader(path)) for seed, path in sources.items()}
        fuse = _fusion(job, readers, classes)
        labels = _label_profile(geobox, classes, given.undecided)
        writers = [stack.enter_context(RasterWriter(*target)) for target in _maps(job, labels, classes)]
        confidence = None
        if "confidence" in job.out:
            profile = percent_confidence_profile(geobox, CONFIDENCE, f"{CONFIDENCE} over all runs")
            confidence = stack.enter_context(RasterWriter(job.out.confidence, profile))
        for block in blocks("", geobox, copy_shape(job.use, pixel_bytes(given, len(readers), len(classes.codes)))):
            fused = fuse(block)
            for writer in writers:
                writer.write(block, fused.labels.astype(labels.dtype))
            if confidence is not None and fused.confidence is not None:
                confidence.write(block, fused.confidence)
    _write_styles(job, classes)


def _source(given: MergeRunsParams) -> str:
    """Name of the input that the method fuses."""
    return "probabilities" if given.method == "mean" else "maps"


def _fusion(
    job: JobContext[MergeRunsParams], readers: Mapping[int, RasterReader], classes: Nomenclature
) -> Callable[[Block], Fused]:
    """The function that fuses a block of the open maps, by seed."""
    undecided, codes = job.params.undecided or 0, classes.codes

    def labels(block: Block) -> np.ndarray:
        return np.stack([reader.read(block.geobox) for reader in readers.values()])

    if job.params.method == "mean":
        return lambda block: _averaged(readers, block, classes)
    if job.params.method == "majorityvoting":
        return lambda block: Fused(majority_vote(labels(block), undecided=undecided))
    measure = job.params.measure or "precision"
    masses = np.stack(
        [label_masses(read_confusion(job.inp.at("confusions", seed=seed)), measure, codes) for seed in readers]
    )
    return lambda block: Fused(dempster_shafer(labels(block), masses, codes, undecided=undecided))


def _averaged(readers: Mapping[int, RasterReader], block: Block, classes: Nomenclature) -> Fused:
    """Label and confidence of a block from the mean of the probabilities of all runs."""
    maps = (reader.read_bands(block.geobox, fill=NO_PROBABILITY) for reader in readers.values())
    labels, mean = highest_mean(maps, classes.codes, scale=PROBABILITY_SCALE, missing=NO_PROBABILITY)
    return Fused(labels, confidence_percent(mean, labels > 0))


def _label_profile(geobox: GeoBox, classes: Nomenclature, undecided: int | None) -> RasterProfile:
    """Profile of the fused map: uint16 if a code or the label of undecided pixels exceeds 255."""
    dtype = "uint16" if (undecided or 0) > MAX_UINT8_CODE else classes.dtype
    return RasterProfile(geobox, dtype, nodata=0, overviews="mode")


def _maps(
    job: JobContext[MergeRunsParams], labels: RasterProfile, classes: Nomenclature
) -> list[tuple[Path, RasterProfile]]:
    """Path and profile of the map and of the coloured map."""
    colours = colour_table(classes, job.params.undecided)
    return [(job.out.map, labels), (job.out.colors, replace(labels, colours=colours))]


def _write_styles(job: JobContext[MergeRunsParams], classes: Nomenclature) -> None:
    """Write the styles for QGIS."""
    for path in (job.out.style, job.out.colors_style):
        write_text(path, map_style(classes, job.params.undecided))
    if "confidence_style" in job.out:
        write_text(job.out.confidence_style, confidence_style())


def pixel_bytes(given: MergeRunsParams, runs: int, classes: int) -> int:
    """Bytes of the arrays of one pixel of a block.

    ``mean``: sums in 8 bytes and one run's probabilities, read, selected and added. Otherwise labels of all runs, as
    read and as 16-bit numbers. In addition the fused labels and their copies.
    """
    return (classes * (8 + 2 + 2 + 8) if given.method == "mean" else runs * 6) + 24


def cost(config: Config, facts: JobFacts) -> Cost:
    """Cost of a job: two maps and perhaps a confidence are written; maps or probabilities of all runs are read."""
    given = config.multi_run_fusion
    layers = config.arg_train.runs * (facts.run.class_count if given.averages else 1)
    written = 2 * max(facts.run.label_bytes, 1 + (given.merge_run_undecidedlabel > MAX_UINT8_CODE))
    return facts.raster_cost(written + given.averages, layers * READING_SECONDS)


STEP = Step(
    name="mergeRuns",
    group="validation",
    about="Fuse the maps of all runs.",
    task="merge_runs",
    run=run,
    over=(),
    needs={
        "maps": layout.MAP,
        "confusions": layout.CONFUSION,
        "probabilities": only_for(layout.MERGED_CONFIDENCE, layout.FINAL_PROBABILITIES),
        "classes": layout.CLASSES,
    },
    makes={
        "map": layout.MERGED_MAP,
        "colors": layout.MERGED_COLOR_MAP,
        "style": layout.MERGED_MAP_STYLE,
        "colors_style": layout.MERGED_COLOR_MAP_STYLE,
        "confidence": layout.MERGED_CONFIDENCE,
        "confidence_style": layout.MERGED_CONFIDENCE_STYLE,
    },
    params=params,
    when=layout.with_merged_runs,
    cost=cost,
    max_threads=WRITING_THREADS,
)
