"""Decoded pixels of a series as stored in the files, and their conversion to cubes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from iota2.compute.placement import Placement, Range, placement
from iota2.compute.valid import has_data, mask_applies, nodata_of
from iota2.core.cube import Cube
from iota2.core.grid import Block, padded, shift_corrected
from iota2.core.scene import Scene, SensorScene
from iota2.core.sensor import MaskRule

Shift = tuple[float, float]
"""Displacement of images (right, down) in map units."""

NO_HALOS: Mapping[str, int] = {}
"""Halos for cubes without any margin around the block."""


@dataclass(frozen=True, eq=False)
class StoredWindow:
    """Stored values of bands, or of one mask, on several dates of a sensor, in a window of their common grid."""

    names: tuple[str, ...]
    values: np.ndarray
    """(date, name, row, column)."""
    rows: Range
    """Rows of the window in the common grid of the files."""
    cols: Range
    """Columns of the window in the common grid of the files."""
    dates: Sequence[int]
    """Positions of the dates in the series."""
    shift: Shift = (0.0, 0.0)
    """Displacement of the images of all these dates."""

    def at(self, place: Placement) -> np.ndarray:
        """(date, name, row, column) contiguous: the values that a placement needs; its window is inside this one."""
        (top, bottom), (left, right) = place.window
        rows, cols = slice(top - self.rows[0], bottom - self.rows[0]), slice(left - self.cols[0], right - self.cols[0])
        return np.ascontiguousarray(self.values[..., rows, cols])

    def below(self, top: int) -> StoredWindow:
        """A copy of the window from row ``top`` (in the common grid) downwards."""
        start = max(top, self.rows[0])
        rows = start, self.rows[1]
        values = self.values[..., start - self.rows[0] :, :].copy()
        return replace(self, values=values, rows=rows)


@dataclass(eq=False)
class DecodedBlock:
    """Stored values of a scene for a block, its halo, and the pixels around that resampling needs.

    The values need much memory. After ``release`` has freed it, ``cubes`` raises ValueError.
    """

    scene: Scene
    bands: Mapping[str, Sequence[str]]
    """Bands of the cubes, by sensor."""
    types: Mapping[str, np.dtype[Any]]
    """Data type of the cube, by sensor."""
    decoded: Block
    """The decoded block with its halo."""
    places: Mapping[str, Mapping[tuple[str, Shift], Placement]]
    """By sensor, then by band or mask and shift: the placement of ``decoded`` on the grid of the files."""
    windows: Mapping[str, Sequence[StoredWindow]] | None
    """Stored values by sensor; None after release."""

    def cubes(self, block: Block, halos: Mapping[str, int] = NO_HALOS) -> dict[str, Cube]:
        """The cubes of ``block``, which is any part of the decoded block, by sensor; see ``CubeReader``.

        ``halos``: by sensor, width in pixels of the margin that its cube includes, at most the reader's ``halo``.
        ValueError when the block with its margin is outside the decoded area, or after ``release``.
        """
        return {
            sensor.spec.name: self._cube(sensor, block, halos.get(sensor.spec.name, 0))
            for sensor in self.scene.sensors
            if sensor.spec.name in self.bands
        }

    def release(self) -> None:
        """Free the memory of the stored values, even if references to this object remain."""
        self.windows = None

    def _cube(self, sensor: SensorScene, block: Block, halo: int) -> Cube:
        if not halo:
            return self._series(sensor, block)
        around = padded(block, halo, self.scene.geobox)
        return replace(self._series(sensor, around), margins=around.margins(block))

    def _series(self, sensor: SensorScene, block: Block) -> Cube:
        if self.windows is None:
            raise ValueError(f"tile {self.scene.tile}: the block of rows {self.decoded.rows} has been released")
        if min(self.decoded.margins(block)) < 0:
            raise ValueError(
                f"tile {self.scene.tile}: rows {block.rows}, columns {block.cols} are outside the decoded area, "
                f"rows {self.decoded.rows}, columns {self.decoded.cols}"
            )
        spec, bands = sensor.spec, tuple(self.bands[sensor.spec.name])
        rules = {rule.name: rule for rule in spec.masks}
        top, left = self.decoded.rows[0], self.decoded.cols[0]
        rows, cols = (block.rows[0] - top, block.rows[1] - top), (block.cols[0] - left, block.cols[1] - left)
        whole = self.places[spec.name]
        parts = {id(place): place.part(rows, cols) for place in whole.values()}
        values = np.empty((len(sensor.acquisitions), len(bands), *block.shape), self.types[spec.name])
        valid = np.ones((len(values), *block.shape), bool)
        for found in self.windows[spec.name]:
            place = parts[id(whole[found.names[0], found.shift])]
            if found.names[0] in rules:
                valid[found.dates] &= clear_pixels(rules[found.names[0]], found.at(place)[:, 0], place)
            else:
                scaling = [[sensor.scaling(t, name) for name in found.names] for t in found.dates]
                nodata = spec.nodata_of(found.names[0])
                layers, known = resampled_and_scaled(found.at(place), place, nodata, scaling, values.dtype)
                columns = [bands.index(name) for name in found.names]
                if len(found.dates) == len(values):
                    values[:, columns] = layers
                else:
                    values[np.ix_(found.dates, columns)] = layers
                valid[found.dates] &= known
        roles = {role: band for role, band in spec.roles.items() if band in bands}
        return Cube(values, valid, sensor.days, sensor.keys, bands, roles, spec.nodata)


def resampled_and_scaled(
    stored: np.ndarray,
    place: Placement,
    marker: float | None,
    scaling: Sequence[Sequence[tuple[float, float]]],
    dtype: np.dtype[Any],
) -> tuple[np.ndarray, np.ndarray]:
    """Resampled bands in product units (date, band, y, x), and whether all bands have data (date, y, x).

    ``stored``: stored values of the bands (date, band, row, column). ``place``: placement of the block on their grid.
    ``marker``: their no-data value. ``scaling``: (scale, offset) of each date and band. The value of a pixel without
    data is NaN; for an integer ``dtype`` it is the no-data value, or 0 when there is none.
    """
    nodata = nodata_of(stored.dtype, marker)
    layers = place.resample(stored.reshape(-1, *stored.shape[2:]), nodata)
    known = place.inside & has_data(layers, nodata)
    numbers = [pair for pairs in scaling for pair in pairs]
    if any(pair != (1.0, 0.0) for pair in numbers):
        scaled = np.empty(layers.shape, dtype)
        for layer, target, (scale, offset) in zip(layers, scaled, numbers, strict=True):
            target[...] = layer.astype(np.float64) * scale + offset  # one layer at a time: float64 takes much memory
        layers = scaled
    layers = layers.astype(dtype, copy=False)
    if not known.all():
        layers = np.where(known, layers, dtype.type(np.nan if dtype.kind == "f" else nodata or 0))
    shape = *stored.shape[:2], *layers.shape[1:]
    return layers.reshape(shape), np.logical_and.reduce(known.reshape(shape), axis=1)


def clear_pixels(rule: MaskRule, values: np.ndarray, place: Placement) -> np.ndarray:
    """(…, y, x) bool from mask values (…, row, column): the rule does not apply, and the pixel is inside the grid."""
    return place.inside & ~place.nearest(mask_applies(rule, values))


def placements(
    scene: Scene, sensor: SensorScene, block: Block, names: Sequence[str], shift: Shift = (0.0, 0.0)
) -> dict[str, Placement]:
    """Placements of a block on the grids of bands and masks, for dates with this shift.

    Bands and masks on the same grid share one placement.
    """
    kernel = sensor.spec.resampling
    numbers = {name: sensor.grid_numbers[name] for name in names if name in sensor.grid_numbers}
    places = {
        number: placement(shift_corrected(sensor.grids[name], shift), scene.geobox, block.rows, block.cols, kernel)
        for number, name in {number: name for name, number in numbers.items()}.items()
    }
    return {name: places[number] for name, number in numbers.items()}
