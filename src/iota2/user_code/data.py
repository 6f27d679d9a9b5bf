"""The data that functions of the user can read: series of the sensors on one block, as arrays (row, column, date)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

import numpy as np

from iota2.compute.features import filtered_block
from iota2.compute.indices import INDICES, Spectra
from iota2.compute.temporal import gapfill
from iota2.core.cube import Cube
from iota2.core.grid import Margins
from iota2.core.recipe import FeatureRecipe, SensorRecipe
from iota2.core.user_features import EXOGENOUS
from iota2.core.words import did_you_mean, some

CLEAR, MASKED, NOT_ACQUIRED = 0, 1, 2
"""Values of masks: a clear pixel; a pixel with cloud, edge, saturation or without data; a date that the tile lacks."""
RAW = "raw"
"""First word of the names of series at the dates of the images."""
RAW_MASKS = f"{RAW} masks"
"""Name of the masks at the dates of the images."""
_MASK_NAMES = ("binary_masks", "masks", "mask")
"""Names of the masks of a sensor in accessors."""


class Series(Protocol):
    """The series of one sensor on an area. Arrays are (date, y, x)."""

    @property
    def recipe(self) -> SensorRecipe:
        """Recipe of the sensor."""
        ...

    @property
    def raw_dates(self) -> tuple[str, ...]:
        """Date keys of the raw series."""
        ...

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the area with its margins."""
        ...

    @property
    def margins(self) -> Margins:
        """Numbers of pixels of the arrays outside the block whose features are computed."""
        ...

    @property
    def clear(self) -> np.ndarray:
        """(y, x) bool: pixels of the block, without margins, with a clear date."""
        ...

    def of(self, name: str) -> np.ndarray:
        """A band or index at the interpolation dates; ``raw <band>`` or ``raw masks`` at the dates of the images."""
        ...


def series_names(recipe: SensorRecipe) -> tuple[str, ...]:
    """Names of the interpolated series of a sensor: bands, and the indices whose bands exist."""
    known = {role for role, band in recipe.roles.items() if band in recipe.bands}
    indices = () if recipe.static else (name for name, one in INDICES.items() if known.issuperset(one.roles))
    return (*recipe.bands, *indices)


