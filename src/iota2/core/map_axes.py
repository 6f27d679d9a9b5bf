"""Axes of a features map as arrays of time and band, and the place of each of its bands."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from iota2.core.feature_map import FeatureMap, MapBand

SHARD_DATES = 8
"""Dates of a band that are stored in one file."""


@dataclass(frozen=True)
class Shard:
    """Bands of the map that are stored in one file for each square of pixels."""

    dates: tuple[int, int] | None
    """Half-open range of positions along the axis of dates; None for a feature without date."""
    position: int
    """Position along the axis of series, or of features without date."""
    bands: tuple[int, ...]
    """Positions of its bands in the map."""
    offsets: tuple[int, ...]
    """Position of each of these bands in the range of dates; 0 without dates."""

    @property
    def count(self) -> int:
        """Number of layers of the file; those of dates that the series lacks have no data."""
        return 1 if self.dates is None else self.dates[1] - self.dates[0]


@dataclass(frozen=True)
class MapAxes:
    """Values along the axes of a features map: every band has either a date and a series, or is a feature without date.

    A series is all features whose names differ only in the date at their end; its name is theirs without the date.
    """

    layers: FeatureMap

    @cached_property
    def dates(self) -> tuple[str, ...]:
        """Date keys of all series, ascending."""
        return tuple(sorted({band.feature.date for band in self.layers.bands if band.feature.date}))

    @cached_property
    def series(self) -> dict[str, str]:
        """Sensor of each series, by its name."""
        return {name: sensor for name, sensor, key in self._places if key}

    @cached_property
    def undated(self) -> dict[str, str]:
        """Sensor of each feature without date, by its name."""
        return {name: sensor for name, sensor, key in self._places if not key}

    @cached_property
    def shards(self) -> tuple[Shard, ...]:
        """All files of a square of pixels, each with at least one band."""
        series, undated, dates = map(_numbered, (self.series, self.undated, self.dates))
        found: dict[tuple[int, int], dict[int, int]] = {}
        alone = []
        for band, (name, _, key) in enumerate(self._places):
            if key:
                group, offset = divmod(dates[key], SHARD_DATES)
                found.setdefault((series[name], group), {})[offset] = band
            else:
                alone.append(Shard(None, undated[name], (band,), (0,)))
        dated = [
            Shard(self._range(group), position, tuple(bands.values()), tuple(bands))
            for (position, group), bands in sorted(found.items())
        ]
        return (*dated, *alone)

    def _range(self, group: int) -> tuple[int, int]:
        return group * SHARD_DATES, min((group + 1) * SHARD_DATES, len(self.dates))

    @cached_property
    def _places(self) -> tuple[tuple[str, str, str], ...]:
        """Name without date, sensor and date key of each band; no two bands have the same name and date."""
        return tuple(self._named())

    def _named(self) -> Iterator[tuple[str, str, str]]:
        """Names are those of the features, also with ``standard_labels``."""
        whole = {f"{prefix}{band.feature.name}" for prefix, band in self._prefixed()}
        for prefix, band in self._prefixed():
            short = f"{prefix}{band.feature.undated}"
            yield (f"{prefix}{band.feature.name}" if short in whole else short), band.sensor, band.feature.date

    def _prefixed(self) -> Iterator[tuple[str, MapBand]]:
        """All bands, each with the prefix of its recipe."""
        for number in range(len(self.layers.recipes)):
            yield from ((self.layers.prefix(number), band) for band in self.layers.bands_of(number))


def _numbered(values: Iterable[str]) -> dict[str, int]:
    """Position of each value."""
    return {value: position for position, value in enumerate(values)}
