"""Step: labels, confidence and probabilities of one strip of a tile, for all its models in one pass."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from odc.geo.geobox import GeoBox

from iota2 import layout
from iota2.classifiers.base import Model, Prediction
from iota2.classifiers.models import load_model
from iota2.compute.block_shapes import SMALLEST, BlockShapes
from iota2.compute.features import feature_block
from iota2.core.graph import JobContext, Key, Step
from iota2.core.grid import Block, block_of, blocks, part_rows
from iota2.core.nomenclature import Nomenclature
from iota2.core.recipe import FeatureRecipe
from iota2.core.scene import Scene
from iota2.errors import ConfigError, FeatureMismatch, InputError
from iota2.io.rasters.files import RasterProfile, RasterReader, RasterWriter
from iota2.io.series.reader import series_reader
from iota2.io.series.scene_file import images_of
from iota2.io.tables.classes import read_classes
from iota2.steps.blocks import prediction_shapes

PROBABILITY_SCALE = 1000
NO_PROBABILITY = 65535
"""Where there is no label; 0 is a probability."""
HELD = 1.5
"""Memory of a model for each byte of its files: nodes of trees are packed beside the arrays that were read."""

log = logging.getLogger(__name__)


def run(job: JobContext) -> None:
    """Compute features block by block and let each model label the pixels of its region."""
    scene, classes = images_of(job.inp), read_classes(job.inp.classes)
    models = {key: load_model(path) for key, path in job.inp.all("models").items()}
    for key, model in models.items():
        _require_known(model, classes, job.inp.all("models")[key])
    recipe = common_recipe(models)
    rows = part_rows(int(job.key["part"]), scene.geobox.shape[0])
    strip = block_of(scene.tile, scene.geobox, rows, (0, scene.geobox.shape[1]))
    shapes = fitting_shapes(job, scene, recipe, len(classes.codes))
    with ExitStack() as stack:
        reader = stack.enter_context(series_reader(scene, recipe, threads=job.use.threads))
        masks = {key: stack.enter_context(RasterReader(path)) for key, path in job.inp.all("masks").items()}
        maps = {key: stack.enter_context(_open(job, key, strip.geobox, classes)) for key in models}
        columns = {key: np.searchsorted(classes.codes, model.classes) for key, model in models.items()}
        regions = _Regions(masks)
        for block, decoded in reader.decoded(shapes.in_order(scene.tile, scene.geobox, rows), regions.meet):
            where = regions.found.pop(block)
            for part in blocks(scene.tile, scene.geobox, shapes.computed, block.rows, block.cols):
                here = {key: block.cut(region, part) for key, region in where.items()}
                if any(region.any() for region in here.values()):
                    features = feature_block(decoded.cubes(part), recipe)
                    for (region, seed), model in models.items():
                        key = (region, seed)
                        found = model.predict(features, here[(region,)], threads=job.use.threads)
                        maps[key].write(part, found, columns[key])
                    del features  # before the next ones are computed


def _require_known(model: Model, classes: Nomenclature, path: Path) -> None:
    """InputError when a model answers classes that the run does not have."""
    unknown = [str(code) for code in model.classes if code not in classes.codes]
    if unknown:
        raise InputError(
            f"{path}: answers class {', '.join(unknown)}, expected some of {', '.join(map(str, classes.codes))}. "
            "Train the model again."
        )


def fitting_shapes(job: JobContext, scene: Scene, recipe: FeatureRecipe, classes: int) -> BlockShapes:
    """Rows and columns of blocks, within what the models leave of the job's memory; the smallest blocks, and a
    warning, when they leave too little."""
    models = job.inp.all("models").values()
    held = int(HELD * sum(file.stat().st_size for path in models for file in path.iterdir()))
    regions = len(job.inp.all("masks"))
    try:
        return prediction_shapes(scene, recipe, job.use, classes, regions=regions, models=held)
    except ConfigError:
        log.warning(
            "%d models take %d MB: too much for the %d MB of a job, so it takes more. Give more: iota2 run --memory",
            len(models),
            held >> 20,
            job.use.memory >> 20,
        )
        return BlockShapes(SMALLEST, SMALLEST, SMALLEST)


@dataclass(frozen=True)
class _Regions:
    """Where the regions have pixels, of the blocks that are decoded."""

    masks: Mapping[Key, RasterReader]
    found: dict[Block, Mapping[Key, np.ndarray]] = field(default_factory=dict)

    def meet(self, block: Block) -> bool:
        """Whether a region has pixels in a block; then where each has them is put into ``found``."""
        where = {key: mask.read(block.geobox) > 0 for key, mask in self.masks.items()}
        if not any(region.any() for region in where.values()):
            return False
        self.found[block] = where
        return True


@dataclass(frozen=True)
class Maps:
    """Where the answers of one model go; pixels never written hold their file's nodata."""

    labels: RasterWriter
    confidence: RasterWriter
    probabilities: RasterWriter | None

    def write(self, block: Block, prediction: Prediction, columns: np.ndarray) -> None:
        """Write one block; ``columns`` are the positions of the model's classes among all classes."""
        self.labels.write(block, prediction.labels.astype(self.labels.profile.dtype))
        self.confidence.write(block, prediction.confidence)
        if self.probabilities is not None:
            self.probabilities.write(block, scaled(prediction, columns, self.probabilities.profile.count))


