"""Expressions in a configuration: problems, and names of bands given by position."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from iota2.config.options.schema import Config
from iota2.config.sensors import enabled_sensors, expression_remarks
from iota2.errors import ConfigError
from tests.config.helpers import loaded

SWITCH = {"sensors_data_interpolation": {"use_additional_features": True}}
MINE = """
name: Mine
section: Mine
product: '^mine_(?P<date>\\d{8})$'
bands:
  - {name: near, file: '*.tif', index: 1}
  - {name: far, file: '*.tif', index: 2}
masks: []
"""


def configured(folder: Path, chain: dict[str, Any], sections: dict[str, Any]) -> Config:
    (folder / "images").mkdir(exist_ok=True)
    return loaded(folder, chain, sections)


def mine(folder: Path, expressions: str) -> dict[str, Any]:
    """A user-defined sensor with these expressions."""
    (folder / "mine.yaml").write_text(MINE, encoding="utf-8")
    given = {"path": "images", "description": "mine.yaml", "additional_features": expressions}
    return {"user_sensors": {"Mine": given}}


def radar(folder: Path, expressions: str) -> dict[str, Any]:
    """A descending image of Sentinel-1, and an INI file with its folder."""
    (folder / "images/31TCJ").mkdir(parents=True)
    (folder / "images/31TCJ/s1a_31TCJ_vv_DES_069_20180511txxxxxx.tif").touch()
    (folder / "s1.ini").write_text(f"[Paths]\nOutput = images\n[Features]\nexpression = {expressions}\n")
    return {"s1_path": "s1.ini"}


def test_problems_of_all_sensors_are_reported_together_with_their_options(tmp_path: Path) -> None:
    chain = {"s2_path": "images", **mine(tmp_path, "near / fat"), **radar(tmp_path, "VV / VX")}
    given = {"Sentinel_2": {"additional_features": "b1 +, B13", "keep_bands": ["B4", "B99"]}}
    extraction = {"iota2_feature_extraction": {"extract_bands": True}}
    with pytest.raises(ConfigError) as raised:
        enabled_sensors(configured(tmp_path, chain, SWITCH | given | extraction))
    assert [problem.partition(": ")[0] for problem in raised.value.problems] == [
        "chain.s1_path",
        "Sentinel_2.keep_bands",
        "Sentinel_2.additional_features",
        "Sentinel_2.additional_features",
        "chain.user_sensors.Mine.additional_features",
    ]
    first, *_, last = raised.value.problems
    assert first.startswith("chain.s1_path: [Features] expression: expression 1 'VV / VX', column 6: unknown band 'VX'")
    assert last.endswith("expression 1 'near / fat', column 8: unknown band 'fat'; did you mean 'far'?.")


def test_disabled_expressions_are_not_checked(tmp_path: Path) -> None:
    config = configured(tmp_path, mine(tmp_path, "nonsense +"), {})
    (sensor,) = enabled_sensors(config)
    assert sensor.expressions == ()
    assert any("use_additional_features is False" in warning for warning in config.warnings)


def test_bands_by_position_are_reported_with_their_names(tmp_path: Path) -> None:
    chain = {"s2_path": "images", **mine(tmp_path, "b2 - near"), **radar(tmp_path, "vv / VH, b1")}
    config = configured(tmp_path, chain, SWITCH | {"Sentinel_2": {"additional_features": "B8 / B4"}})
    assert [one.text for one in expression_remarks(enabled_sensors(config))] == [
        "chain.s1_path: [Features] expression: in the expressions of sentinel1_asc, b1 = vv.",
        "chain.s1_path: [Features] expression: in the expressions of sentinel1_des, b1 = vv.",
        "chain.user_sensors.Mine.additional_features: in the expressions of Mine, b2 = far.",
    ]


def test_expressions_may_be_the_only_features(tmp_path: Path) -> None:
    without = {"arg_train": {"features": []}, "iota2_feature_extraction": {"copy_input": False}}
    chain = mine(tmp_path, "near / far")
    assert configured(tmp_path, chain, SWITCH | without).chain.user_sensors
    with pytest.raises(ConfigError, match="leaves no feature"):
        configured(tmp_path, chain, without)
