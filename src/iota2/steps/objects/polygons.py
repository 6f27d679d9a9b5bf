"""Step: polygons of the segments of one tile, with their classes and features."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from iota2 import layout
from iota2.config.options.schema import Config
from iota2.core.cost import Cost, JobFacts
from iota2.core.graph import JobContext, Step, optional
from iota2.core.grid import crs_name
from iota2.core.nomenclature import Nomenclature
from iota2.core.recipe import MISSING, FeatureRecipe
from iota2.core.tables import REGION
from iota2.io.files.atomic import write_text
from iota2.io.files.crs import to_crs
from iota2.io.rasters.files import raster_geobox
from iota2.io.rasters.qgis import polygon_style
from iota2.io.rasters.segment_polygons import segment_polygons
from iota2.io.tables.classes import read_classes
from iota2.io.tables.polygon_layers import geopackage_bytes, write_geopackage
from iota2.io.tables.polygon_tables import group_rows, polygon_bytes, write_polygons
from iota2.io.tables.recipes import read_recipe
from iota2.io.tables.segment_labels import CODE, NUMBER, TILE
from iota2.io.tables.segment_values import ValuesByNumber, values_by_number
from iota2.io.tables.segments import SegmentClasses, Segments, SharedSegments
from iota2.io.tables.vector_source import vector_source, with_choice
from iota2.io.tables.vectors import sqlite_max_columns
from iota2.io.user_segments import has_polygons, user_polygons
from iota2.steps.located_segments import expected_segments, located_segments, mapped_in_all_tiles
from iota2.steps.profiles import confidence_percent
from iota2.steps.region_order import read_region_order
from iota2.steps.segment_features import value_files, value_names

log = logging.getLogger(__name__)

LAYER = "segments"
"""Name of the layer in a GeoPackage."""
SEGMENT_SECONDS, VALUE_SECONDS = 110e-6, 0.15e-6
"""Measured seconds to write a segment, with its transformation to another projection, and each of its features."""
_SEGMENT_BYTES, _POLYGON_BYTES = 80, 12 << 10
"""Bytes of memory of a segment in the tables of a job, without its predictions; of its polygon while it is drawn."""


@dataclass(frozen=True)
class PolygonsParams:
    """The user's file of segments, projection of the polygons, and order of regions."""

    path: Path | None
    """None: segments are computed."""
    layer: str
    """Layer of the file; see ``io.tables.vector_source``."""
    id_field: str | None
    proj: str
    region_priority: tuple[str, ...]

    def by_user_name(self) -> Mapping[str, object]:
        """The parameters by option name of the configuration."""
        return {
            "obia.obia_segmentation_path": self.path,
            "layer of obia.obia_segmentation_path": self.layer,
            "obia.id_field": self.id_field,
            "chain.proj": self.proj,
            "obia.region_priority": self.region_priority,
        }


def params(config: Config) -> PolygonsParams:
    """Parameters of the polygons from the configuration."""
    given = config.obia
    source = vector_source(given.obia_segmentation_path) if given.obia_segmentation_path else None
    path, layer = (source.file, source.choice) if source else (None, "")
    return PolygonsParams(path, layer, given.id_field, config.chain.proj, given.region_priority or ())


def run(job: JobContext[PolygonsParams]) -> None:
    """Write the polygons of the segments with pixels in the map whose home is the tile, from top to bottom.

    Computed segments end at the border of the area of the map that the tile contributes, so that polygons of different
    tiles do not overlap. Polygons of the user are those of the file; segments of a raster are joined from all tiles.

    All features are written to the GeoParquet file, to the GeoPackage as many as it can contain.
    """
    with _opened_attributes(job) as attributes:
        _write(job, attributes)
        write_text(job.out.style, polygon_style(attributes.classes, CODE + next(iter(attributes.runs))))


def _write(job: JobContext[PolygonsParams], attributes: _Attributes) -> None:
    """Write the polygons to the GeoParquet file and to the GeoPackage."""
    empty = _frame(job, attributes.of(np.zeros(0, np.int64)), gpd.GeoSeries(crs=job.params.proj))
    write_polygons(empty, _frames(job, attributes), job.out.polygons)
    omitted = write_geopackage(job.out.polygons, job.out.layer, LAYER)
    if omitted:
        features = len(value_names(attributes.recipe))
        log.warning(
            "%d of %d features are only in the table of all tiles: a GeoPackage has at most %d columns",
            len(omitted),
            features,
            sqlite_max_columns(),
        )


