"""Axes of features maps: every band has exactly one place in arrays of time and band."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from iota2.core.feature_map import FeatureMap, raw_recipe
from iota2.core.map_axes import SHARD_DATES, MapAxes
from iota2.core.recipe import TEMPORAL_FEATURES, FeatureRecipe, SensorRecipe
from iota2.core.user_features import UserFeatures, UserFunction

DATES = tuple(f"201801{day:02}" for day in range(1, 20))
OPTICAL = SensorRecipe("Sentinel2", ("B4", "B8"), {"red": "B4", "nir": "B8"}, DATES, temporal=TEMPORAL_FEATURES)
RADAR = SensorRecipe("Radar", ("vv",), {}, DATES[::5], indices=(), expressions=("vv*2",))
LAYER = SensorRecipe("Layers", ("slope", "odd_"), {}, (), indices=(), static=True)


def user(*features: tuple[str, str]) -> UserFeatures:
    """A function of the user with features of these labels and dates."""
    labels, dates = zip(*features, strict=True)
    return UserFeatures("f.py", "", (UserFunction("f", labels=labels, dates=dates, sensors=("Sentinel2",)),))


def with_raw(recipe: FeatureRecipe) -> FeatureMap:
    raw = raw_recipe(recipe, {"Sentinel2": ("20180101", "20180101.1", "20180105"), "Radar": ("20180102",)})
    assert raw is not None
    return FeatureMap((recipe, raw))


SENSORS = FeatureRecipe((OPTICAL, RADAR, LAYER))
NAMES_ALIKE = FeatureRecipe((), user=user(("a_20180101", "20180101"), ("a", "20180101"), ("a_20180102", "20180102")))
MAPS = {
    "one sensor": FeatureMap((FeatureRecipe((RADAR,)),)),
    "only layers": FeatureMap((FeatureRecipe((LAYER,)),)),
    "temporal features": FeatureMap((SENSORS,)),
    "raw series": with_raw(SENSORS),
    "standard labels": with_raw(replace(SENSORS, standard_labels=True)),
    "functions": FeatureMap((replace(SENSORS, user=user(("x_20180101", "20180101"), ("mean", ""))),)),
    "names alike": FeatureMap((NAMES_ALIKE,)),
}


@pytest.mark.parametrize("name", MAPS)
def test_each_band_has_exactly_one_place(name: str) -> None:
    """Every band is in one file, and no two bands are at one place of the arrays."""
    layers = MAPS[name]
    axes = MapAxes(layers)
    places = {}
    for shard in axes.shards:
        assert len(shard.bands) == len(shard.offsets) > 0
        assert max(shard.offsets) < shard.count <= SHARD_DATES
        for band, offset in zip(shard.bands, shard.offsets, strict=True):
            assert band not in places
            places[band] = (None if shard.dates is None else shard.dates[0] + offset, shard.position)
    assert sorted(places) == list(range(len(layers.bands)))
    assert len(set(places.values())) == len(layers.bands)
    for band, (date, position) in places.items():
        feature = layers.bands[band].feature
        assert feature.date == ("" if date is None else axes.dates[date])
        names = list(axes.undated if date is None else axes.series)
        assert names[position] in (layers.bands[band].name, f"raw_{feature.name}", feature.name) or (
            feature.name.startswith(names[position].removeprefix("raw_")) and feature.date
        )


def test_series_are_named_by_their_features_without_the_date() -> None:
    axes = MapAxes(MAPS["raw series"])
    assert axes.dates[:3] == ("20180101", "20180101.1", "20180102")
    assert list(axes.series)[:2] == ["Sentinel2_B4", "Sentinel2_B8"]
    assert {"Sentinel2_NDVI", "Sentinel2_NDVI_diff", "Radar_userFeature1", "raw_Sentinel2_B4", "raw_Radar_vv"} <= set(
        axes.series
    )
    assert axes.series["raw_Radar_vv"] == "Radar"
    assert {"Sentinel2_NDVI_q05", "slope", "odd_"} <= set(axes.undated)
    assert list(MapAxes(MAPS["standard labels"]).series) == list(axes.series)


def test_a_name_that_another_band_has_is_not_shortened() -> None:
    assert list(MapAxes(MAPS["names alike"]).series) == ["a_20180101", "a", "a_20180102"]


def test_a_file_has_the_dates_of_one_series_only() -> None:
    axes = MapAxes(FeatureMap((FeatureRecipe((OPTICAL, RADAR)),)))
    counts = {shard.dates: shard.count for shard in axes.shards if shard.dates}
    assert counts == {(0, 8): 8, (8, 16): 8, (16, 19): 3}
    radar = [shard for shard in axes.shards if shard.dates and list(axes.series)[shard.position] == "Radar_vv"]
    assert [(shard.dates, shard.offsets) for shard in radar] == [((0, 8), (0, 5)), ((8, 16), (2, 7))]
    assert np.array([layers.count for layers in axes.shards]).min() > 0
