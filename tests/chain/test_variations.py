"""Options that change what the chain does, each run on a very small world."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import date
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import rasterio

from iota2.classifiers.models import load_model
from iota2.config.options.schema import Config
from iota2.core import grid
from iota2.core.graph import Resources
from iota2.core.remarks import texts_of
from iota2.errors import ConfigError, InputError, UserError
from iota2.io.rasters.files import RasterReader
from iota2.io.tables.recipes import read_recipe
from iota2.io.tables.vectors import read_samples, read_sqlite
from iota2.runs import runner
from iota2.runs.preview import survey_and_plan
from iota2.runs.survey.survey import survey
from iota2.testing.files import WorldFiles
from iota2.testing.world import DATES, World, WorldOptions, make_world
from iota2.testing.writing import write_world
from tests.chain.conftest import configured, run_chain

TINY = WorldOptions(size=64, overlap=16, classes=3, dates=DATES[2:10:2])
TILE = "T31TCJ"
Tiny = tuple[World, WorldFiles]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    """Three classes, four dates, the same on both tiles."""
    world = make_world(TINY)
    return world, write_world(world, tmp_path_factory.mktemp("tiny"))


def edited(
    *, chain: str = "", arg_train: str = "", sections: str = "", without: tuple[str, ...] = (), both: bool = False
) -> Callable[[str], str]:
    """An edit of the demo's configuration: lines added to sections, keys taken out.

    ``both``: both tiles and regions; otherwise the western tile as one region, in half the time.
    """

    def edit(text: str) -> str:
        if not both:
            text = re.sub(r"list_tile : '[^']+'", f"list_tile : '{TILE}'", text)
        for key in without if both else ("region_path", "region_field", *without):
            text = re.sub(rf"^\s*{key}\s*:[^\n]*\n", "", text, flags=re.M)
        text = re.sub(r"(chain :\n\{\n)", rf"\g<1>  {chain}\n", text)
        text = re.sub(r"(arg_train :\n\{\n)", rf"\g<1>  {arg_train}\n", text)
        return text.replace("'classifier.rf.nbtrees' : 50", "'classifier.rf.nbtrees' : 10") + sections

    return edit


def mapped(tiny: Tiny, folder: Path, *, last_step: str | None = "mosaic", **edits: object) -> Config:
    """The edited configuration after a run up to the map, or up to another step; None: all steps."""
    config = configured(tiny[1], folder, edited(**edits))  # type: ignore[arg-type]
    run_chain(config, last_step=last_step)
    return config


def sampled(tiny: Tiny, folder: Path, **edits: object) -> Config:
    """The edited configuration after a run up to the samples."""
    return mapped(tiny, folder, last_step="sampling", **edits)


@pytest.fixture(scope="module")
def usual(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Config:
    """The demo's configuration and its map, which tests do not change."""
    return mapped(tiny, tmp_path_factory.mktemp("usual"), both=True)


def accuracy(config: Config, world: World, name: str = "Classif_Seed_0.tif") -> float:
    """Share of right labels over all labelled pixels of the map."""
    with RasterReader(config.chain.output_path / "final" / name) as reader:
        labels, truth = reader.read(reader.geobox), world.truth(reader.geobox)
    assert (labels > 0).mean() > 0.6
    return float((labels == truth)[labels > 0].mean())


def test_without_regions_one_model_maps_everything(tiny: Tiny, tmp_path: Path) -> None:
    config = mapped(tiny, tmp_path, both=True, without=("region_path", "region_field"))
    root = config.chain.output_path
    assert (root / "MyRegion.shp").is_file()
    assert (root / "shapeRegion/MyRegion_region_1_T31TCJ.tif").is_file()
    assert sorted(path.name for path in (root / "model").iterdir()) == ["model_1_seed_0", "model_1_seed_0.txt"]
    assert accuracy(config, tiny[0]) > 0.82


