"""Polygons of segments with their attributes."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import geopandas as gpd
import numpy as np
import pyogrio
import pytest
import shapely
from affine import Affine
from pyarrow import parquet

from iota2.core.graph import Key, MultiplePaths
from iota2.core.nomenclature import Nomenclature
from iota2.core.recipe import MISSING
from iota2.io.tables import polygon_layers, segment_values
from iota2.io.tables.classes import write_classes
from iota2.io.tables.segment_values import SegmentValues, segment_values_writer
from iota2.io.tables.segments import SegmentClasses, Segments, SharedSegments
from iota2.io.tables.vectors import write_shapefile
from iota2.steps.objects import all_polygons, polygons
from iota2.steps.segment_features import value_names
from tests.steps.helpers import CRS, GRID, RECIPE, area, frame, run, several, write_raster, write_recipe

OBJECTS = replace(RECIPE, statistics=("mean", "std", "count"))
NAMES = value_names(OBJECTS)
CLASSES = Nomenclature(
    (3, 211), ('blé & "maïs" <dur>', "'eau'"), ((255, 85, 0), (0, 0, 9)), ("céréales d'hiver", "water; --")
)
NUMBERS = np.array(
    [
        [1, 1, 1, 1, 2, 2, 0, 3],
        [1, 0, 0, 1, 2, 2, 0, 3],
        [1, 1, 0, 1, 2, 2, 0, 0],
        [1, 1, 1, 0, 4, 4, 4, 4],
        [0, 0, 0, 0, 4, 4, 4, 4],
        [3, 3, 0, 0, 4, 4, 4, 4],
    ]
)
"""Segment 1 surrounds a hole that opens at a corner, segment 3 has two parts."""
LABELS = (211, 0, 3, 211)
PREFIX = ["segment", "tile", "region", "pixels"]
LARGE = 2**40
"""Added to the numbers of segments, to get their identifiers."""


def write_inputs(
    folder: Path,
    tile: str = "A",
    numbers: np.ndarray = NUMBERS,
    labels: Sequence[Sequence[int]] = (LABELS,),
    *,
    shared: SharedSegments | None = None,
    mapped: np.ndarray | None = None,
) -> dict[str, str | MultiplePaths]:
    """The inputs of a tile; the values of a segment are its number, and its features; the last has no value.

    ``mapped`` (y, x) bool: pixels that count in the map; None for all.
    """
    count = int(numbers.max())
    pixels = np.bincount(numbers.ravel(), minlength=count + 1)[1:]
    every, none = np.arange(1, count + 1), np.zeros(count, np.int64)
    region = np.arange(count) % 2
    table = Segments(
        identifier=every + LARGE,
        pixels=pixels,
        region=region.astype(np.int16),
        place=none,
        present=pixels > 0,
        mapped=pixels if mapped is None else np.bincount(numbers[mapped], minlength=count + 1)[1:],
    )
    table.write(folder / f"{tile}.npz")
    empty = np.zeros(0, np.int64)
    names, flags = empty.astype(str), empty.astype(bool)
    shared = shared or SharedSegments(empty, names, empty, empty, empty.astype(np.int16), flags)
    shared.write(folder / "shared.npz")
    write_recipe(folder, OBJECTS)
    write_classes(CLASSES, folder / "classes.json")
    # the order of regions is that of numbers
    write_shapefile(frame([area((0, 6), (0, 8))] * 2, region=["10", "9"]), folder / "regions.shp")
    files = {}
    for part, own in enumerate((every[1::2], every[::2])):
        files[tile, part] = write_values(folder / f"{tile}_{part}.parquet", own, missing=count)
    nothing = write_values(folder / f"{tile}_none.parquet", empty.astype(int))
    predictions = {}
    for seed, codes in enumerate(labels):
        found = np.array(codes, np.uint8)
        confidence = np.where(found > 0, 0.004 + 0.25 * np.arange(count), 0).astype(np.float32)
        SegmentClasses(found, confidence, np.zeros((count, 0), np.float32)).write(folder / f"{tile}_seed_{seed}.npz")
        predictions[seed] = f"{tile}_seed_{seed}.npz"
    return {
        "recipe": "recipe.json",
        "regions": "regions.shp",
        "classes": "classes.json",
        "table": f"{tile}.npz",
        "segments": write_raster(folder / f"{tile}.tif", numbers, "uint32", grid(tile), nodata=0),
        "regions_of_tile": several(
            "region", {"9": write_raster(folder / f"{tile}_area.tif", OWN_AREA, geobox=grid(tile))}
        ),
        "shared": "shared.npz",
        "part_values": several("tile part", files),
        "values": nothing,
        "shared_values": nothing,
        "predictions": several("seed", predictions),
    }


OWN_AREA = np.indices(GRID.shape)[1] < 7
"""Pixels that a tile contributes."""


def grid(tile: str) -> Any:
    return GRID if tile == "A" else GRID * Affine.translation(8, 0)


def write_values(path: Path, numbers: np.ndarray, missing: int = 0) -> str:
    values = np.repeat(numbers[:, None], len(NAMES), axis=1) + np.arange(len(NAMES)) / 100
    values[numbers == missing] = MISSING
    with segment_values_writer(path, NAMES) as writer:
        writer.add(SegmentValues(numbers.astype(np.uint32), numbers, numbers, values.astype(np.float32)))
    return path.name


def run_polygons(
    folder: Path,
    inp: Mapping[str, str | MultiplePaths],
    tile: str = "A",
    proj: str = CRS,
    source: str | None = "segments.tif",
) -> gpd.GeoDataFrame:
    """Run the step; returns the table of GeoParquet."""
    out = {"polygons": f"{tile}_polygons.parquet", "layer": f"segments_{tile}.gpkg", "style": f"segments_{tile}.qml"}
    params = polygons.PolygonsParams(folder / source if source else None, "", None, proj, ())
    run(polygons.STEP, folder, inp, out, key=Key.of(tile=tile), params=params)
    return gpd.read_parquet(folder / f"{tile}_polygons.parquet")


def plain(values: Any) -> list[Any]:
    """The values of a column, None for null."""
    return [None if missing else value for value, missing in zip(values, values.isna(), strict=True)]


def test_polygons_have_the_pixels_class_and_features_of_their_segments(tmp_path: Path) -> None:
    found = run_polygons(tmp_path, write_inputs(tmp_path))
    assert [*found.columns] == [*PREFIX, "label", "code", "name", "confidence", *NAMES, "geometry"]
    assert found["segment"].dtype == np.int64
    assert found["segment"].tolist() == [LARGE + 1, LARGE + 2, LARGE + 3, LARGE + 4]
    assert set(found["tile"]) == {"A"}
    assert found["region"].tolist() == ["9", "10", "9", "10"]
    assert found["pixels"].tolist() == [12, 6, 4, 12]
    assert plain(found["label"]) == ["water; --", None, "céréales d'hiver", "water; --"]
    assert plain(found["code"]) == [211, None, 3, 211]
    assert plain(found["name"]) == ["'eau'", None, 'blé & "maïs" <dur>', "'eau'"]
    assert plain(found["confidence"]) == [1, None, 50, 75], "as in the map, 1 at least"
    for k, name in enumerate(NAMES):
        assert plain(found[name].round(2)) == pytest.approx([1 + k / 100, 2 + k / 100, 3 + k / 100, None])
    assert found.geometry.is_valid.all()
    expected = [
        shapely.union_all([area((r, r + 1), (c, c + 1)) for r, c in zip(*np.nonzero(k == NUMBERS), strict=True)])
        for k in range(1, 5)
    ]
    assert shapely.equals(found.geometry.to_numpy(), np.array(expected)).all()


def test_the_geopackage_has_the_same_content(tmp_path: Path) -> None:
    table = run_polygons(tmp_path, write_inputs(tmp_path))
    found = pyogrio.read_dataframe(tmp_path / "segments_A.gpkg", layer="segments")
    assert [*found.columns] == [*table.columns]
    assert found.crs == table.crs
    for name in table.columns.drop("geometry"):
        assert plain(found[name]) == plain(table[name]), name
    assert shapely.equals(found.geometry.to_numpy(), table.geometry.to_numpy()).all()


def test_polygons_are_in_the_projection_of_the_products(tmp_path: Path) -> None:
    inp = write_inputs(tmp_path)
    found, given = run_polygons(tmp_path, inp, proj="EPSG:2154"), run_polygons(tmp_path, inp)
    assert found.crs.to_epsg() == pyogrio.read_dataframe(tmp_path / "segments_A.gpkg").crs.to_epsg() - 30477 == 2154
    assert shapely.equals_exact(found.geometry.to_crs(CRS).to_numpy(), given.geometry.to_numpy(), 1e-3).all()
    assert set(found.geom_type) == {"MultiPolygon"}


def test_a_segment_in_two_tiles_is_only_in_its_home_tile_with_all_its_pixels(tmp_path: Path) -> None:
    """Segment 2 of tile A is segment 1 of tile B, its home; segment 3 has no pixel in the map of either tile."""
    ids, tiles = np.array([2, 2]) + LARGE, np.array(["A", "B"])
    shared = SharedSegments(
        ids, tiles, np.array([2, 1]), np.array([17, 17]), np.array([1, 1], np.int16), np.array([False, True])
    )
    parts = []
    for tile in ("A", "B"):
        inp = write_inputs(tmp_path, tile, shared=shared)
        table = Segments.read(tmp_path / f"{tile}.npz")
        table.identifier[0 if tile == "B" else 1] = LARGE + 2
        table.pixels[2], table.mapped[2], table.region[2] = 0, 0, -1
        table.write(tmp_path / f"{tile}.npz")
        parts.append(run_polygons(tmp_path, inp, tile))
    west, east = parts
    assert west["segment"].tolist() == [LARGE + 1, LARGE + 4]
    assert east["segment"].tolist() == [LARGE + 2, LARGE + 2, LARGE + 4]
    assert east["pixels"].tolist() == [17, 6, 12]
    assert east["region"].tolist() == ["10", "10", "10"]
    out = {"polygons": "segments.parquet"}
    run(all_polygons.STEP, tmp_path, {"polygons": several("tile", {t: f"{t}_polygons.parquet" for t in "AB"})}, out)
    whole = gpd.read_parquet(tmp_path / "segments.parquet")
    assert whole["tile"].tolist() == ["A", "A", "B", "B", "B"]
    assert whole["segment"].tolist() == [*west["segment"], *east["segment"]]
    assert whole.total_bounds.tolist() == [
        west.total_bounds[0], min(west.total_bounds[1], east.total_bounds[1]), east.total_bounds[2], 4_900_000,
    ]  # fmt: skip


def test_computed_segments_end_at_the_border_of_the_area_of_the_tile(tmp_path: Path) -> None:
    """Their pixels outside it do not count, and segment 5 has no others."""
    numbers = np.where((NUMBERS == 3) & ~OWN_AREA, 5, NUMBERS)
    whole, cut = (
        run_polygons(
            tmp_path,
            write_inputs(tmp_path, numbers=numbers, labels=[(211, 0, 3, 211, 3)], mapped=area),
            source=path,
        )
        for path, area in (("segments.tif", None), (None, OWN_AREA))
    )
    assert whole["pixels"].tolist() == (whole.geometry.area / 100).tolist() == [12, 6, 2, 12, 2]
    assert cut["pixels"].tolist() == (cut.geometry.area / 100).tolist() == [12, 6, 2, 9]
    assert cut["segment"].tolist() == [LARGE + 1, LARGE + 2, LARGE + 3, LARGE + 4]
    assert plain(cut["code"]) == [211, None, 3, 211]


def test_polygons_of_the_user_are_those_of_the_file(tmp_path: Path) -> None:
    """They have other edges than the pixels; that of segment 2 has heights."""
    given = [shapely.force_3d(area((3 * k, 3 * k + 2), (0, 3)).buffer(-3), 100) for k in range(2)]
    frame(given).iloc[::-1].to_file(tmp_path / "parcels.gpkg")
    inp = write_inputs(tmp_path, labels=[(3, 211)], numbers=np.minimum(NUMBERS, 2))
    table = Segments.read(tmp_path / "A.npz")
    replace(table, identifier=np.array([1, 2])).write(tmp_path / "A.npz")
    found = run_polygons(tmp_path, inp, source="parcels.gpkg")
    assert found["segment"].tolist() == [1, 2]
    assert found["label"].tolist() == ["céréales d'hiver", "water; --"]
    assert not shapely.has_z(found.geometry.to_numpy()).any()
    expected = np.array(given[::-1])
    assert shapely.equals_exact(found.geometry.to_numpy(), shapely.multipolygons(expected[:, None]), 1e-6).all()


def test_several_runs_have_columns_of_their_own(tmp_path: Path) -> None:
    found = run_polygons(tmp_path, write_inputs(tmp_path, labels=(LABELS, (3, 3, 0, 0))))
    attributes = ["label", "code", "name", "confidence"]
    expected = [f"{name}_seed_{seed}" for seed in (0, 1) for name in attributes]
    assert [*found.columns] == [*PREFIX, *expected, *NAMES, "geometry"]
    assert plain(found["code_seed_0"]) == [211, None, 3, 211]
    assert plain(found["code_seed_1"]) == [3, 3, None, None]
    assert style_of(tmp_path / "segments_A.qml").get("attr") == "code_seed_0"


def style_of(path: Path) -> ElementTree.Element:
    found = ElementTree.parse(path).find("renderer-v2")
    assert found is not None
    return found


def test_the_style_has_the_classes_of_the_column_of_codes(tmp_path: Path) -> None:
    run_polygons(tmp_path, write_inputs(tmp_path))
    found = style_of(tmp_path / "segments_A.qml")
    assert found.get("attr") == "code"
    labels = {one.get("value"): one.get("label") for one in found.iter("category")}
    assert labels == {"3": CLASSES.names[0], "211": CLASSES.names[1], "": "not classified"}


def test_labels_that_are_numbers_stay_numbers(tmp_path: Path) -> None:
    inp = write_inputs(tmp_path)
    write_classes(replace(CLASSES, labels=(3, 211)), tmp_path / "classes.json")
    assert plain(run_polygons(tmp_path, inp)["label"]) == [211, None, 3, 211]


def test_a_tile_without_segments_has_empty_files_with_all_columns(tmp_path: Path) -> None:
    inp = write_inputs(tmp_path, numbers=np.zeros(GRID.shape, int), labels=[()])
    assert len(run_polygons(tmp_path, inp)) == 0
    assert pyogrio.read_info(tmp_path / "segments_A.gpkg")["features"] == 0
    columns = parquet.read_schema(tmp_path / "A_polygons.parquet")
    run_polygons(tmp_path, write_inputs(tmp_path))
    assert columns.equals(parquet.read_schema(tmp_path / "A_polygons.parquet"))


def test_features_that_do_not_fit_into_a_geopackage_are_only_in_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(polygon_layers, "sqlite_max_columns", lambda: 8 + 5)
    with caplog.at_level(logging.WARNING):
        found = run_polygons(tmp_path, write_inputs(tmp_path))
    assert f"{len(NAMES) - 5} of {len(NAMES)} features are only in the table of all tiles" in caplog.text
    assert [*pyogrio.read_dataframe(tmp_path / "segments_A.gpkg").columns[8:-1]] == NAMES[:5]
    assert [*found.columns[8:-1]] == NAMES


def test_the_number_of_segments_at_a_time_changes_no_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor are features read several times."""
    inp = write_inputs(tmp_path)
    whole = run_polygons(tmp_path, inp)
    monkeypatch.setattr(polygons, "group_rows", lambda _: 1)
    read, files = segment_values._read_group, []

    def counted(file: Any, *arguments: Any) -> SegmentValues:
        files.append(file)
        return read(file, *arguments)

    monkeypatch.setattr(segment_values, "_read_group", counted)
    found = run_polygons(tmp_path, inp)
    assert found.equals(whole)
    assert len(files) == 2, "one for each file of features that has any"
