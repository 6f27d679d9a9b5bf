"""Landscape of the synthetic world: fields, and class and region at every position.

The plane (EPSG:2154) is divided into hamlets, the Voronoi cells of jittered points about 650 m apart, and each hamlet
into rectangular fields along its own direction. A field is a rectangle clipped by its hamlet: a convex polygon. The
field of a point is found by one nearest-neighbour search and two divisions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import shapely
from scipy.spatial import Voronoi, cKDTree

from iota2.testing.classes import LandClass

HAMLET_SPACING_METRES = 650.0
"""Metres between the centre points of hamlets."""
JITTER_SHARE = 0.35
"""Maximum displacement of a centre point along each axis, as a share of the spacing."""
MARGIN_METRES = 2000.0
"""Width in metres of the landscape around the bounds."""
COLUMNS, ROWS = 20, 16
"""Maximum number of field columns and rows in a hamlet.

No point is further than 0.85 x sqrt(2) x 650 m = 782 m from its hamlet's centre point, and fields are at least 90 m
wide and 130 m deep.
"""
MAIN_CLASS_SHARE = 0.4
"""Share of the fields of a hamlet that get its main class instead of a random one."""
REGION_DELAY_DAYS = 12.0
"""Delay in days of the seasons in region 2."""

Bounds = tuple[float, float, float, float]


@dataclass(frozen=True)
class FieldShape:
    """One field: its number, class code and outline in EPSG:2154."""

    field: int
    code: int
    polygon: shapely.Polygon


@dataclass(frozen=True)
class FieldVariation:
    """Deviations of fields from their class; arrays (field,)."""

    delay: np.ndarray
    """Delay of the seasons in days."""
    vigour: np.ndarray
    """Factor of the green share."""
    brightness: np.ndarray
    """Factor of the reflectance."""
    region_delay: float
    """Additional delay in days in region 2."""


@dataclass(frozen=True)
class Landscape:
    """Fields, classes and regions as functions of the position; positions are in EPSG:2154 metres."""

    bounds: Bounds
    classes: tuple[LandClass, ...]
    points: np.ndarray
    """(hamlet, 2) centre point of each hamlet."""
    size: np.ndarray
    """(hamlet, 2) width and depth of its fields."""
    angle: np.ndarray
    """(hamlet,) direction of its fields, radians."""
    stagger: np.ndarray
    """(hamlet, column) offset of the rows of each column, 0 to 1 field depth."""
    classes_of: np.ndarray
    """(field,) index into ``classes``."""
    border: np.ndarray
    """(vertex, 2) border between region 1 (west) and region 2 (east), from south to north."""
    variation: FieldVariation

    @cached_property
    def _tree(self) -> cKDTree:
        return cKDTree(self.points)

    def field_at(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Number of the field at each position (int32, same shape), also outside the bounds."""
        x, y = np.asarray(x, float), np.asarray(y, float)
        hamlet = self._tree.query(np.stack([x.ravel(), y.ravel()], axis=1))[1].reshape(x.shape)
        dx, dy = x - self.points[hamlet, 0], y - self.points[hamlet, 1]
        cos, sin = np.cos(self.angle)[hamlet], np.sin(self.angle)[hamlet]
        across, along = (dx * cos + dy * sin), (dy * cos - dx * sin)
        column = np.floor(across / self.size[hamlet, 0]).astype(int) + COLUMNS // 2
        column = np.clip(column, 0, COLUMNS - 1)
        row = np.floor(along / self.size[hamlet, 1] + self.stagger[hamlet, column]).astype(int) + ROWS // 2
        return ((hamlet * COLUMNS + column) * ROWS + np.clip(row, 0, ROWS - 1)).astype(np.int32)

    def label_at(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Class code at each position (uint8, same shape)."""
        return self.codes[self.classes_of[self.field_at(x, y)]]

    def region_at(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Region (1 or 2, uint8) at each position."""
        line = np.interp(y, self.border[:, 1], self.border[:, 0])
        return np.where(np.asarray(x) < line, 1, 2).astype(np.uint8)

    @property
    def codes(self) -> np.ndarray:
        """Codes of the classes, in order."""
        return np.array([land_class.code for land_class in self.classes], np.uint8)

    def reflectance(self, fields: np.ndarray, doy: float, band: int) -> np.ndarray:
        """(field, 2) float32: reflectance x 10000 of fields on a day in one band, in regions 1 and 2."""
        kind, green = self.classes_of[fields][:, None], self.greenness(fields, doy)
        bare = np.array([c.bare[band] for c in self.classes])[kind]
        lush = np.array([c.green[band] for c in self.classes])[kind]
        mixed = (1.0 - green) * bare + green * lush
        return (self.variation.brightness[fields][:, None] * mixed).astype(np.float32)

    def greenness(self, fields: np.ndarray, doy: float) -> np.ndarray:
        """(field, 2): green share, 0 to 1, of fields on a day in regions 1 and 2."""
        variation, kind = self.variation, self.classes_of[fields][:, None]
        days = doy - variation.delay[fields][:, None] - np.array([0.0, variation.region_delay])
        green = np.choose(kind, [c.greenness(days) for c in self.classes]) * variation.vigour[fields][:, None]
        return np.clip(green, 0.0, 1.0)

    def region_polygons(self) -> tuple[shapely.Polygon, shapely.Polygon]:
        """Outlines of the two regions, which together cover the bounds and their margin."""
        left, _, right, _ = _grown(self.bounds)
        (_, south), (_, north) = self.border[0], self.border[-1]
        line = [tuple(vertex) for vertex in self.border]
        return (
            shapely.Polygon([(left, south), *line, (left, north)]),
            shapely.Polygon([(right, south), (right, north), *reversed(line)]),
        )

    def hamlets_within(self, bounds: Bounds) -> np.ndarray:
        """Numbers of the hamlets whose centre point is within ``bounds``."""
        x, y = self.points.T
        left, bottom, right, top = bounds
        return np.flatnonzero((x > left) & (x < right) & (y > bottom) & (y < top))

    def fields_of(self, hamlets: np.ndarray) -> Iterator[FieldShape]:
        """All fields of some hamlets, hamlet by hamlet."""
        cells = Voronoi(self.points)
        for hamlet in hamlets:
            cell = shapely.Polygon(cells.vertices[cells.regions[cells.point_region[hamlet]]])
            shapes = shapely.intersection(self._rectangles(hamlet), cell)
            for slot in np.flatnonzero(shapely.area(shapes) > 0):
                field = int(hamlet) * COLUMNS * ROWS + int(slot)
                yield FieldShape(field, int(self.codes[self.classes_of[field]]), shapes[slot])

    def _rectangles(self, hamlet: int) -> np.ndarray:
        """Fields of a hamlet before clipping, one polygon for each column and row."""
        column, row = (index.ravel() for index in np.mgrid[:COLUMNS, :ROWS])
        width, depth = self.size[hamlet]
        first = column - COLUMNS // 2
        across = width * np.stack([first, first + 1, first + 1, first], axis=1)
        lowest = row - ROWS // 2 - self.stagger[hamlet, column]
        along = depth * np.stack([lowest, lowest, lowest + 1, lowest + 1], axis=1)
        cos, sin = np.cos(self.angle[hamlet]), np.sin(self.angle[hamlet])
        corners = np.stack([across * cos - along * sin, across * sin + along * cos], axis=-1)
        return shapely.polygons(corners + self.points[hamlet])


def draw_landscape(
    bounds: Bounds, rng: np.random.Generator, *, classes: tuple[LandClass, ...], varied: bool = True
) -> Landscape:
    """Random landscape around ``bounds`` (EPSG:2154); with ``varied`` False, fields do not deviate from their class.

    Class frequencies vary from draw to draw; a small area may lack classes.
    """
    points = _jittered(_grown(bounds), rng)
    n = len(points)
    return Landscape(
        bounds=bounds,
        classes=classes,
        points=points,
        size=np.stack([rng.uniform(90, 190, n), rng.uniform(130, 260, n)], axis=1),
        angle=rng.uniform(0, np.pi, n),
        stagger=rng.uniform(0, 1, (n, COLUMNS)),
        classes_of=_draw_classes(classes, n, rng),
        border=_draw_border(bounds, rng),
        variation=_draw_variation(n * COLUMNS * ROWS, float(varied), rng),
    )


def _draw_classes(classes: tuple[LandClass, ...], hamlets: int, rng: np.random.Generator) -> np.ndarray:
    """Class of every field: the main class of the hamlet for some of its fields, a random class for others."""
    weights = np.array([land_class.weight for land_class in classes])
    drawn = rng.choice(len(classes), (hamlets, COLUMNS * ROWS), p=weights / weights.sum())
    main_classes = rng.choice(len(classes), (hamlets, 1), p=weights / weights.sum())
    return np.where(rng.random(drawn.shape) < MAIN_CLASS_SHARE, main_classes, drawn).astype(np.uint8).ravel()


def _draw_variation(fields: int, scale: float, rng: np.random.Generator) -> FieldVariation:
    """Random variation with ``scale`` times the usual spread; 0 makes all fields of a class equal."""
    delay, vigour, brightness = rng.standard_normal((3, fields)).clip(-2.5, 2.5) * scale
    return FieldVariation(7.0 * delay, 1.0 + 0.10 * vigour, 1.0 + 0.07 * brightness, REGION_DELAY_DAYS * scale)


def _draw_border(bounds: Bounds, rng: np.random.Generator) -> np.ndarray:
    """Random curve from south to north through the centre, in straight segments of 25 m."""
    left, bottom, right, top = _grown(bounds)
    y = np.arange(bottom, top + 25.0, 25.0)
    phase = rng.uniform(0, 2 * np.pi, 2)
    sway = 0.05 * (bounds[2] - bounds[0])
    waves = sway * np.sin(y / 700.0 + phase[0]) + 0.4 * sway * np.sin(y / 230.0 + phase[1])
    return np.stack([(left + right) / 2 + waves, y], axis=1)


def _jittered(bounds: Bounds, rng: np.random.Generator) -> np.ndarray:
    left, bottom, right, top = bounds
    x, y = np.meshgrid(np.arange(left, right, HAMLET_SPACING_METRES), np.arange(bottom, top, HAMLET_SPACING_METRES))
    points = np.stack([x.ravel(), y.ravel()], axis=1)
    return points + HAMLET_SPACING_METRES * rng.uniform(-JITTER_SHARE, JITTER_SHARE, points.shape)


def _grown(bounds: Bounds) -> Bounds:
    left, bottom, right, top = bounds
    return left - MARGIN_METRES, bottom - MARGIN_METRES, right + MARGIN_METRES, top + MARGIN_METRES
