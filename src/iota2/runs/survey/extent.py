"""Size of the map of a run, and limits of pixels, rows and jobs."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import geopandas as gpd
from odc.geo.geobox import GeoBox
from pyproj import CRS, Transformer

from iota2.compute.areas import BORDER_METRES
from iota2.config.options.schema import Config
from iota2.core.grid import crs_name, resolution
from iota2.core.remarks import Remark, remarks_about
from iota2.core.scene import Scene, SensorScene
from iota2.core.words import counted, some
from iota2.io.files.crs import units_per_metre
from iota2.io.rasters.ownership import product_grid

MAX_REFINEMENT = 10
"""Maximum ratio of the pixel size of the finest image to that of the map; a finer map would only repeat values."""
MAX_MOSAIC_PIXELS = 10**12
"""Maximum number of pixels of the mosaic: all land of the Earth at 12 m."""
MAX_SIDE_PIXELS = 2**31 - 1
"""Maximum width and height of a raster in file formats."""
MAX_ROWS = 5_000_000
"""Maximum number of combinations of tile, part, sensor, region and seed, from which jobs are made."""

MIN_TILE_PIXELS = 100
"""Width or height of a tile in pixels below which the pixel size is probably a mistake."""
MAX_COARSENING = 1.5
"""Pixel size relative to the images below which a small tile is not due to the pixel size."""
MAX_OUTSIDE_DEGREES = 3.0
"""Maximum distance in degrees of a tile from the area of use of a projection: half a UTM zone."""
FULL_CIRCLE_DEGREES = 360.0

RESOLUTION_OPTION = ("chain", "spatial_resolution")


@dataclass(frozen=True)
class Extent:
    """Grid and number of pixels of a run."""

    tiles: int = 0
    pixels: int = 0
    """Number of pixels of all tiles."""
    grid: GeoBox | None = None
    """Grid in ``chain.proj`` that covers all tiles; products use it, or a part of it if images do not cover their
    tiles. None without tiles or without a map."""

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the map."""
        return (0, 0) if self.grid is None else (int(self.grid.shape[0]), int(self.grid.shape[1]))

    def text(self, *, mapped: bool = True) -> str:
        """The size of the tiles, and of the map if the run makes one (``mapped``), as text for the user."""
        rows, columns = self.shape
        size = f"; the map has {columns:,} x {rows:,} pixels" if mapped else ""
        return f"{counted(self.tiles, 'tile')} of {self.pixels:,} pixels in all{size}"


def size_problems(size: tuple[float, float], proj: str, tile: str, native: GeoBox, finest: float) -> Iterator[str]:
    """Problems of a pixel size in units of ``proj``, for images with a finest pixel of ``finest`` metres."""
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
    elif min(metres) * MAX_REFINEMENT < finest * (1 - 1e-6):
        yield (
            f"a pixel of {shown} in units of {proj} is more than {MAX_REFINEMENT} times finer than the images of tile "
            f"{tile}, whose pixels measure {finest:g} m; expected at least {finest * units / MAX_REFINEMENT:.3g}"
        )


def finest_pixel(series: Sequence[SensorScene]) -> float:
    """Size in metres of the smallest pixel of all files of a tile."""
    grids = {grid for one in series for grid in one.grids.values()}
    return min(min(resolution(grid)) / units_per_metre(crs_name(grid), _latitude(grid)) for grid in grids)


def _latitude(grid: GeoBox) -> float:
    """Degrees of latitude of the middle of a grid."""
    return _center(grid)[1]


def _center(grid: GeoBox) -> tuple[float, float]:
    """Degrees of longitude and latitude of the middle of a grid."""
    x, y = grid.extent.centroid.coords[0]
    longitude, latitude = Transformer.from_crs(crs_name(grid), "EPSG:4326", always_xy=True).transform(x, y)
    return float(longitude), float(latitude)


def extent_of(config: Config, scenes: Mapping[str, Scene], outlines: Mapping[str, gpd.GeoSeries]) -> Extent:
    """The pixels of all tiles, and the grid that covers their outlines in ``proj``."""
    first = next(iter(scenes.values())).geobox
    grid = product_grid(outlines, first, config.chain.proj, config.chain.spatial_resolution)
    return replace(extent_of_grid(scenes), grid=grid)


def extent_of_grid(scenes: Mapping[str, Scene]) -> Extent:
    """The pixels of all tiles, without a map."""
    return Extent(len(scenes), sum(math.prod(map(int, scene.geobox.shape)) for scene in scenes.values()))


