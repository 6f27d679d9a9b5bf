"""The chain on a made-up world whose truth is known everywhere."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyogrio
import pytest
import rasterio
import scipy.ndimage
import shapely
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from rasterio.enums import Resampling
from sklearn.metrics import cohen_kappa_score, confusion_matrix, f1_score, precision_score, recall_score

from iota2 import layout
from iota2.classifiers import load_model
from iota2.compute.features import feature_block
from iota2.config.options.schema import Config
from iota2.core.cube import Cube
from iota2.core.graph import Resources
from iota2.core.grid import block_of, pixel_centres
from iota2.core.recipe import FeatureRecipe
from iota2.core.scene import Scene
from iota2.core.tables import sample_columns
from iota2.io.rasters.files import RasterReader
from iota2.io.rasters.rasterize import rasterize
from iota2.io.series.reader import CubeReader, recipe_bands
from iota2.io.series.scene_file import read_scene
from iota2.io.tables.recipes import read_recipe
from iota2.io.tables.vectors import read_samples, read_sqlite, read_vector
from iota2.runs.preview import survey_and_plan
from iota2.steps.pixels import features_at
from iota2.testing.world import DATES, WorldOptions, make_world
from iota2.testing.writing import write_world
from tests.chain.conftest import Mapped, configured, run_chain
from tests.compute.reference import reference_features


def read(path: Path, band: int = 1) -> np.ndarray:
    with rasterio.open(path) as source:
        return source.read(band)


@pytest.fixture(scope="module")
def truth(mapped: Mapped) -> np.ndarray:
    with RasterReader(mapped.final("Classif_Seed_0.tif")) as reader:
        return mapped.world.truth(reader.geobox)


@pytest.fixture(scope="module")
def owned(mapped: Mapped) -> np.ndarray:
    """Tile number (from 1) of each pixel of the map, 0 outside all envelopes."""
    with RasterReader(mapped.final("Classif_Seed_0.tif")) as reader:
        shapes = [
            (read_vector(mapped.root / f"envelope/{tile}.shp").union_all(), k + 1)
            for k, tile in enumerate(mapped.config.chain.list_tile)
        ]
        return rasterize(shapes, reader.geobox, "uint8")


# ------------------------------------------------------------------------------------------------- what is there


def test_every_file_of_the_layout_is_there_and_is_readable(mapped: Mapped) -> None:
    found, plan = survey_and_plan(mapped.config)
    assert found.classes is not None
    outputs = {plan.root / name for job in plan.jobs for name in job.makes}
    assert not [path for path in outputs if not path.exists()]
    for path in outputs:
        if path.suffix == ".tif":
            with rasterio.open(path) as source:
                assert source.crs is not None
                assert source.profile["tiled"]
                source.read(1)
        elif path.suffix in (".shp", ".sqlite"):
            assert pyogrio.read_info(path)["crs"] == mapped.config.chain.proj


TUTORIAL_FILES = """
    classif/Classif_{t}_model_1_seed_0.tif classif/MASK/MASK_region_1_{t}.tif classif/{t}_model_1_confidence_seed_0.tif
    dataAppVal/{t}_seed_0_learn.sqlite dataAppVal/{t}_seed_0_val.sqlite envelope/{t}.shp envelope/{t}.dbf
    features/{t}/tmp/MaskCommunSL.shp features/{t}/tmp/MaskCommunSL.tif features/{t}/tmp/Sentinel2_{t}_reference.tif
    features/{t}/tmp/Sentinel2_{t}_input_dates.txt features/{t}/tmp/Sentinel2_{t}_interpolation_dates.txt
    features/{t}/CloudThreshold_0.shp features/{t}/nbView.tif final/TMP/ClassificationResults_seed_0.txt
    final/TMP/Classif_Seed_0.csv final/TMP/{t}_Cloud.tif final/TMP/{t}_GlobalConfidence_seed_0.tif
    final/TMP/{t}_seed_0_CompRef.tif final/TMP/{t}_seed_0.csv final/TMP/{t}_seed_0.tif
    final/Classif_Seed_0_ColorIndexed.tif final/Classif_Seed_0.tif final/Confidence_Seed_0.tif
    final/Confusion_Matrix_Classif_Seed_0.png final/diff_seed_0.tif final/PixelsValidity.tif final/RESULTS.txt
    formattingVectors/{t}.shp formattingVectors/{t}.cpg learningSamples/class_statistics_seed0_learn.csv
    learningSamples/Samples_region_1_seed0_learn.sqlite learningSamples/{t}_region_1_seed0_Samples_learn.sqlite
    model/model_1_seed_0.txt samplesSelection/samples_region_1_seed_0_outrates.csv
    samplesSelection/samples_region_1_seed_0_selection.sqlite samplesSelection/samples_region_1_seed_0.shp
    samplesSelection/samples_region_1_seed_0.xml samplesSelection/{t}_region_1_seed_0_stats.xml
    samplesSelection/{t}_samples_region_1_seed_0_selection.sqlite samplesSelection/{t}_selection_merge.sqlite
    shapeRegion/EcoRegion_region_1_{t}.shp shapeRegion/EcoRegion_region_1_{t}.tif IOTA2_tasks_status.txt
    reference_data.shp EcoRegion.shp
    logs/CommonMasks/common_mask_{t}.out logs/CommonMasks/common_mask_{t}.err logs/confusionCmd/confusion_{t}_seed_0.out
    logs/confusionsMerge/merge_confusions.out logs/Envelope/tiles_envelopes.out
    logs/genRegionVector/region_generation.out logs/learnModel/learning_model_1_seed_0.out logs/mosaic/mosaic.out
    logs/PixelValidity/validity_raster_{t}.out logs/reportGeneration/final_report.out
    logs/samplesByModels/merge_model_1_seed_0_usually.out logs/samplesByTiles/merge_samples_{t}.out
    logs/samplesExtraction/extraction_{t}_part_0.out logs/samplesMerge/merge_model_1_seed_0.out
    logs/samplingLearningPolygons/s_sel_model_1_seed_0.out logs/sensorsPreprocess/preprocessing_{t}.out
    logs/statsSamplesModel/stats_1_S_0_T_{t}.out logs/VectorFormatting/vector_form_{t}.out
