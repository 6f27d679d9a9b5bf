"""Accuracy of subsets of the validation pixels, selected by polygon."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from iota2.compute.accuracy import Summary, summarise
from iota2.compute.intervals import Intervals, polygon_intervals
from iota2.core.random import generator
from iota2.core.tables import Confusion, PolygonCounts

NEIGHBOUR_METRES = 100.0
"""Distance up to which a validation polygon is a neighbour of a learning polygon of its class."""

Subset = Literal["all", "inner", "apart"]
"""Subset of the validation pixels: all; pixels that do not touch the edge of their polygon (``inner``); pixels of
polygons that are not neighbours of learning polygons (``apart``)."""


@dataclass(frozen=True)
class SubsetAccuracy:
    """Accuracy of one subset of the validation pixels; arrays are means over seeds in the order of the labels."""

    summary: Summary
    confusions: Mapping[int, Confusion]
    """Confusion matrix of each seed."""
    polygons: np.ndarray
    """(class,) float64: number of validation polygons with pixels in this subset."""
    pixels: np.ndarray
    """(class,) float64: number of their pixels, including pixels mapped as 0."""


@dataclass(frozen=True)
class ValidationAccuracy:
    """Accuracy of all validation pixels and of subsets of them, over all seeds."""

    labels: tuple[int, ...]
    subsets: Mapping[Subset, SubsetAccuracy]
    intervals: Intervals | None
    """Intervals over the validation polygons of a single seed; None with several seeds."""
    sampled: bool = False
    """Whether the counted pixels were selected in the validation polygons; otherwise all their pixels are counted."""

    @property
    def near(self) -> np.ndarray:
        """(class,) float64: number of polygons within ``NEIGHBOUR_METRES`` of a learning polygon of their class."""
        return self.subsets["all"].polygons - self.subsets["apart"].polygons


def count_pixels(polygon: np.ndarray, reference: np.ndarray, produced: np.ndarray, edge: np.ndarray) -> PolygonCounts:
    """Pixel counts by polygon, reference class, mapped class and edge, from (pixel,) arrays, which may be empty."""
    columns = [np.asarray(values, np.int64) for values in (polygon, reference, produced, edge)]
    rows, pixels = np.unique(np.stack(columns, axis=1), axis=0, return_counts=True)
    return _table(rows, pixels.astype(np.int64))


def sum_counts(tables: Iterable[PolygonCounts]) -> PolygonCounts:
    """Sum of the counts of several tables; distances are dropped."""
    each = list(tables)
    keys = [np.stack([one.polygon, one.reference, one.produced, one.edge.astype(np.int64)], axis=1) for one in each]
    rows, place = np.unique(np.concatenate([np.zeros((0, 4), np.int64), *keys]), axis=0, return_inverse=True)
    pixels = np.zeros(len(rows), np.int64)
    np.add.at(pixels, place.reshape(-1), np.concatenate([np.zeros(0, np.int64), *(one.pixels for one in each)]))
    return _table(rows, pixels)


def with_distances(counts: PolygonCounts, metres: Mapping[int, float]) -> PolygonCounts:
    """The counts with the distance of each polygon; infinite for polygons that are not in ``metres``."""
    distance = np.array([metres.get(int(polygon), np.inf) for polygon in counts.polygon], dtype=np.float64)
    return PolygonCounts(counts.polygon, counts.reference, counts.produced, counts.edge, counts.pixels, distance)


def _table(rows: np.ndarray, pixels: np.ndarray) -> PolygonCounts:
    polygon, reference, produced, edge = rows.T
    return PolygonCounts(polygon, reference, produced, edge > 0, pixels, np.full(len(pixels), np.inf))


def subset_of(counts: PolygonCounts, subset: Subset) -> PolygonCounts:
    """The counts of one subset."""
    match subset:
        case "all":
            return counts
        case "inner":
            return counts.where(~counts.edge)
        case "apart":
            return counts.where(counts.distance > NEIGHBOUR_METRES)


def confusion_of(counts: PolygonCounts, labels: tuple[int, ...]) -> Confusion:
    """Confusion matrix of the counted pixels; ``labels`` are ascending and include every class that occurs."""
    n = len(labels)
    row, seen = np.searchsorted(labels, counts.reference), counts.produced > 0
    matrix, unmapped = np.zeros((n, n), np.int64), np.zeros(n, np.int64)
    np.add.at(matrix, (row[seen], np.searchsorted(labels, counts.produced[seen])), counts.pixels[seen])
    np.add.at(unmapped, row[~seen], counts.pixels[~seen])
    return Confusion(tuple(labels), matrix, unmapped)


def polygon_counts(counts: PolygonCounts, labels: tuple[int, ...]) -> np.ndarray:
    """(class,) int64: number of polygons with counted pixels."""
    owner = np.unique(np.stack([counts.reference, counts.polygon], axis=1), axis=0)[:, 0]
    return np.bincount(np.searchsorted(labels, owner), minlength=len(labels))


def validation_accuracy(
    by_seed: Mapping[int, PolygonCounts], labels: tuple[int, ...], *, sampled: bool = False
) -> ValidationAccuracy:
    """Accuracy from the counts of one or more seeds; a single seed has intervals over its polygons.

    ``sampled``: whether the counted pixels were selected in the validation polygons.
    """
    intervals = None
    if len(by_seed) == 1:
        ((seed, counts),) = by_seed.items()
        intervals = polygon_intervals(counts, labels, generator(seed, "polygon intervals"))
    subsets: dict[Subset, SubsetAccuracy] = {
        subset: _counted(by_seed, labels, subset) for subset in ("all", "inner", "apart")
    }
    return ValidationAccuracy(labels, subsets, intervals, sampled)


def _counted(by_seed: Mapping[int, PolygonCounts], labels: tuple[int, ...], subset: Subset) -> SubsetAccuracy:
    chosen = {seed: subset_of(counts, subset) for seed, counts in by_seed.items()}
    confusions = {seed: confusion_of(counts, labels) for seed, counts in chosen.items()}
    return SubsetAccuracy(
        summary=summarise(confusions),
        confusions=confusions,
        polygons=np.mean([polygon_counts(counts, labels) for counts in chosen.values()], axis=0),
        pixels=np.mean([one.counts.sum(axis=1) + one.unmapped for one in confusions.values()], axis=0),
    )
