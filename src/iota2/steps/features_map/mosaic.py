"""Step: the features map as one GeoTIFF in ``proj``."""

from __future__ import annotations

from iota2 import layout
from iota2.compute.band_statistics import RasterStatistics
from iota2.config.feature_maps import band_bytes, band_count, map_params
from iota2.config.options.schema import Config
from iota2.core.cost import READING_SECONDS, Cost, JobFacts
from iota2.core.graph import JobContext, Step
from iota2.io.files.atomic import write_text
from iota2.io.rasters.files import RasterWriter
from iota2.io.rasters.ownership import TileOwnership, product_grid
from iota2.io.tables.vectors import read_vector
from iota2.steps.blocks import WRITING_THREADS
from iota2.steps.map_layers import (
    MapGrid,
    MapSums,
    map_grid,
    map_profile,
    map_style,
    map_values,
    read_map,
    tile_features,
)
from iota2.steps.tile_mosaic import mosaic_shape, owned_blocks


def run(job: JobContext[MapGrid]) -> None:
    """Write all bands in one pass; each pixel is the nearest pixel of the tile that owns the position."""
    layers, tiles = read_map(job.inp.bands), tile_features(job.inp)
    grids = {tile: features.grid for tile, features in tiles.items()}
    envelopes = {key.tile: read_vector(path).geometry for key, path in job.inp.each("envelopes")}
    grid = product_grid(envelopes, next(iter(grids.values())), job.params.proj, job.params.resolution)
    ownership, profile = TileOwnership(envelopes, grid), map_profile(grid, layers, overviews=True)
    statistics, owned_pixels = RasterStatistics(profile.count, layers.nodata), 0
    with RasterWriter(job.out.mosaic, profile) as writer:
        for block, owned in owned_blocks(ownership, grids, mosaic_shape(job.use, profile.pixel_bytes)):
            values = map_values(tiles, owned, block.shape, layers)
            writer.write(block, values)
            statistics.add(block.rows[0], block.cols[0], values)
            owned_pixels += sum(len(pixels.position) for pixels in owned.values())
    found = statistics.result()
    MapSums(found, owned_pixels).write(job.out.sums)
    write_text(job.out.style, map_style(layers, found))


def cost(config: Config, facts: JobFacts) -> Cost:
    """Cost of the job: all bands of all tiles are read, resampled and written."""
    run, given = facts.run, map_params(config)
    bands = band_count(run.recipe, given, run.dates)
    return facts.raster_cost(bands * band_bytes(run.recipe, given), READING_SECONDS * bands)


STEP = Step(
    name="featuresMapMosaic",
    group="mosaic",
    about="Assemble the features of all tiles in the projection of the products.",
    task="features_mosaic",
    run=run,
    over=(),
    needs={
        "bands": layout.MAP_BANDS,
        "scene": layout.SCENE,
        "envelopes": layout.ENVELOPE,
        "parts": layout.PART_MAP,
    },
    makes={"mosaic": layout.FEATURES_MAP, "sums": layout.MOSAIC_SUMS, "style": layout.FEATURES_MAP_STYLE},
    params=map_grid,
    when=layout.with_geotiff,
    cost=cost,
    max_threads=WRITING_THREADS,
)
