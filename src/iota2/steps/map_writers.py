"""Output rasters of the classification of a strip."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass

from odc.geo.geobox import GeoBox

from iota2.classifiers.base import Prediction
from iota2.core.graph import Key, Paths
from iota2.core.grid import Block
from iota2.core.nomenclature import Nomenclature
from iota2.io.rasters.files import RasterProfile, RasterWriter
from iota2.steps.profiles import (
    choice_profile,
    confidence_profile,
    label_profile,
    probability_profile,
    scaled_probabilities,
)
from iota2.steps.tile_models import BLENDED, DS, FUSED, MODEL, Result


@dataclass(frozen=True)
class Maps:
    """Output rasters of one model or fusion; pixels that are not written have the nodata value of the raster."""

    labels: RasterWriter
    confidence: RasterWriter
    probabilities: RasterWriter | None

    def write(self, block: Block, prediction: Prediction) -> None:
        """Write one block; the prediction has probabilities of all classes."""
        self.labels.write(block, prediction.labels.astype(self.labels.profile.dtype))
        self.confidence.write(block, prediction.confidence)
        if self.probabilities is not None:
            self.probabilities.write(block, scaled_probabilities(prediction))


@dataclass(frozen=True)
class MapWriters:
    """Output rasters of a strip: of models, of fusions of the models of a region, and of the blended tile."""

    maps: Mapping[tuple[str, Key], Maps]
    """By kind of result and key."""
    choices: Mapping[Key, RasterWriter]
    """By region and seed: which model gave the labels."""

    def write(self, block: Block, result: Result) -> None:
        """Write the result of a model or fusion for a block."""
        self.maps[result.kind, result.key].write(block, result.prediction)
        if result.choice is not None:
            self.choices[result.key].write(block, result.choice)


def open_maps(out: Paths, geobox: GeoBox, classes: Nomenclature, stack: ExitStack) -> MapWriters:
    """Open the output rasters of a job on the grid of its strip; ``stack`` closes them."""

    def writers(name: str, profile: RasterProfile) -> dict[Key, RasterWriter]:
        paths = out.each(name) if name in out else ()
        return {key: stack.enter_context(RasterWriter(path, profile)) for key, path in paths}

    maps: dict[tuple[str, Key], Maps] = {}
    for kind, names in {
        MODEL: ("labels", "confidence", "probabilities"),
        FUSED: ("fused_labels", "fused_confidence", "fused_probabilities"),
        DS: ("ds_labels", "ds_confidence", "ds_probabilities"),
        BLENDED: ("blended_labels", "blended_confidence", "blended_probabilities"),
    }.items():
        profiles = label_profile(geobox, classes), confidence_profile(geobox), probability_profile(geobox, classes)
        labels, confidence, probabilities = map(writers, names, profiles)
        for key, writer in labels.items():
            maps[kind, key] = Maps(writer, confidence[key], probabilities.get(key))
    return MapWriters(maps, writers("ds_choice", choice_profile(geobox)))
