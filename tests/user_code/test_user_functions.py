"""Functions of the user on blocks: the data that they read, their labels, and their features."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox

from iota2.classifiers import validate_options
from iota2.classifiers.models import load_model, model_without_samples, save_model, train_model
from iota2.compute.block_shapes import function_bytes
from iota2.compute.features import feature_block
from iota2.compute.sensor_combinations import seen_by_any
from iota2.compute.temporal import gapfill
from iota2.core.cube import Cube
from iota2.core.grid import block_of
from iota2.core.recipe import MISSING, FeatureRecipe, SensorRecipe
from iota2.user_code.data import user_data
from iota2.user_code.datasets import dataset_of
from iota2.user_code.functions import UserCode
from iota2.user_code.loading import UserCodeError
from iota2.user_code.tiles import whole_tile_features
from tests.user_code.helpers import DAYS, KEYS, SENSOR, cube_of, only, part_of, recipe_with

NDVI = """
from iota2.learning.utils import I2TemporalLabel

def ndvi(self):
    red, nir = self.get_interpolated_Sentinel2_B4(), self.get_interpolated_Sentinel2_B8()
    dates = self.interpolated_dates["Sentinel2"]
    return (nir - red) / (nir + red), [I2TemporalLabel(sensor_name="s2", feat_name="ndvi", date=d) for d in dates]
"""
TEXTURE = """
import numpy as np

