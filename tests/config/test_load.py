"""Loading of configuration files: values, warnings and problems."""

from __future__ import annotations

import os
import pickle
import re
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from iota2.chains.load import config_from, load_config
from iota2.classifiers import KINDS
from iota2.compute.indices import INDICES
from iota2.config import describe, minimal_config
from iota2.config.options.schema import SECTIONS, Config
from iota2.config.recipes import recipe_params
from iota2.config.syntax.document import Document, Node, SectionText
from iota2.errors import ConfigError
from iota2.options import keys

TUTORIAL = """chain :
  output_path : '{0}/IOTA2_Outputs/Results'
  remove_output_path : True
  nomenclature_path : '{0}/nomenclature.txt'
  list_tile : 'T31TCJ'
  s2_path : '{0}/sensor_data'
  ground_truth : '{0}/vector_data/groundTruth.shp'
  data_field : 'code'
  spatial_resolution : 10
  color_table : '{0}/colorFile.txt'
  proj : 'EPSG:2154'
  last_step: "validation"
arg_train :
  classifier : 'rf'
  otb_classifier_options : {{'classifier.rf.min': 5,'classifier.rf.max': 25 }}
arg_classification :
  classif_mode : 'separate'

    allowed_retry : 0
    maximum_ram : 60.0
    maximum_cpu : 12
"""

OF_2020 = """
chain:
{
  outputPath:'out'
  remove_outputPath:False
  pyAppPath:'/opt/iota2'
  jobsPath:'jobs'
  listTile:'T31TCJ T31TDJ'
  S2Path:'sensor_data'
  S2_S2C_Path:'None'
  L8Path:None
  groundTruth:'vector_data/groundTruth.shp'
  dataField:'code'
  nomenclaturePath:'nomenclature.txt'
  colorTable:'colorFile.txt'
  firstStep:init
  lastStep:validation
  logFileLevel:"DEBUG"
  runs:2
  random_seed:1
  spatialResolution:[10,10]
}
argTrain:
{
  classifier:'rf'
  options:' -classifier.rf.min 5 -classifier.rf.max 25 '
  sampleSelection:{'sampler':'random', 'strategy':'percent', 'strategy.percent.p':0.2}
}
argClassification: { classifMode:'separate' }
GlobChain:
{
  proj:'EPSG:2154'
  features:["NDVI","NDWI","Brightness"]
  autoDate:True
}
iota2FeatureExtraction: { copyinput:True, extractBands:False }
builders: { builders_class_name : ['i2_classification'] }
"""


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """A folder with all inputs of the configurations, as empty files."""
    for name in ("sensor_data", "vector_data", "other"):
        (tmp_path / name).mkdir()
    for name in (
        "nomenclature.txt",
        "colorFile.txt",
        "vector_data/groundTruth.shp",
        "mine.yaml",
        "counts.csv",
    ):
        (tmp_path / name).touch()
    return tmp_path


def load(world: Path, text: str, name: str = "run.cfg") -> Config:
    path = world / name
    path.write_text(text, encoding="utf-8")
    return load_config(path)


def chain(extra: str = "", **changed: str) -> str:
    """A valid ``chain`` with some entries replaced (None removes one) and others added."""
    entries = {
        "output_path": "'out'",
        "nomenclature_path": "'nomenclature.txt'",
        "list_tile": "'T31TCJ'",
        "s2_path": "'sensor_data'",
        "ground_truth": "'vector_data/groundTruth.shp'",
        "data_field": "'code'",
        "color_table": "'colorFile.txt'",
        "proj": "'EPSG:2154'",
    }
    lines = "\n".join(f"{key} : {value}" for key, value in (entries | changed).items() if value)
    return f"chain : {{\n{lines}\n{extra}\n}}\n"


