"""Step: classification of one strip of a tile by all models of the tile, in one pass."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from odc.geo.geobox import GeoBox

from iota2 import layout
from iota2.classifiers.base import Model, Prediction
from iota2.classifiers.models import load_model, model_bytes
from iota2.compute.block_shapes import MIN_SHAPE, BlockShapes
from iota2.config.learner import learned_features, learned_samples
from iota2.config.options.schema import Config
from iota2.core.cost import COMPONENT_SECONDS, FEATURE_SECONDS, READING_SECONDS, Cost, Facts, JobFacts
from iota2.core.graph import JobContext, Key, Resources, Step
from iota2.core.grid import Block, block_of, blocks, part_rows
from iota2.core.nomenclature import Nomenclature
from iota2.core.recipe import FeatureRecipe
from iota2.core.scene import Scene
from iota2.errors import ConfigError, FeatureMismatch, InputError
from iota2.io.rasters.files import RasterProfile, RasterReader, RasterWriter
from iota2.io.series.scene_file import read_shifted_scene
from iota2.io.tables.classes import read_classes
from iota2.steps.blocks import IMAGE_THREADS, fitting_threads, prediction_shapes
from iota2.steps.pixels import feature_blocks
from iota2.steps.profiles import confidence_profile, label_profile, probability_profile, scaled_probabilities

log = logging.getLogger(__name__)


def run(job: JobContext) -> None:
    """Compute features block by block and classify the pixels of each region with the region's models."""
    scene, classes = read_shifted_scene(job.inp), read_classes(job.inp.classes)
    models = {key: load_model(path) for key, path in job.inp.all("models").items()}
    for key, model in models.items():
        _require_known_classes(model, classes, job.inp.all("models")[key])
    recipe = common_recipe(models)
    rows = part_rows(job.key.part, scene.geobox.shape[0])
    strip = block_of(scene.tile, scene.geobox, rows, (0, scene.geobox.shape[1]))
    use = fitting_threads(job.use, partial(_shapes, job, scene, recipe, len(classes.codes)))
    shapes = fitting_shapes(replace(job, use=use), scene, recipe, len(classes.codes))
    with ExitStack() as stack:
        masks = {key: stack.enter_context(RasterReader(path)) for key, path in job.inp.all("masks").items()}
        maps = {key: stack.enter_context(_open_maps(job, key, strip.geobox, classes)) for key in models}
        columns = {key: np.searchsorted(classes.codes, model.classes) for key, model in models.items()}
        order = shapes.in_order(scene.tile, scene.geobox, rows)
        select = _RegionBlocks(masks, scene.geobox, shapes.computed).inside
        for block, features, regions in feature_blocks(scene, recipe, order, select, threads=use.threads):
            for key, model in models.items():
                prediction = model.predict(features, regions[Key.of(region=key.region)], threads=use.threads)
                maps[key].write(block, prediction, columns[key])
            del features  # so that only one block of features is in memory


def _require_known_classes(model: Model, classes: Nomenclature, path: Path) -> None:
    """Raise InputError if a model predicts classes that are not classes of the run."""
    unknown = [str(code) for code in model.classes if code not in classes.codes]
    if unknown:
        raise InputError(
            f"{path}: predicts class {', '.join(unknown)}; expected only classes of the run: "
            f"{', '.join(map(str, classes.codes))}. Train the model again."
        )


def fitting_shapes(job: JobContext, scene: Scene, recipe: FeatureRecipe, classes: int) -> BlockShapes:
    """Rows and columns of blocks that fit the job's memory together with the models.

    If no shape fits, the smallest shape is returned and a warning is logged.
    """
    try:
        return _shapes(job, scene, recipe, classes, job.use)
    except ConfigError:
        log.warning(
            "%d models take %d MB, more than the %d MB of a job. Increase the memory of jobs: iota2 run --memory",
            len(job.inp.all("models")),
            _model_bytes(job) >> 20,
            job.use.memory >> 20,
        )
        return BlockShapes(MIN_SHAPE, MIN_SHAPE, MIN_SHAPE)


def _shapes(job: JobContext, scene: Scene, recipe: FeatureRecipe, classes: int, use: Resources) -> BlockShapes:
    """Rows and columns of blocks that fit ``use`` together with the models; ConfigError if none fits."""
    regions = len(job.inp.all("masks"))
    return prediction_shapes(scene, recipe, use, classes, regions=regions, model_bytes=_model_bytes(job))


