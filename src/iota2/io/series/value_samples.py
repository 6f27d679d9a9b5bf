"""Samples of the values of a scene, from five small blocks of each date, and undeclared no-data values of layers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from iota2.compute.nodata_search import NodataSearch
from iota2.compute.plausible import MIN_BAND_PIXELS, BandValues, band_values
from iota2.core.grid import Block, block_of
from iota2.core.scene import Scene, SensorScene
from iota2.io.series.open_files import OpenFiles, ReadRequest
from iota2.io.series.reader import CubeReader

MAX_VALUES = 8_000_000
"""Maximum number of values of a sensor in memory."""
MIN_MAX_SIDE = (16, 64)
"""Minimum and maximum number of rows and columns of a block."""
PLACES = ((0.25, 0.25), (0.25, 0.75), (0.5, 0.5), (0.75, 0.25), (0.75, 0.75))
"""Positions of the blocks as fractions of the tile."""
ROWS = 512
"""Number of rows of a layer read at a time."""


@dataclass(frozen=True, eq=False)
class Sample:
    """Sampled pixels of the series of a sensor."""

    bands: tuple[str, ...]
    values: np.ndarray
    """(time, band, pixel) float32 in product units, NaN where a band has no data."""
    clear: np.ndarray
    """(time, pixel) bool: no mask applies and no band is without data."""
    masked: tuple[bool, ...]
    """(time,) whether a mask other than the edge mask marks clear pixels of the date."""

    def judged(self, date: int) -> bool:
        """Whether the values of a date can be checked: not when masks leave too few clear pixels, since values under
        clouds are never used."""
        return not self.masked[date] or bool(np.count_nonzero(self.clear[date]) >= MIN_BAND_PIXELS)

    def of(self, date: int, band: int) -> BandValues | None:
        """Clear pixels of a band on a date; when they are too few, the pixels that are neither missing nor 0, which may
        be clouds and image borders. None when these are too few."""
        layer = self.values[date, band]
        if np.count_nonzero(self.clear[date]) >= MIN_BAND_PIXELS:
            return band_values(layer[self.clear[date]], clear=self.masked[date])
        return band_values(layer[~np.isnan(layer) & (layer != 0)], clear=False)


def sample_of(scene: Scene, sensor: SensorScene, bands: Sequence[str], *, threads: int = 1) -> Sample:
    """Sample of one sensor; the whole tile when it is small."""
    values, clear = [], []
    alone = replace(scene, sensors=(sensor,))
    with CubeReader(alone, {sensor.spec.name: bands}, threads=threads) as reader:
        for block in _places(scene, len(sensor.acquisitions) * len(bands)):
            cube = reader.read(block)[sensor.spec.name]
            layers = cube.values.reshape(*cube.values.shape[:2], -1).astype(np.float32)
            if cube.values.dtype.kind in "iu" and cube.nodata is not None:
                layers[layers == np.float32(cube.nodata)] = np.nan
            values.append(layers)
            clear.append(cube.valid.reshape(len(cube.valid), -1))
    masks = [rule.name for rule in sensor.spec.masks if not rule.edge]
    masked = tuple(any(name in date.masks for name in masks) for date in sensor.acquisitions)
    return Sample(tuple(bands), np.concatenate(values, axis=2), np.concatenate(clear, axis=1), masked)


def _places(scene: Scene, layers: int) -> Iterator[Block]:
    """Blocks of a sample, from top to bottom, without overlaps."""
    side = int(np.clip(math.sqrt(MAX_VALUES / (len(PLACES) * max(1, layers))), *MIN_MAX_SIDE))
    height, width = scene.geobox.shape
    if height <= 2 * side or width <= 2 * side:
        middle = [(max(0, (n - 2 * side) // 2), min(n, (n + 2 * side) // 2)) for n in (height, width)]
        yield block_of(scene.tile, scene.geobox, *middle)
        return
    for down, right in PLACES:
        top, left = (min(max(0, int(part * n) - side // 2), n - side) for part, n in ((down, height), (right, width)))
        yield block_of(scene.tile, scene.geobox, (top, top + side), (left, left + side))


def layer_holes(scene: Scene, layers: SensorScene) -> Mapping[str, NodataSearch]:
    """Suspected no-data values by band, for layers without dates. Files are read whole, with pixels as stored."""
    files = OpenFiles(scene)
    try:
        return {band.name: _search(files, layers, band.name) for band in layers.spec.bands}
    finally:
        files.close()


def _search(files: OpenFiles, layers: SensorScene, name: str) -> NodataSearch:
    band = next(one for one in layers.spec.bands if one.name == name)
    path, found = layers.acquisitions[0].bands[name], NodataSearch()
    height, width = layers.grids[name].shape
    marker = layers.spec.nodata_of(name)
    known = (*layers.acquisitions[0].hidden.get(name, ()), *(() if marker is None else (marker,)))
    for top in range(0, height, ROWS):
        rows = top, min(top + ROWS, height)
        out = np.empty((rows[1] - rows[0], width), files.stored_type(layers, name))
        files.read(
            [ReadRequest(path, band.index, rows, (0, width), out, absent=math.nan if out.dtype.kind == "f" else 0.0)]
        )
        found.add(out, known)
    return found
