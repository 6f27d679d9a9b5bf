"""The split by groups of polygons: groups, notes and errors."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from shapely import box

from iota2.core.nomenclature import Nomenclature
from iota2.errors import InputError
from iota2.io.tables.grouping import group_notes, polygon_groups
from iota2.io.tables.reference import FieldValues, ReferenceData, read_field
from iota2.steps.sampling.reference import ReferenceParams, split_frame

CLASSES = Nomenclature((1, 2), ("wheat", "maize"), ((0, 0, 0),) * 2, (1, 2))
NOWHERE = Path("nowhere")
GIVEN = ReferenceParams(NOWHERE, "", None, "code", NOWHERE, NOWHERE, "EPSG:2154", 0.5, 2, 0, True)


def reference(labels: list[int], left: list[float], crs: str = "EPSG:2154", width: float = 10) -> ReferenceData:
    polygons = [box(x, 0, x + width, width) for x in left]
    columns = {"originfid": np.arange(len(labels)) * 2, "label": labels}
    return ReferenceData(gpd.GeoDataFrame(columns, geometry=polygons, crs=crs), "integer", ())


def split(
    data: ReferenceData, field: list[object] | None = None, home: list[str | None] | None = None, **changes: object
) -> tuple[gpd.GeoDataFrame, list[str]]:
    """The split polygons and the notes; ``field``: value of each polygon."""
    given = replace(GIVEN, split_field="parcel" if field else None, **changes)
    values = None
    if field:
        by_row = {2 * k: value for k, value in enumerate(field)}
        values = FieldValues(tuple(by_row.get(row) for row in range(2 * len(field))), ())
    home = home or ["1"] * len(data.frame)
    together = polygon_groups(data, home, values, given.split_distance)
    frame = split_frame(data, CLASSES, home, given, together)
    titles = {(region, code): CLASSES.title(code) for region in home if region for code in CLASSES.codes}
    return frame, group_notes(frame, titles, given, together, values)


def groups(data: ReferenceData, home: list[str | None], distance: float) -> int:
    return len(set(polygon_groups(data, home, None, distance).tolist()))


def test_without_the_options_there_are_no_groups() -> None:
    assert polygon_groups(reference([1, 1], [0, 10]), ["1", "1"], None, None) is None


def test_polygons_with_one_field_value_are_on_one_side_even_with_different_classes() -> None:
    field = [k // 4 for k in range(40)]
    frame, notes = split(reference([1 + k % 2 for k in range(40)], list(range(0, 4000, 100))), field)
    for seed in ("seed_0", "seed_1"):
        assert (frame.groupby(np.array(field))[seed].nunique() == 1).all()
        assert (frame[seed] == "learn").sum() == 20
    (note,) = notes
    assert note == (
        "arg_train.split_field 'parcel': 40 polygons in 10 groups that stay on one side; the largest has 4 polygons "
        "(10 %)."
    )


def test_polygons_without_value_are_separate_groups_and_are_counted() -> None:
    _, notes = split(reference([1] * 8, list(range(0, 800, 100))), ["a", "a", "b", None, None, "b", None, "c"])
    assert "8 polygons in 6 groups" in notes[0]
    assert notes[1] == "3 polygons without value in 'parcel': each is a separate group."


def test_field_and_distance_together_join_the_groups_of_both() -> None:
    data = reference([1, 1, 1, 1, 1, 1], [0, 15, 1000, 2000, 2015, 3000])
    frame, notes = split(data, ["a", "b", "b", "c", "d", "e"], split_distance=5.0)
    assert "arg_train.split_field 'parcel' and arg_train.split_distance 5 m: 6 polygons in 3 groups" in notes[0]
    assert frame["seed_0"][:3].nunique() == frame["seed_0"][3:5].nunique() == 1


def test_polygons_of_other_classes_and_unused_polygons_do_not_connect_others() -> None:
    data = reference([1, 1, 1, 2, 2], [0, 20, 40, 10, 30])
    assert groups(data, ["1"] * 5, 10) == 2
    assert (
        groups(data, ["1", None, "1", "1", "1"], 10) == 4
    )  # the unused polygon connects nothing and is a separate group


def test_the_distance_is_in_metres_also_for_projections_in_feet_and_degrees() -> None:
    feet = reference([1, 1], [0, 10 + 100 / 0.3048], "+proj=utm +zone=31 +units=ft")
    assert (groups(feet, ["1"] * 2, 99), groups(feet, ["1"] * 2, 101)) == (2, 1)
    degrees = reference([1, 1], [0, 0.001 + 100 / 111195], "EPSG:4326", 0.001)
    assert (groups(degrees, ["1"] * 2, 99), groups(degrees, ["1"] * 2, 101)) == (2, 1)


def test_distances_in_degrees_are_those_at_the_latitude_of_the_polygons() -> None:
    """Pairs of polygons 100 m apart, at the equator and at 60°, where a degree of longitude is half as long."""
    degree = 6_371_000 * math.pi / 180
    pairs = [(x, y) for y in (0.0, 60.0) for x in (0.0, 0.001 + 100 / degree / math.cos(math.radians(y)))]
    polygons = [box(x, y, x + 0.001, y + 1e-6) for x, y in pairs]
    frame = gpd.GeoDataFrame({"originfid": range(4), "label": [1] * 4}, geometry=polygons, crs="EPSG:4326")
    data = ReferenceData(frame, "integer", ())
    assert (groups(data, ["1"] * 4, 99), groups(data, ["1"] * 4, 101)) == (4, 2)


def test_a_single_group_of_all_polygons_is_an_error_with_numbers_and_remedy() -> None:
    data = reference([1] * 6, list(range(0, 90, 15)))
    with pytest.raises(
        InputError, match=r"split_distance 50 m: 6 polygons in 1 group .* 6 polygons \(100 %\)\. No polygon is left"
    ) as found:
        split(data, split_distance=50.0)
    assert "Choose a smaller distance." in str(found.value)
    with pytest.raises(
        InputError, match=r"split_field 'parcel': .*left for validation with seed 0\. Choose a field with more values"
    ):
        split(data, ["same"] * 6)
    with pytest.raises(InputError, match="Choose a field with more values or choose a smaller distance"):
        split(data, ["same"] * 6, split_distance=1.0)


def test_the_class_as_field_is_an_error_because_nothing_is_left_for_validation() -> None:
    with pytest.raises(InputError, match="No polygon is left for validation"):
        split(reference([1, 1, 2, 2], [0, 100, 200, 300]), ["1", "1", "2", "2"])


def test_a_group_that_makes_the_ratio_impossible_gives_a_note_with_numbers() -> None:
    _, notes = split(reference([1] * 10 + [2] * 4, list(range(0, 1400, 100))), ["big"] * 9 + ["x", "a", "a", "b", "b"])
    assert len(notes) == 2
    assert (
        "Class wheat (1), region 1: 5 of 10 polygons should be used for learning (actual numbers: seed 0: " in notes[1]
    )
    assert notes[1].endswith("but the polygons are in 2 groups, the largest of 9.")


def test_a_class_in_one_group_is_learned_and_reported_as_not_validated() -> None:
    frame, notes = split(reference([1] * 3 + [2] * 4, list(range(0, 700, 100))), ["one"] * 3 + ["a", "b", "c", "d"])
    assert set(frame["seed_0"][:3]) == {"learn"}
    assert (
        "Class wheat (1), region 1: 2 of 3 polygons should be used for learning (actual numbers: seed 0: 3, seed 1: 3)"
        in notes[1]
    )
    assert "it is not validated" in notes[1]


def test_classes_with_one_polygon_give_no_note_on_groups() -> None:
    frame, notes = split(reference([1, 2], [0, 100]), ["a", "b"])
    assert set(frame["seed_0"]) == {"learn"}
    assert len(notes) == 1


def test_a_field_of_any_type_is_read_and_blanks_are_missing_values(tmp_path: Path) -> None:
    path = tmp_path / "polygons.gpkg"
    polygons = [box(k, 0, k + 1, 1) for k in range(5)]
    columns = {
        "Parcel": ["p1", " p1 ", "", None, "p2"],
        "number": pd.array([7, None, 7, 8, None], dtype="Int64"),
        "day": pd.to_datetime(["2020-01-01", None, "2020-01-01", None, "2021-01-01"]),
    }
    gpd.GeoDataFrame(columns, geometry=polygons, crs=2154).to_file(path, driver="GPKG")
    found = read_field(path, "parcel")
    assert found.values == ("p1", "p1", None, None, "p2")
    assert found.notes == ("polygons.gpkg: field 'Parcel' is used for 'parcel'",)
    assert read_field(path, "number").values == (7, None, 7, 8, None)
    day = read_field(path, "day").values
    assert day[0] == day[2] != day[4]
    assert day[1] is day[3] is None
    with pytest.raises(InputError, match=r"no field 'parcels'; the fields are Parcel, number, day"):
        read_field(path, "parcels")


def test_values_that_look_the_same_are_one_group(tmp_path: Path) -> None:
    path = tmp_path / "polygons.gpkg"
    written = ["\u00eelot 1", "i\u0302lot 1", "\u00eelot\u00a01", "\u00eelot 1\u200b ", "\u200b", "\u00eelot 2"]
    polygons = [box(k, 0, k + 1, 1) for k in range(len(written))]
    gpd.GeoDataFrame({"parcel": written}, geometry=polygons, crs=2154).to_file(path, driver="GPKG")
    assert read_field(path, "parcel").values == (*["\u00eelot 1"] * 4, None, "\u00eelot 2")


def test_a_field_of_lists_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "polygons.geojson"
    frame = gpd.GeoDataFrame({"parcel": [[1, 2], [3]]}, geometry=[box(k, 0, k + 1, 1) for k in (0, 2)], crs=4326)
    path.write_text(frame.to_json())
    with pytest.raises(InputError, match=r"field 'parcel' contains neither numbers nor text but list \(\[1, 2\]\)"):
        read_field(path, "parcel")
