"""Every stage of the way from files to labels alone, on the blocks that the classification step works in."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from affine import Affine
from rasterio.enums import Resampling
from rasterio.io import MemoryFile

from benchmarks.archives import DATES
from benchmarks.figures import Figure, Figures
from benchmarks.ground import Ground
from benchmarks.reading import decode, windows
from iota2.compute.features import feature_block
from iota2.compute.temporal import gapfill
from iota2.core.grid import block_of
from iota2.io.files.gdal import gdal_environment, limit_threads
from iota2.io.rasters.files import RasterProfile, RasterWriter
from iota2.io.series.reader import CubeReader

GROUP = "stages"


@pytest.fixture
def measure(benchmark: Any, figures: Figures, rounds: int) -> Callable[..., Figure]:
    """Time some rounds of a stage, on one thread, and note it."""

    def run(
        name: str, ground: Ground, work: Callable[..., object], *, pixels: int = 0, setup: Any = None, **more: Any
    ) -> Figure:
        with limit_threads(1), gdal_environment():
            warm = {} if setup else {"warmup_rounds": 1}
            benchmark.pedantic(work, setup=setup, rounds=rounds, iterations=1, **warm)
        seconds = benchmark.stats.stats.data
        area, tile = pixels or ground.part_pixels, ground.run.archive.megapixels
        return figures.add(GROUP, name, seconds, pixels=area, megapixels=tile, **more)

    return run


def bench_decode_strips(measure: Callable[..., Figure], grounds: Callable[[float], Ground], megapixels: float) -> None:
    """Every byte of the files once: the floor."""
    ground = grounds(megapixels)
    rows = max(block.rows[1] for block in ground.blocks)
    width = ground.scene.geobox.shape.x
    strip = block_of(ground.scene.tile, ground.scene.geobox, (0, rows), (0, width))
    pieces = [windows(ground.scene, ground.bands, strip, exact=True)]
    measure("decode, every byte once", ground, lambda: decode(pieces), pixels=ground.pixels)


def bench_decode_windows(measure: Callable[..., Figure], grounds: Callable[[float], Ground], megapixels: float) -> None:
    """As the step decodes: all that its blocks need, rows around them once."""
    ground = grounds(megapixels)

    def read() -> None:
        with CubeReader(ground.scene, ground.bands) as reader:
            for _ in reader.blocks(ground.blocks):
                pass

    measure("decode", ground, read, pixels=ground.pixels, reference="decode, every byte once")


def bench_series(measure: Callable[..., Figure], grounds: Callable[[float], Ground], megapixels: float) -> None:
    """Series and validity of what is decoded: masks, resampling, the pixels put together."""
    ground = grounds(megapixels)
    first = ground.blocks[0]
    with CubeReader(ground.scene, ground.bands) as reader:
        _, decoded = next(reader.blocks([first]))
    parts = ground.within(first)
    pixels = first.shape[0] * first.shape[1]
    measure("series", ground, lambda: [decoded.cubes(part) for part in parts][:0], pixels=pixels)


def bench_resample_gdal(measure: Callable[..., Figure], grounds: Callable[[float], Ground], megapixels: float) -> None:
    """GDAL's cubic on the same pixels, from memory."""
    ground = grounds(megapixels)
    coarse = ground.coarse()
    values, layers = coarse[0][0][:1], len(coarse[0][0])
    with ExitStack() as stack:
        memory = stack.enter_context(MemoryFile())
        profile = {"driver": "GTiff", "dtype": "int16", "transform": Affine(20, 0, 0, 0, -20, 0)}
        with memory.open(count=1, height=values.shape[1], width=values.shape[2], **profile) as file:
            file.write(values)
        source = stack.enter_context(memory.open())

        def read() -> None:
            for part in ground.parts:
                for _ in range(layers):
                    source.read(1, out_shape=part.shape, resampling=Resampling.cubic)

        measure("resample with GDAL", ground, read)


def bench_resample(measure: Callable[..., Figure], grounds: Callable[[float], Ground], megapixels: float) -> None:
    """Six bands of thirty dates from 20 m to 10 m."""
    ground = grounds(megapixels)
    coarse = ground.coarse()
    assert len(coarse[0][0]) == 6 * len(DATES)

    def work() -> None:
        for values, place in coarse:
            place.resample(values, -10000)

    measure("resample", ground, work, reference="resample with GDAL")


def bench_gapfill(measure: Callable[..., Figure], grounds: Callable[[float], Ground], megapixels: float) -> None:
    """Ten bands of thirty dates to 37 dates."""
    ground = grounds(megapixels)
    (sensor,) = ground.recipe.sensors
    cubes = [cube for (cube,) in (series.values() for series in ground.cubes)]
    days, out_days = (np.array([day.toordinal() for day in series]) for series in (cubes[0].days, sensor.days))

    def fill() -> None:
        for cube in cubes:
            gapfill(cube.values, cube.valid, days, out_days)

    measure("gap fill", ground, fill)


def bench_features(measure: Callable[..., Figure], grounds: Callable[[float], Ground], megapixels: float) -> None:
    """All features, gap filling included."""
    ground = grounds(megapixels)
    assert len(ground.recipe.names) == 481
    cubes = ground.cubes

    def work() -> None:
        for series in cubes:
            feature_block(series, ground.recipe)

    measure("features, gap filling included", ground, work)


def bench_predict(measure: Callable[..., Figure], grounds: Callable[[float], Ground], megapixels: float) -> None:
    """Labels and confidence of a block from its features."""
    ground = grounds(megapixels)
    features, everywhere = ground.features, [np.ones(part.shape, bool) for part in ground.parts]
    note = f"{ground.run.model.meta.summary['nodes']} nodes"

    def work() -> None:
        for block, where in zip(features, everywhere, strict=True):
            ground.run.model.predict(block, where)

    measure("forest", ground, work, note=note)


def bench_write(
    measure: Callable[..., Figure], grounds: Callable[[float], Ground], megapixels: float, tmp_path: Path
) -> None:
    """Labels and confidence to files, compressed."""
    ground = grounds(megapixels)
    rows = max(block.rows[1] for block in ground.blocks)
    grid = ground.scene.geobox[0:rows, :]
    found = ground.prediction
    labels, confidence = found.labels.astype(np.uint8), found.confidence

    def write() -> None:
        with (
            RasterWriter(tmp_path / "labels.tif", RasterProfile(grid, "uint8", nodata=0)) as first,
            RasterWriter(tmp_path / "confidence.tif", RasterProfile(grid, "float32", nodata=0)) as second,
        ):
            for block in ground.blocks:
                for part in ground.within(block):
                    inside = slice(0, part.shape[0]), slice(0, part.shape[1])
                    first.write(part, labels[inside])
                    second.write(part, confidence[inside])

    measure("write", ground, write, pixels=ground.pixels)
