"""Every documented option of iota2 loads with its default, in each spelling and both syntaxes."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from iota2.chains.load import load_config
from iota2.config.options.schema import Config
from iota2.errors import ConfigError
from iota2.steps.prepare.coregistration import params
from tests.config.documented import OLD_SECTIONS, PROJECTIONS, Documented, documented, spellings

NEEDED = {
    "output_path": "out",
    "nomenclature_path": "classes.txt",
    "color_table": "colours.txt",
    "list_tile": "T31TCJ T31TDJ",
    "s2_path": "images",
    "ground_truth": "truth.shp",
    "data_field": "code",
    "proj": "EPSG:2154",
}
NEEDED_2020 = {
    "output_path": "outputPath",
    "nomenclature_path": "nomenclaturePath",
    "color_table": "colorTable",
    "list_tile": "listTile",
    "s2_path": "S2Path",
    "ground_truth": "groundTruth",
    "data_field": "dataField",
}
Sections = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("documented")
    (path / "images").mkdir()
    for name in ("classes.txt", "colours.txt", "truth.shp"):
        (path / name).touch()
    return path


def as_cfg(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{as_cfg(key)} : {as_cfg(item)}" for key, item in value.items()) + "}"
    return repr(value)


def loads(folder: Path, sections: Sections) -> tuple[Config, Config]:
    """The configuration loaded from each syntax."""
    cfg, text = folder / "run.cfg", folder / "run.yaml"
    cfg.write_text("\n".join(f"{name} : {as_cfg(options)}" for name, options in sections.items()), encoding="utf-8")
    text.write_text(yaml.safe_dump(sections), encoding="utf-8")
    return load_config(cfg), load_config(text)


def with_option(section: str, key: str, value: object) -> Sections:
    sections: Sections = {"chain": dict(NEEDED)}
    sections.setdefault(section, {})[key] = value
    return sections


CASES = [
    pytest.param(section, key, option, id=f"{section}.{key}={option.default}"[:80])
    for option in documented()
    for section, key in spellings(option)
]


@pytest.mark.parametrize(("section", "key", "option"), CASES)
def test_every_documented_option_loads_at_its_default(folder: Path, section: str, key: str, option: Documented) -> None:
    for config in loads(folder, with_option(section, key, option.default)):
        present = config.section(option.section)
        if hasattr(present, option.key) and isinstance(option.default, bool | int | float):
            message = "\n".join(config.warnings)
            one_for_both = (option.default, option.default)
            assert getattr(present, option.key) in (option.default, one_for_both) or "not selected" in message, message


@pytest.mark.parametrize(
    "option", [case for case in documented() if case.default not in ("", [], {}, ["I2Classification"])]
)
def test_none_is_accepted_for_every_option_with_a_default(folder: Path, option: Documented) -> None:
    """The texts None and none are accepted too. For ``features``, None is ambiguous and therefore rejected."""
    if option.key == "features":
        with pytest.raises(ConfigError, match=r"arg_train\.features"):
            loads(folder, with_option(option.section, option.key, None))
        return
    for none in (None, "None", "none"):
        loads(folder, with_option(option.section, option.key, none))


def test_none_in_place_of_a_default_is_reported(folder: Path) -> None:
    for config in loads(folder, with_option("chain", "regionField", None)):
        assert config.chain.region_field == "region"
        assert "chain.region_field: None is read as the default, 'region'" in config.warnings[0]


@pytest.mark.parametrize("key", NEEDED_2020)
def test_mandatory_options_have_their_legacy_names(folder: Path, key: str) -> None:
    chain = {NEEDED_2020[name] if name == key else name: value for name, value in NEEDED.items()}
    first, second = loads(folder, {"chain": chain})
    assert getattr(first.chain, key) == getattr(second.chain, key)
    assert f"chain.{NEEDED_2020[key]} → chain.{key}" in first.warnings[0]


@pytest.mark.parametrize("section", ["chain", "GlobChain", "globchain"])
@pytest.mark.parametrize("written", PROJECTIONS)
def test_a_projection_may_be_given_by_its_number(folder: Path, section: str, written: object) -> None:
    sections: Sections = {"chain": {key: value for key, value in NEEDED.items() if key != "proj"}}
    sections.setdefault(section, {})["proj"] = written
    assert all(config.chain.proj == "EPSG:2154" for config in loads(folder, sections))


def test_a_projection_needs_no_quotes(folder: Path) -> None:
    chain = "\n".join(f"{key} : {value!r}" for key, value in NEEDED.items() if key != "proj")
    (folder / "bare.cfg").write_text(f"chain : {{\n{chain}\nproj : EPSG:2154 }}")
    assert load_config(folder / "bare.cfg").chain.proj == "EPSG:2154"
    (folder / "bare.cfg").write_text(f"chain : {{\n{chain}\nproj:EPSG:32631,runs:2}}")
    assert load_config(folder / "bare.cfg").chain.proj == "EPSG:32631"


@pytest.mark.parametrize(("old", "present"), [(old, present) for present, old in OLD_SECTIONS.items()])
def test_section_names_ignore_case(folder: Path, old: str, present: str) -> None:
    for name in (old, old.lower(), old.upper(), present.upper()):
        loads(folder, {"chain": dict(NEEDED), name: {}})


@pytest.mark.parametrize(
    "name", ["landsat8_OLD", "LANDSAT5_OLD", "sentinel_2", "Sentinel2", "UserFeat", "Coregistration"]
)
def test_section_names_of_sensors_ignore_case(folder: Path, name: str) -> None:
    loads(folder, {"chain": dict(NEEDED), name: {}})


def test_two_spellings_of_a_section_are_merged(folder: Path) -> None:
    sections: Sections = {"chain": dict(NEEDED), "argTrain": {"runs": 2}, "arg_train": {"ratio": 0.7}}
    for config in loads(folder, sections):
        assert (config.arg_train.runs, config.arg_train.ratio) == (2, 0.7)
    with pytest.raises(ConfigError, match=r"arg_train\.runs: given twice"):
        loads(folder, sections | {"arg_train": {"runs": 2}})


def test_options_of_unselected_builders_are_one_warning(folder: Path) -> None:
    sections: Sections = {
        "chain": NEEDED | {"grid": "absent.shp", "region_priority": ["1", "2"]},
        "Simplification": {"umc1": 10, "umc2": "three", "no_such_option": 1, "statslist": {1: "rate"}},
        "obia": {"buffer_size": -1},
        "external_features": {"output_name": "map.tif"},
    }
    for config in loads(folder, sections):
        (note,) = [warning for warning in config.warnings if "builders that are not selected" in warning]
        for name in (
            "chain.grid",
            "chain.region_priority",
            "simplification.umc1",
            "simplification.umc2",
            "simplification.no_such_option",
            "simplification.statslist",
            "obia.buffer_size",
            "external_features.output_name",
        ):
            assert name in note, name


def test_options_of_a_selected_builder_are_checked(folder: Path) -> None:
    for name in ("i2_vectorization", ["i2_classification", "I2Vectorization"]):
        sections: Sections = {
            "chain": dict(NEEDED),
            "builders": {"builders_class_name": name},
            "simplification": {"umc1": 0, "outprefix": "a/b", "statslist": {"2": "rate"}},
        }
        with pytest.raises(ConfigError) as caught:
            loads(folder, sections)
        message = str(caught.value)
        assert "simplification.umc1: expected a whole number" in message
        assert "simplification.outprefix: expected a file name of letters, digits and . + - _, got 'a/b'" in message
        assert "simplification.statslist: raster 2 has no statistics 'rate'; expected stats or statsmaj" in message


def test_options_of_tools_that_polygons_do_not_need_have_no_effect(folder: Path) -> None:
    for config in loads(
        folder,
        {
            "chain": dict(NEEDED),
            "builders": {"builders_class_name": ["i2_classification", "i2_vectorization"]},
            "Simplification": {"grasslib": "/opt/grass", "systemcall": True, "blocksize": 500, "chunk": 1},
        },
    ):
        for name in ("grasslib", "systemcall", "blocksize", "chunk"):
            assert any(f"simplification.{name}: has no effect" in one for one in config.warnings), name


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("arg_train", "annual_crop", ["11", "12"]),
        ("arg_train", "sample_augmentation", {"activate": False, "strategy": "jitter", "target_models": ["all"]}),
        ("arg_train", "deep_learning_parameters", {"epochs": 20}),
        ("arg_train", "autocontext_iterations", 5),
        ("multi_run_fusion", "merge_run_method", "dempstershafer"),
        ("scikit_models_parameters", "cross_validation_folds", 3),
        ("scikit_models_parameters", "n_estimators", 100),
        ("external_features", "functions", "f"),
        ("python_data_managing", "padding_size_x", 2),
    ],
)
def test_settings_of_a_disabled_feature_cause_only_warnings(
    folder: Path, section: str, key: str, value: object
) -> None:
    for config in loads(folder, with_option(section, key, value)):
        assert any("has no effect" in warning and section in warning for warning in config.warnings)


def test_dates_of_tiles_are_read_in_the_order_of_list_tile(folder: Path) -> None:
    (folder / "reference.tif").touch()
    given = {"VHRPath": "reference.tif", "mode": 2, "dateSrc": "None 20170223"}
    for config in loads(folder, {"chain": dict(NEEDED), "coregistration": given}):
        assert config.coregistration.date_src == (None, date(2017, 2, 23))
        assert [params(config).of_tile(tile).near for tile in config.chain.list_tile] == [None, date(2017, 2, 23)]
    for config in loads(folder, {"chain": dict(NEEDED), "coregistration": given | {"dateSrc": 20170223}}):
        assert params(config).of_tile("T31TCJ") == params(config), "one date is that of all tiles"
    for config in loads(folder, {"chain": dict(NEEDED), "coregistration": given | {"dateVHR": 20170301}}):
        assert [params(config).of_tile(tile).near.day for tile in config.chain.list_tile] == [1, 23]
    for words, problem in [
        ("None 20170223 20170224", r"date_src: has 3 dates for 2 tiles"),
        ("None soon", r"expected a date YYYYMMDD, got 'soon'"),
    ]:
        with pytest.raises(ConfigError, match=problem):
            loads(folder, {"chain": dict(NEEDED), "coregistration": given | {"dateSrc": words}})
