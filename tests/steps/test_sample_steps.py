"""Steps from pixels in learning polygons to samples with feature values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from odc.geo.geobox import GeoBox

from iota2.config.options.train import SampleSelection
from iota2.core import grid
from iota2.core.graph import Key
from iota2.core.tables import sample_columns
from iota2.io.tables.pixel_counts import PixelCounts, read_statistics, write_statistics
from iota2.io.tables.rates import Rate, read_rates
from iota2.io.tables.vectors import read_samples, read_sqlite, write_samples, write_sqlite
from iota2.steps.sampling import (
    extraction,
    merge_extraction,
    merge_samples,
    polygon_statistics,
    selection,
    tile_selection,
)
from tests.steps.helpers import (
    CRS,
    DAYS,
    GRID,
    RECIPE,
    TILE,
    area,
    frame,
    run,
    several,
    write_codes,
    write_recipe,
    write_scene,
)

BANDS = {"RED": 500, "NIR": 3000}
MODEL = Key.of(region="west", seed=0)
EAST = GeoBox(GRID.shape, GRID.affine @ GRID.affine.translation(8, 0), CRS)
"""The grid of the tile to the east of ``GRID``."""
FIELDS = {
    "A": [area((0, 3), (0, 4)), area((4, 6), (0, 5))],
    "B": [area((0, 2), (8, 10)), area((0, 2), (12, 14))],
}
"""Fields of wheat and of maize by tile: 12 and 10 pixels on A, 4 and 4 pixels on B."""


def polygons(folder: Path, tile: str) -> str:
    """Write the learning polygons of a tile, and a polygon of another region; returns the file name."""
    geometries = [*FIELDS[tile], area((3, 4), (0, 16))]
    origins = [10 * (tile == "B") + k for k in range(3)]
    write_sqlite(
        frame(geometries, originfid=origins, i2label=[1, 2, 2], region=["west", "west", "east"]),
        folder / f"{tile}_learn.sqlite",
    )
    return f"{tile}_learn.sqlite"


def test_pixels_are_counted_by_class_and_polygon_of_the_model(tmp_path: Path) -> None:
    thin = shapely.box(300_041, 4_899_941, 300_042, 4_899_942)
    columns = {"originfid": [3, 4, 5, 6], "i2label": [1, 1, 2, 2], "region": ["west", "west", "west", "east"]}
    fields = [area((0, 2), (0, 3)), area((3, 4), (0, 3)), thin, area((4, 6), (0, 8))]
    write_sqlite(frame(fields, **columns), tmp_path / "learn.sqlite")
    inp = {"scene": write_scene(tmp_path, {DAYS[0]: BANDS}), "polygons": "learn.sqlite"}
    key = Key.of(tile=TILE, region="west", seed=0)
    run(polygon_statistics.STEP, tmp_path, inp, {"statistics": "stats.xml"}, key=key)
    found = read_statistics(tmp_path / "stats.xml")
    assert found.per_class == {1: 9, 2: 0}
    assert found.per_polygon == {3: 6, 4: 3, 5: 0}


@pytest.fixture(scope="module")
def selected(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The outputs of a selection on two tiles: five pixels per class are requested, with a maximum of four."""
    folder = tmp_path_factory.mktemp("selection")
    grids = {"A": GRID, "B": EAST}
    scenes = {tile: write_scene(folder / tile, {DAYS[0]: BANDS}, tile=tile, geobox=grids[tile]) for tile in grids}
    write_statistics(PixelCounts({1: 12, 2: 10}, {0: 12, 1: 10}), folder / "A.xml")
    write_statistics(PixelCounts({1: 4, 2: 4}, {10: 4, 11: 4}), folder / "B.xml")
    inp = {
        "scenes": several("tile", {tile: f"{tile}/{name}" for tile, name in scenes.items()}),
        "polygons": several("tile", {tile: polygons(folder, tile) for tile in grids}),
        "statistics": several("tile", {tile: f"{tile}.xml" for tile in grids}),
        "classes": write_codes(folder),
    }
    out = {"selection": "all.sqlite", "rates": "rates.csv", "statistics": "all.xml"}
    chosen = SampleSelection.model_validate({"strategy": "constant", "strategy.constant.nb": 5})
    params = selection.SelectionParams(chosen, 0, CRS, most=4)
    tiles = several("tile", {tile: f"{tile}.sqlite" for tile in grids})
    run(selection.STEP, folder, inp, {**out, "tile_selections": tiles}, key=MODEL, params=params)
    return folder


