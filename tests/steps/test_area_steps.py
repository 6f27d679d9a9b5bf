"""Envelopes of tiles, regions, and the reference polygons inside them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import geopandas as gpd
import numpy as np
import pytest
import shapely
from shapely import box

from iota2.core.graph import Key, MultiplePaths
from iota2.core.losses import Amount
from iota2.core.remarks import texts_of
from iota2.errors import InputError
from iota2.io.tables.classes import read_classes
from iota2.io.tables.polygon_losses import read_class_losses
from iota2.io.tables.remark_lists import read_remarks
from iota2.io.tables.vectors import read_sqlite, read_vector, write_shapefile, write_sqlite
from iota2.steps.sampling import envelopes, formatting, merge_polygons, reference, regions
from tests.steps.helpers import (
    CRS,
    DAYS,
    TILE,
    area,
    frame,
    read_raster,
    run,
    several,
    table,
    write_raster,
    write_scene,
)

WEST, EAST = area((0, 6), (0, 4)), area((0, 6), (4, 8))


def write(folder: Path, name: str, geometries: list[shapely.Geometry], **columns: object) -> str:
    write_shapefile(frame(geometries, **{"tile": TILE, **columns}), folder / name)
    return name


def test_an_overlap_is_assigned_without_gap_and_the_first_tile_yields_its_border(tmp_path: Path) -> None:
    footprints = {"A": box(0, 0, 3000, 3000), "B": box(2000, 0, 5000, 3000)}
    inp = {"footprints": several("tile", {t: write(tmp_path, f"{t}.shp", [g]) for t, g in footprints.items()})}
    out = {"envelopes": several("tile", {tile: f"{tile}_envelope.shp" for tile in footprints})}
    run(envelopes.STEP, tmp_path, inp, out)
    first, second = (read_vector(tmp_path / f"{tile}_envelope.shp").union_all() for tile in "AB")
    kept = box(0, 0, 2000, 3000).union(box(2000, 600, 2400, 2400))  # A has the overlap except its border of 600 m
    assert first.equals(kept)
    assert second.equals(box(2000, 0, 5000, 3000).difference(kept))


def test_tiles_without_any_footprint_are_an_error_that_names_them(tmp_path: Path) -> None:
    inp = {"footprints": several("tile", {tile: write(tmp_path, f"{tile}.shp", []) for tile in "AB"})}
    with pytest.raises(InputError, match="Tiles A, B: no pixel is inside an image"):
        run(envelopes.STEP, tmp_path, inp, {"envelopes": several("tile", {})})


def test_without_a_file_the_only_region_is_the_area_of_all_tiles(tmp_path: Path) -> None:
    areas = {"A": WEST, "B": EAST}
    inp = {"envelopes": several("tile", {t: write(tmp_path, f"{t}.shp", [g]) for t, g in areas.items()})}
    run(regions.STEP, tmp_path, inp, {"regions": "regions.shp"}, params=regions.RegionParams(None, "region", CRS))
    found = read_vector(tmp_path / "regions.shp")
    assert found["region"].tolist() == ["1"]
    assert found.geometry[0].equals(area((0, 6), (0, 8)))


def test_regions_of_a_file_are_named_by_its_field_and_reprojected(tmp_path: Path) -> None:
    given = gpd.GeoDataFrame({"Zone": ["west", "east", "west"]}, geometry=[WEST, EAST, area((8, 9), (0, 1))], crs=CRS)
    given.to_crs(2154).to_file(tmp_path / "zones.gpkg", driver="GPKG")
    params = regions.RegionParams(tmp_path / "zones.gpkg", "zone", CRS)
    run(regions.STEP, tmp_path, {"envelopes": several("tile", {})}, {"regions": "regions.shp"}, params=params)
    found = read_vector(tmp_path / "regions.shp")
    assert found["region"].tolist() == ["east", "west"]
    assert found.geometry[0].symmetric_difference(EAST).area < 0.1
    assert found.geometry[1].area == pytest.approx(WEST.area + 100, rel=1e-4)


@pytest.fixture
def drawn(tmp_path: Path) -> dict[str, str | MultiplePaths]:
    """Inputs of the step: two wheat polygons in the west, a maize polygon in the east, and one outside."""
    polygons = [area((0, 2), (0, 2)), area((3, 5), (0, 2)), area((0, 2), (5, 7)), area((0, 2), (20, 22))]
    write(tmp_path, "truth.shp", polygons, code=[1, 1, 2, 2])
    (tmp_path / "names.txt").write_text("wheat:1\nmaize:2\n")
    (tmp_path / "colours.txt").write_text("1 255 0 0\n2 0 255 0\n")
    return {
        "grids": several("tile sensor", {(TILE, "Small"): write_raster(tmp_path / "grid.tif", 1)}),
        "envelopes": several("tile", {TILE: write(tmp_path, "envelope.shp", [area((0, 6), (0, 8))])}),
        "clear": several("tile", {TILE: write(tmp_path, "clear.shp", [area((0, 4), (0, 8))])}),
        "regions": write(tmp_path, "regions.shp", [WEST, EAST], region=["west", "east"]),
    }


@pytest.mark.parametrize(("threshold", "reason"), [(0, "never_clear"), (1, "never_clear"), (2, "cloud_threshold")])
def test_polygons_have_code_region_and_side_and_losses_have_a_reason(
    tmp_path: Path, drawn: dict[str, str | MultiplePaths], threshold: int, reason: str
) -> None:
    files = [tmp_path / name for name in ("truth.shp", "names.txt", "colours.txt")]
    params = reference.ReferenceParams(
        files[0], "", None, "code", files[1], files[2], CRS, 0.5, 2, 0, True, cloud_threshold=threshold
    )
    out = {name: f"{name}.json" for name in ("classes", "codes", "notes", "losses")}
    out |= {"reference": "reference.shp", "table": "table.csv"}
    run(reference.STEP, tmp_path, drawn, out, params=params)
    found = read_vector(tmp_path / "reference.shp")
    assert found["i2label"].tolist() == [1, 1, 2, 2]
    assert found["region"].fillna("").tolist() == ["west", "west", "east", ""]
    for seed in ("seed_0", "seed_1"):
        assert sorted(found[seed][:2]) == ["learn", "validation"]
        assert found[seed][2:].tolist() == ["learn", "unused"]
    assert read_classes(tmp_path / "classes.json").names == ("wheat", "maize")
    assert read_classes(tmp_path / "codes.json").names == ("1", "2")
    losses = read_class_losses(tmp_path / "losses.json")
    assert {code: {why: a for why, a in of.items() if a} for code, of in losses.items()} == {
        1: {"drawn": Amount(2, 8), reason: Amount(0, 2)},
        2: {"drawn": Amount(2, 8), "outside_tiles": Amount(1, 4)},
    }
    notes = " ".join(texts_of(read_remarks(tmp_path / "notes.json")))
    assert "1 of 4 polygons are outside the tiles" in notes
    assert "Class maize (2) has a single polygon in region east" in notes


def test_regions_with_few_polygons_of_a_quantity_are_remarked_in_words_of_values(
    tmp_path: Path, drawn: dict[str, str | MultiplePaths]
) -> None:
    values = {area((k, k + 1), (n, n + 1)): float(7 * k + n) for k in range(4) for n in range(4)}
    values |= {area((k, k + 1), (6, 7)): value for k, value in enumerate((1.5, 14.5, 30.0))}
    write(tmp_path, "trees.shp", [*values], height=[*values.values()])
    params = reference.ReferenceParams(tmp_path / "trees.shp", "", None, "height", None, None, CRS, 0.5, 2, 0, True)
    out = {name: f"{name}.json" for name in ("classes", "codes", "notes", "losses", "values")}
    run(reference.STEP, tmp_path, drawn, out | {"reference": "reference.shp"}, params=params)
    found = read_vector(tmp_path / "reference.shp")
    west, east = (found[found["region"] == name] for name in ("west", "east"))
    assert set(west["i2label"]) == {1, 2, 3, 4}
    assert len(set(east["i2label"])) == 3
    for seed in ("seed_0", "seed_1"):
        for _, sides in west.groupby("i2label")[seed]:
            assert sorted(set(sides)) == ["learn", "validation"], "a small region does not change the groups of others"
        assert sorted(east[seed]) == ["learn", "learn", "validation"], "its groups are split together"
    notes = texts_of(read_remarks(tmp_path / "notes.json"))
    assert [note.split(":")[0] for note in notes] == [
        "Region east has few polygons, 2 for learning and 1 for validation",
        "Region west has few polygons, 8 for learning and 8 for validation",
    ]
    assert "lass" not in "".join(notes)


def test_notes_on_kept_groups_speak_of_values(tmp_path: Path, drawn: dict[str, str | MultiplePaths]) -> None:
    polygons = [area((k, k + 1), (n, n + 1)) for k in range(4) for n in range(4)]
    heights = np.arange(16.0)
    write(tmp_path, "trees.shp", polygons, height=heights, farm=["big"] * 11 + ["a", "b", "c", "d", "e"])
    params = reference.ReferenceParams(
        tmp_path / "trees.shp", "", None, "height", None, None, CRS, 0.5, 1, 0, True, split_field="farm"
    )
    out = {name: f"{name}.json" for name in ("classes", "codes", "notes", "losses", "values")}
    run(reference.STEP, tmp_path, drawn, out | {"reference": "reference.shp", "groups": "g.csv"}, params=params)
    notes = " ".join(texts_of(read_remarks(tmp_path / "notes.json")))
    assert "The group of values below 4 (1), region west: 2 of 4 polygons should be used for learning" in notes
    assert "groups kept together" in notes
    assert "lass" not in notes


def test_reference_data_outside_the_tiles_are_an_error(tmp_path: Path, drawn: dict[str, str | MultiplePaths]) -> None:
    write(tmp_path, "truth.shp", [area((0, 2), (20, 22))], code=1)
    files = [tmp_path / name for name in ("truth.shp", "names.txt", "colours.txt")]
    params = reference.ReferenceParams(files[0], "", None, "code", files[1], files[2], CRS, 0.5, 1, 0, True)
    with pytest.raises(InputError, match=r"none of its 1 polygon can be used.* 1 polygon .*outside the tiles"):
        run(reference.STEP, tmp_path, drawn, {}, params=params)


@pytest.fixture(scope="module")
def formatted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Outputs of formatting: a polygon in both regions, one partly under clouds, and an unused one.

    The envelope ends two columns before the tile; the first row is outside the images.
    """
    folder = tmp_path_factory.mktemp("formatting")
    polygons = [area((1, 4), (2, 6)), area((4, 6), (0, 1)), area((0, 1), (0, 1))]
    sides = {"seed_0": ["learn", "validation", "unused"], "seed_1": ["validation", "learn", "unused"]}
    columns = {"originfid": [0, 1, 2], "code": [1, 2, 1], "i2label": [1, 2, 1], "region": ["west", "west", ""], **sides}
    inp = {
        "scene": write_scene(folder, {DAYS[0]: {"RED": 1, "NIR": 2}}),
        "reference": write(folder, "reference.shp", polygons, **columns),
        "regions": write(folder, "regions.shp", [WEST, EAST], region=["west", "east"]),
        "envelope": write(folder, "envelope.shp", [area((0, 6), (0, 6))]),
        "clear": write(folder, "clear.shp", [area((0, 5), (0, 8))]),
        "mask": write_raster(folder / "mask.tif", np.arange(6)[:, None] > np.zeros(8)),
    }
    seeds = {seed: f"{{}}_{seed}.sqlite" for seed in (0, 1)}
    met = {name: f"{{}}_{name}" for name in ("west", "east")}
    out = {
        "formatted": "formatted.shp",
        "pixels": "pixels.csv",
        "learn": several("seed", {seed: path.format("learn") for seed, path in seeds.items()}),
        "validation": several("seed", {seed: path.format("validation") for seed, path in seeds.items()}),
        "region_shape": several("region", {name: path.format("shape") + ".shp" for name, path in met.items()}),
        "region_raster": several("region", {name: path.format("raster") + ".tif" for name, path in met.items()}),
        "region_mask": several("region", {name: path.format("mask") + ".tif" for name, path in met.items()}),
    }
    run(formatting.STEP, folder, inp, out, key=Key.of(tile=TILE), params=formatting.FormattingParams(None))
    return folder


