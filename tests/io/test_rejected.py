"""Reasons and remedies for entries of a tile folder that are not products."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from iota2.io.archive.rejected import near_miss, nested, products_among, rejection_reason, why_unusable
from iota2.io.archive.specs import builtin_specs

SPECS = builtin_specs()
THEIA = SPECS["Sentinel_2"].example
COPERNICUS = SPECS["Sentinel_2_S2C"].example
USGS = SPECS["Landsat8_usgs_optical"].example
RADAR = SPECS["Sentinel_1"].example


def entry(folder: Path, name: str, is_folder: bool) -> str:
    """Make a file or a folder, and return its name."""
    if is_folder:
        (folder / name).mkdir()
    else:
        (folder / name).touch()
    return name


@pytest.mark.parametrize(
    ("section", "name", "is_folder", "message"),
    [
        ("Sentinel_2", f"{THEIA}.zip", False, "an archive; unpack it"),
        ("Sentinel_2", f"{THEIA}.TAR.GZ", False, "an archive; unpack it"),
        ("Sentinel_2", f"{THEIA}.crdownload", False, "its name ends in .crdownload: the download is not complete"),
        ("Sentinel_2", THEIA, False, "a file; a folder is expected"),
        ("Sentinel_1", RADAR, True, "a folder; a file is expected"),
        ("Sentinel_2", THEIA.lower(), True, "its name differs from that of a product in upper and lower case"),
        ("Sentinel_2", THEIA.replace("_L2A_", "_L1C_"), True, "of level L1C; L2A is needed"),
        ("Sentinel_2", THEIA.replace("_L2A_", "_L1C_") + ".zip", False, "an archive; of level L1C; L2A is needed"),
        ("Sentinel_2", THEIA.replace("_L2A_", "_L3A_"), True, "a product of Sentinel_2_L3A"),
        ("Sentinel_2_L3A", THEIA, True, "a product of Sentinel_2"),
        ("Sentinel_2", COPERNICUS.replace("L2A", "L1C"), True, "of level L1C; L2A is needed for Sentinel_2_S2C"),
        ("Sentinel_2_S2C", f"{COPERNICUS} (1)", True, "' (1)' follows the name of a product"),
        ("Landsat8_usgs_optical", USGS.replace("L2SP", "L1TP"), True, "of level L1TP; L2SP is needed"),
        ("Landsat8_usgs_optical", USGS.replace("_02_", "_01_"), True, "of collection 01; 02 is needed"),
        ("Landsat8_usgs_optical", USGS.replace("_T1", "_RT"), True, "of tier RT; T1 is needed"),
    ],
)
def test_a_name_similar_to_that_of_a_product_is_reported_with_the_difference(
    tmp_path: Path, section: str, name: str, is_folder: bool, message: str
) -> None:
    spec = SPECS[section]
    assert near_miss(spec, str(tmp_path), entry(tmp_path, name, is_folder)) == message
    assert rejection_reason(spec, str(tmp_path), name) == message


@pytest.mark.parametrize(
    ("name", "is_folder", "message"),
    [
        ("notes.txt", False, "a file, not a product"),
        ("2018", True, f"not a product name; products are named like {THEIA}"),
        ("2018.zip", False, "a file, not a product"),
    ],
)
def test_another_name_is_reported_with_an_example_of_a_product(
    tmp_path: Path, name: str, is_folder: bool, message: str
) -> None:
    spec = SPECS["Sentinel_2"]
    assert near_miss(spec, str(tmp_path), entry(tmp_path, name, is_folder)) == ""
    assert rejection_reason(spec, str(tmp_path), name) == message
    pattern = rejection_reason(replace(spec, example=""), str(tmp_path), name)
    assert pattern == (f"not a product name; names must match {spec.product}" if is_folder else message)


def test_a_folder_of_products_is_one_level_too_deep_unless_they_are_of_another_sensor(tmp_path: Path) -> None:
    (tmp_path / "2018" / THEIA).mkdir(parents=True)
    own, other = SPECS["Sentinel_2"], SPECS["Sentinel_2_L3A"]
    assert nested(own, str(tmp_path), "2018") == "it contains products, one level too deep"
    assert rejection_reason(own, str(tmp_path), "2018") == nested(own, str(tmp_path), "2018")
    assert nested(other, str(tmp_path), "2018") == nested(own, str(tmp_path / "2018"), THEIA) == ""


def test_products_are_entries_with_their_name_and_type(tmp_path: Path) -> None:
    entry(tmp_path, THEIA, is_folder=True)
    later = entry(tmp_path, THEIA.replace("20180511", "20180521"), is_folder=False)
    names = [THEIA, later, "notes.txt"]
    assert products_among(SPECS["Sentinel_2"], str(tmp_path), names) == [THEIA]
    assert products_among(replace(SPECS["Sentinel_2"], products="files"), str(tmp_path), names) == [later]


def test_only_probable_products_of_the_sensor_are_unusable(tmp_path: Path) -> None:
    spec = SPECS["Sentinel_2"]
    (tmp_path / "2018" / THEIA).mkdir(parents=True)
    archive = entry(tmp_path, f"{THEIA}.zip", is_folder=False)
    level = entry(tmp_path, THEIA.replace("_L2A_", "_L1C_"), is_folder=True)
    of_another = entry(tmp_path, THEIA.replace("_L2A_", "_L3A_"), is_folder=True)
    notes = entry(tmp_path, "notes.txt", is_folder=False)
    message = {name: why_unusable(spec, str(tmp_path), name) for name in ("2018", archive, level, of_another, notes)}
    assert message == {
        "2018": "it contains products, one level too deep",
        archive: "an archive; unpack it",
        level: "of level L1C; L2A is needed",
        of_another: "",
        notes: "",
    }