def refusals(world: Path, text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(world, text)
    return list(caught.value.problems)


def refusal(world: Path, text: str) -> str:
    problems = refusals(world, text)
    assert len(problems) == 1, problems
    return problems[0]


def test_the_tutorial_loads_and_its_keys_without_header_find_their_section(world: Path) -> None:
    config = load(world, TUTORIAL.format(world))
    assert config.chain.output_path == world / "IOTA2_Outputs/Results"
    assert config.chain.remove_output_path
    assert config.chain.list_tile == ("T31TCJ",)
    assert config.chain.spatial_resolution == (10, 10)
    assert config.arg_train.otb_classifier_options == {"classifier.rf.min": 5, "classifier.rf.max": 25}
    retry = config.task_retry_limits
    assert (retry.allowed_retry, retry.maximum_ram, retry.maximum_cpu) == (0, 60.0, 12)
    assert len(config.warnings) == 3
    assert "line 19: arg_classification.allowed_retry" in config.warnings[0]
    assert "move it to section task_retry_limits" in config.warnings[0]


def test_a_legacy_file_keeps_its_meaning(world: Path) -> None:
    config = load(world, OF_2020)
    assert config.chain.output_path == world / "out"
    assert config.chain.list_tile == ("T31TCJ", "T31TDJ")
    assert config.chain.s2_path == world / "sensor_data"
    assert config.chain.s2_s2c_path is None
    assert config.chain.proj == "EPSG:2154"
    assert config.chain.logger_level == "DEBUG"
    assert (config.arg_train.runs, config.arg_train.random_seed) == (2, 1)
    assert config.arg_train.otb_classifier_options == {"classifier.rf.min": 5, "classifier.rf.max": 25}
    assert config.arg_train.sample_selection.percent == 0.2
    assert config.builders.builders_class_name == ("I2Classification",)
    said = "\n".join(config.warnings)
    assert "chain.pyAppPath: has no effect" in said
    assert "chain.runs: read as arg_train.runs" in said
    assert "outputPath → chain.output_path" in said


def test_yaml_gives_the_same_configuration(world: Path) -> None:
    config = load(world, TUTORIAL.format(world))
    names = ("chain", "arg_train", "arg_classification", "task_retry_limits")
    sections = {name: config.section(name).model_dump(mode="json", exclude_unset=True) for name in names}
    again = load(world, yaml.safe_dump(sections), "run.yaml")
    assert [tuple(s) for s in describe(again)] == [tuple(s) for s in describe(config)]
    assert again.warnings == ()


def test_the_minimal_configuration_loads_without_a_warning(world: Path) -> None:
    awkward = world / "it's \\ 'here' # {x}"
    awkward.mkdir()
    text = minimal_config(s2_path=str(awkward), ground_truth="vector_data/groundTruth.shp", color_table="colorFile.txt")
    config = load(world, text)
    assert config.warnings == ()
    assert config.chain.s2_path == awkward
    assert config.arg_train.random_seed == 0
    assert all(f"{key} :" in text for key in ("output_path", "nomenclature_path", "proj", "data_field"))


def test_all_missing_mandatory_options_are_reported_together(world: Path) -> None:
    said = refusals(world, "chain : {}")
    for key in (
        "output_path",
        "list_tile",
        "proj",
        "ground_truth",
        "data_field",
        "nomenclature_path",
        "color_table",
    ):
        assert any(f"chain.{key}: is missing; give" in problem for problem in said)


def test_all_problems_are_reported_together_with_their_lines(world: Path) -> None:
    text = chain(proj="'2154 m'", cloud_threshold="-1", grnd_truth="'x'") + (
        "arg_train : {\n runs : 0\n ratio : 1\n sample_selection : {\n  sampler : randm\n  foo : 1\n }\n}\n"
        "arg_clasification : {}\nmulti_run_fusion : {merge_run_ratio : 2}"
    )
    said = refusals(world, text)
    lines = text.splitlines()
    for word, part in [
        ("proj", "chain.proj: expected 'EPSG:<number>' such as 'EPSG:2154', got '2154 m'"),
        ("cloud_threshold", "chain.cloud_threshold: expected a whole number ≥ 0 and ≤ 10000, got -1"),
        ("grnd_truth", "chain.grnd_truth: unknown option; did you mean 'ground_truth'?"),
        ("runs", "arg_train.runs: expected a whole number ≥ 1 and ≤ 200, got 0"),
        ("ratio", "arg_train.ratio: expected a number > 0 and < 1, got 1"),
        ("sampler", "arg_train.sample_selection.sampler: expected 'random' or 'periodic', got 'randm'"),
        ("foo", "arg_train.sample_selection.foo: unknown option"),
        ("arg_clasification", "arg_clasification: unknown section; did you mean 'arg_classification'?"),
        ("multi_run", "multi_run_fusion.merge_run_ratio: expected a number > 0 and < 1, got 2"),
    ]:
        line = 1 + next(i for i, text in enumerate(lines) if text.strip().startswith(word))
        assert any(problem.startswith(f"line {line}: {part}") for problem in said), (part, said)
    assert len(said) == 9
    numbers = [int(problem.split(":")[0].removeprefix("line ")) for problem in said]
    assert numbers == sorted(numbers)


def test_messages_contain_no_words_of_pydantic(world: Path) -> None:
    text = chain(list_tile="{a : 1}", s2_path="[1]", user_sensors="3", cloud_threshold="many") + (
        "arg_train : { features : [NDVI, NDBI], sample_selection : 'all', otb_classifier_options : [1]\n"
        "runs : 1.5, ratio : True }\nSentinel_2 : { start_date : '2018-01-01', keep_bands : {} }\n"
        "sensors_data_interpolation : { auto_date : perhaps }"
    )
    said = "\n".join(refusals(world, text))
    for word in ("pydantic", "http", "Input should", "validation", "tuple", "instance", "str "):
        assert word not in said
    for option in (
        "chain.list_tile",
        "chain.s2_path",
        "chain.user_sensors",
        "chain.cloud_threshold",
        "arg_train.features",
        "arg_train.sample_selection",
        "arg_train.otb_classifier_options",
        "arg_train.runs",
        "arg_train.ratio",
        "Sentinel_2.start_date",
        "Sentinel_2.keep_bands",
        "sensors_data_interpolation.auto_date",
    ):
        assert f": {option}" in said


def test_temporal_features_are_given_by_name(world: Path) -> None:
    said = refusal(world, chain() + "arg_train : { temporal_features : [differences, statistic] }")
    expected = "arg_train.temporal_features: expected a list of: 'differences' or 'statistics', got 'statistic'"
    assert f"{expected}; did you mean 'statistics'?" in said
    config = load(world, chain() + "arg_train : { temporal_features : [statistics, differences, statistics] }")
    assert config.warnings == ()
    assert recipe_params(config).temporal_features == ("differences", "statistics")
    assert recipe_params(load(world, chain())).temporal_features == ()


def test_an_index_and_a_classifier_registered_later_are_accepted(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = chain() + "arg_train : { features : [Difference], classifier : nearest }\n"
    said = refusals(world, text)
    assert any("classifier: expected 'rf' or 'sharkrf' or " in one and "got 'nearest'" in one for one in said), said
    monkeypatch.setitem(INDICES, "Difference", replace(INDICES["NDVI"], name="Difference"))
    said = refusals(world, text.replace("Difference", "Diference"))
    assert any(
        one.endswith("'Brightness' or 'Difference', got 'Diference'; did you mean 'Difference'?") for one in said
    )
    monkeypatch.setitem(KINDS, "nearest", replace(KINDS["rf"], name="nearest"))
    found = load(world, text).arg_train
    assert (found.classifier, found.indices[-1]) == ("nearest", "Difference")


@pytest.mark.parametrize(
    ("value", "resolution"),
    [
        ("[]", None),
        ("None", None),
        ("10", (10, 10)),
        ("[10, 20.5]", (10, 20.5)),
        ("[1.5]", (1.5, 1.5)),
        ("[10]", (10, 10)),
    ],
)
def test_spatial_resolution_is_a_pair_or_native(
    world: Path, value: str, resolution: tuple[float, float] | None
) -> None:
    assert load(world, chain(spatial_resolution=value)).chain.spatial_resolution == resolution


@pytest.mark.parametrize(
    "value", ["0", "-10", "[0]", "[10, 20, 30]", "[[10]]", "[True]", "[10, 0]", "[a, b]", "True", "'10 m'"]
)
def test_an_invalid_spatial_resolution_is_rejected(world: Path, value: str) -> None:
    assert "chain.spatial_resolution: expected a number > 0" in refusal(world, chain(spatial_resolution=value))


@pytest.mark.parametrize(
    "tiles",
    [
        "''",
        "'T31TCJ T31TCJ'",
        "'../x'",
        "'a/b'",
        "'..'",
        "'/etc'",
        "'T31TCJ a\\\\b'",
        "['a..b']",
        "'.x'",
        "[]",
    ],
)
def test_unsafe_and_repeated_tile_names_are_rejected(world: Path, tiles: str) -> None:
    assert "chain.list_tile: " in refusal(world, chain(list_tile=tiles))


def test_tiles_may_be_given_as_a_list(world: Path) -> None:
    assert load(world, chain(list_tile="[T31TCJ, été]")).chain.list_tile == ("T31TCJ", "été")


def test_paths_start_at_the_folder_of_the_file(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (world / "run.cfg").write_text(chain(), encoding="utf-8")
    monkeypatch.chdir(world / "other")
    config = load_config("../run.cfg")
    assert config.chain.ground_truth.is_absolute()
    assert config.chain.ground_truth.samefile(world / "vector_data/groundTruth.shp")


def test_missing_inputs_are_reported_with_check_paths_only(world: Path) -> None:
    text = chain(ground_truth="'absent/x.shp'", s2_path="'mine.yaml'", color_table="'sensor_data'")
    said = refusals(world, text)
    assert [problem.split(": ")[1] for problem in said] == [
        "chain.s2_path",
        "chain.ground_truth",
        "chain.color_table",
    ]
    assert "it is a file" in said[0]
    assert f"{world} has no 'absent'" in said[1]
    assert "it is a folder" in said[2]
    assert load_config(world / "run.cfg", check_paths=False).chain.s2_path == world / "mine.yaml"


def test_a_key_in_the_wrong_section_moves_with_a_warning(world: Path) -> None:
    config = load(world, chain() + "arg_classification : {\n random_seed : 3\n}")
    assert config.arg_train.random_seed == 3
    (warning,) = config.warnings
    line = len((chain() + "arg_classification : {").splitlines()) + 1
    assert warning.startswith(f"run.cfg: line {line}: arg_classification.random_seed: read as arg_train.random_seed")


def test_a_key_of_several_other_sections_does_not_move(world: Path) -> None:
    said = refusal(world, chain() + "arg_train : { temporal_resolution : 5 }")
    assert "unknown option; it exists in Landsat5_old" in said
    assert "Sentinel_2" in said


def test_an_unknown_key_is_reported_with_the_section_of_a_similar_key(world: Path) -> None:
    said = refusal(world, chain() + "arg_classification : { classifer : rf }")
    assert "'classifier' belongs to arg_train" in said


@pytest.mark.parametrize(
    ("key", "instead"),
    [
        ("temporal_resolution : 12", "TemporalResolution of [Processing]"),
        ("temporalResolution : 12", "TemporalResolution of [Processing]"),
        ("additional_features : 'b1'", "expression of [Features]"),
    ],
)
def test_radar_options_of_the_ini_file_are_reported_with_their_key(world: Path, key: str, instead: str) -> None:
    said = refusal(world, chain() + f"Sentinel_1 : {{ {key} }}")
    name = key.partition(" ")[0]
    assert f"Sentinel_1.{name}: unknown option; give {instead} in the INI file that chain.s1_path names" in said


def test_a_key_similar_to_a_legacy_name_is_reported_with_the_present_name(world: Path) -> None:
    said = refusal(world, chain("additionalFeature : 'b1'"))
    assert re.search(r"'additional_features' belongs to .*Sentinel_2,", said)
    assert "None" not in said
    assert "did you mean 's2_path'?" in refusal(world, chain("S2Pathh : 'x'"))


@pytest.mark.parametrize(
    "text",
    [
        "chain : { outputPath : 'a' }\n",
        "arg_train : { output_path : 'a' }\n",
        "arg_train : { outputPath : 'a' }\n",
    ],
)
def test_a_key_given_twice_by_two_names_or_in_two_sections_is_an_error(world: Path, text: str) -> None:
    if text.startswith("chain"):
        said = refusal(world, chain("outputPath : 'a'"))
        assert said.startswith("line 10: chain.output_path: given twice, first on line 2")
    else:
        said = refusal(world, chain() + text)
        assert "chain.output_path: given twice, first on line 2" in said


@pytest.mark.parametrize(
    ("section", "option"),
    [
        ("arg_train", "classifier : sharkkm"),
        ("arg_train", "crop_mix : True"),
        ("arg_train", "deep_learning_parameters : {dl_name : ANN}"),
        ("arg_train", "features_from_raw_dates : True"),
        ("chain", "l8_usgs_thermal_path : 'x'"),
        ("chain", "last_step : vectorisation"),
        ("builders", "builders_class_name : [I2Vectorization]"),
        ("builders", "builders_class_name : [i2_classification, i2_vectorization]"),
        ("sensors_data_interpolation", "write_outputs : True"),
    ],
)
def test_options_that_are_not_available_yet_are_rejected(world: Path, section: str, option: str) -> None:
    text = chain(option) if section == "chain" else chain() + f"{section} : {{ {option} }}"
    assert "not available yet" in refusal(world, text)


@pytest.mark.parametrize(
    ("written", "expected"),
    [("none", "none"), ("'None'", "none"), ("None", "none"), ("temperature", "temperature"), ("auto", "auto")],
)
def test_no_calibration_is_a_value_not_the_default(world: Path, written: str, expected: str) -> None:
    config = load(world, chain() + f"arg_classification : {{ calibration : {written} }}")
    assert config.arg_classification.calibration == expected
    assert load(world, chain()).arg_classification.calibration == "auto"


@pytest.mark.parametrize(("written", "window"), [("none", None), ("'None'", None), ("None", None), ("smooth", 9)])
def test_no_context_is_a_value(world: Path, written: str, window: int | None) -> None:
    config = load(world, chain() + f"arg_train : {{ context : {written}, context_window : 9 }}")
    assert config.arg_train.window == window


@pytest.mark.parametrize(("given", "said"), [("8", "expected an odd number, got 8; choose 7 or 9"), ("1", "≥ 3")])
def test_windows_have_a_pixel_in_the_middle(world: Path, given: str, said: str) -> None:
    assert said in refusal(world, chain() + f"arg_train : {{ context : smooth, context_window : {given} }}")


def test_defaults_of_options_that_are_not_available_yet_are_accepted(world: Path) -> None:
    config = load(
        world,
        chain(l8_path="'None'", s1_path="none", grid="None")
        + "arg_train : { sample_augmentation : {activate : False}, deep_learning_parameters : {} }\n"
        "coregistration : { vhr_path : 'None', band_ref : 1 }\ndim_red : { dim_red : False }\n"
        "scikit_models_parameters : { model_type : None }\n"
        "external_features : { module : None, functions : None }\n"
        "simplification : { statslist : {1:'rate', 2:'statsmaj', 3:'statsmaj'} }",
    )
    assert config.warnings == ()
    assert config.chain.l8_path is None


@pytest.mark.parametrize(
    ("section", "option", "part"),
    [
        ("chain", "s2_output_path : 'x'", "writes no stacks"),
        ("Sentinel_2", "write_reproject_resampled_input_dates_stack : True", "never writes into input folders"),
        ("Sentinel_2", "start_date : 20180101", "auto_date is True"),
        ("Sentinel_2", "keep_bands : [B2]", "extract_bands is False"),
        ("arg_train", "features : [NDVI]", "NDWI, Brightness also computed"),
        ("arg_train", "sample_selection : {'elev.dem' : 'x'}", "elev.dem: has no effect"),
        ("arg_classification", "fusion_options : '-method dempstershafer'", "classif_mode is 'separate'"),
        ("python_data_managing", "number_of_chunks : 7", "memory limit"),
        ("arg_classification", "generate_final_probability_map : True", "enable_probability_map is False"),
    ],
)
def test_options_without_effect_are_accepted_with_a_warning(world: Path, section: str, option: str, part: str) -> None:
    text = chain(option) if section == "chain" else chain() + f"{section} : {{ {option} }}"
    line = 1 + text[: text.index(option)].count("\n")
    (warning,) = load(world, text).warnings
    assert warning.startswith(f"run.cfg: line {line}: ")
    assert part in warning


@pytest.mark.parametrize("option", ["split_field : parcel", "split_distance : 0"])
def test_split_options_without_split_cause_a_warning(world: Path, option: str) -> None:
    text = chain() + f"arg_train : {{ split_ground_truth : False\n{option} }}"
    (warning,) = [warning for warning in load(world, text).warnings if "optimistic" not in warning]
    assert f"{option.split(maxsplit=1)[0]}: has no effect: split_ground_truth is False" in warning
    assert load(world, chain() + f"arg_train : {{ {option} }}").warnings == ()


def test_any_list_of_indices_includes_the_default_ones(world: Path) -> None:
    assert load(world, chain() + "arg_train : { features : [NDVI] }").arg_train.indices == (
        "NDVI",
        "NDWI",
        "Brightness",
    )
    assert load(world, chain() + "arg_train : { features : [] }").arg_train.indices == ()


def test_without_a_random_seed_the_seed_is_zero(world: Path) -> None:
    assert load(world, chain()).arg_train.seed == 0
    assert load(world, chain() + "arg_train : { random_seed : 7 }").arg_train.seed == 7


DATES = "sensors_data_interpolation : { auto_date : False }\n"


@pytest.mark.parametrize(
    ("text", "part"),
    [
        (chain(s2_path=""), "chain: no sensor is enabled"),
        (chain(first_step="mosaic", last_step="learning"), "'mosaic' comes after last_step 'learning'"),
        (chain() + "arg_train : { split_ground_truth : False, runs : 2 }", "makes all 2 runs identical"),
        (chain() + DATES + "Sentinel_2 : { start_date : 20180101 }", "Sentinel_2.end_date: is needed"),
        (
            chain() + DATES + "Sentinel_2 : { start_date : '20190101', end_date : '20180101' }",
            "20190101 is after end_date 20180101",
        ),
        (
            chain() + "iota2_feature_extraction : { copy_input : False }\narg_train : { features : [] }",
            "leaves no feature",
        ),
        (chain() + "arg_train : { split_distance : -1 }", "split_distance: expected a number or None ≥ 0"),
        (chain() + "arg_train : { split_distance : True }", "split_distance: expected a number or None ≥ 0"),
        (chain() + "arg_train : { split_distance : '1e400' }", "split_distance: expected a number or None ≥ 0"),
        (chain(output_path="'sensor_data/T31TCJ/out'"), "is in the folder of products"),
        (chain(output_path="'vector_data'", remove_output_path="True"), "would delete"),
        (chain() + "arg_train : { otb_classifier_options : {'classifier.rf.mx' : 3} }", "classifier.rf.mx"),
        (chain() + "arg_train : { otb_classifier_options : 'rf.min 5' }", "do not start with a name"),
        (chain() + "Sentinel_2 : { start_date : 20180230 }", "expected a date YYYYMMDD, got 20180230"),
        (chain() + "Sentinel_2 : { start_date : '2018111' }", "expected a date YYYYMMDD, got '2018111'"),
        (chain() + "Sentinel_2 : { end_date : 201811 }", "expected a date YYYYMMDD, got 201811"),
        (chain(output_path="''"), "chain.output_path: expected a folder for results"),
        (chain(output_path="'/'"), "chain.output_path: expected a folder for results"),
        (chain() + "arg_train : { classifier : sharkfr }", "did you mean 'sharkrf'?"),
        (
            chain(user_sensors="{'my sensor' : {path : 'other', description : 'mine.yaml'}}"),
            "'my sensor' is no valid sensor name",
        ),
        (
            chain(
                user_feat_path="'other'", user_sensors="{userFeatures : {path : 'other', description : 'mine.yaml'}}"
            ),
            "the layers of user_feat_path have the same name",
        ),
        (chain(last_step="'valid'"), "; did you mean 'validation'?"),
        (
            chain(nomenclature_path="'nomenclature.txt'", color_table="'./nomenclature.txt'"),
            "chain.color_table: is the same file as nomenclature_path",
        ),
        (
            chain(user_sensors="{Mine : {path : 'other', description : 'absent.yaml'}}"),
            "chain.user_sensors.Mine.description: no file",
        ),
        (chain(user_sensors="{Mine : {path : 'other'}}"), "chain.user_sensors.Mine.description: is missing"),
        (
            chain(user_sensors="{Mine : {path : 'other', description : 'mine.yaml', band : 1}}"),
            "chain.user_sensors.Mine.band: unknown option",
        ),
    ],
)
def test_invalid_options_and_combinations_are_rejected(world: Path, text: str, part: str) -> None:
    assert part in refusal(world, text)


def test_dates_are_read_from_numbers_and_texts(world: Path) -> None:
    config = load(world, chain() + DATES + "Sentinel_2 : { start_date : 20180101, end_date : '20181231' }")
    assert config.sensors["Sentinel_2"].start_date == date(2018, 1, 1)
    assert config.sensors["Sentinel_2"].end_date == date(2018, 12, 31)


def test_a_user_defined_sensor_is_sufficient(world: Path) -> None:
    sensors = "{ Mine : { path : 'other', description : 'mine.yaml', temporal_resolution : 5 } }"
    config = load(world, chain(s2_path="", user_sensors=sensors))
    mine = config.chain.user_sensors["Mine"]
    assert (mine.path, mine.description, mine.temporal_resolution) == (
        world / "other",
        world / "mine.yaml",
        5,
    )


@pytest.mark.parametrize(
    ("selection", "part"),
    [
        ("{strategy : percent}", "strategy 'percent' needs 'strategy.percent.p'"),
        ("{strategy : all, 'strategy.total.v' : 5}", "does not use 'strategy.total.v'"),
        ("{strategy : constant, 'strategy.constant.nb' : 0}", "None ≥ 1 and ≤ 2147483647, got 0"),
        ("{strategy : byclass, 'strategy.byclass.in' : 'absent.csv'}", "no file"),
        ("{'sampler.periodic.jitter' : 2}", "does not use 'sampler.periodic.jitter'"),
        ("{rand : 3}", "'rand' cannot be set"),
        ("{per_model : [{strategy : all}]}", "per_model.0.target_model: is missing"),
        ("{per_model : [{target_model : 1}, {target_model : '1'}]}", "target_model '1' given twice"),
        ("{per_model : [{target_model : 1, strategy : total}]}", "per_model.0: strategy 'total' needs"),
        ("{per_model : [], per_models : []}", "have the same meaning"),
    ],
)
def test_an_invalid_selection_is_rejected(world: Path, selection: str, part: str) -> None:
    said = refusal(world, chain() + f"arg_train : {{ sample_selection : {selection} }}")
    assert "arg_train.sample_selection" in said
    assert part in said


def test_each_region_gets_its_selection(world: Path) -> None:
    selection = (
        "{ strategy : byclass, 'strategy.byclass.in' : 'counts.csv'\n"
        " per_models : [{target_model : 2, strategy : percent, strategy.percent.p : 0.5}] }"
    )
    config = load(world, chain() + f"arg_train : {{ sample_selection : {selection} }}")
    found = config.arg_train.sample_selection
    assert found.byclass == world / "counts.csv"
    assert found.of_model("1", "1").strategy == "byclass"
    assert found.of_model("2", "2").percent == 0.5
    assert found.of_model("2f1", "2").percent == 0.5
    assert found.of_model("2f1", "2f1") is found, "a region that is not split"
    assert found.of_model("f2", "f2") is found


def test_a_configuration_is_frozen_and_can_be_sent_to_workers(world: Path) -> None:
    config = load(world, OF_2020)
    assert pickle.loads(pickle.dumps(config)) == config
    with pytest.raises(ValueError, match="frozen"):
        config.arg_train.runs = 3


def test_describe_reports_values_and_defaults(world: Path) -> None:
    settings = {(s.section, s.key): s for s in describe(load(world, OF_2020))}
    assert settings["arg_train", "runs"][2:] == (2, 1)
    assert settings["chain", "proj"].default is ...
    assert settings["Sentinel_2", "temporal_resolution"].value is None, "the description of the sensor says it"


def test_none_and_empty_text_are_none_only_if_none_is_the_default(world: Path) -> None:
    config = load(world, chain(region_path="''", data_field="'none'"))
    assert config.chain.region_path is None
    assert config.chain.data_field == "none"


@pytest.mark.parametrize("section", SECTIONS)
def test_any_value_of_any_option_is_accepted_or_rejected_with_its_line(section: str) -> None:
    values: list[Any] = [
        None,
        True,
        -3,
        10**17,
        1.5,
        "",
        "..",
        "a\0b",
        (Node(1, 7), Node({"a": Node(1, 8)}, 7)),
        {"a": Node({"b": Node((Node(None, 9),), 8)}, 7)},
    ]
    for key in keys(SECTIONS[section]):
        for value in values:
            written = SectionText(section, 3, {key: Node(value, 7)})
            with pytest.raises(ConfigError) as caught:
                config_from(Document(Path("/nowhere/run.cfg"), (written,)))
            own = [p for p in caught.value.problems if "is missing" not in p and "no sensor" not in p]
            assert all(p.startswith(("line 7: ", "line 8: ", "line 9: ")) for p in own), own
            assert all(f": {section}.{key}" in p for p in own), own


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("~nosuchuser/x", "there is no user '~nosuchuser' on this machine"),
        ("x" * 300, "is longer than file systems allow"),
        ("a/" + "é" * 150, "is longer than file systems allow"),
        ("a/" * 3000 + "b", "is longer than file systems allow"),
    ],
)
@pytest.mark.parametrize("key", ["output_path", "s2_path", "ground_truth", "s1_path", "l8_output_path"])
def test_an_impossible_path_is_rejected_with_its_option(world: Path, path: str, message: str, key: str) -> None:
    said = refusal(world, chain(**{key: f"'{path}'"}))
    assert f"chain.{key}: '" in said
    assert message in said
    assert len(said) < 400


def test_a_path_with_nul_is_rejected(world: Path) -> None:
    assert "contains a NUL character" in refusal(world, chain(output_path="'a\0b'"))


def test_an_impossible_source_of_items_is_rejected(world: Path) -> None:
    stac = "{ source : '~nosuchuser/x', collections : { a : Sentinel_2 } }"
    assert "there is no user '~nosuchuser'" in refusal(world, chain(s2_path="", stac_items=stac))


def test_a_named_pipe_is_rejected_as_input(world: Path) -> None:
    os.mkfifo(world / "pipe")
    assert "it is a named pipe (FIFO)" in refusal(world, chain(ground_truth="'pipe'"))
    assert "it is a named pipe (FIFO)" in refusal(world, chain(s2_path="'pipe'"))


def test_a_folder_without_permission_is_rejected(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(path: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "is_dir", closed)
    assert "sensor_data cannot be accessed (Permission denied)" in refusal(world, chain())


@pytest.mark.parametrize("written", ["'EPSG:9999'", "9999", "'epsg: 9999'"])
def test_a_projection_that_does_not_exist_is_named_with_an_example(world: Path, written: str) -> None:
    message = "chain.proj: EPSG:9999 is not a known coordinate reference system; expected such as EPSG:2154"
    assert message in refusal(world, chain(proj=written))


@pytest.mark.parametrize(("code", "kind"), [(4978, "Geocentric CRS"), (5773, "Vertical CRS")])
def test_a_projection_without_map_coordinates_is_rejected(world: Path, code: int, kind: str) -> None:
    message = f"chain.proj: EPSG:{code} ({kind}) has no map coordinates; expected such as EPSG:2154"
    assert message in refusal(world, chain(proj=f"'EPSG:{code}'"))


@pytest.mark.parametrize(
    ("section", "option"),
    [
        ("arg_train", "runs : 99999999999999999"),
        ("task_retry_limits", "allowed_retry : 99999999999999999"),
        ("task_retry_limits", "maximum_ram : 1e300"),
        ("task_retry_limits", "maximum_cpu : 99999999999999999"),
        ("Sentinel_2", "temporal_resolution : 99999999999999999"),
        ("chain", "cloud_threshold : 1e999"),
        ("chain", "spatial_resolution : [1e999]"),
        ("chain", "proj : 99999999999999999"),
        ("chain", "list_tile : '" + "x" * 300 + "'"),
    ],
)
def test_numbers_and_names_out_of_bounds_are_rejected(world: Path, section: str, option: str) -> None:
    key, value = option.split(" : ")
    text = chain(**{key: value}) if section == "chain" else chain() + f"{section} : {{ {option} }}"
    assert f": {section}.{key}: " in refusal(world, text)


def test_a_long_value_is_truncated_in_messages(world: Path) -> None:
    assert len(refusal(world, chain(cloud_threshold=f"'{'x' * 100_000}'"))) < 400


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("-32768", (-32768.0,)),
        ("[-32768, -9999]", (-32768.0, -9999.0)),
        ("[3.4e38]", (3.4e38,)),
        ("'-9999 -32768'", (-9999.0, -32768.0)),
        ("[]", ()),
    ],
)
def test_nodata_of_layers_is_a_number_or_a_list(world: Path, written: str, expected: tuple[float, ...]) -> None:
    assert load(world, f"{OF_2020}userFeat: {{ nodata: {written} }}\n").user_feat.nodata == expected


@pytest.mark.parametrize("written", ["'void'", "[True]", "['nan']", "[-9999, 'x']", "1e999"])
def test_nodata_of_layers_that_is_no_number_is_rejected(world: Path, written: str) -> None:
    with pytest.raises(ConfigError, match=r"userFeat\.nodata.*expected a number or a list of numbers"):
        load(world, f"{OF_2020}userFeat: {{ nodata: {written} }}\n")


def test_a_vector_file_without_permission_is_reported_with_its_option(
    world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error is simulated, because root has access to every folder."""

    def refuses(path: Path) -> bool:
        if path.name == "locked.shp":
            raise PermissionError(13, "Permission denied", str(path))
        return True

    monkeypatch.setattr(Path, "is_file", refuses)
    message = refusal(world, chain(ground_truth="'locked.shp'"))
    assert "chain.ground_truth" in message
    assert "locked.shp cannot be accessed (Permission denied)" in message
