"""Blocks chosen for a budget are read, made into features and classified within it."""

from __future__ import annotations

import tracemalloc
from contextlib import ExitStack
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox

from iota2.classifiers import Model, train_model, validate_options
from iota2.compute.features import feature_block
from iota2.core.graph import Resources
from iota2.core.grid import blocks
from iota2.core.nomenclature import Nomenclature
from iota2.core.recipe import FeatureRecipe, SensorRecipe
from iota2.core.scene import Scene
from iota2.core.sensor import SensorSpec
from iota2.io.block_shapes import BlockShapes
from iota2.io.cubes import CubeReader, recipe_bands
from iota2.io.environ import gdal_environment
from iota2.io.products import scan_tile
from iota2.io.rasters import RasterWriter
from iota2.io.specs import parse_spec
from iota2.steps.blocks import copy_shape, mask_shape, prediction_shapes
from iota2.steps.classification import Maps, confidence_profile, label_profile, probability_profile
from iota2.testing.products import Layer, write_product

TILE = "T31TCJ"
LATTICE = GeoBox((128, 512), Affine(10, 0, 300000, 0, -10, 4900020), "EPSG:32631")
COARSE = GeoBox((64, 256), Affine(20, 0, 300000, 0, -20, 4900020), "EPSG:32631")
DAYS = [date(2018, 1, 1) + timedelta(days=10 * k) for k in range(6)]
CODES = tuple(range(1, 18))
SPEC = """
name: Small
section: Small
product: '^SMALL_(?P<date>\\d{8})'
bands: [{name: RED, file: '*_red.tif', role: red}, {name: NIR, file: '*_nir.tif', role: nir}]
masks: [{name: CLOUD, file: '*_cloud.tif'}]
nodata: -10000
"""


def scene_of(spec: SensorSpec, root: Path) -> Scene:
    rng = np.random.default_rng(0)
    for day in DAYS:
        layers = {
            "RED": Layer(rng.integers(0, 9000, LATTICE.shape).astype(np.int16), LATTICE),
            "NIR": Layer(rng.integers(0, 9000, COARSE.shape).astype(np.int16), COARSE),
            "CLOUD": Layer((rng.random(LATTICE.shape) < 0.2).astype(np.uint8), LATTICE),
        }
        write_product(spec, root / TILE, TILE, day, layers)
    sensor, _ = scan_tile(spec, root, TILE)
    return Scene(TILE, LATTICE, (sensor,))


def trained(recipe: FeatureRecipe) -> Model:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(170, len(recipe.names))).astype(np.float32) * 9000
    parameters, _ = validate_options("rf", {"classifier.rf.nbtrees": 2})
    return train_model("rf", parameters, x, np.repeat(CODES, 10), recipe=recipe, seed=0, region="1", threads=1)


@pytest.mark.parametrize("megabytes", [8, 32])
@pytest.mark.parametrize("scale", [1.0, 0.5], ids=["integers", "floats"])
@pytest.mark.parametrize("copied", [True, False], ids=["bands and index", "index alone"])
def test_classification_keeps_its_budget(tmp_path: Path, megabytes: int, scale: float, copied: bool) -> None:
    spec = replace(parse_spec(SPEC, source="small.yaml"), scale=scale)
    scene = scene_of(spec, tmp_path)
    dates = tuple(f"{date(2018, 1, 1) + timedelta(days=2 * k):%Y%m%d}" for k in range(30))
    roles = {"red": "RED", "nir": "NIR", "swir": "NIR"}
    recipe = FeatureRecipe((SensorRecipe("Small", ("RED", "NIR"), roles, dates, ("NDVI",), copy_input=copied),))
    model, use = trained(recipe), Resources(memory=megabytes << 20)
    shapes = prediction_shapes(scene, recipe, use, len(CODES))
    classify(scene, model, shapes, tmp_path, count=1)  # compiles
    tracemalloc.start()
    classify(scene, model, shapes, tmp_path, count=4)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak <= use.memory
    assert peak > 0.3 * use.memory  # it is used, too


def classify(scene: Scene, model: Model, shapes: BlockShapes, folder: Path, count: int) -> None:
    """Read, compute, classify and write some blocks, as the step does."""
    named = Nomenclature(CODES, tuple(map(str, CODES)), tuple((c, 0, 0) for c in CODES), CODES)
    writers = [
        RasterWriter(folder / f"{k}.tif", profile)
        for k, profile in enumerate(
            (label_profile(LATTICE, named), confidence_profile(LATTICE), probability_profile(LATTICE, named))
        )
    ]
    with ExitStack() as stack:
        stack.enter_context(gdal_environment())
        reader = stack.enter_context(CubeReader(scene, recipe_bands(model.recipe)))
        maps = Maps(*(stack.enter_context(writer) for writer in writers))
        for block, decoded in reader.decoded(blocks(TILE, LATTICE, shapes.decoded)):
            for part in list(blocks(TILE, LATTICE, shapes.computed, block.rows, block.cols))[:count]:
                features = feature_block(decoded.cubes(part), model.recipe)
                maps.write(part, model.predict(features, np.ones(part.shape, bool)), np.arange(len(CODES)))
                del features


def test_masks_are_read_within_the_budget(tmp_path: Path) -> None:
    scene = scene_of(parse_spec(SPEC, source="small.yaml"), tmp_path)
    use = Resources(memory=2 << 20)
    shape = mask_shape(scene, use)
    assert shape != LATTICE.shape
    with gdal_environment(), CubeReader(scene, {}) as reader:
        block = next(blocks(TILE, LATTICE, shape))
        reader.sight(block)
        tracemalloc.start()
        reader.sight(block)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak <= use.memory


def test_copies_are_made_within_the_budget() -> None:
    assert copy_shape(Resources(), 1) == (1024, 2048)
    for pixel_bytes in (2, 34, 600):
        for memory in (1 << 20, 8 << 20, 256 << 20):
            rows, cols = copy_shape(Resources(memory=memory), pixel_bytes)
            assert rows * cols * pixel_bytes <= memory or (rows, cols) == (64, 64)
