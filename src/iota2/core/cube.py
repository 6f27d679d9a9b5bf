"""Arrays of one block: the series of one sensor, and features. Axis order: (time, band, y, x)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date

import numpy as np

from iota2.core.grid import NO_MARGINS, Margins


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
        if self.margins == NO_MARGINS:
            return self
        (top, _, left, _), (height, width) = self.margins, self.block_shape
        place = (..., slice(top, top + height), slice(left, left + width))
        return replace(self, values=self.values[place], valid=self.valid[place], margins=NO_MARGINS)

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
    """(y, x) uint16: number of clear observations of all sensors together; 0 where one of the sensors has none."""
