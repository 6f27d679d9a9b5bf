"""The pictures that the page of a features map shows, and their size."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal, NamedTuple

import numpy as np

from iota2.core.feature import VALUE
from iota2.core.feature_map import FeatureMap
from iota2.core.recipe import QUANTILES
from iota2.report.features.series import Origin, Series, numbered

MAX_PICTURE_PIXELS, MIN_PICTURE_PIXELS, THUMBNAIL_PIXELS = 490_000, 120_000, 60_000
"""Pixels of a picture: at most and, if there are many, at least; and of a band without date."""
SAMPLE_PIXELS = 20_000
"""Pixels of a band from which a scale is computed."""
PICTURE_BYTES = 13_000_000
"""Approximate maximum size of all pictures in the page."""
MIN_RATE = 0.3
"""Lower limit of the bytes per pixel of pictures in the page: a single picture may be smoother than others."""
MAX_SHOWS, MAX_THUMBNAILS = 40, 60
"""Maximum number of series with pictures, and of pictures of bands without date."""

Scale = Literal["colours", "grey", "ramp"]
"""``colours``: red, green and blue from a band each; ``grey``, ``ramp``: one band."""


class Frame(NamedTuple):
    """One picture of a series."""

    day: str
    bands: tuple[int, ...]
    """Positions in the map: of red, green and blue, or of the only band."""


@dataclass(frozen=True)
class Show:
    """Pictures of a series in the order of dates, with a common scale."""

    title: str
    scale: Scale
    frames: tuple[Frame, ...]
    channels: tuple[str, ...]
    """Name of the band of each colour, or of the only band."""
    difference: bool = False
    """Whether values are differences, whose scale is symmetric."""
    vegetation: bool = False
    """Whether values are those of a vegetation index, or statistics on its scale."""


def colour_shows(layers: FeatureMap, series: Sequence[Series]) -> tuple[Show, ...]:
    """Natural colours of each sensor that has them; of other sensors their bands, or a composite of VV and VH."""
    by_sensor = {sensor: list(some) for sensor, some in groupby(layers.colours.items(), key=lambda item: item[0][0])}
    found = []
    for sensor, some in groupby((one for one in series if _is_band(one)), key=lambda one: one.sensor):
        bands = list(some)
        if sensor in by_sensor:
            found.append(_natural(sensor, layers, [places for _, places in by_sensor[sensor]]))
        else:
            found += _composite(sensor, bands) or [_single(one, "grey") for one in bands]
    return tuple(found)


def _is_band(one: Series) -> bool:
    return one.origin == "band" and bool(one.days) and not one.difference


def _natural(sensor: str, layers: FeatureMap, places: Sequence[tuple[int, int, int]]) -> Show:
    days = numbered([layers.bands[red].day for red, _, _ in places])
    names = tuple(layers.bands[k].feature.series for k in places[0])
    return Show(sensor, "colours", tuple(map(Frame, days, places)), names)


def _composite(sensor: str, bands: Sequence[Series]) -> list[Show]:
    """Red and blue from VV, green from VH; empty if the sensor lacks one of them."""
    by_name = {one.name.casefold(): one for one in bands}
    if not {"vv", "vh"} <= by_name.keys() or by_name["vv"].days != by_name["vh"].days:
        return []
    vv, vh = by_name["vv"], by_name["vh"]
    frames = (Frame(day, (a, b, a)) for day, a, b in zip(vv.days, vv.positions, vh.positions, strict=True))
    return [Show(sensor, "colours", tuple(frames), (vv.name, vh.name, vv.name))]


def _single(one: Series, scale: Scale) -> Show:
    frames = tuple(Frame(day, (band,)) for day, band in zip(one.days or ("",), one.positions, strict=True))
    vegetation = _of_ndvi(one) and one.kind in (VALUE, "mean", *QUANTILES)
    return Show(one.title, scale, frames, (one.name,), one.difference, vegetation)


def _of_ndvi(one: Series) -> bool:
    return one.origin == "index" and one.source == "NDVI"


_ORDER: tuple[Origin, ...] = ("index", "expression", "function", "layer", "band")


def index_shows(series: Iterable[Series]) -> tuple[Show, ...]:
    """NDVI, other indices, expressions and functions with dates, and differences of these."""
    chosen = [one for one in series if one.days and one.origin != "band"]
    chosen.sort(key=lambda one: (one.difference, not _of_ndvi(one), _ORDER.index(one.origin)))
    return tuple(_single(one, "ramp") for one in chosen)


def undated_shows(series: Iterable[Series]) -> tuple[Show, ...]:
    """Bands without date, one picture each: functions and layers, then statistics of NDVI, indices and bands."""
    chosen = [one for one in series if not one.days]
    chosen.sort(
        key=lambda one: (
            one.origin not in ("function", "layer"),
            not _of_ndvi(one),
            _ORDER.index(one.origin),
        )
    )
    return tuple(_single(one, "ramp") for one in chosen)


@dataclass(frozen=True)
class Selection:
    """The series with pictures, by section of the page."""

    colours: tuple[Show, ...]
    indices: tuple[Show, ...]
    undated: tuple[Show, ...]
    hidden: tuple[str, ...]
    """Titles of series without pictures, because there are too many."""


def selection_of(layers: FeatureMap, series: Sequence[Series]) -> Selection:
    """The series with pictures: not more than ``MAX_SHOWS`` with dates, and ``MAX_THUMBNAILS`` without."""
    colours, indices, undated = colour_shows(layers, series), index_shows(series), undated_shows(series)
    room = max(0, MAX_SHOWS - len(colours))
    beyond = (*colours[MAX_SHOWS:], *indices[room:], *undated[MAX_THUMBNAILS:])
    hidden = tuple(show.title for show in beyond)
    return Selection(colours[:MAX_SHOWS], indices[:room], undated[:MAX_THUMBNAILS], hidden)


@dataclass(frozen=True)
class Budget:
    """Size and number of pictures that fit the page."""

    pixels: int
    """Maximum number of pixels of a picture."""
    frames: int
    """Maximum number of dates of a series."""


def budget(counts: Sequence[int], rates: Sequence[float], map_pixels: int, thumbnails: int = 0) -> Budget:
    """The largest pictures that fit, or the smallest ones of fewer dates.

    ``counts``: number of dates of each series with pictures; ``rates``: bytes per pixel of its pictures in the page;
    ``map_pixels``: pixels of the whole map; ``thumbnails``: number of pictures of bands without date.
    """
    rates = [max(MIN_RATE, rate) for rate in rates]
    room = PICTURE_BYTES - thumbnails * min(THUMBNAIL_PIXELS, map_pixels) * max(rates, default=MIN_RATE)

    def bytes_per_pixel(most: int) -> float:
        return sum(min(count, most) * rate for count, rate in zip(counts, rates, strict=True))

    most = max(counts, default=1)
    fitting = room / max(MIN_RATE, bytes_per_pixel(most))
    pixels = int(min(MAX_PICTURE_PIXELS, map_pixels, max(MIN_PICTURE_PIXELS, fitting)))
    while most > 1 and bytes_per_pixel(most) * pixels > room:
        most -= 1
    return Budget(pixels, most)


def evenly(frames: Sequence[Frame], most: int) -> tuple[Frame, ...]:
    """At most ``most`` of the frames, at equal distances, with the first and the last."""
    if len(frames) <= most:
        return tuple(frames)
    places = np.linspace(0, len(frames) - 1, most) if most > 1 else np.array([len(frames) // 2])
    return tuple(frames[math.floor(place + 0.5)] for place in places)
