"""Pixel values for plausibility checks: small blocks of each date, and undeclared no-data values of layers."""

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

MAX_SAMPLED_VALUES = 8_000_000
"""Maximum number of sampled values of one sensor, which are in memory at the same time."""
MIN_MAX_SIDE_PIXELS = (16, 64)
"""Minimum and maximum side of a sampled block."""
BLOCK_POSITIONS = ((0.25, 0.25), (0.25, 0.75), (0.5, 0.5), (0.75, 0.25), (0.75, 0.75))
"""Positions (down, right) of the sampled blocks as fractions of the height and width of the tile."""
LAYER_ROWS_PER_READ = 512
"""Number of rows of a layer that are read at once."""


@dataclass(frozen=True, eq=False)
class ValueSample:
    """Sampled pixel values of the series of one sensor."""

    bands: tuple[str, ...]
    values: np.ndarray
    """(time, band, pixel) float32 in product units, NaN where a band has no data."""
    clear: np.ndarray
    """(time, pixel) bool: no mask applies and no band is without data."""
    masked: tuple[bool, ...]
    """(time,) whether the date has a mask other than edge masks."""

    def can_be_checked(self, date: int) -> bool:
        """Whether the values of a date can be checked.

        A date with masks and too few clear pixels is not checked, since masked values are never used.
        """
        return not self.masked[date] or bool(np.count_nonzero(self.clear[date]) >= MIN_BAND_PIXELS)

    def values_of(self, date: int, band: int) -> BandValues | None:
        """Values of the clear pixels of a band on a date.

        When there are too few clear pixels, all pixels that are neither missing nor 0, which may include clouds and
        image borders; None when there are too few of these.
        """
        layer = self.values[date, band]
        if np.count_nonzero(self.clear[date]) >= MIN_BAND_PIXELS:
            return band_values(layer[self.clear[date]], clear=self.masked[date])
        return band_values(layer[~np.isnan(layer) & (layer != 0)], clear=False)


def sample_values(scene: Scene, sensor: SensorScene, bands: Sequence[str], *, threads: int = 1) -> ValueSample:
    """Sampled values of some bands of one sensor: five blocks of the tile, or one central block of a small tile."""
    values, clear = [], []
    alone = replace(scene, sensors=(sensor,))
    with CubeReader(alone, {sensor.spec.name: bands}, threads=threads) as reader:
        for block in _sample_blocks(scene, len(sensor.acquisitions) * len(bands)):
            cube = reader.read(block)[sensor.spec.name]
            layers = cube.values.reshape(*cube.values.shape[:2], -1).astype(np.float32)
            if cube.values.dtype.kind in "iu" and cube.nodata is not None:
                layers[layers == np.float32(cube.nodata)] = np.nan
            values.append(layers)
            clear.append(cube.valid.reshape(len(cube.valid), -1))
    masks = [rule.name for rule in sensor.spec.masks if not rule.edge]
    without_secrets = tuple(any(name in date.masks for name in masks) for date in sensor.acquisitions)
    return ValueSample(tuple(bands), np.concatenate(values, axis=2), np.concatenate(clear, axis=1), without_secrets)


def _sample_blocks(scene: Scene, layers: int) -> Iterator[Block]:
    """The sampled blocks, from top to bottom, without overlaps; ``layers``: number of bands times dates."""
    side = int(np.clip(math.sqrt(MAX_SAMPLED_VALUES / (len(BLOCK_POSITIONS) * max(1, layers))), *MIN_MAX_SIDE_PIXELS))
    height, width = scene.geobox.shape
    if height <= 2 * side or width <= 2 * side:
        middle = [(max(0, (n - 2 * side) // 2), min(n, (n + 2 * side) // 2)) for n in (height, width)]
        yield block_of(scene.tile, scene.geobox, *middle)
        return
    for down, right in BLOCK_POSITIONS:
        top, left = (min(max(0, int(part * n) - side // 2), n - side) for part, n in ((down, height), (right, width)))
        yield block_of(scene.tile, scene.geobox, (top, top + side), (left, left + side))


def find_undeclared_nodata(scene: Scene, layers: SensorScene) -> Mapping[str, NodataSearch]:
    """By band, a search for undeclared no-data values in layers without dates; all pixels of the files are read."""
    files = OpenFiles(scene)
    try:
        return {band.name: _search_layer(files, layers, band.name) for band in layers.spec.bands}
    finally:
        files.close()


def _search_layer(files: OpenFiles, layers: SensorScene, name: str) -> NodataSearch:
    band = next(one for one in layers.spec.bands if one.name == name)
    path, found = layers.acquisitions[0].bands[name], NodataSearch()
    height, width = layers.grids[name].shape
    marker = layers.spec.nodata_of(name)
    known = (*layers.acquisitions[0].hidden.get(name, ()), *(() if marker is None else (marker,)))
    for top in range(0, height, LAYER_ROWS_PER_READ):
        rows = top, min(top + LAYER_ROWS_PER_READ, height)
        out = np.empty((rows[1] - rows[0], width), files.stored_type(layers, name))
        files.read(
            [ReadRequest(path, band.index, rows, (0, width), out, absent=math.nan if out.dtype.kind == "f" else 0.0)]
        )
        found.add(out, known)
    return found
