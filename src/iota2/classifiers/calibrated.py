"""Calibration of a model: fitted on predictions of samples from whose polygons the predicting model has not learned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from iota2.compute.calibration import (
    METHODS,
    Calibration,
    Method,
    cross_fitted,
    cross_fitted_scores,
    fit_calibration,
)
from iota2.compute.cross_fitting import Fit, out_of_fold_probabilities
from iota2.compute.folds import grouped_folds
from iota2.compute.reliability import (
    brier_scores,
    classwise_errors,
    confidence_of,
    diagram,
    grouped_mean,
)
from iota2.core.random import generator
from iota2.core.words import counted, some

CALIBRATION_FOLDS = 3
"""Number of folds. Five did not give better calibrations than three, and need two more models."""
MIN_POLYGONS, MIN_MEAN_POLYGONS = 50, 10
"""Minimum number of polygons for a calibration, and minimum mean number by class.

With 30 polygons of seven classes, the calibration was worse than none on average; with 60, it was neither better nor
worse where classes are difficult to separate.
"""
MIN_CLASS_POLYGONS = 5
"""Minimum number of polygons of a class; samples of classes with fewer are not used for the calibration."""
MIN_ISOTONIC_POLYGONS = 1000
"""Minimum number of polygons with which ``auto`` considers isotonic calibration, which has many free numbers."""

Choice = Literal["auto", "none", "temperature", "isotonic"]
"""Requested calibration. ``auto``: the one with the lowest Brier score, unless it is worse than no calibration."""
SPLITS: Mapping[str, str] = {
    "mixed": "predicted by a model that has learned from other samples of the same polygon",
    "apart": "predicted by a model that has not learned from the polygon",
    "calibrated": "predicted by a model that has not learned from the polygon, and calibrated",
}
"""Kinds of predictions for which the reliability is measured on training samples."""


@dataclass(frozen=True)
class OutOfFold:
    """Reliability of predictions of training samples; see ``iota2.compute.reliability``."""

    error: float
    """Expected calibration error of the confidence."""
    excess: float
    """Mean confidence minus share of correct samples."""
    classwise_error: float
    """Mean over classes of the expected calibration error of their probability."""
    brier: float
    """Brier score, the sum over classes, 0 to 2."""

    @classmethod
    def of(cls, probabilities: np.ndarray, columns: np.ndarray) -> OutOfFold:
        """From probabilities (sample, class) and the columns (sample,) of the true classes."""
        confidence = diagram(*confidence_of(probabilities, columns))
        errors, briers = classwise_errors(probabilities, columns), brier_scores(probabilities, columns)
        return cls(confidence.error, confidence.excess, float(errors.mean()), float(briers.mean()))


@dataclass(frozen=True)
class ModelCalibration:
    """The calibration of a model, or the reason why it has none; and the reliability of out-of-fold predictions."""

    choice: Choice
    calibration: Calibration | None
    reason: str
    """Why nothing was fitted; empty if there is a calibration."""
    polygons: int
    """Number of polygons, or groups of polygons that stay together, that can be used for a fit."""
    samples: int
    """Number of their samples."""
    left_out: tuple[int, ...]
    """Codes of classes that have too few polygons to be used."""
    reliability: Mapping[str, OutOfFold]
    """By the names of ``SPLITS``; empty if nothing was predicted."""

    def to_json(self) -> dict[str, Any]:
        """As JSON values for ``from_json``."""
        found = None
        if self.calibration is not None:
            found = {"method": self.calibration.name, **self.calibration.parameters()}
        return {**asdict(self), "calibration": found, "left_out": list(self.left_out)}

    @classmethod
    def from_json(cls, content: Any) -> ModelCalibration:
        """From the values of ``to_json``; KeyError, TypeError or ValueError for others."""
        given, calibration = content["calibration"], None
        if given is not None:
            numbers = {name: value for name, value in given.items() if name != "method"}
            calibration = METHODS[given["method"]](**numbers)
        reliability = {name: OutOfFold(**measures) for name, measures in content["reliability"].items()}
        counts = [content["polygons"], content["samples"], *content["left_out"]]
        found = [value for one in reliability.values() for value in asdict(one).values()]
        if (
            content["choice"] not in ("auto", *METHODS)
            or not isinstance(content["reason"], str)
            or not all(type(count) is int and count >= 0 for count in counts)
            or not set(reliability) <= set(SPLITS)
            or not all(type(value) is float and np.isfinite(value) for value in found)
        ):
            raise ValueError("the calibration has values of another type or range")
        left_out = tuple(content["left_out"])
        return cls(**{**content, "calibration": calibration, "left_out": left_out, "reliability": reliability})

    @property
    def sentences(self) -> list[str]:
        """What was fitted, and on which samples; or why nothing was fitted."""
        used = f"{counted(self.samples, 'sample')} of {counted(self.polygons, 'polygon')}"
        found = (
            [f"Not calibrated: {self.reason}."] if self.reason else [f"{_described(self.calibration)}, from {used}."]
        )
        if self.left_out:
            found.append(
                f"Samples of class {some([str(code) for code in self.left_out])} are not used for the calibration: "
                f"fewer than {MIN_CLASS_POLYGONS} polygons."
            )
        return found


def _described(calibration: Calibration | None) -> str:
    """The method with its numbers."""
    if calibration is None:
        return "None"
    numbers = calibration.parameters()
    if calibration.name == "temperature":
        return f"Temperature {numbers['temperature']:.3f} with uniform share {numbers['uniform']:.4f}"
    return f"Isotonic function of {len(calibration.parameters()['given'])} points"  # type: ignore[arg-type]


def calibrate(
    choice: Choice,
    fit: Fit,
    classes: np.ndarray,
    groups: np.ndarray | None,
    *,
    seed: int,
    region: str,
    augmented: np.ndarray | None = None,
) -> ModelCalibration | None:
    """Calibration of a model whose learning method is ``fit``; None for the choice ``none``.

    ``classes`` (sample,) are codes; ``groups`` (sample,) int the polygons, or groups of polygons that stay together.
    ``CALIBRATION_FOLDS`` models are fitted, each without the groups of one fold, and one without a random third of the
    samples. Nothing is fitted with one class, or if the classes of ``MIN_CLASS_POLYGONS`` or more have fewer groups
    than ``MIN_POLYGONS`` or ``MIN_MEAN_POLYGONS`` require. Samples that were made from others, ``augmented`` (sample,)
    bool, are used only to fit the models of the folds, not for the calibration and the measures.
    """
    if choice == "none":
        return None
    if groups is None:
        return ModelCalibration(choice, None, "the polygons of the samples are unknown", 0, 0, (), {})
    usable, left_out = _usable(classes, groups)
    original = np.ones(len(classes), bool) if augmented is None else ~augmented
    usable &= original
    polygons, samples = len(np.unique(groups[usable])), int(usable.sum())

    def found(calibration: Calibration | None, reason: str, measured: Mapping[str, OutOfFold]) -> ModelCalibration:
        return ModelCalibration(choice, calibration, reason, polygons, samples, left_out, measured)

    if len(np.unique(classes)) < 2:
        return found(None, "the model has one class", {})
    needed = max(MIN_POLYGONS, MIN_MEAN_POLYGONS * (len(np.unique(classes)) - len(left_out)))
    if polygons < needed:
        reason = (
            f"{counted(polygons, 'polygon')} in classes of at least {MIN_CLASS_POLYGONS}; at least {needed} are needed"
        )
        return found(None, reason, {})
    folds = grouped_folds(classes, groups, CALIBRATION_FOLDS, generator(seed, "calibration folds", region))
    probabilities = out_of_fold_probabilities(fit, classes, folds)
    usable &= ~np.isnan(probabilities[:, 0])
    columns = np.searchsorted(np.unique(classes), classes)[usable]
    apart, folds, groups = probabilities[usable], folds[usable], groups[usable]
    scores = cross_fitted_scores(_candidates(choice, polygons), apart, columns, folds, groups=groups)
    best = chosen(scores, groups) if choice == "auto" else choice
    measured = {"apart": OutOfFold.of(apart, columns), **_mixed(fit, classes, original, seed, region)}
    if best == "none":
        return found(None, "a calibration makes the probabilities of other polygons worse", measured)
    measured["calibrated"] = OutOfFold.of(cross_fitted(best, apart, columns, folds, groups=groups), columns)
    return found(fit_calibration(best, apart, columns, groups=groups), "", measured)


def _usable(classes: np.ndarray, groups: np.ndarray) -> tuple[np.ndarray, tuple[int, ...]]:
    """(sample,) bool: samples of classes with enough polygons; and the codes of the other classes."""
    pairs = np.unique(np.stack([classes, groups]), axis=1)
    codes, polygons = np.unique(pairs[0], return_counts=True)
    few = codes[polygons < MIN_CLASS_POLYGONS]
    return ~np.isin(classes, few), tuple(few.tolist())


def chosen(scores: Mapping[Method | Literal["none"], np.ndarray], groups: np.ndarray) -> Method | Literal["none"]:
    """The method with the lowest mean score (sample,); ``none`` if its score is lower by more than a standard error.

    In case of doubt there is a calibration: with a stricter rule, chance decides more often, and the probabilities of
    synthetic landscapes were worse on average.
    """
    methods: list[Method] = [name for name in scores if name != "none"]
    best = min(methods, key=lambda name: float(scores[name].mean()))
    gain, error = grouped_mean(scores["none"] - scores[best], groups)
    return "none" if gain < -error else best


def _candidates(choice: Choice, polygons: int) -> Sequence[Method]:
    """The methods that are compared."""
    if choice == "temperature" or (choice == "auto" and polygons < MIN_ISOTONIC_POLYGONS):
        return ("temperature",)
    return ("isotonic",) if choice == "isotonic" else ("temperature", "isotonic")


def _mixed(fit: Fit, classes: np.ndarray, original: np.ndarray, seed: int, region: str) -> dict[str, OutOfFold]:
    """Reliability of a third of the original samples, predicted by a model fitted to the other ones of all polygons."""
    rng = generator(seed, "samples beside those of learning", region)
    apart = np.zeros(len(classes), bool)
    for code in np.unique(classes):
        own = np.flatnonzero((classes == code) & original)
        apart[rng.permutation(own)[: len(own) // CALIBRATION_FOLDS]] = True
    learned, other = np.flatnonzero(original & ~apart), np.flatnonzero(apart)
    predicted = fit(learned)(other)
    return {"mixed": OutOfFold.of(predicted, np.searchsorted(np.unique(classes), classes[other]))}
