"""The accuracy report, including the training options read from models."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
import pytest

from iota2 import layout
from iota2.classifiers import save_model, train_model
from iota2.classifiers.registry import as_options, validate_options
from iota2.compute.segment_sizes import SegmentSizes
from iota2.config.fusion_options import FusionMethod
from iota2.config.options.schema import Config
from iota2.core.graph import SOURCES, Key, MultiplePaths
from iota2.core.losses import Amount, ClassLosses, losses_csv
from iota2.core.recipe import FeatureRecipe
from iota2.core.remarks import Remark
from iota2.core.tables import LEARN, VALIDATION, Confusion
from iota2.io.tables.confusions import confusion_csv
from iota2.io.tables.remark_lists import write_remarks
from iota2.io.tables.segment_labels import BOTH_SIDES, COLUMNS, NO_MAJORITY, write_segment_labels
from iota2.io.tables.segment_sizes import write_segment_sizes
from iota2.io.tables.vectors import write_shapefile
from iota2.report.results.fused_models import FusedModels, fused_models_remarks
from iota2.report.results.page import ModelView
from iota2.steps.fused_runs import FusionParams
from iota2.steps.learned_models import fused_models, options_of_models
from iota2.steps.validation import confusion_figure
from iota2.steps.validation.report import STEP, ReportParams, params
from tests.config.helpers import loaded
from tests.steps.helpers import (
    CRS,
    DAYS,
    RECIPE,
    TILE,
    area,
    frame,
    run,
    several,
    write_codes,
    write_raster,
    write_recipe,
    write_scene,
)


def model(kind: str, options: dict[str, object]) -> ModelView:
    return ModelView("1", 0, kind, as_options(kind, validate_options(kind, options)[0]), 100, kind)


def test_options_of_the_classifier_that_differ_from_their_default_are_shown() -> None:
    options = {"classifier.rf.min": 7, "classifier.rf.nbtrees": 50}
    message = options_of_models([model("rf", options), model("rf", options)])
    assert [*message] == ["arg_train.otb_classifier_options"]
    (text,) = message.values()
    assert "'classifier.rf.min': 7" in text
    assert text.count("classifier.rf.nbtrees") == 1
    assert "classifier.rf.max" not in text


def test_defaults_are_not_shown_but_another_classifier_is() -> None:
    assert options_of_models([model("rf", {})]) == {}
    assert options_of_models([model("sharkrf", {})]) == {"arg_train.classifier": "sharkrf"}


def test_different_options_of_models_are_separated_by_a_bar() -> None:
    message = options_of_models([model("rf", {"classifier.rf.min": number}) for number in (7, 8)])
    assert message["arg_train.otb_classifier_options"] == "{'classifier.rf.min': 7} | {'classifier.rf.min': 8}"


@pytest.fixture(scope="module")
def reported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Outputs of the step for one run."""
    folder = tmp_path_factory.mktemp("report")
    report(folder, [0])
    return folder


