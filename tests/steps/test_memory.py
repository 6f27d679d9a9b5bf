"""Blocks are read, computed, classified and copied within the memory of a job."""

from __future__ import annotations

import json
import subprocess
import sys
import tracemalloc
from contextlib import ExitStack
from dataclasses import replace
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox

from iota2.classifiers import Model, train_model, validate_options
from iota2.classifiers.forest import ForestClassifier
from iota2.classifiers.models import save_model
from iota2.compute.block_shapes import BlockShapes
from iota2.compute.trees import Forest
from iota2.core.graph import MultiplePaths, Paths, Resources
from iota2.core.grid import Block, blocks
from iota2.core.nomenclature import Nomenclature
from iota2.core.recipe import TEMPORAL_FEATURES, FeatureRecipe, SensorRecipe
from iota2.core.scene import Scene
from iota2.core.sensor import SensorSpec
from iota2.errors import ConfigError
from iota2.io.archive.products import scan_tile, working_geobox
from iota2.io.archive.specs import parse_spec
from iota2.io.files.atomic import write_text
from iota2.io.files.gdal import gdal_environment
from iota2.io.rasters.files import RasterProfile, RasterWriter
from iota2.io.series.reader import CubeReader
from iota2.io.series.scene_file import scene_to_json, shifted
from iota2.io.tables.classes import write_classes
from iota2.steps.blocks import copy_shape, feature_shapes, fitting_threads, mask_shape, prediction_shapes
from iota2.steps.map_writers import Maps
from iota2.steps.pixels import feature_blocks
from iota2.steps.profiles import confidence_profile, label_profile, probability_profile
from iota2.steps.region_blocks import fitting_shapes
from iota2.testing.products import Layer, write_product

TILE = "T31TCJ"
GRID = GeoBox((128, 512), Affine(10, 0, 300000, 0, -10, 4900020), "EPSG:32631")
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


FEATURES: dict[str, dict[str, Any]] = {
    "bands and index": {},
    "index alone": {"copy_input": False},
    "temporal features": {"temporal": TEMPORAL_FEATURES},
}


def scene_of(spec: SensorSpec, root: Path, mask: type = np.uint8) -> Scene:
    rng = np.random.default_rng(0)
    for day in DAYS:
        layers = {
            "RED": Layer(rng.integers(0, 9000, GRID.shape).astype(np.int16), GRID),
            "NIR": Layer(rng.integers(0, 9000, COARSE.shape).astype(np.int16), COARSE),
            "CLOUD": Layer((rng.random(GRID.shape) < 0.2).astype(mask), GRID),
        }
        write_product(spec, root / TILE, TILE, day, layers)
    sensor, _ = scan_tile(spec, root, TILE)
    return Scene(TILE, GRID, (sensor,))


def trained(recipe: FeatureRecipe) -> Model:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(170, len(recipe.names))).astype(np.float32) * 9000
    parameters, _ = validate_options("rf", {"classifier.rf.nbtrees": 2})
    return train_model("rf", parameters, x, np.repeat(CODES, 10), recipe=recipe, seed=0, region="1", threads=1)


@pytest.mark.parametrize("megabytes", [8, 32])
@pytest.mark.parametrize("scale", [1.0, 0.5], ids=["integers", "floats"])
@pytest.mark.parametrize("features", FEATURES)
def test_classification_stays_within_its_memory(tmp_path: Path, megabytes: int, scale: float, features: str) -> None:
    spec = replace(parse_spec(SPEC, source="small.yaml"), scale=scale)
    scene = scene_of(spec, tmp_path)
    dates = tuple(f"{date(2018, 1, 1) + timedelta(days=2 * k):%Y%m%d}" for k in range(30))
    roles = {"red": "RED", "nir": "NIR", "swir": "NIR"}
    recipe = FeatureRecipe((SensorRecipe("Small", ("RED", "NIR"), roles, dates, **FEATURES[features]),))
    model, use = trained(recipe), Resources(memory=megabytes << 20)
    shapes = prediction_shapes(scene, recipe, use, len(CODES))
    classify(scene, model, shapes, tmp_path, count=1)  # compiles
    tracemalloc.start()
    classify(scene, model, shapes, tmp_path, count=4)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak <= use.memory
    assert peak > 0.3 * use.memory  # and the memory is used