def test_several_runs_draw_other_polygons_and_report_an_interval(tiny: Tiny, tmp_path: Path) -> None:
    config = mapped(tiny, tmp_path, last_step=None, arg_train="ratio : 0.5", without=("runs",), chain="runs : 2")
    root = config.chain.output_path
    sides = gpd.read_file(root / "reference_data.shp")
    assert len({tuple(sides[f"seed_{k}"]) for k in range(2)}) == 2
    merged = read_sqlite(root / "samplesSelection/T31TCJ_selection_merge.sqlite")
    assert set(merged["seed_1"]) == {"learn", "XXXX"}
    metrics = json.loads((root / "final/metrics.json").read_text())
    assert [seed["seed"] for seed in metrics["seeds"]] == [0, 1]
    accuracy = metrics["summary"]["overall_accuracy"]
    each = [seed["overall_accuracy"] for seed in metrics["seeds"]]
    assert (accuracy["interval"], accuracy["low"], accuracy["high"]) == ("range", min(each), max(each))
    assert re.search(r"^OA : [\d.]+ \([\d.]+ - [\d.]+\)$", (root / "final/RESULTS.txt").read_text(), re.M)
    assert all((root / f"final/Classif_Seed_{k}.tif").is_file() for k in range(2))


def test_text_labels_are_numbered_and_kept_in_a_table(tiny: Tiny, tmp_path: Path) -> None:
    files = tiny[1]
    frame = gpd.read_file(files.ground_truth)
    codes = dict(zip(frame["code"], frame["name"], strict=True))
    (tmp_path / "names.txt").write_text("".join(f"{n}:{n}\n" for n in codes.values()), encoding="utf-8")
    (tmp_path / "colors.txt").write_text("".join(f"{n} {c} 0 0\n" for c, n in codes.items()), encoding="utf-8")
    config = mapped(
        tiny,
        tmp_path,
        both=True,
        without=("data_field", "nomenclature_path", "color_table"),
        chain="data_field : 'name'\n nomenclature_path : 'names.txt'\n color_table : 'colors.txt'",
    )
    final = config.chain.output_path / "final"
    lines = (final / "Classif_table.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "#USER LABEL,IOTA2_LABEL,RED_VALUE,GREEN_VALUE,BLUE_VALUE"
    group_numbers = {name: k for k, name in enumerate(sorted(codes.values()), start=1)}
    assert {line.split(",")[0]: int(line.split(",")[1]) for line in lines[1:]} == group_numbers
    with RasterReader(final / "Classif_Seed_0.tif") as reader:
        labels, truth = reader.read(reader.geobox), tiny[0].truth(reader.geobox)
    expected = np.vectorize({**{c: group_numbers[n] for c, n in codes.items()}, 0: 0}.get)(truth)
    assert (labels == expected)[labels > 0].mean() > 0.85


def test_samples_go_to_parquet_when_asked(tiny: Tiny, tmp_path: Path) -> None:
    config = sampled(tiny, tmp_path, arg_train="learning_samples_extension : 'parquet'")
    path = config.chain.output_path / "learningSamples/Samples_region_1_seed0_learn.parquet"
    assert len(read_samples(path)) > 50


@pytest.mark.long
def test_more_features_than_sqlite_holds_go_to_parquet(tiny: Tiny, tmp_path: Path) -> None:
    sections = (
        "sensors_data_interpolation :\n{\n auto_date : False\n}\n"
        "Sentinel_2 :\n{\n start_date : '20180101'\n end_date : '20180630'\n temporal_resolution : 1\n}\n"
    )
    config = sampled(tiny, tmp_path, sections=sections)
    recipe = read_recipe(config.chain.output_path / "features/recipe.json")
    samples = read_samples(config.chain.output_path / "learningSamples/Samples_region_1_seed0_learn.parquet")
    assert len(recipe.names) > 2000
    assert recipe.names[-1].lower() in samples.columns


def test_working_grid_proj_warps_images_first_and_maps_the_same_ground(tiny: Tiny, tmp_path: Path) -> None:
    config = mapped(tiny, tmp_path, both=True, chain="working_grid : 'proj'")
    with rasterio.open(config.chain.output_path / "classif/Classif_T31TCJ_model_1_seed_0.tif") as source:
        assert source.crs.to_epsg() == 2154
    assert accuracy(config, tiny[0]) > 0.82


@pytest.mark.parametrize("size", ["20", pytest.param("[15, 15]", marks=pytest.mark.long)])
def test_coarser_resolution_than_native(tiny: Tiny, tmp_path: Path, size: str) -> None:
    config = mapped(tiny, tmp_path, both=True, without=("spatial_resolution",), chain=f"spatial_resolution : {size}")
    expected = config.chain.spatial_resolution
    for name in ("final/Classif_Seed_0.tif", "classif/Classif_T31TCJ_model_1_seed_0.tif"):
        with rasterio.open(config.chain.output_path / name) as source:
            assert source.res == expected
    assert accuracy(config, tiny[0]) > 0.75


FEATURES = {
    "no indices": ("features : []", "", 10, ("B2", "B12")),
    "indices only": ("", "iota2_feature_extraction :\n{\n copy_input : False\n}\n", 3, ("NDVI", "Brightness")),
    "some bands": (
        "",
        "iota2_feature_extraction :\n{\n extract_bands : True\n}\n"
        "Sentinel_2 :\n{\n keep_bands : ['B4', 'B8', 'B11']\n}\n",
        6,
        ("B4", "Brightness"),
    ),
    "relative without duplicates": (
        "",
        "iota2_feature_extraction :\n{\n rel_refl : True\n keep_duplicates : False\n acor_feat : True\n}\n",
        12,
        ("B2", "Brightness"),
    ),
    "raw dates": ("", "sensors_data_interpolation :\n{\n use_gapfilling : False\n}\n", 13, ("B2", "Brightness")),
}


@pytest.mark.parametrize("case", FEATURES)
def test_features_as_configured(tiny: Tiny, tmp_path: Path, case: str) -> None:
    arg_train, sections, per_date, (first, last) = FEATURES[case]
    recipe = survey(configured(tiny[1], tmp_path, edited(arg_train=arg_train, sections=sections))).recipe
    dates = recipe.sensors[0].dates
    assert len(recipe.names) == per_date * len(dates)
    assert recipe.names[0] == f"Sentinel2_{first}_{dates[0]}"
    assert recipe.names[-1] == f"Sentinel2_{last}_{dates[-1]}"
    if case == "raw dates":
        assert [date(int(d[:4]), int(d[4:6]), int(d[6:])) for d in dates] == list(TINY.dates)


IN_SHORT = ("relative without duplicates", "raw dates")


@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=[] if case in IN_SHORT else [pytest.mark.long]) for case in FEATURES]
)
def test_features_as_configured_make_a_map(tiny: Tiny, tmp_path: Path, case: str) -> None:
    arg_train, sections, *_ = FEATURES[case]
    config = mapped(tiny, tmp_path, arg_train=arg_train, sections=sections)
    assert load_model(config.chain.output_path / "model/model_1_seed_0").recipe == survey(config).recipe
    assert accuracy(config, tiny[0]) > 0.7


