"""Sub-models: several models of one region, each of which learns from a part of the polygons."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from iota2.compute.groups import Label, learners_wanted, reserved_wanted
from iota2.core.random import generator


def submodel_names(count: int) -> tuple[str, ...]:
    """Names of the sub-models of a region, ``f1``, ``f2`` …; the empty name for a single model."""
    return tuple(f"f{k}" for k in range(1, count + 1)) if count > 1 else ("",)


def model_names(region: str, counts: Mapping[str, int]) -> tuple[str, ...]:
    """Names of the models of a region, such as ``1f1``, ``1f2``. ``counts``: number by region, 1 if absent."""
    return tuple(f"{region}{name}" for name in submodel_names(counts.get(region, 1)))


def models_by_name(models: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """The models that a name of the user means: that of a region all its models, that of a model this one.

    ``models``: names of the models of each region.
    """
    return {name: (name,) for of_region in models.values() for name in of_region} | {
        region: tuple(of_region) for region, of_region in models.items()
    }


def submodel_count(area: float, threshold: float, learners: Sequence[int]) -> int:
    """Number of models of a region: one for each ``threshold`` of learning area or part of it.

    ``learners``: number of learning polygons of each class. There are at most as many models as polygons of the class
    with the most, so that every model has polygons to learn from.
    """
    if area <= threshold:
        return 1
    return max(1, min(math.ceil(area / threshold), max(learners, default=1)))


def learning_polygons(
    labels: Sequence[Label], regions: Sequence[str | None], ratio: float, reserved_share: float | None = None
) -> dict[str, dict[Label, int]]:
    """Number of learning polygons by region and label.

    ``labels`` and ``regions`` are those of the polygons; polygons with the region None, outside all regions, do not
    count. ``ratio``: share of the polygons that learn, 1 for all. ``reserved_share``: share of the polygons that no run
    uses; None for none.
    """
    counts: dict[str, dict[Label, int]] = {}
    for label, region in zip(labels, regions, strict=True):
        if region is not None:
            of_region = counts.setdefault(region, {})
            of_region[label] = of_region.get(label, 0) + 1
    if reserved_share is not None:
        counts = {
            region: {label: count - reserved_wanted(count, reserved_share) for label, count in of_region.items()}
            for region, of_region in counts.items()
        }
    if ratio == 1:
        return counts
    return {
        region: {label: learners_wanted(count, ratio) for label, count in of_region.items()}
        for region, of_region in counts.items()
    }


def submodel_places(
    labels: Sequence[Label], regions: Sequence[str | None], sides: Sequence[str], *, random_seed: int
) -> np.ndarray:
    """(polygon,) int64: place of each polygon among those of its region and side, by which sub-models share them.

    In a region with n sub-models, place p belongs to sub-model p mod n: the polygons of each class are divided evenly,
    and so are all polygons. Classes are sorted as text; polygons of a class are in random order. Polygons with the
    region None, outside all regions, have the place 0. ``sides``: those of one seed of the run. ``random_seed``: the
    sum of the run's random seed and the number of this seed.
    """
    groups: dict[tuple[str, str], dict[Label, list[int]]] = {}
    for k, (label, region, side) in enumerate(zip(labels, regions, sides, strict=True)):
        if region is not None:
            groups.setdefault((region, side), {}).setdefault(label, []).append(k)
    places = np.zeros(len(labels), np.int64)
    for (region, side), by_label in groups.items():
        start = 0
        for label in sorted(by_label, key=str):
            members = np.array(by_label[label])
            rng = generator(random_seed, "sub-models", region, side, label)
            places[rng.permutation(members)] = start + np.arange(len(members))
            start += len(members)
    return places


def models_of(regions: Sequence[str], places: np.ndarray, counts: Mapping[str, int]) -> list[str]:
    """Name of the model of each piece of a polygon, such as ``1f2``: its region and sub-model.

    ``regions`` and ``places`` are those of the pieces; ``counts``: number of sub-models by region, 1 if absent.
    """
    names = {region: model_names(region, counts) for region in set(regions)}
    return [names[region][place % len(names[region])] for region, place in zip(regions, places.tolist(), strict=True)]
