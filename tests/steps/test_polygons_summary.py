"""Number and area of the polygons of each class in each area: table and page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from shapely import box

from iota2.core.class_levels import single_level
from iota2.core.nomenclature import Nomenclature
from iota2.io.tables.polygon_tables import write_polygons
from iota2.report.templating import png_uri
from iota2.report.vectors.page import AreaTable, ClassRow, PolygonsData, render_polygons
from iota2.steps import polygon_pictures
from iota2.steps.polygon_pictures import draw_polygons
from iota2.steps.report_parts import metres_across
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


def test_the_page_shows_the_polygons_of_the_map_or_of_each_area() -> None:
    rows = (ClassRow(31, "forest", (20, 140, 20), 1, 1.0),)
    areas = [AreaTable(name, rows, (), png) for name, png in (("9", b"one"), ("31", b"two"))]
    text = render_polygons(PolygonsData("run", "RGF93", tuple(areas), (), b"all"))
    assert [png_uri(png) in text for png in (b"one", b"two", b"all")] == [True] * 3
    assert "img-src data:" in text
    assert "Without pictures" not in text
    plain = tuple(replace(one, picture=None) for one in areas)
    assert "Without pictures of single areas" in render_polygons(PolygonsData("run", "RGF93", plain, (), b"all"))
    assert png_uri(b"map") in page(AreaTable("", rows, (), b"map"))


def test_the_page_is_written_without_polygons() -> None:
    assert "<b>0</b>" in page()
    assert "Whole map" in page(AreaTable("", (), ()))


def test_texts_of_users_are_escaped() -> None:
    rows = (ClassRow(1, HOSTILE, (0, 0, 0), 1, 1.0),)
    text = page(AreaTable(HOSTILE, rows, (f"vectors/{HOSTILE}.gpkg",)), title=HOSTILE)
    assert "<script" not in text
    assert HOSTILE not in text


def polygons(area: str | None, codes: Sequence[int], left: float) -> gpd.GeoDataFrame:
    """Squares of 100 m from ``left`` eastwards."""
    names = {} if area is None else {"clip": pd.array([area] * len(codes), "string")}
    shapes = [box(left + 100 * k, 0, left + 100 * (k + 1), 100) for k in range(len(codes))]
    columns = {**names, "Classe": np.array(codes, np.int32)}
    return gpd.GeoDataFrame(columns, geometry=shapes, crs="EPSG:2154")


def written(folder: Path, *frames: gpd.GeoDataFrame) -> Path:
    write_polygons(frames[0][:0], frames, folder / "polygons.parquet")
    return folder / "polygons.parquet"


def test_pictures_show_each_polygon_at_its_place(tmp_path: Path) -> None:
    path = written(tmp_path, polygons("9", [11, 31], 0), polygons("31", [31], 300), polygons("9", [11], 200))
    found = draw_polygons(path)
    assert found.whole is not None
    whole, areas = found.whole.codes, {name: picture.codes for name, picture in found.areas.items()}
    assert whole.shape[1] == pytest.approx(4 * whole.shape[0], rel=0.01)
    middles = ((np.arange(4) + 0.5) / 4 * whole.shape[1]).astype(int)
    assert whole[whole.shape[0] // 2, middles].tolist() == [11, 31, 11, 31]
    assert (whole > 0).all()
    assert {*areas} == {"9", "31"}
    assert (areas["31"] == 31).all()
    assert areas["9"].shape[1] == pytest.approx(3 * areas["9"].shape[0], rel=0.01)
    assert metres_across(found.whole.grid) == pytest.approx(400 / whole.shape[1], rel=1e-3)


def test_many_areas_and_maps_without_areas_have_one_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = draw_polygons(written(tmp_path, polygons(None, [11], 0)))
    assert found.whole is not None
    assert not found.areas
    monkeypatch.setattr(polygon_pictures, "MAX_AREAS", 1)
    assert not draw_polygons(written(tmp_path, polygons("9", [11], 0), polygons("31", [31], 300))).areas
    assert draw_polygons(written(tmp_path, polygons("9", [], 0))).whole is None


def test_pictures_have_a_bounded_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(polygon_pictures, "_PIXELS", 1000)
    for shape in (box(0, 0, 1e6, 1), box(0, 0, 1, 1e6), box(0, 0, 1e6, 1e6)):
        frame = polygons(None, [11], 0).set_geometry([shape], crs="EPSG:2154")
        found = draw_polygons(written(tmp_path, frame)).whole
        assert found is not None
        assert found.codes.size <= 1100