def _model_bytes(job: JobContext) -> int:
    """Memory of all models."""
    return sum(map(model_bytes, job.inp.all("models").values()))


@dataclass(frozen=True)
class _RegionBlocks:
    """Selection of the blocks that contain pixels of a region."""

    masks: Mapping[Key, RasterReader]
    geobox: GeoBox
    """Grid of the tile."""
    shape: tuple[int, int]
    """Rows and columns of the blocks that are classified at once."""

    def inside(self, whole: Block) -> list[tuple[Block, dict[Key, np.ndarray]]]:
        """Blocks inside ``whole`` that contain pixels of a region, each with the mask (y, x) bool of every region."""
        found = []
        regions = {key: mask.read(whole.geobox) > 0 for key, mask in self.masks.items()}
        for block in blocks(whole.tile, self.geobox, self.shape, whole.rows, whole.cols):
            in_block = {key: whole.cut(region, block) for key, region in regions.items()}
            if any(region.any() for region in in_block.values()):
                found.append((block, in_block))
        return found


@dataclass(frozen=True)
class Maps:
    """Output rasters of one model; pixels that are not written have the nodata value of the raster."""

    labels: RasterWriter
    confidence: RasterWriter
    probabilities: RasterWriter | None

    def write(self, block: Block, prediction: Prediction, columns: np.ndarray) -> None:
        """Write one block; ``columns``: positions of the model's classes among all classes."""
        self.labels.write(block, prediction.labels.astype(self.labels.profile.dtype))
        self.confidence.write(block, prediction.confidence)
        if self.probabilities is not None:
            self.probabilities.write(block, scaled_probabilities(prediction, columns, self.probabilities.profile.count))


def common_recipe(models: Mapping[Key, Model]) -> FeatureRecipe:
    """Feature recipe shared by all models; FeatureMismatch if they differ."""
    first, *others = (model.recipe for model in models.values())
    if any(other != first for other in others):
        raise FeatureMismatch("The models of this tile were trained on different features. Train them again.")
    return first


@contextmanager
def _open_maps(job: JobContext, key: Key, geobox: GeoBox, classes: Nomenclature) -> Iterator[Maps]:
    """Open the output rasters of the strip for one model."""
    with ExitStack() as stack:

        def writer(name: str, profile: RasterProfile) -> RasterWriter:
            return stack.enter_context(RasterWriter(job.out.all(name)[key], profile))

        with_probabilities = "probabilities" in job.out
        yield Maps(
            writer("labels", label_profile(geobox, classes)),
            writer("confidence", confidence_profile(geobox)),
            writer("probabilities", probability_profile(geobox, classes)) if with_probabilities else None,
        )


def cost(config: Config, facts: JobFacts) -> Cost:
    """Cost of a job: features are computed once, and each model classifies the area of its region."""
    run, models = facts.run, facts.regions * config.arg_train.runs
    probabilities = 2 * run.class_count if config.arg_classification.enable_probability_map else 0
    before, classes = run.samples / config.arg_train.runs, run.class_count * run.model_count
    samples = learned_samples(config.arg_train, before, classes)
    features = learned_features(config.dim_red, run.recipe)
    prediction_seconds = config.learner.untrained().pixel_seconds(samples, features, run.class_count)
    if config.dim_red.dim_red:
        prediction_seconds += COMPONENT_SECONDS * run.features * config.dim_red.target_dimension
    seconds = READING_SECONDS * facts.layers + FEATURE_SECONDS * run.features + prediction_seconds
    return facts.raster_cost((run.label_bytes + 4 + probabilities) * models, seconds)


def block_shape(config: Config, facts: Facts, tile: str, use: Resources) -> tuple[int, int]:
    """Rows and columns of the blocks that are classified at once."""
    regions = len(facts.regions[tile])
    return prediction_shapes(facts.scenes[tile], facts.recipe, use, facts.class_count, regions=regions).computed


STEP = Step(
    name="classification",
    group="classification",
    about="Classify every pixel.",
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
    cost=cost,
    block_shape=block_shape,
    leaves_gap=True,
    max_threads=IMAGE_THREADS,
)
