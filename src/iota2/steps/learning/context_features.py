"""Step: context of the selected pixels of one strip of a tile, from models that have not learned from their polygon."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from iota2 import layout
from iota2.classifiers.context_training import CONTEXT_FOLDS, ContextModels, load_context_models
from iota2.compute.window_means import window_positions
from iota2.config.options.schema import Config
from iota2.core.cost import READING_SECONDS, SECONDS_PER_JOB, Cost, JobFacts
from iota2.core.cube import FeatureBlock
from iota2.core.graph import JobContext, Resources, Step
from iota2.core.grid import part_rows
from iota2.core.recipe import FeatureRecipe
from iota2.core.scene import Scene
from iota2.core.tables import COLUMN, ORIGIN, ROW
from iota2.errors import ConfigError
from iota2.io.series.scene_file import read_feature_scene
from iota2.io.tables.pixel_features import PixelFeatures, write_pixel_features
from iota2.io.tables.samples import read_columns
from iota2.steps.blocks import IMAGE_THREADS, feature_shapes, fitting_threads
from iota2.steps.pixels import feature_pixels

_WINDOW_SHARE = 0.25
"""Share of a job's memory for the probabilities of the pixels around samples."""
_PLACE_BYTES = 64
"""Bytes of a pixel of the window of a sample, without its probabilities."""


@dataclass(frozen=True)
class ContextParams:
    """Width of the window in pixels."""

    window: int

    def by_user_name(self) -> Mapping[str, object]:
        """The parameters by option name of the configuration."""
        return {"arg_train.context_window": self.window}


def params(config: Config) -> ContextParams:
    """Parameters of the context from the configuration."""
    assert config.arg_train.window is not None, "the step needs a context"
    return ContextParams(config.arg_train.window)


@dataclass(frozen=True, eq=False)
class _Requests:
    """Selected pixels of the strip, of all models; rows ascend."""

    model: np.ndarray
    """(pixel,) int64: number of the model in the job."""
    position: np.ndarray
    """(pixel,) int64: row of the pixel in the table of selected pixels of its model."""
    fold: np.ndarray
    """(pixel,) int64: fold of the pixel's polygon."""
    rows: np.ndarray
    cols: np.ndarray

    def at(self, some: np.ndarray | slice) -> _Requests:
        """Some of the pixels."""
        return _Requests(*(one[some] for one in (self.model, self.position, self.fold, self.rows, self.cols)))