def test_temporal_features_are_learned_and_mapped(tiny: Tiny, tmp_path: Path) -> None:
    """They are computed for samples and map alike, and the card shows their importance."""
    config = mapped(tiny, tmp_path, both=True, arg_train="temporal_features : ['statistics', 'differences']")
    root = config.chain.output_path
    assert accuracy(config, tiny[0]) > 0.8
    recipe = load_model(root / "model/model_1_seed_0").recipe
    dates = recipe.sensors[0].dates
    assert recipe.sensors[0].temporal == ("differences", "statistics")
    assert len(recipe.names) == 13 * (len(dates) + len(dates) - 1 + 13)
    samples = read_samples(root / "learningSamples/Samples_region_1_seed0_learn.sqlite")
    ndvi = samples[[f"sentinel2_ndvi_{day}" for day in dates]].to_numpy()
    differences = samples[[f"sentinel2_ndvi_diff_{day}" for day in dates[1:]]].to_numpy()
    assert np.array_equal(differences, np.diff(ndvi.astype(np.float32), axis=1))
    assert np.allclose(samples["sentinel2_ndvi_q50"], np.median(ndvi, axis=1), rtol=1e-5, atol=1e-3)
    assert np.array_equal(samples["sentinel2_ndvi_maxdate"], ndvi.argmax(axis=1) + 1)
    card = (root / "model/model_1_seed_0.txt").read_text(encoding="utf-8")
    assert "\n  Sentinel2_NDVI " in card
    assert "Sentinel2_NDVI_" not in card
    for kind in ("value", "difference", "mean"):
        assert re.search(rf"^  {kind} +\d+\.\d\d", card.split("Importance by kind of feature, %")[1], re.M)


def test_temporal_features_of_a_single_date_are_rejected_before_the_run(tiny: Tiny, tmp_path: Path) -> None:
    sections = (
        "sensors_data_interpolation :\n{\n auto_date : False\n}\n"
        "Sentinel_2 :\n{\n start_date : '20180401'\n end_date : '20180405'\n}\n"
    )
    config = configured(tiny[1], tmp_path, edited(sections=sections, arg_train="temporal_features : ['statistics']"))
    with pytest.raises(InputError, match=r"arg_train\.temporal_features: .*fewer than two dates"):
        survey_and_plan(config)
    assert len(survey(configured(tiny[1], tmp_path, edited(sections=sections))).recipe.sensors[0].dates) == 1