def scaled(prediction: Prediction, columns: np.ndarray, count: int) -> np.ndarray:
    """Probabilities x 1000 as (class, y, x) uint16 for ``count`` classes; 65535 where there is no label.

    Classes that the model does not know, those not in ``columns``, have probability 0.
    """
    layers = np.zeros((count, *prediction.labels.shape), np.uint16)
    for column, shares in zip(columns, prediction.probabilities, strict=True):
        layers[column] = np.rint(shares * PROBABILITY_SCALE)
    layers[:, prediction.labels == 0] = NO_PROBABILITY
    return layers


def common_recipe(models: Mapping[Key, Model]) -> FeatureRecipe:
    """The recipe of all models, so that features are computed once for all; FeatureMismatch if they differ."""
    first, *others = (model.recipe for model in models.values())
    if any(other != first for other in others):
        raise FeatureMismatch("The models of this tile were trained on different features: train them again.")
    return first


def label_profile(geobox: GeoBox, classes: Nomenclature) -> RasterProfile:
    """Rasters of labels."""
    return RasterProfile(geobox, classes.dtype, nodata=0)


def confidence_profile(geobox: GeoBox) -> RasterProfile:
    """Rasters of confidence, 0..1."""
    return RasterProfile(geobox, "float32", nodata=0)


def probability_profile(geobox: GeoBox, classes: Nomenclature) -> RasterProfile:
    """Rasters of probabilities x 1000, 65535 without label: a band per class, ascending, by code and name."""
    pairs = zip(map(str, classes.codes), classes.names, strict=True)
    named = tuple(code if name == code else f"{code} {name}" for code, name in pairs)
    return RasterProfile(geobox, "uint16", count=len(named), nodata=NO_PROBABILITY, descriptions=named)


@contextmanager
def _open(job: JobContext, key: Key, geobox: GeoBox, classes: Nomenclature) -> Iterator[Maps]:
    """Writers for the strip of one model."""
    with ExitStack() as stack:

        def writer(name: str, profile: RasterProfile) -> RasterWriter:
            return stack.enter_context(RasterWriter(job.out.all(name)[key], profile))

        wanted = "probabilities" in job.out
        yield Maps(
            writer("labels", label_profile(geobox, classes)),
            writer("confidence", confidence_profile(geobox)),
            writer("probabilities", probability_profile(geobox, classes)) if wanted else None,
        )


STEP = Step(
    name="classification",
    group="classification",
    about="Label every pixel.",
    task="classification_{tile}_part_{part}",
    run=run,
    over=("tile", "part"),
    needs={
        **layout.IMAGES,
        "classes": layout.CODES,
        "models": layout.MODEL,
        "masks": layout.REGION_MASK,
    },
    makes={
        "labels": layout.PART_LABELS,
        "confidence": layout.PART_CONFIDENCE,
        "probabilities": layout.PART_PROBABILITIES,
    },
    version=2,
)
