"""Training, saving and loading of models.

A model folder contains ``model.json`` (recipe of the features, classes, origin) and the arrays that its classifier
writes. It contains no code.
"""

from __future__ import annotations

import json
import math
import platform
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from iota2 import __version__
from iota2.classifiers.base import NO_SAMPLES, SERIES_NEEDED, Classifier, Model, ModelError, Regressor, Training
from iota2.classifiers.calibrated import Choice, ModelCalibration, calibrate
from iota2.classifiers.card import card_text
from iota2.classifiers.context import WindowContext
from iota2.classifiers.fitting import Fitting, fit_seed
from iota2.classifiers.interval import ModelInterval, fit_interval
from iota2.classifiers.no_classifier import NoClassifier
from iota2.classifiers.registry import KINDS, untrained
from iota2.classifiers.samples import Samples
from iota2.classifiers.superpixel_context import SuperpixelContext
from iota2.classifiers.transforms import LOADERS, Components
from iota2.compute.class_weights import counts_by_code
from iota2.compute.expressions import expression_problems
from iota2.core.files import read_text
from iota2.core.nomenclature import MAX_CODE
from iota2.core.recipe import FeatureRecipe
from iota2.core.tables import reduced_columns
from iota2.core.target import Classes, Quantity, Target
from iota2.core.words import json_text
from iota2.errors import ConfigError, InputError, remedy_of

MAX_HALO = 1000
"""Maximum number of pixels around a pixel on which features may depend."""
FORMAT = "iota2 model"
FORMAT_VERSION, TRANSFORMED_VERSION, QUANTITY_VERSION, CALIBRATED_VERSION, PARTIAL_VERSION = 1, 2, 3, 4, 5
CONTEXT_VERSION, NO_SAMPLES_VERSION, USER_VERSION, WHOLE_TILE_VERSION, INTERVAL_VERSION = 6, 7, 8, 9, 10
"""Format versions: classes, with transforms, a quantity, calibrated, with models of fewer sensors, with context,
without samples, with features of functions of the user, with functions of whole tiles, and with intervals of a
quantity. Older program versions reject newer ones."""
VERSIONS = range(FORMAT_VERSION, INTERVAL_VERSION + 1)
FILE = "model.json"
CARD = "card.txt"
"""Name of the card of a model of fewer sensors, in its folder."""
FIRST_MODEL = "first"
"""Subfolder of the first model of a model with context."""
SAMPLES_PER_CHECK = 4096
"""Number of samples per batch of the check for values that are not finite."""


