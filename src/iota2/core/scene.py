"""Images of one tile: the result of the survey, and an input of all jobs that read pixels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property

from odc.geo.geobox import GeoBox

from iota2.core.sensor import SensorSpec


@dataclass(frozen=True)
class FileFormat:
    """Storage format of a file of a band or mask, from its header."""

    dtype: str
    """Data type of the band or mask, by its numpy name."""
    shape: tuple[int, int]
    """Rows and columns of the file."""
    block: tuple[int, int]
    """Rows and columns of the tiles or strips of the file."""
    bands: int
    """Number of bands of the file; all bands of a block are decoded together."""


@dataclass(frozen=True)
class Acquisition:
    """One product: the image of one sensor over one tile on one date, with a file for each band and mask."""

    sensor: str
    day: date
    key: str
    """``YYYYMMDD``, or ``YYYYMMDD.1`` … for further products of the same day: unique within a tile and sensor."""
    product: str
    """Name of the product: its folder; for products without a folder, the common part of the file names; for a STAC
    item, its name; for layers without dates, the folder of the tile."""
    bands: Mapping[str, str]
    """Band name to absolute path."""
    masks: Mapping[str, str]
    """Mask name to absolute path, without missing optional masks."""
    formats: Mapping[str, FileFormat]
    """Band or mask name to the format of its file."""
    scaling: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Band name to (scale, offset): product units = file value x scale + offset. Bands without an entry use scale and
    offset of the sensor."""
    extents: Mapping[str, tuple[int, int, int, int]] = field(default_factory=dict)
    """Band or mask name to (row start, row stop, column start, column stop) of the file on the common grid of all
    dates; no entry for files that cover the whole grid. Outside its file a date has no data."""
    hidden: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """Band name to no-data values of its file, in addition to the sensor's nodata."""
    shift: tuple[float, float] = (0.0, 0.0)
    """Displacement of the images to the right and down, in map units, corrected on reading."""


@dataclass(frozen=True)
class SensorScene:
    """The series of one sensor on one tile, sorted by (day, product)."""

    spec: SensorSpec
    acquisitions: tuple[Acquisition, ...]
    grids: Mapping[str, GeoBox]
    """Band or mask name to the smallest grid that contains its files of all dates."""

    @cached_property
    def grid_numbers(self) -> Mapping[str, int]:
        """Band or mask name to the number of its grid. Equal grids have equal numbers."""
        distinct = list(dict.fromkeys(self.grids.values()))
        return {name: distinct.index(grid) for name, grid in self.grids.items()}

    def formats(self, name: str) -> tuple[FileFormat, ...]:
        """Distinct formats of the files of a band or mask, in the order of the dates."""
        return tuple(dict.fromkeys(date.formats[name] for date in self.acquisitions if name in date.formats))

    def scaling(self, t: int, band: str) -> tuple[float, float]:
        """(scale, offset) of a band on date number ``t``: product units = file value x scale + offset."""
        return self.acquisitions[t].scaling.get(band, (self.spec.scale, self.spec.offset))

    @property
    def keys(self) -> tuple[str, ...]:
        """Date keys in series order."""
        return tuple(acquisition.key for acquisition in self.acquisitions)

    @property
    def days(self) -> tuple[date, ...]:
        """The day of each acquisition, in series order."""
        return tuple(acquisition.day for acquisition in self.acquisitions)

    @cached_property
    def by_day(self) -> Mapping[date, tuple[int, ...]]:
        """Day to the positions of its acquisitions, in series order. They count as one date."""
        found: dict[date, tuple[int, ...]] = {}
        for number, day in enumerate(self.days):
            found[day] = (*found.get(day, ()), number)
        return found


@dataclass(frozen=True)
class Scene:
    """Images of all sensors on one tile."""

    tile: str
    geobox: GeoBox
    """The working grid."""
    sensors: tuple[SensorScene, ...]
    whole_tiles: str = ""
    """Path of the raster with the features of functions that need the whole tile, in a job that reads them."""

    @property
    def series(self) -> tuple[SensorScene, ...]:
        """The sensors with dates."""
        return tuple(sensor for sensor in self.sensors if not sensor.spec.static)

    @property
    def layers(self) -> tuple[SensorScene, ...]:
        """The sensors without dates, such as altitudes."""
        return tuple(sensor for sensor in self.sensors if sensor.spec.static)