def report(
    folder: Path,
    seeds: list[int],
    fusion: FusionParams | None = None,
    inputs: Mapping[str, str | MultiplePaths] = MappingProxyType({}),
    fusion_of_models: FusedModels | None = None,
) -> None:
    """Write a report in which all runs have the same numbers, and a fusion with another map.

    The map of 48 pixels has 12 of wheat and 36 of maize; 6 of 8 validation pixels of wheat and 4 of 4 of maize are
    correct. The fusion has 24 pixels of wheat, 16 of maize and 8 undecided ones; all its validation pixels are correct.
    ``inputs`` replace those with the same names.
    """

    def each(name: str) -> MultiplePaths:
        return several("seed", dict.fromkeys(seeds, name))

    write_remarks(folder / "scan.json", [Remark("one product ignored", "images")])
    write_remarks(folder / "values.json", [])
    write_remarks(folder / "polygons.json", [Remark("two polygons repaired", "reference")])
    (folder / "rates.csv").write_text("#className,requiredSamples,totalSamples,rate\n1,9,20,0.45\n2,5,5,1\n")
    (folder / "samples.csv").write_text("class,all,region_1\n1,9,9\n2,4,4\n", encoding="utf-8")
    amounts = {"drawn": Amount(3, 40), "usable": Amount(3, 30), "validation": Amount(1, 8), "samples": Amount(0, 20)}
    amounts |= {"reserved": Amount(1, 9)} if fusion is not None and fusion.reserved else {}
    (folder / "losses.csv").write_text(losses_csv([ClassLosses(code, str(code), amounts) for code in (1, 2)]))
    (folder / "confusion.csv").write_text(
        confusion_csv(Confusion((1, 2), np.array([[6, 2], [0, 4]]), np.zeros(2, np.int64)))
    )
    (folder / "validation.csv").write_text(
        "originfid,reference,produced,edge,pixels,distance\n0,1,1,0,6,100.000\n0,1,2,1,2,100.000\n1,2,2,1,4,100.000\n"
    )
    (folder / "confidences.csv").write_text(
        "originfid,reference,produced,confidence,pixels\n0,1,1,75,6\n0,1,2,75,2\n1,2,2,75,4\n"
    )
    write_shapefile(frame([area((0, 6), (0, 8))], tile=TILE), folder / "envelope.shp")
    parameters, _ = validate_options("rf", {"classifier.rf.nbtrees": 2})
    samples, codes = np.eye(2, len(RECIPE.names)), np.array([1, 2])
    how = {"recipe": RECIPE, "seed": 0, "region": "1", "threads": 1}
    model = train_model("rf", parameters, samples, codes, **how, groups=codes, calibration="auto")  # type: ignore[arg-type]
    save_model(model, folder / "model", folder / "card.txt")
    inp = {
        "scenes": several("tile", {TILE: write_scene(folder, {day: {"RED": 1, "NIR": 1} for day in DAYS})}),
        "scan_notes": several("tile", {TILE: "scan.json"}),
        "value_notes": several("tile", {TILE: "values.json"}),
        "reference_notes": "polygons.json",
        "classes": write_codes(folder),
        "recipe": write_recipe(folder),
        "rates": several("region submodel seed", {("1", "", 0): "rates.csv"}),
        "samples": each("samples.csv"),
        "losses": each("losses.csv"),
        "envelopes": several("tile", {TILE: "envelope.shp"}),
        "confusion": each("confusion.csv"),
        "validation": each("validation.csv"),
        "confidences": each("confidences.csv"),
        "models": several("region submodel seed source", {("1", "", 0, ""): "model"}),
        "map": each(write_raster(folder / "map.tif", np.where(np.arange(8) < 2, 1, 2) + np.zeros((6, 8)))),
        "confidence": each(write_raster(folder / "confidence.tif", 80)),
        "validity": write_raster(folder / "validity.tif", 3),
    }
    if fusion is not None:
        (folder / "fused.csv").write_text("originfid,reference,produced,edge,pixels,distance\n7,1,1,0,9,100.000\n")
        inp["run_validation"], inp["fused_validation"] = each("validation.csv"), "fused.csv"
        labels = np.repeat([1, 2, 255], [24, 16, 8]).reshape(6, 8)
        inp["fused_map"] = write_raster(folder / "fused.tif", labels)
    if fusion is not None and fusion.method == "mean":
        inp["fused_confidence"] = write_raster(folder / "fused_confidence.tif", 60)
    out = {"results": "RESULTS.txt", "metrics": "metrics.json", "page": "report.html"}
    given = ReportParams("Fields of the valley", {"chain.proj": CRS}, (layout.MAP,), len(seeds))
    given = replace(given, fusion=fusion, fused_models=fusion_of_models)
    if fusion_of_models is not None and fusion_of_models.optical_radar:
        models = {("1", "", 0, source): "model" for source in SOURCES}
        inp["models"] = several("region submodel seed source", models)
    elif fusion_of_models is not None:
        (folder / "submodels.json").write_text('{"1": 1, "2": 3}')
        inp["submodels"] = "submodels.json"
    run(STEP, folder, {**inp, **inputs}, {**out, "reliability": each("reliability.png")}, params=given)
    drawn = {"confusion": "confusion.csv", "classes": inp["classes"]}
    run(confusion_figure.STEP, folder, drawn, {"figure": "figures.png"}, key=Key.of(seed=0))