"""
"""The tree that users know, file by file."""


def test_the_tree_that_users_know_is_there(mapped: Mapped) -> None:
    tiles = mapped.config.chain.list_tile
    expected = {name.format(t=tile) for name in TUTORIAL_FILES.split() for tile in tiles}
    assert not sorted(name for name in expected if not (mapped.root / name).is_file())
    folders = "config_model dataAppVal/bymodels dataRegion dimRed final/simplification/mosaic final/vectors stats"
    assert all((mapped.root / name).is_dir() for name in folders.split())


def test_nothing_is_written_beside_what_the_layout_names(mapped: Mapped) -> None:
    """Else the page of outputs, generated from the layout, would not be the whole truth."""
    _, plan = survey_and_plan(mapped.config)
    written = {plan.root / name for job in plan.jobs for name in (*job.makes, *plan.given)}
    known = {path.with_suffix("") for path in written}
    extra = [
        path
        for path in mapped.root.rglob("*")
        if path.is_file()
        and path.relative_to(mapped.root).parts[0] != "logs"
        and path.with_suffix("") not in known
        and path.parent not in written
    ]
    named = {artifact.path for artifact in layout.artifacts()}
    assert {path.relative_to(mapped.root).as_posix() for path in extra} - named == set()


def test_nothing_is_written_into_the_archive(mapped: Mapped) -> None:
    products = [path for path in mapped.files.s2_path.rglob("*") if path.is_file()]
    known = re.compile(r"(_FRE_B\w+\.tif|_(CLM|EDG|SAT)_R[12]\.tif|README\.txt)$")
    assert products
    assert not [path for path in products if not known.search(path.name)]


# --------------------------------------------------------------------------------------------------- the map


def test_map_agrees_with_the_truth_over_all_clear_ground(mapped: Mapped, truth: np.ndarray, owned: np.ndarray) -> None:
    labels = read(mapped.final("Classif_Seed_0.tif"))
    clear = labels > 0
    assert (labels[clear] == truth[clear]).mean() > 0.88
    seam = near_seam(owned) & clear
    assert seam.sum() > 500
    assert (labels[seam] == truth[seam]).mean() > 0.86


def near_seam(owned: np.ndarray) -> np.ndarray:
    """Pixels within 50 m of where one tile's ground meets another's."""
    ndimage = scipy.ndimage
    return ndimage.binary_dilation(owned == 1, iterations=5) & ndimage.binary_dilation(owned == 2, iterations=5)


def test_no_gap_opens_and_only_ground_never_clear_is_left_out(mapped: Mapped, owned: np.ndarray) -> None:
    labels, validity = (read(mapped.final(name)) for name in ("Classif_Seed_0.tif", "PixelsValidity.tif"))
    confidence = read(mapped.final("Confidence_Seed_0.tif"))
    never = np.zeros(labels.shape, bool)
    with RasterReader(mapped.final("Classif_Seed_0.tif")) as reader:
        for k, tile in enumerate(mapped.config.chain.list_tile):
            never |= (owned == k + 1) & nearest_never_clear(mapped, tile, reader.geobox)
    assert never.sum() > 100
    assert not labels[never].any()
    assert not confidence[never].any()
    assert not validity[never].any()
    assert labels[(owned > 0) & ~never].all()
    assert confidence[labels > 0].min() >= 1
    assert validity[labels > 0].min() >= 1
    assert not labels[owned == 0].any()


def nearest_never_clear(mapped: Mapped, tile: str, geobox: GeoBox) -> np.ndarray:
    """Where the tile's nearest pixel is never clear, by plain coordinates."""
    rows, cols = np.indices(geobox.shape)
    x, y = pixel_centres(geobox, rows, cols)
    x, y = Transformer.from_crs(geobox.crs, mapped.world.geobox.crs, always_xy=True).transform(x, y)
    grid = mapped.world.tile_geobox(tile)
    col, row = np.floor((x - grid.affine.c) / 10).astype(int), np.floor((grid.affine.f - y) / 10).astype(int)
    inside = (row >= 0) & (row < grid.shape[0]) & (col >= 0) & (col < grid.shape[1])
    never = np.zeros(geobox.shape, bool)
    never[inside] = mapped.world.never_clear(tile)[row[inside], col[inside]]
    return never


