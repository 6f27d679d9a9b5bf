"""Small pictures of the polygons of a map, of all areas and of each area."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from affine import Affine
from odc.geo.geobox import GeoBox
from pyproj import CRS

from iota2.compute.scan_lines import pixel_runs
from iota2.core.grid import pixel_centres
from iota2.io.tables.polygon_tables import RowGroup, polygon_groups, polygon_header, read_row_group
from iota2.steps.polygon_attributes import CLASS, CLIP

MAX_AREAS = 12
"""Maximum number of areas with a picture, which limits the size of the page."""
_PIXELS = 500_000
"""Number of pixels of a picture, about as many as the page shows."""

Bounds = tuple[float, float, float, float]


@dataclass(frozen=True, eq=False)
class MapPicture:
    """A part of the map at low resolution."""

    codes: np.ndarray
    """(y, x) uint16: class of the polygon at the centre of each pixel, 0 without polygon."""
    grid: GeoBox

    @staticmethod
    def blank(bounds: Bounds, crs: CRS) -> MapPicture:
        """A picture of these bounds, without polygons."""
        left, bottom, right, top = bounds
        width, height = right - left, top - bottom
        size = max(math.sqrt(width * height / _PIXELS), width / _PIXELS, height / _PIXELS)
        rows, cols = max(1, round(height / size)), max(1, round(width / size))
        affine = Affine(width / cols, 0, left, 0, -height / rows, top)
        return MapPicture(np.zeros((rows, cols), np.uint16), GeoBox((rows, cols), affine, crs))

    def draw(self, polygons: np.ndarray, codes: np.ndarray) -> None:
        """Draw polygons with the ``codes`` of their classes."""
        height, width = self.codes.shape
        x, _ = pixel_centres(self.grid, np.zeros(width, np.int64), np.arange(width))
        _, y = pixel_centres(self.grid, np.arange(height), np.zeros(height, np.int64))
        runs = pixel_runs(polygons, x, y)
        lengths = (runs.end - runs.first).astype(np.int64)
        starts = runs.row.astype(np.int64) * width + runs.first - (np.cumsum(lengths) - lengths)
        places = np.repeat(starts, lengths) + np.arange(lengths.sum())
        self.codes.ravel()[places] = np.repeat(codes[runs.polygon], lengths)


@dataclass(frozen=True, eq=False)
class MapPictures:
    """The pictures of a map."""

    whole: MapPicture | None
    """All areas; None without polygons."""
    areas: dict[str, MapPicture]
    """Those of each area by name; empty for more than ``MAX_AREAS``."""


def draw_polygons(path: Path) -> MapPictures:
    """The pictures of a file of ``write_polygons``, which is read one row group at a time.

    A row group has polygons of one area. Without clip areas, there is only the picture of the whole map.
    """
    header = polygon_header(path)
    clipped = CLIP in header.columns
    groups = polygon_groups(path, [CLIP] if clipped else [])
    if not groups:
        return MapPictures(None, {})
    whole = MapPicture.blank(_common_bounds(groups), header.crs)
    of_area: dict[str, list[RowGroup]] = {}
    for group in groups if clipped else ():
        of_area.setdefault(str(group.first[0]), []).append(group)
    shown = of_area if len(of_area) <= MAX_AREAS else {}
    areas = {name: MapPicture.blank(_common_bounds(some), header.crs) for name, some in shown.items()}
    for group in groups:
        found = read_row_group(group, [CLASS])
        for picture in _pictures_of(group, whole, areas):
            picture.draw(found.geometry.to_numpy(), found[CLASS].to_numpy())
    return MapPictures(whole, areas)


def _pictures_of(group: RowGroup, whole: MapPicture, areas: dict[str, MapPicture]) -> Iterator[MapPicture]:
    """The pictures in which the polygons of a row group are."""
    yield whole
    if group.first and (picture := areas.get(str(group.first[0]))):
        yield picture


def _common_bounds(groups: list[RowGroup]) -> Bounds:
    bounds = np.array([group.bounds for group in groups])
    least, most = bounds.min(axis=0), bounds.max(axis=0)
    return float(least[0]), float(least[1]), float(most[2]), float(most[3])