def train_model(
    classifier_name: str,
    parameters: Mapping[str, Any],
    x: np.ndarray,
    y: np.ndarray,
    *,
    recipe: FeatureRecipe,
    seed: int,
    region: str,
    threads: int,
    weight: np.ndarray | None = None,
    groups: np.ndarray | None = None,
    quantity: Quantity | None = None,
    reduction: Components | None = None,
    calibration: Choice = "none",
    augmented: np.ndarray | None = None,
    context: WindowContext | SuperpixelContext | None = None,
    found: Classifier | Regressor | None = None,
    intervals: bool = False,
) -> Model:
    """A model fitted to ``x`` (sample, feature) and class codes ``y`` (sample,) 1..65535, or values of a ``quantity``.

    ``parameters`` come from ``validate_options``; ``weight`` and ``groups``, the polygons of the samples, are
    (sample,). With a ``reduction``, ``x`` contains its components instead of the recipe's features. With a
    ``calibration``, which needs ``groups``, further models are fitted (``calibrate``); it is not fitted to samples made
    from others, ``augmented`` (sample,) bool. With ``intervals`` of a quantity, further models are fitted as well
    (``fit_interval``). With a ``context``, its features follow those of the recipe in ``x``.
    ``found``: a fitted method, whose search for parameters is not repeated. One class, and one sample, are enough. The
    result depends on the samples in their order, the parameters, ``seed`` and ``region``, not on ``threads``. Raises
    ``InputError`` for no samples, values that are not finite, a number of features other than expected, and codes out
    of range; ``ModelError`` if the classifier needs series and gets other features.
    """
    title = f"region {region}, random seed {seed}"
    x, y = np.asarray(x, np.float32), np.asarray(y)
    names: Sequence[str] = recipe.names if reduction is None else reduced_columns(reduction.n_outputs)
    _check_samples(x, y, [*names, *(context.names if context else ())], title)
    target, samples = _class_target(y, title) if quantity is None else _quantity_target(quantity, y, title)
    if reduction is not None and untrained(classifier_name, parameters).needs_series:
        raise ModelError(SERIES_NEEDED)
    fitting = Fitting(classifier_name, parameters, recipe, fit_seed(seed, region), threads)
    given = Samples(x, y, weight, groups)
    fitted = fitting.fit(given, found)
    fit = fitting.to_some(given, fitted.method)
    choice = calibration if quantity is None else "none"
    calibrated = calibrate(choice, fit, y, groups, seed=seed, region=region, augmented=augmented)
    interval = fit_interval(fit, y, given.polygons, seed=seed, region=region) if quantity and intervals else None
    meta = Training(
        kind=classifier_name,
        region=region,
        seed=seed,
        parameters=dict(parameters),
        samples=samples,
        summary=fitted.method.summary(),
        versions=_versions(),
        weights=_mean_weights(y, weight) if quantity is None else {},
    )
    transforms = fitted.transforms if reduction is None else (reduction, *fitted.transforms)
    return Model(fitted.method, recipe, target, meta, transforms, calibrated, context=context, interval=interval)


def model_without_samples(
    classifier_name: str, parameters: Mapping[str, Any], *, recipe: FeatureRecipe, seed: int, region: str, reason: str
) -> Model:
    """A model that predicts no pixel; ``reason``: why there are no samples, as a clause."""
    meta = Training(classifier_name, region, seed, dict(parameters), {}, {NO_SAMPLES: reason}, _versions())
    return Model(NoClassifier(len(recipe.names)), recipe, Classes(()), meta)


def _class_target(y: np.ndarray, title: str) -> tuple[Target, dict[int, int]]:
    """The classes of the samples, and the number of samples by code."""
    if y.dtype.kind not in "iu" or y.min() < 1 or y.max() > MAX_CODE:
        raise InputError(f"{title}: class codes must be whole numbers from 1 to {MAX_CODE} (0 means no label).")
    counts = counts_by_code(y)
    return Classes(tuple(counts)), counts


def _mean_weights(codes: np.ndarray, weight: np.ndarray | None) -> dict[int, float]:
    """Mean weight of the samples of each class, by code; empty without weights."""
    if weight is None:
        return {}
    return {int(code): float(weight[codes == code].mean()) for code in np.unique(codes)}


def _quantity_target(quantity: Quantity, y: np.ndarray, title: str) -> tuple[Target, dict[int, int]]:
    """The quantity, and the number of samples."""
    if y.dtype.kind not in "iuf" or not np.isfinite(y).all():
        raise InputError(f"{title}: values of {quantity.name} must be finite numbers. Correct the reference data.")
    return quantity, {0: len(y)}