@pytest.mark.long
def test_both_tiles_say_the_same_of_the_same_ground_in_a_constant_scene(tmp_path: Path) -> None:
    options = WorldOptions(size=128, overlap=32, constant=True, clouds=False, orbit_edge=False, dates=DATES[:4])
    world = make_world(options)
    config = configured(write_world(world, tmp_path), tmp_path / "run")
    run_chain(config, last_step="mosaic")
    with RasterReader(config.chain.output_path / "final/Classif_Seed_0.tif") as reader:
        labels, geobox = reader.read(reader.geobox), reader.geobox
    truth = world.truth(geobox)
    pure = scipy.ndimage.maximum_filter(truth, 7) == scipy.ndimage.minimum_filter(truth, 7)
    shapes = [(read_vector(p).union_all(), k + 1) for k, p in enumerate(envelopes(config))]
    owned = rasterize(shapes, geobox, "uint8")
    seam = near_seam(owned)
    assert (seam & pure).sum() > 200
    assert np.array_equal(labels[pure & (owned > 0)], truth[pure & (owned > 0)])


def envelopes(config: Config) -> list[Path]:
    return [config.chain.output_path / f"envelope/{tile}.shp" for tile in config.chain.list_tile]


def test_envelopes_share_the_ground_out(mapped: Mapped) -> None:
    first, second = (read_vector(path).union_all() for path in envelopes(mapped.config))
    footprints = [
        read_vector(mapped.root / f"features/{tile}/tmp/MaskCommunSL.shp").union_all()
        for tile in mapped.config.chain.list_tile
    ]
    assert first.intersection(second).area < 1e-3
    assert shapely.union_all([first, second]).symmetric_difference(shapely.union_all(footprints)).area < 1.0


# ------------------------------------------------------------------------------ features, samples and labels agree