SWITCH = "sensors_data_interpolation :\n{\n use_additional_features : True\n}\n"


def test_an_additional_feature_is_learned_and_mapped(tiny: Tiny, tmp_path: Path) -> None:
    """One that repeats the NDVI is the NDVI in the samples, and the model knows the expressions."""
    given = "(b7 - b3) / (B8 + B4), ndvi(b4, b9), max(B2, b3, B12)"
    alone = "iota2_feature_extraction :\n{\n copy_input : False\n}\n"
    sections = f"{SWITCH}{alone}Sentinel_2 :\n{{\n additional_features : '{given}'\n}}\n"
    config = mapped(tiny, tmp_path, both=True, sections=sections)
    assert accuracy(config, tiny[0]) > 0.7
    recipe = load_model(config.chain.output_path / "model/model_1_seed_0").recipe
    dates, expressions = recipe.sensors[0].dates, recipe.sensors[0].expressions
    assert expressions == ("(b7 - b3) / (B8 + B4)", "ndvi(b4, b9)", "max(B2, b3, B12)")
    names = [f"Sentinel2_userFeature{k}_{day}" for k in (1, 2, 3) for day in dates]
    assert list(recipe.names[3 * len(dates) :]) == names
    samples = read_samples(config.chain.output_path / "learningSamples/Samples_region_1_seed0_learn.sqlite")
    for day in dates:
        ours, builtin = samples[f"sentinel2_userfeature1_{day}"], samples[f"sentinel2_ndvi_{day}"]
        assert np.allclose(1000 * ours, builtin, rtol=1e-5, atol=1e-3)
        assert builtin.std() > 10
    config = configured(tiny[1], tmp_path / "alone", edited(arg_train="features : []", sections=sections))
    assert list(survey(config).recipe.names) == names


def test_expressions_that_cannot_be_computed_are_reported_before_the_run(tiny: Tiny, tmp_path: Path) -> None:
    sections = f"{SWITCH}Sentinel_2 :\n{{\n additional_features : 'b1 / b11, (B8 - B4'\n}}\n"
    config = configured(tiny[1], tmp_path, edited(sections=sections))
    with pytest.raises(InputError) as raised:
        survey(config)
    place = "Sentinel_2.additional_features: expression"
    assert f"{place} 1 'b1 / b11', column 6: there is no band 'b11'; expected one of b1 = B2" in str(raised.value)
    assert f"{place} 2 '(B8 - B4', column 9: unexpected end" in str(raised.value)
    assert str(raised.value).count(place) == 2


def test_the_bands_that_positions_stand_for_are_reported(tiny: Tiny, tmp_path: Path) -> None:
    bands = "iota2_feature_extraction :\n{\n extract_bands : True\n}\n"
    kept = "keep_bands : ['B4', 'B8', 'B11']\n additional_features : 'b2 / b1 - B11'"
    config = configured(tiny[1], tmp_path, edited(sections=f"{SWITCH}{bands}Sentinel_2 :\n{{\n {kept}\n}}\n"))
    said = "Sentinel_2.additional_features: in the expressions of Sentinel2, b1 = B4, b2 = B8."
    assert said in texts_of(survey(config).remarks)


def test_given_season_and_step(tiny: Tiny, tmp_path: Path) -> None:
    sections = (
        "sensors_data_interpolation :\n{\n auto_date : False\n}\n"
        "Sentinel_2 :\n{\n start_date : '20180401'\n end_date : '20180801'\n temporal_resolution : 30\n}\n"
    )
    config = mapped(tiny, tmp_path, last_step="featureRecipe", sections=sections)
    recipe = read_recipe(config.chain.output_path / "features/recipe.json")
    assert recipe.sensors[0].dates == ("20180401", "20180501", "20180531", "20180630", "20180730")


