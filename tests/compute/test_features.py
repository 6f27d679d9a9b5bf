from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iota2.compute.features import feature_block, recipe_problems
from iota2.core.cube import Cube
from iota2.core.feature import VALUE, Feature
from iota2.core.recipe import (
    DEFAULT_INDICES,
    MISSING,
    STATISTIC_NAMES,
    TEMPORAL_FEATURES,
    FeatureRecipe,
    SensorRecipe,
)
from iota2.errors import EXIT_USER, FeatureMismatch
from tests.compute.reference import EXPRESSIONS, reference_features

BANDS = ("B3", "B4", "B8", "B11")
ROLES = {"red": "B4", "nir": "B8", "swir": "B11"}


def make_cube(seed: int, days: list[int], space: tuple[int, int], dtype: str = "int16", share: float = 0.5) -> Cube:
    """A cube with ``days`` counted from 2020-02-25; most invalid pixels have no data."""
    rng = np.random.default_rng(seed)
    dates = [date(2020, 2, 25) + timedelta(day) for day in days]
    keys = [f"{day:%Y%m%d}" + (f".{dates[:i].count(day)}" if day in dates[:i] else "") for i, day in enumerate(dates)]
    values = rng.integers(1, 10000, (len(days), len(BANDS), *space)).astype(dtype)
    valid = rng.random((len(days), *space)) < share
    values[~np.broadcast_to(valid[:, None], values.shape) & (rng.random(values.shape) < 0.7)] = (
        np.nan if dtype == "float32" else -10000
    )
    return Cube(values, valid, tuple(dates), tuple(keys), BANDS, ROLES, -10000)


def make_recipe(cube: Cube, name: str = "Sentinel2", **options) -> SensorRecipe:
    gapfilling = options.get("gapfilling", True)
    dates = ("20200220", "20200228", "20200229", "20200301", "20200315") if gapfilling else cube.keys
    return SensorRecipe(name, options.pop("bands", BANDS), ROLES, dates, **options)


def part(cube: Cube, rows: slice, cols: slice) -> Cube:
    return replace(cube, values=cube.values[:, :, rows, cols], valid=cube.valid[:, rows, cols])


OPTIONS = st.fixed_dictionaries(
    {
        "gapfilling": st.booleans(),
        "indices": st.sampled_from([DEFAULT_INDICES, (), ("NDWI",), ("Brightness", "NDVI")]),
        "copy_input": st.booleans(),
        "relative_reflectance": st.booleans(),
        "keep_duplicates": st.booleans(),
        "atmospheric_correction": st.booleans(),
        "reference_role": st.sampled_from(["red", "swir"]),
        "bands": st.sampled_from([BANDS, ("B4", "B8", "B11"), ("B11", "B8", "B4")]),
        "expressions": st.sampled_from([(), tuple(EXPRESSIONS)]),
    }
)
DAYS = st.lists(st.integers(0, 30), max_size=6).map(sorted)


@settings(deadline=None, max_examples=120)
@given(
    first=OPTIONS,
    second=OPTIONS,
    days=DAYS,
    dtype=st.sampled_from(["int16", "float32"]),
    share=st.floats(0, 1),
    seed=st.integers(0, 999),
)
def test_features_equal_the_slow_reference_for_all_options(
    *, first: dict, second: dict, days: list[int], dtype: str, share: float, seed: int
) -> None:
    cubes = {
        "Landsat8": make_cube(seed + 1, [3, 9], (2, 3)),
        "Sentinel2": make_cube(seed, days, (2, 3), dtype, share),
    }
    recipe = FeatureRecipe(
        (make_recipe(cubes["Landsat8"], "Landsat8", **second), make_recipe(cubes["Sentinel2"], **first))
    )
    result, expected = feature_block(cubes, recipe), reference_features(cubes, recipe)
    assert result.names == expected.names == recipe.names
    assert result.values.dtype == np.float32
    assert result.values.flags.c_contiguous
    assert np.allclose(result.values, expected.values, rtol=1e-4, atol=5e-3)
    assert np.array_equal(result.n_valid, expected.n_valid)


@settings(deadline=None, max_examples=30)
@given(OPTIONS, st.integers(0, 999), st.data())
def test_a_block_equals_the_same_area_of_the_whole(options: dict, seed: int, data: st.DataObject) -> None:
    cube = make_cube(seed, [0, 2, 2, 9, 20], (6, 7))
    recipe = FeatureRecipe((make_recipe(cube, temporal=TEMPORAL_FEATURES, **options),))
    rows = slice(*sorted(data.draw(st.tuples(st.integers(0, 6), st.integers(0, 6)))))
    cols = slice(*sorted(data.draw(st.tuples(st.integers(0, 7), st.integers(0, 7)))))
    whole = feature_block({"Sentinel2": cube}, recipe)
    block = feature_block({"Sentinel2": part(cube, rows, cols)}, recipe)
    assert np.array_equal(block.values, whole.values[:, rows, cols])
    assert np.array_equal(block.n_valid, whole.n_valid[rows, cols])


