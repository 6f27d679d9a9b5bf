"""Protocols of classifiers and transforms, and models: fitted classifiers with their recipe and classes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self, cast, runtime_checkable

import numpy as np

from iota2.classifiers.calibrated import ModelCalibration
from iota2.classifiers.context import WindowContext
from iota2.classifiers.interval import ModelInterval
from iota2.classifiers.options import Params as Options
from iota2.classifiers.superpixel_context import SuperpixelContext
from iota2.compute.predict import (
    Estimates,
    Prediction,
    Probabilities,
    add_prediction,
    estimate_slices,
    from_predict_proba,
    no_prediction,
    of_rows,
    predict_slices,
)
from iota2.core.cube import FeatureBlock, feature_rows
from iota2.core.recipe import FeatureRecipe
from iota2.core.target import Classes, Target
from iota2.errors import FeatureMismatch, InputError, UserError

__all__ = ["Classifier", "Estimates", "Estimator", "Model", "ModelError", "Prediction", "Regressor", "Training"]


class ModelError(UserError):
    """A model folder that cannot be used: incomplete, damaged, of a newer format, or inconsistent."""


SERIES_NEEDED = (
    "the classifier needs series: the bands of one sensor on each date and no other feature. Set arg_train.features to "
    "[], remove additional and temporal features, use one sensor, and set dim_red.dim_red to False"
)

CONVERGENCE = "convergence"
"""Key of ``summary`` with a sentence on a training that did not converge; absent if it did."""
SMALLEST, LARGEST = "smallest value", "largest value"
"""Keys of ``summary`` of a regressor with the range of the values of its samples."""
NO_SAMPLES = "no samples"
"""Key of ``summary`` of a model without samples, which predicts no pixel: the reason, as a clause."""
FitTransform = Callable[[np.ndarray], "Transform"]
"""Function that fits a transform to training samples, (sample, feature) float32."""


class Estimator(Protocol):
    """A learning method: what classifiers and regressors have in common."""

    Params: ClassVar[type[Options]]
    """Pydantic model of its options."""
    missing: ClassVar[str]
    """How the method treats missing values, in one sentence for the documentation."""
    needs_series: ClassVar[bool]
    """Whether samples have the shape of a series: ``fit`` and the prediction get ``x`` as (sample, date, band), from
    recipes with ``series_shape`` only; ``n_features`` is the number of dates times that of bands."""
    loaded_share: ClassVar[float]
    """Bytes of memory of a loaded model per byte of its files."""

    def __init__(self, parameters: Mapping[str, Any], *, threads: int = 1) -> None:
        """Unfitted; ``parameters`` are those of ``Params.parameters``."""

    @property
    def weights(self) -> bool:
        """Whether ``fit`` uses weights of samples; other methods get None."""

    def training_memory(self, samples: float, features: int, classes: int) -> int:
        """Estimated bytes of memory that ``fit`` needs, samples included."""

    def pixel_seconds(self, samples: float, features: int, classes: int) -> float:
        """Estimated seconds of prediction per pixel, of a model trained on that many samples."""

    @property
    def transforms(self) -> Sequence[FitTransform]:
        """Transforms of the features, in order; each is fitted to the training samples transformed by the previous."""

    @property
    def n_features(self) -> int:
        """Number of features of the training samples."""

    @property
    def importances(self) -> np.ndarray | None:
        """(feature,) float64 with sum 1 (0 if nothing could be learned), or None if the method has no importances."""

    def fit(
        self, x: np.ndarray, y: np.ndarray, *, weight: np.ndarray | None, groups: np.ndarray | None, seed: int
    ) -> None:
        """Fit to ``x`` (sample, feature) float32 without NaN, with targets ``y`` and weights, both (sample,).

        Targets are class codes for a classifier, float32 values of the quantity for a regressor. ``groups`` (sample,)
        int are the polygons of the samples: what is measured while fitting keeps the samples of a polygon together.
        None if they are unknown: each sample is its own group.
        """

    def summary(self) -> Mapping[str, int | float | str]:
        """Properties of the fitted method (size, depth …) for the model's card."""

    def save(self, folder: Path) -> None:
        """Write all data for ``load`` to an existing folder, without pickle; the same fit gives the same bytes."""

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The method that ``save`` wrote, ready to predict. ``ModelError`` if the files are invalid."""


class Classifier(Estimator, Protocol):
    """A classification method: learns class codes from features and predicts class probabilities."""

    @property
    def n_classes(self) -> int:
        """Number of classes of the training samples."""

    def predict_proba(self, x: np.ndarray) -> np.ndarray:
        """Probabilities (n, class) float64; columns follow the sorted classes given to ``fit``. ``ValueError`` for NaN.

        Several threads may call it concurrently; they run in parallel if it releases the global interpreter lock. ``x``
        is (n, feature) float32; the transpose of a contiguous (feature, n) array is not copied.
        """


class Regressor(Estimator, Protocol):
    """A regression method: learns a quantity from features and predicts its values."""

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Values (n,) float64 of the quantity for ``x`` (n, feature) float32. ``ValueError`` for NaN.

        Several threads may call it concurrently, as ``Classifier.predict_proba``.
        """