def test_standard_labels_rename_features(tiny: Tiny, tmp_path: Path) -> None:
    config = sampled(tiny, tmp_path, arg_train="force_standard_labels : True")
    samples = read_samples(config.chain.output_path / "learningSamples/Samples_region_1_seed0_learn.sqlite")
    assert "value_0" in samples.columns
    assert "sentinel2_b2_20180317" not in samples.columns


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("{ 'sampler' : 'random', 'strategy' : 'all' }", lambda counts, own: counts == own),
        ("{ 'strategy' : 'percent', 'strategy.percent.p' : 0.1 }", lambda counts, own: _near(counts, own, 0.1)),
        pytest.param(
            "{ 'strategy' : 'smallest' }",
            lambda counts, own: set(counts.values()) == {min(own.values())},
            marks=pytest.mark.long,
        ),
        pytest.param(
            "{ 'strategy' : 'total', 'strategy.total.v' : 90 }",
            lambda counts, own: sum(counts.values()) == 90,
            marks=pytest.mark.long,
        ),
        (
            "{ 'sampler' : 'periodic', 'strategy' : 'constant', 'strategy.constant.nb' : 20, "
            "'per_model' : [ { 'target_model' : '2', 'strategy' : 'constant', 'strategy.constant.nb' : 7 } ] }",
            lambda counts, own: set(counts.values()) == {20},
        ),
    ],
)
def test_selection_strategies(
    tiny: Tiny, tmp_path: Path, options: str, expected: Callable[[dict[int, int], dict[int, int]], bool]
) -> None:
    config = sampled(
        tiny, tmp_path, both=True, without=("sample_selection",), arg_train=f"sample_selection : {options}"
    )
    counts, available = rates(config, "1")
    assert expected(counts, available)
    if "per_model" in options:
        assert set(rates(config, "2")[0].values()) == {7}


def rates(config: Config, region: str) -> tuple[dict[int, int], dict[int, int]]:
    """Samples and available pixels of each class."""
    root = config.chain.output_path
    lines = (root / f"samplesSelection/samples_region_{region}_seed_0_outrates.csv").read_text().splitlines()[1:]
    samples = read_samples(root / f"learningSamples/Samples_region_{region}_seed0_learn.sqlite")
    counts = samples["i2label"].value_counts().to_dict()
    return counts, {int(line.split(",")[0]): int(line.split(",")[2]) for line in lines}


def _near(counts: dict[int, int], available: dict[int, int], share: float) -> bool:
    return all(abs(counts[code] - share * available[code]) <= 1 for code in available)


def test_class_counts_from_a_table(tiny: Tiny, tmp_path: Path) -> None:
    codes = sorted(set(gpd.read_file(tiny[1].ground_truth)["code"]))
    (tmp_path / "counts.csv").write_text("".join(f"{code},{5 + k}\n" for k, code in enumerate(codes)))
    selection = "sample_selection : { 'strategy' : 'byclass', 'strategy.byclass.in' : 'counts.csv' }"
    config = sampled(tiny, tmp_path, without=("sample_selection",), arg_train=selection)
    assert rates(config, "1")[0] == {code: 5 + k for k, code in enumerate(codes)}


def test_part_of_the_steps_goes_on_from_what_is_there(tiny: Tiny, tmp_path: Path) -> None:
    config = mapped(tiny, tmp_path, last_step="learning")
    final = config.chain.output_path / "final"
    assert not (final / "Classif_Seed_0.tif").exists()
    runner.run(config, runner.Options(workers=0, first_step="classification"), runner.Watcher())
    assert (final / "RESULTS.txt").exists()


