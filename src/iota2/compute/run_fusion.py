"""Accuracy of the fusion of runs: pixels that it does not decide, and comparison with the runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from iota2.compute.accuracy import Scores, scores
from iota2.compute.validation import ValidationAccuracy, confusion_of, sum_counts, validation_accuracy, with_distances
from iota2.core.tables import Confusion, PolygonCounts


@dataclass(frozen=True)
class MapAccuracy:
    """Accuracy of one map on the pixels that validate the fusion."""

    confusion: Confusion
    """Matrix of the pixels with a class; ``unmapped`` are those that are not classified, without undecided ones."""
    undecided: np.ndarray
    """(class,) int64: undecided pixels by class of the reference."""

    @cached_property
    def scores(self) -> Scores:
        """Measures of the pixels with a class."""
        return scores(self.confusion)

    @property
    def accuracy_with_undecided(self) -> float:
        """Overall accuracy if undecided pixels count as wrong; NaN without pixels."""
        total = int(self.confusion.counts.sum() + self.undecided.sum())
        return int(np.trace(self.confusion.counts)) / total if total else np.nan


@dataclass(frozen=True)
class FusionAccuracy:
    """Accuracy of the fusion and of each run on the same pixels."""

    fusion: MapAccuracy
    runs: Mapping[int, MapAccuracy]
    """By seed."""
    validated: ValidationAccuracy
    """Accuracy of the fusion in parts of the pixels; undecided pixels count as not classified."""


def split_undecided(
    counts: PolygonCounts, labels: tuple[int, ...], undecided: int | None
) -> tuple[PolygonCounts, np.ndarray]:
    """The counts with undecided pixels as not classified (0), and the number of these by reference class (class,).

    ``labels``: ascending codes of the classes. ``undecided``: their label in the map; None if there is none.
    """
    doubtful = counts.produced == undecided if undecided is not None else np.zeros(len(counts), bool)
    lost = np.zeros(len(labels), np.int64)
    np.add.at(lost, np.searchsorted(labels, counts.reference[doubtful]), counts.pixels[doubtful])
    decided = replace(counts, produced=np.where(doubtful, 0, counts.produced))
    metres = dict(zip(counts.polygon.tolist(), counts.distance.tolist(), strict=True))
    return with_distances(sum_counts([decided]), metres), lost


def fusion_accuracy(
    fused: PolygonCounts, runs: Mapping[int, PolygonCounts], labels: tuple[int, ...], undecided: int | None
) -> FusionAccuracy:
    """Accuracy of the fusion, and of the runs by seed, from their counts on the same polygons."""
    decided, lost = split_undecided(fused, labels, undecided)
    confusion = confusion_of(decided, labels)
    fusion = MapAccuracy(replace(confusion, unmapped=confusion.unmapped - lost), lost)
    none = np.zeros(len(labels), np.int64)
    return FusionAccuracy(
        fusion,
        {seed: MapAccuracy(confusion_of(counts, labels), none) for seed, counts in sorted(runs.items())},
        validation_accuracy({0: decided}, labels),
    )