OTHER = replace(RECIPE.sensors[0], sensor="Other")
LAYERS = replace(OTHER, sensor="layers", bands=("ALT",), roles={}, dates=(), static=True)
TWO = FeatureRecipe((*RECIPE.sensors, OTHER))
NEVER, EVERY = "have no clear date", "are not clear in every sensor (arg_classification.missing_sensors : 'mask', or"


@pytest.mark.parametrize(
    ("recipe", "sources", "pixels", "samples"),
    [
        (RECIPE, [""], f"{NEVER},", f"{NEVER} and"),
        (FeatureRecipe((*RECIPE.sensors, LAYERS)), [""], f"{NEVER} or lack data of a layer,", f"{NEVER} or lack data"),
        (TWO, [""], EVERY, EVERY),
        (TWO, ["", "_SAR"], "are clear neither in every optical nor in every radar sensor (", EVERY),
        (replace(TWO, partial=True), [""], f"{NEVER},", f"{NEVER} and"),
        (FeatureRecipe((*TWO.sensors, LAYERS), allow_missing=True), [""], f"{NEVER},", f"{NEVER} and"),
    ],
)
def test_the_reason_of_pixels_without_label_and_samples_is_that_of_the_sensors(
    tmp_path: Path, recipe: FeatureRecipe, sources: list[str], pixels: str, samples: str
) -> None:
    (tmp_path / "run").mkdir()
    inputs = {
        "recipe": f"run/{write_recipe(tmp_path / 'run', recipe)}",
        "models": several("region submodel seed source", {("1", "", 0, source): "model" for source in sources}),
        "map": several("seed", {0: write_raster(tmp_path / "holes.tif", np.arange(8) % 3 + np.zeros((6, 8)))}),
    }
    report(tmp_path, [0], inputs=inputs)
    page = html.unescape(" ".join((tmp_path / "report.html").read_text(encoding="utf-8").split()))
    assert f"(0 in the map): they {pixels}" in page
    assert f"1 of 14 selected pixels {samples}" in page


def of_segments(folder: Path) -> dict[str, str | MultiplePaths]:
    """Further inputs of a run on segments: two that learn, one on both sides, three that validate."""
    sides = [(1, LEARN, 1, ""), (2, LEARN, 2, ""), (3, LEARN, 1, BOTH_SIDES)]
    sides += [(number, VALIDATION, 1, "") for number in (3, 4)] + [(5, VALIDATION, 0, NO_MAJORITY)]
    labels = [(TILE, number, 0, side, code, 0, 9, 1.0, reason) for number, side, code, reason in sides]
    write_segment_labels(pd.DataFrame(labels, columns=COLUMNS), folder / "labels.csv")
    write_segment_sizes(SegmentSizes({TILE: 7}, 6.5), folder / "sizes.json")
    (folder / "segments.csv").write_text(
        "originfid,reference,produced,segments,pixels,distance\n0,1,1,1,6,100.0\n0,1,2,1,2,100.0\n"
    )
    (folder / "segments.png").write_bytes(b"borders")
    (folder / "caption.txt").write_text("Borders of 7 segments.\n")
    return {
        "segments": "segments.parquet",
        "segment_picture": "segments.png",
        "segment_caption": "caption.txt",
        "segment_labels": several("seed", {0: "labels.csv"}),
        "segment_sizes": "sizes.json",
        "segment_validation": several("seed", {0: "segments.csv"}),
    }


