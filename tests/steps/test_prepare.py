"""The steps that describe the images: recipe, grid and dates, footprint, validity, coregistration."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from odc.geo.geobox import GeoBox
from scipy import ndimage

from iota2.config.recipes import RecipeParams
from iota2.core.graph import Key
from iota2.core.sensor import SensorOptions
from iota2.io.rasters.files import raster_geobox
from iota2.io.tables.recipes import read_recipe
from iota2.io.tables.vectors import read_vector
from iota2.steps.prepare import common_mask, coregistration, preprocess, recipe, validity
from tests.steps.helpers import (
    CRS,
    DAYS,
    GRID,
    KEYS,
    OTHER,
    SPEC,
    TILE,
    area,
    read_raster,
    run,
    scene_file,
    several,
    table,
    write_raster,
    write_recipe,
    write_scene,
)

BANDS = {"RED": 500, "NIR": 3000}
PLAIN = dict.fromkeys(DAYS, BANDS)


def test_the_recipe_has_the_dates_of_all_tiles_at_the_step_of_the_sensor(tmp_path: Path) -> None:
    first, second, third = DAYS
    scenes = {
        "A": write_scene(tmp_path / "a", {first: BANDS, second: BANDS}, tile="A"),
        "B": write_scene(tmp_path / "b", {second: BANDS, third: BANDS}, tile="B"),
    }
    params = RecipeParams(
        sensors=(SensorOptions(SPEC, tmp_path, temporal_resolution=5),),
        auto_date=True,
        gapfilling=True,
        indices=("NDVI",),
        copy_input=True,
        relative_reflectance=False,
        keep_duplicates=True,
        atmospheric_correction=False,
        standard_labels=False,
        allow_missing=False,
        partial=False,
        temporal_features=(),
    )
    inp = {"scene": several("tile", {tile: f"{tile.lower()}/{name}" for tile, name in scenes.items()})}
    run(recipe.STEP, tmp_path, inp, {"recipe": "recipe.json"}, params=params)
    (sensor,) = read_recipe(tmp_path / "recipe.json").sensors
    assert sensor.dates == ("20180101", "20180106", "20180111", "20180116", "20180121")
    assert sensor.bands == ("RED", "NIR")
    assert sensor.indices == ("NDVI",)


def test_grid_and_dates_of_each_sensor_are_written(tmp_path: Path) -> None:
    inp = {"scene": write_scene(tmp_path, {DAYS[0]: BANDS, DAYS[2]: BANDS}), "recipe": write_recipe(tmp_path)}
    names = {"reference": "reference.tif", "input_dates": "found.txt", "dates": "dates.txt"}
    out = {name: several("sensor", {"Small": path}) for name, path in names.items()}
    run(preprocess.STEP, tmp_path, inp, out, key=Key.of(tile=TILE))
    assert (read_raster(tmp_path / "reference.tif") == 1).all()
    assert raster_geobox(tmp_path / "reference.tif") == GRID
    assert (tmp_path / "found.txt").read_text() == "20180101\n20180121\n"
    assert (tmp_path / "dates.txt").read_text().split() == list(KEYS)


@pytest.mark.parametrize(("every", "cols"), [(True, (2, 5)), (False, (0, 8))])
def test_the_footprint_is_where_every_sensor_or_any_sensor_has_an_image(
    tmp_path: Path, every: bool, cols: tuple[int, int]
) -> None:
    column = np.arange(8)
    west = [{**BANDS, "EDGE": column >= end} for end in (3, 5)]
    east = [{**BANDS, "EDGE": column < 2, "CLOUD": 1}] * 2
    scene = scene_file(
        tmp_path, [(SPEC, dict(zip(DAYS, west, strict=False))), (OTHER, dict(zip(DAYS, east, strict=False)))]
    )
    params = common_mask.MaskParams(CRS, every_sensor=every, layers=every)
    run(
        common_mask.STEP,
        tmp_path,
        {"scene": scene},
        {"mask": "m.tif", "vector": "m.shp"},
        key=Key.of(tile=TILE),
        params=params,
    )
    expected = np.tile((column >= cols[0]) & (column < cols[1]), (6, 1))
    np.testing.assert_array_equal(read_raster(tmp_path / "m.tif"), expected)
    (found,) = read_vector(tmp_path / "m.shp").geometry
    assert found.equals(area((0, 6), cols))


def test_validity_counts_the_clear_days_of_pixels_and_the_clear_pixels_of_days(tmp_path: Path) -> None:
    row, column = np.indices(GRID.shape)
    clouds = [column < 4, row < 2, column < 0]
    images = {day: {**BANDS, "CLOUD": cloud} for day, cloud in zip(DAYS, clouds, strict=True)}
    images[DAYS[2]]["EDGE"] = column >= 6
    out = {"validity": "seen.tif", "clear": "clear.shp", "dates": "dates.csv", "notes": "notes.json"}
    params = validity.ValidityParams(CRS, 2, {"Small": ("RED", "NIR")})
    run(validity.STEP, tmp_path, {"scene": write_scene(tmp_path, images)}, out, key=Key.of(tile=TILE), params=params)
    expected = 3 - (column < 4).astype(int) - (row < 2) - (column >= 6)
    np.testing.assert_array_equal(read_raster(tmp_path / "seen.tif"), expected)
    found = table(tmp_path / "dates.csv")
    assert [(one["date"], one["inside"], one["clear"]) for one in found] == [
        (KEYS[0], "48", "24"),
        (KEYS[1], "48", "32"),
        (KEYS[2], "36", "36"),
    ]
    clear = read_vector(tmp_path / "clear.shp").union_all()
    enough = area((2, 6), (0, 8)).union(area((0, 2), (4, 6)))
    assert enough.contains(clear)
    assert clear.area == pytest.approx(enough.area, rel=0.01)


def test_a_displaced_date_is_moved_by_its_displacement(tmp_path: Path) -> None:
    geobox = GeoBox((128, 128), GRID.affine, CRS)
    noise = np.random.default_rng(0).normal(size=(128, 128))
    field = 2000 + 4000 * ndimage.gaussian_filter(noise, 2, mode="wrap")
    images: dict[date, dict[str, np.ndarray | float]] = {
        DAYS[0]: {"RED": field, "NIR": 3000},
        DAYS[1]: {"RED": np.roll(field, (1, -2), (0, 1)), "NIR": 3000},
    }
    write_raster(tmp_path / "reference.tif", field, "float32", geobox)
    params = coregistration.AlignmentParams(
        str(tmp_path / "reference.tif"), 1, 1, 3.0, coregistration.Mode.EACH_DATE, None
    )
    out = {"shifts": "shifts.json", "table": "shifts.csv"}
    run(
        coregistration.STEP,
        tmp_path,
        {"scene": write_scene(tmp_path, images, geobox=geobox)},
        out,
        key=Key.of(tile=TILE),
        params=params,
    )
    assert json.loads((tmp_path / "shifts.json").read_text()) == {"Small": {KEYS[1]: pytest.approx((-20, 10), abs=0.5)}}
    states = {one["date"]: one["state"] for one in table(tmp_path / "shifts.csv")}
    assert states == {KEYS[0]: "near", KEYS[1]: "moved"}