def plain_cube(scene: Scene, bands: tuple[str, ...]) -> Cube:
    """The whole tile read by GDAL, file by file: 20 m bands brought to 10 m by its cubic, masks as they are."""
    (sensor,) = scene.sensors
    shape = scene.geobox.shape
    values = [[_plain(acq.bands[band], shape) for band in bands] for acq in sensor.acquisitions]
    masks = [[read(Path(path)) for path in acq.masks.values()] for acq in sensor.acquisitions]
    cube = np.array(values)
    valid = np.array([np.logical_and.reduce([mask == 0 for mask in of_date]) for of_date in masks])
    valid &= (cube != sensor.spec.nodata).all(axis=1)
    return Cube(cube, valid, sensor.days, sensor.keys, bands, sensor.spec.roles, sensor.spec.nodata)


def _plain(path: str, shape: tuple[int, int]) -> np.ndarray:
    with rasterio.open(path) as source:
        return source.read(1, out_shape=tuple(shape), resampling=Resampling.cubic)


def test_labels_are_what_the_model_says_of_features_computed_the_slow_way(mapped: Mapped) -> None:
    tile = "T31TCJ"
    scene, recipe = scene_and_recipe(mapped, tile)
    cube = plain_cube(scene, recipe.sensors[0].bands)
    rng = np.random.default_rng(0)
    compared = 0
    for region in ("1", "2"):
        labels = read(mapped.root / f"classif/Classif_{tile}_model_{region}_seed_0.tif")
        mask = read(mapped.root / f"classif/MASK/MASK_region_{region}_{tile}.tif") > 0
        assert not labels[~mask].any()
        rows, cols = np.nonzero(mask)
        chosen = rng.choice(len(rows), size=60, replace=False)
        rows, cols = rows[chosen], cols[chosen]
        picked = replace(
            cube, values=cube.values[:, :, rows, cols][..., None], valid=cube.valid[:, rows, cols][..., None]
        )
        features = reference_features({"Sentinel2": picked}, recipe)
        model = load_model(mapped.root / f"model/model_{region}_seed_0")
        expected = model.predict(features, np.ones((len(rows), 1), bool)).labels[:, 0]
        assert np.array_equal(labels[rows, cols], expected)
        compared += len(set(expected.tolist()))
    assert compared > 6


def scene_and_recipe(mapped: Mapped, tile: str) -> tuple[Scene, FeatureRecipe]:
    return read_scene(mapped.root / f"features/{tile}/tmp/scene.json"), read_recipe(
        mapped.root / "features/recipe.json"
    )


def test_extracted_samples_are_the_pixels_of_the_features_of_the_whole_tile(mapped: Mapped) -> None:
    """No skew between what is learned and what is mapped, to the last bit."""
    compared = 0
    for tile in mapped.config.chain.list_tile:
        scene, recipe = scene_and_recipe(mapped, tile)
        height, width = scene.geobox.shape
        with CubeReader(scene, recipe_bands(recipe)) as reader:
            whole = feature_block(reader.read(block_of(tile, scene.geobox, (0, height), (0, width))), recipe)
        for region in ("1", "2"):
            selection = f"samplesSelection/{tile}_samples_region_{region}_seed_0_selection.sqlite"
            points = read_sqlite(mapped.root / selection)
            samples = read_samples(mapped.root / f"learningSamples/{tile}_region_{region}_seed0_Samples_learn.sqlite")
            rows, cols = points["i2row"].to_numpy(), points["i2col"].to_numpy()
            assert len(samples) == len(points)
            compared += len(points)
            expected = whole.values[:, rows, cols].T
            assert np.array_equal(samples[sample_columns(recipe)].to_numpy(np.float32), expected)
    assert compared > 500


RECIPES = {
    "no indices": {"indices": ()},
    "indices only": {"copy_input": False},
    "relative": {"relative_reflectance": True, "keep_duplicates": False, "atmospheric_correction": True},
    "some bands": {"bands": ("B4", "B8", "B11")},
    "raw dates": {"gapfilling": False},
    "expressions": {"expressions": ("(B8 - B4) / (B8 + B4)", "B11 > b3 ? exp(b3 / b9) : sqrt(b2)"), "indices": ()},
}


