"""Image windows for the co-registration: one band of a date, and the reference image on the grid of that band."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

import numpy as np
from affine import Affine
from odc.geo.geobox import GeoBox
from rasterio.enums import Resampling
from rasterio.errors import RasterioIOError
from rasterio.io import DatasetReader
from rasterio.windows import Window

from iota2.compute.placement import Range, placement
from iota2.compute.registration import View, view_of
from iota2.core.grid import block_of
from iota2.core.scene import Acquisition, Scene, SensorScene
from iota2.errors import InputError
from iota2.io.files.gdal import header_problems, open_raster, raster_grid, reason_of
from iota2.io.series.reader import CubeReader

MAX_REFERENCE_PIXELS = 4
"""Maximum number of reference pixels along the side of a pixel of the series; a finer reference is averaged."""


@dataclass(frozen=True)
class ReferenceImage:
    """Reference image of the co-registration."""

    path: Path
    band: int
    """Band number, from 1."""


def reference_grid(image: ReferenceImage) -> GeoBox:
    """Grid of the reference image; InputError when its header shows that it cannot be used."""
    with open_raster(image.path) as source:
        problems = header_problems(source, image.band)
        if problems:
            raise InputError(
                f"{image.path}: {', '.join(problems)}. Set coregistration.vhr_path to another reference image, or "
                "coregistration.band_ref to another of its bands."
            )
        return raster_grid(source)


def reference_views(image: ReferenceImage, grid: GeoBox, windows: Sequence[tuple[Range, Range]]) -> list[View]:
    """The reference image in windows of ``grid``, which may have another CRS and coarser pixels."""
    with open_raster(image.path) as source:
        return [_reference_view(source, image, grid, *window) for window in windows]


def _reference_view(source: DatasetReader, image: ReferenceImage, grid: GeoBox, rows: Range, cols: Range) -> View:
    source_grid = raster_grid(source)
    place = placement(source_grid, grid, rows, cols, "cubic")
    if not place.inside.any():
        nothing = np.zeros(place.inside.shape, bool)
        return view_of(nothing.astype(np.float32), nothing)
    (top, bottom), (left, right) = place.window
    factor = max(
        1, min((bottom - top) // (rows[1] - rows[0]), (right - left) // (cols[1] - cols[0])) // MAX_REFERENCE_PIXELS
    )
    if factor > 1:
        coarse = source_grid.shape.y // factor, source_grid.shape.x // factor
        place = placement(
            GeoBox(coarse, source_grid.affine * Affine.scale(factor), source_grid.crs), grid, rows, cols, "cubic"
        )
        (top, bottom), (left, right) = place.window
    window = Window(left * factor, top * factor, (right - left) * factor, (bottom - top) * factor)
    try:
        stored = source.read(
            image.band,
            window=window,
            out_shape=(bottom - top, right - left),
            resampling=Resampling.average,
            masked=True,
        )
    except RasterioIOError as err:
        raise InputError(
            f"{image.path}: cannot be read: {reason_of(err)}. The file is damaged: download or copy it again."
        ) from err
    values = place.resample(np.ma.filled(stored.astype(np.float32), np.nan)[None], np.nan)[0]
    return view_of(values, place.inside & ~np.isnan(values))


def date_views(
    tile: str, sensor: SensorScene, acquisition: Acquisition, band: str, windows: Sequence[tuple[Range, Range]]
) -> list[View]:
    """One band of one date without correction of its shift, in windows of the grid of the band.

    ``windows`` must be sorted by rows.
    """
    grid, name = sensor.grids[band], sensor.spec.name
    alone = replace(sensor, acquisitions=(replace(acquisition, shift=(0.0, 0.0)),))
    strips = {
        block_of(tile, grid, rows, (0, grid.shape.x)): [cols for _, cols in members]
        for rows, members in groupby(windows, key=lambda window: window[0])
    }
    views = []
    with CubeReader(Scene(tile, grid, (alone,)), {name: (band,)}) as reader:
        for strip, decoded in reader.blocks(strips):
            for cols in strips[strip]:
                cube = decoded.cubes(block_of(tile, grid, strip.rows, cols))[name]
                views.append(view_of(cube.values[0, 0], cube.valid[0]))
    return views