@runtime_checkable
class KnowsSpread(Protocol):
    """Optional interface of a regressor: how uncertain each value is."""

    def predict_with_spread(self, x: np.ndarray) -> np.ndarray:
        """(n, 2) float64: values, and their standard deviations; (n, 1) if the fitted regressor knows none."""


def values_of(regressor: Regressor, x: np.ndarray) -> np.ndarray:
    """(n, 2) float64: values and their spread for ``x`` (n, feature); (n, 1) for a regressor that knows no spread."""
    if isinstance(regressor, KnowsSpread):
        return regressor.predict_with_spread(x)
    return regressor.predict(x)[:, np.newaxis]


class Transform(Protocol):
    """A fitted transform."""

    name: ClassVar[str]
    keeps_features: ClassVar[bool]
    """Whether each output depends only on the feature at the same position."""

    @property
    def n_inputs(self) -> int:
        """Number of input features."""

    @property
    def n_outputs(self) -> int:
        """Number of output features."""

    def apply(self, x: np.ndarray) -> np.ndarray:
        """(sample, output) float32 from (sample, input) float32; outputs that depend on NaN are NaN."""

    def save(self, folder: Path) -> None:
        """Write its arrays into an existing folder; the same arrays give the same bytes."""


@runtime_checkable
class ReadsBlocks(Protocol):
    """Optional interface of a classifier: prediction from the features of a block in place, without a copy."""

    def predict_pixels(self, values: np.ndarray, at: np.ndarray) -> np.ndarray:
        """Probabilities (n, class) float64 of the pixels ``at`` of ``values`` (feature, pixel) float32.

        ``at`` (n,) are ascending positions. Bit-identical to ``predict_proba(values[:, at].T)``. ``ValueError`` for NaN
        at these pixels.
        """


@runtime_checkable
class Searching(Protocol):
    """Optional interface of a classifier: a search for its parameters before the training."""

    @property
    def searches(self) -> bool:
        """Whether parameters are searched."""

    @property
    def search_report(self) -> SearchReport | None:
        """The result of the search; None before ``fit``, without a search, and after ``load``."""

    def without_search(self, best: Mapping[str, Any] | None = None) -> Classifier:
        """An unfitted classifier with the parameters that the search found; with ``best``, those of an earlier one."""


@runtime_checkable
class TimedTraining(Protocol):
    """Optional interface of a learning method: an estimate of the time of its training."""

    def training_seconds(self, samples: float, features: int, classes: int) -> float:
        """Estimated seconds that ``fit`` needs on one core, with its search for parameters."""


@dataclass(frozen=True)
class Misfit:
    """Options of a classifier that are valid one by one, but with which it cannot be trained."""

    option: tuple[str | int, ...]
    """Key of the option, and keys inside its value."""
    text: str


@runtime_checkable
class Rehearsing(Protocol):
    """Optional interface of a classifier: a trial of its training before the run."""

    def rehearse(self, *, features: int, classes: int, weighted: bool) -> Sequence[Misfit]:
        """Problems of its options in a training on synthetic samples; empty without any.

        ``features`` and ``classes``: numbers in the run; ``features`` 0, and ``classes`` 0 or 1, if unknown.
        ``weighted``: whether samples have weights. Prints nothing. Usually takes less than a second for each value of a
        grid; a failure is tried again with more samples.
        """


class SearchReport(Protocol):
    """The result of a search for parameters."""

    def text(self) -> str:
        """The report as text."""

    def to_json(self) -> dict[str, Any]:
        """All scores as plain values."""


