"""Synthetic worlds with known labels, from which small image archives are made for the demo and for tests."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import cache, cached_property

import geopandas as gpd
import numpy as np
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox
from pyproj import Transformer

from iota2.core.random import generator
from iota2.testing.classes import BANDS, CLASSES
from iota2.testing.files import SENSOR_PATHS
from iota2.testing.landscape import Landscape, draw_landscape
from iota2.testing.reference import min_polygons, reference_polygons
from iota2.testing.sky import Sky, SkyOptions, make_sky

IMAGE_CRS, MAP_CRS = "EPSG:32631", "EPSG:2154"
PIXEL_METRES = 10.0
ORIGIN = (400800.0, 4850000.0)
"""Upper left corner of the second tile: the overlap of T31TCJ and T31TDJ, east of Toulouse."""
STRIP_ROWS = 512
"""Number of rows whose positions are computed at once."""
CLOUD_REFLECTANCE = np.array([4200, 4300, 4400, 4500, 4600, 4700, 4800, 4850, 3600, 2800], np.float32)
SHADOW_FACTOR = 0.45
GLINT_REFLECTANCE = 15000.0
GLINT_BANDS = ("B2", "B3", "B4")
MAX_ATTEMPTS = 200
TYPICAL_FIELD_AREA = 27000.0
"""Typical area of a field in square metres."""
MIN_REFLECTANCE, MAX_REFLECTANCE = 1.0, 16000.0

DATES = tuple(
    date(2018, month, day)
    for month, day in (
        *((1, 16), (2, 20), (3, 17), (4, 11), (5, 11), (5, 31)),
        *((6, 25), (7, 15), (8, 9), (9, 13), (10, 18), (11, 27)),
    )
)


@dataclass(frozen=True)
class WorldOptions:
    """Properties of a world; the same options give the same files, byte by byte."""

    size: int = 480
    """Pixels (10 m) along a tile's side; even."""
    overlap: int = 160
    """Pixels that two neighbouring tiles share; even."""
    dates: tuple[date, ...] = DATES
    """Dates of the world. With six or more, each tile lacks one date in six, not the same as its neighbour."""
    tiles: tuple[str, ...] = ("T31TCJ", "T31TDJ")
    """Tile names, from west to east."""
    classes: int = 7
    """Number of classes: the first ones of ``iota2.testing.classes.CLASSES``."""
    noise: float = 150.0
    """Standard deviation of the reflectance x 10000 of a pixel, for each band and date."""
    clouds: bool = True
    """Whether there are clouds, shadows and saturated pixels."""
    orbit_edge: bool = True
    """Whether one date in four does not cover a slanted part of the world."""
    seed: int = 0
    sensors: tuple[str, ...] = ("Sentinel2",)
    """Sensors to write, from ``iota2.testing.files.SENSOR_PATHS``."""
    cover: float = 0.20
    """Typical cloud cover of a date, 0 to 1."""
    constant: bool = False
    """Whether there is no noise and no variation: every field equals ``World.profile``.

    Regions do not differ and all tiles have all dates, so overlapping tiles are identical in their overlap.
    """

    def __post_init__(self) -> None:
        if self.size % 2 or self.overlap % 2 or not 0 <= self.overlap < self.size:
            raise ValueError(f"size {self.size} and overlap {self.overlap}: expected even numbers, overlap < size")
        if not 2 <= self.classes <= len(CLASSES):
            raise ValueError(f"{self.classes} classes: expected 2 to {len(CLASSES)}")
        if not self.sensors or not set(self.sensors) <= SENSOR_PATHS.keys():
            raise ValueError(f"sensors {self.sensors}: expected some of {', '.join(SENSOR_PATHS)}")
        if not self.dates or list(self.dates) != sorted(set(self.dates)):
            raise ValueError("dates: expected at least one, sorted, each once")


@dataclass(frozen=True)
class VisibleFields:
    """Fields that are visible on the 10 m grid of the world."""

    table_index: np.ndarray
    """(y, x) int32: twice the index of the field in ``fields``, plus 1 in region 2."""
    fields: np.ndarray
    """(n,) numbers of the visible fields."""