TEMPORAL = st.sampled_from([TEMPORAL_FEATURES, TEMPORAL_FEATURES[:1], TEMPORAL_FEATURES[1:]])


@settings(deadline=None, max_examples=60)
@given(
    options=OPTIONS,
    temporal=TEMPORAL,
    days=DAYS,
    dtype=st.sampled_from(["int16", "float32"]),
    share=st.floats(0, 1),
    seed=st.integers(0, 999),
)
def test_temporal_features_are_those_of_the_other_features(
    *, options: dict, temporal: tuple[str, ...], days: list[int], dtype: str, share: float, seed: int
) -> None:
    cube = make_cube(seed, days, (2, 3), dtype, share)
    recipe = make_recipe(cube, temporal=temporal, **options)
    found = feature_block({"Sentinel2": cube}, FeatureRecipe((recipe,)))
    plain = feature_block({"Sentinel2": cube}, FeatureRecipe((replace(recipe, temporal=()),)))
    assert found.names[: len(plain.names)] == plain.names
    assert np.array_equal(found.values[: len(plain.names)], plain.values)
    values = {
        (one.series, one.date): row for one, row in zip(recipe.features, found.values, strict=True) if one.kind == VALUE
    }
    for one, row in zip(recipe.features, found.values, strict=True):
        if one.kind != VALUE:
            series = np.array([values[one.series, key] for key in recipe.dates]).reshape(-1, 2, 3)
            usable = series != MISSING
            if not recipe.gapfilling:
                bands = [BANDS.index(band) for band in recipe.bands]
                usable &= cube.valid & (cube.values[:, bands] != -10000).all(axis=1)
            for y, x in np.ndindex(2, 3):
                expected = slow_feature(one, recipe, series[:, y, x], usable[:, y, x])
                scale = float(np.abs(series[:, y, x]).max(initial=1))
                assert row[y, x] == pytest.approx(expected, rel=1e-5, abs=1e-6 * scale), one


def slow_feature(feature: Feature, recipe: SensorRecipe, series: np.ndarray, usable: np.ndarray) -> float:
    """A temporal feature of one pixel."""
    at = np.flatnonzero(usable)
    known = series[at]
    steps = dict(zip(at[1:], np.diff(known), strict=True)) if len(at) else {}
    if feature.date:
        return float(steps.get(recipe.dates.index(feature.date), MISSING))
    if not len(at) or (not steps and feature.kind.endswith("diff")):
        return MISSING
    functions: dict[str, Callable[[], float]] = {
        "mean": lambda: known.mean(dtype=float),
        "std": lambda: known.std(dtype=float),
        "maxdate": lambda: at[known.argmax()] + 1,
        "mindate": lambda: at[known.argmin()] + 1,
        "maxdiff": lambda: max(steps.values()),
        "mindiff": lambda: min(steps.values()),
    }
    return float(functions.get(feature.kind, lambda: np.percentile(known.astype(float), int(feature.kind[1:])))())


def test_temporal_features_follow_the_others_in_the_order_of_the_series() -> None:
    cube = make_cube(0, [1, 5, 9], (1, 1))
    recipe = SensorRecipe("S", ("B4", "B8"), ROLES, cube.keys, gapfilling=False, indices=("NDVI",), expressions=("B4",))
    both = replace(recipe, temporal=TEMPORAL_FEATURES)
    series = ("B4", "B8", "NDVI", "userFeature1")
    differences = [f"S_{name}_diff_{key}" for name in series for key in cube.keys[1:]]
    statistics = [f"S_{name}_{kind}" for name in series for kind in STATISTIC_NAMES]
    assert list(both.names) == [*recipe.names, *differences, *statistics]
    assert replace(both, temporal=("statistics",)).names == (*recipe.names, *statistics)
    assert statistics[:8] == [f"S_B4_{kind}" for kind in ("q05", "q10", "q25", "q50", "q75", "q90", "q95", "mean")]
    assert statistics[8:13] == [f"S_B4_{kind}" for kind in ("std", "maxdate", "mindate", "maxdiff", "mindiff")]
    assert both.halo == 0
    bands = FeatureRecipe((replace(recipe, indices=(), expressions=()),))
    assert bands.series_shape == (3, 2)
    assert FeatureRecipe((replace(bands.sensors[0], temporal=("statistics",)),)).series_shape is None
    without_bands = replace(both, copy_input=False)
    assert [name for name in without_bands.names if "_B4_" in name or "_B8_" in name] == []