def test_the_requested_number_of_pixels_of_each_class_is_drawn_over_all_tiles(selected: Path) -> None:
    found = read_sqlite(selected / "all.sqlite")
    assert found["i2label"].value_counts().to_dict() == {1: 4, 2: 4}
    assert set(found["region"]) == {"west"}
    assert not found.geometry.duplicated().any()
    assert read_rates(selected / "rates.csv") == {1: Rate(4, 16, 1), 2: Rate(4, 14, 1)}
    assert read_statistics(selected / "all.xml").per_polygon == {0: 12, 1: 10, 10: 4, 11: 4}


@pytest.mark.parametrize(("name", "borrows"), [("f1", False), ("f2", True), ("f3", True)])
def test_a_sub_model_without_pixels_of_its_own_learns_from_all_polygons_of_its_region(
    tmp_path: Path, name: str, borrows: bool
) -> None:
    thin = shapely.box(300_041, 4_899_941, 300_042, 4_899_942)
    fields, models = [area((0, 2), (0, 3)), thin, area((4, 6), (0, 4))], ["westf1", "westf2", "eastf1"]
    write_sqlite(frame(fields, originfid=[3, 4, 5], i2label=[1, 1, 2], region=models), tmp_path / "learn.sqlite")
    (tmp_path / "submodels.json").write_text('{"west": 3, "east": 2}', encoding="utf-8")
    write_statistics(PixelCounts({1: 6 * (name == "f1")}, {3: 6 * (name == "f1")}), tmp_path / "own.xml")
    inp = {
        "scenes": several("tile", {TILE: write_scene(tmp_path, {DAYS[0]: BANDS})}),
        "polygons": several("tile", {TILE: "learn.sqlite"}),
        "statistics": several("tile", {TILE: "own.xml"}),
        "classes": write_codes(tmp_path),
        "submodels": "submodels.json",
    }
    out = {"selection": "all.sqlite", "rates": "rates.csv", "statistics": "all.xml"}
    params = selection.SelectionParams(SampleSelection.model_validate({"strategy": "all"}), 0, CRS, most=None)
    tiles = several("tile", {TILE: "tile.sqlite"})
    key = Key.of(region="west", submodel=name, seed=0)
    run(selection.STEP, tmp_path, inp, {**out, "tile_selections": tiles}, key=key, params=params)
    assert read_sqlite(tmp_path / "all.sqlite")["originfid"].tolist() == [3] * 6
    assert read_rates(tmp_path / "rates.csv") == {1: Rate(6, 6, 0, borrowed=borrows)}
    assert read_statistics(tmp_path / "all.xml").per_polygon[3] == 6


