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

NEAR = 100.0
"""Metres; a validation polygon closer than this to a learning polygon of its class counts as its neighbour."""

Part = Literal["all", "inner", "apart"]
"""All validation pixels; those that do not touch the edge of their polygon; those of polygons without neighbours."""


@dataclass(frozen=True)
class Counted:
    """Accuracy of one subset of the validation pixels; arrays are in the order of the labels, means are over seeds."""

    summary: Summary
    confusions: Mapping[int, Confusion]
    """By seed."""
    polygons: np.ndarray
    """(class,) float64: validation polygons with pixels of this part."""
    pixels: np.ndarray
    """(class,) float64: their pixels, those that the map left at 0 included."""


@dataclass(frozen=True)
class Validated:
    """Accuracy of all validation pixels and of subsets of them, over all seeds."""

    labels: tuple[int, ...]
    parts: Mapping[Part, Counted]
    intervals: Intervals | None
    """Of the measures over the polygons of the only seed; None with several."""

    @property
    def near(self) -> np.ndarray:
        """(class,) float64: validation polygons within ``NEAR`` of a learning polygon of their class."""
        return self.parts["all"].polygons - self.parts["apart"].polygons


def count_pixels(polygon: np.ndarray, reference: np.ndarray, produced: np.ndarray, edge: np.ndarray) -> PolygonCounts:
    """Counts of pixels by polygon, reference and mapped class, from (pixel,) arrays of one length, maybe empty."""
    columns = [np.asarray(values, np.int64) for values in (polygon, reference, produced, edge)]
    rows, pixels = np.unique(np.stack(columns, axis=1), axis=0, return_counts=True)
    return _table(rows, pixels.astype(np.int64))


def added(tables: Iterable[PolygonCounts]) -> PolygonCounts:
    """The counts of several tables together; distances are dropped."""
    each = list(tables)
    keys = [np.stack([one.polygon, one.reference, one.produced, one.edge.astype(np.int64)], axis=1) for one in each]
    rows, place = np.unique(np.concatenate([np.zeros((0, 4), np.int64), *keys]), axis=0, return_inverse=True)
    pixels = np.zeros(len(rows), np.int64)
    np.add.at(pixels, place.reshape(-1), np.concatenate([np.zeros(0, np.int64), *(one.pixels for one in each)]))
    return _table(rows, pixels)


def with_distances(counts: PolygonCounts, metres: Mapping[int, float]) -> PolygonCounts:
    """The counts with the distance of each polygon; infinite for those that ``metres`` does not name."""
    distance = np.array([metres.get(int(polygon), np.inf) for polygon in counts.polygon], dtype=np.float64)
    return PolygonCounts(counts.polygon, counts.reference, counts.produced, counts.edge, counts.pixels, distance)


def _table(rows: np.ndarray, pixels: np.ndarray) -> PolygonCounts:
    polygon, reference, produced, edge = rows.T
    return PolygonCounts(polygon, reference, produced, edge > 0, pixels, np.full(len(pixels), np.inf))


def part_of(counts: PolygonCounts, part: Part) -> PolygonCounts:
    """The rows of one part."""
    match part:
        case "all":
            return counts
        case "inner":
            return counts.where(~counts.edge)
        case "apart":
            return counts.where(counts.distance > NEAR)


def confusion_of(counts: PolygonCounts, labels: tuple[int, ...]) -> Confusion:
    """The confusion matrix of the counted pixels; ``labels`` ascend and have every class that occurs."""
    n = len(labels)
    row, seen = np.searchsorted(labels, counts.reference), counts.produced > 0
    matrix, unmapped = np.zeros((n, n), np.int64), np.zeros(n, np.int64)
    np.add.at(matrix, (row[seen], np.searchsorted(labels, counts.produced[seen])), counts.pixels[seen])
    np.add.at(unmapped, row[~seen], counts.pixels[~seen])
    return Confusion(tuple(labels), matrix, unmapped)


def polygons_of(counts: PolygonCounts, labels: tuple[int, ...]) -> np.ndarray:
    """(class,) int64: polygons that have any counted pixel."""
    owner = np.unique(np.stack([counts.reference, counts.polygon], axis=1), axis=0)[:, 0]
    return np.bincount(np.searchsorted(labels, owner), minlength=len(labels))


def validated(by_seed: Mapping[int, PolygonCounts], labels: tuple[int, ...]) -> Validated:
    """Accuracy from the counts of one or more seeds; with intervals over the polygons for a single seed."""
    intervals = None
    if len(by_seed) == 1:
        ((seed, counts),) = by_seed.items()
        intervals = polygon_intervals(counts, labels, generator(seed, "polygon intervals"))
    parts: dict[Part, Counted] = {part: _counted(by_seed, labels, part) for part in ("all", "inner", "apart")}
    return Validated(labels, parts, intervals)


def _counted(by_seed: Mapping[int, PolygonCounts], labels: tuple[int, ...], part: Part) -> Counted:
    chosen = {seed: part_of(counts, part) for seed, counts in by_seed.items()}
    confusions = {seed: confusion_of(counts, labels) for seed, counts in chosen.items()}
    return Counted(
        summary=summarise(confusions),
        confusions=confusions,
        polygons=np.mean([polygons_of(counts, labels) for counts in chosen.values()], axis=0),
        pixels=np.mean([one.counts.sum(axis=1) + one.unmapped for one in confusions.values()], axis=0),
    )