def test_a_recipe_without_temporal_features_is_stored_as_before() -> None:
    recipe = FeatureRecipe((make_recipe(make_cube(0, [1, 5], (1, 1))),))
    content = json.loads(json.dumps(recipe.to_json()))
    assert "temporal" not in content["sensors"][0]
    assert FeatureRecipe.from_json(content) == recipe
    temporal = FeatureRecipe((replace(recipe.sensors[0], temporal=("differences",)),))
    content = json.loads(json.dumps(temporal.to_json()))
    assert content["sensors"][0]["temporal"] == ["differences"]
    assert FeatureRecipe.from_json(content) == temporal


@pytest.mark.parametrize("kinds", [["trend"], ["statistics", "differences"], ["statistics"] * 2, "statistics"])
def test_other_temporal_features_of_a_recipe_are_rejected(kinds: object) -> None:
    content = FeatureRecipe((make_recipe(make_cube(0, [1, 5], (1, 1))),)).to_json()
    content["sensors"][0]["temporal"] = kinds
    with pytest.raises(ValueError, match="temporal is"):
        FeatureRecipe.from_json(content)


@pytest.mark.parametrize("gapfilling", [True, False])
def test_an_empty_block_has_all_features(gapfilling: bool) -> None:
    cube = make_cube(0, [1, 5], (0, 4))
    recipe = make_recipe(cube, gapfilling=gapfilling, temporal=TEMPORAL_FEATURES)
    block = feature_block({"Sentinel2": cube}, FeatureRecipe((recipe,)))
    assert block.values.shape == (len(block.names), 0, 4)
    assert block.n_valid.shape == (0, 4)


def test_pixels_without_a_valid_date_are_zero_with_n_valid_zero() -> None:
    cube = make_cube(0, [1, 5], (2, 2), share=0.0)
    block = feature_block({"Sentinel2": cube}, FeatureRecipe((make_recipe(cube, relative_reflectance=True),)))
    assert (block.values == 0).all()
    assert block.n_valid.tolist() == [[0, 0], [0, 0]]


def test_raw_dates_keep_stored_values_and_set_indices_to_missing() -> None:
    values = np.array([[1000, 3000, 2000], [-10000, 3000, 2000]], "int16").reshape(2, 3, 1, 1)
    days = (date(2020, 2, 28), date(2020, 2, 29))
    cube = Cube(values, np.ones((2, 1, 1), bool), days, ("20200228", "20200229"), BANDS[1:], ROLES, -10000)
    recipe = SensorRecipe("S", cube.bands, ROLES, cube.keys, gapfilling=False)
    by_name = dict(_pixel(cube, recipe))
    assert by_name["S_B4_20200229"] == -10000
    assert by_name["S_B8_20200229"] == 3000
    assert by_name["S_NDVI_20200228"] == 500
    assert {by_name[f"S_{index}_20200229"] for index in DEFAULT_INDICES} == {-10000}
    relative = dict(_pixel(cube, replace(recipe, relative_reflectance=True)))
    assert relative["S_B8_20200228"] == 500
    assert relative["S_B11_20200229"] == -10000
    assert dict(_pixel(replace(cube, nodata=None), recipe))["S_NDVI_20200229"] == pytest.approx(-13000 / 7)


def test_scaled_raw_values_equal_to_the_stored_nodata_are_data() -> None:
    values = np.array([[0.0, 0.3, 0.2], [0.04, np.nan, 0.2]], "float32").reshape(2, 3, 1, 1)
    days = (date(2020, 2, 28), date(2020, 2, 29))
    cube = Cube(values, np.ones((2, 1, 1), bool), days, ("20200228", "20200229"), BANDS[1:], ROLES, 0.0)
    recipe = SensorRecipe("S", cube.bands, ROLES, cube.keys, gapfilling=False)
    by_name = dict(_pixel(cube, recipe))
    assert by_name["S_NDVI_20200228"] == pytest.approx(1000)
    assert by_name["S_NDWI_20200228"] == pytest.approx(-200)
    assert {by_name[f"S_{index}_20200229"] for index in DEFAULT_INDICES} == {-10000}
    assert (by_name["S_B4_20200229"], by_name["S_B8_20200229"]) == (pytest.approx(0.04), -10000)


def _pixel(cube: Cube, recipe: SensorRecipe) -> list[tuple[str, float]]:
    block = feature_block({"S": cube}, FeatureRecipe((recipe,)))
    return list(zip(block.names, block.values[:, 0, 0].tolist(), strict=True))


