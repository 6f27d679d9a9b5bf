"""Step: a raster of the user on the grid of one tile."""

from __future__ import annotations

from iota2 import layout
from iota2.compute.tile_resampling import BLOCK_BYTES, method_of
from iota2.config.options.schema import Config
from iota2.core.cost import READING_SECONDS, Cost, JobFacts
from iota2.core.graph import JobContext, Step
from iota2.io.rasters.files import RasterReader, RasterWriter
from iota2.io.rasters.raster_source import read_source
from iota2.io.rasters.tiling import blocks_on_tile
from iota2.io.series.scene_file import read_scene


def run(job: JobContext) -> None:
    """Write the raster on the grid of the tile: copied if pixels are aligned, otherwise resampled by its kind."""
    grid, source = read_scene(job.inp.scene).geobox, read_source(job.inp.source)
    with RasterReader(source.path) as reader:
        method = method_of(source.resampling, reader.geobox, grid)
        with RasterWriter(job.out.raster, reader.profile_on(grid, source.nodata)) as writer:
            for block, values in blocks_on_tile(reader, grid, method, source.nodata):
                writer.write(block, values)


def cost(config: Config, facts: JobFacts) -> Cost:
    """Cost of a job: it reads and writes the pixels of all bands once, in blocks of constant size."""
    pixel_bytes = facts.run.rasters[str(facts.key["raster"])]
    found = facts.raster_cost(pixel_bytes, READING_SECONDS * pixel_bytes)
    return Cost(BLOCK_BYTES, found.seconds, found.disk, found.uncompressed)


STEP = Step(
    name="featureTiles",
    group="init",
    about="Cut the rasters of `features_path` to the tiles.",
    task="feature_tile_{tile}_{raster}",
    run=run,
    over=("tile", "raster"),
    needs={"scene": layout.SCENE, "source": layout.RASTER_SOURCE},
    makes={"raster": layout.FEATURE_TILE},
    version=2,
    cost=cost,
)
