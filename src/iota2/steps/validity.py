"""Step: how often each pixel of one tile is clear."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from iota2 import layout
from iota2.config.schema import Config
from iota2.core.graph import JobContext, Step
from iota2.core.grid import blocks
from iota2.io.burn import polygons_at_least
from iota2.io.crs import units_per_metre
from iota2.io.cubes import CubeReader
from iota2.io.frames import polygon_frame
from iota2.io.rasters import RasterProfile, RasterWriter
from iota2.io.scenes import read_scene
from iota2.io.vectors import write_shapefile
from iota2.steps.blocks import mask_shape

EROSION = 0.1
"""Metres taken off the ground of pixels seen often enough."""


@dataclass(frozen=True)
class ValidityParams:
    """Projection of vectors, and how many clear dates a sample needs."""

    proj: str
    cloud_threshold: int


def params(config: Config) -> ValidityParams:
    """What the validity depends on."""
    return ValidityParams(config.chain.proj, config.chain.cloud_threshold)


def run(job: JobContext) -> None:
    """Write the number of clear dates and the polygons where it is enough for samples."""
    scene = read_scene(job.inp.scene)
    dates = sum(len(sensor.acquisitions) for sensor in scene.sensors)
    dtype = "uint8" if dates < 255 else "uint16"
    profile = RasterProfile(scene.geobox, dtype, overviews="nearest")
    with CubeReader(scene, {}) as reader, RasterWriter(job.out.validity, profile) as writer:
        for block in blocks(scene.tile, scene.geobox, mask_shape(scene, job.use)):
            counts = [valid.sum(axis=0, dtype=dtype) for valid in reader.valid(block).values()]
            writer.write(block, np.sum(counts, axis=0, dtype=dtype))
    middle = scene.geobox.extent.centroid.coords[0][1]
    erosion = EROSION * units_per_metre(scene.geobox.crs, middle)
    polygons = polygons_at_least(job.out.validity, job.params.cloud_threshold, erosion)
    frame = polygon_frame(polygons, scene.geobox.crs, job.params.proj, tile=scene.tile)
    write_shapefile(frame, job.out.clear)


STEP = Step(
    name="PixelValidity",
    group="init",
    about="Count the clear dates of each pixel.",
    task="validity_raster_{tile}",
    run=run,
    over=("tile",),
    needs={"scene": layout.SCENE, "listing": layout.LISTING},
    makes={"validity": layout.VALIDITY, "clear": layout.CLOUD_THRESHOLD},
    params=params,
)
