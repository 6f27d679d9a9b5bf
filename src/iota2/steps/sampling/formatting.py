"""Step: reference polygons of one tile, cut by region and validity, and masks of the tile's models."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from odc.geo.geobox import GeoBox

from iota2 import layout
from iota2.compute.area_losses import usable_area
from iota2.compute.polygons import polygonal
from iota2.compute.sampling import BOTH
from iota2.compute.smoothing import MAX_WINDOW
from iota2.compute.submodels import models_of, submodel_places
from iota2.config.options.schema import Config
from iota2.core.cost import Cost, JobFacts
from iota2.core.files import read_text
from iota2.core.graph import JobContext, Step, optional
from iota2.core.grid import blocks, resolution
from iota2.core.scene import Scene
from iota2.core.tables import CODE, FUSION, LEARN, ORIGIN, REGION, TILE, UNUSED, VALIDATION, seed_column, seed_columns
from iota2.io.files.atomic import write_text
from iota2.io.files.crs import sliver_area, to_crs, units_per_metre
from iota2.io.rasters.files import RasterProfile, RasterWriter, read_block
from iota2.io.rasters.rasterize import pixels_inside, rasterize
from iota2.io.series.scene_file import read_scene
from iota2.io.tables.vectors import read_vector, write_shapefile, write_sqlite
from iota2.steps.blocks import COPY_SHAPE

MARGIN_PIXELS = 3.0
"""Width of the margin around the envelope that is also classified: the map has another grid, and a map pixel uses the
nearest pixel of the tile."""
SMOOTHING_MARGIN_PIXELS = MAX_WINDOW // 2
"""Further width of the margin if the map is smoothed: pixels near the envelope have the same neighbours on both tiles.
That of the largest window, so that the classification does not depend on the window."""


@dataclass(frozen=True)
class FormattingParams:
    """Options for the division of polygons and for the area of models."""

    random_seed: int | None
    """Random seed of the run, by which polygons are divided between the models of a region; None if no region has
    several models."""
    margin_pixels: float = MARGIN_PIXELS
    """Width of the margin around the envelope that is also classified."""

    def by_user_name(self) -> Mapping[str, object]:
        """The parameters by option name of the configuration."""
        return {"arg_train.random_seed": self.random_seed, "classified pixels around the envelope": self.margin_pixels}


def params(config: Config) -> FormattingParams:
    """The random seed if regions may have several models, and the margin."""
    return FormattingParams(
        config.arg_train.seed if layout.with_submodels(config) else None,
        MARGIN_PIXELS + (SMOOTHING_MARGIN_PIXELS if layout.with_smoothing(config) else 0),
    )


def run(job: JobContext[FormattingParams]) -> None:
    """Write the polygons of the tile by seed and side of the split, and the shapes and masks of its regions.

    The polygons of each seed have the name of their model in the field of the region.
    """
    scene, tile = read_scene(job.inp.scene), job.key.tile
    envelope, regions = read_vector(job.inp.envelope), read_vector(job.inp.regions)
    area = usable_area(envelope.union_all(), read_vector(job.inp.clear).union_all())
    reference = read_vector(job.inp.reference)
    pieces = cut_polygons(reference, regions, area, tile)
    write_shapefile(pieces, job.out.formatted)
    write_text(job.out.pixels, pixels_csv(pieces, scene.geobox))
    sides = seed_columns(pieces.columns)
    for name, side in (("learn", LEARN), ("validation", VALIDATION)):
        for key, path in job.out.each(name):
            selected = pieces[pieces[seed_column(key.seed)].isin([side, BOTH])]
            if "submodels" in job.inp:
                selected = _with_models(selected, reference, key.seed, job)
            write_sqlite(selected.drop(columns=sides), path)
    tile_regions = {key.region for key, _ in job.out.each("region_shape")}
    if "reserved" in job.out:
        selected = pieces[pieces[seed_column(0)] == FUSION]
        write_sqlite(selected.drop(columns=sides), job.out.reserved)
    for row in regions.itertuples():
        if row.region in tile_regions:
            _write_region(job, scene, str(row.region), row.geometry, envelope)


def _with_models(
    pieces: gpd.GeoDataFrame, reference: gpd.GeoDataFrame, seed: int, job: JobContext[FormattingParams]
) -> gpd.GeoDataFrame:
    """The pieces with the name of their model instead of that of their region."""
    assert job.params.random_seed is not None, "regions have several models"
    counts = json.loads(read_text(job.inp.submodels))
    regions = [str(region) or None for region in reference[REGION]]
    places = submodel_places(
        reference[CODE].tolist(),
        regions,
        reference[seed_column(seed)].tolist(),
        random_seed=job.params.random_seed + seed,
    )
    of_piece = pieces[ORIGIN].map(dict(zip(reference[ORIGIN], places.tolist(), strict=True))).to_numpy()
    return pieces.assign(**{REGION: models_of(pieces[REGION].tolist(), of_piece, counts)})


def cut_polygons(
    reference: gpd.GeoDataFrame, regions: gpd.GeoDataFrame, usable_area: shapely.Geometry, tile: str
) -> gpd.GeoDataFrame:
    """Parts of the used polygons in each region inside ``usable_area``, ordered by region, then by polygon."""
    used = reference[reference[seed_column(0)] != UNUSED]
    frames = []
    for region in regions.itertuples():
        area = shapely.intersection(region.geometry, usable_area)
        shapely.prepare(area)
        near = used.iloc[np.sort(used.sindex.query(area, predicate="intersects"))]
        cut = polygonal(shapely.intersection(near.geometry.to_numpy(), area), smallest=sliver_area(near.crs))
        frame = near.assign(**{REGION: str(region.region), TILE: tile}).set_geometry(cut, crs=near.crs)
        frames.append(frame[~frame.geometry.is_empty])
    return gpd.GeoDataFrame(pd.concat(frames, ignore_index=True), crs=reference.crs)


def pixels_csv(pieces: gpd.GeoDataFrame, geobox: GeoBox) -> str:
    """CSV text: for each polygon, the number of tile pixels with their centre in it; polygons without pixels have 0."""
    polygon, _, _ = pixels_inside(to_crs(pieces, geobox.crs), geobox)
    found = pieces[ORIGIN].iloc[polygon].value_counts()
    origins = sorted(pieces[ORIGIN].unique().tolist())
    return "".join([f"{ORIGIN},pixels\n", *(f"{origin},{found.get(origin, 0)}\n" for origin in origins)])


def _write_region(
    job: JobContext[FormattingParams], scene: Scene, region: str, geometry: shapely.Geometry, envelope: gpd.GeoDataFrame
) -> None:
    """Write the region on the tile, as polygons and raster, and the mask of its model."""
    tile_area = envelope.union_all()
    margin = job.params.margin_pixels * _pixel_side(scene.geobox, envelope)
    shape = _region_frame(shapely.intersection(geometry, tile_area), region, envelope.crs)
    with_margin = _region_frame(shapely.intersection(geometry, tile_area.buffer(margin)), region, envelope.crs)
    write_shapefile(shape, job.out.at("region_shape", region=region))
    inside = to_crs(shape, scene.geobox.crs).geometry
    applied = to_crs(with_margin, scene.geobox.crs).geometry
    profile = RasterProfile(scene.geobox, "uint8", nodata=0, overviews="nearest")
    with (
        RasterWriter(job.out.at("region_raster", region=region), profile) as to_raster,
        RasterWriter(job.out.at("region_mask", region=region), profile) as to_mask,
    ):
        for block in blocks(scene.tile, scene.geobox, COPY_SHAPE):
            to_raster.write(block, rasterize([(g, 1) for g in inside], block.geobox, "uint8"))
            mask = rasterize([(g, 1) for g in applied], block.geobox, "uint8")
            to_mask.write(block, mask & read_block(job.inp.mask, block))


def _pixel_side(geobox: GeoBox, envelope: gpd.GeoDataFrame) -> float:
    """Longer side of a tile pixel, in map units of the envelope."""
    side = max(resolution(geobox))
    if envelope.crs == geobox.crs:
        return side
    return side / units_per_metre(geobox.crs) * units_per_metre(envelope.crs, envelope.total_bounds[[1, 3]].mean())


def _region_frame(geometry: shapely.Geometry, region: str, crs: object) -> gpd.GeoDataFrame:
    """The polygonal part of a geometry as a row with the name of the region; no row if it is empty."""
    geometry = polygonal(np.array([geometry], dtype=object), smallest=sliver_area(crs))
    frame = gpd.GeoDataFrame({REGION: [region]}, geometry=geometry, crs=crs)
    return frame[~frame.geometry.is_empty]


def cost(config: Config, facts: JobFacts) -> Cost:
    """Cost of a job: a raster and a mask are written for each region."""
    return facts.raster_cost(2 * facts.regions * config.arg_train.runs)


STEP = Step(
    name="VectorFormatting",
    group="sampling",
    about="Cut the reference polygons by tile, region and validity.",
    task="vector_form_{tile}",
    run=run,
    over=("tile",),
    needs={
        "scene": layout.SCENE,
        "reference": layout.REFERENCE,
        "regions": layout.REGIONS,
        "envelope": layout.ENVELOPE,
        "clear": layout.CLOUD_THRESHOLD,
        "mask": layout.COMMON_MASK,
        "submodels": optional(layout.SUBMODELS),
    },
    makes={
        "formatted": layout.FORMATTED,
        "pixels": layout.POLYGON_PIXELS,
        "learn": layout.LEARN_POLYGONS,
        "validation": layout.VALIDATION_POLYGONS,
        "reserved": layout.RESERVED_POLYGONS,
        "region_shape": layout.REGION_SHAPE,
        "region_raster": layout.REGION_RASTER,
        "region_mask": layout.REGION_MASK,
    },
    params=params,
    version=2,
    cost=cost,
)
