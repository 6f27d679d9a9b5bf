"""Steps of segments on small tiles, against pandas on all pixels of the tile."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox

from iota2.classifiers import save_model, train_model, validate_options
from iota2.config.options.train import SampleSelection
from iota2.core import grid
from iota2.core.graph import Key, MultiplePaths, Resources
from iota2.core.losses import Amount
from iota2.core.recipe import MISSING, FeatureRecipe
from iota2.core.tables import CODE, LEARN, ORIGIN, VALIDATION
from iota2.io.series.scene_file import read_scene
from iota2.io.tables.polygon_losses import read_losses_csv
from iota2.io.tables.sample_tables import row_count
from iota2.io.tables.samples import read_columns
from iota2.io.tables.segment_labels import BOTH_SIDES, COLUMNS, NO_MAJORITY, read_segment_labels, write_segment_labels
from iota2.io.tables.segment_values import read_batches
from iota2.io.tables.segments import LabelledParts, SegmentClasses, Segments, SharedSegments
from iota2.io.tables.vectors import write_shapefile
from iota2.steps.objects import (
    classes,
    labelled,
    labels,
    merging,
    outlines,
    samples,
    segmentation,
    shared,
    shared_values,
    values,
)
from iota2.steps.pixels import features_at
from iota2.steps.segment_features import value_names
from iota2.steps.selection_targets import SelectionParams
from tests.steps.helpers import (
    CRS,
    DAYS,
    RECIPE,
    frame,
    read_raster,
    run,
    several,
    write_codes,
    write_raster,
    write_recipe,
    write_scene,
)

HEIGHT, WIDTH = 40, 140
WEST_GRID = GeoBox((HEIGHT, WIDTH), Affine(10, 0, 300_000, 0, -10, 4_900_000), CRS)
EAST_GRID = GeoBox((HEIGHT, WIDTH), Affine(10, 0, 301_200, 0, -10, 4_900_000), CRS)
"""Two tiles that share 20 columns."""
GRIDS = {"W": WEST_GRID, "E": EAST_GRID}
BORDER = 130
"""Column of the western tile at which the area of the eastern one begins."""
STATISTICS = ("mean", "min", "max", "std", "count")
OBJECTS = replace(RECIPE, statistics=STATISTICS)
ROWS, COLS = np.indices((HEIGHT, WIDTH + 120))
SEGMENT = (ROWS // 13 * 20 + (COLS + 5) // 17 + 1) * 10**10
"""Identifiers of segments of 13 × 17 pixels on both tiles; every third one is a hole."""
SEGMENT[SEGMENT // 10**10 % 3 == 0] = 0
OFFSET = {"W": 0, "E": 120}


def on_tile(whole: np.ndarray, tile: str) -> np.ndarray:
    return whole[..., OFFSET[tile] : OFFSET[tile] + WIDTH]


def own_area(tile: str) -> np.ndarray:
    """Pixels that a tile contributes."""
    cols = np.indices((HEIGHT, WIDTH))[1] + OFFSET[tile]
    return cols < BORDER if tile == "W" else cols >= BORDER


def classified(tile: str) -> np.ndarray:
    """Pixels that a tile classifies: its area with a margin of three columns."""
    cols = np.indices((HEIGHT, WIDTH))[1] + OFFSET[tile]
    return cols < BORDER + 3 if tile == "W" else cols >= BORDER - 3


def images(tile: str) -> dict[Any, Any]:
    """Random images, the same in the area of both tiles, with clouds and pixels that are never clear."""
    rng = np.random.default_rng(0)
    found = {}
    for day in DAYS:
        red, nir = rng.integers(100, 5000, (2, HEIGHT, WIDTH + 120))
        cloud = (rng.random((HEIGHT, WIDTH + 120)) < 0.2) | (SEGMENT[20, 80] == SEGMENT)
        found[day] = {"RED": on_tile(red, tile), "NIR": on_tile(nir, tile), "CLOUD": on_tile(cloud, tile)}
    return found


def write_segmentation(folder: Path, tile: str) -> dict[str, str | MultiplePaths]:
    """Raster and table of the segments of a tile, with its area in two regions."""
    identifiers = np.unique(on_tile(SEGMENT, tile))
    identifiers = identifiers[identifiers > 0]
    numbers = np.searchsorted(identifiers, on_tile(SEGMENT, tile)) + 1
    numbers[on_tile(SEGMENT, tile) == 0] = 0
    write_raster(folder / f"{tile}.tif", numbers, "uint32", GRIDS[tile], nodata=0)
    masks = {}
    for region, north in {"1": False, "2": True}.items():
        rows = np.indices((HEIGHT, WIDTH))[0] < 18
        inside = own_area(tile) & (rows if north else ~rows)
        masks[region] = write_raster(folder / f"{tile}_region_{region}.tif", inside, "uint8", GRIDS[tile])
    counts = segmentation.SegmentCounts.empty(len(identifiers))
    ranks = segmentation.region_ranks([read_raster(folder / masks[name]) > 0 for name in ("1", "2")])
    applied = write_raster(folder / f"{tile}_applied.tif", classified(tile), "uint8", GRIDS[tile])
    counts.add(numbers.astype(np.uint32), ranks, classified(tile), own_area(tile), origin=(0, 0), width=WIDTH)
    Segments.of(identifiers, counts).write(folder / f"{tile}.npz")
    found: dict[str, str | MultiplePaths] = {"segments": f"{tile}.tif", "table": f"{tile}.npz"}
    return found | {"regions_of_tile": several("region", masks), "masks": several("region", {"1": applied})}


@pytest.fixture
def tiles(tmp_path: Path) -> Mapping[str, dict[str, str | MultiplePaths]]:
    """Inputs of both tiles, the table of segments in both, and the recipe of segments."""
    found = {tile: write_segmentation(tmp_path, tile) for tile in GRIDS}
    write_recipe(tmp_path)
    params = shared.SharedParams(computed=False, statistics=STATISTICS)
    tables = several("tile", {tile: f"{tile}.npz" for tile in GRIDS})
    out = {"shared": "shared.npz", "recipe": "objects.json"}
    run(shared.STEP, tmp_path, {"tables": tables, "recipe": "recipe.json"}, out, params=params)
    for tile, inp in found.items():
        inp["scene"] = write_scene(tmp_path / tile.lower(), images(tile), tile=tile, geobox=GRIDS[tile])
        inp |= {"scene": f"{tile.lower()}/{inp['scene']}", "recipe": "objects.json", "shared": "shared.npz"}
    return found


def test_segments_in_both_tiles_are_at_home_where_most_of_their_pixels_are(
    tmp_path: Path, tiles: Mapping[str, object]
) -> None:
    found = SharedSegments.read(tmp_path / "shared.npz")
    present = [np.unique(on_tile(SEGMENT, tile)[classified(tile)]) for tile in GRIDS]
    expected = np.intersect1d(*present)
    expected = expected[expected > 0]
    assert len(expected) > 2
    assert found.identifier.tolist() == np.repeat(expected, 2).tolist()
    assert found.tile.tolist() == ["W", "E"] * len(expected)
    for number, total, home in zip(found.identifier[::2], found.pixels[::2], found.home.reshape(-1, 2), strict=True):
        west = int(((number == SEGMENT) & (COLS < BORDER)).sum())
        east = int(((number == SEGMENT) & (COLS >= BORDER)).sum())
        assert total == west + east
        assert home.tolist() == [west >= east, west < east]


@pytest.mark.parametrize("source", ["segments.tif", "segments.gpkg"])
def test_outlines_in_other_tiles_complete_the_segments_of_a_raster(
    tmp_path: Path, tiles: Mapping[str, dict[str, str | MultiplePaths]], source: str
) -> None:
    """Those of each home tile have the numbers of this tile; polygons of the user are whole without them."""
    inp = {
        "shared": "shared.npz",
        "segments": several("tile", {tile: f"{tile}.tif" for tile in GRIDS}),
        "tables": several("tile", {tile: f"{tile}.npz" for tile in GRIDS}),
    }
    out = {"outlines": several("tile", {tile: f"{tile}_outlines.parquet" for tile in GRIDS})}
    run(outlines.STEP, tmp_path, inp, out, params=outlines.OutlinesParams(source))
    shared_by_tile = {tile: SharedSegments.read(tmp_path / "shared.npz").of_tile(tile) for tile in GRIDS}
    for tile, other in (("W", "E"), ("E", "W")):
        found = gpd.read_parquet(tmp_path / f"{tile}_outlines.parquet")
        at_home = shared_by_tile[tile].take(shared_by_tile[tile].home)
        expected = {
            number: int((on_tile(SEGMENT, other) == identifier).sum())
            for number, identifier in zip(at_home.number, at_home.identifier, strict=True)
        }
        assert expected
        pixel = abs(GRIDS[tile].affine.a * GRIDS[tile].affine.e)
        assert (found.area / pixel).groupby(found["number"]).sum().to_dict() == (
            expected if source == "segments.tif" else {}
        )


def test_one_identifier_inside_two_tiles_is_one_segment() -> None:
    """Parts that touch no border of a tile, such as those of a farm, are one segment."""
    west, east = (
        Segments(
            identifier=np.array(ids),
            pixels=np.full(2, 5),
            region=np.zeros(2, np.int16),
            place=np.arange(2),
            present=np.array([True, present]),
            mapped=np.full(2, 5),
        )
        for ids, present in (([7, 9], True), ([7, 9], False))
    )
    found = shared.shared_segments({"W": west, "E": east})
    assert found.identifier.tolist() == [7, 7], "segment 9 is not in the classified area of the east"
    assert found.tile.tolist() == ["W", "E"]
    assert found.pixels.tolist() == [10, 10]


def test_computed_segments_are_of_one_tile_and_numbered_inside_its_area(tmp_path: Path) -> None:
    geobox = WEST_GRID
    slic = np.where(ROWS[:, :WIDTH] < 20, 7, 900) * (COLS[:, :WIDTH] < 100)
    slic[0, 0], slic[5, 1] = 3, 950
    mask, own = COLS[:, :WIDTH] > 0, COLS[:, :WIDTH] > 3
    write_shapefile(frame([geobox.extent.geom, geobox.extent.geom], region=["2", "10"]), tmp_path / "regions.shp")
    inp = {
        "regions": "regions.shp",
        "masks": several("region", {"10": write_raster(tmp_path / "m.tif", mask, "uint8", geobox)}),
        "regions_of_tile": several("region", {"10": write_raster(tmp_path / "r.tif", own, "uint8", geobox)}),
        "computed": write_raster(tmp_path / "slic.tif", slic, "uint32", geobox, nodata=0),
    }
    out = {"segments": "s.tif", "table": "s.npz", "notes": "notes.json"}
    params = segmentation.SegmentationParams(None, "", None, ())
    run(segmentation.STEP, tmp_path, inp, out, key=Key.of(tile="W"), params=params)
    expected = np.select([slic == 7, slic == 900, slic == 950], [1, 2, 3], 0) * mask
    np.testing.assert_array_equal(read_raster(tmp_path / "s.tif"), expected)
    table = Segments.read(tmp_path / "s.npz")
    assert table.identifier.tolist() == [1, 2, 3]
    assert table.pixels.tolist() == [99 * 20 - 1, 99 * 20, 1]
    assert table.mapped.tolist() == [96 * 20, 96 * 20, 0], "pixels in the margin of the tile are not in the map"
    assert table.region.tolist() == [1, 1, 1], "regions with numbers are in the order of numbers"
    assert table.place.tolist() == [1, 20 * WIDTH + 1, 5 * WIDTH + 1]


def test_pixels_of_the_users_segments_count_in_the_area_that_the_tile_contributes(tmp_path: Path) -> None:
    """Segment 5 is only in the margin that the tile also classifies, segment 9 in neither area."""
    geobox, cols = WEST_GRID, COLS[:, :WIDTH]
    given = np.select([cols < 100, cols < BORDER, cols < BORDER + 2, cols >= BORDER + 5], [8, 7, 5, 9], 0)
    write_raster(tmp_path / "given.tif", given, "int32", geobox, nodata=0)
    write_shapefile(frame([geobox.extent.geom], region=["1"]), tmp_path / "regions.shp")
    areas = {"r.tif": own_area("W"), "m.tif": classified("W")}
    area, mask = (write_raster(tmp_path / name, inside, "uint8", geobox) for name, inside in areas.items())
    inp = {"regions": "regions.shp", "masks": several("region", {"1": mask})}
    inp |= {"regions_of_tile": several("region", {"1": area})}
    out = {"segments": "s.tif", "table": "s.npz", "notes": "notes.json"}
    params = segmentation.SegmentationParams(tmp_path / "given.tif", "", None, ())
    run(segmentation.STEP, tmp_path, inp, out, key=Key.of(tile="W"), params=params)
    table = Segments.read(tmp_path / "s.npz")
    assert table.identifier.tolist() == [5, 7, 8, 9]
    assert table.present.tolist() == [True, True, True, False]
    assert table.pixels.tolist() == table.mapped.tolist() == [0, 30 * HEIGHT, 100 * HEIGHT, 0]
    assert table.region.tolist() == [-1, 0, 0, -1]
    assert table.place.tolist() == [-1, 100, 0, -1]


def expected_values(folder: Path, tile: str, scene: str) -> pd.DataFrame:
    """Features of pixels of the area of a tile with a segment, and whether they have a clear date."""
    rows, cols = np.nonzero(own_area(tile) & (on_tile(SEGMENT, tile) > 0))
    features, seen = features_at(read_scene(folder / scene), RECIPE, rows, cols, Resources())
    table = pd.DataFrame(features, columns=[*RECIPE.names]).where(seen[:, None] & (features != MISSING))
    return table.assign(identifier=on_tile(SEGMENT, tile)[rows, cols], seen=seen)


def statistics(pixels: pd.DataFrame) -> pd.DataFrame:
    """The statistics of segments, by identifier."""
    groups = pixels.groupby("identifier")
    names = list(RECIPE.names)
    found = [
        groups[names].mean().add_suffix("_mean"),
        groups[names].min().add_suffix("_min"),
        groups[names].max().add_suffix("_max"),
        groups[names].std(ddof=0).add_suffix("_std"),
    ]
    return pd.concat([*found, groups.size().rename("pixels"), groups["seen"].sum()], axis=1)


def run_values(
    folder: Path, tile: str, inp: dict[str, str | MultiplePaths], use: Resources, rows: int = 16
) -> dict[str, bytes]:
    """Values of all parts of a tile, and of segments in several parts."""
    open_parts, names = {}, []
    params = values.ValuesParams(computed=False)
    wanted = {name: path for name, path in inp.items() if name in values.STEP.needs}
    for part in range(-(-HEIGHT // rows)):
        out = {"values": f"{tile}_{part}.parquet", "open": f"{tile}_{part}.npz"}
        names.append(out["values"])
        open_parts[tile, part] = out["open"]
        run(values.STEP, folder, wanted, out, key=Key.of(tile=tile, part=part), params=params, use=use)
    merged = {"recipe": "objects.json", "shared": "shared.npz", "open": several("tile part", open_parts)}
    out = {"values": f"{tile}_merged.parquet", "open": f"{tile}_open.npz"}
    run(merging.STEP, folder, merged, out, key=Key.of(tile=tile))
    names += [out["values"], out["open"]]
    return {name: (folder / name).read_bytes() for name in names}


def run_shared(folder: Path) -> None:
    opened = several("tile", {tile: f"{tile}_open.npz" for tile in GRIDS})
    inp = {"recipe": "objects.json", "shared": "shared.npz", "open": opened}
    run(shared_values.STEP, folder, inp, {"values": several("tile", {t: f"{t}_shared.parquet" for t in GRIDS})})


def read_values(folder: Path, tile: str) -> pd.DataFrame:
    """Values of all segments of a tile by identifier, from all files."""
    names, frames = value_names(OBJECTS), []
    for path in sorted(folder.glob(f"{tile}_*.parquet")):
        for batch in read_batches(path, names):
            frame = pd.DataFrame(batch.values, columns=names)
            frames.append(frame.assign(number=batch.segment, pixels=batch.pixels, seen=batch.seen))
    found = pd.concat(frames)
    assert found["number"].is_unique
    identifiers = Segments.read(folder / f"{tile}.npz").identifier
    return found.assign(identifier=identifiers[found["number"] - 1]).set_index("identifier").sort_index()


def test_values_of_segments_equal_pandas_over_parts_and_tiles(
    tmp_path: Path, tiles: dict[str, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grid, "PART_ROWS", 16)
    for tile, inp in tiles.items():
        run_values(tmp_path, tile, inp, Resources())
    run_shared(tmp_path)
    pixels = pd.concat(expected_values(tmp_path, tile, inp["scene"]) for tile, inp in tiles.items())
    expected = statistics(pixels)
    assert (expected["seen"] == 0).sum() == 1, "a segment without values"
    for tile in GRIDS:
        found = read_values(tmp_path, tile)
        own = expected.loc[found.index]
        assert set(found.index) == set(np.unique(on_tile(SEGMENT, tile)[on_tile(SEGMENT, tile) > 0])) & set(
            expected.index
        )
        for name in (*value_names(OBJECTS), "pixels", "seen"):
            np.testing.assert_allclose(found[name], own[name].fillna(MISSING), rtol=2e-6, atol=2e-3, err_msg=name)


@pytest.mark.parametrize(
    ("use", "rows"),
    [
        (Resources(block_shape=(16, 64)), 16),
        (Resources(block_shape=(7, 100), threads=2), 16),
        (Resources(block_shape=(32, 64)), 32),
        (Resources(memory=4 << 20), 1024),
    ],
)
def test_blocks_and_parts_do_not_change_a_bit(
    tmp_path: Path, tiles: dict[str, dict[str, Any]], monkeypatch: pytest.MonkeyPatch, use: Resources, rows: int
) -> None:
    found = []
    for resources, height in ((Resources(), 16), (use, rows)):
        monkeypatch.setattr(grid, "PART_ROWS", height)
        for path in tmp_path.glob("W_*.parquet"):
            path.unlink()
        run_values(tmp_path, "W", tiles["W"], resources, height)
        found.append(read_values(tmp_path, "W"))
    pd.testing.assert_frame_equal(*found, check_exact=True)


def polygons(tmp_path: Path) -> None:
    """Reference polygons on both tiles: two classes, on both sides; the first and third meet the same segments."""
    squares = [(1, 9, 1, 15), (1, 9, 20, 30), (9, 12, 1, 15), (14, 24, 100, 160), (27, 38, 37, 60)]
    west = WEST_GRID.affine
    boxes = [
        GeoBox((b - a, d - c), west * Affine.translation(c, a), CRS).extent.geom.buffer(-1) for a, b, c, d in squares
    ]
    table = frame(boxes, **{ORIGIN: range(5), CODE: [1, 2, 1, 2, 1]})
    table = table.assign(seed_0=[LEARN, LEARN, VALIDATION, LEARN, VALIDATION], region="1")
    write_shapefile(table, tmp_path / "reference.shp")
    for tile, geobox in GRIDS.items():
        area = GeoBox((HEIGHT, BORDER), west, CRS) if tile == "W" else geobox[:, 10:]
        cut = table.assign(geometry=table.intersection(area.extent.geom))
        write_shapefile(cut[~cut.is_empty], tmp_path / f"formatted_{tile}.shp")


def run_labels(tmp_path: Path) -> None:
    polygons(tmp_path)
    for tile in GRIDS:
        inp = {"segments": f"{tile}.tif", "polygons": f"formatted_{tile}.shp"}
        out = {"parts": f"parts_{tile}.npz", "raster": f"labelled_{tile}.tif"}
        run(labelled.STEP, tmp_path, inp, out, key=Key.of(tile=tile))
    inp = {
        "tables": several("tile", {tile: f"{tile}.npz" for tile in GRIDS}),
        "shared": "shared.npz",
        "parts": several("tile", {tile: f"parts_{tile}.npz" for tile in GRIDS}),
        "reference": "reference.shp",
    }
    run(labels.STEP, tmp_path, inp, {"labels": "labels.csv"}, key=Key.of(seed=0))


def test_labelled_parts_have_the_pixels_of_a_segment_in_a_polygon(
    tmp_path: Path, tiles: dict[str, dict[str, Any]]
) -> None:
    run_labels(tmp_path)
    parts, raster = LabelledParts.read(tmp_path / "parts_W.npz"), read_raster(tmp_path / "labelled_W.tif")
    numbers = read_raster(tmp_path / "W.tif")
    assert len(parts) == raster.max()
    for k in range(len(parts)):
        own = raster == k + 1
        assert parts.pixels[k] == own.sum()
        assert (numbers[own] == parts.segment[k]).all()
        assert parts.place[k] == np.flatnonzero(own.ravel())[0]
    inside = np.zeros((HEIGHT, WIDTH), bool)
    inside[1:9, 1:15] = True
    np.testing.assert_array_equal(np.isin(raster, np.flatnonzero(parts.polygon == 0) + 1), inside & (numbers > 0))


def test_segments_get_the_class_of_their_pixels_on_each_side(tmp_path: Path, tiles: dict[str, dict[str, Any]]) -> None:
    run_labels(tmp_path)
    table = read_segment_labels(tmp_path / "labels.csv")
    first = table[(table["tile"] == "W") & (table["number"] == 1)].set_index("side")
    assert first["reason"].to_dict() == {LEARN: BOTH_SIDES, VALIDATION: ""}
    assert first["polygon"].to_dict() == {LEARN: 0, VALIDATION: 2}
    assert set(table["reason"]) <= {"", BOTH_SIDES, NO_MAJORITY}
    learning = table[(table["side"] == LEARN) & (table["reason"] == "")]
    expected = np.zeros_like(SEGMENT, dtype=bool)
    expected[1:9, 20:30] = expected[14:24, 100:160] = True
    validation = np.zeros_like(expected)
    validation[9:12, 1:15] = validation[27:38, 37:60] = True
    expected &= (SEGMENT > 0) & ~np.isin(SEGMENT, SEGMENT[validation])
    own = np.unique(SEGMENT[expected])
    assert len(learning) == len(own), "a segment of both tiles has one row"
    assert learning["labelled"].sum() == expected.sum()


def sample_inputs(tmp_path: Path, *, parts: bool) -> dict[str, str | MultiplePaths]:
    tiles = [*GRIDS]
    write_shapefile(frame([WEST_GRID.extent.geom] * 2, region=["1", "2"]), tmp_path / "regions.shp")
    inp: dict[str, str | MultiplePaths] = {
        "recipe": "objects.json",
        "regions": "regions.shp",
        "classes": write_codes(tmp_path),
        "reference": "reference.shp",
        "labels": "labels.csv",
        "tables": several("tile", {tile: f"{tile}.npz" for tile in tiles}),
        "segments": several("tile", {tile: f"{tile}.tif" for tile in tiles}),
        "shared": "shared.npz",
        "parts": several("tile", {tile: f"parts_{tile}.npz" for tile in tiles}),
        "part_values": several("tile part", {(tile, 0): f"{tile}_0.parquet" for tile in tiles}),
        "values": several("tile", {tile: f"{tile}_merged.parquet" for tile in tiles}),
        "shared_values": several("tile", {tile: f"{tile}_shared.parquet" for tile in tiles}),
    }
    if parts:
        inp["part_labelled"] = several("tile part", {(tile, 0): f"{tile}_0_labelled.parquet" for tile in tiles})
        inp["labelled"] = several("tile", {tile: f"{tile}_labelled.parquet" for tile in tiles})
    return inp


PARAMS = samples.SegmentSampleParams(SelectionParams(SampleSelection(), 0, CRS, None), ())


def test_samples_are_labelled_segments_with_their_values(tmp_path: Path, tiles: dict[str, dict[str, Any]]) -> None:
    run_labels(tmp_path)
    for tile, inp in tiles.items():
        run_values(tmp_path, tile, inp, Resources(), 1024)
    run_shared(tmp_path)
    key = Key.of(region="1", submodel="", seed=0)
    out = {"samples": "samples.sqlite", "rates": "rates.csv", "losses": "losses.csv"}
    run(samples.STEP, tmp_path, sample_inputs(tmp_path, parts=False), out, key=key, params=PARAMS)
    table = read_segment_labels(tmp_path / "labels.csv")
    learning = table[(table["side"] == LEARN) & (table["reason"] == "") & (table["region"] == 0)]
    learning = learning.sort_values("tile", ascending=False)  # the order of the tiles
    found = read_columns(tmp_path / "samples.sqlite", [CODE, ORIGIN], int)
    assert found.tolist() == learning[["code", "polygon"]].to_numpy().tolist()
    names = [name.lower() for name in OBJECTS.names]
    x = read_columns(tmp_path / "samples.sqlite", names)
    for row, (_, label) in zip(x, learning.iterrows(), strict=True):
        own = read_values(tmp_path, label["tile"]).set_index("number").loc[label["number"]]
        np.testing.assert_array_equal(row, np.float32([*own[value_names(OBJECTS)], own["pixels"]]))


CLASS_SHARE = 0.6
"""Share of a class in the labelled pixels of its segments."""


@pytest.mark.parametrize(("share", "most"), [(1, None), (0.6, None), (1, 2), (0.6, 2)])
def test_samples_and_losses_have_the_pixels_of_all_labelled_segments(
    tmp_path: Path, tiles: dict[str, dict[str, Any]], share: float, most: int | None
) -> None:
    """All segments of the western tile with pixels in one region have a class; one has no clear date."""
    run_labels(tmp_path)
    for tile, inp in tiles.items():
        run_values(tmp_path, tile, inp, Resources(), 1024)
    run_shared(tmp_path)
    in_both = SharedSegments.read(tmp_path / "shared.npz").numbers_in("W")
    numbers = np.setdiff1d(np.flatnonzero(Segments.read(tmp_path / "W.npz").pixels) + 1, in_both)
    labelled = [("W", k, 0, LEARN, 1 + k % 2, 3, 10 + k, CLASS_SHARE, "") for k in numbers.tolist()]
    table = pd.DataFrame(labelled, columns=COLUMNS)
    write_segment_labels(table, tmp_path / "labels.csv")
    options = {"sampler": "random", "strategy": "percent", "strategy.percent.p": share}
    selection = SampleSelection.model_validate(options)
    params = samples.SegmentSampleParams(SelectionParams(selection, 0, CRS, most), ())
    out = {"samples": "samples.sqlite", "rates": "rates.csv", "losses": "losses.csv"}
    key = Key.of(region="1", submodel="", seed=0)
    run(samples.STEP, tmp_path, sample_inputs(tmp_path, parts=False), out, key=key, params=params)
    learned, unclear = read_columns(tmp_path / "samples.sqlite", [CODE], int)[:, 0], {}
    for one in read_losses_csv(tmp_path / "losses.csv"):
        selected, beyond = one.of("selection"), one.of("max_samples")
        assert (bool(selected.pixels), bool(beyond.pixels)) == (share < 1, most is not None)
        own = table[table["code"] == one.code]
        whole = sum((one.of("no_clear_date"), one.of("samples"), beyond), selected)
        assert whole == Amount(samples=len(own), pixels=int(np.rint(own["labelled"] * CLASS_SHARE).sum()))
        assert one.learned == (learned == one.code).sum() > 0
        if (share, most) == (1, None):
            unclear[one.code] = one.of("no_clear_date").samples
    assert sum(unclear.values()) == ((share, most) == (1, None))


def test_segments_without_a_clear_date_give_no_sample(
    tmp_path: Path, tiles: dict[str, dict[str, Any]], caplog: pytest.LogCaptureFixture
) -> None:
    run_labels(tmp_path)
    for tile, inp in tiles.items():
        run_values(tmp_path, tile, inp, Resources(), 1024)
    run_shared(tmp_path)
    unclear = int(read_raster(tmp_path / "W.tif")[20, 80 - OFFSET["W"]])
    table = pd.DataFrame([("W", unclear, 0, LEARN, 1, 3, 10, 1.0, "")], columns=COLUMNS)
    write_segment_labels(table, tmp_path / "labels.csv")
    out = {"samples": "samples.sqlite", "rates": "rates.csv", "losses": "losses.csv"}
    key = Key.of(region="1", submodel="", seed=0)
    run(samples.STEP, tmp_path, sample_inputs(tmp_path, parts=False), out, key=key, params=PARAMS)
    assert row_count(tmp_path / "samples.sqlite") == 0
    assert "no sample to learn from; 1 segment of the region" in caplog.text
    assert "1 sample selected, none with a clear date" in caplog.text
    one, other = read_losses_csv(tmp_path / "losses.csv")
    assert one.of("no_clear_date") == Amount(samples=1, pixels=10)
    assert other.amounts == {"samples": Amount()}, "stages before the selection are not counted here"


def test_samples_may_be_the_labelled_parts(tmp_path: Path, tiles: dict[str, dict[str, Any]]) -> None:
    """Values of a labelled part are those of its pixels only."""
    run_labels(tmp_path)
    for tile, inp in tiles.items():
        inp |= {"parts": f"parts_{tile}.npz", "labelled": f"labelled_{tile}.tif"}
        out = {
            "values": f"{tile}_0.parquet",
            "open": f"{tile}_0.npz",
            "labelled": f"{tile}_0_labelled.parquet",
            "open_labelled": f"{tile}_0_labelled.npz",
        }
        wanted = {name: path for name, path in inp.items() if name in values.STEP.needs}
        params = values.ValuesParams(computed=False)
        run(values.STEP, tmp_path, wanted, out, key=Key.of(tile=tile, part=0), params=params)
        merged = {"recipe": "objects.json", "shared": "shared.npz"}
        merged |= {"open": several("tile part", {(tile, 0): out["open"]})}
        merged |= {"open_labelled": several("tile part", {(tile, 0): out["open_labelled"]})}
        made = {"values": f"{tile}_merged.parquet", "open": f"{tile}_open.npz", "labelled": f"{tile}_labelled.parquet"}
        run(merging.STEP, tmp_path, merged, made, key=Key.of(tile=tile))
    run_shared(tmp_path)
    key = Key.of(region="1", submodel="", seed=0)
    out = {"samples": "samples.sqlite", "rates": "rates.csv", "losses": "losses.csv"}
    run(samples.STEP, tmp_path, sample_inputs(tmp_path, parts=True), out, key=key, params=PARAMS)
    counts = read_columns(tmp_path / "samples.sqlite", ["count", ORIGIN], int)
    inside = np.zeros((HEIGHT, WIDTH + 120), bool)
    inside[14:24, 100:160] = True
    for tile in GRIDS:
        parts = LabelledParts.read(tmp_path / f"parts_{tile}.npz")
        assert set(counts[:, 1]) <= {1, 3}
        assert len(parts.pixels[parts.polygon == 3]) <= len(counts)
    own = [int((one == SEGMENT).sum()) for one in np.unique(SEGMENT[inside & (SEGMENT > 0)])]
    assert set(counts[counts[:, 1] == 3, 0]) <= set(own), "the count is that of the whole segment"


def test_segments_are_classified_by_the_model_of_their_region(tmp_path: Path, tiles: dict[str, dict[str, Any]]) -> None:
    for tile, inp in tiles.items():
        run_values(tmp_path, tile, inp, Resources(), 1024)
    run_shared(tmp_path)
    models = {}
    for region, code in {"1": 1, "2": 2}.items():
        save_model(constant_model(code, OBJECTS), tmp_path / f"model_{region}", tmp_path / f"{region}.txt")
        models[region, "", 0, ""] = f"model_{region}"
    write_shapefile(frame([WEST_GRID.extent.geom] * 2, region=["1", "2"]), tmp_path / "regions.shp")
    for tile, inp in tiles.items():
        axes = "region submodel seed source"
        given = {
            "recipe": "objects.json",
            "regions": "regions.shp",
            "classes": write_codes(tmp_path),
            "models": several(axes, models),
            "table": f"{tile}.npz",
            "segments": f"{tile}.tif",
            "shared": "shared.npz",
            "masks": inp["masks"],
            "part_values": several("part", {0: f"{tile}_0.parquet"}),
            "values": f"{tile}_merged.parquet",
            "shared_values": f"{tile}_shared.parquet",
        }
        out: dict[str, str | MultiplePaths] = {"classes": several("seed", {0: f"{tile}_classes.npz"})}
        for kind in ("labels", "confidence", "probabilities"):
            out[kind] = several(axes, {key: f"{kind}_{tile}_{key[0]}.tif" for key in models})
        params = classes.ClassesParams(())
        run(classes.STEP, tmp_path, given, out, key=Key.of(tile=tile), params=params)
        table, values_of = Segments.read(tmp_path / f"{tile}.npz"), read_values(tmp_path, tile)
        found = SegmentClasses.read(tmp_path / f"{tile}_classes.npz")
        seen = values_of["seen"].reindex(table.identifier).fillna(0).to_numpy() > 0
        homes = SharedSegments.read(tmp_path / "shared.npz").of_tile(tile)
        region = table.region.copy()
        region[homes.number - 1] = homes.region
        np.testing.assert_array_equal(found.label, np.where(seen, region + 1, 0))
        assert (found.confidence[seen] == 1).all()
        numbers = read_raster(tmp_path / f"{tile}.tif")
        for rank in (0, 1):
            expected = np.append(0, found.label * (region == rank))[numbers] * classified(tile)
            np.testing.assert_array_equal(read_raster(tmp_path / f"labels_{tile}_{rank + 1}.tif"), expected)


def constant_model(code: int, recipe: FeatureRecipe) -> Any:
    """A model with one class."""
    parameters, _ = validate_options("rf", {"classifier.rf.nbtrees": 2})
    x = np.random.default_rng(0).random((10, len(recipe.names)))
    return train_model("rf", parameters, x, np.full(10, code), recipe=recipe, seed=0, region="1", threads=1)
