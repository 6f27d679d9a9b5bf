"""Whole runs with a smoothed map, uncertainty layers and a minimum mapping unit, on two noisy tiles."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely

from iota2.chains.load import load_config
from iota2.compute.regularise import regularised
from iota2.core.nomenclature import Nomenclature
from iota2.io.tables.vectors import read_vector
from iota2.runs import runner
from iota2.runs.preview import preview_run
from iota2.runs.survey.problems import Problems
from iota2.runs.survey.reference import check_class_options
from iota2.testing.world import WorldOptions
from tests.chain.helpers import DATES, EAST, WEST, Case, copied, made, on_tile, read, refused, run, said

# an overlap of more than 600 m: the border of the tiles lies inside the images of both
NOISY = WorldOptions(size=130, overlap=90, classes=4, dates=DATES, noise=900, clouds=False, orbit_edge=False)
OPTIONS = {
    "smoothing": "bayesian",
    "smoothing_window": 7,
    "uncertainty_layers": ["entropy", "margin", "likely_classes"],
    "minimum_mapping_unit": 8,
}


def configured(case: Case, **options: Any) -> Path:
    return case.configured(chain={"list_tile": f"{WEST} {EAST}"}, arg_classification=OPTIONS | options)


@pytest.fixture(scope="module")
def noisy(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """A finished run on two tiles that show the same noise in their overlap."""
    found = made(NOISY, tmp_path_factory.mktemp("noisy") / "world")
    run(configured(found))
    return found


def share_correct(path: Path, case: Case) -> float:
    """Share of the labelled pixels of a map that have the true class."""
    with rasterio.open(path) as source:
        labels, (height, width) = source.read(1), source.shape
        cols, rows = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
        x, y = source.transform @ (cols, rows)
        points = gpd.GeoSeries(gpd.points_from_xy(x.ravel(), y.ravel()), crs=source.crs).to_crs("EPSG:2154")
    truth = case.world.label_at(points.x.to_numpy(), points.y.to_numpy()).reshape(labels.shape)
    return float((labels == truth)[labels > 0].mean())


def test_smoothing_makes_a_noisy_map_more_accurate(noisy: Case) -> None:
    final = noisy.output / "final"
    before = share_correct(final / "TMP/Classif_Seed_0_unsmoothed.tif", noisy)
    after = share_correct(final / "Classif_Seed_0.tif", noisy)
    assert after > before + 0.02


def test_tiles_have_the_same_labels_near_their_common_border(noisy: Case) -> None:
    folder, halo = noisy.output, OPTIONS["smoothing_window"] // 2
    west, east = (read_vector(folder / f"envelope/{tile}.shp").union_all() for tile in (WEST, EAST))
    overlap = noisy.world.tile_geobox(WEST)[halo:-halo, 40 + halo : 130 - halo]
    cols, rows = np.meshgrid(np.arange(overlap.shape.x) + 0.5, np.arange(overlap.shape.y) + 0.5)
    near = shapely.contains_xy(west.boundary.intersection(east.boundary).buffer(30), *(overlap.affine @ (cols, rows)))
    assert near.sum() > 200
    places = {WEST: np.s_[halo:-halo, 40 + halo : 130 - halo], EAST: np.s_[halo:-halo, halo : 90 - halo]}
    found = {tile: read(folder / f"classif/Smoothed_{tile}_seed_0.tif")[place] for tile, place in places.items()}
    before = read(folder / f"classif/Classif_{WEST}_model_1_seed_0.tif")[places[WEST]]
    np.testing.assert_array_equal(found[WEST][near], found[EAST][near])
    assert found[WEST][near].all()
    assert (found[WEST] != before)[near].any(), "smoothing changed labels near the border"


def test_products_have_types_nodata_and_styles(noisy: Case) -> None:
    final = noisy.output / "final"
    labelled = read(final / "Classif_Seed_0.tif") > 0
    for name, dtype, nodata in (("Entropy", "uint8", 255), ("Margin", "uint8", 255), ("LikelyClasses", "uint16", 0)):
        with rasterio.open(final / f"{name}_Seed_0.tif") as source:
            assert (source.dtypes[0], source.nodata) == (dtype, nodata)
            np.testing.assert_array_equal(source.read(1) != nodata, labelled)
            description = source.descriptions[0]
        assert (final / f"{name}_Seed_0.qml").exists()
    assert "classes with a probability of 90 %" in description
    assert "bit 0: 11 " in description, "codes and names"
    with rasterio.open(final / "Confidence_Seed_0.tif") as source:
        assert source.tags()["CONFIDENCE"].endswith("smoothed (bayesian)")
    assert not (final / "ProbabilityMap_seed_0.tif").exists(), "not asked for"


def test_the_regularised_map_has_no_small_patch(noisy: Case) -> None:
    labels = read(noisy.output / "final/Classif_Seed_0.tif")
    found = read(noisy.output / "final/Classif_Seed_0_regularised.tif")
    np.testing.assert_array_equal(found, regularised(labels, 8))
    assert (found != labels).any()


def test_the_report_compares_the_stages(noisy: Case) -> None:
    texts = said(noisy.output)
    assert "<h2>Smoothing</h2>" in texts["report.html"]
    assert "Before smoothing: overall accuracy 0." in texts["RESULTS.txt"]
    assert "Before smoothing to final map: " in texts["RESULTS.txt"]
    content = json.loads(texts["metrics.json"])
    (found,) = content["borders"]["seeds"]
    assert [stage["name"] for stage in found["stages"]] == ["unsmoothed", "final", "regularised"]
    before, after, _ = found["stages"]
    assert after["accuracy"]["overall"] == content["summary"]["overall_accuracy"]["mean"]
    assert after["accuracy"]["overall"] > before["accuracy"]["overall"]
    labels = read(noisy.output / "final/Classif_Seed_0.tif")
    assert after["pixels"] == {str(code): int((labels == code).sum()) for code in np.unique(labels[labels > 0])}


def test_another_window_repeats_only_the_smoothing_and_what_follows(noisy: Case, tmp_path: Path) -> None:
    case = copied(noisy, tmp_path / "case")
    run(configured(case))
    before = on_tile(case.output / "final/Classif_Seed_0.tif", case)
    config = configured(case, smoothing_window=5)
    verdicts = preview_run(load_config(config), runner.Options()).verdicts
    stale = {job.split("/")[0]: verdict.reason for job, verdict in verdicts.items() if verdict.state == "stale"}
    assert stale.keys() == {"mapSmoothing", "reportGeneration"}, "the report lists the options"
    assert "window: 7 → 5" in stale["mapSmoothing"]
    results = runner.run(load_config(config), runner.Options(workers=0), runner.Watcher())
    repeated = {job.split("/")[0] for job, result in results.items() if result.state == "done"}
    assert {"mapSmoothing", "classifShaping", "mosaic", "mapRegularisation", "reportGeneration"} <= repeated
    assert not {"VectorFormatting", "classification", "classificationMerge", "learnModel"} & repeated
    assert (on_tile(case.output / "final/Classif_Seed_0.tif", case) != before).any()


@pytest.mark.long
def test_majority_needs_no_probabilities(noisy: Case, tmp_path: Path) -> None:
    case = copied(noisy, tmp_path / "case")
    run(configured(case, smoothing="majority", smoothing_window=3, uncertainty_layers=[], minimum_mapping_unit=None))
    final = case.output / "final"
    assert not [*(case.output / "classif").glob("PROBAMAP*")]
    assert share_correct(final / "Classif_Seed_0.tif", case) > share_correct(
        final / "TMP/Classif_Seed_0_unsmoothed.tif", case
    )
    confidence = read(final / "Confidence_Seed_0.tif")
    np.testing.assert_array_equal(confidence > 0, read(final / "Classif_Seed_0.tif") > 0)


def test_more_classes_than_a_set_can_have_are_reported(noisy: Case) -> None:
    codes = tuple(range(1, 66))
    many = Nomenclature(codes, tuple(map(str, codes)), ((1, 1, 1),) * 65, codes)
    problems = Problems(load_config(configured(noisy)))
    check_class_options(problems, many)
    ((_, text),) = problems.lines()
    assert "arg_classification.uncertainty_layers: likely_classes: the map has 65 classes" in text


def test_labels_of_no_class_in_smoothness_are_reported(noisy: Case, capsys: pytest.CaptureFixture[str]) -> None:
    message = refused(capsys, configured(noisy, smoothness={"11": 5, "999": 3}))
    assert "smoothness" in message
    assert "label '999' is not in the reference data" in message
