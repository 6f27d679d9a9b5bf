"""Present places of keys: moves of unambiguous keys, legacy names, suggestions."""

from __future__ import annotations

from pathlib import Path

import pytest

from iota2.config.places import KEYS, place_of, section_of, texts_of, unknown_option, unknown_section
from iota2.config.syntax.cfg import read_cfg
from iota2.options import about

ASKED = frozenset("C")


def how(section: str, key: str) -> str:
    return place_of(section, key, ASKED).how


@pytest.mark.parametrize(
    ("section", "key", "home", "present"),
    [
        ("arg_classification", "allowed_retry", "task_retry_limits", "allowed_retry"),
        ("Sentinel_2", "maximum_ram", "task_retry_limits", "maximum_ram"),
        ("simplification", "maximum_cpu", "task_retry_limits", "maximum_cpu"),
        ("arg_classification", "random_seed", "arg_train", "random_seed"),
        ("arg_train", "outputPath", "chain", "output_path"),
        ("chain", "splitGroundTruth", "arg_train", "split_ground_truth"),
        ("chain", "runs", "arg_train", "runs"),
        ("chain", "ratio", "arg_train", "ratio"),
        ("chain", "VHRPath", "coregistration", "vhr_path"),
        ("sensors_data_interpolation", "proj", "chain", "proj"),
        ("sensors_data_interpolation", "features", "arg_train", "features"),
        ("external_features", "number_of_chunks", "python_data_managing", "number_of_chunks"),
    ],
)
def test_unambiguous_keys_are_moved(section: str, key: str, home: str, present: str) -> None:
    place = place_of(section, key, ASKED)
    assert (place.section, place.key, place.how) == (home, present, "moved")


@pytest.mark.parametrize(
    ("section", "key"),
    [
        ("chain", "arbo"),
        ("chain", "patterns"),
        ("chain", "step"),
        ("chain", "prec"),
        ("chain", "account"),
        ("chain", "options"),
        ("arg_train", "mode"),
        ("arg_train", "module"),
        ("arg_classification", "classifier"),
        ("arg_classification", "features"),
        ("multi_run_fusion", "runs"),
        ("Landsat8", "mode"),
        ("Landsat8", "patterns"),
        ("Landsat8", "output_path"),
        ("Landsat8", "spatial_resolution"),
        ("Sentinel_2", "options"),
        ("Sentinel_2", "auto_date"),
        ("Sentinel_2", "vhr_path"),
        ("Sentinel_1", "write_outputs"),
        ("userFeat", "data_field"),
        ("chain", "temporal_resolution"),
        ("arg_train", "keep_bands"),
        ("arg_train", "buffer_size"),
        ("chain", "write_reproject_resampled_input_dates_stack"),
        ("arg_train", "custom_write_mode"),
    ],
)
def test_ambiguous_keys_stay_unknown(section: str, key: str) -> None:
    assert how(section, key) == "unknown"


@pytest.mark.parametrize("section", ["Landsat5_old", "Landsat8", "Landsat8_old", "Sentinel_2", "Sentinel_2_S2C"])
@pytest.mark.parametrize("key", ["arbo", "arbomask", "nodata_Mask", "nodata", "nativeRes", "imtype", "proj", "Arbo"])
def test_legacy_keys_of_sensors_have_no_effect(section: str, key: str) -> None:
    place = place_of(section, key, ASKED)
    assert place.how == "without effect"
    assert (place.section, place.key) == (section, key)
    assert "remove it" in place.text


@pytest.mark.parametrize(
    "key", ["mode", "model", "OTB_HOME", "otb_home", "jobsPath", "S1_output_path", "l8_output_path_old"]
)
def test_legacy_keys_of_section_chain_have_no_effect(key: str) -> None:
    assert how("chain", key) == "without effect"


def test_arbo_of_the_layers_is_no_legacy_key() -> None:
    assert place_of("userFeat", "arbo", ASKED).how == "as written"


