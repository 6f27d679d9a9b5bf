"""Model card: text with parameters, classes, size, importances and versions of a model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from iota2.classifiers.base import Model
from iota2.classifiers.calibrated import SPLITS, OutOfFold
from iota2.classifiers.registry import method_name, shown_parameters
from iota2.classifiers.transforms import Components
from iota2.core.recipe import MISSING, FeatureRecipe
from iota2.core.target import Quantity

BAR_CHARACTERS = 40
"""Characters of the longest bar."""
NO_DATE = "(no date)"


def card_text(model: Model) -> str:
    """The card as plain text."""
    meta = model.meta
    sections = [
        ("Parameters", _pairs(shown_parameters(meta.kind, meta.parameters))),
        *_target_sections(model),
        (f"Properties of the fitted {_kind(model)}", _pairs(meta.summary)),
        *_transforms_section(model),
        *_calibration_section(model),
        *([("Interval of the values", [model.interval.sentence])] if model.interval else []),
        *_context_section(model),
        *_missing_section(model),
        *_sensors_section(model),
        *_importance_sections(model),
        ("Versions", _pairs(meta.versions)),
    ]
    lines = [f"{model.title[0].upper()}{model.title[1:]}: {method_name(meta.kind, meta.parameters)}"]
    for title, rows in sections:
        lines += ["", title, *(f"  {row}".rstrip() for row in rows)]
    return "\n".join(lines) + "\n"


def _kind(model: Model) -> str:
    return "regressor" if isinstance(model.target, Quantity) else "classifier"


def _target_sections(model: Model) -> list[tuple[str, list[str]]]:
    """Classes with their numbers of samples; or the quantity with its number of samples."""
    if isinstance(model.target, Quantity):
        quantity = {"Quantity": model.target.name, "Unit": model.target.unit, "Samples": model.meta.samples[0]}
        return [("Quantity and training samples", _pairs(quantity))]
    sections = [("Classes and training samples", _bars(model.meta.samples, "samples"))]
    if model.meta.weights:
        weights = {str(code): f"{weight:.4g}" for code, weight in model.meta.weights.items()}
        sections.append(("Weights of the classes", _pairs(weights)))
    return sections


def _transforms_section(model: Model) -> list[tuple[str, list[str]]]:
    """Transforms of the features before the classifier, and the variance that components explain; empty without."""
    rows = [f"{one.name}: {one.n_inputs} features to {one.n_outputs}" for one in model.transforms]
    sections = [("Transforms of the features", rows)] if rows else []
    for one in model.transforms:
        if isinstance(one, Components):
            shares = dict(zip(one.groups, one.explained.tolist(), strict=True))
            sections.append(("Variance explained by the components of each group of features, %", _shares(shares)))
    return sections


def _calibration_section(model: Model) -> list[tuple[str, list[str]]]:
    """Calibration of the probabilities, and their reliability on training samples; empty if it was not requested."""
    found = model.calibration
    if found is None:
        return []
    rows = [*found.sentences]
    for name, one in found.reliability.items():
        rows += ["", f"Training samples {SPLITS[name]}:", *_pairs(measures_of(one))]
    return [("Calibration of the probabilities", rows)]


def _context_section(model: Model) -> list[tuple[str, list[str]]]:
    """Context of the pixels, and its importance; empty if it was not requested."""
    if model.context is None:
        return []
    rows = [model.context.sentence]
    if model.importances is not None and model.halo:
        share = float(model.importances[len(model.learned.names) :].sum())
        rows.append(f"Share of the importance of all features: {100 * share:.1f} %.")
    return [("Context", rows)]


def measures_of(one: OutOfFold) -> dict[str, str]:
    """Names and values of the measures of reliability as text."""
    return {
        "expected calibration error": f"{one.error:.4f}",
        "confidence minus accuracy": f"{one.excess:+z.4f}",
        "classwise calibration error": f"{one.classwise_error:.4f}",
        "Brier score": f"{one.brier:.4f}",
    }


def _missing_section(model: Model) -> list[tuple[str, list[str]]]:
    """Treatment of missing values; empty if pixels without observations of a sensor get no label."""
    if not model.recipe.allow_missing:
        return []
    return [(f"Missing values ({MISSING:g} where a sensor has no observation)", [model.classifier.missing])]


def _sensors_section(model: Model) -> list[tuple[str, list[str]]]:
    """Sensors of the model, and the models of fewer sensors with their samples; empty without a choice of models."""
    if not model.recipe.partial:
        return []
    models = (model.alone, *model.alternatives)
    samples = {" + ".join(one.recipe.dated): f"{sum(one.meta.samples.values())} samples" for one in models}
    return [("Models by the sensors that see a pixel (the first one whose sensors all do)", _pairs(samples))]


def _importance_sections(model: Model) -> list[tuple[str, list[str]]]:
    if model.importances is None:
        return []
    importances = model.importances[: len(model.learned.names)]
    origins = feature_origins(model.learned)
    per_band = total_by((band for band, _ in origins), importances)
    per_date = total_by((date for _, date in origins), importances)
    return [
        ("Importance by band or index, % (sum over dates)", _shares(per_band)),
        ("Importance by date, % (sum over bands and indices)", _shares(dict(sorted(per_date.items())))),
        *_kind_section(model.learned, importances),
    ]


def _kind_section(recipe: FeatureRecipe, importances: np.ndarray) -> list[tuple[str, list[str]]]:
    """Importance of values, differences and statistics; empty for a recipe without temporal features."""
    if not any(sensor.temporal for sensor in recipe.sensors):
        return []
    kinds = (feature.kind for _, feature in recipe.features)
    return [("Importance by kind of feature, %", _shares(total_by(kinds, importances)))]


def feature_origins(recipe: FeatureRecipe) -> list[tuple[str, str]]:
    """(sensor and band or index, day) of each feature, in order; ``NO_DATE`` for features without date.

    A difference belongs to its later date; a statistic has no date.
    """
    static = {sensor.sensor for sensor in recipe.sensors if sensor.static}
    return [
        (feature.series if sensor in static else f"{sensor}_{feature.series}", feature.date[:8] or NO_DATE)
        for sensor, feature in recipe.features
    ]


def total_by(groups: Iterable[str], values: Sequence[float] | np.ndarray) -> dict[str, float]:
    """Sum of the values of each group, in order of first appearance."""
    totals: dict[str, float] = {}
    for group, value in zip(groups, values, strict=True):
        totals[group] = totals.get(group, 0.0) + float(value)
    return totals


def _pairs(values: Mapping[str, object]) -> list[str]:
    width = max(map(len, values), default=0)
    return [f"{name:<{width}}  {value}" for name, value in values.items()]


def _shares(values: Mapping[str, float]) -> list[str]:
    return _bars({name: round(100 * value, 2) for name, value in values.items()})


def _bars(values: Mapping[str, float] | Mapping[int, int], unit: str = "") -> list[str]:
    """One line per value: name, number, bar; the greatest value has the longest bar."""
    names, numbers = [str(name) for name in values], [str(value) for value in values.values()]
    if all(isinstance(value, float) for value in values.values()):
        numbers = [f"{value:.2f}" for value in values.values()]
    left, right = max(map(len, names), default=0), max(map(len, numbers), default=0)
    top = max(values.values(), default=0) or 1
    bars = ["#" * round(BAR_CHARACTERS * value / top) for value in values.values()]
    space = f" {unit}" if unit else ""
    return [
        f"{name:<{left}}  {number:>{right}}{space}  {bar}"
        for name, number, bar in zip(names, numbers, bars, strict=True)
    ]