@dataclass(frozen=True)
class World:
    """Synthetic landscape and sky, observed by Sentinel-2 and other sensors."""

    options: WorldOptions
    landscape: Landscape

    def label_at(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """True class code (uint8) at EPSG:2154 positions; defined everywhere."""
        return self.landscape.label_at(x, y)

    def region_at(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Region (1 or 2, uint8) at EPSG:2154 positions."""
        return self.landscape.region_at(x, y)

    def truth(self, geobox: GeoBox) -> np.ndarray:
        """(y, x) uint8: true class code at every pixel centre of a grid in any CRS."""
        return np.concatenate([self.label_at(x, y) for x, y in _positions(geobox)])

    def regions(self, geobox: GeoBox) -> np.ndarray:
        """(y, x) uint8: region at every pixel centre of a grid in any CRS."""
        return np.concatenate([self.region_at(x, y) for x, y in _positions(geobox)])

    def fields_at(self, geobox: GeoBox) -> np.ndarray:
        """(y, x) int32: number of the field at every pixel centre of a grid in any CRS."""
        return np.concatenate([self.landscape.field_at(x, y) for x, y in _positions(geobox)])

    def profile(self, code: int, doy: float | np.ndarray) -> np.ndarray:
        """Reflectance x 10000 of the ten bands (last axis) of a class on days of the year, as in region 1."""
        land_class = next(c for c in self.landscape.classes if c.code == code)
        green = land_class.greenness(np.asarray(doy, float))[..., None]
        return (1.0 - green) * np.array(land_class.bare) + green * np.array(land_class.green)

    @property
    def geobox(self) -> GeoBox:
        """The 10 m grid of all tiles together, EPSG:32631."""
        return _world_geobox(self.options)

    def window(self, tile: str) -> tuple[slice, slice]:
        """Rows and columns of a tile in the grid of the world."""
        left = self.options.tiles.index(tile) * (self.options.size - self.options.overlap)
        return slice(0, self.options.size), slice(left, left + self.options.size)

    def tile_geobox(self, tile: str) -> GeoBox:
        """The 10 m grid of a tile, EPSG:32631."""
        return self.geobox[self.window(tile)]

    def dates(self, tile: str) -> tuple[date, ...]:
        """Dates on which a tile has a product."""
        dates = self.options.dates
        if self.options.constant or len(dates) < 6:
            return dates
        lacks = (3 + 3 * self.options.tiles.index(tile)) % 6
        return tuple(day for k, day in enumerate(dates) if k % 6 != lacks)

    def never_clear(self, tile: str) -> np.ndarray:
        """(y, x) bool: masked on every date of the tile by CLM, EDG or SAT at 10 m; maps cannot be correct there."""
        window = self.window(tile)
        clear = np.zeros((self.options.size, self.options.size), bool)
        for day in self.dates(tile):
            clear |= ~self.sky(day).invalid[window]
        return ~clear

    def sky(self, day: date) -> Sky:
        """Clouds, shadows, glints and orbit edge on a date."""
        options = self.options
        weather = SkyOptions(options.seed, len(options.dates), options.clouds, options.orbit_edge, options.cover)
        height, width = self.geobox.shape
        return make_sky((height, width), weather, options.dates.index(day))

    def surface(self, day: date, band: str) -> np.ndarray:
        """(y, x) float32: reflectance x 10000 of the surface under a clear sky, noise included."""
        values = self.rasterized(self.landscape.reflectance(self.fields, day.timetuple().tm_yday, BANDS.index(band)))
        if self.options.noise and not self.options.constant:
            rng = generator(self.options.seed, "noise", day.isoformat(), band)
            values += np.float32(self.options.noise) * rng.standard_normal(values.shape, np.float32)
        return np.clip(values, MIN_REFLECTANCE, MAX_REFLECTANCE, out=values)

    @property
    def fields(self) -> np.ndarray:
        """(n,) numbers of the visible fields."""
        return self._visible.fields

    def rasterized(self, table: np.ndarray) -> np.ndarray:
        """(y, x) values of the fields, from a ``table`` (n, 2) of each visible field in regions 1 and 2."""
        values: np.ndarray = table.ravel()[self._visible.table_index]
        return values

    def observed(self, day: date, band: str, sky: Sky) -> np.ndarray:
        """(y, x) float32: reflectance x 10000 observed by the sensor through the sky of that date."""
        values = self.surface(day, band)
        values *= np.where(sky.shadow, np.float32(SHADOW_FACTOR), np.float32(1.0))
        values += sky.opacity * (CLOUD_REFLECTANCE[BANDS.index(band)] - values)
        if band in GLINT_BANDS:
            values[sky.saturated] = GLINT_REFLECTANCE
        return values

    @cached_property
    def reference(self) -> gpd.GeoDataFrame:
        """Labelled polygons (``code``, ``name``, EPSG:2154), each within one field and the visible area."""
        return reference_polygons(self.landscape, _footprint(self.geobox), seed=self.options.seed)

    @cached_property
    def _visible(self) -> VisibleFields:
        strips = [(self.landscape.field_at(x, y), self.region_at(x, y)) for x, y in _positions(self.geobox)]
        field, region = (np.concatenate(layer) for layer in zip(*strips, strict=True))
        visible = np.zeros(self.landscape.classes_of.size, bool)
        visible[field] = True
        number = np.cumsum(visible, dtype=np.int32) - np.int32(1)
        return VisibleFields(2 * number[field] + region - np.int32(1), np.flatnonzero(visible))


def make_world(options: WorldOptions) -> World:
    """World with the given ``options``; nothing is written.

    Landscapes are drawn until one has enough polygons of each class in each region for learning and validation. Raises
    ValueError if none does: the tiles are too small for the number of classes.
    """
    area = _footprint(_world_geobox(options))
    share = area.area / (2 * options.classes * TYPICAL_FIELD_AREA)
    wanted = np.clip(share / 3, 2, 12)
    for attempt in range(MAX_ATTEMPTS if share > wanted else 0):
        rng = generator(options.seed, "ground", attempt)
        classes = CLASSES[: options.classes]
        landscape = draw_landscape(area.bounds, rng, classes=classes, varied=not options.constant)
        world = World(options, landscape)
        if min_polygons(world.reference, landscape) >= wanted:
            return world
    raise ValueError(
        f"size {options.size}, {options.classes} classes: too small to contain every class in both regions; "
        "expected larger tiles or fewer classes"
    )


def _world_geobox(options: WorldOptions) -> GeoBox:
    step = options.size - options.overlap
    affine = Affine(PIXEL_METRES, 0.0, ORIGIN[0] - step * PIXEL_METRES, 0.0, -PIXEL_METRES, ORIGIN[1])
    return GeoBox((options.size, options.size + step * (len(options.tiles) - 1)), affine, IMAGE_CRS)


@cache
def _footprint(geobox: GeoBox) -> shapely.Polygon:
    """Outline of a grid in EPSG:2154; its edges are straight, which is accurate to less than a pixel."""
    to_map = Transformer.from_crs(IMAGE_CRS, MAP_CRS, always_xy=True)
    outline = shapely.segmentize(shapely.box(*geobox.extent.boundingbox.bbox), 1000.0)
    return shapely.transform(outline, to_map.transform, interleaved=False)


def _positions(geobox: GeoBox) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """EPSG:2154 coordinates (x, y) of pixel centres, in strips of rows, each as (rows, columns)."""
    to_map = Transformer.from_crs(str(geobox.crs), MAP_CRS, always_xy=True)
    (height, width), affine = geobox.shape, geobox.affine
    for top in range(0, height, STRIP_ROWS):
        rows, cols = np.mgrid[top : min(top + STRIP_ROWS, height), :width] + 0.5
        x, y = affine.c + affine.a * cols + affine.b * rows, affine.f + affine.d * cols + affine.e * rows
        yield to_map.transform(x, y)
