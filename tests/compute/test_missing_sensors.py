"""Features of pixels and tiles without observations of a sensor."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from iota2.compute.features import feature_block
from iota2.core.cube import Cube
from iota2.core.recipe import MISSING, TEMPORAL_FEATURES, FeatureRecipe, SensorRecipe
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
