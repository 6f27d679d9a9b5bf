"""Arrays of one block: the series of one sensor, and features. Axis order: (time, band, y, x)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

import numpy as np

from iota2.core.grid import NO_MARGINS, Margins
from iota2.core.recipe import FeatureRecipe
from iota2.errors import FeatureMismatch


@dataclass(frozen=True)
class Cube:
    """The series of one sensor on one block.

    ``values`` are in product units (reflectance x 10000 for Sentinel-2). Where ``valid`` is False, only features of raw
    dates may use the values.
    """

    values: np.ndarray
    """(time, band, y, x), int16 or float32. Missing values are ``nodata`` in int16 and NaN in float32."""
    valid: np.ndarray
    """(time, y, x) bool: no mask rule applies, and all bands have data."""
    days: tuple[date, ...]
    keys: tuple[str, ...]
    """Unique date keys, ``YYYYMMDD`` or ``YYYYMMDD.1``."""
    bands: tuple[str, ...]
    roles: Mapping[str, str]
    nodata: float | None = None
    """No-data value of the files, in file units."""
    margins: Margins = NO_MARGINS
    """Numbers of pixels of the arrays outside the block: the halo of filters, cropped at the edges of the tile."""

    def __post_init__(self) -> None:
        time, band, *space = self.values.shape
        if (time, *space) != self.valid.shape or time != len(self.days) or band != len(self.bands):
            raise ValueError(
                f"cube of values {self.values.shape}, valid {self.valid.shape}, "
                f"{len(self.days)} dates, {len(self.bands)} bands"
            )

    @property
    def block_shape(self) -> tuple[int, int]:
        """(rows, columns) of the block, without margins."""
        height, width = self.valid.shape[1:]
        top, bottom, left, right = self.margins
        return height - top - bottom, width - left - right

    def without_margins(self) -> Cube:
        """The series without the pixels outside the block."""
        return self.with_margins((0, 0))

    def with_margins(self, padding: tuple[int, int]) -> Cube:
        """The series with margins of at most ``padding`` rows and columns."""
        (rows, columns), (height, width) = padding, self.valid.shape[1:]
        top, bottom, left, right = self.margins
        kept = min(top, rows), min(bottom, rows), min(left, columns), min(right, columns)
        if kept == self.margins:
            return self
        place = (
            ...,
            slice(top - kept[0], height - bottom + kept[1]),
            slice(left - kept[2], width - right + kept[3]),
        )
        return replace(self, values=self.values[place], valid=self.valid[place], margins=kept)

    @property
    def n_valid(self) -> np.ndarray:
        """(y, x) uint16: number of valid dates."""
        return self.valid.sum(axis=0, dtype=np.uint16)


@dataclass(frozen=True)
class FeatureBlock:
    """Named features of one block."""

    values: np.ndarray
    """(feature, y, x) float32."""
    names: tuple[str, ...]
    n_valid: np.ndarray
    """(y, x) uint16: number of clear observations as counted by ``observations``; 0 for pixels without a label."""
    sensors: tuple[str, ...] = ()
    """Names of the sensors and layers of the recipe, in order; empty if ``clear`` is unknown."""
    clear: np.ndarray = field(default_factory=lambda: np.empty((0, 0, 0), np.uint16))
    """(sensor, y, x) uint16: number of clear observations of each sensor; of layers, 1 where all of them have data."""
    margins: Margins = NO_MARGINS
    """Numbers of pixels of the arrays outside the block, for models with context; cropped at the edges of the tile."""
    segments: np.ndarray = field(default_factory=lambda: np.empty((0, 0), np.uint32))
    """(y, x) uint32: superpixel of each pixel, for models that need them; 0 for none. Empty if they are unknown."""

    @property
    def inner(self) -> tuple[slice, slice]:
        """Rows and columns of the arrays that belong to the block."""
        (top, bottom, left, right), (height, width) = self.margins, self.n_valid.shape
        return slice(top, height - bottom), slice(left, width - right)

    def without_margins(self) -> FeatureBlock:
        """The features without the pixels outside the block."""
        if self.margins == NO_MARGINS:
            return self
        place = (..., *self.inner)
        clear = self.clear[place] if self.sensors else self.clear
        return FeatureBlock(self.values[place], self.names, self.n_valid[place], self.sensors, clear)

    def of(self, recipe: FeatureRecipe) -> FeatureBlock:
        """The features of a recipe of some of the sensors, with ``n_valid`` of these sensors only.

        ``values`` are a view where its features are contiguous in the block, otherwise a copy. Raises FeatureMismatch
        if the block lacks features of the recipe, or does not know the observations of each sensor.
        """
        sensors = tuple(one.sensor for one in recipe.sensors)
        lacking = [*set(sensors).difference(self.sensors), *set(recipe.names).difference(self.names)]
        if lacking:
            raise FeatureMismatch(f"the features of the block lack {lacking[0]}; they are of {', '.join(self.sensors)}")
        rows = feature_rows(self.names, recipe.names)
        clear = self.clear[[self.sensors.index(name) for name in sensors]]
        n_valid = observations(clear, recipe)
        return FeatureBlock(self.values[rows], recipe.names, n_valid, sensors, clear, self.margins, self.segments)


def feature_rows(names: Sequence[str], wanted: Sequence[str]) -> slice | np.ndarray:
    """Positions of ``wanted`` in ``names``: a slice if they are contiguous, otherwise (feature,) int64.

    ``KeyError`` for an unknown name.
    """
    position = {name: k for k, name in enumerate(names)}
    rows = np.array([position[name] for name in wanted], np.int64)
    first = int(rows[0]) if len(rows) else 0
    contiguous = np.array_equal(rows, np.arange(first, first + len(rows)))
    return slice(first, first + len(rows)) if contiguous else rows


def observations(clear: np.ndarray, recipe: FeatureRecipe) -> np.ndarray:
    """(y, x) uint16: number of clear observations of the sensors with dates together; 0 for pixels without a label.

    ``clear`` (sensor, y, x) uint16: those of each sensor and layer of the recipe. A pixel has a label if all sensors
    have an observation and all layers data; with ``partial``, if any sensor and all layers; with ``allow_missing``, if
    any sensor. Layers are counted only in a recipe without dates.
    """
    static = np.array([sensor.static for sensor in recipe.sensors], bool)
    counted = np.ones_like(static) if static.all() else ~static
    if recipe.partial and not static.all():
        counted = np.array([sensor.sensor in recipe.dated for sensor in recipe.sensors], bool)
    total = clear[counted].sum(axis=0, dtype=np.uint16)
    required = np.zeros_like(static) if recipe.allow_missing else static if recipe.partial else np.ones_like(static)
    seen = (clear[required] > 0).all(axis=0)
    return np.where(seen, total, 0).astype(np.uint16)
