"""Checks of ``chain.stac_items`` before items are read."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from iota2.config.options.schema import Config
from iota2.config.sensors import enabled_sensors
from iota2.errors import ConfigError
from iota2.io.archive.specs import builtin_specs
from tests.config.helpers import loaded

ITEMS = {"source": "items", "collections": {"sentinel-2-l2a": "Sentinel_2_S2C"}}


def load(folder: Path, chain: dict[str, Any], **sections: Any) -> Config:
    (folder / "items").mkdir(exist_ok=True)
    (folder / "mine.yaml").touch()
    return loaded(folder, chain, sections)


def refusal(folder: Path, chain: dict[str, Any], **sections: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        load(folder, chain, **sections)
    return str(caught.value)


def test_collections_enable_sensors_with_the_options_of_their_sections(tmp_path: Path) -> None:
    given = {"Sentinel_2_S2C": {"temporal_resolution": 5}}
    config = load(tmp_path, {"stac_items": ITEMS | {"start_date": 20180101, "bbox": [0, 43, 1, 44]}}, **given)
    (sensor,) = enabled_sensors(config)
    assert sensor.spec == builtin_specs()["Sentinel_2_S2C"]
    assert sensor.stac
    assert sensor.source == str(tmp_path / "items")
    assert sensor.temporal_resolution == 5
    assert config.chain.stac_items is not None
    assert config.chain.stac_items.start_date == date(2018, 1, 1)
    assert config.chain.stac_items.bbox == (0, 43, 1, 44)
    assert not config.warnings


def test_the_order_of_sensors_does_not_depend_on_stac(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    table = {"a": "Sentinel_2_L3A", "b": "Landsat8", "c": "Landsat8"}
    config = load(tmp_path, {"stac_items": ITEMS | {"collections": table}, "s2_path": "images"})
    assert [(one.spec.section, one.stac) for one in enabled_sensors(config)] == [
        ("Landsat8", True),
        ("Sentinel_2", False),
        ("Sentinel_2_L3A", True),
    ]


def test_a_web_address_is_unchanged(tmp_path: Path) -> None:
    address = "https://example.org/api//v1/"
    config = load(tmp_path, {"stac_items": ITEMS | {"source": address, "remote": True}})
    assert enabled_sensors(config)[0].source == address


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ({"source": "absent"}, "chain.stac_items.source: no file or folder"),
        ({"source": "https://example.org/api"}, "set stac_items.remote to True to read from web servers"),
        ({"source": "s3://bucket/items"}, "expected a folder, a file or an http(s) address"),
        ({"source": "https://example.org/api?token=SECRET"}, "the address has a query, which may be secret"),
        ({"source": "https://me:SECRET@example.org/api"}, "the address has a user name, which may be secret"),
        ({"collections": {}}, "chain.stac_items.collections: is empty"),
        ({"collections": {"a": "sentinel_2_s2c"}}, "did you mean 'Sentinel_2_S2C'?"),
        ({"collections": {"a": "Sentinel_1"}}, "is neither a section of a sensor with product folders"),
        (
            {"collections": {"a": "Mine"}},
            "'Mine' is neither a section of a sensor with product folders nor in user_sensors",
        ),
        ({"start_date": 20190101, "end_date": 20180101}, "20190101 is after end_date 20180101"),
        ({"start_date": "soon"}, "expected a date YYYYMMDD"),
        ({"bbox": [0, 43, 1]}, "expected west, south, east and north in degrees, got [0, 43, 1]"),
        ({"bbox": "France"}, "expected west, south, east and north in degrees, got 'France'"),
        ({"bbox": [2, 43, 1, 44]}, "expected west < east and south < north"),
        ({"bbox": [500000, 4000000, 600000, 5000000]}, "in degrees"),
        ({"remote": "perhaps"}, "expected True or False"),
        ({"colections": {}}, "did you mean 'collections'?"),
    ],
)
def test_invalid_stac_items_are_rejected(items: dict[str, Any], message: str, tmp_path: Path) -> None:
    said = refusal(tmp_path, {"stac_items": ITEMS | items})
    assert message in said
    assert "SECRET" not in said
    assert "chain.stac_items" in said


def test_a_sensor_with_a_folder_and_items_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    message = refusal(tmp_path, {"stac_items": ITEMS, "s2_s2c_path": "images"})
    assert "chain.stac_items.collections.sentinel-2-l2a: Sentinel_2_S2C also has the folder" in message


def test_a_user_defined_sensor_with_items_needs_no_folder(tmp_path: Path) -> None:
    mine = {"user_sensors": {"Mine": {"description": "mine.yaml"}}}
    load(tmp_path, {"stac_items": ITEMS | {"collections": {"a": "Mine"}}, **mine})
    assert "chain.user_sensors.Mine.path: is missing" in refusal(tmp_path, {"stac_items": ITEMS, **mine})
    (tmp_path / "images").mkdir()
    mine["user_sensors"]["Mine"]["path"] = "images"
    assert "Mine also has the folder" in refusal(
        tmp_path, {"stac_items": ITEMS | {"collections": {"a": "Mine"}}, **mine}
    )


def test_an_output_folder_that_overlaps_the_items_is_rejected(tmp_path: Path) -> None:
    assert "is in the folder of products" in refusal(tmp_path, {"stac_items": ITEMS, "output_path": "items/out"})
    message = refusal(tmp_path, {"stac_items": ITEMS, "output_path": ".", "remove_output_path": True})
    assert f"would delete {tmp_path / 'items'}" in message


def test_options_of_a_sensor_without_collection_are_reported(tmp_path: Path) -> None:
    config = load(tmp_path, {"stac_items": ITEMS}, Landsat8={"temporal_resolution": 5})
    assert any("Landsat8: has no effect" in warning for warning in config.warnings)
