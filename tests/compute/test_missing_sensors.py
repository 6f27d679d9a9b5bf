"""Features of pixels and tiles without observations of a sensor."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iota2.compute.features import feature_block
from iota2.compute.sensor_combinations import seen_by_any
from iota2.core.cube import Cube
from iota2.core.recipe import MISSING, TEMPORAL_FEATURES, FeatureRecipe, SensorRecipe
from iota2.core.tables import sample_columns
from iota2.errors import FeatureMismatch

DAYS = (date(2018, 3, 1), date(2018, 5, 1))
KEYS = ("20180301", "20180501")
OPTICAL = SensorRecipe("A", ("B4", "B8", "B11"), {"red": "B4", "nir": "B8", "swir": "B11"}, KEYS)
RADAR = SensorRecipe("R", ("vv",), {}, ("20180401",), indices=(), decibel=True)
LAYERS = SensorRecipe("userFeatures", ("ALT_band_0", "SLP_band_0"), {}, (), indices=(), static=True)


def cubes() -> dict[str, Cube]:
    """Five pixels in a row: observed by all sensors; not by A; not by R; by neither; without slope."""
    a_valid = np.array([[[1, 0, 1, 0, 1]]] * 2, bool)
    r_valid = np.array([[[1, 1, 0, 0, 1]]], bool)
    layers = np.array([[[[10, 20, 30, 40, 50]], [[1, 2, 3, 4, np.nan]]]], np.float32)
    optical = np.full((2, 3, 1, 5), 2000, np.int16)
    optical[:, 1] = 4000
    return {
        "A": Cube(optical, a_valid, DAYS, KEYS, OPTICAL.bands, OPTICAL.roles, -10000),
        "R": Cube(np.full((1, 1, 1, 5), 0.1, np.float32), r_valid, DAYS[:1], KEYS[:1], ("vv",), {}),
        "userFeatures": Cube(
            layers, ~np.isnan(layers).any(axis=1), (date.min,), ("",), LAYERS.bands, {}
        ),
    }  # fmt: skip


def test_a_pixel_without_observations_of_a_sensor_has_no_label() -> None:
    found = feature_block(cubes(), FeatureRecipe((OPTICAL, RADAR, LAYERS)))
    assert found.n_valid.tolist() == [[3, 0, 0, 0, 0]], "layers count no observation"
    assert np.isfinite(found.values).all()


def test_with_allow_missing_the_other_sensors_are_used() -> None:
    recipe = FeatureRecipe((OPTICAL, RADAR, LAYERS), allow_missing=True)
    found = feature_block(cubes(), recipe)
    assert found.n_valid.tolist() == [[3, 1, 2, 0, 3]]
    values = dict(zip(found.names, found.values[:, 0], strict=True))
    assert values["A_B8_20180501"].tolist() == [4000, MISSING, 4000, MISSING, 4000]
    np.testing.assert_allclose(values["A_NDVI_20180501"], [1000 / 3, MISSING, 1000 / 3, MISSING, 1000 / 3], rtol=1e-5)
    np.testing.assert_allclose(values["R_vv_20180401"], [-10, -10, MISSING, MISSING, -10], rtol=1e-5)
    assert values["ALT_band_0"].tolist() == [10, 20, 30, 40, 50]
    assert values["SLP_band_0"].tolist() == [1, 2, 3, 4, MISSING]


@pytest.mark.parametrize("sensors", [(OPTICAL, RADAR, LAYERS), (LAYERS, RADAR), (OPTICAL,), (LAYERS,)])
def test_samples_that_a_recipe_sees_are_the_pixels_with_a_label(sensors: tuple[SensorRecipe, ...]) -> None:
    recipe = FeatureRecipe((OPTICAL, RADAR, LAYERS), allow_missing=True)
    used = FeatureRecipe(sensors, allow_missing=True)
    block = feature_block(cubes(), recipe)
    labelled = (block.n_valid > 0).ravel()
    part = block.of(used)
    seen = seen_by_any(part.values[:, 0].T[labelled], used)
    expected = np.ones(labelled.sum(), bool) if sensors == (LAYERS,) else part.n_valid.ravel()[labelled] > 0
    assert seen.tolist() == expected.tolist()
    assert seen_by_any(part.values[:, 0].T, replace(used, allow_missing=False)).all()


def test_a_sensor_without_features_may_have_seen_any_sample() -> None:
    silent = replace(RADAR, copy_input=False)
    x = np.full((2, len(OPTICAL.names)), MISSING, np.float32)
    assert not seen_by_any(x, FeatureRecipe((OPTICAL,), allow_missing=True)).any()
    assert seen_by_any(x, FeatureRecipe((OPTICAL, silent), allow_missing=True)).all()
    assert seen_by_any(x[:0], FeatureRecipe((OPTICAL,), allow_missing=True)).shape == (0,)


def test_temporal_features_of_a_missing_series_are_missing() -> None:
    sensor = replace(OPTICAL, temporal=TEMPORAL_FEATURES)
    found = feature_block(cubes(), FeatureRecipe((sensor, RADAR), allow_missing=True))
    assert (found.values[: len(sensor.names), 0, [1, 3]] == MISSING).all()
    values = dict(zip(found.names, found.values[:, 0], strict=True))
    assert values["A_B8_diff_20180501"].tolist() == [0, MISSING, 0, MISSING, 0]
    assert values["A_B8_q50"].tolist() == [4000, MISSING, 4000, MISSING, 4000]
    assert values["A_NDVI_maxdate"].tolist() == [1, MISSING, 1, MISSING, 1]


def test_a_tile_without_a_sensor_has_missing_features() -> None:
    recipe = FeatureRecipe((OPTICAL, RADAR, LAYERS), allow_missing=True)
    there = cubes()
    del there["A"], there["userFeatures"]
    found = feature_block(there, recipe)
    values = dict(zip(found.names, found.values[:, 0], strict=True))
    assert {name for name, value in values.items() if (value == MISSING).all()} == {*OPTICAL.names, *LAYERS.names}
    assert found.n_valid.tolist() == [[1, 1, 0, 0, 1]]
    with pytest.raises(FeatureMismatch, match="A: the features need images of this sensor"):
        feature_block(there, FeatureRecipe((OPTICAL, RADAR)))
    with pytest.raises(FeatureMismatch, match="need images of this sensor"):
        feature_block({}, recipe)


def test_feature_names_follow_the_order_of_the_sensors() -> None:
    names = FeatureRecipe((OPTICAL, RADAR, LAYERS)).names
    assert names[0] == "A_B4_20180301"
    assert names[-3:] == ("R_vv_20180401", "ALT_band_0", "SLP_band_0")


def test_a_partial_recipe_has_features_of_the_sensors_that_see_a_pixel() -> None:
    recipe = FeatureRecipe((OPTICAL, RADAR, LAYERS), partial=True)
    found = feature_block(cubes(), recipe)
    assert found.n_valid.tolist() == [[3, 1, 2, 0, 0]], "of any sensor, where all layers have data"
    assert found.sensors == ("A", "R", "userFeatures")
    assert found.clear.tolist() == [[[2, 0, 2, 0, 2]], [[1, 1, 0, 0, 1]], [[1, 1, 1, 1, 0]]]
    assert found.clear.dtype == np.uint16
    whole = feature_block(cubes(), FeatureRecipe((OPTICAL, RADAR, LAYERS)))
    for sensor, counts in zip(recipe.sensors, found.clear, strict=True):
        rows = [found.names.index(name) for name in sensor.names]
        values, seen = found.values[rows], (counts > 0) | sensor.static
        np.testing.assert_array_equal(values[:, seen], whole.values[rows][:, seen])
        assert np.isnan(values[:, ~seen]).all()


def test_a_partial_recipe_accepts_tiles_without_a_sensor_but_not_without_layers() -> None:
    recipe = FeatureRecipe((OPTICAL, RADAR, LAYERS), partial=True)
    there = cubes()
    del there["A"]
    found = feature_block(there, recipe)
    assert np.isnan(found.values[: len(OPTICAL.names)]).all()
    assert found.n_valid.tolist() == [[1, 1, 0, 0, 0]]
    del there["userFeatures"]
    with pytest.raises(FeatureMismatch, match="userFeatures: the features need images"):
        feature_block(there, recipe)


def test_sensors_of_a_recipe_are_selected_in_its_order_with_all_layers() -> None:
    recipe = FeatureRecipe((OPTICAL, RADAR, LAYERS))
    assert recipe.dated == ("A", "R")
    assert recipe.of_sensors(("R", "A")) is recipe
    assert recipe.of_sensors(["R"]).sensors == (RADAR, LAYERS)
    assert recipe.of_sensors(()).sensors == (LAYERS,)
    assert replace(recipe, allow_missing=True).of_sensors(["A"]).allow_missing
    with pytest.raises(ValueError, match="no sensor 'B'; expected some of A, R, userFeatures"):
        recipe.of_sensors(["B"])
    silent = replace(RADAR, copy_input=False)
    assert FeatureRecipe((OPTICAL, silent)).dated == ("A",), "a sensor without features is not counted"


def test_standard_names_keep_their_numbers_in_a_selection_of_sensors() -> None:
    recipe = FeatureRecipe((OPTICAL, RADAR, LAYERS), standard_labels=True)
    some = recipe.of_sensors(["R"])
    assert some.names == recipe.names[-3:]
    assert some.of_sensors(()).names == recipe.names[-2:]
    assert FeatureRecipe.from_json(some.to_json()) == some
    assert sample_columns(some) == [f"value_{len(OPTICAL.names) + k}" for k in range(3)]
    damaged = {**some.to_json(), "numbers": [1, 1, 2]}
    with pytest.raises(ValueError, match="numbers"):
        FeatureRecipe.from_json(damaged)


@settings(deadline=None, max_examples=60)
@given(
    valid=st.lists(st.booleans(), min_size=20, max_size=20),
    names=st.sets(st.sampled_from("ABR")),
    kind=st.sampled_from(["mask", "partial", "allow_missing"]),
)
def test_features_of_some_sensors_are_those_of_their_recipe(valid: list[bool], names: set[str], kind: str) -> None:
    there, other = cubes(), replace(OPTICAL, sensor="B")
    flags = np.array(valid).reshape(4, 1, 5)
    there["B"] = replace(there["A"], valid=flags[:2])
    there["A"], there["R"] = replace(there["A"], valid=flags[1:3]), replace(there["R"], valid=flags[3:])
    recipe = FeatureRecipe(
        (OPTICAL, other, RADAR, LAYERS), allow_missing=kind == "allow_missing", partial=kind == "partial"
    )
    whole, some = feature_block(there, recipe), recipe.of_sensors(names)
    found, expected = whole.of(some), feature_block(there, some)
    assert found.names == expected.names
    assert found.sensors == expected.sensors
    np.testing.assert_array_equal(found.values, expected.values)
    np.testing.assert_array_equal(found.n_valid, expected.n_valid)
    np.testing.assert_array_equal(found.clear, expected.clear)


def test_features_are_copied_only_where_they_are_not_contiguous() -> None:
    recipe = FeatureRecipe((OPTICAL, RADAR, LAYERS))
    block = feature_block(cubes(), recipe)
    assert np.shares_memory(block.of(recipe.of_sensors(["R"])).values, block.values)
    assert not np.shares_memory(block.of(recipe.of_sensors(["A"])).values, block.values)
    with pytest.raises(FeatureMismatch, match="lack B; they are of A, R, userFeatures"):
        block.of(FeatureRecipe((replace(OPTICAL, sensor="B"),)))


def test_an_empty_block_has_features_of_some_sensors() -> None:
    recipe = FeatureRecipe((OPTICAL, RADAR), partial=True)
    none = {
        name: replace(cube, values=cube.values[..., :0], valid=cube.valid[..., :0])
        for name, cube in cubes().items()
        if name != "userFeatures"
    }
    found = feature_block(none, recipe).of(recipe.of_sensors(["A"]))
    assert (found.values.shape, found.n_valid.shape, found.clear.shape) == (
        (len(OPTICAL.names), 1, 0),
        (1, 0),
        (1, 1, 0),
    )