def extent_remarks(config: Config, scenes: Mapping[str, Scene]) -> Iterator[Remark]:
    """Remarks on a projection that does not fit the location of the tiles, very small maps, and narrow overlaps."""
    size = config.chain.spatial_resolution
    grids = {tile: scene.geobox for tile, scene in scenes.items()}
    yield from remarks_about(projection_notes(config.chain.proj, grids), "extent")
    for tile, scene in scenes.items() if size else ():
        rows, columns = map(int, scene.geobox.shape)
        finest = finest_pixel(scene.sensors)
        metres = max(resolution(scene.geobox)) / units_per_metre(crs_name(scene.geobox), _latitude(scene.geobox))
        if min(rows, columns) < MIN_TILE_PIXELS and metres > MAX_COARSENING * finest:
            shown = " x ".join(f"{side:g}" for side in dict.fromkeys(size or ()))
            text = (
                f"chain.spatial_resolution: with pixels of {shown} in units of {config.chain.proj}, the map of tile "
                f"{tile} has only {columns:,} x {rows:,} pixels; its images have pixels of {finest:g} m. Check "
                "the pixel size."
            )
            yield Remark(text, "extent", tile)
    maps = config.arg_classification
    halo = config.arg_train.context_halo + (maps.smoothing_window // 2 if maps.smoothing != "none" else 0)
    yield from remarks_about(overlap_notes(grids, halo), "extent")


def overlap_notes(grids: Mapping[str, GeoBox], halo: int) -> Iterator[str]:
    """A note for neighbouring tiles whose overlap is too narrow for operations on ``halo`` pixels around each pixel.

    Tiles of different CRS are not compared.
    """
    for (tile, grid), (other, beside) in itertools.combinations(grids.items() if halo else (), 2):
        metre = units_per_metre(crs_name(grid), _latitude(grid))
        reach = halo * max(resolution(grid))
        needed = BORDER_METRES * metre + reach
        sides = _overlap(grid, beside) if grid.crs == beside.crs else (-math.inf, -math.inf)
        if min(sides) >= -reach and min(sides) < needed <= max(sides):
            yield (
                f"Tiles {tile} and {other} overlap by {max(0.0, min(sides)) / metre:.0f} m. Smoothing and context use "
                "the pixels around each pixel; near the limit of the two tiles, some of these are outside the images "
                f"of one tile, so classes may change there. An overlap of {needed / metre:.0f} m or more avoids it."
            )


def _overlap(one: GeoBox, other: GeoBox) -> tuple[float, float]:
    """Width and height of the overlap of two grids of the same CRS, in map units; negative for a gap."""
    a, b = one.boundingbox, other.boundingbox
    return min(a.right, b.right) - max(a.left, b.left), min(a.top, b.top) - max(a.bottom, b.bottom)


def projection_notes(proj: str, grids: Mapping[str, GeoBox]) -> Iterator[str]:
    """A note if tiles are outside the area of use of a projection by more than ``MAX_OUTSIDE_DEGREES``."""
    area = CRS(proj).area_of_use
    if area is None:
        return
    places = {tile: _center(grid) for tile, grid in grids.items()}
    outside = [tile for tile, place in places.items() if not _within(area.bounds, *place)]
    if outside:
        longitude, latitude = places[outside[0]]
        tiles, lie = ("tile", "lies") if len(outside) == 1 else ("tiles", "lie")
        yield (
            f"chain.proj: {proj} ({CRS(proj).name}) is intended for {_range_text(area.west, area.east, 'EW')}, "
            f"{_range_text(area.south, area.north, 'NS')}; {tiles} {some(outside)} {lie} outside "
            f"({outside[0]} is near {_angle_text(longitude, 'EW')}, {_angle_text(latitude, 'NS')}). The map "
            "would be distorted: check the EPSG code of the projection."
        )


def _within(area: tuple[float, float, float, float], longitude: float, latitude: float) -> bool:
    """Whether a point is in an area, or within ``MAX_OUTSIDE_DEGREES`` of it; the area may cross the date line."""
    west, south, east, north = area
    width = (east - west) % FULL_CIRCLE_DEGREES or FULL_CIRCLE_DEGREES
    east_of = (longitude - west + MAX_OUTSIDE_DEGREES) % FULL_CIRCLE_DEGREES
    return (
        east_of <= width + 2 * MAX_OUTSIDE_DEGREES
        and south - MAX_OUTSIDE_DEGREES <= latitude <= north + MAX_OUTSIDE_DEGREES
    )


def _range_text(least: float, most: float, letters: str) -> str:
    return f"{_angle_text(least, letters)} to {_angle_text(most, letters)}"


def _angle_text(angle: float, letters: str) -> str:
    return f"{abs(angle):.1f}° {letters[angle < 0]}"


def extent_problems(extent: Extent) -> Iterator[str]:
    """A problem if the map is too large to be written."""
    rows, columns = extent.shape
    if rows * columns > MAX_MOSAIC_PIXELS or max(rows, columns) > MAX_SIDE_PIXELS:
        yield (
            f"the map of these tiles would have {columns:,} x {rows:,} pixels; expected at most {MAX_MOSAIC_PIXELS:,} "
            "in all. Give larger pixels, or map distant tiles in separate runs"
        )


def table_problems(rows: int, runs: int) -> Iterator[str]:
    """A problem if a run has too many jobs to plan."""
    if rows > MAX_ROWS:
        yield (
            f"{counted(runs, 'run')} of these tiles, sensors and regions give {rows:,} combinations to plan; expected "
            f"at most {MAX_ROWS:,}. Reduce arg_train.runs, or map some tiles with another configuration"
        )