def classify(scene: Scene, model: Model, shapes: BlockShapes, folder: Path, count: int) -> None:
    """Read, compute, classify and write ``count`` computed blocks of each decoded block, like the step."""
    named = Nomenclature(CODES, tuple(map(str, CODES)), tuple((c, 0, 0) for c in CODES), CODES)
    writers = [
        RasterWriter(folder / f"{k}.tif", profile)
        for k, profile in enumerate(
            (label_profile(GRID, named), confidence_profile(GRID), probability_profile(GRID, named))
        )
    ]
    with ExitStack() as stack:
        stack.enter_context(gdal_environment())
        maps = Maps(*(stack.enter_context(writer) for writer in writers))

        def wanted(block: Block) -> list[tuple[Block, None]]:
            found = blocks(TILE, GRID, shapes.computed, block.rows, block.cols)
            return [(part, None) for part in list(found)[:count]]

        order = blocks(TILE, GRID, shapes.decoded)
        for part, features, _ in feature_blocks(scene, model.recipe, order, wanted):
            maps.write(part, model.predict(features, np.ones(part.shape, bool)))
            del features


def random_forest_model(recipe: FeatureRecipe, nodes: int, rng: np.random.Generator) -> Model:
    """A forest with at least ``nodes`` nodes in total, built directly as full trees with random splits."""
    levels, features = 12, len(recipe.names)
    tests, leaves = 2**levels - 1, 2**levels
    trees = -(-nodes // (tests + leaves))
    position = np.arange(tests, dtype=np.uint32)
    column = rng.integers(0, len(CODES), (trees * leaves, 2)).astype(np.uint32)
    column[:, 1] = (column[:, 0] + 1) % len(CODES)
    forest = Forest(
        n_features=features,
        n_classes=len(CODES),
        roots=np.arange(trees, dtype=np.uint32) * (tests + leaves),
        feature=np.concatenate(
            [np.r_[rng.integers(0, features, tests), np.full(leaves, features)] for _ in range(trees)]
        ).astype(np.uint32),
        threshold=np.concatenate(
            [np.r_[rng.uniform(0, 9000, tests), np.arange(t * leaves, (t + 1) * leaves)] for t in range(trees)]
        ).astype(np.float32),
        child=np.tile(np.r_[2 * position + 1, np.arange(tests, tests + leaves)], trees).astype(np.uint32),
        starts=np.arange(0, 2 * trees * leaves + 1, 2, dtype=np.uint32),
        column=np.sort(column, axis=1).ravel(),
        share=np.full(2 * trees * leaves, 0.5),
    )
    model = trained(recipe)
    classifier = ForestClassifier({})
    classifier._forest = forest
    return replace(model, classifier=classifier)


JOB = """
import sys
from pathlib import Path

from iota2.core.graph import JobContext, Key, Paths, Resources
from iota2.io.files.gdal import gdal_environment
from iota2.runs.workers.peak_memory import reset_peak, peak_mib
from iota2.steps.classification.classification import run
from iota2.steps.tile_models import RegionFusion
from tests.steps.test_memory import paths_of_job

def classified(root, megabytes, part):
    use = Resources(threads=2, memory=megabytes << 20)
    with gdal_environment(threads=2, cache_mb=4):
        run(JobContext(*paths_of_job(root, part), Key.of(tile="T31TCJ", part=part), RegionFusion(), use))

root, megabytes = Path(sys.argv[1]), int(sys.argv[2])
classified(root / "small", 24, 1)  # compiles
reset_peak()
before = peak_mib()
classified(root / "large", megabytes, 0)
print(before, peak_mib())
"""


RUNS = ("region", "submodel", "seed", "source")


def paths_of_job(root: Path, part: int) -> tuple[Paths, Paths]:
    """The paths of a job that classifies a strip with the models of two regions and two seeds."""
    models = {(region, "", seed, ""): f"model_{region}_{seed}" for region in ("1", "2") for seed in (0, 1)}
    kinds = ("labels", "confidence", "probabilities")
    needs = {"scene": "scene.json", "classes": "classes.json", "models": MultiplePaths(RUNS, models), "listing": "none"}
    masks = MultiplePaths(("region",), {("1",): "region_1.tif", ("2",): "region_2.tif"})
    makes = {
        kind: MultiplePaths(RUNS, {key: f"{kind}_{key[0]}_{key[2]}_{part}.tif" for key in models}) for kind in kinds
    }
    return Paths(root, {**needs, "masks": masks}), Paths(root, makes)


WIDE = GeoBox((1100, 1024), GRID.affine, GRID.crs)
TILED = {"driver": "GTiff", "tiled": True, "blockxsize": 256, "blockysize": 256}


def archive(root: Path, stored: dict[str, object]) -> Scene:
    """A series larger than the memory in these tests; ``stored``: rasterio options of its files."""
    rng, spec = np.random.default_rng(0), parse_spec(SPEC, source="small.yaml")
    coarse = GeoBox((550, 512), COARSE.affine, COARSE.crs)
    layers = {
        "RED": Layer(rng.integers(0, 9000, WIDE.shape).astype(np.int16), WIDE),
        "NIR": Layer(rng.integers(0, 9000, coarse.shape).astype(np.int16), coarse),
        "CLOUD": Layer((rng.random(WIDE.shape) < 0.2).astype(np.uint8), WIDE),
    }
    first = write_product(spec, root / TILE, TILE, date(2017, 12, 31), layers)
    for path in first.iterdir() if stored else ():
        with rasterio.open(path) as file:
            values, profile = file.read(), {**file.profile, **stored}
        with rasterio.open(path, "w", **profile) as file:
            file.write(values)
    for number in range(19):  # the other dates are hard links to the same files
        day = f"{date(2018, 1, 1) + timedelta(days=10 * number):%Y%m%d}"
        (root / TILE / first.name.replace("20171231", day)).mkdir()
        for path in first.iterdir():
            name = path.name.replace("20171231", day)
            (root / TILE / first.name.replace("20171231", day) / name).hardlink_to(path)
    sensor, _ = scan_tile(spec, root, TILE)
    return Scene(TILE, WIDE, (sensor,))


@pytest.mark.parametrize("stored", [{}, pytest.param(TILED, marks=pytest.mark.long)], ids=["strips", "tiles"])
def test_a_worker_stays_within_its_memory_with_large_models_and_two_threads(
    tmp_path: Path, stored: dict[str, object]
) -> None:
    scene = archive(tmp_path, stored)
    dates = tuple(f"{date(2018, 1, 1) + timedelta(days=2 * k):%Y%m%d}" for k in range(30))
    recipe = FeatureRecipe((SensorRecipe("Small", ("RED", "NIR"), {"red": "RED", "nir": "NIR", "swir": "NIR"}, dates),))
    models = {"small": random_forest_model(recipe, 9000, np.random.default_rng(0))}
    models["large"] = random_forest_model(recipe, 500_000, np.random.default_rng(0))
    for name, model in models.items():
        root = tmp_path / name
        root.mkdir()
        write_text(root / "scene.json", json.dumps(scene_to_json(scene)))
        write_classes(
            Nomenclature(CODES, tuple(map(str, CODES)), tuple((c, 0, 0) for c in CODES), CODES), root / "classes.json"
        )
        for k in range(4):
            save_model(model, root / f"model_{k // 2 + 1}_{k % 2}", root / f"card_{k}.txt")
        for region in (1, 2):
            with RasterWriter(root / f"region_{region}.tif", RasterProfile(WIDE, "uint8")) as mask:
                for block in blocks(TILE, WIDE, WIDE.shape):
                    mask.write(block, np.full(WIDE.shape, np.arange(1024) // 512 + 1 == region, np.uint8))
    command = [sys.executable, "-c", JOB, tmp_path, "128"]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    before, peak = map(int, done.stdout.split())
    assert "too much" not in done.stderr
    assert peak - before <= 128
    assert peak - before > 128 / 3, "and the memory is used"


def test_models_larger_than_the_memory_are_reported_and_use_the_smallest_blocks(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    scene = scene_of(parse_spec(SPEC, source="small.yaml"), tmp_path)
    recipe = FeatureRecipe((SensorRecipe("Small", ("RED", "NIR"), {}, ("20180101",), indices=()),))
    save_model(random_forest_model(recipe, 500_000, np.random.default_rng(0)), tmp_path / "model", tmp_path / "card")
    models = MultiplePaths(RUNS, {("1", "", 0, ""): "model"})
    inp = Paths(tmp_path, {"models": models, "masks": MultiplePaths(("region",), {("1",): "m"})})
    shapes = fitting_shapes(inp, scene, recipe, len(CODES), Resources(memory=8 << 20))
    assert shapes.decoded == (16, 64)
    assert "iota2 run --memory" in caplog.text


def test_threads_that_need_more_than_the_memory_are_not_used(tmp_path: Path) -> None:
    scene = archive(tmp_path, TILED)
    recipe = FeatureRecipe((SensorRecipe("Small", ("RED", "NIR"), {}, ("20180101",), indices=()),))
    few, many = (Resources(memory=8 << 20, threads=threads) for threads in (2, 500))
    with pytest.raises(ConfigError, match="Increase the memory"):
        feature_shapes(scene, recipe, many)
    assert fitting_threads(few, partial(feature_shapes, scene, recipe)) == few
    assert fitting_threads(many, partial(feature_shapes, scene, recipe)) == replace(many, threads=1)


def test_masks_are_read_within_the_memory(tmp_path: Path) -> None:
    scene = scene_of(parse_spec(SPEC, source="small.yaml"), tmp_path)
    use = Resources(memory=2 << 20)
    shape = mask_shape(scene, use)
    assert shape != GRID.shape
    with gdal_environment(), CubeReader(scene, {}) as reader:
        block = next(blocks(TILE, GRID, shape))
        reader.observed(block)
        tracemalloc.start()
        reader.observed(block)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak <= use.memory


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(("proj", "size"), [("EPSG:2154", None), ("EPSG:2154", 40.0), ("EPSG:32631", 40.0)])
def test_masks_on_other_grids_are_read_within_the_memory(
    tmp_path: Path, proj: str, size: float | None, threads: int
) -> None:
    """Each date has a different displacement; the mask files are int16 bit masks, with up to 16 pixels per pixel of the
    grid."""
    spec = parse_spec(SPEC.replace("'*_cloud.tif'", "'*_cloud.tif', bits: [0, 3]"), source="small.yaml")
    scene = scene_of(spec, tmp_path, np.int16)
    grid = working_geobox(GRID, spatial_resolution=(size, size) if size else None, working_grid="proj", proj=proj)
    shifts = {f"{day:%Y%m%d}": (1.0 + k, 0.5 * k) for k, day in enumerate(DAYS)}
    scene = shifted(replace(scene, geobox=grid), {"Small": shifts})
    use = Resources(memory=1 << 20 if size is None else threads * 640 << 10, threads=threads)
    shape = mask_shape(scene, use)
    with gdal_environment(), CubeReader(scene, {}, threads=threads) as reader:
        block = next(blocks(TILE, grid, shape))
        reader.observed(block)
        for read in (reader.observed, reader.footprint):
            tracemalloc.start()
            read(block)
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            assert peak <= use.memory


def test_rasters_are_copied_within_the_memory() -> None:
    assert copy_shape(Resources(), 1) == (1024, 2048)
    for pixel_bytes in (2, 34, 600):
        for memory in (1 << 20, 8 << 20, 256 << 20):
            rows, cols = copy_shape(Resources(memory=memory), pixel_bytes)
            assert rows * cols * pixel_bytes <= memory or (rows, cols) == (64, 64)