def test_reports_of_runs_on_segments_count_segments(tmp_path: Path) -> None:
    holes = several("seed", {0: write_raster(tmp_path / "holes.tif", np.arange(8) % 3 + np.zeros((6, 8)))})
    report(tmp_path, [0], inputs={**of_segments(tmp_path), "map": holes})
    text = (tmp_path / "RESULTS.txt").read_text(encoding="utf-8")
    assert "The map has 7 segments, with a median size of 6.5 pixels." in text
    assert "Segments with labelled pixels (seed 0): 5." in text
    assert "For learning: 2 segments. Left out: 1 segment with" in text
    assert "For validation: 2 segments. Left out: 1 segment with" in text
    assert "1 of 14 selected samples have no clear date" in text
    page = html.unescape(" ".join((tmp_path / "report.html").read_text(encoding="utf-8").split()))
    assert "they are in no segment, or in a segment whose pixels have no clear date" in page
    assert "<h2>Segments</h2>" in page
    assert f'src="data:image/png;base64,{base64.b64encode(b"borders").decode()}"' in page
    assert "<figcaption>Borders of 7 segments.</figcaption>" in page
    assert 'href="Segments.png"' in page
    found = json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8"))["segments"]
    assert found["seeds"][0]["learning"] == [1, 1]
    assert found["validation"]["overall_accuracy"]["mean"] == 0.5


def test_the_picture_of_segments_is_a_file_of_runs_on_segments_only(tmp_path: Path) -> None:
    files = params(configured(tmp_path)).files
    assert layout.MAP in files
    assert layout.SEGMENT_PICTURE not in files


def test_the_page_of_polygons_is_listed_if_the_run_makes_it(tmp_path: Path) -> None:
    config = configured(tmp_path)
    assert layout.POLYGON_PAGE not in params(config).files
    assert layout.POLYGON_PAGE in params(replace(config, vectorised=True)).files


def headings(page: str) -> list[str]:
    return re.findall(r"<h2>(.*?)</h2>", page)


def areas(page: str) -> list[str]:
    """Shares of the classes in the mapped area."""
    return re.findall(r"<td>\d</td><td>[\d.]+</td><td>([\d.]+)</td>\s*<td class=\"bar\">", page)


def test_headings_of_several_runs_name_the_run(tmp_path: Path, reported: Path) -> None:
    report(tmp_path, [0, 1])
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert {"Map, seed 0", "Confidence, seed 0", "Reliability of the confidence, seed 0"} <= {*headings(page)}
    assert {"Accuracy by class, mean over runs", "Confusion matrix, mean over runs"} <= {*headings(page)}
    assert areas(page) == ["25.0", "75.0"]
    single = (reported / "report.html").read_text(encoding="utf-8")
    assert not [title for title in headings(single) if "seed" in title or "runs" in title]


def test_the_page_lists_polygons_of_segments_if_there_are_segments(tmp_path: Path, reported: Path) -> None:
    report(tmp_path, [0, 1], inputs={"segments": "segments.parquet"})
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    names = ["Classif_Seed_0.tif", "Classif_Seed_1.tif", f"vectors/segments_{TILE}.gpkg", "vectors/segments.parquet"]
    assert [page.count(f'href="{name}"') for name in names] == [1, 1, 1, 1]
    assert "vectors/" not in (reported / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("method", "undecided", "confidence"),
    [("majorityvoting", 255, "Confidence, seed 0"), ("mean", None, "Confidence, fusion of the runs")],
)
def test_the_page_of_fused_runs_shows_the_fused_map_with_its_areas_and_accuracy(
    tmp_path: Path, method: FusionMethod, undecided: int | None, confidence: str
) -> None:
    report(tmp_path, [0, 1], FusionParams(method, None, undecided, reserved=True))
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert {"Map, fusion of the runs", confidence} <= {*headings(page)}
    assert areas(page) == ["60.0", "40.0"], "undecided pixels have no class"
    assert "pixels inside the tiles are not classified" not in page
    assert "Overall accuracy, fusion of the runs</span><b>100.0 %" in page
    assert ("Undecided: white" in page) is (undecided is not None)
    assert "it allows for errors in polygons outside the sample" in page
    assert page.count("<img") == 4, "map, confidence, validity and reliability"