def save_model(model: Model, folder: Path, card: Path) -> None:
    """Write the model and the readable ``card`` into ``folder``, created if absent.

    Models of fewer sensors are in folders of it, complete models with cards. The same model gives the same bytes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    model.classifier.save(folder)
    meta = model.meta
    content = {
        "format": FORMAT,
        "version": _version_of(model),
        "kind": meta.kind,
        "region": meta.region,
        "seed": meta.seed,
        "classes": list(model.alone.classes),
        "samples": {str(code): count for code, count in meta.samples.items()},
        "parameters": dict(meta.parameters),
        "summary": dict(meta.summary),
        "versions": dict(meta.versions),
        "recipe": model.recipe.to_json(),
    }
    if meta.weights:
        content["weights"] = {str(code): weight for code, weight in meta.weights.items()}
    if isinstance(model.target, Quantity):
        content["quantity"] = asdict(model.target)
    if model.calibration is not None:
        content["calibration"] = model.calibration.to_json()
    if model.interval is not None:
        content["interval"] = model.interval.to_json()
    if model.sensors is not None:
        content["sensors"] = list(model.sensors)
    if model.alternatives:
        content["alternatives"] = [list(other.recipe.dated) for other in model.alternatives]
    for other in model.alternatives:
        inner = folder / folder_of(other.recipe.dated)
        save_model(other, inner, inner / CARD)
    if model.transforms:
        content["transforms"] = [transform.name for transform in model.transforms]
    for number, transform in enumerate(model.transforms):
        (folder / f"{number}_{transform.name}").mkdir(exist_ok=True)
        transform.save(folder / f"{number}_{transform.name}")
    if model.context is not None:
        content["context"] = model.context.to_json()
        if isinstance(model.context.first, Model):
            save_model(model.context.first, folder / FIRST_MODEL, folder / f"{FIRST_MODEL}.txt")
    (folder / FILE).write_text(json_text(content, indent=1) + "\n", encoding="utf-8")
    card.write_text(card_text(model), encoding="utf-8")


def folder_of(sensors: Sequence[str]) -> str:
    """Name of the folder with the model of some sensors, inside the folder of the model."""
    return f"sensors_{'+'.join(sensors)}"


def read_training(folder: Path) -> Training:
    """Origin of the model that ``save_model`` wrote; ``ModelError`` as in ``load_model``. No array is read."""
    return _parsed(folder / FILE).meta


def read_recipe_of(folder: Path) -> FeatureRecipe:
    """Recipe of the model that ``save_model`` wrote; ``ModelError`` as in ``load_model``. No array is read."""
    return _parsed(folder / FILE).recipe


def read_trainings(folder: Path) -> dict[tuple[str, ...], Training]:
    """Samples and options from which each model of a region was trained, by the names of its sensors.

    A model without models of fewer sensors has one entry; otherwise the preferred model is first. A model without
    samples has none. ``ModelError`` as in ``load_model``; no array is read.
    """
    found = _parsed(folder / FILE)
    if found.without_samples:
        return {}
    own = found.recipe.dated if found.sensors is None else found.sensors
    others = {sensors: read_training(folder / folder_of(sensors)) for sensors in found.alternatives}
    return {own: found.meta, **others}


def read_calibration(folder: Path) -> ModelCalibration | None:
    """Calibration of the model that ``save_model`` wrote; None if it was not requested. ``ModelError`` as in
    ``load_model``; no array is read."""
    return _parsed(folder / FILE).calibration


def read_interval(folder: Path) -> ModelInterval | None:
    """Interval of the values of the model that ``save_model`` wrote; None if it was not requested. ``ModelError`` as in
    ``load_model``; no array is read."""
    return _parsed(folder / FILE).interval


def model_bytes(folder: Path) -> int:
    """Bytes of memory of the model in a folder once loaded. ``ModelError`` as in ``load_model``; no array is read."""
    share = KINDS[read_training(folder).kind].implementation.loaded_share
    return int(share * sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()))


def load_model(folder: Path) -> Model:
    """The model that ``save_model`` wrote.

    Raises ``ModelError`` if something is missing, damaged, of a newer version or inconsistent. No code of the folder is
    executed, and indices are checked against the sizes of arrays.
    """
    found = _parsed(folder / FILE)
    alternatives = tuple(load_model(folder / folder_of(sensors)) for sensors in found.alternatives)
    for sensors, other in zip(found.alternatives, alternatives, strict=True):
        if other.recipe != replace(found.recipe.of_sensors(sensors), partial=False):
            raise ModelError(f"{folder / folder_of(sensors)}: not the features of {folder}. Train the model again.")
    implementation = KINDS[found.meta.kind].implementation
    transforms = tuple(LOADERS[name](folder / f"{number}_{name}") for number, name in enumerate(found.transforms))
    context = read_context(folder)
    if context is not None and not context.reason:
        context = _with_first_model(context, folder / FIRST_MODEL, found.recipe)
    return Model(
        NoClassifier(len(found.recipe.names)) if found.without_samples else implementation.load(folder),
        found.recipe,
        found.target,
        found.meta,
        transforms,
        found.calibration,
        sensors=found.sensors,
        alternatives=alternatives,
        context=context,
        interval=found.interval,
    )


def read_context(folder: Path) -> WindowContext | SuperpixelContext | None:
    """Context of the model that ``save_model`` wrote, without its first model; None if it was not requested.

    ``ModelError`` as in ``load_model``; no array is read.
    """
    path = folder / FILE
    content = _read_json(path).get("context")
    if content is None:
        return None
    try:
        if content["kind"] == "superpixels":
            return SuperpixelContext.from_json(content)
        return WindowContext.from_json(content)
    except (KeyError, TypeError, ValueError) as err:
        detail = f"{type(err).__name__}: {err}"
        raise ModelError(f"{path}: damaged ({detail}). Copy the model again or train it again.") from err


def _with_first_model(
    context: WindowContext | SuperpixelContext, folder: Path, recipe: FeatureRecipe
) -> WindowContext | SuperpixelContext:
    """A context with its first model; ``ModelError`` if this has another context or other features."""
    own = read_context(folder)
    found, needed = (one.iterations if isinstance(one, SuperpixelContext) else 0 for one in (own, context))
    if found != max(0, needed - 1) or isinstance(own, WindowContext):
        raise ModelError(f"{folder}: the first model does not fit the context of the second. Train the model again.")
    first = load_model(folder)
    if first.recipe != recipe or not first.classes:
        raise ModelError(f"{folder}: the first model has other features than the second. Train the model again.")
    return replace(context, first=first)


def _version_of(model: Model) -> int:
    """The lowest format version that contains all parts of the model.

    A model without a fitted calibration predicts the same with programs that do not know calibrations.
    """
    fitted = model.calibration is not None and model.calibration.calibration is not None
    parts = (
        (INTERVAL_VERSION, model.interval is not None),
        (WHOLE_TILE_VERSION, any(function.whole_tile for function in model.recipe.functions)),
        (USER_VERSION, model.recipe.user is not None),
        (NO_SAMPLES_VERSION, model.without_samples),
        (CONTEXT_VERSION, model.halo > 0),
        (PARTIAL_VERSION, model.recipe.partial),
        (CALIBRATED_VERSION, fitted),
        (QUANTITY_VERSION, isinstance(model.target, Quantity)),
        (TRANSFORMED_VERSION, bool(model.transforms)),
    )
    return next((version for version, has in parts if has), FORMAT_VERSION)


def _target(content: Mapping[str, Any]) -> Target:
    """Classes or quantity of a model."""
    return Quantity(**content["quantity"]) if "quantity" in content else Classes(tuple(content["classes"]))


@dataclass(frozen=True)
class _Parsed:
    """Content of ``model.json``."""

    recipe: FeatureRecipe
    target: Target
    meta: Training
    transforms: tuple[str, ...]
    calibration: ModelCalibration | None
    sensors: tuple[str, ...] | None
    alternatives: tuple[tuple[str, ...], ...]
    interval: ModelInterval | None

    @property
    def without_samples(self) -> bool:
        """Whether the model has no samples and no classes."""
        return self.target == Classes(())


def _parsed(path: Path) -> _Parsed:
    """The checked content of ``model.json``."""
    content = _read_json(path)
    if content.get("format") != FORMAT:
        raise ModelError(f"{path}: not a model of this program. Give the folder that the training wrote.")
    if content.get("version") not in VERSIONS:
        raise ModelError(
            f"{path}: format version {content.get('version')!r}, this program reads {FORMAT_VERSION} "
            f"to {INTERVAL_VERSION}. "
            "Use the version that trained the model, or train it again."
        )
    if not isinstance(content.get("kind"), str) or content["kind"] not in KINDS:
        raise ModelError(f"{path}: classifier {content.get('kind')!r} is unknown; expected one of {', '.join(KINDS)}.")
    try:
        recipe = _recipe(content["recipe"])
        target, meta = _target(content), _training(content)
        transforms = _transforms(content.get("transforms", []))
        calibration = _calibration(content)
        interval = ModelInterval.from_json(content["interval"]) if "interval" in content else None
        sensors, alternatives = _combinations(content, recipe)
        if isinstance(target, Classes) and tuple(sorted(meta.samples)) != target.codes:
            raise ValueError(f"classes {list(target.codes)}, but samples of {sorted(meta.samples)}")
        without_samples = {NO_SAMPLES_VERSION, USER_VERSION, WHOLE_TILE_VERSION}
        expected = without_samples if target == Classes(()) else set(VERSIONS) - {NO_SAMPLES_VERSION}
        if content["version"] not in expected:
            raise ValueError(f"format version {content['version']} with classes {content['classes']!r}")
        recipe.names  # noqa: B018 - evaluated to detect a recipe whose features cannot be named
    except (KeyError, TypeError, ValueError, AttributeError, ConfigError) as err:
        detail = f"{type(err).__name__}: {err}"
        raise ModelError(f"{path}: damaged ({detail}). Copy the model again or train it again.") from err
    return _Parsed(recipe, target, meta, transforms, calibration, sensors, alternatives, interval)


def _combinations(
    content: Mapping[str, Any], recipe: FeatureRecipe
) -> tuple[tuple[str, ...] | None, tuple[tuple[str, ...], ...]]:
    """Sensors of the model, and those of its alternatives; ValueError for unknown sensors, or without a partial
    recipe."""
    own, others = content.get("sensors"), content.get("alternatives", [])
    listed = [names for names in (own, *others) if names is not None]
    if listed and not recipe.partial:
        raise ValueError("models of fewer sensors, but the recipe is for all of them")
    for names in listed:
        folder = folder_of(names)
        if (
            not isinstance(names, list)
            or not names
            or tuple(names) != recipe.of_sensors(names).dated
            or PurePath(folder).name != folder
        ):
            raise ValueError(f"sensors {names!r}; expected some of {', '.join(recipe.dated)}")
    return None if own is None else tuple(own), tuple(tuple(names) for names in others)


def _check_samples(x: np.ndarray, y: np.ndarray, names: Sequence[str], title: str) -> None:
    if x.ndim != 2 or x.shape[1] != len(names) or y.shape != x.shape[:1]:
        raise InputError(
            f"{title}: samples {x.shape}, labels {y.shape}, expected {len(names)} features for each label. "
            "Extract the samples again with the current recipe."
        )
    if not len(x):
        raise InputError(f"{title}: no samples to learn from. Check that reference polygons lie in the region.")
    require_finite(x, names, title)


def require_finite(x: np.ndarray, names: Sequence[str], title: str) -> None:
    """``InputError`` for samples (sample, feature) with values that are not finite; ``title`` names the model."""
    samples, features = _not_finite(x)
    if samples:
        raise InputError(
            f"{title}: {samples} of {len(x)} samples contain values that are not finite, first in feature "
            f"{names[int(features.argmax())]}. Exclude these samples, or change the function of the feature so that "
            "it returns a number."
        )


def _not_finite(x: np.ndarray) -> tuple[int, np.ndarray]:
    """Number of samples with a value that is not finite, and whether each feature has one.

    Works in batches, as ``x`` may be large.
    """
    samples, features = 0, np.zeros(x.shape[1], bool)
    for first in range(0, len(x), SAMPLES_PER_CHECK):
        bad = ~np.isfinite(x[first : first + SAMPLES_PER_CHECK])
        samples += int(bad.any(axis=1).sum())
        features |= bad.any(axis=0)
    return samples, features


def _versions() -> dict[str, str]:
    libraries = {name: version(name) for name in ("numpy", "scikit-learn")}
    return {"iota2": __version__, "python": platform.python_version(), **libraries}


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(read_text(path), object_pairs_hook=_unique)
    except FileNotFoundError as err:
        raise ModelError(f"{path}: missing, so the model is incomplete. Train it again.") from err
    except OSError as err:
        raise ModelError(f"{path}: cannot be read: {err.strerror}. {remedy_of(err)}.") from err
    except (ValueError, RecursionError) as err:
        raise ModelError(f"{path}: damaged ({err}). Copy the model again or train it again.") from err
    if not isinstance(content, dict):
        raise ModelError(f"{path}: not a model of this program. Give the folder that the training wrote.")
    return content


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; ValueError for a key that occurs twice."""
    content = dict(pairs)
    if len(content) != len(pairs):
        twice = next(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
        raise ValueError(f"the key {twice!r} occurs twice")
    return content


def _calibration(content: Mapping[str, Any]) -> ModelCalibration | None:
    """Calibration of a model, None if it was not requested; ValueError if the format version promises one."""
    if "calibration" in content:
        return ModelCalibration.from_json(content["calibration"])
    if content["version"] == CALIBRATED_VERSION:
        raise ValueError("the calibration is missing")
    return None


def _transforms(names: Any) -> tuple[str, ...]:
    """Names of transforms; ValueError for an unknown name."""
    if not isinstance(names, list) or not all(isinstance(name, str) and name in LOADERS for name in names):
        raise ValueError(f"unknown transforms in {names!r}; expected {', '.join(LOADERS)}")
    return tuple(names)


def _recipe(content: Any) -> FeatureRecipe:
    """Recipe of the features; ValueError for an invalid expression."""
    recipe = FeatureRecipe.from_json(content)
    problems = [text for sensor in recipe.sensors for text in expression_problems(sensor.expressions, sensor.bands)]
    if problems:
        raise ValueError("; ".join(problems[:3]))
    for sensor in recipe.sensors:
        if list(sensor.days) != sorted(sensor.days) or len(set(sensor.dates)) < len(sensor.dates):
            raise ValueError(f"the dates of {sensor.sensor} do not ascend")
        if recipe.halos[sensor.sensor] > MAX_HALO:
            raise ValueError(
                f"the features of {sensor.sensor} need {recipe.halos[sensor.sensor]} pixels around each pixel"
            )
    if len(set(recipe.names)) < len(recipe.names):
        raise ValueError("two features have the same name")
    return recipe


def _training(content: Mapping[str, Any]) -> Training:
    if type(content["region"]) is not str or type(content["seed"]) is not int:
        raise ValueError(f"region {content['region']!r} or seed {content['seed']!r} has the wrong type")
    for name in ("parameters", "samples", "summary", "versions"):
        if not isinstance(content[name], dict):
            raise ValueError(f"{name} is not an object")
    if not all(type(count) is int and count >= 0 for count in content["samples"].values()):
        raise ValueError("numbers of samples are not integers")
    if not all(isinstance(value, str | int | float) for value in content["summary"].values()):
        raise ValueError("the summary contains a value that is neither text nor number")
    return Training(
        kind=content["kind"],
        region=content["region"],
        seed=content["seed"],
        parameters=content["parameters"],
        samples={int(code): count for code, count in content["samples"].items()},
        summary=content["summary"],
        versions=content["versions"],
        weights=_weights(content.get("weights", {})),
    )


def _weights(content: Any) -> dict[int, float]:
    """Weights of classes; ValueError for anything but positive numbers by code."""
    if not isinstance(content, dict) or not all(
        type(weight) in (int, float) and 0 < weight < math.inf for weight in content.values()
    ):
        raise ValueError(f"weights of classes are {content!r}")
    return {int(code): float(weight) for code, weight in content.items()}