def test_a_selected_pixel_is_a_point_at_its_centre_on_the_grid_of_its_tile(selected: Path) -> None:
    parts = {tile: read_sqlite(selected / f"{tile}.sqlite") for tile in FIELDS}
    assert sum(map(len, parts.values())) == 8
    for tile, points in parts.items():
        grid = {"A": GRID, "B": EAST}[tile]
        for row in points.itertuples():
            x, y = grid.affine @ (row.i2col + 0.5, row.i2row + 0.5)
            assert (row.geometry.x, row.geometry.y) == (x, y)
            assert FIELDS[tile][row.i2label - 1].contains(row.geometry)


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        ({"strategy": "all"}, {1: 16, 2: 14}),
        ({"strategy": "constant", "strategy.constant.nb": 5}, {1: 5, 2: 5}),
        ({"strategy": "percent", "strategy.percent.p": 0.5}, {1: 8, 2: 7}),
        ({"strategy": "smallest"}, {1: 14, 2: 14}),
    ],
)
def test_validation_pixels_are_selected_by_the_same_rules(
    tmp_path: Path, strategy: dict, expected: dict[int, int]
) -> None:
    """The same polygons are given for both sides, so that only the random draws differ."""
    grids = {"A": GRID, "B": EAST}
    scenes = {tile: write_scene(tmp_path / tile, {DAYS[0]: BANDS}, tile=tile, geobox=grids[tile]) for tile in grids}
    for tile in grids:
        write_statistics(PixelCounts({1: 12, 2: 10} if tile == "A" else {1: 4, 2: 4}, {}), tmp_path / f"{tile}.xml")
    learning = several("tile", {tile: polygons(tmp_path, tile) for tile in grids})
    inp = {
        "scenes": several("tile", {tile: f"{tile}/{name}" for tile, name in scenes.items()}),
        "polygons": learning,
        "validation": learning,
        "statistics": several("tile", {tile: f"{tile}.xml" for tile in grids}),
        "classes": write_codes(tmp_path),
    }
    out = {
        "selection": "all.sqlite",
        "rates": "rates.csv",
        "statistics": "all.xml",
        "tile_selections": several("tile", {tile: f"{tile}.sqlite" for tile in grids}),
        "validation_selections": several("tile", {tile: f"{tile}_val.sqlite" for tile in grids}),
    }
    params = selection.SelectionParams(SampleSelection.model_validate(strategy), 0, CRS, most=None)
    run(selection.STEP, tmp_path, inp, out, key=MODEL, params=params)
    learned, validated = (
        pd.concat([read_sqlite(tmp_path / f"{tile}{end}.sqlite") for tile in grids]) for end in ("", "_val")
    )
    for points in (learned, validated):
        assert points["i2label"].value_counts().to_dict() == expected
        assert set(points["region"]) == {"west"}
        assert not points.geometry.duplicated().any()
    same = sorted(learned.geometry.to_wkb()) == sorted(validated.geometry.to_wkb())
    assert same == (strategy["strategy"] == "all")


def test_merged_pixels_of_a_tile_have_the_seed_for_which_they_were_selected(tmp_path: Path) -> None:
    rows = {("west", 0): [1, 2], ("west", 1): [3], ("east", 0): [], ("east", 1): [4]}
    for (region, seed), origins in rows.items():
        points = gpd.points_from_xy(origins, origins)
        write_sqlite(
            frame(points, originfid=np.array(origins, int), region=region), tmp_path / f"{region}{seed}.sqlite"
        )
    inp = {"selections": several("region seed", {key: f"{key[0]}{key[1]}.sqlite" for key in rows})}
    run(tile_selection.STEP, tmp_path, inp, {"merged": "merged.sqlite"}, key=Key.of(tile=TILE))
    found = read_sqlite(tmp_path / "merged.sqlite")
    assert found[["originfid", "region", "seed_0", "seed_1"]].to_numpy().tolist() == [
        [1, "west", "learn", "XXXX"],
        [2, "west", "learn", "XXXX"],
        [3, "west", "XXXX", "learn"],
        [4, "east", "XXXX", "learn"],
    ]


@pytest.mark.parametrize("suffix", [".sqlite", ".parquet"])
def test_samples_have_the_values_of_their_pixel_with_cloudy_dates_interpolated(tmp_path: Path, suffix: str) -> None:
    row, column = np.indices(GRID.shape)
    images = {day: {"RED": 100 * t + 10 * row + column, "NIR": 1000 + row} for t, day in enumerate(DAYS)}
    always = (row == 5) & (column == 7)
    images[DAYS[0]]["CLOUD"] = images[DAYS[2]]["CLOUD"] = always
    images[DAYS[1]] = {"RED": 9000, "NIR": 9000, "CLOUD": always | (row == 2)}
    pixels = {7: (2, 3), 8: (0, 1), 9: (5, 7), 6: (4, 6)}
    selections = {("west", 0): [7, 8, 9], ("west", 1): [7, 9], ("east", 0): [6], ("east", 1): [6]}
    write_selections(tmp_path, selections, pixels)
    inp = {"scene": write_scene(tmp_path, images), "recipe": write_recipe(tmp_path)}
    extract_samples(tmp_path, inp, selections, suffix, parts=1)
    found = {key: read_samples(tmp_path / f"{key[0]}{key[1]}{suffix}") for key in selections}
    origins = {key: samples["originfid"].tolist() for key, samples in found.items()}
    assert origins == {("west", 0): [7, 8], ("west", 1): [7], ("east", 0): [6], ("east", 1): [6]}
    values = found["west", 0][sample_columns(RECIPE)].to_numpy()
    assert values.tolist() == [
        [23, 1002, 123, 1002, 223, 1002],  # day 2 is cloudy: mean of 23 and 223
        [1, 1000, 9000, 9000, 201, 1000],
    ]
    assert not {"i2row", "i2col"} & set(found["west", 0].columns)


