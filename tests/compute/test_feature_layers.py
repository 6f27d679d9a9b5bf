"""Layers of features maps: values without data, and exact data types."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from iota2.compute.feature_layers import exact_type, mark_missing
from iota2.core.cube import FeatureBlock
from iota2.core.recipe import MISSING, FeatureRecipe, SensorRecipe
from iota2.core.user_features import UserFeatures, UserFunction
from iota2.errors import UserError

A = SensorRecipe("A", ("B1",), {}, ("20180101", "20180111"), indices=())
B = replace(A, sensor="B", dates=("20180101",))
RECIPE = FeatureRecipe(
    (A, B),
    user=UserFeatures("f.py", "", (UserFunction("f", labels=("f",), dates=("",), sensors=("A", "B")),)),
)


def block(recipe: FeatureRecipe, values: np.ndarray, clear: list[list[int]]) -> FeatureBlock:
    """One row of pixels; ``clear`` by sensor."""
    counts = np.array(clear, np.uint16)[:, None]
    names = tuple(one.sensor for one in recipe.sensors)
    return FeatureBlock(values[:, None].astype(np.float32), recipe.names, counts.sum(0), names, counts)


def test_features_of_a_sensor_without_clear_date_have_no_data() -> None:
    """Also those of a function that reads the sensor; those of other sensors keep their values."""
    features = block(RECIPE, np.arange(1, 13).reshape(4, 3), [[1, 0, 2], [1, 1, 0]])
    mark_missing(features, RECIPE, -1.0)
    assert features.values[:, 0].tolist() == [[1, -1, 3], [4, -1, 6], [7, 8, -1], [10, -1, -1]]


def test_raw_values_have_no_data_where_they_are_missing_only() -> None:
    recipe = FeatureRecipe((replace(A, gapfilling=False),))
    features = block(recipe, np.array([[1, MISSING, 3], [4, 5, 6]]), [[0, 0, 1]])
    mark_missing(features, recipe, -1.0)
    assert features.values[:, 0].tolist() == [[1, -1, 3], [4, 5, 6]]


def test_a_layer_has_no_data_where_it_lacks_them_itself() -> None:
    """The sensor of the layers counts as clear only where all layers have data."""
    recipe = FeatureRecipe((SensorRecipe("Relief", ("slope", "height"), {}, (), static=True, indices=()),))
    features = block(recipe, np.array([[1, MISSING, 3], [MISSING, 5, 6]]), [[0, 0, 1]])
    mark_missing(features, recipe, -1.0)
    assert features.values[:, 0].tolist() == [[1, -1, 3], [-1, 5, 6]]


def test_whole_numbers_become_integers() -> None:
    values = np.array([[[-32768.0, 32767.0]], [[0.0, -10000.0]]], np.float32)
    found = exact_type(values, "int16", ("a", "b"))
    assert found.dtype == np.int16
    np.testing.assert_array_equal(found, values)
    assert exact_type(values, "float32", ("a", "b")) is values


@pytest.mark.parametrize("value", [0.5, 32768.0, -32769.0, np.nan, np.inf])
def test_a_value_that_would_change_is_named(value: float) -> None:
    values = np.array([[[1.0]], [[value]]], np.float32)
    with pytest.raises(UserError, match=r"^b has the value .*, which int16 cannot represent exactly; set features_map"):
        exact_type(values, "int16", ("a", "b"))