class Listener(runner.Watcher):
    """Remembers what is said."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def say(self, text: str) -> None:
        self.heard.append(text)


def test_steps_left_out_although_they_are_out_of_date_are_reported(tiny: Tiny, tmp_path: Path) -> None:
    mapped(tiny, tmp_path)
    listener = Listener()
    config = configured(tiny[1], tmp_path, edited(arg_train="ratio : 0.6"))
    runner.run(config, runner.Options(workers=0, first_step="mosaic"), listener)
    warnings = [text for text in listener.heard if text.startswith("warning")]
    assert warnings == ["warning: referenceData is out of date (ratio: 0.5 → 0.6) but not selected"]


@pytest.mark.long
def test_sharkrf_trains_too(tiny: Tiny, tmp_path: Path) -> None:
    options = "classifier : 'sharkrf'\n otb_classifier_options : { 'classifier.sharkrf.nbtrees' : 10 }"

    def edit(text: str) -> str:
        text = re.sub(r"otb_classifier_options : \{.*?\}\n", "", text, flags=re.S)
        return re.sub(r"classifier : 'rf'", options, text)

    config = configured(tiny[1], tmp_path, edit)
    run_chain(config)
    assert accuracy(config, tiny[0]) > 0.8


def test_raw_dates_that_differ_between_tiles_are_refused(tmp_path: Path) -> None:
    world = make_world(WorldOptions(size=64, overlap=16, classes=3))
    sections = "sensors_data_interpolation :\n{\n use_gapfilling : False\n}\n"
    config = configured(write_world(world, tmp_path), tmp_path / "run", edited(sections=sections, both=True))
    with pytest.raises(InputError, match=r"use_gapfilling is False.*T31TDJ and T31TCJ differ in 4"):
        survey_and_plan(config)


@pytest.mark.long
def test_parts_of_a_tile_do_not_change_the_products(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = mapped(tiny, tmp_path / "whole", both=True, last_step=None)
    monkeypatch.setattr(grid, "PART_ROWS", 24)
    parts = mapped(tiny, tmp_path / "parts", both=True, last_step=None)
    root = parts.chain.output_path
    assert len(list((root / "classif/tmpClassif").glob("Classif_T31TCJ_part_*_model_1_seed_0.tif"))) == 3
    for folder in ("final", "classif"):
        names = [path.name for path in (root / folder).glob("*.tif")]
        assert names
        for name in names:
            assert (root / folder / name).read_bytes() == (whole.chain.output_path / folder / name).read_bytes()


@pytest.mark.parametrize("working_grid", ["native", pytest.param("proj", marks=pytest.mark.long)])
def test_a_map_in_degrees_is_as_good_as_one_in_metres(
    tiny: Tiny, usual: Config, tmp_path: Path, working_grid: str
) -> None:
    grid = f"proj : 'EPSG:4326'\n spatial_resolution : 0.0001\n working_grid : '{working_grid}'"
    without = ("proj", "spatial_resolution")
    config = mapped(tiny, tmp_path, both=True, without=without, chain=grid)
    assert _used(config) == _used(usual)
    assert accuracy(config, tiny[0]) == pytest.approx(accuracy(usual, tiny[0]), abs=0.02)


def _used(config: Config) -> set[int]:
    """Rows of the polygons that stand on some side."""
    sides = gpd.read_file(config.chain.output_path / "reference_data.shp")
    return set(sides["originfid"][sides["seed_0"] != "unused"])


LACKING = {
    "index": ("keep_bands : ['B4', 'B8']", "", r"NDWI needs the swir band \(B11\).*Sentinel_2\.keep_bands.*arg_train"),
    "relative": (
        "keep_bands : ['B2', 'B3']",
        "features : []",
        r"relative reflectance needs the red band \(B4\).*Sentinel_2\.keep_bands.*rel_refl: False",
    ),
    "unknown": ("keep_bands : ['B2', 'B99']", "", r"Sentinel_2\.keep_bands: unknown bands B99"),
}


@pytest.mark.parametrize("case", LACKING)
def test_bands_that_features_lack_are_reported_before_the_run(tiny: Tiny, tmp_path: Path, case: str) -> None:
    keep, arg_train, said = LACKING[case]
    extraction = "iota2_feature_extraction :\n{\n extract_bands : True\n rel_refl : True\n}\n"
    sections = f"{extraction}Sentinel_2 :\n{{\n {keep}\n}}\n"
    with pytest.raises(UserError, match=said) as raised:
        survey_and_plan(configured(tiny[1], tmp_path, edited(sections=sections, arg_train=arg_train)))
    assert str(raised.value).count("unknown bands B99") == (case == "unknown")


@pytest.mark.long
def test_memory_budget_changes_blocks_and_not_a_byte(tiny: Tiny, tmp_path: Path) -> None:
    config = mapped(tiny, tmp_path)
    names = ["final/Classif_Seed_0.tif", "final/ProbabilityMap_seed_0.tif"]
    expected = [(config.chain.output_path / name).read_bytes() for name in names]
    options = runner.Options(
        workers=0, last_step="mosaic", force=("samplesExtraction", "classification"), use=Resources(memory=5 << 20)
    )
    results = runner.run(config, options, runner.Watcher())
    assert results["classification/classification_T31TCJ_part_0"].state == "done"
    assert results["mosaic/mosaic"].state == "kept"
    assert [(config.chain.output_path / name).read_bytes() for name in names] == expected


def test_a_budget_too_small_for_any_block_says_what_is_needed(tiny: Tiny, tmp_path: Path) -> None:
    config = configured(tiny[1], tmp_path, edited())
    with pytest.raises(ConfigError, match=r"a block of \d+ x \d+ pixels needs [\d.]+ MB"):
        runner.run(config, runner.Options(workers=0, use=Resources(memory=1 << 16)), runner.Watcher())