@pytest.mark.parametrize("case", RECIPES)
def test_samples_equal_the_pixels_of_the_map_for_any_recipe(mapped: Mapped, case: str) -> None:
    scene, recipe = scene_and_recipe(mapped, "T31TCJ")
    changed = replace(recipe.sensors[0], **RECIPES[case])
    if case == "raw dates":
        changed = replace(changed, dates=scene.sensors[0].keys)
    recipe = FeatureRecipe((changed,))
    height, width = scene.geobox.shape
    with CubeReader(scene, recipe_bands(recipe)) as reader:
        whole = feature_block(reader.read(block_of("T31TCJ", scene.geobox, (0, height), (0, width))), recipe)
    rows, cols = (axis.ravel()[::11] for axis in np.indices((height, width)))
    samples, clear = features_at(scene, recipe, rows, cols, Resources(block_shape=(48, 80)))
    assert np.array_equal(samples, whole.values[:, rows, cols].T)
    assert np.array_equal(clear, whole.n_valid[rows, cols] > 0)


@pytest.mark.parametrize("shape", [(16, 160), (48, 80), (160, 16)])
def test_block_shape_does_not_change_features(mapped: Mapped, shape: tuple[int, int]) -> None:
    scene, recipe = scene_and_recipe(mapped, "T31TDJ")
    rows, cols = (axis.ravel()[::7] for axis in np.indices(scene.geobox.shape))
    whole, clear = features_at(scene, recipe, rows, cols, Resources())
    blocked, also_clear = features_at(scene, recipe, rows, cols, Resources(block_shape=shape))
    assert np.array_equal(whole, blocked)
    assert np.array_equal(clear, also_clear)


def test_learning_and_validation_share_no_ground(mapped: Mapped) -> None:
    tiles = mapped.config.chain.list_tile
    learn, validation = (
        [read_sqlite(mapped.root / f"dataAppVal/{tile}_seed_0_{side}.sqlite") for tile in tiles]
        for side in ("learn", "val")
    )
    shared = shapely.union_all([f.union_all() for f in learn]).intersection(
        shapely.union_all([f.union_all() for f in validation])
    )
    assert shared.area < 1e-3
    learners = {fid for frame in learn for fid in frame["originfid"]}
    assert learners
    assert not learners & {fid for frame in validation for fid in frame["originfid"]}


def test_selection_takes_as_many_pixels_of_each_class_as_asked(mapped: Mapped) -> None:
    wanted = mapped.config.arg_train.sample_selection.constant
    for region in ("1", "2"):
        lines = (mapped.root / f"samplesSelection/samples_region_{region}_seed_0_outrates.csv").read_text().splitlines()
        samples = read_samples(mapped.root / f"learningSamples/Samples_region_{region}_seed0_learn.sqlite")
        counts = samples["i2label"].value_counts()
        for line in lines[1:]:
            code, required, available, _ = line.split(",")
            assert int(required) == min(wanted, int(available)) == counts[int(code)]


# ------------------------------------------------------------------------------------------------ the products


def test_products_carry_nodata_overviews_names_and_colours(mapped: Mapped) -> None:
    classes = survey_and_plan(mapped.config)[0].classes
    assert classes is not None
    for name in ("Classif_Seed_0", "Classif_Seed_0_ColorIndexed", "Confidence_Seed_0", "PixelsValidity", "diff_seed_0"):
        with rasterio.open(mapped.final(f"{name}.tif")) as source:
            assert source.nodata == 0
            assert source.profile["tiled"]
            assert source.compression is not None
            assert source.overviews(1), name
            assert source.crs.to_epsg() == 2154
            assert source.res == (10, 10)
            assert [edge % 10 for edge in source.bounds] == [0, 0, 0, 0]
    with rasterio.open(mapped.final("Classif_Seed_0_ColorIndexed.tif")) as source:
        table = source.colormap(1)
        assert [table[code][:3] for code in classes.codes] == list(classes.colors)
        assert np.array_equal(source.read(1), read(mapped.final("Classif_Seed_0.tif")))
    with rasterio.open(mapped.final("ProbabilityMap_seed_0.tif")) as source:
        assert source.descriptions == tuple(f"{c} {n}" for c, n in zip(classes.codes, classes.names, strict=True))
    style = mapped.final("Classif_Seed_0.qml").read_text(encoding="utf-8")
    assert all(f'value="{code}"' in style for code in classes.codes)