def test_polygons_are_cut_by_region_and_clear_area_and_written_by_side(formatted: Path) -> None:
    east, west, clear = area((1, 4), (4, 6)), area((1, 4), (2, 4)), area((4, 5), (0, 1))
    found = read_vector(formatted / "formatted.shp")
    assert found[["region", "originfid", "tile_o"]].to_numpy().tolist() == [
        ["west", 0, TILE],
        ["west", 1, TILE],
        ["east", 0, TILE],
    ]
    assert [a.equals(b) for a, b in zip(found.geometry, (west, clear, east), strict=True)] == [True] * 3
    assert table(formatted / "pixels.csv") == [
        {"originfid": "0", "pixels": "12"},
        {"originfid": "1", "pixels": "1"},
    ]
    origins = {
        f"{side}_{seed}": read_sqlite(formatted / f"{side}_{seed}.sqlite")["originfid"].tolist()
        for side in ("learn", "validation")
        for seed in (0, 1)
    }
    assert origins == {"learn_0": [0, 0], "learn_1": [1], "validation_0": [1], "validation_1": [0, 0]}


def test_the_mask_of_a_model_extends_three_pixels_beyond_the_envelope_inside_images(formatted: Path) -> None:
    column = np.tile(np.arange(8), (6, 1))
    np.testing.assert_array_equal(read_raster(formatted / "raster_west.tif"), column < 4)
    np.testing.assert_array_equal(read_raster(formatted / "raster_east.tif"), (column >= 4) & (column < 6))
    imaged = np.arange(6)[:, None] > 0
    np.testing.assert_array_equal(read_raster(formatted / "mask_west.tif"), (column < 4) & imaged)
    np.testing.assert_array_equal(read_raster(formatted / "mask_east.tif"), (column >= 4) & imaged)
    assert read_vector(formatted / "shape_east.shp").geometry[0].equals(area((0, 6), (4, 6)))


