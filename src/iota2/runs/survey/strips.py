"""Strips of the mosaic of all tiles: the unit of work of a Zarr store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import geopandas as gpd
import shapely
from odc.geo.geobox import GeoBox

from iota2.core.grid import PART_ROWS, block_of, part_count, part_rows, resolution
from iota2.core.scene import Scene
from iota2.io.files.crs import to_crs

_MARGIN_PIXELS = 2
"""Pixels by which outlines are enlarged, as the edges of pixels are curves in other projections."""


@dataclass(frozen=True)
class MapStrips:
    """The strips of the mosaic that tiles touch. The others have no data, and no job."""

    grid: GeoBox
    """Grid of the mosaic."""
    outlines: Mapping[tuple[str, int], shapely.Geometry]
    """Outline of each part of each tile, by tile and part, in the projection of the mosaic."""

    @cached_property
    def rows(self) -> list[dict[str, str | int]]:
        """Combinations of strip, tile, and part of the tile that the strip needs, in the order of the strips."""
        found = [
            (strip, tile, part) for (tile, part), outline in self.outlines.items() for strip in self._touched(outline)
        ]
        ordered = sorted(found, key=lambda one: one[0])
        return [{"tile": tile, "part": part, "strip": strip} for strip, tile, part in ordered]

    @cached_property
    def pixels(self) -> dict[int, int]:
        """Number of pixels of each strip that belong to a tile."""
        width, height = resolution(self.grid)
        inside: dict[int, list[shapely.Geometry]] = {}
        for row in self.rows:
            inside.setdefault(int(row["strip"]), []).append(self.outlines[str(row["tile"]), int(row["part"])])
        areas = {
            strip: shapely.union_all(outlines).intersection(self._outline(strip)).area
            for strip, outlines in inside.items()
        }
        return {strip: round(area / (width * height)) for strip, area in areas.items()}

    def _touched(self, outline: shapely.Geometry) -> range:
        """The strips that an outline touches."""
        first, size = self.grid.affine.f, resolution(self.grid)[1]
        _, bottom, _, top = outline.bounds
        begin = ((first - top) / size - _MARGIN_PIXELS) // PART_ROWS
        end = ((first - bottom) / size + _MARGIN_PIXELS) // PART_ROWS
        return range(max(0, int(begin)), min(part_count(int(self.grid.shape[0])), int(end) + 1))

    def _outline(self, strip: int) -> shapely.Geometry:
        height, width = map(int, self.grid.shape)
        return block_of("", self.grid, part_rows(strip, height), (0, width)).geobox.extent.geom


def map_strips(grid: GeoBox, scenes: Mapping[str, Scene]) -> MapStrips:
    """The strips of a mosaic of tiles."""
    outlines: dict[tuple[str, int], shapely.Geometry] = {}
    for tile, scene in scenes.items():
        height, width = map(int, scene.geobox.shape)
        parts = [
            block_of(tile, scene.geobox, part_rows(part, height), (0, width)).geobox.extent.geom
            for part in range(part_count(height))
        ]
        moved = to_crs(gpd.GeoSeries(parts, crs=scene.geobox.crs), grid.crs)
        outlines |= {(tile, part): outline for part, outline in enumerate(moved)}
    return MapStrips(grid, outlines)
