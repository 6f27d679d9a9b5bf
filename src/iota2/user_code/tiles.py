"""Series of whole tiles, for functions of the user that need the whole tile."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from iota2.core.cube import Cube
from iota2.core.grid import NO_MARGINS, Block, Margins
from iota2.core.recipe import FeatureRecipe, SensorRecipe
from iota2.user_code.data import UserData, user_data
from iota2.user_code.functions import UserCode
from iota2.user_code.loading import UserCodeError
from iota2.user_code.trial import series_read


@dataclass(eq=False)
class TileSeries:
    """Some series of one sensor on a whole tile, filled block by block."""

    recipe: SensorRecipe
    raw_dates: tuple[str, ...]
    names: tuple[str, ...]
    """Names of the series, as in ``Series.of``."""
    clear: np.ndarray
    """(y, x) bool: pixels with a clear date."""
    _arrays: dict[str, np.ndarray] = field(default_factory=dict, init=False, repr=False)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the tile."""
        height, width = self.clear.shape
        return height, width

    @property
    def margins(self) -> Margins:
        """None: there are no pixels outside the tile."""
        return NO_MARGINS

    def of(self, name: str) -> np.ndarray:
        """(date, y, x): the series with a name; UserCodeError for one that the first call did not read."""
        if name not in self._arrays:
            raise UserCodeError(
                f"the function reads {self.recipe.sensor} {name} only for some values. A function of whole tiles must "
                "read the same series in each call: read it before any condition"
            )
        return self._arrays[name]

    def add(self, place: tuple[slice, slice], found: UserData) -> None:
        """Copy the series of a block at ``place``, its rows and columns."""
        series = found.series[self.recipe.sensor]
        self.clear[place] = series.clear
        for name in self.names:
            values = series.of(name)
            if name not in self._arrays:
                self._arrays[name] = np.empty((len(values), *self.shape), values.dtype)
            self._arrays[name][:, *place] = values


def whole_tile_features(
    recipe: FeatureRecipe, shape: tuple[int, int], blocks: Iterable[tuple[Block, Mapping[str, Cube]]]
) -> np.ndarray:
    """(feature, y, x) float32: the features of the only function of a recipe on a whole tile.

    ``shape``: rows and columns of the tile. ``blocks``: blocks that together are the tile, with their cubes, as for
    ``feature_block``; none if the tile has no images of these sensors. Only the series that the function reads are in
    memory. UserCodeError for an error of the function.
    """
    series: dict[str, TileSeries] = {}
    names, code = series_read(recipe), UserCode(recipe)
    for block, cubes in blocks:
        found = user_data(cubes, recipe)
        for sensor, one in found.series.items():
            if sensor not in series:
                wanted = tuple(name for of, name in names if of == sensor)
                series[sensor] = TileSeries(one.recipe, one.raw_dates, wanted, np.zeros(shape, bool))
            series[sensor].add((slice(*block.rows), slice(*block.cols)), found)
    values = code.values_of(UserData(series), shape)
    code.log_not_finite()
    return values
