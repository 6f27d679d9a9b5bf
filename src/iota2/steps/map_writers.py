"""Output rasters of the classification of a strip."""

from __future__ import annotations

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
from iota2.steps.tile_models import BLENDED, DS, FUSED, Result


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


class MapWriters:
    """Output rasters of a strip: of models, of fusions of the models of a region, and of the blended tile."""

    def __init__(self, out: Paths, geobox: GeoBox, classes: Nomenclature, stack: ExitStack) -> None:
        def writer(name: str, key: Key, profile: RasterProfile) -> RasterWriter:
            return stack.enter_context(RasterWriter(out.all(name)[key], profile))

        self._maps: dict[tuple[str, Key], Maps] = {}
        for kind in ("", FUSED, DS, BLENDED):
            name = f"{kind}probabilities"
            for key, _ in out.each(f"{kind}labels") if f"{kind}labels" in out else ():
                self._maps[kind, key] = Maps(
                    writer(f"{kind}labels", key, label_profile(geobox, classes)),
                    writer(f"{kind}confidence", key, confidence_profile(geobox)),
                    writer(name, key, probability_profile(geobox, classes)) if name in out else None,
                )
        choices = out.each("ds_choice") if "ds_choice" in out else ()
        self._choices = {key: writer("ds_choice", key, choice_profile(geobox)) for key, _ in choices}

    def write(self, block: Block, result: Result) -> None:
        """Write the result of a model or fusion for a block."""
        self._maps[result.kind, result.key].write(block, result.prediction)
        if result.choice is not None:
            self._choices[result.key].write(block, result.choice)