@pytest.mark.parametrize("correct", [False, True])
def test_dropped_duplicate_features_are_duplicates(correct: bool) -> None:
    cube = make_cube(1, [0, 4, 9], (3, 3))
    recipe = make_recipe(cube, relative_reflectance=True, atmospheric_correction=correct)
    block = feature_block({"Sentinel2": cube}, FeatureRecipe((recipe,)))
    rows = dict(zip(block.names, block.values, strict=True))
    for key in recipe.dates:
        assert np.array_equal(rows[f"Sentinel2_B8_{key}"], rows[f"Sentinel2_NDVI_{key}"])
    fewer = feature_block({"Sentinel2": cube}, FeatureRecipe((replace(recipe, keep_duplicates=False),)))
    assert set(block.names) - set(fewer.names) == {f"Sentinel2_NDVI_{key}" for key in recipe.dates}
    for name, row in zip(fewer.names, fewer.values, strict=True):
        assert np.array_equal(row, rows[name])


def test_indices_are_independent_of_relative_reflectance() -> None:
    cube = make_cube(2, [0, 4, 9], (3, 3))
    variants = [
        {"copy_input": False},
        {"relative_reflectance": True},
        {"copy_input": False, "relative_reflectance": True},
    ]
    plain = feature_block({"Sentinel2": cube}, FeatureRecipe((make_recipe(cube),))).values[-15:]
    for options in variants:
        other = feature_block({"Sentinel2": cube}, FeatureRecipe((make_recipe(cube, **options),)))
        assert np.array_equal(other.values[-15:], plain)


def test_inputs_are_not_changed() -> None:
    cube = make_cube(2, [0, 4], (3, 3), "float32")
    before = cube.values.copy()
    feature_block({"Sentinel2": cube}, FeatureRecipe((make_recipe(cube, gapfilling=False, relative_reflectance=True),)))
    assert np.array_equal(cube.values, before, equal_nan=True)


def test_standard_labels_change_names_only() -> None:
    cube = make_cube(0, [1, 5], (2, 2))
    recipe = FeatureRecipe((make_recipe(cube),))
    plain, labelled = (feature_block({"Sentinel2": cube}, r) for r in (recipe, replace(recipe, standard_labels=True)))
    assert labelled.names[:2] == ("value_0", "value_1")
    assert np.array_equal(plain.values, labelled.values)


def test_unsorted_dates_are_rejected() -> None:
    cube = make_cube(0, [5, 1], (2, 2))
    with pytest.raises(ValueError, match="must ascend"):
        feature_block({"Sentinel2": cube}, FeatureRecipe((make_recipe(cube),)))


def test_all_mismatches_are_reported_at_once() -> None:
    cube = make_cube(0, [1, 5], (2, 2))
    recipe = FeatureRecipe(
        (
            make_recipe(cube, "Landsat8", bands=("B3", "B8"), relative_reflectance=True),
            replace(make_recipe(cube, gapfilling=False), dates=("20200226", "20200305"), bands=(*BANDS, "B12")),
        )
    )
    with pytest.raises(FeatureMismatch) as raised:
        feature_block({"Sentinel2": cube}, recipe)
    assert raised.value.exit_code == EXIT_USER
    message = str(raised.value)
    assert "Landsat8: the features need images of this sensor; the given images are of Sentinel2" in message
    assert "Landsat8: NDWI needs the swir band (B11); the bands used are B3, B8" in message
    assert "Landsat8: relative reflectance needs the red band (B4)" in message
    without = replace(make_recipe(cube), roles={"red": "B4", "nir": "B8"})
    assert list(recipe_problems(without)) == ["no band of Sentinel2 has the role swir, which NDWI needs"]
    assert "Sentinel2: the features need bands B12; the images have B3, B4, B8, B11" in message
    assert "missing: 20200305; unexpected: 20200301" in message


def test_other_mismatches_are_reported() -> None:
    cube, other = make_cube(0, [1, 5], (2, 2)), make_cube(0, [1, 5], (3, 2))
    with pytest.raises(FeatureMismatch, match="contains no sensor"):
        feature_block({}, FeatureRecipe(()))
    with pytest.raises(FeatureMismatch, match="unknown index NDXI; expected NDVI, NDWI, Brightness"):
        feature_block({"Sentinel2": cube}, FeatureRecipe((make_recipe(cube, indices=("NDXI",)),)))
    both = FeatureRecipe((make_recipe(cube, "A"), make_recipe(cube, "B")))
    with pytest.raises(FeatureMismatch, match="differ in shape"):
        feature_block({"A": cube, "B": other}, both)
    longer = make_cube(0, [30 + k for k in range(40)], (1, 1))
    with pytest.raises(FeatureMismatch, match=r"2 expected, 40 found.* and 28 more"):
        feature_block({"Sentinel2": longer}, FeatureRecipe((make_recipe(cube, gapfilling=False),)))
