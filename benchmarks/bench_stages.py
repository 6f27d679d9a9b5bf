"""Each stage from files to labels, measured alone on the blocks of the classification step."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from affine import Affine
from rasterio.enums import Resampling
from rasterio.io import MemoryFile

from benchmarks.archives import DATES
from benchmarks.figures import Figure, Figures
from benchmarks.reading import decode, windows
from benchmarks.stage_inputs import StageInputs
from iota2.compute.features import feature_block
from iota2.compute.temporal import gapfill
from iota2.core.grid import block_of
from iota2.core.recipe import TEMPORAL_FEATURES
from iota2.io.files.gdal import gdal_environment, limit_threads
from iota2.io.rasters.files import RasterProfile, RasterWriter
from iota2.io.series.reader import CubeReader

GROUP = "stages"


@pytest.fixture
def measure(benchmark: Any, figures: Figures, rounds: int) -> Callable[..., Figure]:
    """A function that measures some rounds of a stage on one thread, and records the figure."""

    def run(
        name: str, inputs: StageInputs, work: Callable[..., object], *, pixels: int = 0, setup: Any = None, **more: Any
    ) -> Figure:
        with limit_threads(1), gdal_environment():
            warm = {} if setup else {"warmup_rounds": 1}
            benchmark.pedantic(work, setup=setup, rounds=rounds, iterations=1, **warm)
        seconds = benchmark.stats.stats.data
        area, tile = pixels or inputs.part_pixels, inputs.run.archive.megapixels
        return figures.add(GROUP, name, seconds, pixels=area, megapixels=tile, **more)

    return run


def bench_decode_strips(
    measure: Callable[..., Figure], stage_inputs: Callable[[float], StageInputs], megapixels: float
) -> None:
    """Decoding of every byte once: the lower limit."""
    inputs = stage_inputs(megapixels)
    rows = max(block.rows[1] for block in inputs.blocks)
    width = inputs.scene.geobox.shape.x
    strip = block_of(inputs.scene.tile, inputs.scene.geobox, (0, rows), (0, width))
    pieces = [windows(inputs.scene, inputs.bands, strip, exact=True)]
    measure("decode, every byte once", inputs, lambda: decode(pieces), pixels=inputs.pixels)


def bench_decode_windows(
    measure: Callable[..., Figure], stage_inputs: Callable[[float], StageInputs], megapixels: float
) -> None:
    """Decoding of the step: the blocks with their margins, each row once."""
    inputs = stage_inputs(megapixels)

    def read() -> None:
        with CubeReader(inputs.scene, inputs.bands) as reader:
            for _ in reader.blocks(inputs.blocks):
                pass

    measure("decode", inputs, read, pixels=inputs.pixels, reference="decode, every byte once")


def bench_series(
    measure: Callable[..., Figure], stage_inputs: Callable[[float], StageInputs], megapixels: float
) -> None:
    """Series and validity from decoded pixels: masks, resampling, assembly."""
    inputs = stage_inputs(megapixels)
    first = inputs.blocks[0]
    with CubeReader(inputs.scene, inputs.bands) as reader:
        _, decoded = next(reader.blocks([first]))
    parts = inputs.computed(first)
    pixels = first.shape[0] * first.shape[1]
    measure("series", inputs, lambda: [decoded.cubes(part) for part in parts][:0], pixels=pixels)


def bench_resample_gdal(
    measure: Callable[..., Figure], stage_inputs: Callable[[float], StageInputs], megapixels: float
) -> None:
    """Cubic resampling of the same pixels by GDAL, from memory."""
    inputs = stage_inputs(megapixels)
    coarse = inputs.coarse()
    values, layers = coarse[0][0][:1], len(coarse[0][0])
    with ExitStack() as stack:
        memory = stack.enter_context(MemoryFile())
        profile = {"driver": "GTiff", "dtype": "int16", "transform": Affine(20, 0, 0, 0, -20, 0)}
        with memory.open(count=1, height=values.shape[1], width=values.shape[2], **profile) as file:
            file.write(values)
        source = stack.enter_context(memory.open())

        def read() -> None:
            for part in inputs.parts:
                for _ in range(layers):
                    source.read(1, out_shape=part.shape, resampling=Resampling.cubic)

        measure("resample with GDAL", inputs, read)


def bench_resample(
    measure: Callable[..., Figure], stage_inputs: Callable[[float], StageInputs], megapixels: float
) -> None:
    """Resampling of six bands of thirty dates from 20 m to 10 m."""
    inputs = stage_inputs(megapixels)
    coarse = inputs.coarse()
    assert len(coarse[0][0]) == 6 * len(DATES)

    def work() -> None:
        for values, place in coarse:
            place.resample(values, -10000)

    measure("resample", inputs, work, reference="resample with GDAL")


def bench_gapfill(
    measure: Callable[..., Figure], stage_inputs: Callable[[float], StageInputs], megapixels: float
) -> None:
    """Gap filling of ten bands from 30 dates to 37 dates."""
    inputs = stage_inputs(megapixels)
    (sensor,) = inputs.recipe.sensors
    cubes = [cube for (cube,) in (series.values() for series in inputs.cubes)]
    days, out_days = (np.array([day.toordinal() for day in series]) for series in (cubes[0].days, sensor.days))

    def fill() -> None:
        for cube in cubes:
            gapfill(cube.values, cube.valid, days, out_days)

    measure("gap fill", inputs, fill)


def bench_features(
    measure: Callable[..., Figure], stage_inputs: Callable[[float], StageInputs], megapixels: float
) -> None:
    """All features, including gap filling."""
    inputs = stage_inputs(megapixels)
    assert len(inputs.recipe.names) == 481
    cubes = inputs.cubes

    def work() -> None:
        for series in cubes:
            feature_block(series, inputs.recipe)

    measure("features, including gap filling", inputs, work)


def bench_temporal_features(
    measure: Callable[..., Figure], stage_inputs: Callable[[float], StageInputs], megapixels: float
) -> None:
    """All features with differences and statistics of ten bands and three indices, including gap filling."""
    inputs = stage_inputs(megapixels)
    sensors = tuple(replace(sensor, temporal=TEMPORAL_FEATURES) for sensor in inputs.recipe.sensors)
    recipe = replace(inputs.recipe, sensors=sensors)
    assert len(recipe.names) == 481 + 13 * (36 + 13)
    cubes = inputs.cubes

    def work() -> None:
        for series in cubes:
            feature_block(series, recipe)

    reference = "features, including gap filling"
    measure("features with temporal features, including gap filling", inputs, work, reference=reference)


def bench_predict(
    measure: Callable[..., Figure], stage_inputs: Callable[[float], StageInputs], megapixels: float
) -> None:
    """Labels and confidence of a block from its features."""
    inputs = stage_inputs(megapixels)
    features, everywhere = inputs.features, [np.ones(part.shape, bool) for part in inputs.parts]
    note = f"{inputs.run.model.meta.summary['nodes']} nodes"

    def work() -> None:
        for block, where in zip(features, everywhere, strict=True):
            inputs.run.model.predict(block, where)

    measure("forest", inputs, work, note=note)


def bench_write(
    measure: Callable[..., Figure], stage_inputs: Callable[[float], StageInputs], megapixels: float, tmp_path: Path
) -> None:
    """Writing of labels and confidence to compressed files."""
    inputs = stage_inputs(megapixels)
    rows = max(block.rows[1] for block in inputs.blocks)
    grid = inputs.scene.geobox[0:rows, :]
    found = inputs.prediction
    labels, confidence = found.labels.astype(np.uint8), found.confidence

    def write() -> None:
        with (
            RasterWriter(tmp_path / "labels.tif", RasterProfile(grid, "uint8", nodata=0)) as first,
            RasterWriter(tmp_path / "confidence.tif", RasterProfile(grid, "float32", nodata=0)) as second,
        ):
            for block in inputs.blocks:
                for part in inputs.computed(block):
                    inside = slice(0, part.shape[0]), slice(0, part.shape[1])
                    first.write(part, labels[inside])
                    second.write(part, confidence[inside])

    measure("write", inputs, write, pixels=inputs.pixels)