def run(job: JobContext[ContextParams]) -> None:
    """Predict the pixels around each selected pixel, and write the means of their probabilities."""
    scene = read_feature_scene(job.inp)
    models = [load_context_models(job.inp.at("models", **key.by_axis())) for key, _ in job.out.each("context")]
    sizes = [0 if one.first is None else len(one.first.classes) for one in models]
    requests = _requests(job, models, part_rows(job.key.part, scene.geobox.shape[0]))
    values, clear = np.zeros((len(requests.rows), max(sizes)), np.float32), np.zeros(len(requests.rows), bool)
    step = _group_size(job.params.window, max(sizes), job.use.memory)
    for first in range(0, len(requests.rows) if any(sizes) else 0, step):
        some = slice(first, first + step)
        values[some], clear[some] = _means(scene, models, requests.at(some), job.params.window // 2, job.use)
    for number, (_, path) in enumerate(job.out.each("context")):
        own = requests.model == number
        write_pixel_features(PixelFeatures(requests.position[own], values[own, : sizes[number]], clear[own]), path)


def _requests(job: JobContext[ContextParams], models: Sequence[ContextModels], strip: tuple[int, int]) -> _Requests:
    """The selected pixels of the strip, sorted by row and column."""
    found = []
    for number, (key, one) in enumerate(zip((key for key, _ in job.out.each("context")), models, strict=True)):
        path = job.inp.at("selections", region=key.region, submodel=key.submodel, seed=key.seed)
        pixels = read_columns(path, [ROW, COLUMN, ORIGIN], np.int64)
        at = np.flatnonzero((pixels[:, 0] >= strip[0]) & (pixels[:, 0] < strip[1]))
        # Polygons without any sample that was learned, because it has no clear date, are in no fold.
        folds = np.array([one.fold_of.get(polygon, 0) for polygon in pixels[at, 2].tolist()], np.int64)
        found.append(np.stack([np.full(len(at), number), at, folds, pixels[at, 0], pixels[at, 1]], axis=1))
    listed = np.concatenate(found)
    return _Requests(*listed[np.lexsort((listed[:, 4], listed[:, 3]))].T)


def _group_size(window: int, classes: int, memory: int) -> int:
    """Number of pixels whose windows fit a share of the memory, at least 1."""
    return max(1, int(_WINDOW_SHARE * memory / (window**2 * (4 * classes + _PLACE_BYTES))))


def _means(
    scene: Scene, models: Sequence[ContextModels], requests: _Requests, radius: int, use: Resources
) -> tuple[np.ndarray, np.ndarray]:
    """Means (pixel, class) float32 around the pixels, and whether each pixel has a clear date, (pixel,) bool.

    Columns follow the classes of the model of each pixel; those beyond them are 0.
    """
    height, width = scene.geobox.shape
    around = window_positions(requests.rows, requests.cols, radius, (height, width))
    places, inverse = np.unique(around, return_inverse=True)
    slots: np.ndarray = inverse.reshape(around.shape)
    groups = list(_groups(models, requests, slots, len(places)))
    seen = np.zeros(len(places), bool)
    inside = np.flatnonzero(places >= 0)
    for at, features in _pixels(scene, _recipe(models), places[inside], use):
        seen[inside[at]] = features.n_valid[0] > 0
        for group in groups:
            group.predict(models[group.model], features, inside[at], use.threads)
    classes = max(0 if one.first is None else len(one.first.classes) for one in models)
    means = np.zeros((len(requests.rows), classes), np.float32)
    for group in groups:
        means[group.requests, : group.probabilities.shape[1]] = group.means(slots, seen)
    return means, seen[slots[:, slots.shape[1] // 2]]


def _recipe(models: Sequence[ContextModels]) -> FeatureRecipe:
    """The recipe of the first models, which is the same for all; one of them exists."""
    return next(one.first.recipe for one in models if one.first is not None)


def _pixels(
    scene: Scene, recipe: FeatureRecipe, places: np.ndarray, use: Resources
) -> Iterator[tuple[np.ndarray, FeatureBlock]]:
    """Batches of the pixels at ``places``, row * columns + column: positions among them, and their features."""
    rows, cols = np.divmod(places, scene.geobox.shape[1])
    if not len(rows):
        return
    reduced = replace(use, memory=int((1 - _WINDOW_SHARE) * use.memory))
    reduced = fitting_threads(reduced, partial(feature_shapes, scene, recipe))
    try:
        shapes = feature_shapes(scene, recipe, reduced)
    except ConfigError:
        shapes = feature_shapes(scene, recipe, replace(use, threads=1))
    strip = int(rows.min()), int(rows.max()) + 1
    yield from feature_pixels(scene, recipe, shapes, rows, cols, strip=strip, threads=reduced.threads)


@dataclass(frozen=True, eq=False)
class _Group:
    """Selected pixels of one model and fold, with the probabilities of the pixels around them."""

    model: int
    fold: int
    requests: np.ndarray
    """(pixel,) int64: positions of the selected pixels among all of the job."""
    row: np.ndarray
    """(place,) int64: row of each place in ``probabilities``; -1 for places in none of the windows."""
    probabilities: np.ndarray
    """(row, class) float32, of the model that has not learned from the fold."""

    def predict(self, models: ContextModels, features: FeatureBlock, at: np.ndarray, threads: int) -> None:
        """Set the probabilities of the places ``at``, whose features are (feature, 1, place)."""
        needed = self.row[at] >= 0
        if needed.any():
            found = models.out_of_fold(self.fold, features, needed[None], threads=threads)
            self.probabilities[self.row[at[needed]]] = found[:, 0, needed].T

    def means(self, slots: np.ndarray, seen: np.ndarray) -> np.ndarray:
        """(pixel, class) float64: means over the places of each window that have a clear date; 0 without any."""
        total = np.zeros((len(self.requests), self.probabilities.shape[1]))
        count = np.zeros(len(self.requests))
        for places in slots[self.requests].T:
            known = seen[places]
            total[known] += self.probabilities[self.row[places[known]]]
            count += known
        return total / np.maximum(count, 1)[:, None]


def _groups(models: Sequence[ContextModels], requests: _Requests, slots: np.ndarray, places: int) -> Iterator[_Group]:
    """The selected pixels of each model and fold; probabilities are 0. Models without context are skipped."""
    for number, fold in np.unique(np.stack([requests.model, requests.fold], axis=1), axis=0).tolist():
        first = models[number].first
        if first is None:
            continue
        own = np.flatnonzero((requests.model == number) & (requests.fold == fold))
        row = np.full(places, -1, np.int64)
        needed = np.unique(slots[own])
        row[needed] = np.arange(len(needed))
        yield _Group(number, fold, own, row, np.zeros((len(needed), len(first.classes)), np.float32))


def cost(config: Config, facts: JobFacts) -> Cost:
    """Cost of a job: the part is read once, and the pixels around each sample are predicted by one model."""
    run, window = facts.run, config.arg_train.window or 1
    share = facts.pixels / max(1, run.all_pixels)
    samples = run.samples * min(1.0, 2 * share)
    pixels = min(samples * window**2, config.arg_train.runs * float(facts.pixels) * CONTEXT_FOLDS)
    learned = run.samples_of_model(config.arg_train.runs)
    predicted = config.learner.untrained().pixel_seconds(learned, run.features, run.class_count)
    seconds = facts.pixels * (READING_SECONDS * facts.layers + run.feature_seconds) + pixels * predicted
    size = 4.0 * run.class_count
    return Cost(facts.allowed + int(samples * size), SECONDS_PER_JOB + seconds, run.samples * share * size)


STEP = Step(
    name="contextExtraction",
    group="learning",
    about="Compute the context of the selected pixels (with `context`).",
    task="context_{tile}_part_{part}",
    run=run,
    over=("tile", "part"),
    needs={
        **layout.FEATURE_IMAGES,
        "selections": layout.TILE_SELECTION,
        "models": layout.CONTEXT_MODELS,
    },
    makes={"context": layout.PART_CONTEXT},
    params=params,
    when=layout.with_window,
    cost=cost,
    max_threads=IMAGE_THREADS,
)
