"""Fusion of the predictions of several models for the same block: models of one region, and models of regions that
meet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from iota2.compute.label_fusion import (
    BOTH,
    NEITHER,
    NONE,
    OPTICAL,
    SAR,
    SensorFusion,
    UndecidedRule,
    dempster_shafer,
    majority_vote,
    mean_probabilities,
    resolve_undecided,
    vote_confidence,
)
from iota2.compute.predict import Prediction


def in_all_classes(prediction: Prediction, columns: np.ndarray, count: int) -> Prediction:
    """The prediction with probabilities of all ``count`` classes; those that the model does not know have 0.

    ``columns``: ascending positions of the model's classes among all classes.
    """
    if len(columns) == count:
        return prediction
    probabilities = np.zeros((count, *prediction.labels.shape), np.float32)
    probabilities[columns] = prediction.probabilities
    return Prediction(prediction.labels, prediction.confidence, probabilities)


def inside(prediction: Prediction, where: np.ndarray) -> Prediction:
    """The prediction in the pixels of ``where`` (y, x) bool; 0 in the others."""
    return Prediction(
        np.where(where, prediction.labels, 0).astype(np.uint16),
        np.where(where, prediction.confidence, 0).astype(np.float32),
        np.where(where, prediction.probabilities, 0).astype(np.float32),
    )


@dataclass(frozen=True)
class ModelFusion:
    """Fusion of the models of one region."""

    codes: tuple[int, ...]
    """Ascending codes of all classes."""
    method: str
    """``majorityvoting``, ``dempstershafer`` or ``mean``."""
    rule: UndecidedRule
    masses: np.ndarray | None = None
    """(model, class) float64: masses of the models, for ``dempstershafer``."""

    def fused(self, predictions: Sequence[Prediction]) -> Prediction:
        """Fusion of predictions (one for each model) with probabilities of all classes.

        A model without a label in a pixel does not count there. Probabilities are the mean over the models. With
        ``mean``, label and confidence follow from them; with the other methods, models vote, undecided pixels get a
        label by ``rule``, and the confidence is that of ``vote_confidence``.
        """
        labels = np.stack([one.labels for one in predictions])
        probabilities = mean_probabilities(labels, np.stack([one.probabilities for one in predictions]))
        if self.method == "mean":
            return most_probable(probabilities, self.codes, (labels != 0).any(axis=0))
        confidence = np.stack([one.confidence for one in predictions])
        if self.method == "dempstershafer":
            assert self.masses is not None, "Dempster-Shafer needs masses"
            votes = dempster_shafer(labels, self.masses, self.codes)
        else:
            votes = majority_vote(labels)
        fused = resolve_undecided(votes, labels, confidence, self.rule)
        return Prediction(fused, vote_confidence(fused, labels, confidence), probabilities)


def mean_of_sensors(optical: Prediction, sar: Prediction, codes: Sequence[int]) -> SensorFusion:
    """Fusion of an optical and a radar prediction by the mean of their probabilities, each of all classes.

    A source without a label in a pixel does not count there. Where the mean is highest for a class that neither source
    has as its label, the choice is ``NEITHER``.
    """
    found = ModelFusion(tuple(codes), "mean", "maxConfidence").fused([optical, sar])
    by_optical, by_sar = found.labels == optical.labels, found.labels == sar.labels
    cases = [found.labels == 0, by_optical & by_sar, by_sar, by_optical]
    return SensorFusion(found, np.select(cases, [NONE, BOTH, SAR, OPTICAL], NEITHER).astype(np.uint8))


def most_probable(probabilities: np.ndarray, codes: Sequence[int], labelled: np.ndarray) -> Prediction:
    """The class with the highest probability, of equal ones the smallest code, where ``labelled`` (y, x) bool.

    ``probabilities`` is (class, y, x) by ascending ``codes``.
    """
    best = probabilities.argmax(axis=0)
    labels = np.where(labelled, np.asarray(codes, np.uint16)[best], 0).astype(np.uint16)
    confidence = np.where(labelled, np.minimum(probabilities.max(axis=0), 1.0), 0.0)
    return Prediction(labels, confidence.astype(np.float32), probabilities)


class Blend:
    """Blending of the models of regions near their borders: the mean of their probabilities, weighted by pixel.

    ``add`` regions in a fixed order, then take ``result``. A pixel with a weight of one region only keeps the label and
    the confidence of that region exactly.
    """

    def __init__(self, codes: Sequence[int], shape: tuple[int, int]) -> None:
        self._codes = codes
        self._probabilities = np.zeros((len(codes), *shape), np.float32)
        self._weights = np.zeros(shape, np.float32)
        self._regions = np.zeros(shape, np.uint16)
        self._labels = np.zeros(shape, np.uint16)
        self._confidence = np.zeros(shape, np.float32)

    def add(self, prediction: Prediction, weights: np.ndarray) -> None:
        """Add the prediction of a region, with probabilities of all classes; ``weights`` (y, x), 0 for none.

        Pixels without a label of the region do not count.
        """
        used = np.where(prediction.labels != 0, weights, 0).astype(np.float32)
        self._probabilities += prediction.probabilities * used
        self._weights += used
        self._regions += used > 0
        np.copyto(self._labels, prediction.labels, where=used > 0)
        np.copyto(self._confidence, prediction.confidence, where=used > 0)

    def result(self) -> Prediction:
        """Labels, confidence and probabilities of the block; 0 in pixels without a label of any region."""
        probabilities = self._probabilities / np.where(self._weights > 0, self._weights, 1)
        blended = most_probable(probabilities, self._codes, self._weights > 0)
        alone = self._regions == 1
        labels = np.where(alone, self._labels, blended.labels).astype(np.uint16)
        confidence = np.where(alone, self._confidence, blended.confidence).astype(np.float32)
        return Prediction(labels, confidence, probabilities)
