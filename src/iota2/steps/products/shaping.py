"""Step: labels and confidence of one tile, merged over its models, and validity of its labelled pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from iota2 import layout
from iota2.config.options.schema import Config
from iota2.core.cost import Cost, JobFacts
from iota2.core.graph import JobContext, Step, first
from iota2.core.grid import Block, blocks
from iota2.io.rasters.files import RasterProfile, RasterReader, RasterWriter
from iota2.io.tables.classes import read_classes
from iota2.steps.blocks import WRITING_THREADS, copy_shape
from iota2.steps.profiles import confidence_percent


def run(job: JobContext) -> None:
    """Merge the maps of the tile's models for each seed; write the validity of pixels with a label."""
    dtype = read_classes(job.inp.classes).dtype
    with ExitStack() as stack:
        validity = stack.enter_context(RasterReader(job.inp.validity))
        labels, confidence = _by_seed(job, "labels", stack), _by_seed(job, "confidence", stack)

        def writer(path: Path, dtype: str) -> RasterWriter:
            return stack.enter_context(RasterWriter(path, RasterProfile(validity.geobox, dtype, nodata=0)))

        to_labels = {seed: writer(job.out.at("tile_labels", seed=seed), dtype) for seed in labels}
        to_confidence = {seed: writer(job.out.at("tile_confidence", seed=seed), "uint8") for seed in labels}
        to_validity = writer(job.out.validity, validity.dtype.name)
        # Memory: label and confidence of each model; two merged layers of each, the percentage and its unrounded value.
        models = max(len(readers) for readers in labels.values())
        pixel_bytes = (models + 2) * (np.dtype(dtype).itemsize + 4) + 16
        for block in blocks(job.key.tile, validity.geobox, copy_shape(job.use, pixel_bytes)):
            for seed, readers in labels.items():
                merged, merged_confidence = first_labelled(_read(readers, block), _read(confidence[seed], block))
                to_labels[seed].write(block, merged)
                to_confidence[seed].write(block, confidence_percent(merged_confidence, merged > 0))
            to_validity.write(block, np.where(merged > 0, validity.read(block.geobox), 0))


def first_labelled(labels: Sequence[np.ndarray], confidence: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Label (y, x) of the first model that has one, and its confidence; 0 where no model has a label.

    Regions do not overlap in ``proj``, but their masks may share border pixels on the grid of the tile, because each
    region is reprojected and rasterized separately.
    """
    (merged, *other_labels), (merged_confidence, *other_confidence) = labels, confidence
    for label, share in zip(other_labels, other_confidence, strict=True):
        unlabelled = merged == 0
        merged = np.where(unlabelled, label, merged)
        merged_confidence = np.where(unlabelled, share, merged_confidence)
    return merged, merged_confidence


def _by_seed(job: JobContext, name: str, stack: ExitStack) -> Mapping[int, list[RasterReader]]:
    """Open rasters by seed; the rasters of a seed are sorted by region name."""
    found: dict[int, list[RasterReader]] = {}
    for key, path in sorted(job.inp.each(name)):
        found.setdefault(key.seed, []).append(stack.enter_context(RasterReader(path)))
    return found


def _read(readers: Sequence[RasterReader], block: Block) -> list[np.ndarray]:
    return [reader.read(block.geobox) for reader in readers]


def cost(config: Config, facts: JobFacts) -> Cost:
    """Cost of a job: labels and confidence of each seed, and validity."""
    return facts.raster_cost((facts.run.label_bytes + 1) * config.arg_train.runs + 1)


STEP = Step(
    name="classifShaping",
    group="mosaic",
    about="Combine the maps of the models of each tile.",
    task="shaping_{tile}",
    run=run,
    over=("tile",),
    needs={
        "labels": first(layout.SMOOTHED_LABELS, layout.BLENDED_LABELS, *layout.REGION_LABELS.choices),
        "confidence": first(layout.SMOOTHED_CONFIDENCE, layout.BLENDED_CONFIDENCE, *layout.REGION_CONFIDENCE.choices),
        "validity": layout.VALIDITY,
        "classes": layout.CODES,
    },
    makes={
        "tile_labels": layout.TILE_LABELS,
        "tile_confidence": layout.TILE_CONFIDENCE,
        "validity": layout.TILE_VALIDITY,
    },
    cost=cost,
    leaves_gap=True,
    max_threads=WRITING_THREADS,
)
