"""Pictures of the series of a features map, at reduced resolution."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from types import ModuleType

import numpy as np

from iota2.core.feature_map import FeatureMap
from iota2.io.rasters.files import RasterReader
from iota2.io.rasters.zarr_store import StoreReader
from iota2.report.features.page import ShownSeries, ramp_of
from iota2.report.features.scales import Limits, limits
from iota2.report.features.shows import (
    MIN_PICTURE_PIXELS,
    SAMPLE_PIXELS,
    THUMBNAIL_PIXELS,
    Frame,
    Selection,
    Show,
    budget,
    evenly,
)

_TEXT_BYTES = 4 / 3
"""Bytes of a picture in a page for each byte of its file."""


BandSource = Callable[[int, int], np.ndarray]
"""Reads one band of a features map at reduced resolution: (y, x) values, for its position from 0 and the maximum number
of pixels."""


def source_of(reader: RasterReader | StoreReader) -> BandSource:
    """The bands of an open map."""
    return lambda position, max_pixels: reader.decimated(max_pixels, band=position + 1)


@dataclass(frozen=True)
class ShownMap:
    """The pictures of a map by section of its page."""

    colours: tuple[ShownSeries, ...]
    indices: tuple[ShownSeries, ...]
    undated: tuple[ShownSeries, ...]


def shown_map(source: BandSource, layers: FeatureMap, selection: Selection, map_pixels: int) -> ShownMap:
    """The pictures of the selected series; one band is in memory at a time, in colour pictures three."""
    artist = _Artist(source, layers.nodata)
    dated = [artist.prepared(show) for show in (*selection.colours, *selection.indices)]
    rates = [artist.bytes_per_pixel(one, min(map_pixels, MIN_PICTURE_PIXELS)) for one in dated]
    counts = [len(one.show.frames) for one in dated]
    size = budget(counts, rates, map_pixels, len(selection.undated))
    drawn = [artist.drawn(one, size.pixels, size.frames) for one in dated]
    first = len(selection.colours)
    undated = (artist.drawn(artist.prepared(show), THUMBNAIL_PIXELS, 1) for show in selection.undated)
    return ShownMap(tuple(drawn[:first]), tuple(drawn[first:]), tuple(undated))


@dataclass(frozen=True)
class _Artist:
    """Draws the bands of a map."""

    source: BandSource
    nodata: float

    def prepared(self, show: Show) -> ShownSeries:
        """A series with its scales and without pictures."""
        found = [self._scale(show, channel) for channel in range(len(show.channels))]
        scales = [scale for scale in found if scale is not None]
        return ShownSeries(show, scales=tuple(scales) if len(scales) == len(found) else ())

    def _scale(self, show: Show, channel: int) -> Limits | None:
        samples = (self.source(frame.bands[channel], SAMPLE_PIXELS) for frame in show.frames)
        return limits(samples, self.nodata, symmetric=show.difference)

    def bytes_per_pixel(self, shown: ShownSeries, pixels: int) -> float:
        """Size in the page of the picture of the middle date of a series; 0 without data."""
        if not shown.scales:
            return 0.0
        webp, (columns, rows) = self._picture(shown, shown.show.frames[len(shown.show.frames) // 2], pixels)
        return _TEXT_BYTES * len(webp) / (columns * rows)

    def drawn(self, shown: ShownSeries, pixels: int, most: int) -> ShownSeries:
        """The series with pictures of at most ``most`` dates."""
        if not shown.scales:
            return shown
        frames = evenly(shown.show.frames, most)
        pictures = [self._picture(shown, frame, pixels) for frame in frames]
        left_out = tuple(frame.day for frame in shown.show.frames if frame not in frames)
        named = tuple((frame.day, webp) for frame, (webp, _) in zip(frames, pictures, strict=True))
        return replace(shown, pictures=named, size=pictures[0][1], left_out=left_out)

    def _picture(self, shown: ShownSeries, frame: Frame, pixels: int) -> tuple[bytes, tuple[int, int]]:
        """WebP of a date, with its columns and rows."""
        module, bands = pictures_module(), self._bands(frame.bands, pixels)
        if shown.show.scale == "ramp":
            webp = module.ramp_picture(bands[0], shown.scales[0], ramp_of(shown.show), self.nodata)
        else:
            webp = module.colour_picture(bands, shown.scales, self.nodata)
        rows, columns = bands[0].shape
        return webp, (columns, rows)

    def _bands(self, positions: Sequence[int], pixels: int) -> list[np.ndarray]:
        """Bands at reduced resolution; each is read once."""
        found = {position: self.source(position, pixels) for position in dict.fromkeys(positions)}
        return [found[position] for position in positions]


def pictures_module() -> ModuleType:
    """The module that encodes pictures; it is imported here because Pillow delays the start of every command."""
    from iota2.report.features import pictures  # noqa: PLC0415

    return pictures
