"""Polygons of areas: rows, formats, table of all areas, summary; the order of cells."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely

from iota2.core.class_levels import single_level
from iota2.core.graph import JobContext, Key, MultiplePaths, Paths, Resources
from iota2.io.rasters.map_source import map_source_text
from iota2.io.tables import polygon_layers
from iota2.io.tables.class_levels import write_class_levels
from iota2.io.tables.polygon_tables import write_polygons
from iota2.steps.vectors import all_polygons, clipped, summary
from iota2.steps.vectors.clipped import ClippedParams, _groups
from iota2.steps.vectors.summary import SummaryParams
from tests.steps.helpers import CLASSES, area, frame, run, several, write_raster

STATISTICS = (("1", "rate"), ("2", "statsmaj"))


def write_inputs(folder: Path) -> dict[str, str | MultiplePaths]:
    """A map of wheat in the west and maize in the east, with two other pixels, its polygons and areas."""
    labels = np.repeat([[1, 1, 1, 1, 2, 2, 2, 2]], 6, axis=0)
    labels[0, 1], labels[5, 6] = 2, 1
    write_raster(folder / "map.tif", labels)
    write_raster(folder / "confidence.tif", np.where(labels == 1, 80, 60))
    paths = {name: str(folder / f"{name}.tif") for name in ("map", "confidence")}
    given = {"classification": paths["map"], "confidence": paths["confidence"]}
    (folder / "source.json").write_text(map_source_text(given, dict.fromkeys(given.values(), "")), encoding="utf-8")
    write_class_levels(single_level(CLASSES), folder / "classes.json")
    for code, columns in ((1, (0, 4)), (2, (4, 8))):
        cell = {"cell_row": np.array([0], np.int32), "cell_col": np.array([code - 1], np.int32)}
        polygons = frame([area((0, 6), columns)], **cell, code=np.array([code], np.uint16))
        write_polygons(polygons[:0], [polygons], folder / f"square_{code}.parquet")
    areas = frame([area((0, 3), (0, 8)), area((3, 6), (0, 5))], zone=["north", "south"])
    areas.to_file(folder / "areas.gpkg", engine="pyogrio")
    squares = several("square", {"a": "square_1.parquet", "b": "square_2.parquet"})
    return {"source": "source.json", "map": "map.tif", "classes": "classes.json", "squares": squares}


def cut(folder: Path, name: str, path: Path | None, **formats: str) -> gpd.GeoDataFrame:
    """The polygons of an area; ``formats``: endings of further files by output."""
    endings = {"polygons": "parquet", "layer": "gpkg", "style": "qml", **formats}
    out = {kind: f"{name}.{end}" for kind, end in endings.items()}
    given = ClippedParams(path, "", "zone" if path else "", STATISTICS, 0)
    run(clipped.STEP, folder, write_inputs(folder), out, key=Key.of(area=name), params=given)
    return gpd.read_parquet(folder / f"{name}.parquet")


def test_polygons_of_the_whole_map_have_their_class_and_statistics(tmp_path: Path) -> None:
    found = cut(tmp_path, "all", None)
    assert "clip" not in found
    assert found["Classe"].tolist() == [1, 2]
    assert found["name"].tolist() == ["wheat", "maize"]
    assert found["Pixels"].tolist() == [24, 24]
    np.testing.assert_allclose(found["wheat"], [100 * 23 / 24, 100 / 24], rtol=1e-6)
    assert found["Confidence"].tolist() == [80, 60]
    assert len(gpd.read_file(tmp_path / "all.gpkg", layer="all", engine="pyogrio")) == 2


def test_all_formats_have_the_same_polygons_and_columns_that_one_lacks_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(polygon_layers, "sqlite_max_columns", lambda: 4)
    found = cut(tmp_path, "all", None, archive="zip", flatgeobuf="fgb", pmtiles="pmtiles")
    for name in ("all.gpkg", "all.zip", "all.fgb"):
        layer = gpd.read_file(tmp_path / name, layer="all", engine="pyogrio").sort_values("Classe")
        assert shapely.equals(shapely.get_parts(layer.geometry.to_numpy()), found.geometry.to_numpy()).all(), name
        assert ("Confidence" in layer) == (name != "all.gpkg")
    assert (tmp_path / "all.pmtiles").read_bytes().startswith(b"PMTiles")
    assert "all.gpkg lacks 6 columns" in caplog.text


def test_an_area_named_all_is_not_the_whole_map(tmp_path: Path) -> None:
    cut(tmp_path, "north", tmp_path / "areas.gpkg")
    polygons = gpd.read_parquet(tmp_path / "north.parquet").assign(clip="all")
    write_polygons(polygons[:0], [polygons], tmp_path / "every.parquet")
    inp = {"polygons": "every.parquet", "classes": "classes.json"}
    run(summary.STEP, tmp_path, inp, {"table": "t.csv", "page": "p.html"}, params=SummaryParams("run", "dept", ()))
    assert "Area all" in (tmp_path / "p.html").read_text("utf-8")


def test_polygons_of_all_areas_are_cut_joined_and_counted(tmp_path: Path) -> None:
    north, south = (cut(tmp_path, name, tmp_path / "areas.gpkg") for name in ("north", "south"))
    assert north["Pixels"].tolist() == [12, 12]
    assert south["Pixels"].tolist() == [12, 3]
    assert north.geometry.area.tolist() + south.geometry.area.tolist() == [1200, 1200, 1200, 300]
    tables = several("area", {"north": "north.parquet", "south": "south.parquet"})
    run(all_polygons.STEP, tmp_path, {"polygons": tables}, {"polygons": "every.parquet"})
    every = gpd.read_parquet(tmp_path / "every.parquet")
    assert every["clip"].tolist() == ["north", "north", "south", "south"]
    inp = {"polygons": "every.parquet", "classes": "classes.json"}
    run(summary.STEP, tmp_path, inp, {"table": "t.csv", "page": "p.html"}, params=SummaryParams("run", "dept", ()))
    table = pd.read_csv(tmp_path / "t.csv")
    assert table["polygons"].tolist() == [1, 1, 1, 1]
    assert table["area"].tolist() == ["north", "north", "south", "south"]
    assert table["name"].tolist()[2:] == ["wheat", "maize"]
    assert "Area south" in (tmp_path / "p.html").read_text("utf-8")


def cells(*places: tuple[int, int]) -> list[gpd.GeoDataFrame]:
    """A polygon of each cell, which fills it."""
    return [
        gpd.GeoDataFrame(
            {"cell_row": np.array([row], np.int32), "cell_col": np.array([col], np.int32)},
            geometry=[shapely.box(col, -row - 1, col + 1, -row)],
            crs="EPSG:2154",
        )
        for row, col in places
    ]


def job(folder: Path, squares: dict[str, list[tuple[int, int]]]) -> JobContext[ClippedParams]:
    for square, places in squares.items():
        frames = cells(*places)
        write_polygons(frames[0].iloc[:0], frames, folder / f"{square}.parquet")
    paths = MultiplePaths(("square",), {(square,): f"{square}.parquet" for square in squares})
    given = ClippedParams(None, "", "", (), 0)
    return JobContext(Paths(folder, {"squares": paths}), Paths(folder, {}), Key.of(area="all"), given, Resources())


def test_cells_are_read_row_by_row_whatever_their_square(tmp_path: Path) -> None:
    squares = {"0_0": [(0, 0), (0, 1), (1, 0), (1, 1)], "0_1": [(0, 2), (1, 2)], "1_0": [(10, 0)], "2_0": [(2, 0)]}
    found = [group.first for group in _groups(job(tmp_path, squares), None)]
    assert found == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (2, 0), (10, 0)]


def test_cells_outside_the_area_are_not_read(tmp_path: Path) -> None:
    found = _groups(job(tmp_path, {"0_0": [(0, 0), (0, 1), (1, 0)]}), shapely.box(0.2, -2, 0.8, -1.5))
    assert [group.first for group in found] == [(1, 0)]
