"""Everything that is available for one tile, found once by scanning and read by all who open images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property

from odc.geo.geobox import GeoBox

from iota2.core.sensor import SensorSpec


@dataclass(frozen=True)
class FileFormat:
    """How the file of a band or mask stores its pixels, as its header says."""

    dtype: str
    """Type of the pixels of the band or mask, by its name in numpy."""
    shape: tuple[int, int]
    """Rows and columns of the file."""
    block: tuple[int, int]
    """Rows and columns of the tiles, or strips, in which it is stored."""
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
    """Name of the product folder; of a product that is several files side by side, what their names share; of an item,
    its name; of layers without dates, the folder of the tile."""
    bands: Mapping[str, str]
    """Band name to absolute path."""
    masks: Mapping[str, str]
    """Mask name to absolute path; a missing optional mask is absent."""
    formats: Mapping[str, FileFormat]
    """Band or mask name to the format of its file."""
    scaling: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Band name to (scale, offset), product units = file value x scale + offset; the sensor's own for other bands."""
    extents: Mapping[str, tuple[int, int, int, int]] = field(default_factory=dict)
    """Band or mask name to first row, row after the last, first column, column after the last, on the lattice that
    all dates share, of the file; absent where it has all of it. Beyond its file a date shows nothing."""
    hidden: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """Band name to further values of its file, beside the sensor's nodata, that stand for no data."""
    shift: tuple[float, float] = (0.0, 0.0)
    """How far the images lie too far right and too far down, in map units: by this much they are moved back."""


@dataclass(frozen=True)
class SensorScene:
    """The series of one sensor on one tile, sorted by (day, product)."""

    spec: SensorSpec
    acquisitions: tuple[Acquisition, ...]
    grids: Mapping[str, GeoBox]
    """Lattice of the files, by band name or mask name, that all dates share: the smallest that holds them all."""

    @cached_property
    def lattices(self) -> Mapping[str, int]:
        """Number of the lattice of each band or mask: those that share one have the same number."""
        distinct = list(dict.fromkeys(self.grids.values()))
        return {name: distinct.index(grid) for name, grid in self.grids.items()}

    def formats(self, name: str) -> tuple[FileFormat, ...]:
        """The different formats of the files of a band or mask, each once, in the order of the dates."""
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
        """Positions of the acquisitions of each day, in order. Several of one day are one date for all that counts."""
        found: dict[date, tuple[int, ...]] = {}
        for number, day in enumerate(self.days):
            found[day] = (*found.get(day, ()), number)
        return found


@dataclass(frozen=True)
class Scene:
    """Everything available for one tile."""

    tile: str
    geobox: GeoBox
    """The working lattice."""
    sensors: tuple[SensorScene, ...]

    @property
    def series(self) -> tuple[SensorScene, ...]:
        """The sensors with dates."""
        return tuple(sensor for sensor in self.sensors if not sensor.spec.static)

    @property
    def layers(self) -> tuple[SensorScene, ...]:
        """Those without dates, such as altitudes."""
        return tuple(sensor for sensor in self.sensors if sensor.spec.static)