@pytest.mark.parametrize(
    ("section", "key", "message"),
    [
        ("chain", "testPath", "; remove it or see the list of options"),
        ("chain", "s3_path", "; remove it or see the list of options"),
        ("chain", "l7_path_old", "; remove it or see the list of options"),
        ("chain", "seeds", "; remove it or see the list of options"),
        ("chain", "grnd_truth", "; did you mean 'ground_truth'?"),
        ("chain", "S2Pathh", "; did you mean 's2_path'?"),
        ("arg_classification", "classifer", "; 'classifier' belongs to arg_train"),
        ("arg_train", "target_dimensions", "; 'target_dimension' belongs to dim_red"),
        ("chain", "step", "; it exists in coregistration: move it"),
        ("arg_train", "seed", "; did you mean 'random_seed'?"),
        ("chain", "seed", "; it exists in simplification: move it to the right section"),
        ("chain", "threshold", "; did you mean 'cloud_threshold'?"),
        ("chain", "output_format", "; it exists in features_map: move it to the right section"),
        ("chain", "full_learn_segment", "; it exists in obia: move it to the right section"),
        ("chain", "model_type", "; it exists in scikit_models_parameters: move it to the right section"),
        ("Sentinel_1", "temporalResolution", "; give TemporalResolution of [Processing] in the INI file"),
    ],
)
def test_only_similar_options_are_suggested(section: str, key: str, message: str) -> None:
    assert unknown_option(section, key).startswith(message)


def test_sections_are_found_by_any_spelling() -> None:
    assert section_of("argTrain") == section_of("ARG_TRAIN") == section_of("arg_train") == "arg_train"
    assert section_of("Features") == "external_features"
    assert section_of("landsat8_OLD") == "Landsat8_old"
    assert section_of("testSection") is None
    assert unknown_section("arg_trian") == "; did you mean 'arg_train'?"
    assert "did you mean" not in unknown_section("Sentinel_3")


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", []),
        ("builders : { builders_class_name : None }", []),
        ("builders : { builders_class_name : 3 }", []),
        ("builders : { builders_class_name : [nonsense, 7] }", ["nonsense"]),
        ("builders : { builders_class_name : i2_obia }", ["i2_obia"]),
        ("Builders : { buildersClassName : ['I2Classification', 'mine'] }", ["I2Classification", "mine"]),
    ],
)
def test_the_texts_of_an_option_are_found_in_any_spelling_of_its_name(text: str, names: list[str]) -> None:
    assert texts_of(read_cfg(text, Path("run.cfg")), "builders", "builders_class_name") == names


def test_no_two_options_of_a_section_differ_only_in_spelling() -> None:
    for section, known in KEYS.items():
        assert len({key.lower().replace("_", "") for key in known}) == len(known), section


@pytest.mark.parametrize(
    ("section", "key", "meant"),
    [
        ("userFeat", "pattern", "patterns"),
        ("userFeat", "patern", "patterns"),
        ("coregistration", "patterns", "pattern"),
        ("scikit_models_parameters", "model_typ", "model_type"),
        ("scikit_models_parameters", "cross_validation_fold", "cross_validation_folds"),
    ],
)
def test_a_similar_option_of_the_section_precedes_the_same_one_of_another_section(
    section: str, key: str, meant: str
) -> None:
    assert how(section, key) == "unknown"
    assert unknown_option(section, key) == f"; did you mean '{meant}'?"


def test_no_move_to_an_unavailable_option_is_suggested() -> None:
    for home, known in KEYS.items():
        for name in known:
            for section in KEYS:
                if how(section, name) == "unknown" and "it exists in" in (message := unknown_option(section, name)):
                    named = message.partition("exists in ")[2].partition(":")[0].split(", ")
                    assert all(about(KEYS[one][name]).status != "later" for one in named if name in KEYS[one]), home


@pytest.mark.parametrize(("section", "key"), [("chain", "sampler"), ("arg_train", "trees"), ("chain", "s3_path")])
def test_another_section_is_suggested_for_very_similar_options_only(section: str, key: str) -> None:
    assert unknown_option(section, key) == "; remove it or see the list of options"


def test_unknown_keys_of_the_classifier_section_are_its_arguments() -> None:
    assert how("scikit_models_parameters", "n_estimators") == "as written"
