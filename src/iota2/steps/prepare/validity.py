"""Step: on how many days each pixel of one tile is clear, and how clear each day is.

A day is a date of one sensor, whatever the number of its products: what is clear in one of them is clear on that day.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from iota2 import layout
from iota2.config.options.schema import Config
from iota2.config.sensors import enabled_sensors
from iota2.core.graph import JobContext, Step
from iota2.core.grid import blocks
from iota2.core.scene import Scene, SensorScene
from iota2.io.files.atomic import write_text
from iota2.io.files.crs import units_per_metre
from iota2.io.rasters.files import RasterProfile, RasterWriter
from iota2.io.rasters.rasterize import polygons_at_least
from iota2.io.series.reader import CubeReader
from iota2.io.series.scene_file import images_of
from iota2.io.tables.frames import polygon_frame
from iota2.io.tables.remark_lists import write_remarks
from iota2.io.tables.vectors import write_shapefile
from iota2.steps.blocks import mask_shape
from iota2.steps.prepare.plausibility import check_values

EROSION = 0.1
"""Metres taken off the ground of pixels seen often enough."""
COLUMNS = ("sensor", "date", "inside", "clear", "part")


@dataclass(frozen=True)
class DateView:
    """What one date shows of a tile, in pixels of its working lattice."""

    inside: int
    """Inside the image: no edge mask applies."""
    clear: int
    """Of these, to which no mask applies."""

    @property
    def part(self) -> float | None:
        """The clear part of what is inside the image; None when the image shows nothing of the tile."""
        return self.clear / self.inside if self.inside else None


@dataclass(frozen=True)
class ValidityParams:
    """Projection of vectors, and how many clear dates a sample needs: one at least, whatever is asked for."""

    proj: str
    cloud_threshold: int
    bands: Mapping[str, tuple[str, ...]]
    """By sensor, the bands whose values are checked: those that are used."""


def params(config: Config) -> ValidityParams:
    """What the validity depends on."""
    used = {options.spec.name: options.bands for options in enabled_sensors(config) if not options.spec.static}
    return ValidityParams(config.chain.proj, max(1, config.chain.cloud_threshold), used)


def run(job: JobContext) -> None:
    """Write the number of clear dates, the polygons where it is enough for samples, how clear each date is, and what
    is doubtful about values. This job is the first that reads each date of a tile, so it looks at their values."""
    scene = images_of(job.inp)
    write_remarks(job.out.notes, check_values(scene, job.params.bands, threads=job.use.threads))
    write_text(job.out.dates, clear_dates_csv(scene, _count(job, scene)))
    middle = scene.geobox.extent.centroid.coords[0][1]
    erosion = EROSION * units_per_metre(scene.geobox.crs, middle)
    polygons = polygons_at_least(job.out.validity, job.params.cloud_threshold, erosion)
    frame = polygon_frame(polygons, scene.geobox.crs, job.params.proj, tile=scene.tile)
    write_shapefile(frame, job.out.clear)


def _count(job: JobContext, scene: Scene) -> Mapping[str, np.ndarray]:
    """Write the number of clear dates; by sensor, (day, 2): pixels inside the image of each day, clear ones."""
    sensors = _dated(scene)
    dtype = "uint8" if sum(len(sensor.by_day) for sensor in sensors) < 255 else "uint16"
    profile = RasterProfile(scene.geobox, dtype, overviews="nearest")
    seen = {sensor.spec.name: np.zeros((len(sensor.by_day), 2), np.int64) for sensor in sensors}
    with CubeReader(scene, {}) as reader, RasterWriter(job.out.validity, profile) as writer:
        for block in reader.in_turn(blocks(scene.tile, scene.geobox, mask_shape(scene, job.use))):
            found = reader.sight(block)
            sights = {sensor.spec.name: found[sensor.spec.name].by_day(sensor.by_day) for sensor in sensors}
            counts = [sight.valid.sum(axis=0, dtype=dtype) for sight in sights.values()]
            writer.write(block, np.sum(counts, axis=0, dtype=dtype))
            for name, sight in sights.items():
                seen[name] += np.stack([sight.inside, np.count_nonzero(sight.valid, axis=(1, 2))], axis=1)
    return seen


def _dated(scene: Scene) -> list[SensorScene]:
    """The sensors that have dates to count."""
    return [sensor for sensor in scene.sensors if not sensor.spec.static]


def clear_dates_csv(scene: Scene, seen: Mapping[str, np.ndarray]) -> str:
    """A line for each day of a sensor; ``seen`` by sensor: (day, 2), pixels inside its images, and the clear ones."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for sensor in _dated(scene):
        for day, (inside, clear) in zip(sensor.by_day, seen[sensor.spec.name], strict=True):
            view = DateView(int(inside), int(clear))
            part = "" if view.part is None else f"{view.part:.4f}"
            writer.writerow([sensor.spec.name, f"{day:%Y%m%d}", view.inside, view.clear, part])
    return text.getvalue()


def read_clear_dates(path: Path) -> dict[tuple[str, str], DateView]:
    """The days by sensor and date (``YYYYMMDD``), as ``clear_dates_csv`` wrote them."""
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return {(row["sensor"], row["date"]): DateView(int(row["inside"]), int(row["clear"])) for row in rows}


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
    },
    params=params,
    version=7,
)
