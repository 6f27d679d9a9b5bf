"""Step: where one tile has images at all."""

from __future__ import annotations

import numpy as np

from iota2 import layout
from iota2.config.schema import Config
from iota2.core.graph import JobContext, Step
from iota2.core.grid import blocks
from iota2.io.burn import mask_polygons
from iota2.io.cubes import CubeReader
from iota2.io.frames import polygon_frame
from iota2.io.rasters import RasterProfile, RasterWriter
from iota2.io.scenes import read_scene
from iota2.io.vectors import write_shapefile
from iota2.steps.blocks import mask_shape


def params(config: Config) -> str:
    """The projection of vectors."""
    return config.chain.proj


def run(job: JobContext) -> None:
    """Write the common footprint of all sensors, as raster and polygons."""
    scene = read_scene(job.inp.scene)
    profile = RasterProfile(scene.geobox, "uint8", nodata=0, overviews="nearest")
    with CubeReader(scene, {}) as reader, RasterWriter(job.out.mask, profile) as writer:
        for block in blocks(scene.tile, scene.geobox, mask_shape(scene, job.use)):
            writer.write(block, reader.footprint(block).astype(np.uint8))
    polygons = mask_polygons(job.out.mask)
    write_shapefile(polygon_frame(polygons, scene.geobox.crs, job.params, tile=scene.tile), job.out.vector)


STEP = Step(
    name="CommonMasks",
    group="init",
    about="Find where each tile has images of every sensor.",
    task="common_mask_{tile}",
    run=run,
    over=("tile",),
    needs={"scene": layout.SCENE, "listing": layout.LISTING},
    makes={"mask": layout.COMMON_MASK, "vector": layout.COMMON_MASK_VECTOR},
    params=params,
)
