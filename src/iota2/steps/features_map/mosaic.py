"""Step: the features map as one GeoTIFF in ``proj``."""

from __future__ import annotations

import numpy as np

from iota2 import layout
from iota2.compute.band_statistics import BandStatistics, RasterStatistics
from iota2.config.feature_maps import band_bytes, band_count, map_params
from iota2.config.options.schema import Config
from iota2.core.cost import Cost, JobFacts
from iota2.core.graph import JobContext, Step
from iota2.io.files.atomic import write_text
from iota2.io.rasters.files import RasterWriter
from iota2.io.rasters.ownership import TileOwnership, product_grid
from iota2.io.tables.vectors import read_vector
from iota2.steps.blocks import WRITING_THREADS
from iota2.steps.map_layers import (
    MapGrid,
    MapSums,
    kept_open,
    map_grid,
    map_profile,
    map_style,
    map_values,
    read_map,
    tile_features,
)
from iota2.steps.tile_mosaic import mosaic_shape, owned_blocks

BANDS = 8
"""Number of bands of a block that are read and written at once."""
MOSAIC_SECONDS = 0.08e-6
"""Seconds to read, write and compress one value, with its overviews, measured by ``make bench``."""


def run(job: JobContext[MapGrid]) -> None:
    """Write the bands of each block in groups; each pixel is the nearest pixel of the tile that owns the position.

    Few bands at once permit large blocks: around small ones, many pixels of the files would be read several times.
    """
    layers, tiles = read_map(job.inp.bands), tile_features(job.inp)
    grids = {tile: features.grid for tile, features in tiles.items()}
    envelopes = {key.tile: read_vector(path).geometry for key, path in job.inp.each("envelopes")}
    grid = product_grid(envelopes, next(iter(grids.values())), job.params.proj, job.params.resolution)
    ownership, profile = TileOwnership(envelopes, grid), map_profile(grid, layers, overviews=True)
    groups = [range(k, min(k + BANDS, profile.count)) for k in range(0, profile.count, BANDS)]
    statistics, owned_pixels = [RasterStatistics(len(bands), layers.nodata) for bands in groups], 0
    shape = mosaic_shape(job.use, BANDS * np.dtype(profile.dtype).itemsize)
    with RasterWriter(job.out.mosaic, profile) as writer:
        for block, owned in owned_blocks(ownership, grids, shape):
            with kept_open(tiles) as opened:
                for bands, of_group in zip(groups, statistics, strict=True):
                    values = map_values(opened, owned, block.shape, layers, bands)
                    writer.write_at(block.geobox, values, bands)
                    of_group.add(block.rows[0], block.cols[0], values)
            owned_pixels += sum(len(pixels.position) for pixels in owned.values())
    parts = [(bands, of_group.result()) for bands, of_group in zip(groups, statistics, strict=True)]
    found = BandStatistics.gathered(profile.count, parts)
    MapSums(found, owned_pixels).write(job.out.sums)
    write_text(job.out.style, map_style(layers, found))


def cost(config: Config, facts: JobFacts) -> Cost:
    """Cost of the job: all bands of all tiles are read, resampled and written."""
    run, given = facts.run, map_params(config)
    bands = band_count(run.recipe, given, run.dates)
    return facts.raster_cost(bands * band_bytes(run.recipe, given, run.scenes), MOSAIC_SECONDS * bands)


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
