"""Reliability of the confidence of a map on its validation pixels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from iota2.compute.reliability import Reliability, reliability
from iota2.compute.validation import NEIGHBOUR_METRES
from iota2.core.random import generator
from iota2.core.tables import ConfidenceCounts

Part = Literal["all", "apart"]
"""Part of the validation pixels: all, or those of polygons that are not neighbours of learning polygons."""


@dataclass(frozen=True)
class MapReliability:
    """Reliability of the confidence of one map, with intervals over validation polygons."""

    labels: tuple[int, ...]
    parts: Mapping[Part, Reliability]
    classes: tuple[Reliability, ...]
    """Of the pixels mapped as each class, in the order of the labels."""


def count_confidences(
    polygon: np.ndarray, reference: np.ndarray, produced: np.ndarray, confidence: np.ndarray
) -> ConfidenceCounts:
    """Counts of classified pixels from (pixel,) integer arrays; pixels with ``produced`` 0 are excluded."""
    columns = [np.asarray(values, np.int64) for values in (polygon, reference, produced, confidence)]
    table = np.stack(columns, axis=1)
    rows, pixels = np.unique(table[table[:, 2] > 0], axis=0, return_counts=True)
    polygons, references, labels, percents = rows.T
    return ConfidenceCounts(polygons, references, labels, percents, pixels.astype(np.int64))


def sum_confidences(tables: Iterable[ConfidenceCounts]) -> ConfidenceCounts:
    """Sum of the counts of several tables."""
    each = list(tables)
    keys = [np.stack([one.polygon, one.reference, one.produced, one.confidence], axis=1) for one in each]
    rows, place = np.unique(np.concatenate([np.zeros((0, 4), np.int64), *keys]), axis=0, return_inverse=True)
    pixels = np.zeros(len(rows), np.int64)
    np.add.at(pixels, place.reshape(-1), np.concatenate([np.zeros(0, np.int64), *(one.pixels for one in each)]))
    polygon, reference, produced, confidence = rows.T
    return ConfidenceCounts(polygon, reference, produced, confidence, pixels)


def map_reliability(
    counts: ConfidenceCounts, labels: tuple[int, ...], distance: Mapping[int, float], seed: int
) -> MapReliability:
    """Reliability of the confidence of the map of one ``seed``.

    ``distance``: metres from each validation polygon to the nearest learning polygon of its class; polygons without one
    are apart.
    """
    metres = np.array([distance.get(polygon, np.inf) for polygon in counts.polygon.tolist()], np.float64)
    chosen: dict[Part, np.ndarray] = {"all": np.ones(len(metres), bool), "apart": metres > NEIGHBOUR_METRES}
    return MapReliability(
        labels,
        {part: _of(counts, where, seed, part) for part, where in chosen.items()},
        tuple(_of(counts, counts.produced == label, seed, str(label)) for label in labels),
    )


def _of(counts: ConfidenceCounts, where: np.ndarray, seed: int, key: str) -> Reliability:
    return reliability(
        counts.confidence[where] / 100,
        counts.produced[where] == counts.reference[where],
        counts.polygon[where],
        counts.pixels[where],
        rng=generator(seed, "reliability", key),
    )
