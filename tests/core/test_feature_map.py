"""Bands of features maps: names, dates, colours, raw series."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from iota2.core.feature import Feature
from iota2.core.feature_map import FeatureMap, raw_recipe, recipe_of_tile, rows_in_map
from iota2.core.recipe import FeatureRecipe, SensorRecipe
from iota2.core.user_features import UserFeatures, UserFunction

ROLES = {"blue": "B2", "green": "B3", "red": "B4", "nir": "B8"}
OPTICAL = SensorRecipe("Optical", ("B2", "B3", "B4", "B8"), ROLES, ("20180101", "20180111"), indices=("NDVI",))
LAYERS = SensorRecipe("userFeat", ("ALT_1",), {}, (), indices=(), static=True)
DATES = {"Optical": ("20180103", "20180104", "20180104.1")}
RECIPE = FeatureRecipe((OPTICAL, LAYERS))
FUNCTIONS = {"both": ("Optical", "userFeat"), "one": ("Optical",)}


def raw() -> FeatureRecipe:
    found = raw_recipe(replace(RECIPE, sensors=(replace(OPTICAL, temporal=("statistics",)), LAYERS)), DATES)
    assert found is not None
    return found


def test_bands_have_the_names_and_dates_of_the_features() -> None:
    bands = FeatureMap((RECIPE,)).bands
    assert tuple(band.name for band in bands) == RECIPE.names
    assert (bands[4].name, bands[4].day, bands[4].sensor) == ("Optical_B2_20180111", "2018-01-11", "Optical")
    assert (bands[-1].name, bands[-1].day, bands[-1].sensor) == ("ALT_1", "", "userFeat")


def test_raw_bands_have_a_prefix_and_the_dates_of_the_images() -> None:
    found = FeatureMap((RECIPE, raw()))
    names = found.names
    assert names[: len(RECIPE.names)] == RECIPE.names
    assert names[len(RECIPE.names)] == "raw_Optical_B2_20180103"
    assert names[-1] == "raw_Optical_NDVI_20180104.1"
    assert found.bands[-1].day == "2018-01-04"
    assert len(names) == len(set(names)) == len(RECIPE.names) + 3 * 5, "no layers and no statistics"


@pytest.mark.parametrize(
    ("name", "date", "undated"),
    [("a_20180101", "20180101", "a"), ("a_20180101_b", "20180101", "a_20180101_b"), ("a_20180101", "", "a_20180101")],
)
def test_the_date_at_the_end_of_a_name_is_left_out(name: str, date: str, undated: str) -> None:
    assert Feature(name, "f", date).undated == undated


def test_raw_series_of_layers_alone_do_not_exist() -> None:
    assert raw_recipe(FeatureRecipe((LAYERS,)), {}) is None


def test_a_tile_that_lacks_dates_has_its_features_at_their_bands() -> None:
    of_tile = recipe_of_tile(raw(), {"Optical": ("20180103", "20180104.1")})
    assert of_tile.sensors[0].dates == ("20180103", "20180104.1")
    places = rows_in_map(raw(), of_tile)
    assert tuple(raw().names[k] for k in places) == of_tile.names
    there = {"Optical": ("20180103",), "userFeat": ()}
    assert recipe_of_tile(RECIPE, there) == RECIPE, "interpolated series have the same dates on all tiles"


def test_a_tile_that_lacks_a_sensor_has_the_features_of_the_others() -> None:
    calls = [UserFunction(name, labels=(name,), dates=("",), sensors=read) for name, read in FUNCTIONS.items()]
    recipe = replace(RECIPE, user=UserFeatures("mine.py", "", tuple(calls)))
    of_tile = recipe_of_tile(recipe, {"Optical": ("20180103",)})
    assert of_tile.names == (*OPTICAL.names, "one")
    assert [recipe.names[k] for k in rows_in_map(recipe, of_tile)] == list(of_tile.names)
    assert recipe_of_tile(recipe, {}).names == ()


def test_places_do_not_depend_on_standard_labels() -> None:
    plain, standard = raw(), replace(raw(), standard_labels=True)
    of_tile = recipe_of_tile(standard, {"Optical": ("20180104",)})
    assert rows_in_map(standard, of_tile) == rows_in_map(plain, recipe_of_tile(plain, {"Optical": ("20180104",)}))
    assert FeatureMap((standard,)).names[0] == "value_0"


def test_colours_are_the_bands_of_each_date() -> None:
    found = FeatureMap((RECIPE, raw()))
    assert len(found.colours) == 2 + 3
    red, green, blue = found.colours["Optical", "20180111"]
    assert [found.names[k] for k in (red, green, blue)] == [f"Optical_{b}_20180111" for b in ("B4", "B3", "B2")]
    assert found.names[found.colours["raw_Optical", "20180104.1"][0]] == "raw_Optical_B4_20180104.1"


@pytest.mark.parametrize(
    "sensor", [replace(OPTICAL, copy_input=False), replace(OPTICAL, relative_reflectance=True), LAYERS]
)
def test_changed_or_absent_bands_give_no_picture(sensor: SensorRecipe) -> None:
    assert FeatureMap((FeatureRecipe((sensor,)),)).colours == {}


def test_a_map_is_read_as_it_was_written() -> None:
    function = UserFunction("f", labels=("mine",), dates=("20180111",), sensors=("Optical",))
    recipe = replace(RECIPE, user=UserFeatures("mine.py", "def f(self): ...", (function,)))
    found = FeatureMap((recipe, raw()), "int16", -9999.0)
    assert FeatureMap.from_json(json.loads(json.dumps(found.to_json()))) == found
    assert found.to_json()["bands"][len(RECIPE.names)] == {
        "name": "mine", "sensor": "Optical", "series": "f", "date": "2018-01-11",
    }  # fmt: skip
