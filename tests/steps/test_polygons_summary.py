"""Number and area of the polygons of each class in each area: table and page."""

from __future__ import annotations

import pandas as pd

from iota2.core.class_levels import single_level
from iota2.core.nomenclature import Nomenclature
from iota2.report.vectors.page import AreaTable, ClassRow, PolygonsData, render_polygons
from iota2.steps.vectors.summary import summarised
from tests.report.test_report_page import HOSTILE

LEVELS = single_level(Nomenclature((11, 31), ("crops", "forest"), ((255, 170, 0), (20, 140, 20)), (11, 31)))


def cell(areas: list[str] | None, codes: list[int], hectares: list[float]) -> pd.DataFrame:
    table = pd.DataFrame({"Classe": codes, "Area": [1e4 * one for one in hectares]})
    return table if areas is None else table.assign(clip=areas)


def test_polygons_of_all_cells_are_added_and_the_largest_class_is_first() -> None:
    cells = [cell(["9", "9", "31"], [11, 31, 11], [1, 5, 2]), cell(["31", "31", "9"], [31, 31, 11], [1, 0.5, 2])]
    found = summarised(cells, LEVELS)
    assert found.to_dict("list") == {
        "area": ["9", "9", "31", "31"],
        "code": [31, 11, 11, 31],
        "name": ["forest", "crops", "crops", "forest"],
        "polygons": [1, 2, 1, 2],
        "hectares": [5, 3, 2, 1.5],
    }


def test_without_areas_the_map_is_one() -> None:
    assert summarised([cell(None, [11], [3])], LEVELS)["area"].tolist() == ["all"]


def test_no_polygons_give_an_empty_table() -> None:
    for cells in ([], [cell(["9"], [11], [3])[:0]]):
        found = summarised(cells, LEVELS)
        assert [*found.columns] == ["area", "code", "name", "polygons", "hectares"]
        assert found.empty


def page(*areas: AreaTable, title: str = "run") -> str:
    return render_polygons(PolygonsData(title, "RGF93 (EPSG:2154)", areas, ("vectors/dept.parquet",)))


def test_the_page_shows_counts_areas_and_shares() -> None:
    rows = ClassRow(31, "forest", (20, 140, 20), 1200, 75.0), ClassRow(11, "crops", (255, 170, 0), 3, 25.0)
    text = page(AreaTable("31", rows, ("vectors/dept_31.gpkg",)))
    for part in ("<b>1,203</b>", "100 ha", "Area 31", ">75.0<", ">25.0<", "rgb(20, 140, 20)", "vectors/dept_31.gpkg"):
        assert part in text


def test_the_page_is_written_without_polygons() -> None:
    assert "<b>0</b>" in page()
    assert "Whole map" in page(AreaTable("", (), ()))


def test_texts_of_users_are_escaped() -> None:
    rows = (ClassRow(1, HOSTILE, (0, 0, 0), 1, 1.0),)
    text = page(AreaTable(HOSTILE, rows, (f"vectors/{HOSTILE}.gpkg",)), title=HOSTILE)
    assert "<script" not in text
    assert HOSTILE not in text