def test_overviews_of_labels_hold_no_label_that_is_not_in_the_map(mapped: Mapped) -> None:
    with rasterio.open(mapped.final("Classif_Seed_0.tif"), overview_level=0) as source:
        small = source.read(1)
    assert set(np.unique(small)) <= set(np.unique(read(mapped.final("Classif_Seed_0.tif"))))


def test_probabilities_confidence_and_labels_agree(mapped: Mapped) -> None:
    codes = np.array(survey_and_plan(mapped.config)[0].classes.codes)  # type: ignore[union-attr]
    with rasterio.open(mapped.final("ProbabilityMap_seed_0.tif")) as source:
        probabilities = source.read().astype(int)
    labels, confidence = read(mapped.final("Classif_Seed_0.tif")), read(mapped.final("Confidence_Seed_0.tif"))
    mapped_ = labels > 0
    assert np.abs(probabilities.sum(axis=0)[mapped_] - 1000).max() <= len(codes)
    assert (probabilities[:, ~mapped_] == 65535).all()
    of_label = np.take_along_axis(probabilities, np.searchsorted(codes, labels)[None] % len(codes), axis=0)[0]
    assert (probabilities.max(axis=0) - of_label)[mapped_].max() <= 1
    assert np.abs(of_label / 10 - confidence)[mapped_].max() <= 0.6


# ------------------------------------------------------------------------------------------------- the numbers


def reference_and_map(mapped: Mapped) -> tuple[np.ndarray, np.ndarray]:
    """Codes of validation polygons and of the map at the same pixels."""
    with RasterReader(mapped.final("Classif_Seed_0.tif")) as reader:
        labels, geobox = reader.read(reader.geobox), reader.geobox
    frames = [read_sqlite(mapped.root / f"dataAppVal/{t}_seed_0_val.sqlite") for t in mapped.config.chain.list_tile]
    codes = np.zeros(geobox.shape, np.uint16)
    for frame in frames:
        burned = rasterize(zip(frame.geometry, frame["i2label"], strict=True), geobox, "uint16")
        codes = np.where(burned > 0, burned, codes)
    return codes[codes > 0], labels[codes > 0]


def test_metrics_are_those_of_the_map_and_equal_scikit_learn(mapped: Mapped) -> None:
    metrics = json.loads(mapped.final("metrics.json").read_text(encoding="utf-8"))
    reference, produced = reference_and_map(mapped)
    codes = [label["code"] for label in metrics["labels"]]
    seen = produced > 0
    reference, produced = reference[seen], produced[seen]
    (seed,) = metrics["seeds"]
    assert seed["confusion"] == confusion_matrix(reference, produced, labels=codes).tolist()
    assert seed["overall_accuracy"] == pytest.approx((reference == produced).mean())
    assert seed["kappa"] == pytest.approx(cohen_kappa_score(reference, produced))
    for name, score in (("precision", precision_score), ("recall", recall_score), ("f_score", f1_score)):
        assert seed[name] == pytest.approx(score(reference, produced, labels=codes, average=None).tolist())
    assert (metrics["rows"], metrics["columns"]) == ("reference", "map")


def test_results_text_read_back_gives_the_numbers_of_the_metrics(mapped: Mapped) -> None:
    text = mapped.final("RESULTS.txt").read_text(encoding="utf-8")
    metrics = json.loads(mapped.final("metrics.json").read_text(encoding="utf-8"))
    assert float(re.search(r"^OA : ([\d.]+)", text, re.M)[1]) == pytest.approx(  # type: ignore[index]
        metrics["summary"]["overall_accuracy"]["mean"], abs=5e-4
    )
    assert float(re.search(r"^KAPPA : ([\d.]+)", text, re.M)[1]) == pytest.approx(  # type: ignore[index]
        metrics["summary"]["kappa"]["mean"], abs=5e-4
    )
    rows = [line.split("|") for line in text.splitlines()]
    for k, label in enumerate(metrics["labels"]):
        matrix, table = [row for row in rows if row[0].strip() == label["name"]]
        assert [float(v) for v in matrix[1:-1]] == metrics["summary"]["mean_confusion"][k]
        for column, name in enumerate(("precision", "recall", "f_score"), start=1):
            assert float(table[column]) == pytest.approx(metrics["summary"][name][k]["mean"], abs=5e-4)


