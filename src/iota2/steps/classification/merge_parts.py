"""Step: merge of the strips of one tile, for one model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from iota2 import layout
from iota2.config.options.schema import Config
from iota2.core.cost import Cost, JobFacts
from iota2.core.graph import JobContext, Key, Resources, Step, only_for
from iota2.core.grid import blocks
from iota2.io.rasters.files import RasterProfile, RasterReader, RasterWriter
from iota2.io.series.scene_file import read_scene
from iota2.io.tables.classes import read_classes
from iota2.steps.blocks import WRITING_THREADS, copy_shape
from iota2.steps.profiles import confidence_profile, label_profile, probability_profile


def run(job: JobContext) -> None:
    """Write the tile's labels, confidence and probabilities from its strips."""
    geobox, classes = read_scene(job.inp.scene).geobox, read_classes(job.inp.classes)
    _join(job.inp.all("labels"), job.out.labels, label_profile(geobox, classes), job.use)
    _join(job.inp.all("confidence"), job.out.confidence, confidence_profile(geobox), job.use)
    if "probabilities" in job.out:
        _join(job.inp.all("probabilities"), job.out.probabilities, probability_profile(geobox, classes), job.use)


def _join(parts: Mapping[Key, Path], path: Path, profile: RasterProfile, use: Resources) -> None:
    """Write a raster on the tile's grid from its strips."""
    shape = copy_shape(use, profile.pixel_bytes)
    with RasterWriter(path, profile) as writer:
        for part in parts.values():
            with RasterReader(part) as reader:
                for block in blocks("", reader.geobox, shape):
                    writer.write(block, reader.read_bands(block.geobox))


def cost(config: Config, facts: JobFacts) -> Cost:
    """Cost of a job: labels, confidence and, if requested, probabilities of one model are written."""
    run = facts.run
    probabilities = 2 * run.class_count if config.arg_classification.enable_probability_map else 0
    return facts.raster_cost(run.label_bytes + 4 + probabilities)


STEP = Step(
    name="classificationMerge",
    group="classification",
    about="Assemble the strips of each tile.",
    task="classification_{tile}_model_{region}{submodel}_seed_{seed}{source}",
    run=run,
    over=("tile", "region", "submodel", "seed", "source"),
    needs={
        "scene": layout.SCENE,
        "classes": layout.CODES,
        "labels": layout.PART_LABELS,
        "confidence": layout.PART_CONFIDENCE,
        "probabilities": only_for(layout.PROBABILITIES, layout.PART_PROBABILITIES),
    },
    makes={
        "labels": layout.LABELS,
        "confidence": layout.CONFIDENCE,
        "probabilities": layout.PROBABILITIES,
    },
    cost=cost,
    leaves_gap=True,
    max_threads=WRITING_THREADS,
)