def test_the_margin_is_wider_if_the_map_is_smoothed() -> None:
    options = {"arg_train": SimpleNamespace(seed=1)}
    for method, pixels in (("none", 3), ("bayesian", 18), ("majority", 18)):
        given = SimpleNamespace(classif_mode="separate", smoothing=method)
        config = SimpleNamespace(arg_classification=given, **options)
        assert formatting.params(config).margin_pixels == pixels  # type: ignore[arg-type]


def test_learning_polygons_of_a_model_are_merged_from_its_region_on_all_tiles(tmp_path: Path) -> None:
    rows = {"A": (["west", "east"], [0, 1]), "B": (["east", "west"], [2, 3]), "C": ([], [])}
    for tile, (names, origins) in rows.items():
        polygons = [area((0, 1), (k, k + 1)) for k in origins]
        columns = {"originfid": np.array(origins, int), "region": np.array(names, str)}
        write_sqlite(frame(polygons, **columns), tmp_path / f"{tile}.sqlite")
    inp = {"polygons": several("tile", {tile: f"{tile}.sqlite" for tile in rows})}
    run(merge_polygons.STEP, tmp_path, inp, {"merged": "merged.shp"}, key=Key.of(region="west", seed=0))
    found = read_vector(tmp_path / "merged.shp")
    assert found["originfid"].tolist() == [0, 3]
    assert found.geometry[1].equals(area((0, 1), (3, 4)))
