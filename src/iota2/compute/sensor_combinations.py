"""Combinations of sensors that see a pixel: counts, models to train, and the model of each combination."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import combinations

import numpy as np

from iota2.core.recipe import MISSING, FeatureRecipe

Combination = tuple[str, ...]
"""Names of the sensors with at least one clear date at a pixel, in the order of the recipe."""

MIN_SAMPLES_PER_CLASS = 10
"""Mean number of samples of a class below which a combination uses the model of fewer sensors."""
MAX_LOST_SHARE = 0.1
"""Share of the samples in classes without any sample above which a combination uses the model of fewer sensors."""


def count_combinations(seen: np.ndarray) -> np.ndarray:
    """(2 ** sensor,) int64: number of pixels of each combination.

    ``seen`` (sensor, …) bool: whether each sensor has a clear date. Bit ``k`` of the position in the result stands for
    sensor ``k``; position 0 counts pixels that no sensor sees.
    """
    number = np.zeros(seen.shape[1:], np.int64)
    for bit, one in enumerate(seen):
        number |= one.astype(np.int64) << bit
    return np.bincount(number.ravel(), minlength=1 << len(seen))


def named_counts(counts: np.ndarray, sensors: Sequence[str]) -> dict[Combination, int]:
    """Numbers of pixels by combination, from those of ``count_combinations``; without combinations of no pixel."""
    return {
        tuple(name for bit, name in enumerate(sensors) if number >> bit & 1): int(counts[number])
        for number in np.flatnonzero(counts).tolist()
    }


def summed(tables: Iterable[Mapping[Combination, int]], sensors: Sequence[str]) -> dict[Combination, int]:
    """Pixels by combination over all tables, reduced to some sensors in their order; without the empty combination."""
    total: dict[Combination, int] = {}
    for table in tables:
        for names, pixels in table.items():
            kept = tuple(name for name in sensors if name in names)
            if kept:
                total[kept] = total.get(kept, 0) + pixels
    return total


def by_preference(found: Iterable[Combination], features: Mapping[str, int]) -> list[Combination]:
    """Combinations by number of features, largest first; of equal ones, that with the first sensors of the recipe.

    ``features``: number of features of each sensor of the recipe, in its order, at least 1.
    """
    position = {name: k for k, name in enumerate(features)}
    return sorted(
        dict.fromkeys(found),
        key=lambda names: (-sum(features[name] for name in names), [position[name] for name in names]),
    )


def first_subset(names: Combination, ordered: Iterable[Combination]) -> Combination | None:
    """The first combination of ``ordered`` whose sensors are all in ``names``; None without one."""
    return next((one for one in ordered if set(one) <= set(names)), None)


def wanted_combinations(
    pixels: Mapping[Combination, int], features: Mapping[str, int], share: float
) -> list[Combination]:
    """Combinations that get a model of their own, by preference.

    These are the combination of all sensors, those of at least ``share`` of the pixels, and rarer ones without any of
    these among their subsets; of the rarer ones, those of fewer features first, so that they serve larger ones.
    """
    total = sum(pixels.values())
    every = tuple(features)
    chosen = {every, *(names for names, count in pixels.items() if count and count >= share * total)}
    for names in reversed(by_preference((one for one, count in pixels.items() if count), features)):
        if first_subset(names, chosen) is None:
            chosen.add(names)
    return by_preference(chosen, features)


def enough_samples(codes: np.ndarray, every: np.ndarray) -> bool:
    """Whether a combination has enough samples for a model of its own.

    ``codes`` (sample,): class codes of the samples that all its sensors see; ``every`` (sample,): those of all samples
    of the model. All samples together are always enough.
    """
    if len(codes) == len(every):
        return True
    if len(codes) < MIN_SAMPLES_PER_CLASS * len(np.unique(every)):
        return False
    return float(np.mean(~np.isin(every, codes))) <= MAX_LOST_SHARE


def trainable(
    pixels: Mapping[Combination, int],
    features: Mapping[str, int],
    share: float,
    samples: Callable[[Combination], tuple[int, bool]],
) -> list[Combination]:
    """Combinations of which a model is trained, by preference: those of ``wanted_combinations`` with enough samples.

    ``samples`` returns the number of samples of a combination, and whether they are enough (``enough_samples``). A
    combination with too few samples is trained only if none of its subsets has a model. If it has no sample at all, its
    first subset with samples is.
    """
    chosen: list[Combination] = []
    for names in reversed(wanted_combinations(pixels, features, share)):
        count, enough = samples(names)
        if count and (enough or first_subset(names, chosen) is None):
            chosen.append(names)
    for names in by_preference([tuple(features), *pixels], features):
        if first_subset(names, chosen) is None:
            chosen += [one for one in by_preference(_subsets(names), features) if samples(one)[0]][:1]
    return by_preference(chosen, features)


def seen_by_any(x: np.ndarray, recipe: FeatureRecipe) -> np.ndarray:
    """(sample,) bool: samples that any sensor of an ``allow_missing`` recipe sees, all samples for other recipes.

    ``x`` (sample, feature): features of the recipe; those of a sensor that does not see a sample are ``MISSING``.
    Layers do not count. All samples, if the recipe has only layers, or a sensor without features.
    """
    features = recipe.features_of.values()
    if not recipe.allow_missing or not features or not all(features):
        return np.ones(len(x), bool)
    return np.logical_or.reduce([(x[:, positions] != MISSING).any(axis=1) for positions in features])


def _subsets(names: Combination) -> list[Combination]:
    """All subsets of a combination but the empty one."""
    return [one for size in range(1, len(names) + 1) for one in combinations(names, size)]
