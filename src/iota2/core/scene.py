"""Images of one tile: result of the scan, and input of all jobs that read pixels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property

from odc.geo.geobox import GeoBox

from iota2.core.sensor import SensorSpec


@dataclass(frozen=True)
class FileFormat:
    """Storage format of the file of a band or mask, from its header."""

    dtype: str
    """Data type of the band or mask, by its numpy name."""
    shape: tuple[int, int]
    """Rows and columns of the file."""
    block: tuple[int, int]
    """Rows and columns of the tiles or strips of the file."""
    bands: int
    """Number of bands of the file, which are decoded together."""


@dataclass(frozen=True)
class Acquisition:
    """One product: a date of one sensor over one tile, with a file for each band and mask."""

    sensor: str
    day: date
    key: str
    """``YYYYMMDD``, or ``YYYYMMDD.1`` … for further products of the same day: unique within a tile and sensor."""
    product: str
    """Name of the product folder; for files side by side, the common part of their names; for an item, its name; for
    layers without dates, the folder of the tile."""
    bands: Mapping[str, str]
    """Band name to absolute path."""
    masks: Mapping[str, str]
    """Mask name to absolute path; a missing optional mask is absent."""
    formats: Mapping[str, FileFormat]
    """Band or mask name to the format of its file."""
    scaling: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Band name to (scale, offset), product units = file value x scale + offset; bands without an entry use those of
    the sensor."""
    extents: Mapping[str, tuple[int, int, int, int]] = field(default_factory=dict)
    """Band or mask name to first row, row after the last, first column, column after the last of the file, on the
    common grid of all dates; no entry for files that cover the whole grid. Outside its file a date has no data."""
    hidden: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """Band name to no-data values of its file besides the sensor's nodata."""
    shift: tuple[float, float] = (0.0, 0.0)
    """Displacement of the images to the right and down, in map units; it is corrected on reading."""


@dataclass(frozen=True)
class SensorScene:
    """The series of one sensor on one tile, sorted by (day, product)."""

    spec: SensorSpec
    acquisitions: tuple[Acquisition, ...]
    grids: Mapping[str, GeoBox]
    """Grid of the files by band or mask name, common to all dates: the smallest that contains all files."""

    @cached_property
    def grid_numbers(self) -> Mapping[str, int]:
        """Number of the grid of each band or mask: equal numbers stand for equal grids."""
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
        """Positions of the acquisitions of each day, in order. Acquisitions of one day count as one date."""
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

    @property
    def series(self) -> tuple[SensorScene, ...]:
        """The sensors with dates."""
        return tuple(sensor for sensor in self.sensors if not sensor.spec.static)

    @property
    def layers(self) -> tuple[SensorScene, ...]:
        """Those without dates, such as altitudes."""
        return tuple(sensor for sensor in self.sensors if sensor.spec.static)
