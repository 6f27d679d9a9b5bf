"""Comparison of the stages of a map: borders, accuracy and changed pixels."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import numpy as np

from iota2.compute.accuracy import scores
from iota2.compute.intervals import Bounds, polygon_intervals
from iota2.compute.seams import Seam
from iota2.compute.validation import confusion_of
from iota2.core.tables import PolygonCounts

FINAL_STAGE = "final"
"""Name of the stage that is the map of the run."""
UNSMOOTHED_STAGE, REGULARISED_STAGE = "unsmoothed", "regularised"
"""Names of the stages before smoothing, and without patches below the minimum mapping unit."""
SINGLE_SOURCES = ("optical", "radar")
"""Names of the stages that are maps of one kind of sensors."""


@dataclass(frozen=True)
class StageAccuracy:
    """Accuracy of one map on validation pixels; undefined values are None."""

    polygons: int
    """Validation polygons with counted pixels."""
    pixels: int
    """Counted pixels, without those that are not classified."""
    overall: float | None
    overall_bounds: Bounds | None
    """95 % interval over the validation polygons."""
    f_scores: Mapping[int, float | None]
    """By class code."""


@dataclass(frozen=True)
class Stage:
    """One stage of the map."""

    name: str
    about: str
    """Name for the reader."""
    regions: Seam
    """Change of class across borders of regions."""
    tiles: Seam
    """Change of class across limits of tiles, inside regions."""
    accuracy: StageAccuracy
    pixels: Mapping[int, int] = field(default_factory=dict)
    """Pixels of the map by class code, without classes that it does not contain."""


@dataclass(frozen=True)
class Change:
    """Pixels of which two successive stages have different classes."""

    before: str
    after: str
    """Names of the stages."""
    pixels: int
    """Pixels that are classified in both."""
    classes: tuple[tuple[int, int, int], ...]
    """(class before, class after, number of pixels), most pixels first."""

    @property
    def changed(self) -> int:
        """Number of changed pixels."""
        return sum(count for _, _, count in self.classes)


@dataclass(frozen=True)
class BorderAccuracy:
    """Accuracy of each stage near borders of regions."""

    metres: float
    """Maximum distance from the border, on both sides."""
    stages: Mapping[str, StageAccuracy]
    """By name of the stage."""


@dataclass(frozen=True)
class MapStages:
    """The stages of the map of one seed."""

    regions: int
    """Number of regions in the map."""
    tiles: int
    stages: tuple[Stage, ...]
    """In the order of the processing; the map of the run is ``FINAL_STAGE``."""
    changes: tuple[Change, ...] = ()
    borders: tuple[BorderAccuracy, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON values; see ``map_stages_from_json``."""
        return asdict(self)


def map_stages_from_json(content: Mapping[str, Any]) -> MapStages:
    """The stages from the values of ``MapStages.to_json``, as read from a file."""
    return MapStages(
        content["regions"],
        content["tiles"],
        tuple(
            Stage(
                one["name"],
                one["about"],
                _seam(one["regions"]),
                _seam(one["tiles"]),
                _accuracy_of(one["accuracy"]),
                {int(code): count for code, count in one["pixels"].items()},
            )
            for one in content["stages"]
        ),
        tuple(
            Change(one["before"], one["after"], one["pixels"], tuple((a, b, n) for a, b, n in one["classes"]))
            for one in content["changes"]
        ),
        tuple(
            BorderAccuracy(one["metres"], {name: _accuracy_of(value) for name, value in one["stages"].items()})
            for one in content["borders"]
        ),
    )


def _seam(content: Mapping[str, Any]) -> Seam:
    """A seam from its JSON values."""
    return Seam(**{one.name: _bounds(content[one.name]) for one in fields(Seam)})


def _accuracy_of(content: Mapping[str, Any]) -> StageAccuracy:
    """An accuracy from its JSON values; class codes are text in JSON."""
    scored = {int(code): value for code, value in content["f_scores"].items()}
    return StageAccuracy(
        content["polygons"], content["pixels"], content["overall"], _bounds(content["overall_bounds"]), scored
    )


def _bounds(value: Any) -> Any:
    """A pair of bounds from a list; other values unchanged."""
    return (value[0], value[1]) if isinstance(value, list) else value


def sum_pixels(counts: Iterable[Mapping[int, int]]) -> dict[int, int]:
    """Sum of numbers of pixels by class, by ascending code."""
    total: dict[int, int] = {}
    for one in counts:
        for code, count in one.items():
            total[code] = total.get(code, 0) + count
    return dict(sorted(total.items()))


def count_labels(labels: np.ndarray) -> dict[int, int]:
    """Number of pixels of each class in a map (y, x) of class codes, without 0."""
    counts = np.bincount(labels.ravel())
    return {code: int(counts[code]) for code in np.flatnonzero(counts).tolist() if code > 0}


def stage_accuracy(counts: PolygonCounts, labels: Sequence[int], rng: np.random.Generator) -> StageAccuracy:
    """Accuracy from counts of validation pixels; ``labels``: all classes, ascending."""
    seen, codes = counts.where(counts.produced > 0), tuple(labels)
    found = scores(confusion_of(seen, codes))
    return StageAccuracy(
        polygons=len(np.unique(np.stack([seen.polygon, seen.reference], axis=1), axis=0)),
        pixels=int(seen.pixels.sum()),
        overall=_defined(found.overall_accuracy),
        overall_bounds=polygon_intervals(seen, codes, rng).overall_accuracy,
        f_scores={code: _defined(value) for code, value in zip(codes, found.f_score.tolist(), strict=True)},
    )


def _defined(value: float) -> float | None:
    return None if math.isnan(value) else value


@dataclass(frozen=True, eq=False)
class ChangeCounts:
    """Pixels by their classes in two maps: sums over blocks give the counts of the map."""

    pixels: int
    """Pixels that are classified in both maps."""
    changed: Mapping[tuple[int, int], int]
    """By class in the first and in the second map, if they differ."""


def count_changes(before: np.ndarray, after: np.ndarray) -> ChangeCounts:
    """Changed pixels between two maps (y, x) of class codes; pixels that are 0, without label, in one are ignored."""
    both = (before > 0) & (after > 0)
    differ = both & (before != after)
    pairs, counts = np.unique(np.stack([before[differ], after[differ]], axis=1), axis=0, return_counts=True)
    found = {(int(a), int(b)): int(count) for (a, b), count in zip(pairs, counts, strict=True)}
    return ChangeCounts(int(np.count_nonzero(both)), found)


def change(before: str, after: str, counts: Iterable[ChangeCounts]) -> Change:
    """Sum of the changed pixels of blocks between the stages of these names."""
    pixels, total = 0, dict[tuple[int, int], int]()
    for one in counts:
        pixels += one.pixels
        for pair, count in one.changed.items():
            total[pair] = total.get(pair, 0) + count
    ordered = sorted(total.items(), key=lambda item: (-item[1], item[0]))
    return Change(before, after, pixels, tuple((a, b, count) for (a, b), count in ordered))
