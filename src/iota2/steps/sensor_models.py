"""Models of one region and seed for the combinations of sensors that see its pixels."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from iota2.classifiers.base import Model, Training
from iota2.classifiers.models import read_recipe_of, read_trainings
from iota2.compute.sensor_combinations import (
    Combination,
    enough_samples,
    first_subset,
    summed,
    trainable,
    wanted_combinations,
)
from iota2.core.graph import Key, Paths
from iota2.core.recipe import FeatureRecipe
from iota2.core.tables import sample_columns
from iota2.errors import InputError
from iota2.io.tables.samples import read_columns
from iota2.io.tables.sensor_combinations import read_combinations
from iota2.report.results.sensors import CombinationModel, SensorCombination

log = logging.getLogger(__name__)

Train = Callable[[Combination, np.ndarray], Model]
"""Function that trains the model of some sensors on the samples of rows (sample,) bool."""


@dataclass(frozen=True, eq=False)
class SeenSamples:
    """Class codes of the samples of a model, and the sensors that see them."""

    codes: np.ndarray
    """(sample,) int64."""
    seen: Mapping[str, np.ndarray]
    """(sample,) bool by name of the sensor, in the order of the recipe."""

    def of(self, names: Iterable[str]) -> np.ndarray:
        """(sample,) bool: samples that all these sensors see."""
        return np.logical_and.reduce([self.seen[name] for name in names])

    @property
    def any(self) -> bool:
        """Whether any of the sensors sees a sample."""
        return any(seen.any() for seen in self.seen.values())

    def count(self, names: Combination) -> tuple[int, bool]:
        """Number of samples that all these sensors see, and whether they are enough for a model of their own."""
        codes = self.codes[self.of(names)]
        return len(codes), enough_samples(codes, self.codes)


def read_sensor_combinations(inp: Paths, share: float) -> tuple[SensorCombination, ...]:
    """Combinations of sensors with pixels, the most frequent first, and the models that predict them.

    From the inputs of the report; empty without models of fewer sensors. ``share``: as in ``model_of_sensors``.
    """
    if "combinations" not in inp:
        return ()
    tables = {key.tile: read_combinations(path) for key, path in inp.each("combinations")}
    tiles: dict[str, list[str]] = {}
    for key, _ in inp.each("masks"):
        tiles.setdefault(key.region, []).append(key.tile)
    models = [
        _ModelPixels.of(key, path, [tables[tile] for tile in tiles[key.region]], share)
        for key, path in inp.each("models")
    ]
    names = tuple(dict.fromkeys(name for one in models for name in one.known))
    pixels = summed(tables.values(), names)
    total = sum(pixels.values())
    ordered = sorted(pixels, key=lambda names: (-pixels[names], names))
    return tuple(
        SensorCombination(
            names, pixels[names], pixels[names] / total, tuple(one.of_combination(names) for one in models)
        )
        for names in ordered
    )


@dataclass(frozen=True, eq=False)
class _ModelPixels:
    """The models of one region and seed, and the pixels on the tiles of the region."""

    key: Key
    known: Combination
    """All sensors of the recipe."""
    trainings: Mapping[Combination, Training]
    pixels: Mapping[Combination, int]
    """By combination of known sensors."""
    wanted: Collection[Combination]
    """Combinations whose share is sufficient for a model of their own."""

    @classmethod
    def of(cls, key: Key, path: Path, tables: Iterable[Mapping[Combination, int]], share: float) -> _ModelPixels:
        """The models in ``path``; ``tables``: pixels by combination on each tile of the region."""
        recipe = read_recipe_of(path)
        pixels = summed(tables, recipe.dated)
        wanted = wanted_combinations(pixels, _features(recipe), share)
        return cls(key, recipe.dated, read_trainings(path), pixels, wanted)

    def of_combination(self, names: Combination) -> CombinationModel:
        """The model that predicts a combination."""
        used, seen = first_subset(names, self.trainings) or (), tuple(one for one in self.known if one in names)
        return CombinationModel(
            self.key.model,
            self.key.seed,
            sensors=used,
            samples=sum(self.trainings[used].samples.values()) if used else 0,
            own=used == seen,
            seen=seen,
            pixels=self.pixels.get(seen, 0),
            share=self.pixels.get(seen, 0) / max(1, sum(self.pixels.values())),
            rare=seen not in self.wanted,
        )


def _features(recipe: FeatureRecipe) -> dict[str, int]:
    """Number of features of each sensor with dates."""
    return {sensor: len(recipe.features_of[sensor]) for sensor in recipe.dated}


def read_seen(path: Path, recipe: FeatureRecipe, codes: np.ndarray) -> SeenSamples:
    """The sensors that see each sample of a table; features of the others have no value."""
    names = sample_columns(recipe)
    columns = {sensor: names[recipe.features_of[sensor][0]] for sensor in recipe.dated}
    values = read_columns(path, list(columns.values()))
    return SeenSamples(codes, {name: ~np.isnan(values[:, k]) for k, name in enumerate(columns)})


def model_of_sensors(
    recipe: FeatureRecipe,
    samples: SeenSamples,
    tables: Iterable[Mapping[Combination, int]],
    share: float,
    train: Train,
) -> Model:
    """The model of all sensors with those of fewer sensors as alternatives, for a ``partial`` recipe.

    ``tables``: pixels by combination on the tiles of the model. If too few samples are seen by all sensors, the first
    of the other models takes the place of the main one. InputError if no sensor sees a sample.
    """
    if not samples.any:
        listed = ", ".join(recipe.dated)
        raise InputError(f"No sample is seen by any of the sensors {listed}. Draw polygons where they see the area.")
    pixels = summed(tables, recipe.dated)
    models = []
    for names in trainable(pixels, _features(recipe), share, samples.count):
        rows = samples.of(names)
        log.info("model of %s: %d samples", " + ".join(names), np.count_nonzero(rows))
        models.append(train(names, rows))
    main, *others = models
    sensors = None if main.recipe.dated == recipe.dated else main.recipe.dated
    return replace(main, recipe=recipe, sensors=sensors, alternatives=tuple(others))
