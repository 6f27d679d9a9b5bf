"""Everything that is available for one tile, found once by scanning and read by all who open images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property

from odc.geo.geobox import GeoBox

from iota2.core.sensor import SensorSpec


@dataclass(frozen=True)
class Acquisition:
    """One product: a date of one sensor over one tile, with a file for each band and mask."""

    sensor: str
    day: date
    key: str
    """``YYYYMMDD``, or ``YYYYMMDD.1`` … for further products of the same day: unique within a tile and sensor."""
    product: str
    """Name of the product folder."""
    bands: Mapping[str, str]
    """Band name to absolute path."""
    masks: Mapping[str, str]
    """Mask name to absolute path; a missing optional mask is absent."""


@dataclass(frozen=True)
class SensorScene:
    """The series of one sensor on one tile, sorted by (day, product)."""

    spec: SensorSpec
    acquisitions: tuple[Acquisition, ...]
    grids: Mapping[str, GeoBox]
    """Lattice of the files, by band name or mask name: the same for every date."""

    @cached_property
    def lattices(self) -> Mapping[str, int]:
        """Number of the lattice of each band or mask: those that share one have the same number."""
        distinct = list(dict.fromkeys(self.grids.values()))
        return {name: distinct.index(grid) for name, grid in self.grids.items()}

    @property
    def keys(self) -> tuple[str, ...]:
        """Date keys in series order."""
        return tuple(acquisition.key for acquisition in self.acquisitions)

    @property
    def days(self) -> tuple[date, ...]:
        """Dates in series order."""
        return tuple(acquisition.day for acquisition in self.acquisitions)


@dataclass(frozen=True)
class Scene:
    """Everything available for one tile."""

    tile: str
    geobox: GeoBox
    """The working lattice."""
    sensors: tuple[SensorScene, ...]
