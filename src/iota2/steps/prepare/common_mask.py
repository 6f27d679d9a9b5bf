"""Step: footprint of the images of one tile."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from iota2 import layout
from iota2.config.options.schema import Config
from iota2.core.cost import READING_SECONDS, Cost, JobFacts
from iota2.core.graph import JobContext, Step
from iota2.core.grid import blocks
from iota2.io.rasters.files import RasterProfile, RasterWriter
from iota2.io.rasters.rasterize import mask_polygons
from iota2.io.series.reader import CubeReader
from iota2.io.series.scene_file import read_shifted_scene
from iota2.io.tables.frames import polygon_frame
from iota2.io.tables.vectors import write_shapefile
from iota2.steps.blocks import mask_shape


@dataclass(frozen=True)
class MaskParams:
    """Projection of vectors, and the rule for the footprint."""

    proj: str
    every_sensor: bool
    """Whether the footprint needs images of every sensor; otherwise images of one sensor are enough."""
    layers: bool
    """Whether the footprint needs every layer without dates."""

    def by_user_name(self) -> Mapping[str, object]:
        """The parameters by option name of the configuration."""
        needed = {"images of every sensor needed": self.every_sensor}
        return {"chain.proj": self.proj, "chain.allow_missing_sensor": not self.layers, **needed}


def params(config: Config) -> MaskParams:
    """The options that affect the mask."""
    missing = config.chain.allow_missing_sensor
    return MaskParams(config.chain.proj, not missing and not config.sensor_models, layers=not missing)


def run(job: JobContext[MaskParams]) -> None:
    """Write the footprint of the sensors, as a raster and as polygons."""
    scene = read_shifted_scene(job.inp)
    profile = RasterProfile(scene.geobox, "uint8", nodata=0, overviews="nearest")
    with CubeReader(scene, {}) as reader, RasterWriter(job.out.mask, profile) as writer:
        for block in reader.observation_blocks(blocks(scene.tile, scene.geobox, mask_shape(scene, job.use))):
            footprint = reader.footprint(block, every=job.params.every_sensor, layers=job.params.layers)
            writer.write(block, footprint.astype(np.uint8))
    polygons = mask_polygons(job.out.mask)
    write_shapefile(polygon_frame(polygons, scene.geobox.crs, job.params.proj, tile=scene.tile), job.out.vector)


def cost(config: Config, facts: JobFacts) -> Cost:
    """Cost of a job: only masks are read, about a tenth of the data of the bands."""
    return facts.raster_cost(1, 0.1 * READING_SECONDS * facts.layers)


STEP = Step(
    name="CommonMasks",
    group="init",
    about=(
        "Compute the footprint of each tile: the area with images of any sensor (of every sensor with "
        "`missing_sensors: mask` or a context)."
    ),
    task="common_mask_{tile}",
    run=run,
    over=("tile",),
    needs=layout.IMAGES,
    makes={"mask": layout.COMMON_MASK, "vector": layout.COMMON_MASK_VECTOR},
    params=params,
    version=4,
    cost=cost,
)
