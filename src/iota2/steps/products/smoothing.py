"""Step: smoothing of the map of one tile, and layers of its uncertainty."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from odc.geo.geobox import GeoBox

from iota2 import layout
from iota2.compute.class_weights import weights_by_code
from iota2.compute.model_fusion import most_probable
from iota2.compute.predict import PROBABILITY_SCALE
from iota2.compute.smoothing import (
    BayesianSmoothing,
    mean_confidence,
    smoothed_labels,
    smoothed_probabilities,
    smoothness_of,
)
from iota2.compute.uncertainty import entropy, likely_classes, margin, mask_problem
from iota2.config.options.schema import Config
from iota2.core.cost import READING_SECONDS, Cost, JobFacts
from iota2.core.graph import JobContext, Step, first, optional
from iota2.core.grid import Block, blocks, padded
from iota2.core.nomenclature import Nomenclature
from iota2.errors import InputError
from iota2.io.rasters.files import RasterProfile, RasterReader, RasterWriter
from iota2.io.tables.classes import read_classes
from iota2.steps.blocks import WRITING_THREADS, copy_shape
from iota2.steps.profiles import (
    NO_PROBABILITY,
    confidence_profile,
    entropy_profile,
    label_profile,
    likely_classes_profile,
    margin_profile,
    probability_profile,
    scaled_shares,
)

_BYTES_PER_CLASS = 26
"""Memory per pixel of a block and class: probabilities as read (twice with several regions), as levels and smoothed;
those sorted for sets of likely classes."""
_BYTES_PER_PIXEL = 80
"""Memory per pixel of a block for labels, confidence, layers and their intermediate results."""
_BAYESIAN_SECONDS, _MAJORITY_SECONDS, _LAYER_SECONDS = 0.27e-6, 0.2e-6, 0.03e-6
"""Seconds per pixel and class for a window of 9 pixels, per pixel, and per pixel, class and layer; measured by
``make bench``."""


@dataclass(frozen=True)
class SmoothingParams:
    """Method of smoothing, and share of the likely classes."""

    method: str
    window: int
    fraction: float
    smoothness: float | dict[str, float]
    share: float

    def by_user_name(self) -> Mapping[str, object]:
        """The parameters by option name of the configuration."""
        return {
            "arg_classification.smoothing": self.method,
            "arg_classification.smoothing_window": self.window,
            "arg_classification.smoothing_fraction": self.fraction,
            "arg_classification.smoothness": self.smoothness,
            "arg_classification.likely_classes_share": self.share,
        }

    @property
    def halo(self) -> int:
        """Pixels around a block that its result depends on."""
        return 0 if self.method == "none" else self.window // 2

    def bayesian(self, classes: Nomenclature) -> BayesianSmoothing:
        """The parameters of Bayesian smoothing for these classes; InputError for labels of no class."""
        given = self.smoothness
        values = weights_by_code(given, classes.code_by_label) if isinstance(given, dict) else given
        return BayesianSmoothing(self.window, self.fraction, smoothness_of(values, classes.codes))


def params(config: Config) -> SmoothingParams:
    """The options of the smoothing that have an effect; the others have fixed values."""
    given = config.arg_classification
    bayesian = given.smoothing == "bayesian"
    return SmoothingParams(
        given.smoothing,
        given.smoothing_window if given.smoothing != "none" else 1,
        given.smoothing_fraction if bayesian else 1.0,
        given.smoothness if bayesian else 0.0,
        given.likely_classes_share if "likely_classes" in given.uncertainty_layers else 1.0,
    )


def run(job: JobContext[SmoothingParams]) -> None:
    """Write smoothed labels, their confidence, smoothed probabilities and uncertainty layers, block by block."""
    classes = read_classes(job.inp.classes)
    if "likely_classes" in job.out and (problem := mask_problem(len(classes.codes))):
        raise InputError(f"arg_classification.uncertainty_layers: {problem}.")
    with ExitStack() as stack:
        maps = _TileMaps({name: _open(job, name, stack) for name in ("labels", "confidence", "probabilities")})
        geobox = maps.geobox
        writers = {
            name: stack.enter_context(RasterWriter(job.out.at(name), profile))
            for name, profile in _profiles(geobox, classes, job.params).items()
            if name in job.out
        }
        pixel_bytes = _BYTES_PER_PIXEL + _BYTES_PER_CLASS * len(classes.codes) * bool(maps.readers["probabilities"])
        shape = job.use.block_shape or copy_shape(job.use, pixel_bytes, (job.params.halo, job.params.halo))
        for block in blocks(job.key.tile, geobox, shape):
            around = padded(block, job.params.halo, geobox)
            for name, values in _results(maps, around, classes, job, writers.keys()).items():
                if name in writers:
                    writers[name].write(block, around.cut(values, block))


def _open(job: JobContext, name: str, stack: ExitStack) -> list[RasterReader]:
    """Open rasters of an input, sorted by region."""
    if name not in job.inp:
        return []
    return [stack.enter_context(RasterReader(path)) for _, path in sorted(job.inp.each(name))]


def _profiles(geobox: GeoBox, classes: Nomenclature, given: SmoothingParams) -> dict[str, RasterProfile]:
    """Profiles of all outputs by name."""
    return {
        "labels": label_profile(geobox, classes),
        "confidence": confidence_profile(geobox),
        "probabilities": probability_profile(geobox, classes),
        "entropy": entropy_profile(geobox),
        "margin": margin_profile(geobox),
        "likely_classes": likely_classes_profile(geobox, classes, given.share),
    }


@dataclass(frozen=True)
class _TileMaps:
    """Rasters of the models of a tile. At each pixel, the first model with data counts."""

    readers: Mapping[str, Sequence[RasterReader]]

    @cached_property
    def geobox(self) -> GeoBox:
        return next(iter(self.readers["labels"])).geobox

    def labels(self, block: Block) -> np.ndarray:
        """Labels (y, x); 0 without label."""
        return self._read("labels", block, 0)[0]

    def confidence(self, block: Block) -> np.ndarray:
        """Confidence (y, x) of the labels."""
        confidence = np.zeros(block.shape, np.float32)
        unlabelled = np.ones(block.shape, bool)
        for labels, reader in zip(self.readers["labels"], self.readers["confidence"], strict=True):
            np.copyto(confidence, reader.read(block.geobox), where=unlabelled)
            unlabelled &= labels.read(block.geobox) == 0
        return confidence

    def probabilities(self, block: Block) -> np.ndarray | None:
        """Probabilities × 1000 (class, y, x), 65535 without label; None if they are not written."""
        return self._read("probabilities", block, NO_PROBABILITY) if self.readers["probabilities"] else None

    def _read(self, name: str, block: Block, nodata: int) -> np.ndarray:
        """Values (band, y, x) of the first raster with data."""
        first_reader, *others = self.readers[name]
        found = first_reader.read_bands(block.geobox, fill=nodata)
        for reader in others:
            values = reader.read_bands(block.geobox, fill=nodata)
            np.copyto(found, values, where=(found == nodata).all(axis=0))
        return found


def _results(
    maps: _TileMaps, block: Block, classes: Nomenclature, job: JobContext[SmoothingParams], wanted: Set[str]
) -> dict[str, np.ndarray]:
    """The ``wanted`` outputs by name, (y, x) or (class, y, x), on a block with its halo."""
    given = job.params
    thousandths = maps.probabilities(block)
    found = _majority(maps, block, classes, given, thousandths) if given.method == "majority" else {}
    if thousandths is None:
        return found
    labelled = thousandths[0] != NO_PROBABILITY
    if given.method == "bayesian":
        shares = smoothed_probabilities(thousandths, labelled, given.bayesian(classes), threads=job.use.threads)
        smoothed = most_probable(shares, classes.codes, labelled)
        found |= {"labels": smoothed.labels.astype(classes.dtype), "confidence": smoothed.confidence}
    else:
        shares = _shares(thousandths, labelled)
    if "probabilities" in wanted:
        found["probabilities"] = scaled_shares(shares, labelled)
    if "entropy" in wanted:
        found["entropy"] = entropy(shares, labelled)
    if "margin" in wanted:
        found["margin"] = margin(shares, labelled)
    if "likely_classes" in wanted:
        found["likely_classes"] = likely_classes(shares, labelled, given.share)
    return found


def _majority(
    maps: _TileMaps, block: Block, classes: Nomenclature, given: SmoothingParams, thousandths: np.ndarray | None
) -> dict[str, np.ndarray]:
    """Labels smoothed by majority, and their confidence: the probability of the new label if probabilities are written,
    else the mean confidence of the pixels in the window with this label."""
    labels = maps.labels(block)
    new = smoothed_labels(labels, given.window)
    if thousandths is None:
        return {"labels": new, "confidence": mean_confidence(maps.confidence(block), labels, new, given.window)}
    position = np.searchsorted(classes.codes, np.where(new > 0, new, classes.codes[0]))
    own = np.take_along_axis(thousandths, position[None], axis=0)[0].astype(np.float32) / PROBABILITY_SCALE
    return {"labels": new, "confidence": np.where(new > 0, own, np.float32(0))}


def _shares(thousandths: np.ndarray, labelled: np.ndarray) -> np.ndarray:
    """Probabilities (class, y, x) float32 with sum 1 at labelled pixels, 0 at others, from rounded thousandths."""
    shares = np.where(labelled, thousandths, np.uint16(0)).astype(np.float32)
    return np.divide(shares, shares.sum(axis=0), out=shares, where=labelled)


def cost(config: Config, facts: JobFacts) -> Cost:
    """Cost of a job: probabilities of all classes are read and smoothed, and the requested rasters written."""
    given, run = config.arg_classification, facts.run
    layers = len(given.uncertainty_layers)
    written = run.label_bytes + 4 + layers * 2
    written += 2 * run.class_count if layout.with_smoothed_probabilities(config) else 0
    seconds = READING_SECONDS + _LAYER_SECONDS * layers * run.class_count
    seconds += {"none": 0.0, "majority": _MAJORITY_SECONDS, "bayesian": _BAYESIAN_SECONDS * run.class_count}[
        given.smoothing
    ]
    return facts.raster_cost(written, seconds)


STEP = Step(
    name="mapSmoothing",
    group="mosaic",
    about="Smooth the map of each tile, and compute layers of its uncertainty.",
    task="smoothing_{tile}_seed_{seed}",
    run=run,
    over=("tile", "seed"),
    needs={
        "classes": layout.CODES,
        "labels": first(layout.BLENDED_LABELS, *layout.REGION_LABELS.choices),
        "confidence": first(layout.BLENDED_CONFIDENCE, *layout.REGION_CONFIDENCE.choices),
        "probabilities": optional(layout.BLENDED_PROBABILITIES, *layout.REGION_PROBABILITIES.choices),
    },
    makes={
        "labels": layout.SMOOTHED_LABELS,
        "confidence": layout.SMOOTHED_CONFIDENCE,
        "probabilities": layout.SMOOTHED_PROBABILITIES,
        "entropy": layout.TILE_ENTROPY,
        "margin": layout.TILE_MARGIN,
        "likely_classes": layout.TILE_LIKELY_CLASSES,
    },
    params=params,
    when=layout.with_smoothing_or_uncertainty,
    cost=cost,
    leaves_gap=True,
    max_threads=WRITING_THREADS,
)
