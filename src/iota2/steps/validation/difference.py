"""Step: raster of correct and wrong pixels of all tiles, for one seed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from iota2 import layout
from iota2.config.options.schema import Config
from iota2.core.cost import Cost, JobFacts
from iota2.core.graph import JobContext, Step
from iota2.core.grid import blocks
from iota2.io.files.atomic import write_text
from iota2.io.rasters.files import RasterProfile, RasterWriter, raster_geobox, read_block
from iota2.io.rasters.qgis import difference_style
from iota2.steps.blocks import COPY_SHAPE, WRITING_THREADS


@dataclass(frozen=True)
class DifferenceParams:
    """Meaning of the raster's values."""

    split: bool
    """Whether each polygon is on one side; otherwise all polygons are on both sides, and values are sums."""

    def by_user_name(self) -> Mapping[str, object]:
        """The parameters by option name of the configuration."""
        return {"arg_train.split_ground_truth": self.split}


def params(config: Config) -> DifferenceParams:
    """The option `split_ground_truth`."""
    return DifferenceParams(config.arg_train.split_ground_truth)


def run(job: JobContext[DifferenceParams]) -> None:
    """Assemble the comparison rasters of the tiles, which do not overlap, on the grid of the map."""
    geobox = raster_geobox(job.inp.map)
    tiles = [(path, raster_geobox(path)) for path in job.inp.all("tiles").values()]
    with RasterWriter(job.out.difference, RasterProfile(geobox, "uint8", nodata=0, overviews="nearest")) as writer:
        for block in blocks("", geobox, COPY_SHAPE):
            merged = np.zeros(block.shape, np.uint8)
            for path, grid in tiles:
                if grid.extent.intersects(block.geobox.extent):
                    merged += read_block(path, block)
            writer.write(block, merged)
    style = difference_style(split=job.params.split)
    for path in (job.out.style, *job.out.all("tile_styles").values()):
        write_text(path, style)


def cost(config: Config, facts: JobFacts) -> Cost:
    """Cost of a job: one byte per pixel."""
    return facts.raster_cost(1)


STEP = Step(
    name="differenceMosaic",
    group="validation",
    about="Map the correct and the wrong pixels.",
    task="difference_seed_{seed}",
    run=run,
    over=("seed",),
    needs={"map": layout.MAP, "tiles": layout.TILE_COMPARISON},
    makes={
        "difference": layout.DIFFERENCE,
        "style": layout.DIFFERENCE_STYLE,
        "tile_styles": layout.TILE_COMPARISON_STYLE,
    },
    params=params,
    version=3,
    cost=cost,
    max_threads=WRITING_THREADS,
)
