"""How large the map of a run is, and which maps are too large, or whose pixels too large or too small, to be begun."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import geopandas as gpd
from odc.geo.geobox import GeoBox
from pyproj import Transformer

from iota2.config.schema import Config
from iota2.core.grid import resolution
from iota2.core.scene import Scene, SensorScene
from iota2.core.words import counted
from iota2.io.crs import units_per_metre
from iota2.io.environ import crs_name
from iota2.steps.mosaic import MosaicParams, product_lattice

FINEST_SHARE = 10
"""Pixels of the map along a pixel of the finest image, at most: more only repeat values."""
MOSAIC_PIXELS = 10**12
"""Pixels of the mosaic, at most: all land of the Earth at 12 m."""
LONGEST_SIDE = 2**31 - 1
"""Pixels along a raster, at most: what file formats count."""
ROWS = 5_000_000
"""Rows of the table of a run, one for each tile, part, sensor, region and seed: jobs are made from them."""

RESOLUTION = ("chain", "spatial_resolution")


@dataclass(frozen=True)
class Extent:
    """Pixels of a run."""

    tiles: int = 0
    pixels: int = 0
    """Of all tiles together."""
    mosaic: tuple[int, int] = (0, 0)
    """Rows and columns."""

    def text(self) -> str:
        """One line to read."""
        rows, columns = self.mosaic
        return (
            f"{counted(self.tiles, 'tile')} of {self.pixels:,} pixels in all; the map has {columns:,} x {rows:,} pixels"
        )


def size_problems(size: tuple[float, float], proj: str, tile: str, native: GeoBox, finest: float) -> Iterator[str]:
    """What is wrong with a pixel size in units of ``proj`` for images whose finest pixel measures ``finest`` metres."""
    middle = _latitude(native)
    units = units_per_metre(proj, middle)
    metres = size[0] / units, size[1] / units
    box = native.extent.boundingbox
    here = units_per_metre(crs_name(native), middle)
    extent = (box.right - box.left) / here, (box.top - box.bottom) / here
    shown = " x ".join(f"{side:g}" for side in size)
    if any(pixel > whole for pixel, whole in zip(metres, extent, strict=True)):
        yield (
            f"a pixel of {shown} in units of {proj} is larger than tile {tile}, which measures about "
            f"{extent[0]:,.0f} x {extent[1]:,.0f} m; expected a pixel of about {finest:g} m"
        )
    elif min(metres) * FINEST_SHARE < finest * (1 - 1e-6):
        yield (
            f"a pixel of {shown} in units of {proj} is more than {FINEST_SHARE} times finer than the images of tile "
            f"{tile}, whose pixels measure {finest:g} m; expected at least {finest * units / FINEST_SHARE:.3g}"
        )


def finest_pixel(series: Sequence[SensorScene]) -> float:
    """Width in metres of the smallest pixel of any file of a tile."""
    grids = {grid for one in series for grid in one.grids.values()}
    return min(min(resolution(grid)) / units_per_metre(crs_name(grid), _latitude(grid)) for grid in grids)


def _latitude(grid: GeoBox) -> float:
    """Degrees of latitude of the middle of a grid."""
    x, y = grid.extent.centroid.coords[0]
    return float(Transformer.from_crs(crs_name(grid), "EPSG:4326", always_xy=True).transform(x, y)[1])


def extent_of(config: Config, scenes: Mapping[str, Scene], outlines: Mapping[str, gpd.GeoSeries]) -> Extent:
    """The pixels of all tiles, and of the mosaic that covers their outlines in ``proj``."""
    first = next(iter(scenes.values())).geobox
    lattice = product_lattice(outlines, first, MosaicParams(config.chain.proj, config.chain.spatial_resolution))
    pixels = sum(math.prod(map(int, scene.geobox.shape)) for scene in scenes.values())
    return Extent(len(scenes), pixels, (int(lattice.shape[0]), int(lattice.shape[1])))


def extent_problems(extent: Extent) -> Iterator[str]:
    """What is too large to be written."""
    rows, columns = extent.mosaic
    if rows * columns > MOSAIC_PIXELS or max(rows, columns) > LONGEST_SIDE:
        yield (
            f"the map of these tiles would have {columns:,} x {rows:,} pixels; expected at most {MOSAIC_PIXELS:,} in "
            "all. Give larger pixels, or map tiles that lie far apart in runs of their own"
        )


def table_problems(rows: int, runs: int) -> Iterator[str]:
    """What makes a run of too many jobs to be planned."""
    if rows > ROWS:
        yield (
            f"{counted(runs, 'run')} of these tiles, sensors and regions give {rows:,} combinations to plan; expected "
            f"at most {ROWS:,}. Ask for fewer runs, or map some of the tiles in another configuration"
        )
