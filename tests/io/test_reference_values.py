"""Values of a quantity in reference data: what is read, and clear answers to what cannot be learned."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely

from iota2.core.tables import ORIGIN
from iota2.errors import InputError
from iota2.io.tables.reference import LABEL, read_reference
from iota2.io.tables.target_values import read_target_values, write_target_values
from iota2.io.tables.value_columns import read_values
from iota2.io.tables.value_strata import POLYGONS_PER_GROUP, stratified

CRS = "EPSG:2154"


def written(folder: Path, values: Any, *, field: str = "height") -> Path:
    """A file with a square for each value."""
    count = len(values)
    left = 600_000 + 100.0 * np.arange(count)
    squares = shapely.box(left, 6_200_000, left + 50, 6_200_050)
    frame = gpd.GeoDataFrame({field: values}, geometry=squares, crs=CRS)
    path = folder / "trees.gpkg"
    frame.to_file(path, driver="GPKG", engine="pyogrio")
    return path


def read(path: Path, field: str = "height") -> Any:
    return read_reference(path, field, CRS, quantity=True)


@pytest.mark.parametrize(
    "values", [[1.5, 2.25, -3.0], [4, 5, 0], ["1.5", " 2.25 ", "-3"], np.array([1.5, 2.25], np.float32)]
)
def test_numbers_of_any_type_are_values(values: Any, tmp_path: Path) -> None:
    data = read(written(tmp_path, values))
    assert data.kind == "number"
    assert data.frame[LABEL].tolist() == [float(value) for value in values]
    assert (data.warnings, data.lost) == ((), ())


def test_polygons_without_value_are_left_out_with_a_note(tmp_path: Path) -> None:
    data = read(written(tmp_path, [1.5, np.nan, 2.5, None]))
    assert data.frame[ORIGIN].tolist() == [0, 2]
    assert "2 polygons without value left out (row 1, 3)" in data.notes[0]


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        (["tall", "3", "small"], ["contains text in 2 polygons of 3: 'tall', 'small' (row 0, 2)", "numeric field"]),
        ([True, False, True], ["contains no numbers but bool"]),
        ([7.0, 7.0, 7.0], ["all 3 polygons have the value 7", "nothing to learn"]),
        ([np.nan, np.nan], ["has no value in any of its 2 polygons"]),
        (
            [1.0, np.inf, -np.inf, 2.0],
            ["2 values of field 'height' are infinite (row 1, 2)", "leave their field empty"],
        ),
        ([1.0, 2.0, -9999.0, 3.0, -9999.0], ["2 values of field 'height': -9999", "no data", "(row 2, 4)"]),
        ([1.0, -3.4028235e38, 2.0], ["1 value of field 'height' beyond 1e+30: -3.40282e+38", "(row 1)"]),
        ([1.0, 2.0, 1e31], ["1 value of field 'height' beyond 1e+30: 1e+31", "(row 2)"]),
        ([4.5, np.nan], ["has a value in one polygon only", "nothing to learn"]),
    ],
)
def test_values_that_cannot_be_learned_are_problems(values: Any, texts: list[str], tmp_path: Path) -> None:
    path = written(tmp_path, values)
    with pytest.raises(InputError) as caught:
        read(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: cannot be used as reference data")
    for text in texts:
        assert text in message


def test_values_that_look_like_no_data_are_remarked_with_number_of_polygons_and_remedy(tmp_path: Path) -> None:
    data = read(written(tmp_path, [*np.linspace(3, 30, 20), 65535.0, -9999.0, 65535.0]))
    assert len(data.frame) == 23, "they are used"
    assert data.notes == (
        "trees.gpkg: 1 polygon with the value -9999 in field 'height', far from all others (3 to 30): if it means no "
        "data, leave the field of these rows empty, or remove them (row 21)",
        "trees.gpkg: 2 polygons with the value 65535 in field 'height', far from all others (3 to 30): if it means no "
        "data, leave the field of these rows empty, or remove them (row 20, 22)",
    )


def test_a_single_number_that_means_no_data_is_recognised_in_float32(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="which usually means no data"):
        read(written(tmp_path, np.array([1.0, 2.0, 3.0, 1e20], np.float32)))


@pytest.mark.parametrize(
    ("values", "hint"),
    [
        (["4,294", "3.1"], ". Decimals need a point: write 4.294 instead of 4,294"),
        (["tall", " 0,5 ", "3"], ". Decimals need a point: write 0.5 instead of 0,5"),
        (["1,234,567", "3"], "correct these rows"),
        (["a,b", "3"], "correct these rows"),
    ],
)
def test_a_decimal_comma_is_explained(values: list[str], hint: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        read(written(tmp_path, values))
    assert str(caught.value).endswith(hint)


def test_a_number_that_means_no_data_may_be_a_value_among_others() -> None:
    assert read_values(pd.Series([-9000.0, -9999.0, -12000.0, 50.0]), "depth").problems == []
    assert read_values(pd.Series([-999.0, -500.0]), "depth").problems != []


def test_a_missing_field_is_named_with_those_that_exist(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no field 'yield'; the fields are height"):
        read(written(tmp_path, [1.0, 2.0]), "yield")


def test_overlapping_polygons_lose_the_area_of_two_values(tmp_path: Path) -> None:
    x, y = 600_000, 6_200_000
    squares = [shapely.box(x + left, y, x + left + 100, y + 100) for left in (0, 50, 140)]
    frame = gpd.GeoDataFrame({"height": [1.0, 2.0, 2.0]}, geometry=squares, crs=CRS)
    frame.to_file(tmp_path / "trees.gpkg", driver="GPKG", engine="pyogrio")
    data = read(tmp_path / "trees.gpkg")
    assert shapely.area(data.frame.geometry.to_numpy()).tolist() == [5000.0, 5000.0, 9000.0]
    assert "2 overlaps (9000 square units)" not in " ".join(data.notes)
    assert "1 overlap (5000 square units) of polygons of different values: the area is removed" in data.notes[1]
    assert "1 overlap (1000 square units) of polygons of one value: the area stays with the first" in data.notes[0]
    found = stratified(data, ["1"] * 3)
    assert sum(one.area for one in found.data.lost if one.reason == "two_labels") == 10_000.0
    assert {one.label for one in found.data.lost} <= set(found.classes.labels)


def test_groups_of_values_take_the_place_of_classes(tmp_path: Path) -> None:
    values = np.random.default_rng(0).permutation(100) / 4
    data = read(written(tmp_path, values))
    found = stratified(data, ["1"] * 100)
    assert found.classes.codes == (1, 2, 3, 4, 5)
    assert found.classes.names == ("below 5", "5 to 10", "10 to 15", "15 to 20", "from 20")
    assert np.bincount(found.data.frame[LABEL])[1:].tolist() == [20] * 5
    np.testing.assert_array_equal(found.values, values)
    assert (found.data.frame[LABEL].to_numpy() == values // 5 + 1).all()


@pytest.mark.parametrize(("polygons", "groups"), [(40, 5), (9, 2), (3, 1)])
def test_few_polygons_make_fewer_groups(polygons: int, groups: int, tmp_path: Path) -> None:
    data = read(written(tmp_path, np.arange(polygons, dtype=float)))
    found = stratified(data, ["1"] * polygons)
    assert len(found.classes.codes) == groups
    assert np.bincount(found.data.frame[LABEL])[1:].min() >= min(polygons, POLYGONS_PER_GROUP)
    assert (found.strata == found.data.frame[LABEL]).all()


def test_a_small_region_does_not_change_the_groups_of_a_large_one(tmp_path: Path) -> None:
    values = np.append(np.arange(40.0), [3.0, 5.0, 33.0, 1.0, 36.0])
    data = read(written(tmp_path, values))
    home = ["large"] * 40 + ["small"] * 3 + ["single", None]
    found = stratified(data, home)
    assert len(found.classes.codes) == 5
    assert (found.strata[:40] == found.data.frame[LABEL][:40]).all()
    assert found.strata[40:43].tolist() == [1, 1, 1], "all groups of the small region are split together"
    edge = found.classes.names[0]
    assert found.titles["large", 1] == f"The group of values {edge} (1)"
    assert found.titles["small", 1] == "The group of all values (1 to 5)"
    assert found.titles["single", 1] == f"The group of values {edge} (1)"


def test_the_title_of_joined_groups_has_their_range(tmp_path: Path) -> None:
    data = read(written(tmp_path, np.append(np.arange(40.0), np.arange(16.0, 40))))
    found = stratified(data, ["1"] * 40 + ["2"] * 24)
    first = {region: [k for one, k in found.titles if one == region] for region in "12"}
    assert first["1"] == [1, 2, 3, 4, 5]
    limits = found.classes.names
    k = min(first["2"])
    assert k == 2
    assert np.bincount(found.strata[40:])[2] >= POLYGONS_PER_GROUP
    last = int(found.data.frame[LABEL][40:][found.strata[40:] == k].max())
    low, high = limits[k - 1].split(" to ")[0], limits[last - 1].split(" to ")[-1]
    numbers = f"{k} to {last}" if last > k else f"{k}"
    assert found.titles["2", k] == f"The group of values {low} to {high} ({numbers})"


def test_unused_polygons_belong_to_a_group_of_the_used_ones(tmp_path: Path) -> None:
    values = np.append(np.arange(20.0), [1000.0, -1000.0])
    data = read(written(tmp_path, values))
    found = stratified(data, ["1" if value < 500 else None for value in values.tolist()])
    assert found.data.frame[LABEL].tolist()[-2:] == [found.classes.codes[-1], 1]


def test_values_are_stored_with_all_digits(tmp_path: Path) -> None:
    values = np.array([0.1 + 0.2, 1e-17, 12345678.9])
    write_target_values(np.array([5, 7, 9]), values, tmp_path / "values.csv")
    assert read_target_values(tmp_path / "values.csv") == dict(zip((5, 7, 9), values.tolist(), strict=True))