def as_series(x: np.ndarray, recipe: FeatureRecipe) -> np.ndarray:
    """Samples (sample, feature) as (sample, date, band); ``ModelError`` if the recipe's features are not a series."""
    shape = recipe.series_shape
    if shape is None or x.shape[1] != shape[0] * shape[1]:
        raise ModelError(SERIES_NEEDED)
    return np.ascontiguousarray(x).reshape(len(x), *shape)


def transformed(transforms: Sequence[Transform], x: np.ndarray) -> np.ndarray:
    """Samples (sample, feature) after all transforms, in order."""
    for transform in transforms:
        x = transform.apply(x)
    return x


@dataclass(frozen=True)
class Training:
    """Origin of a model: method, region, seed, samples and versions."""

    kind: str
    """Name of the classifier in the registry."""
    region: str
    seed: int
    parameters: Mapping[str, Any]
    samples: Mapping[int, int]
    """Number of samples by class code; for a quantity, by the code 0."""
    summary: Mapping[str, int | float | str]
    versions: Mapping[str, str]
    """Versions of libraries during training."""
    weights: Mapping[int, float] = field(default_factory=dict)
    """Mean weight of the samples of each class, by code; empty if all samples weigh 1."""


@dataclass(frozen=True, eq=False)
class Model:
    """A fitted classifier with its recipe, its classes, and optional transforms of the features; or a regressor.

    ``target`` decides: ``Classes`` for a ``Classifier``, a ``Quantity`` for a ``Regressor``.
    """

    classifier: Classifier | Regressor
    recipe: FeatureRecipe
    target: Target
    meta: Training
    transforms: tuple[Transform, ...] = ()
    """Applied to the recipe's features in order, before the classifier."""
    calibration: ModelCalibration | None = None
    """Applied to the probabilities of the classifier; None if it was not requested."""
    sensors: tuple[str, ...] | None = None
    """With a ``partial`` recipe: the sensors with dates of whose features the classifier has learned; None: of all."""
    alternatives: tuple[Model, ...] = ()
    """With a ``partial`` recipe: models of fewer sensors, by preference. A pixel is predicted by the first model, of
    this one and the alternatives, all of whose sensors have a clear observation."""
    context: WindowContext | SuperpixelContext | None = None
    """Features of the neighbourhood, after those of the recipe; None if they were not requested."""
    interval: ModelInterval | None = None
    """Interval of the values of a quantity; None if it was not requested."""

    def __post_init__(self) -> None:
        given = len(self.inputs)
        for transform in self.transforms:
            if transform.n_inputs != given:
                raise ModelError(
                    f"{self.title}: {transform.name} expects {transform.n_inputs} features, got {given}. "
                    "Train the model again."
                )
            given = transform.n_outputs
        method = "predict_proba" if isinstance(self.target, Classes) else "predict"
        if not hasattr(self.classifier, method):
            kind = "classes" if isinstance(self.target, Classes) else "a quantity"
            raise ModelError(f"{self.title}: {self.meta.kind} does not predict {kind}. Train the model again.")
        expected = given, len(self._own_classes)
        n_classes = self._classifier.n_classes if isinstance(self.target, Classes) else 0
        found = self.classifier.n_features, n_classes
        if found != expected:
            raise ModelError(
                f"{self.title}: the classifier has {found[0]} features and {found[1]} classes, but its recipe "
                f"and class list have {expected[0]} and {expected[1]}. Train the model again."
            )

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the features before the transforms: those of the recipe, then those of the context."""
        return self.learned.names + (self.context.names if self.context else ())

    @property
    def halo(self) -> int:
        """Number of pixels around a block on which its prediction depends, in addition to the halo of the recipe."""
        return self.context.halo if self.context else 0

    @property
    def classes(self) -> tuple[int, ...]:
        """Class codes, ascending, 1..65535, also of the alternatives; empty for a quantity."""
        if not self.alternatives:
            return self._own_classes
        return tuple(sorted({code for model in (self, *self.alternatives) for code in model._own_classes}))

    @property
    def _own_classes(self) -> tuple[int, ...]:
        """Classes of this classifier."""
        return self.target.codes if isinstance(self.target, Classes) else ()

    @property
    def learned(self) -> FeatureRecipe:
        """The recipe of the features from which this classifier has learned."""
        if not self.recipe.partial:
            return self.recipe
        sensors = self.recipe.dated if self.sensors is None else self.sensors
        return replace(self.recipe.of_sensors(sensors), partial=False)

    @property
    def alone(self) -> Model:
        """This classifier without alternatives, as a model of its own features; itself if there are no others."""
        return replace(self, recipe=self.learned, sensors=None, alternatives=()) if self.recipe.partial else self

    @property
    def _classifier(self) -> Classifier:
        """The classifier; ``ModelError`` if the model is one of a quantity."""
        if not isinstance(self.target, Classes):
            raise ModelError(f"{self.title}: estimates {self.target.name}, not classes. Use estimate.")
        return cast(Classifier, self.classifier)

    @property
    def _regressor(self) -> Regressor:
        """The regressor; ``ModelError`` if the model is one of classes."""
        if isinstance(self.target, Classes):
            raise ModelError(f"{self.title}: predicts classes, not a quantity. Use predict.")
        return cast(Regressor, self.classifier)

    @property
    def importances(self) -> np.ndarray | None:
        """Importances (input,) float64 of the ``inputs``; None if unavailable or mixed by transforms."""
        unmixed = all(transform.keeps_features for transform in self.transforms)
        return self.classifier.importances if unmixed else None

    @property
    def without_samples(self) -> bool:
        """Whether the model has no samples, and therefore no classes: it predicts no pixel."""
        return self.target == Classes(())

    @property
    def title(self) -> str:
        """Name of the model in messages."""
        return f"model of region {self.meta.region}, random seed {self.meta.seed}"

    def predict(self, features: FeatureBlock, where: np.ndarray, *, threads: int = 1) -> Prediction:
        """Labels, confidence and probabilities of a block; the latter two are calibrated if the model is.

        ``features`` may have margins around the block; a model with context needs margins of ``halo`` pixels, or to the
        edge of the tile: without them, windows are clipped. Pixels outside ``where`` (y, x) bool of the block, and
        pixels without any valid observation, get 0 in all three, regardless of their features; a model without samples
        gives 0 everywhere. With a ``partial`` recipe, each pixel is predicted by the model of the sensors that see it,
        and probabilities are those of the classes of all models. Of classes with equal probability the smallest code is
        chosen. ``threads`` work in parallel and do not change the result. Raises ``FeatureMismatch`` for features other
        than the recipe's, ``InputError`` for NaN at classified pixels, ``ModelError`` for a model of a quantity.
        """
        whole, features = features, features.without_margins()
        selected = self._selected(features, where)
        if self.without_samples:
            return no_prediction(0, selected.shape)
        if not self.recipe.partial:
            return self._predicted(self._values(whole, selected, threads), slice(None), selected, threads)
        classes, total = self.classes, None
        for model, rows, seen in self._by_sensors(features, selected):
            part = model._predicted(features.values, rows, seen, threads)
            if total is None and model.classes == classes:
                total = part
                continue
            total = total or no_prediction(len(classes), selected.shape)
            add_prediction(total, part, np.searchsorted(classes, model.classes))
        return total or no_prediction(len(classes), selected.shape)

    def _predicted(
        self, values: np.ndarray, rows: slice | np.ndarray, selected: np.ndarray, threads: int
    ) -> Prediction:
        """Prediction of pixels from some rows of features (feature, y, x): those of this classifier."""
        with self._missing_values_named(values, rows, selected):
            return predict_slices(
                of_rows(self._probabilities, rows),
                values,
                selected,
                self._own_classes,
                calibrate=self._calibrate,
                threads=threads,
            )

    def _by_sensors(
        self, features: FeatureBlock, selected: np.ndarray
    ) -> Iterator[tuple[Model, slice | np.ndarray, np.ndarray]]:
        """Models with pixels of a block: model, rows of its features, its pixels (y, x) bool. Each pixel occurs once.

        Selected pixels that no model can predict are omitted.
        """
        left = selected
        for model in (self.alone, *self.alternatives):
            counts = features.clear[[features.sensors.index(name) for name in model.recipe.dated]]
            seen = left & (counts > 0).all(axis=0)
            if seen.any():
                yield model, feature_rows(features.names, model.recipe.names), seen
                left = left & ~seen

    def probabilities_of(self, x: np.ndarray) -> np.ndarray:
        """Probabilities (sample, class) float64, not calibrated, of samples (sample, input) float32 without NaN."""
        return self._classifier.predict_proba(self._inputs(x))

    def estimate(self, features: FeatureBlock, where: np.ndarray, *, threads: int = 1) -> Estimates:
        """Values of the quantity in a block, and widths of their intervals; NaN in pixels that ``predict`` would not
        classify.

        Arguments and errors are those of ``predict``; ``ModelError`` for a model of classes.
        """
        features = features.without_margins()
        selected = self._selected(features, where)
        if not self.recipe.partial:
            return self._estimated(features.values, selected, threads)
        total = Estimates(*np.full((2, *selected.shape), np.nan, np.float32))
        for model, rows, seen in self._by_sensors(features, selected):
            part = model._estimated(features.values[rows], seen, threads)
            total.values[seen], total.widths[seen] = part.values[seen], part.widths[seen]
        return total

    def _estimated(self, values: np.ndarray, selected: np.ndarray, threads: int) -> Estimates:
        """Estimates of pixels from the features (feature, y, x) of this regressor."""
        regressor = self._regressor

        def estimates(x: np.ndarray) -> np.ndarray:
            found = values_of(regressor, self._inputs(x))
            widths = np.full(len(found), np.nan) if self.interval is None else self.interval.widths(found)
            return np.stack([found[:, 0], widths], axis=1)

        with self._missing_values_named(values, slice(None), selected):
            return estimate_slices(estimates, values, selected, threads=threads)

    def _values(self, features: FeatureBlock, selected: np.ndarray, threads: int) -> np.ndarray:
        """(input, y, x) float32: the features of the block, and its context at the selected pixels."""
        if not self.halo or self.context is None:
            return features.without_margins().values
        if not selected.any():
            return np.zeros((len(self.inputs), *selected.shape), np.float32)
        return self.context.extended(features, selected, threads=threads)

    def _selected(self, features: FeatureBlock, where: np.ndarray) -> np.ndarray:
        """(y, x) bool: pixels of ``where`` with a valid observation; ``FeatureMismatch`` for other features."""
        self._require_names(features.names)
        return where & (features.n_valid > 0)

    @contextmanager
    def _missing_values_named(
        self, values: np.ndarray, rows: slice | np.ndarray, selected: np.ndarray
    ) -> Iterator[None]:
        """Convert the ``ValueError`` for NaN to an ``InputError`` that names the feature."""
        try:
            yield
        except ValueError as err:
            missing = np.array([np.count_nonzero(np.isnan(layer[selected])) for layer in values[rows]])
            if not missing.any():
                raise
            raise InputError(
                f"{self.title}: feature {self.recipe.names[int(missing.argmax())]} has no value at "
                f"{int(missing.max())} of {np.count_nonzero(selected)} pixels with valid observations; the same "
                f"holds for {int((missing > 0).sum()) - 1} other features. Change the function of the feature so that "
                "it returns a number there."
            ) from err

    @property
    def _calibrate(self) -> Callable[[np.ndarray], np.ndarray] | None:
        """Function that calibrates probabilities (n, class); None for a model without calibration."""
        fitted = self.calibration.calibration if self.calibration else None
        return fitted.apply if fitted else None

    @property
    def _probabilities(self) -> Probabilities:
        classifier = self._classifier
        if self.transforms or classifier.needs_series:
            return from_predict_proba(lambda x: classifier.predict_proba(self._inputs(x)))
        if isinstance(classifier, ReadsBlocks):
            return classifier.predict_pixels
        return from_predict_proba(classifier.predict_proba)

    def _inputs(self, x: np.ndarray) -> np.ndarray:
        """What the classifier gets for samples (sample, feature): transformed, and as series if it needs them."""
        x = transformed(self.transforms, x)
        return as_series(x, self.recipe) if self.classifier.needs_series else x

    def _require_names(self, names: tuple[str, ...]) -> None:
        expected = self.recipe.names
        if names == expected:
            return
        k = next((k for k, (a, b) in enumerate(zip(names, expected, strict=False)) if a != b), None)
        if k is None:
            k = min(len(names), len(expected))
        found, wanted = (repr(row[k]) if k < len(row) else "nothing" for row in (names, expected))
        raise FeatureMismatch(
            f"{self.title}: feature {k + 1} is {found}, expected {wanted} "
            f"({len(names)} features given, {len(expected)} in the training). Classify with the inputs, dates and "
            "indices of the training, or train again."
        )
