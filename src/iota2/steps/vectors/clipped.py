"""Step: the polygons of an area, with names, areas and statistics of their pixels, in all formats."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from iota2 import layout
from iota2.compute.clipping import clipped
from iota2.config.options.schema import Config
from iota2.core.cost import SECONDS_PER_JOB, Cost, JobFacts
from iota2.core.graph import JobContext, Step
from iota2.core.grid import crs_name
from iota2.io.files.atomic import write_text
from iota2.io.rasters.files import raster_geobox
from iota2.io.rasters.qgis import polygon_style
from iota2.io.tables.class_levels import read_class_levels
from iota2.io.tables.clip_areas import read_clip_areas
from iota2.io.tables.polygon_layers import (
    geopackage_bytes,
    write_flatgeobuf,
    write_geopackage,
    write_pmtiles,
    write_zipped_shapefile,
)
from iota2.io.tables.polygon_tables import RowGroup, polygon_bytes, polygon_groups, read_row_group, write_polygons
from iota2.io.tables.vector_source import vector_source, with_choice
from iota2.io.tables.vectors import sqlite_max_columns
from iota2.steps.map_rasters import MAP_RASTERS, map_rasters, run_of_map
from iota2.steps.polygon_attributes import (
    CLASS,
    CODE,
    FIXED_COLUMNS,
    Attributes,
    MapReaders,
    Statistics,
    expected_polygons,
)

log = logging.getLogger(__name__)

_CELL = ("cell_row", "cell_col")
"""Columns with the cell of a polygon; equal in a row group."""
_PIXEL_SECONDS, _POLYGON_SECONDS = 0.12e-6, 110e-6
"""Measured seconds to read and count a pixel, and to cut, measure and write a polygon to the table and GeoPackage."""
_FORMAT_SECONDS: Mapping[str, float] = {"dozip": 90e-6, "flatgeobuf": 5e-6, "pmtiles": 500e-6}
"""Seconds to write a polygon in another format, by option."""
_CELL_BYTES = 650 << 20
"""Memory of the polygons of a cell of many small patches, with their attributes."""
_VERTEX_BYTES = 700
"""Bytes of the vertices of a polygon in a GeoPackage or a similar format."""


@dataclass(frozen=True)
class ClippedParams:
    """The areas, and the statistics of the polygons."""

    path: Path | None
    """File of the areas; None for the whole map."""
    layer: str
    """Layer of the file; see ``io.tables.vector_source``."""
    field: str
    statistics: Statistics
    seed: int
    """Number of the run whose map it is."""

    def by_user_name(self) -> Mapping[str, object]:
        """The parameters by option name of the configuration."""
        return {
            "simplification.clipfile": self.path,
            "layer of simplification.clipfile": self.layer,
            "simplification.clipfield": self.field,
            "simplification.statslist": self.statistics,
            "simplification.seed": self.seed,
        }


def params(config: Config) -> ClippedParams:
    """Parameters of the step from the configuration."""
    given = config.simplification
    source = vector_source(given.clipfile) if given.clipfile and given.clipfield else None
    path, layer = (source.file, source.choice) if source else (None, "")
    statistics = tuple(given.statslist.items())
    return ClippedParams(path, layer, given.clipfield or "", statistics, run_of_map(config))


def run(job: JobContext[ClippedParams]) -> None:
    """Write the polygons of the area, in the order of cells, as table, and all formats from the table."""
    given, levels = job.params, read_class_levels(job.inp.classes)
    with MapReaders.open(map_rasters(job.inp, given.seed), levels.classes, given.statistics) as readers:
        area = job.key.area if given.path else None
        attributes = Attributes(levels, given.statistics, readers, crs_name(raster_geobox(job.inp.map)), area)
        write_polygons(attributes.empty, _frames(job, attributes), job.out.polygons)
    style = polygon_style(levels.classes, CLASS)
    layer = job.out.layer.stem
    omitted = write_geopackage(job.out.polygons, job.out.layer, layer, style)
    if omitted:
        name, most = job.out.layer.name, sqlite_max_columns()
        log.warning(
            "%s lacks %d columns: a GeoPackage has at most %d. The other files have them", name, len(omitted), most
        )
    write_text(job.out.style, style)
    if "archive" in job.out:
        write_zipped_shapefile(job.out.polygons, job.out.archive, style)
    if "flatgeobuf" in job.out:
        write_flatgeobuf(job.out.polygons, job.out.flatgeobuf, layer)
    if "pmtiles" in job.out:
        write_pmtiles(job.out.polygons, job.out.pmtiles, layer)


def _frames(job: JobContext[ClippedParams], attributes: Attributes) -> Iterator[gpd.GeoDataFrame]:
    """Yield the polygons of the area with their attributes, cell by cell or less."""
    area = _area(job)
    for group in _groups(job, area):
        found = read_row_group(group, [CODE])
        polygons, owner = shapely.get_parts(found.geometry.to_numpy(), return_index=True)
        codes = found[CODE].to_numpy()[owner]
        if area is not None:
            polygons, kept = clipped(polygons, area)
            codes = codes[kept]
        yield from attributes.frames(polygons, codes)


def _area(job: JobContext[ClippedParams]) -> BaseGeometry | None:
    """The area in the CRS of the map; None for the whole map."""
    given = job.params
    if given.path is None:
        return None
    source, geobox = with_choice(given.path, given.layer), raster_geobox(job.inp.map)
    found = read_clip_areas(source, given.field, geobox, job.key.area)
    geometry: BaseGeometry = found.geometries[0]
    return geometry


def _groups(job: JobContext[ClippedParams], area: BaseGeometry | None) -> list[RowGroup]:
    """The row groups of all squares that may have polygons in the area, in the order of their cells.

    This order does not depend on the squares.
    """
    groups = [group for _, path in job.inp.each("squares") for group in polygon_groups(path, _CELL)]
    if area is not None and groups:
        shapely.prepare(area)
        near = shapely.intersects(area, shapely.box(*np.array([group.bounds for group in groups]).T))
        groups = [group for group, kept in zip(groups, near, strict=True) if kept]
    return sorted(groups, key=lambda group: group.first)


def cost(config: Config, facts: JobFacts) -> Cost:
    """Cost of a job: the polygons and pixels of an area of average size."""
    areas = max(1, facts.run.areas)
    pixels, polygons = facts.run.map_pixels / areas, expected_polygons(facts) / areas
    columns = facts.run.class_count + FIXED_COLUMNS
    formats = [name for name in _FORMAT_SECONDS if getattr(config.simplification, name)]
    each = _POLYGON_SECONDS + sum(_FORMAT_SECONDS[name] for name in formats)
    seconds = SECONDS_PER_JOB + pixels * _PIXEL_SECONDS + polygons * each
    layers = (1 + len(formats)) * (geopackage_bytes(columns) + _VERTEX_BYTES)
    disk = polygons * (polygon_bytes(columns) + layers)
    return Cost(facts.allowed + _CELL_BYTES, seconds, disk)


STEP = Step(
    name="clippedPolygons",
    group="clipvectors",
    about="Cut the polygons to each area, with statistics of their pixels.",
    task="clipped_polygons_{area}",
    run=run,
    over=("area",),
    needs={
        **MAP_RASTERS,
        "map": layout.CLASSIF_REGUL,
        "classes": layout.CLASS_LEVELS,
        "squares": layout.SQUARE_POLYGONS,
    },
    makes={
        "polygons": layout.AREA_POLYGONS,
        "layer": layout.AREA_LAYER,
        "style": layout.AREA_LAYER_STYLE,
        "archive": layout.AREA_SHAPEFILE,
        "flatgeobuf": layout.AREA_FLATGEOBUF,
        "pmtiles": layout.AREA_PMTILES,
    },
    params=params,
    cost=cost,
)
