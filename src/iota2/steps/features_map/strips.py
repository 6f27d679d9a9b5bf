"""Step: a strip of the features map as the part of a Zarr store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from iota2 import layout
from iota2.compute.band_statistics import BandStatistics, RasterStatistics
from iota2.compute.placement import Range
from iota2.config.feature_maps import band_bytes, band_count, map_params
from iota2.config.options.schema import Config
from iota2.core.cost import COMPRESSION_RATIO, SECONDS_PER_JOB, Cost, JobFacts
from iota2.core.feature_map import FeatureMap
from iota2.core.graph import JobContext, Resources, Step
from iota2.core.grid import Block, part_rows
from iota2.core.map_axes import SHARD_DATES, MapAxes, Shard
from iota2.io.files.atomic import replacing_folder
from iota2.io.rasters.ownership import OwnedPixels, TileOwnership
from iota2.io.rasters.zarr_store import SQUARE, create_store, shard_writer
from iota2.io.tables.vectors import read_vector
from iota2.steps.blocks import WRITING_THREADS
from iota2.steps.map_layers import MapSums, TileFeatures, kept_open, map_values, read_grid, read_map, tile_features
from iota2.steps.tile_mosaic import mosaic_shape, owned_blocks

STRIP_SECONDS = 0.07e-6
"""Seconds to read, write and compress one value, measured by ``make bench``."""
_FILE_COPIES = 4
"""Copies of the values of a file while they are compressed and written."""
_OWNED_BYTES = 24
"""Memory of the position of a pixel in a square and on its tile."""

Owned = list[tuple[Block, dict[str, OwnedPixels]]]
"""Blocks of a square with the pixels that each tile owns; blocks without such pixels are left out."""


def run(job: JobContext) -> None:
    """Write all bands, square by square and file by file; each pixel is the nearest of the tile that owns it."""
    layers, tiles, grid = read_map(job.inp.bands), tile_features(job.inp), read_grid(job.inp.grid)
    envelopes = {key.tile: read_vector(path).geometry for key, path in job.inp.each("envelopes")}
    ownership, rows = TileOwnership(envelopes, grid), part_rows(job.key.strip, int(grid.shape[0]))
    axes, sums = MapAxes(layers), MapSums(BandStatistics.empty(len(layers.bands)), 0)
    with replacing_folder(job.out.store) as folder:
        create_store(folder, axes, grid)
        with shard_writer(folder, job.use.threads) as writer:
            for cols, owned in _squares(ownership, tiles, rows, _shape(layers, job.use)):
                parts = []
                with kept_open(tiles) as opened:
                    for shard in axes.shards:
                        values, statistics = _values(opened, owned, shard, layers, square=(rows, cols))
                        writer.write(shard, rows, cols, values)
                        parts.append((shard.bands, statistics))
                pixels = sum(len(one.position) for _, by_tile in owned for one in by_tile.values())
                sums = sums.merged(MapSums(BandStatistics.gathered(len(layers.bands), parts), pixels))
    sums.write(job.out.sums)


def _squares(
    ownership: TileOwnership, tiles: Mapping[str, TileFeatures], rows: Range, shape: tuple[int, int]
) -> Iterator[tuple[Range, Owned]]:
    """Yield the columns and the blocks of the squares of a strip, from left to right, that have pixels of a tile."""
    grids, width = {tile: features.grid for tile, features in tiles.items()}, int(ownership.geobox.shape[1])
    for left in range(0, width, SQUARE):
        cols = left, min(left + SQUARE, width)
        owned = [one for one in owned_blocks(ownership, grids, shape, rows, cols) if one[1]]
        if owned:
            yield cols, owned


def _values(
    tiles: Mapping[str, TileFeatures], owned: Owned, shard: Shard, layers: FeatureMap, *, square: tuple[Range, Range]
) -> tuple[np.ndarray, BandStatistics]:
    """(layer, y, x): values of a file on a square, given as its rows and columns; statistics of its bands."""
    (first, last), (west, east) = square
    values = np.full((shard.count, last - first, east - west), layers.nodata, layers.dtype)
    statistics = RasterStatistics(len(shard.bands), layers.nodata)
    for block, pixels in owned:
        found = map_values(tiles, pixels, block.shape, layers, shard.bands)
        (top, bottom), (left, right) = block.rows, block.cols
        values[list(shard.offsets), top - first : bottom - first, left - west : right - west] = found
        statistics.add(block.rows[0], block.cols[0], found)
    return values, statistics.result()


def _shape(layers: FeatureMap, use: Resources) -> tuple[int, int]:
    """Rows and columns of the blocks in which the pixels of a file are read."""
    item = np.dtype(layers.dtype).itemsize
    return mosaic_shape(replace(use, memory=max(0, use.memory - _file_memory(item))), SHARD_DATES * item)


def _file_memory(item: int) -> int:
    """Bytes of memory of the values of a file and of the positions of its pixels; ``item``: bytes of a value."""
    return SQUARE**2 * (_FILE_COPIES * SHARD_DATES * item + _OWNED_BYTES)


def cost(config: Config, facts: JobFacts) -> Cost:
    """Cost of a job: all bands of the strip are read, resampled and compressed."""
    run, given = facts.run, map_params(config)
    bands, item = band_count(run.recipe, given, run.dates), band_bytes(run.recipe, given, run.scenes)
    values = facts.pixels * bands
    seconds = SECONDS_PER_JOB + STRIP_SECONDS * values
    return Cost(max(facts.allowed, _file_memory(item)), seconds, COMPRESSION_RATIO * values * item)


STEP = Step(
    name="featuresMapStrips",
    group="mosaic",
    about="Write the features of a strip of the map as a part of the Zarr store.",
    task="features_strip_{strip}",
    run=run,
    over=("strip",),
    needs={
        "bands": layout.MAP_BANDS,
        "scene": layout.SCENE,
        "envelopes": layout.ENVELOPE,
        "parts": layout.PART_MAP,
        "grid": layout.MAP_GRID,
    },
    makes={"store": layout.MAP_STRIP, "sums": layout.STRIP_SUMS},
    when=layout.with_zarr,
    cost=cost,
    max_threads=WRITING_THREADS,
)
