"""The steps that describe the images: recipe, grid and dates, footprint, validity, coregistration."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from odc.geo.geobox import GeoBox
from scipy import ndimage

from iota2.config.recipes import RecipeParams
from iota2.core.graph import Key
from iota2.core.sensor import SensorOptions
from iota2.core.user_features import UserFeatures, UserFunction
from iota2.errors import UserError
from iota2.io.rasters.files import RasterReader, raster_geobox
from iota2.io.tables.recipes import read_recipe
from iota2.io.tables.vectors import read_vector
from iota2.steps.prepare import common_mask, coregistration, preprocess, recipe, validity, whole_tile_features
from iota2.user_code.trial import with_labels
from tests.steps.helpers import (
    CRS,
    DAYS,
    GRID,
    KEYS,
    OTHER,
    RECIPE,
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


WHOLE = """
def centred(self):
    red = self.get_Small_RED()
    return red - red.mean(axis=(0, 1)), "red_20180101 red_20180111 red_20180121".split()

def local(self):
    return self.get_Small_NIR()[:, :, 0], "local"

def rank(self):
    nir = self.get_Small_NIR()[:, :, 0]
    return nir / nir.max(), "rank"

def large(self):
    self.get_Small_RED()
    if self.get_Small_NIR().shape[0] == 6:
        raise MemoryError
    return self.get_Small_NIR()[:, :, 0], "large"
"""


def test_features_of_functions_of_whole_tiles_are_written_with_their_names(tmp_path: Path) -> None:
    red = np.arange(48.0).reshape(6, 8)
    inp = {"scene": write_scene(tmp_path, {day: {"RED": red, "NIR": red + 1} for day in DAYS})}
    functions = [UserFunction(name, whole_tile=name != "local") for name in ("centred", "local", "rank")]
    given = with_labels(replace(RECIPE, user=UserFeatures("mine.py", WHOLE, tuple(functions), padding=(2, 2))))
    inp["recipe"] = write_recipe(tmp_path, given)
    run(whole_tile_features.STEP, tmp_path, inp, {"raster": "whole.tif"}, key=Key.of(tile=TILE))
    with RasterReader(tmp_path / "whole.tif") as raster:
        assert raster.descriptions == ("red_20180101", "red_20180111", "red_20180121", "rank")
        found = raster.read_bands(GRID)
    np.testing.assert_allclose(found[:3], np.stack([red - red.mean()] * 3))
    np.testing.assert_allclose(found[3], (red + 1) / 48, rtol=1e-6)


def test_too_little_memory_for_a_function_of_whole_tiles_is_explained(tmp_path: Path) -> None:
    inp = {"scene": write_scene(tmp_path, PLAIN)}
    given = UserFeatures("mine.py", WHOLE, (UserFunction("large", whole_tile=True),))
    inp["recipe"] = write_recipe(tmp_path, with_labels(replace(RECIPE, user=given)))
    with pytest.raises(UserError, match=rf"tile {TILE}: the memory is not sufficient for large, .*padding_size_x"):
        run(whole_tile_features.STEP, tmp_path, inp, {"raster": "whole.tif"}, key=Key.of(tile=TILE))


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
