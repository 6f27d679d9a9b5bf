"""Undocumented spellings of present and legacy values and sections."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from iota2.chains import chain_of
from iota2.chains.load import load_config
from iota2.config.options.schema import Config
from iota2.errors import ConfigError
from tests.config.helpers import loaded


def read(folder: Path, chain: dict[str, Any], sections: dict[str, Any]) -> Config:
    """A configuration with a folder of images."""
    (folder / "images").mkdir(exist_ok=True)
    return loaded(folder, {"s2_path": "images"} | chain, sections)


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("10", (10.0, 10.0)),
        (["10"], (10.0, 10.0)),
        ("10 20", (10.0, 20.0)),
        ("1.5, 1.5", (1.5, 1.5)),
        ([1.5], (1.5, 1.5)),
        ([None], None),
        ("None", None),
        ("", None),
    ],
)
def test_a_resolution_may_be_text(tmp_path: Path, given: Any, meant: Any) -> None:
    assert read(tmp_path, {"spatial_resolution": given}, {}).chain.spatial_resolution == meant


@pytest.mark.parametrize("given", ["ten", "10 x", "10 10 10", "-10", "nan", [True]])
def test_an_invalid_resolution_is_rejected(tmp_path: Path, given: Any) -> None:
    with pytest.raises(ConfigError, match=r"chain\.spatial_resolution: expected a number > 0"):
        read(tmp_path, {"spatial_resolution": given}, {})


@pytest.mark.parametrize("given", [2154, 2154.0, "2154", "EPSG: 2154", " EPSG :2154", "epsg:2154"])
def test_a_projection_is_read_from_its_number(tmp_path: Path, given: Any) -> None:
    assert read(tmp_path, {"proj": given}, {}).chain.proj.upper() == "EPSG:2154"


@pytest.mark.parametrize("given", [2154.5, True, [2154], "EPSG", "EPSG:21 54"])
def test_an_invalid_projection_is_rejected(tmp_path: Path, given: Any) -> None:
    with pytest.raises(ConfigError, match=r"chain\.proj: expected"):
        read(tmp_path, {"proj": given}, {})


def test_the_mode_of_coregistration_may_be_text(tmp_path: Path) -> None:
    assert read(tmp_path, {}, {"coregistration": {"mode": "2"}}).coregistration.mode == 2
    with pytest.raises(ConfigError, match="expected 1 or 2 or 3, got '4'"):
        read(tmp_path, {}, {"coregistration": {"mode": "4"}})


def test_a_missing_option_is_reported_at_the_line_of_the_option_that_requires_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as message:
        read(tmp_path, {}, {"sensors_data_interpolation": {"auto_date": False}})
    lines = (tmp_path / "run.yaml").read_text(encoding="utf-8").splitlines()
    line = next(k for k, text in enumerate(lines, 1) if "auto_date" in text)
    assert [text.partition(": is")[0] for text in message.value.problems] == [
        f"line {line}: Sentinel_2.start_date",
        f"line {line}: Sentinel_2.end_date",
    ]


def test_an_unknown_builder_is_one_problem(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as message:
        read(tmp_path, {}, {"builders": {"builders_class_name": ["i2_classificationn"]}})
    (problem,) = message.value.problems
    assert "did you mean 'I2Classification'?" in problem


@pytest.mark.parametrize("section", [{}, {"builders_class_name": []}, {"builders_class_name": None}])
def test_classification_is_the_builder_of_a_configuration_that_names_none(tmp_path: Path, section: dict) -> None:
    assert [builder.name for builder in chain_of(read(tmp_path, {}, {"builders": section})).builders] == [
        "I2Classification"
    ]


def test_builders_paths_may_be_a_text(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"builders\.builders_paths: no folder .*mine; correct the path"):
        read(tmp_path, {}, {"builders": {"builders_paths": "mine"}})
    (tmp_path / "mine").mkdir()
    with pytest.raises(ConfigError, match=r"mine defines a value of type Builder"):
        read(tmp_path, {}, {"builders": {"builders_paths": "mine"}})


@pytest.mark.parametrize("key", ["l8_usgs_output_path", "l8_usgs_optical_output_path", "l8_usgs_thermal_output_path"])
def test_folders_of_stacks_have_no_effect(tmp_path: Path, key: str) -> None:
    (warning,) = read(tmp_path, {key: "stacks"}, {}).warnings
    assert f"chain.{key}: has no effect: iota2 writes no stacks" in warning


@pytest.mark.parametrize("name", ["Landsat8_usgs", "Landsat8USGS", "Landsat8_usgs_thermal", "Landsat8_usgs_infrared"])
def test_sections_of_unavailable_sensors_have_no_effect(tmp_path: Path, name: str) -> None:
    (warning,) = read(tmp_path, {}, {name: {"temporal_resolution": 16}}).warnings
    assert f"{name}: has no effect: it is not available yet" in warning


def test_a_pretrained_model_is_rejected(tmp_path: Path) -> None:
    (warning,) = read(tmp_path, {}, {"pretrained_model": {"model": None, "function": "None"}}).warnings
    assert "pretrained_model: has no effect" in warning
    with pytest.raises(ConfigError, match=r"pretrained_model: is known but not available yet; remove .*\(model\)"):
        read(tmp_path, {}, {"pretrained_model": {"model": "m.pt", "function": None}})


def test_empty_texts_and_lists_count_as_absent(tmp_path: Path) -> None:
    config = read(
        tmp_path,
        {"region_path": "", "region_field": ""},
        {"arg_classification": {"boundary_buffer": []}},
    )
    assert config.chain.region_path is None
    assert config.chain.region_field == "region"


def test_the_options_of_a_misspelt_section_are_not_reported_as_missing(tmp_path: Path) -> None:
    path = tmp_path / "run.cfg"
    path.write_text("chains :\n{\n  output_path : 'out'\n  list_tile : 'T31TCJ'\n  data_fields : 'code'\n}\n")
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    problems = caught.value.problems
    assert "line 1: chains: unknown section; did you mean 'chain'?" in problems
    assert any("chain.data_fields: unknown option; did you mean 'data_field'?" in text for text in problems)
    assert not any("output_path: is missing" in text or "list_tile: is missing" in text for text in problems)


@pytest.mark.parametrize(
    ("name", "text", "hint"),
    [
        ("run.cfg", "chain :\n{\n  ratio : 0,5\n}\n", "write a decimal number with a point"),
        ("run.cfg", "1 255 0 0\n2 0 255 0\n", "does not look like a configuration"),
        ("run.yaml", "chain:\n  output_path: out\n    list_tile: T31TCJ\n proj: 1\n", "same indentation"),
        ("run.yaml", "chain:\n  output_path: a: b\n", "put text with ':' in quotes"),
        ("run.yaml", "chain:\n\toutput_path: out\n", "spaces instead of tabs"),
    ],
)
def test_syntax_errors_name_their_usual_cause(tmp_path: Path, name: str, text: str, hint: str) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=hint):
        load_config(path)


def test_a_syntax_error_in_one_line_is_one_of_a_configuration(tmp_path: Path) -> None:
    path = tmp_path / "run.cfg"
    path.write_text("chain : { output_path : 'out' ; }\n", encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert "does not look like" not in str(caught.value)
