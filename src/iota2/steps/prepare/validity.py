"""Step: number of clear dates of each pixel of one tile, and clear pixels of each date.

All products of a sensor on one day are one date: a pixel that is clear in one of them is clear on that day.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from iota2 import layout
from iota2.compute.sensor_combinations import count_combinations, named_counts
from iota2.config.options.schema import Config
from iota2.config.sensors import enabled_sensors
from iota2.core.cost import READING_SECONDS, Cost, JobFacts
from iota2.core.graph import JobContext, Step
from iota2.core.grid import blocks
from iota2.core.scene import Scene
from iota2.io.files.atomic import write_text
from iota2.io.files.crs import units_per_metre
from iota2.io.plausibility import check_values
from iota2.io.rasters.files import RasterProfile, RasterWriter
from iota2.io.rasters.rasterize import polygons_at_least
from iota2.io.series.reader import CubeReader
from iota2.io.series.scene_file import read_shifted_scene
from iota2.io.tables.clear_dates import clear_dates_csv
from iota2.io.tables.frames import polygon_frame
from iota2.io.tables.remark_lists import write_remarks
from iota2.io.tables.sensor_combinations import combinations_csv
from iota2.io.tables.vectors import write_shapefile
from iota2.steps.blocks import mask_shape

EROSION_METRES = 0.1
"""Metres by which the sampling area, the area with enough clear dates, is eroded."""


@dataclass(frozen=True)
class ValidityParams:
    """Projection of vectors, minimum number of clear dates, and bands to check."""

    proj: str
    cloud_threshold: int
    """Minimum number of clear dates in the sampling area, at least 1."""
    bands: Mapping[str, tuple[str, ...]]
    """Bands whose values are checked, by sensor: those that the run uses."""


def params(config: Config) -> ValidityParams:
    """The options that affect the validity."""
    used = {options.spec.name: options.bands for options in enabled_sensors(config) if not options.spec.static}
    return ValidityParams(config.chain.proj, max(1, config.chain.cloud_threshold), used)


def run(job: JobContext[ValidityParams]) -> None:
    """Write the validity of the tile: clear dates per pixel, sampling area, clear pixels per date, notes on values.

    This job is the first that reads each date of a tile, so it also checks the values of the images.
    """
    scene = read_shifted_scene(job.inp)
    write_remarks(job.out.notes, check_values(scene, job.params.bands, threads=job.use.threads))
    seen, combinations = _count_clear_dates(job, scene)
    write_text(job.out.dates, clear_dates_csv(scene, seen))
    if "combinations" in job.out:
        names = [sensor.spec.name for sensor in scene.series]
        write_text(job.out.combinations, combinations_csv(named_counts(combinations, names)))
    middle = scene.geobox.extent.centroid.coords[0][1]
    erosion = EROSION_METRES * units_per_metre(scene.geobox.crs, middle)
    polygons = polygons_at_least(job.out.validity, job.params.cloud_threshold, erosion)
    frame = polygon_frame(polygons, scene.geobox.crs, job.params.proj, tile=scene.tile)
    write_shapefile(frame, job.out.clear)


def _count_clear_dates(job: JobContext, scene: Scene) -> tuple[Mapping[str, np.ndarray], np.ndarray]:
    """Write the number of clear dates.

    Returns the pixels inside the image and clear pixels (day, 2), by sensor, and ``count_combinations`` of the sensors.
    """
    sensors = scene.series
    dtype = "uint8" if sum(len(sensor.by_day) for sensor in sensors) < 255 else "uint16"
    profile = RasterProfile(scene.geobox, dtype, overviews="nearest")
    seen = {sensor.spec.name: np.zeros((len(sensor.by_day), 2), np.int64) for sensor in sensors}
    combinations = np.zeros(1 << len(sensors), np.int64)
    with CubeReader(scene, {}) as reader, RasterWriter(job.out.validity, profile) as writer:
        for block in reader.observation_blocks(blocks(scene.tile, scene.geobox, mask_shape(scene, job.use))):
            found = reader.observed(block)
            observed = {sensor.spec.name: found[sensor.spec.name].by_day(sensor.by_day) for sensor in sensors}
            counts = [of_days.valid.sum(axis=0, dtype=dtype) for of_days in observed.values()]
            writer.write(block, np.sum(counts, axis=0, dtype=dtype))
            combinations += count_combinations(np.stack(counts) > 0)
            for name, of_days in observed.items():
                seen[name] += np.stack([of_days.inside, np.count_nonzero(of_days.valid, axis=(1, 2))], axis=1)
    return seen, combinations


def cost(config: Config, facts: JobFacts) -> Cost:
    """Cost of a job: only masks are read, about a tenth of the data of the bands."""
    return facts.raster_cost(2, 0.1 * READING_SECONDS * facts.layers)


STEP = Step(
    name="PixelValidity",
    group="init",
    about="Count the clear dates of each pixel, and the clear pixels of each date.",
    task="validity_raster_{tile}",
    run=run,
    over=("tile",),
    needs=layout.IMAGES,
    makes={
        "validity": layout.VALIDITY,
        "clear": layout.CLOUD_THRESHOLD,
        "dates": layout.CLEAR_DATES,
        "notes": layout.VALUE_NOTES,
        "combinations": layout.SENSOR_COMBINATIONS,
    },
    params=params,
    version=7,
    cost=cost,
)