def write_selections(
    folder: Path, selections: Mapping[tuple[str, int], list[int]], pixels: Mapping[int, tuple[int, int]]
) -> None:
    """Write the selection of each model: ``pixels`` are row and column by the number of the polygon."""
    for (region, seed), origins in selections.items():
        rows, cols = [pixels[origin][0] for origin in origins], [pixels[origin][1] for origin in origins]
        labels = [1 + origin % 2 for origin in origins]
        points = frame(
            gpd.points_from_xy(cols, rows), originfid=origins, i2label=labels, region=region, i2row=rows, i2col=cols
        )
        write_sqlite(points, folder / f"{region}{seed}_selection.sqlite")


def extract_samples(
    folder: Path, inp: Mapping[str, str], models: Iterable[tuple[str, int]], suffix: str, *, parts: int
) -> None:
    """Run the extraction of each part, and write the samples of each model."""
    models = list(models)
    selections = {key: f"{key[0]}{key[1]}_selection.sqlite" for key in models}
    features = {(part, *key): f"{part}{key[0]}{key[1]}.npz" for part in range(parts) for key in models}
    for part in range(parts):
        out = {"features": several("region seed", {key: features[part, *key] for key in models})}
        given = {**inp, "selections": several("region seed", selections)}
        run(extraction.STEP, folder, given, out, key=Key.of(tile=TILE, part=part))
    for region, seed in models:
        files = several("part", {part: features[part, region, seed] for part in range(parts)})
        given = {"recipe": inp["recipe"], "selection": selections[region, seed], "features": files}
        key = Key.of(tile=TILE, region=region, seed=seed)
        run(merge_extraction.STEP, folder, given, {"samples": f"{region}{seed}{suffix}"}, key=key)


@pytest.mark.parametrize("rows", [6, 3, 1])
def test_samples_do_not_depend_on_parts_nor_on_the_order_of_pixels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    monkeypatch.setattr(grid, "PART_ROWS", rows)
    row, column = np.indices(GRID.shape)
    pixels = {origin: (origin // 8, origin % 8) for origin in range(48)}
    order = np.random.default_rng(0).permutation(48).tolist()
    selections = {("west", 0): order[:30], ("west", 1): order[20:40], ("east", 0): [5], ("east", 1): []}
    write_selections(tmp_path, selections, pixels)
    inp = {"scene": write_scene(tmp_path, {DAYS[0]: {"RED": row, "NIR": column}}), "recipe": write_recipe(tmp_path)}
    extract_samples(tmp_path, inp, selections, ".sqlite", parts=6 // rows)
    for (region, seed), origins in selections.items():
        found = read_samples(tmp_path / f"{region}{seed}.sqlite")
        assert found["originfid"].tolist() == origins
        values = found[sample_columns(RECIPE)[:2]].to_numpy().reshape(-1, 2).tolist()
        assert values == [list(pixels[origin]) for origin in origins]


@pytest.mark.parametrize("suffix", [".sqlite", ".parquet"])
def test_samples_of_a_model_are_merged_in_the_order_of_tiles(tmp_path: Path, suffix: str) -> None:
    names = {"A": [3.0, 1.0], "B": [], "C": [2.0]}
    for tile, values in names.items():
        points = gpd.points_from_xy(values, values)
        samples = frame(points, i2label=np.array(values, int), red=np.array(values, np.float32))
        write_samples(samples, tmp_path / f"{tile}{suffix}")
    inp = {"samples": several("tile", {tile: f"{tile}{suffix}" for tile in names})}
    run(merge_samples.STEP, tmp_path, inp, {"merged": f"merged{suffix}"}, key=MODEL)
    found = read_samples(tmp_path / f"merged{suffix}")
    assert found["red"].tolist() == found["i2label"].tolist() == [3, 1, 2]
    assert found.geometry.x.tolist() == [3, 1, 2]
