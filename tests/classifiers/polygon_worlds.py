"""Samples of polygons of the synthetic landscape, with wrong labels, for tests of probabilities."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from iota2.core.random import generator
from iota2.core.recipe import FeatureRecipe, SensorRecipe
from iota2.testing.classes import CLASSES
from iota2.testing.landscape import draw_landscape

DATES = ("20180317", "20180511", "20180709", "20180809", "20181018")
DAYS = (76, 131, 190, 221, 291)
BANDS = {"B2": 0, "B4": 2, "B8": 6, "B11": 8}
RECIPE = FeatureRecipe((SensorRecipe("Sentinel2", tuple(BANDS), {}, DATES, indices=()),))
"""Bands at five dates."""
METRES = 9000.0


@dataclass(frozen=True, eq=False)
class Drawn:
    """Samples: features (sample, feature) float32, class codes and polygons (sample,)."""

    x: np.ndarray
    y: np.ndarray
    polygons: np.ndarray

    def where(self, chosen: np.ndarray) -> Drawn:
        return Drawn(self.x[chosen], self.y[chosen], self.polygons[chosen])


def draw(
    seed: int, polygons: int, *, wrong: float = 0.2, noise: float = 600.0, spread: float = 0.0, pixels: int = 8
) -> Drawn:
    """Samples of random fields: one polygon for each, with ``pixels`` samples on average.

    ``wrong``: share of the polygons whose label is drawn at random; ``noise``: standard deviation of a sample within
    its polygon; ``spread``: that of polygons, in addition to the variation of the landscape.
    """
    rng = generator(seed, "polygon world")
    land = draw_landscape((6e5, 62e5, 6e5 + METRES, 62e5 + METRES), rng, classes=CLASSES[:7])
    x, y = rng.uniform(0, METRES, (2, 6 * polygons)) + np.array([[6e5], [62e5]])
    fields = land.field_at(x, y)
    first = np.sort(np.unique(fields, return_index=True)[1])[:polygons]
    fields, region = fields[first], land.region_at(x[first], y[first]) - 1
    means = np.stack(
        [
            land.reflectance(fields, day, band)[np.arange(len(fields)), region]
            for band in BANDS.values()
            for day in DAYS
        ],
        axis=1,
    )
    means = means + spread * rng.standard_normal(means.shape)
    labels = np.where(
        rng.random(len(fields)) < wrong, rng.choice(land.codes, len(fields)), land.codes[land.classes_of[fields]]
    )
    owner = np.repeat(np.arange(len(fields)), rng.integers(2, 2 * pixels - 1, len(fields)))
    values = means[owner] + noise * rng.standard_normal((len(owner), means.shape[1]))
    return Drawn(values.astype(np.float32), labels[owner].astype(np.int64), owner)
