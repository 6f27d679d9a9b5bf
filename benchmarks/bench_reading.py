"""Reading of each kind of file, from stored bytes to series on the grid of the tile."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import pytest
from rasterio.windows import Window

from benchmarks.archive_forms import in_jpeg2000, in_strips, of_other_zone, scene_of
from benchmarks.archives import DATES, Archive, archive, side_of
from benchmarks.figures import Figures
from benchmarks.reading import FileWindow, decode
from iota2.compute.block_shapes import BlockShapes
from iota2.core.graph import Resources
from iota2.core.grid import Block, blocks
from iota2.core.recipe import FeatureRecipe, SensorRecipe, interpolation_dates
from iota2.core.scene import Scene, SensorScene
from iota2.io.files.gdal import gdal_environment, limit_threads
from iota2.io.series.reader import series_reader
from iota2.steps.blocks import prediction_shapes

CLASSES = 17
KINDS: Mapping[str, Callable[[Archive], SensorScene]] = {
    "strips": in_strips,
    "JPEG 2000": in_jpeg2000,
    "another zone, 10 m": partial(of_other_zone, pixel=10),
    "another zone, 30 m": partial(of_other_zone, pixel=30),
}


@dataclass(frozen=True)
class Reading:
    """A scene of one sensor, and the blocks in which the classification step reads it."""

    scene: Scene

    @cached_property
    def recipe(self) -> FeatureRecipe:
        """All bands, every ten days."""
        (sensor,) = self.scene.sensors
        spec, dates = sensor.spec, interpolation_dates(DATES[0], DATES[-1], 10)
        return FeatureRecipe((SensorRecipe(spec.name, spec.band_names, spec.roles, dates, indices=()),))

    @cached_property
    def shapes(self) -> BlockShapes:
        """Shapes of decoded and computed blocks."""
        return prediction_shapes(self.scene, self.recipe, Resources(), CLASSES)

    @cached_property
    def blocks(self) -> list[Block]:
        """The decoded blocks, in order."""
        return self.shapes.in_order(self.scene.tile, self.scene.geobox)

    def computed(self, block: Block) -> list[Block]:
        """The computed blocks inside a decoded block."""
        return list(blocks(block.tile, self.scene.geobox, self.shapes.computed, block.rows, block.cols))

    def files(self) -> list[FileWindow]:
        """The complete windows of all files."""
        (sensor,) = self.scene.sensors
        found = {}
        for acquisition in sensor.acquisitions:
            for name, path in (*acquisition.bands.items(), *acquisition.masks.items()):
                rows, cols = sensor.grids[name].shape
                found[path] = FileWindow(path, 1, Window(0, 0, cols, rows))
        return list(found.values())

    def read(self, *, series: bool) -> None:
        """Decode all blocks; with ``series``, also compute the series on the grid of the tile."""
        with series_reader(self.scene, self.recipe) as reader:
            for block, decoded in reader.blocks(self.blocks):
                for part in self.computed(block) if series else ():
                    decoded.cubes(part)


@pytest.mark.parametrize("kind", KINDS)
def bench_reading(figures: Figures, rounds: int, bench_data: Path, megapixels: float, kind: str) -> None:
    """Every byte once, the decoding of steps, and the series: one after the other in each round."""
    made = archive(bench_data, side_of(megapixels))
    reading = Reading(scene_of(made, KINDS[kind](made)))
    (sensor,) = reading.scene.sensors
    work = {
        f"{kind}: every byte once": lambda: decode([[reading.files()]]),
        f"{kind}: decode": lambda: reading.read(series=False),
        f"{kind}: files to series": lambda: reading.read(series=True),
    }
    seconds: dict[str, list[float]] = {name: [] for name in work}
    timer = time.process_time if figures.processor_time else time.perf_counter
    with limit_threads(1), gdal_environment():
        reading.read(series=True)
        for _ in range(rounds):
            for name, act in work.items():
                started = timer()
                act()
                seconds[name].append(timer() - started)
    every_byte, *_ = work
    note = f"{len(sensor.spec.bands)} bands, {len(sensor.acquisitions)} dates"
    for name, measured in seconds.items():
        more = {"note": note} if name == every_byte else {"reference": every_byte}
        figures.add("reading", name, measured, pixels=made.side**2, megapixels=made.megapixels, **more)