def test_confusion_in_csv_and_json_agree_and_tiles_add_up(mapped: Mapped) -> None:
    (seed,) = json.loads(mapped.final("metrics.json").read_text(encoding="utf-8"))["seeds"]
    whole = _counts(mapped.final("TMP/Classif_Seed_0.csv"))
    assert whole.tolist() == seed["confusion"]
    tiles = [_counts(mapped.final(f"TMP/{tile}_seed_0.csv")) for tile in mapped.config.chain.list_tile]
    assert np.array_equal(sum(tiles), whole)


def _counts(path: Path) -> np.ndarray:
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    return np.array([[int(v) for v in line.split(",")] for line in lines])


def test_difference_counts_right_and_wrong_pixels(mapped: Mapped) -> None:
    difference = read(mapped.final("diff_seed_0.tif"))
    (seed,) = json.loads(mapped.final("metrics.json").read_text(encoding="utf-8"))["seeds"]
    confusion = np.array(seed["confusion"])
    assert np.count_nonzero(difference == 2) == np.trace(confusion)
    assert np.count_nonzero(difference == 1) == confusion.sum() - np.trace(confusion)
    assert np.count_nonzero(difference == 4) > np.count_nonzero(difference == 3)
    assert difference.max() == 4


def test_interpolation_dates_are_the_same_for_all_tiles_and_span_all_dates(mapped: Mapped) -> None:
    tiles = mapped.config.chain.list_tile
    lists = [
        (mapped.root / f"features/{t}/tmp/Sentinel2_{t}_interpolation_dates.txt").read_text().split() for t in tiles
    ]
    inputs = [(mapped.root / f"features/{t}/tmp/Sentinel2_{t}_input_dates.txt").read_text().split() for t in tiles]
    assert inputs[0] != inputs[1]
    assert lists[0] == lists[1]
    assert lists[0][0] == min(inputs[0] + inputs[1])
    recipe = read_recipe(mapped.root / "features/recipe.json")
    assert recipe.names[0] == f"Sentinel2_B2_{lists[0][0]}"
    assert recipe.names[-1] == f"Sentinel2_Brightness_{lists[0][-1]}"


def test_report_page_shows_numbers_and_notes(mapped: Mapped) -> None:
    page = mapped.final("report.html").read_text(encoding="utf-8")
    (seed,) = json.loads(mapped.final("metrics.json").read_text(encoding="utf-8"))["seeds"]
    assert f"{seed['kappa']:.3f}" in page
    assert "README.txt" in page
    assert page.count("data:image/png;base64,") == 4  # map, confidence, validity, reliability


def test_report_page_counts_the_ground_that_is_not_classified(mapped: Mapped, owned: np.ndarray) -> None:
    page = mapped.final("report.html").read_text(encoding="utf-8")
    holes = np.count_nonzero((owned > 0) & (read(mapped.final("Classif_Seed_0.tif")) == 0))
    assert holes > 100
    assert f"{holes:,} pixels inside the tiles are not classified" in page


# ------------------------------------------------------------------------------------------- reproducible anywhere


def _digests(root: Path) -> dict[str, str]:
    """Digest of every file but logs and the states of jobs, which hold times."""
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file() and path.relative_to(root).parts[0] not in ("logs", layout.MARK, layout.STATUS.path)
    }


@pytest.mark.long
@pytest.mark.parametrize(("workers", "shape"), [(1, (32, 160)), (2, (160, 48))], ids=["rows", "columns"])
def test_workers_and_block_shapes_do_not_change_a_byte(mapped: Mapped, workers: int, shape: tuple[int, int]) -> None:
    expected = _digests(mapped.root)
    assert len(expected) > 100
    shutil.rmtree(mapped.root)
    run_chain(mapped.config, workers=workers, block_shape=shape)
    assert _digests(mapped.root) == expected