@dataclass(eq=False)
class SensorSeries:
    """The series of one sensor on a block with its margins."""

    cube: Cube
    """After the speckle filter."""
    recipe: SensorRecipe
    raw_dates: tuple[str, ...]
    """Date keys of the raw series."""
    no_data: float
    _interpolated: dict[str, np.ndarray] = field(default_factory=dict, init=False, repr=False)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the block with its margins."""
        height, width = self.cube.valid.shape[1:]
        return height, width

    @property
    def margins(self) -> Margins:
        """Margins of the block."""
        return self.cube.margins

    @property
    def clear(self) -> np.ndarray:
        """(y, x) bool: pixels of the block, without margins, with a clear date."""
        return self.cube.without_margins().n_valid > 0

    def of(self, name: str) -> np.ndarray:
        """The series with a name: ``B8``, ``raw B8``, ``raw masks``."""
        if name == RAW_MASKS:
            return self.masks()
        return self.raw(name.removeprefix(f"{RAW} ")) if name.startswith(f"{RAW} ") else self.interpolated(name)

    def interpolated(self, name: str) -> np.ndarray:
        """A band or index at the dates of the recipe, float32; without gap filling as stored, ``no_data`` if missing.

        Layers have one date. A pixel without valid date is 0.
        """
        if name not in self._interpolated:
            self._interpolated[name] = self._index(name) if name not in self.recipe.bands else self._band(name)
        return self._interpolated[name]

    def raw(self, band: str) -> np.ndarray:
        """A band at the dates of the images, float32, as stored; ``no_data`` where the band or the date has no data."""
        place = self.cube.bands.index(band)
        out = np.full((len(self.raw_dates), *self.cube.valid.shape[1:]), self.no_data, np.float32)
        for target, date in self._acquired():
            values = self.cube.values[date, place].astype(np.float32)
            out[target] = np.where(self._without_data(values), np.float32(self.no_data), values)
        return out

    def masks(self) -> np.ndarray:
        """``CLEAR``, ``MASKED`` or ``NOT_ACQUIRED`` at the dates of the images, uint8."""
        out = np.full((len(self.raw_dates), *self.cube.valid.shape[1:]), NOT_ACQUIRED, np.uint8)
        for target, date in self._acquired():
            out[target] = np.where(self.cube.valid[date], CLEAR, MASKED)
        return out

    def _acquired(self) -> Sequence[tuple[int, int]]:
        """Positions of the dates of the images in the raw series, and in the cube."""
        places = {key: k for k, key in enumerate(self.raw_dates)}
        return [(places[key], k) for k, key in enumerate(self.cube.keys) if key in places]

    def _without_data(self, values: np.ndarray) -> np.ndarray:
        if self.cube.values.dtype.kind == "f" or self.cube.nodata is None:
            return np.isnan(values)
        return values == np.float32(self.cube.nodata)

    def _band(self, name: str) -> np.ndarray:
        place = self.cube.bands.index(name)
        values = self.cube.values[:, place : place + 1]
        if self.recipe.static or not self.recipe.gapfilling:
            stored = values[:, 0].astype(np.float32)
            return np.where(self._without_data(stored), np.float32(self.no_data), stored)
        days, out_days = ([day.toordinal() for day in series] for series in (self.cube.days, self.recipe.days))
        return gapfill(values, self.cube.valid, np.array(days, np.int64), np.array(out_days, np.int64))[:, 0]

    def _index(self, name: str) -> np.ndarray:
        """An index, as the features of the sensor define it; ``no_data`` on dates without data."""
        bands = np.stack([self.interpolated(band) for band in self.recipe.bands], axis=1)
        pixels = bands.shape[2] * bands.shape[3]
        roles = {
            role: self.recipe.bands.index(band) for role, band in self.recipe.roles.items() if band in self.recipe.bands
        }
        values = np.ascontiguousarray(bands.reshape(*bands.shape[:2], pixels))
        out = np.empty((len(bands), pixels), np.float32)
        INDICES[name].function(Spectra(values, roles, self.recipe.atmospheric_correction), out)
        if not self.recipe.gapfilling:
            out[(values == np.float32(self.no_data)).any(axis=1)] = self.no_data
        return out.reshape(len(bands), *bands.shape[2:])


class UserData:
    """The argument ``self`` of a function of the user.

    ``get_interpolated_<Sensor>_<name>()``, or ``get_<Sensor>_<name>()``: a band or index at the interpolation dates.
    ``get_raw_<Sensor>_<band>()``: a band at the dates of the images. ``get_raw_<Sensor>_binary_masks()``: 0 for a
    clear pixel, 1 for a masked one, 2 for a date that the tile lacks. ``get_exogenous_<name>()``, or
    ``get_exogeneous_<name>()``: all bands of a raster of the user, (row, column, band). All are new arrays (row,
    column, date), float32; masks are uint8. AttributeError for another name.
    """

    def __init__(self, series: Mapping[str, Series]) -> None:
        self.series = series
        self.read: dict[tuple[str, str], int] = {}
        """Series that the function has read, (sensor, name), with their number of dates."""
        dated = {name: one for name, one in series.items() if not one.recipe.static}
        self.interpolated_dates = {name: list(one.recipe.dates) for name, one in dated.items()}
        """Interpolation dates ``YYYYMMDD`` by sensor."""
        self.raw_dates = {name: list(one.raw_dates) for name, one in dated.items()}
        """Date keys of the images by sensor."""
        self._accessors = _accessors(self)

    def __getattr__(self, name: str) -> Callable[[], np.ndarray]:
        accessors: dict[str, Callable[[], np.ndarray]] = self.__dict__.get("_accessors", {})
        if name in accessors:
            return accessors[name]
        raise AttributeError(f"there is no {name}{did_you_mean(name, accessors) or self._available(name)}")

    def _available(self, name: str) -> str:
        """The series of the sensor in the name of an accessor, or else the sensors."""
        name = name.replace("exogeneous", EXOGENOUS)
        sensor = max((one for one in self.series if f"_{one}_" in name), key=len, default=None)
        if sensor is None and EXOGENOUS in name:
            return "; external_features.exogeneous_data gives the paths of rasters"
        if sensor is None:
            return f"; the sensors are {some([*self.series], 12)}, such as get_interpolated_{next(iter(self.series))}_…"
        recipe = self.series[sensor].recipe
        rasters = _bands_by_raster(recipe) if sensor == EXOGENOUS else ()
        return f"; {sensor} has {some([*rasters, *series_names(recipe)], 30)}"

    def __dir__(self) -> list[str]:
        return sorted([*super().__dir__(), *self._accessors])

    def interpolated(self, sensor: str, name: str) -> np.ndarray:
        """A band or index at the interpolation dates, (row, column, date) float32."""
        return self._given(sensor, name)

    def exogenous(self, name: str) -> np.ndarray:
        """All bands of a raster of the user, (row, column, band) float32."""
        bands = _bands_by_raster(self.series[EXOGENOUS].recipe)[name]
        return np.concatenate([self.interpolated(EXOGENOUS, band) for band in bands], axis=2)

    def raw(self, sensor: str, band: str) -> np.ndarray:
        """A band at the dates of the images, (row, column, date) float32."""
        return self._given(sensor, f"{RAW} {band}")

    def masks(self, sensor: str) -> np.ndarray:
        """The masks at the dates of the images, (row, column, date) uint8."""
        return self._given(sensor, RAW_MASKS)

    def _given(self, sensor: str, name: str) -> np.ndarray:
        """A copy of a series as (row, column, date), and a note that the function has read it.

        The order in memory is always this one, so that sums over dates do not depend on the shape of the block.
        """
        values = self.series[sensor].of(name)
        self.read[sensor, name] = len(values)
        return np.array(np.moveaxis(values, 0, -1), order="C")


def _accessors(data: UserData) -> dict[str, Callable[[], np.ndarray]]:
    """The functions that read the series, by the names that files of the user call."""
    found: dict[str, Callable[[], np.ndarray]] = {}
    for sensor, series in data.series.items():
        for name in series_names(series.recipe):
            read = partial(data.interpolated, sensor, name)
            found |= dict.fromkeys((f"get_interpolated_{sensor}_{name}", f"get_{sensor}_{name}"), read)
            if sensor == EXOGENOUS:
                found[f"get_exogeneous_{name}"] = read
        if sensor == EXOGENOUS:
            for name in _bands_by_raster(series.recipe):
                read = partial(data.exogenous, name)
                found |= dict.fromkeys((f"get_exogeneous_{name}", f"get_exogenous_{name}"), read)
        if series.recipe.static:
            continue
        for band in series.recipe.bands:
            found[f"get_raw_{sensor}_{band}"] = partial(data.raw, sensor, band)
        for name in _MASK_NAMES:
            read = partial(data.masks, sensor)
            found |= dict.fromkeys((f"get_raw_{sensor}_{name}", f"get_{sensor}_{name}"), read)
    return found


def _bands_by_raster(recipe: SensorRecipe) -> Mapping[str, list[str]]:
    """Names of the bands of each raster of the sensor ``EXOGENOUS``, by name of the raster."""
    found: dict[str, list[str]] = {}
    for band in recipe.bands:
        found.setdefault(band.rpartition("_band_")[0], []).append(band)
    return found


def user_data(cubes: Mapping[str, Cube], recipe: FeatureRecipe) -> UserData:
    """The data of a block for the functions of a recipe: filtered series with its padding; ``cubes`` as for
    ``feature_block``."""
    user = recipe.user
    assert user is not None, "the recipe has functions of the user"
    return UserData(
        {
            one.sensor: SensorSeries(
                filtered_block(cubes[one.sensor], one, user.reach),
                one,
                user.raw_dates.get(one.sensor, ()),
                user.no_data,
            )
            for one in recipe.sensors
            if one.sensor in cubes
        }
    )