def texture(self, size=3):
    nir = np.pad(self.get_Sentinel2_B8()[:, :, 0], size // 2, mode="edge")
    return np.lib.stride_tricks.sliding_window_view(nir, (size, size)).std(axis=(2, 3)), ["texture"]
"""


def values_of(recipe: FeatureRecipe, cubes: Mapping[str, Cube]) -> np.ndarray:
    """The features of the functions of a recipe."""
    values = UserCode(recipe).values(cubes)
    assert values is not None
    return values


def interpolated(cube: Cube, dates: Sequence[date] = DAYS) -> np.ndarray:
    """(date, band, y, x): the series, interpolated."""
    days, out = ([day.toordinal() for day in series] for series in (cube.days, dates))
    return gapfill(cube.values, cube.valid, np.array(days), np.array(out))


def test_features_follow_those_of_the_sensors_and_equal_plain_numpy() -> None:
    recipe, cube = recipe_with(NDVI, "ndvi"), cube_of(1, (20, 30))
    assert recipe.names[-3:] == tuple(f"s2_ndvi_{key}" for key in KEYS)
    assert recipe.names[:-3] == FeatureRecipe((SENSOR,)).names
    found = feature_block(only(cube), recipe, values_of(recipe, only(cube)))
    red, nir = interpolated(cube).transpose(1, 0, 2, 3)
    clear = cube.n_valid > 0
    red, nir = red[:, clear], nir[:, clear]
    np.testing.assert_array_equal(found.values[-3:][:, clear], (nir - red) / (nir + red))
    np.testing.assert_array_equal(found.values[:-3], feature_block(only(cube), FeatureRecipe((SENSOR,))).values)
    assert not clear.all()
    assert (found.values[-3:][:, ~clear] == 0).all()


@settings(deadline=None, max_examples=40)
@given(
    st.integers(0, 99),
    st.tuples(st.integers(0, 19), st.integers(0, 29)),
    st.tuples(st.integers(1, 9), st.integers(1, 9)),
)
def test_a_texture_with_padding_has_no_seam(seed: int, start: tuple[int, int], size: tuple[int, int]) -> None:
    recipe, cube = recipe_with(TEXTURE, "texture", padding=(1, 1)), cube_of(seed, (20, 30))
    whole = values_of(recipe, only(cube))[0]
    rows, cols = ((first, min(first + n, most)) for first, n, most in zip(start, size, (20, 30), strict=True))
    part = values_of(recipe, only(part_of(cube, rows, cols, recipe.halo)))[0]
    np.testing.assert_array_equal(part, whole[rows[0] : rows[1], cols[0] : cols[1]])


def test_without_padding_a_texture_has_a_seam() -> None:
    recipe, cube = recipe_with(TEXTURE, "texture"), cube_of(3, (20, 30), clouds=0)
    whole, part = (values_of(recipe, only(one))[0] for one in (cube, part_of(cube, (0, 20), (10, 20), 0)))
    assert (part[:, 0] != whole[:, 10]).any()
    np.testing.assert_array_equal(part[:, 1:-1], whole[:, 11:19])


RAW = """
def raw(self):
    return self.get_raw_Sentinel2_B4(), ["a", "b", "c", "d"]

def masks(self):
    return self.get_raw_Sentinel2_binary_masks(), [f"mask_{day}" for day in self.raw_dates["Sentinel2"]]
"""


def test_raw_series_have_the_dates_of_all_tiles_and_masks_say_what_is_missing() -> None:
    dates = {"Sentinel2": (*KEYS[:1], "20180105", *KEYS[1:])}
    recipe, cube = recipe_with(RAW, "raw", "masks", raw_dates=dates, no_data=-5.0), cube_of(2, (9, 9), clouds=0.3)
    cube.values[0, 0, 4, 4] = -10000
    assert [function.raw for function in recipe.functions] == [("Sentinel2",)] * 2
    found = values_of(recipe, only(cube))
    clear = cube.n_valid > 0
    red = np.where(cube.values[:, 0] == -10000, -5.0, cube.values[:, 0])
    np.testing.assert_array_equal(found[[0, 2, 3]][:, clear], red[:, clear])
    assert (found[1][clear] == -5).all()
    np.testing.assert_array_equal(found[[4, 6, 7]][:, clear], ~cube.valid[:, clear])
    assert (found[5][clear] == 2).all()


DATASET = """
import xarray as xr

def trend(series: xr.Dataset, band: str = "B8") -> xr.DataArray:
    nir = series[f"Sentinel2_{band}"]
    return (nir.isel(time=-1) - nir.isel(time=0)).rename("trend")

def each(series: xr.Dataset) -> xr.DataArray:
    return (series.Sentinel2_NDVI / 1000).rename("each")
"""


def test_a_function_of_a_dataset_returns_named_arrays() -> None:
    recipe, cube = recipe_with(DATASET, "trend", "each"), cube_of(5, (7, 8), clouds=0)
    assert recipe.user is not None
    assert recipe.user.names == ("trend", *(f"each_{key}" for key in KEYS))
    found, series = values_of(recipe, only(cube)), interpolated(cube)
    np.testing.assert_array_equal(found[0], series[-1, 1] - series[0, 1])
    standard = feature_block(only(cube), FeatureRecipe((SENSOR,)))
    np.testing.assert_array_equal(found[1:], standard.values[-3:] / np.float32(1000))


def test_raw_datasets_are_nan_where_masked() -> None:
    source = """
from xarray import Dataset
def seen(series: Dataset):
    return series.Sentinel2_B4.notnull().sum("time").rename("seen")
"""
    recipe, cube = recipe_with(source, "seen", access="raw"), cube_of(6, (9, 9), clouds=0.5)
    clear = cube.n_valid > 0
    np.testing.assert_array_equal(values_of(recipe, only(cube))[0][clear], cube.n_valid[clear])


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ("[]", ["custFeat_1_b1", "custFeat_1_b2"]),
        ("['x']", ["custFeat_1_b1", "custFeat_1_b2"]),
        ("['x', 'y']", ["x", "y"]),
    ],
)
def test_labels_of_the_wrong_number_are_replaced(labels: str, expected: list[str]) -> None:
    source = f"def two(self):\n    return self.get_Sentinel2_B4()[:, :, :2], {labels}"
    recipe = recipe_with(source, "two")
    assert list(recipe.functions[0].labels) == expected


FAILURES = {
    "def f(self):\n    x = 1\n    return x / 0": "mine.py, line 3: ZeroDivisionError: division by zero\nreturn x / 0",
    "def f(self):\n    return self.get_Sentinel2_B3()": "line 2: AttributeError: there is no get_Sentinel2_B3",
    "def f(self):\n    import no_such_library": "Install the package in the environment of iota2",
    "def f(self):\n    return self.get_Sentinel2_B4()[:-1]": "returned 7 rows and 11 columns; expected 8 and 11",
    "def f(self):\n    self.get_Sentinel2_B4()\n    return [1, 2, 3]": "returned list; expected an array",
    "def f(self):\n    return self.get_Sentinel2_B4().astype(str)": "expected numbers in (row, column)",
    "def f(self):\n    return self.get_Sentinel2_B4(), ['a b', 'c', 'd']": "returned the label 'a b'",
    "def f(self):\n    return self.get_Sentinel2_B4(), ['a', 'A', 'd']": "returned the label a twice",
    "import numpy as np\ndef f(self):\n    return np.zeros((8, 11))": "f in mine.py reads no series",
    "def f(self):\n    return self.get_Sentinel2_B4()[:, :, 0], 'sentinel2_b4_20180101'": "a feature of Sentinel2",
    "def f(self)\n    return 1": "mine.py, line 1: SyntaxError: expected ':'\ndef f(self)",
    "def g(self):\n    return 1": "mine.py defines no function f",
    "import sys\nsys.exit(3)\ndef f(self): ...": "mine.py, line 2: SystemExit: 3",
    "def f(self):\n    raise SystemExit('stop')": "line 2: SystemExit: stop",
    "def f(self):\n    return self.get_Sentinel2_B4()[:, :, 0].T": "8 and 11, those of its input. Rows and columns are",
    "def f(self):\n    return self.get_Sentinel2_B4().transpose(2, 0, 1)": "The features must be the last axis",
    "import numpy as np\ndef f(self):\n    return np.tile(self.get_Sentinel2_B4(), 4)[:, :, :11].transpose(2, 0, 1)": (
        "Its shape is (11, 8, 11): the features must be the last axis, or rows and columns are swapped"
    ),
    "\ndef f():\n    return 1": "f in mine.py, line 2, cannot be called: f() takes 0 positional arguments",
    "def f(self, size):\n    return size": "line 1, cannot be called: f() missing 1 required positional argument",
    "def f(self):\n    return len()": "line 2: TypeError: len() takes exactly one argument",
    "import numpy as np\ndef f(self):\n    return np.ones(10**15)": "f failed: mine.py, line 3: MemoryError: Unable",
    "def f(self):\n    raise MemoryError": "line 2: MemoryError: Use fewer or smaller arrays, such as float32, in the",
    "x = [0] * 2**60\ndef f(self): ...": "the file cannot be executed: mine.py, line 1: MemoryError: Use fewer",
}


@pytest.mark.parametrize("source", FAILURES)
def test_errors_name_function_file_and_line(source: str) -> None:
    with pytest.raises(UserCodeError) as caught:
        recipe_with(source, "f")
    assert FAILURES[source] in str(caught.value)


def test_two_functions_cannot_return_one_label() -> None:
    source = "def f(self):\n    return self.get_Sentinel2_B4()[:, :, 0], 'x'\n"
    with pytest.raises(UserCodeError, match="returned the label X, which is the name of a feature of f"):
        recipe_with(source + source.replace("def f", "def g").replace("'x'", "'X'"), "f", "g")


def test_only_series_of_a_dataset_that_a_function_uses_count_as_read() -> None:
    source = (
        "import xarray as xr\n\ndef f(series: xr.Dataset):\n"
        "    return series.Sentinel2_NDVI.max('time_Sentinel2').rename('top')"
    )
    recipe = recipe_with(source, "f", sensors=(SENSOR, replace(SENSOR, sensor="Landsat8")))
    (function,) = recipe.functions
    assert (function.sensors, function.raw, function.values_read) == (("Sentinel2",), (), 3)


def test_series_of_a_dataset_are_indexed_like_arrays() -> None:
    """Also along several axes at once, by slices, numbers, lists, labels and points."""
    recipe = recipe_with("def f(self):\n    return self.get_Sentinel2_B4()[:, :, 0], 'a'", "f")
    data = user_data(only(cube_of(3, (6, 7))), recipe)
    series, values = dataset_of(data, "gapfilled").Sentinel2_B8, data.interpolated("Sentinel2", "B8")
    np.testing.assert_array_equal(series, values)
    np.testing.assert_array_equal(series.isel(y=[0, 2], x=[1, 3, 5]), values[[0, 2]][:, [1, 3, 5]])
    np.testing.assert_array_equal(series.isel(y=[4, 1], x=slice(None, None, -2), time=1), values[[4, 1], ::-2, 1])
    np.testing.assert_array_equal(series.sel(time=series.time[[0, 2]])[1:, 2:4], values[1:, 2:4, [0, 2]])
    points = {"y": xr.DataArray([0, 3], dims="p"), "x": xr.DataArray([2, 6], dims="p")}
    np.testing.assert_array_equal(series.isel(points).transpose("p", "time"), values[[0, 3], [2, 6]])
    np.testing.assert_array_equal(series.shift(time=1, fill_value=0)[..., 1:], values[..., :-1])


def test_masked_results_have_no_data() -> None:
    source = (
        "import numpy as np\n\ndef f(self):\n"
        "    return np.ma.masked_greater(self.get_Sentinel2_B4()[:, :, 0].astype(int), 2000), 'low'"
    )
    recipe, cube = recipe_with(source, "f"), cube_of(1, (9, 9), clouds=0)
    found = UserCode(recipe).values(only(cube))
    assert found is not None
    first = cube.values[0, 0]
    np.testing.assert_array_equal(found[0], np.where(first > 2000, -10000, first))


def test_masked_results_that_are_not_numbers_are_refused() -> None:
    source = "import numpy as np\n\ndef f(self):\n    x = self.get_Sentinel2_B4()[:, :, 0]\n"
    with pytest.raises(UserCodeError, match="expected numbers in"):
        recipe_with(source + "    return np.ma.masked_equal(x.astype(str), 'no'), 'text'", "f")


def test_results_that_are_not_finite_become_no_data_and_are_counted() -> None:
    source = "def f(self):\n    red = self.get_Sentinel2_B4()[:, :, 0]\n    return red / (red > 2000), ['f']"
    recipe, cube = recipe_with(source, "f", no_data=-1.0), cube_of(8, (10, 10), clouds=0)
    code = UserCode(recipe)
    values = code.values(only(cube))
    assert values is not None
    found, red = values[0], interpolated(cube)[0, 0]
    np.testing.assert_array_equal(found, np.where(red > 2000, red, -1))
    assert code.not_finite == {"f": int((red <= 2000).sum())}


def test_labels_that_depend_on_pixels_are_refused() -> None:
    source = "def f(self):\n    x = self.get_Sentinel2_B4()\n    return x[:, :, 0], 'low' if x.max() < 1e4 else 'high'"
    recipe, cube = recipe_with(source, "f"), cube_of(9, (6, 6), clouds=0)
    values_of(recipe, only(cube))
    high = replace(cube, values=np.full(cube.values.shape, 20000, np.int16))
    with pytest.raises(UserCodeError, match=r"returned the labels high \(1 label\); expected .* low"):
        values_of(recipe, only(high))


OTHER = SensorRecipe("Landsat8", ("B4",), {"red": "B4"}, KEYS, indices=())
BOTH = "def both(self):\n    return self.get_Sentinel2_B4() - self.get_Landsat8_B4(), []\n" + NDVI


@pytest.mark.parametrize(
    ("flags", "expected"), [({}, 0.0), ({"allow_missing": True}, MISSING), ({"partial": True}, np.nan)]
)
def test_pixels_without_a_sensor_that_a_function_reads(flags: dict[str, bool], expected: float) -> None:
    recipe = replace(recipe_with(BOTH, "both", "ndvi", sensors=(SENSOR, OTHER)), **flags)
    cubes = {"Sentinel2": cube_of(1, (8, 8), clouds=0), "Landsat8": cube_of(2, (8, 8), OTHER, clouds=0)}
    cubes["Landsat8"].valid[:, :4] = False
    found = values_of(recipe, cubes)
    assert np.array_equal(found[:3, :4], np.full((3, 4, 8), expected), equal_nan=True)
    assert np.isfinite(found[:3, 4:]).all()
    assert (found[3:] != expected).all()
    del cubes["Landsat8"]
    assert np.array_equal(values_of(recipe, cubes)[:3], np.full((3, 8, 8), expected), equal_nan=True)


def test_recipes_of_fewer_sensors_keep_the_functions_that_read_only_these() -> None:
    recipe = recipe_with(BOTH, "both", "ndvi", sensors=(SENSOR, OTHER))
    assert [one.name for one in recipe.of_sensors(["Sentinel2"]).functions] == ["ndvi"]
    assert recipe.of_sensors(["Landsat8"]).user is None
    assert recipe.features_of["Landsat8"] == tuple(
        k for k, name in enumerate(recipe.names) if name.startswith("Landsat8_")
    )


def test_functions_of_a_sensor_and_layers_are_those_of_the_sensor() -> None:
    layers = SensorRecipe("userFeatures", ("SLP",), {}, (), indices=(), static=True)
    source = (
        NDVI + "def steep(self):\n    return self.get_Landsat8_B4()[:, :, 0] + self.get_userFeatures_SLP()[:, :, 0]\n"
    )
    recipe = recipe_with(source + BOTH, "steep", "both", sensors=(SENSOR, OTHER, layers))
    assert recipe.functions[0].sensors == ("Landsat8", "userFeatures")
    steep = recipe.names.index("custFeat_1_b1")
    assert recipe.features_of["Landsat8"][-1] == steep
    assert steep not in recipe.features_of["Sentinel2"]
    assert "both" not in [recipe.names[k] for found in recipe.features_of.values() for k in found]


def test_samples_that_no_sensor_sees_are_found_by_the_features_of_functions() -> None:
    """Also if the sensors themselves have no features (``concat_mode`` False)."""
    none = [replace(one, copy_input=False, indices=()) for one in (SENSOR, OTHER)]
    source = NDVI + "def l8(self):\n    return self.get_Landsat8_B4()[:, :, 0], 'l8'\n"
    recipe = replace(recipe_with(source, "ndvi", "l8", sensors=(none[0], none[1])), allow_missing=True)
    x = np.array([[1, 2, 3, 4], [MISSING] * 3 + [4], [1, 2, 3, MISSING], [MISSING] * 4], np.float32)
    np.testing.assert_array_equal(seen_by_any(x, recipe), [True, True, True, False])
    assert seen_by_any(x, replace(recipe, allow_missing=False)).all()


@pytest.mark.parametrize("whole", [False, True])
def test_models_of_functions_are_read_as_they_were_written_also_without_samples(tmp_path: Path, whole: bool) -> None:
    recipe, rng = recipe_with(NDVI, "ndvi"), np.random.default_rng(1)
    recipe = of_whole_tiles(recipe) if whole else recipe
    x, y = rng.normal(size=(40, len(recipe.names))).astype(np.float32), np.repeat([1, 2], 20)
    parameters, _ = validate_options("rf", {"classifier.rf.nbtrees": 3})
    given: dict[str, Any] = {"recipe": recipe, "seed": 0, "region": "1"}
    learned = train_model("rf", parameters, x, y, threads=1, **given)
    empty = model_without_samples("rf", parameters, reason="no sample is seen", **given)
    for name, model in {"learned": learned, "empty": empty}.items():
        save_model(model, tmp_path / name, tmp_path / f"{name}.txt")
        found = load_model(tmp_path / name)
        assert found.recipe == recipe
        assert found.classes == model.classes
        assert found.without_samples == (name == "empty")


def test_a_recipe_is_read_as_it_was_written() -> None:
    recipe = recipe_with(NDVI, "ndvi", padding=(2, 3), no_data=-7.0, access="both")
    content = recipe.to_json()
    assert FeatureRecipe.from_json(content) == recipe
    content["user"]["source"] += "\n# changed"
    with pytest.raises(ValueError, match="does not have the digest"):
        FeatureRecipe.from_json(content)


WHOLE = """
def centred(self):
    red = self.get_Sentinel2_B4()[:, :, 0]
    return red - red.mean(), "centred"

def joint(self):
    return self.get_Sentinel2_B4()[:, :, 0] - self.get_Other_B4()[:, :, 0], "joint"
"""


def of_whole_tiles(recipe: FeatureRecipe) -> FeatureRecipe:
    assert recipe.user is not None
    functions = tuple(replace(one, whole_tile=True) for one in recipe.functions)
    return replace(recipe, user=replace(recipe.user, functions=functions))


def parts_of(cube: Cube, rows: Sequence[tuple[int, int]], sensor: str = "Sentinel2") -> Iterator[Any]:
    grid = GeoBox((20, 30), Affine(10, 0, 0, 0, -10, 0), "EPSG:32631")
    for first, last in rows:
        for cols in ((0, 13), (13, 30)):
            yield block_of("T", grid, (first, last), cols), {sensor: part_of(cube, (first, last), cols, 0)}


def test_features_of_a_whole_tile_do_not_depend_on_the_blocks_in_which_it_is_read() -> None:
    recipe, cube = of_whole_tiles(recipe_with(WHOLE, "centred", padding=(3, 3))), cube_of(1, (20, 30))
    assert recipe.halo == 0, "there are no pixels around the tile"
    found = whole_tile_features(recipe, (20, 30), parts_of(cube, [(0, 20)]))
    np.testing.assert_array_equal(whole_tile_features(recipe, (20, 30), parts_of(cube, [(0, 7), (7, 20)])), found)
    red, clear = interpolated(cube)[0, 0], cube.n_valid > 0
    np.testing.assert_allclose(found[0][clear], (red - red.mean())[clear], rtol=1e-4, atol=1e-2)
    np.testing.assert_array_equal(values_of(recipe, only(cube)), found)


@pytest.mark.parametrize("flags", [{"partial": True}, {"allow_missing": True}, {}])
def test_a_tile_without_a_sensor_of_a_function_of_whole_tiles(flags: dict[str, bool]) -> None:
    both = (SENSOR, replace(SENSOR, sensor="Other"))
    recipe = replace(of_whole_tiles(recipe_with(WHOLE, "joint", sensors=both)), **flags)
    found = whole_tile_features(recipe, (20, 30), parts_of(cube_of(1, (20, 30)), [(0, 20)]))
    expected = np.nan if "partial" in flags else MISSING if flags else 0.0
    np.testing.assert_array_equal(found, np.full((1, 20, 30), expected, np.float32))
    np.testing.assert_array_equal(whole_tile_features(recipe, (20, 30), ()), found)


def test_only_functions_of_whole_tiles_are_described_as_such() -> None:
    recipe = recipe_with(WHOLE, "centred")
    assert "whole_tile" not in recipe.to_json()["user"]["functions"][0], "as in files of earlier versions"
    whole = of_whole_tiles(recipe)
    content = whole.to_json()
    assert FeatureRecipe.from_json(content) == whole
    content["user"]["functions"][0]["whole_tile"] = "yes"
    with pytest.raises(TypeError, match="whole_tile is 'yes'"):
        FeatureRecipe.from_json(content)


def test_a_function_of_a_whole_tile_takes_no_more_memory_than_estimated() -> None:
    recipe, shape = of_whole_tiles(recipe_with(WHOLE, "centred")), (20, 12_000)
    cube = cube_of(1, shape)
    grid = GeoBox(shape, Affine(10, 0, 0, 0, -10, 0), "EPSG:32631")
    parts = [((0, 20), (k, k + 1000)) for k in range(0, shape[1], 1000)]
    blocks = ((block_of("T", grid, *part), only(part_of(cube, *part, 0))) for part in parts)
    (function,) = recipe.functions
    tracemalloc.start()
    try:
        whole_tile_features(recipe, shape, blocks)
        used = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    pixels = shape[0] * shape[1]
    assert used < pixels * function_bytes(function) + 2**20, "and the block that is read"
    assert used > pixels * 4 * 2 * function.values_read