def _frames(job: JobContext[PolygonsParams], attributes: _Attributes) -> Iterator[gpd.GeoDataFrame]:
    """Yield all polygons with their attributes, some at a time."""
    for numbers, polygons in _polygons(job, attributes):
        yield _frame(job, attributes.of(numbers), polygons)


def _polygons(job: JobContext[PolygonsParams], attributes: _Attributes) -> Iterator[tuple[np.ndarray, gpd.GeoSeries]]:
    """Yield numbers, ascending, and polygons of segments: those of the user's file, or the edges of pixels."""
    given, geobox = job.params, raster_geobox(job.inp.segments)
    count = group_rows(len(value_names(attributes.recipe)))
    source = with_choice(given.path, given.layer) if given.path else None
    if source is not None and has_polygons(source):
        numbers = np.flatnonzero(attributes.wanted) + 1
        ids = attributes.identifier[numbers - 1]
        for at, own in user_polygons(source, given.id_field, geobox, ids, count):
            yield numbers[at], own
        return
    areas = [*job.inp.all("regions_of_tile").values()] if source is None else []
    elsewhere = _outlines_elsewhere(job)
    for numbers, outlines in segment_polygons(job.inp.segments, attributes.wanted, count, areas):
        for row in np.flatnonzero(np.isin(numbers, elsewhere.index)):
            outlines[row] = shapely.union_all([outlines[row], *elsewhere.loc[[numbers[row]]]])
        yield numbers, gpd.GeoSeries(outlines, crs=crs_name(geobox))


def _outlines_elsewhere(job: JobContext[PolygonsParams]) -> gpd.GeoSeries:
    """Outlines in other tiles of segments of the user's raster, by number; a number can have several."""
    if "outlines" not in job.inp:
        return gpd.GeoSeries()
    return gpd.read_parquet(job.inp.outlines).set_index(NUMBER).geometry


def _frame(job: JobContext[PolygonsParams], attributes: pd.DataFrame, polygons: gpd.GeoSeries) -> gpd.GeoDataFrame:
    """The polygons, in the projection of the products, with their attributes."""
    moved = to_crs(polygons, job.params.proj)
    return gpd.GeoDataFrame(attributes, geometry=moved.to_numpy(), crs=moved.crs)


@dataclass(frozen=True, eq=False)
class _Attributes:
    """Attributes of the segments of a tile."""

    tile: str
    wanted: np.ndarray
    """(segment,) bool: segments whose home is the tile and that have pixels in the map."""
    identifier: np.ndarray
    """(segment,) int64."""
    region: np.ndarray
    """(segment,) int64: position among ``regions``."""
    regions: tuple[str, ...]
    pixels: np.ndarray
    """(segment,) int64: pixels in the map, in all tiles."""
    classes: Nomenclature
    runs: Mapping[str, SegmentClasses]
    """Predictions of each seed, by the suffix of its columns."""
    recipe: FeatureRecipe
    values: ValuesByNumber
    """The features."""

    @classmethod
    def read(cls, job: JobContext[PolygonsParams], recipe: FeatureRecipe, values: ValuesByNumber) -> _Attributes:
        """The attributes from the inputs of a job."""
        tile, table, shared = job.key.tile, Segments.read(job.inp.table), SharedSegments.read(job.inp.shared)
        located = located_segments(table, shared, tile)
        pixels = mapped_in_all_tiles(table, shared, tile)
        home = (located[TILE] == tile) & (located[NUMBER] == np.arange(1, len(table) + 1))
        regions = read_region_order(job.inp.regions, job.params.region_priority)
        found = {key.seed: path for key, path in sorted(job.inp.each("predictions"))}
        runs = {f"_seed_{seed}" if len(found) > 1 else "": SegmentClasses.read(path) for seed, path in found.items()}
        return cls(
            tile,
            home.to_numpy() & (pixels > 0),
            table.identifier,
            located[REGION].to_numpy(),
            tuple(regions),
            pixels,
            read_classes(job.inp.classes),
            runs,
            recipe,
            values,
        )

    def of(self, numbers: np.ndarray) -> pd.DataFrame:
        """The attributes of the segments with these ``numbers`` (segment,), in their order."""
        rows = numbers - 1
        columns = {
            "segment": self.identifier[rows],
            "tile": pd.array([self.tile] * len(rows), "string"),
            "region": pd.array(np.array(self.regions, object)[self.region[rows]], "string"),
            "pixels": self.pixels[rows],
        }
        for suffix, found in self.runs.items():
            predicted = _class_columns(self.classes, found.label[rows], found.confidence[rows])
            columns |= {f"{name}{suffix}": values for name, values in predicted.items()}
        return pd.concat([pd.DataFrame(columns), self._features(numbers)], axis=1)

    def _features(self, numbers: np.ndarray) -> pd.DataFrame:
        """The features; NaN without value."""
        values = self.values.of(numbers)
        return pd.DataFrame(np.where(values == MISSING, np.nan, values), columns=value_names(self.recipe))


