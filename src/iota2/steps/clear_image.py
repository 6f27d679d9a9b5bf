"""The clearest image of a part of a tile, for pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

import numpy as np

from iota2.compute.valid import has_data
from iota2.core.feature_map import COLOURS
from iota2.core.grid import Block
from iota2.core.scene import Scene, SensorScene
from iota2.io.series.reader import CubeReader


@dataclass(frozen=True, eq=False)
class ClearImage:
    """One day of one sensor."""

    sensor: str
    day: date
    bands: np.ndarray
    """(band, y, x) float32: red, green and blue, or the first band; NaN without data."""
    clear: np.ndarray
    """(y, x) bool: no mask applies, and all bands have data."""


def clearest_image(scene: Scene, block: Block) -> ClearImage:
    """The image of the day with most clear pixels in the block, of the first sensor in natural colours.

    Without such a sensor, of the first one with dates. Clouds are shown; of several images of the day, those that show
    a pixel clear have precedence.
    """
    sensor, bands = _shown(scene.series)
    only = replace(scene, sensors=(sensor,))
    with CubeReader(only, {}) as reader:
        valid = reader.observed(block)[sensor.spec.name].by_day(sensor.by_day).valid
    day = [*sensor.by_day][int(valid.sum(axis=(1, 2)).argmax())]
    of_day = replace(sensor, acquisitions=tuple(sensor.acquisitions[t] for t in sensor.by_day[day]))
    with CubeReader(replace(only, sensors=(of_day,)), {sensor.spec.name: bands}) as reader:
        cube = reader.read(block)[sensor.spec.name]
    values = np.full(cube.values.shape[1:], np.nan, np.float32)
    clear = np.zeros(block.shape, bool)
    for image, own in zip(cube.values, cube.valid, strict=True):
        known = has_data(image, cube.nodata).all(axis=0)
        better = known & (np.isnan(values[0]) | (own & ~clear))
        values[:, better] = image[:, better]
        clear |= own
    return ClearImage(sensor.spec.name, day, values, clear)


def _shown(series: Sequence[SensorScene]) -> tuple[SensorScene, tuple[str, ...]]:
    """The sensor to show with its bands."""
    for sensor in series:
        colours = tuple(sensor.spec.roles[role] for role in COLOURS if role in sensor.spec.roles)
        if len(colours) == len(COLOURS) and all(name in sensor.grids for name in colours):
            return sensor, colours
    first = next(band.name for band in series[0].spec.bands if band.name in series[0].grids)
    return series[0], (first,)