def test_the_table_of_samples_shows_the_reserved_polygons(tmp_path: Path, reported: Path) -> None:
    report(tmp_path, [0, 1], FusionParams("majorityvoting", None, 255, reserved=True))
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<th>Validation pixels</th><th>Reserved for the fusion of runs</th>" in page
    assert re.search(r"<td>8</td>\s*<td>9</td>", page)
    assert "Reserved for" not in (reported / "report.html").read_text(encoding="utf-8")


RADAR = {"dempster_shafer_sar_opt_fusion": True}


def configured(folder: Path, arg_train: Mapping[str, Any] | None = None, **arg_classification: Any) -> Config:
    """A configuration with optical and radar images."""
    (folder / "s2").mkdir(exist_ok=True)
    (folder / "images").mkdir(exist_ok=True)
    (folder / "regions.shp").touch()
    (folder / "s1.ini").write_text("[Paths]\nOutput = images\n")
    sections = {"arg_train": {**(arg_train or {})}, "arg_classification": arg_classification}
    regions = {"region_path": "regions.shp", "region_field": "region"}
    return loaded(folder, {"s2_path": "s2", "s1_path": "s1.ini", **regions}, sections)


def test_the_report_names_the_combination_of_models_and_its_optimistic_masses(tmp_path: Path) -> None:
    options = "-method dempstershafer -method.dempstershafer.mob recall"
    given = configured(tmp_path, {"fusion_masses": "validation"}, classif_mode="fusion", fusion_options=options)
    report(tmp_path, [0], fusion_of_models=fused_models(given))
    notes = " ".join(json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8"))["notes"])
    found = [html.unescape((tmp_path / name).read_text(encoding="utf-8")) for name in ("RESULTS.txt", "report.html")]
    for text in (notes, *found):
        assert "Region 2 has 3 models, each of which learns from a part of the polygons. They are combined by" in text
        assert "by the rule of Dempster and Shafer, with the recall of each model as its mass" in text
        assert "The same polygons validate the map, so its accuracy is optimistic" in text


def test_the_combination_of_models_follows_from_the_options(tmp_path: Path) -> None:
    assert fused_models(configured(tmp_path)) is None
    votes = configured(tmp_path, {"fusion_masses": "validation"}, classif_mode="fusion")
    assert fused_models(votes) == FusedModels("majorityvoting", agreement=True)
    smooth = configured(tmp_path, classif_mode="fusion", smoothing="bayesian")
    assert fused_models(smooth) == FusedModels("majorityvoting"), "smoothing uses mean probabilities"
    mean = configured(tmp_path, classif_mode="fusion", fusion_options="mean")
    assert fused_models(mean) == FusedModels("mean")
    by_masses = FusedModels("dempstershafer", "precision", optical_radar=True)
    assert fused_models(configured(tmp_path, RADAR)) == by_masses
    averaged = FusedModels("mean", optical_radar=True)
    assert fused_models(configured(tmp_path, RADAR, fusion_options="mean")) == averaged
    (sentence,) = fused_models_remarks(averaged, {})
    assert sentence.startswith("The optical and the radar model of each region are combined by the highest mean prob")


def test_optical_and_radar_models_have_names_for_readers(tmp_path: Path) -> None:
    report(tmp_path, [0], fusion_of_models=FusedModels("mean", optical_radar=True))
    found = json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8"))["reliability"]["models"]
    assert [(one["region"], one["images"]) for one in found] == [("1", "optical"), ("1", "radar")]
    for name in ("RESULTS.txt", "report.html"):
        text = (tmp_path / name).read_text(encoding="utf-8")
        assert "Region 1, optical, seed 0: the confidence" in text
        assert "Region 1, radar, seed 0: the confidence" in text
        assert "Region 1_SAR" not in text


def test_the_agreement_of_models_is_not_called_a_probability(tmp_path: Path, reported: Path) -> None:
    report(tmp_path, [0], fusion_of_models=FusedModels("majorityvoting", agreement=True))
    for name in ("RESULTS.txt", "report.html"):
        agreed, probable = ((folder / name).read_text(encoding="utf-8") for folder in (tmp_path, reported))
        assert "Of the pixels with a confidence of 80 %, 80 % should be correct" in probable
        assert "the confidence is their agreement, not a calibrated probability" in agreed
        assert "80 % should be correct" not in agreed


def test_the_measures_of_the_report_are_those_of_the_matrix(reported: Path) -> None:
    found = json.loads((reported / "metrics.json").read_text(encoding="utf-8"))
    (seed,) = found["seeds"]
    assert seed["confusion"] == [[6, 2], [0, 4]]
    assert seed["overall_accuracy"] == pytest.approx(10 / 12)
    assert seed["precision"] == pytest.approx([1, 4 / 6])
    assert seed["recall"] == pytest.approx([6 / 8, 1])
    assert found["summary"]["runs"] == 1
    assert found["provenance"]["series"] == [f"{TILE}: 3 dates of Small, 2018-01-01 to 2018-01-21"]
    results = (reported / "RESULTS.txt").read_text(encoding="utf-8")
    assert "OA : 0.833" in results
    assert "wheat (1): 3 polygons, 40 pixels drawn; 20 pixels for learning" in results


def test_the_report_shows_the_reliability_of_the_confidence_and_why_it_is_not_calibrated(reported: Path) -> None:
    found = json.loads((reported / "metrics.json").read_text(encoding="utf-8"))["reliability"]
    (seed,), (model,) = found["seeds"], found["models"]
    everything = seed["parts"]["all"]
    assert (everything["confidence"], everything["correct"]) == (pytest.approx(0.75), pytest.approx(10 / 12))
    assert everything["error"]["value"] == pytest.approx(10 / 12 - 0.75)
    assert everything["brier"]["value"] == pytest.approx((10 * 0.25**2 + 2 * 0.75**2) / 12)
    assert everything["polygons"] == 2
    assert seed["parts"]["apart"]["error"]["value"] is None
    assert seed["classes"]["2"]["correct"] == pytest.approx(4 / 6)
    assert model["calibrated"] is False
    for name in ("RESULTS.txt", "report.html"):
        text = (reported / name).read_text(encoding="utf-8")
        assert "Reliability of the confidence" in text
        assert "0 polygons in classes of at least 5; at least 50 are needed" in text
        assert "the confidence ranks pixels only" in text
        assert "0.083" in text
    assert (reported / "reliability.png").read_bytes().startswith(b"\x89PNG")


def test_the_report_shows_notes_map_and_unused_pixels(reported: Path) -> None:
    notes = " ".join(json.loads((reported / "metrics.json").read_text(encoding="utf-8"))["notes"])
    page = (reported / "report.html").read_text(encoding="utf-8")
    for text in ("one product ignored", "two polygons repaired", "1 of 14 selected pixels have no clear date"):
        assert text in notes
        assert text in page
    assert "Fields of the valley" in page
    assert 'href="Classif_Seed_0.tif"' in page
    for code, share in ((1, "25.0"), (2, "75.0")):
        assert re.search(rf"<td>{code}</td><td>[\d.]+</td><td>{share}</td>", page), "of the mapped area"
    assert (reported / "figures.png").read_bytes().startswith(b"\x89PNG")