@contextmanager
def _opened_attributes(job: JobContext[PolygonsParams]) -> Iterator[_Attributes]:
    """The attributes, whose features are in a temporary file, since polygons are not in the order of numbers."""
    recipe, segments = read_recipe(job.inp.recipe), len(Segments.read(job.inp.table))
    with values_by_number(value_files(job.inp), value_names(recipe), segments) as values:
        yield _Attributes.read(job, recipe, values)


def _class_columns(classes: Nomenclature, label: np.ndarray, confidence: np.ndarray) -> dict[str, pd.Series]:
    """Columns of the class of segments; null where ``label`` (segment,) is 0."""
    missing = label == 0
    at = np.minimum(np.searchsorted(classes.codes, label), len(classes.codes) - 1)

    def column(values: np.ndarray, kind: str) -> pd.Series:
        found = values.astype(object)
        found[missing] = None
        return pd.Series(found, dtype=kind)

    labels, names = np.array(classes.labels), np.array(classes.names, object)
    percent = confidence_percent(confidence, ~missing)
    return {
        "label": column(labels[at], "Int64" if labels.dtype.kind == "i" else "string"),
        CODE: column(label, "Int32"),
        "name": column(names[at], "string"),
        "confidence": column(percent, "Int16"),
    }


def cost(config: Config, facts: JobFacts) -> Cost:
    """Cost of a job: outlines, features and predictions of all segments, written to two files."""
    run, runs = facts.run, config.arg_train.runs
    segments = expected_segments(config, facts.pixels)
    features = run.features * len(config.obia.stats_used)
    usual, table = facts.raster_cost(), _SEGMENT_BYTES + runs * (8 + 4 * run.class_count)
    disk = segments * (polygon_bytes(features) + geopackage_bytes(features))
    return Cost(
        usual.memory + int(segments * table) + _POLYGON_BYTES * group_rows(features),
        usual.seconds + segments * (SEGMENT_SECONDS + VALUE_SECONDS * features),
        disk,
    )


STEP = Step(
    name="segmentPolygons",
    group="mosaic",
    about="Write the segments of each tile as polygons with their classes.",
    task="segment_polygons_{tile}",
    run=run,
    over=("tile",),
    needs={
        "recipe": layout.SEGMENT_RECIPE,
        "regions": layout.REGIONS,
        "classes": layout.CLASSES,
        "table": layout.SEGMENT_TABLE,
        "segments": layout.SEGMENTS,
        "regions_of_tile": layout.REGION_RASTER,
        "shared": layout.SHARED_SEGMENTS,
        "outlines": optional(layout.SEGMENT_OUTLINES),
        "part_values": layout.PART_SEGMENTS,
        "values": layout.TILE_SEGMENTS,
        "shared_values": layout.TILE_SHARED_SEGMENTS,
        "predictions": layout.SEGMENT_CLASSES,
    },
    makes={
        "polygons": layout.SEGMENT_POLYGONS,
        "layer": layout.SEGMENT_LAYER,
        "style": layout.SEGMENT_LAYER_STYLE,
    },
    params=params,
    cost=cost,
    version=2,
)
