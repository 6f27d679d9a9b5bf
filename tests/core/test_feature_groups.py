"""Groups of features by sensor, band and date."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import pytest

from iota2.core.recipe import STATISTIC_NAMES, TEMPORAL_FEATURES, FeatureRecipe, SensorRecipe
from iota2.core.reduction import NO_DATE, ReductionMode, feature_groups, feature_origins, max_components

OPTICAL = SensorRecipe("Sentinel2", ("B4", "B8"), {}, ("20200101", "20200201"), indices=("NDVI",))
RADAR = SensorRecipe("Sentinel1_DES", ("vv",), {}, ("20200101.1", "20200103"), indices=(), gapfilling=False)
LAYERS = SensorRecipe("userFeat", ("slope", "soil_20200101"), {}, (), indices=(), static=True)
RECIPE = FeatureRecipe((OPTICAL, RADAR, LAYERS))


def groups(mode: ReductionMode, recipe: FeatureRecipe = RECIPE) -> dict[str, list[str]]:
    return {one.name: [recipe.names[f] for f in one.features] for one in feature_groups(recipe, mode)}


def test_the_origin_of_a_feature_is_its_sensor_band_and_day() -> None:
    found = dict(zip(RECIPE.names, feature_origins(RECIPE), strict=True))
    assert (found["Sentinel2_NDVI_20200201"].band, found["Sentinel2_NDVI_20200201"].day) == ("NDVI", "20200201")
    radar = found["Sentinel1_DES_vv_20200101.1"]
    assert (radar.sensor, radar.band, radar.day) == ("Sentinel1_DES", "vv", "20200101")
    assert (found["soil_20200101"].band, found["soil_20200101"].day) == ("soil_20200101", "")


@pytest.mark.parametrize("mode", get_args(ReductionMode))
@pytest.mark.parametrize("standard", [False, True])
def test_each_feature_belongs_to_one_group(mode: ReductionMode, standard: bool) -> None:
    found = feature_groups(replace(RECIPE, standard_labels=standard), mode)
    assert sorted(f for one in found for f in one.features) == list(range(len(RECIPE.names)))
    assert [one.features[0] for one in found] == sorted(one.features[0] for one in found)
    assert [one.features for one in found] == [one.features for one in feature_groups(RECIPE, mode)]


def test_the_modes_group_as_their_names_say() -> None:
    assert list(groups("global")) == ["all features"]
    assert groups("sensor_band")["Sentinel2 B4"] == ["Sentinel2_B4_20200101", "Sentinel2_B4_20200201"]
    assert groups("sensor_date")["Sentinel2 20200101"] == [
        "Sentinel2_B4_20200101", "Sentinel2_B8_20200101", "Sentinel2_NDVI_20200101",
    ]  # fmt: skip
    assert set(groups("date")["20200101"]) == {
        "Sentinel2_B4_20200101", "Sentinel2_B8_20200101", "Sentinel2_NDVI_20200101", "Sentinel1_DES_vv_20200101.1",
    }  # fmt: skip
    assert list(groups("band")) == ["B4", "B8", "NDVI", "vv", "slope", "soil_20200101"]
    assert list(groups("sensor")) == ["Sentinel2", "Sentinel1_DES", "userFeat"]


def test_a_band_of_two_sensors_is_one_group_by_band_and_two_by_sensor_and_band() -> None:
    both = FeatureRecipe((OPTICAL, replace(OPTICAL, sensor="Other")))
    assert len(groups("band", both)["B4"]) == 4
    assert len(groups("sensor_band", both)["Other B4"]) == 2


def test_features_without_date_form_a_group_of_their_own() -> None:
    assert groups("date")[NO_DATE] == ["slope", "soil_20200101"]
    assert groups("sensor_date")[f"userFeat {NO_DATE}"] == ["slope", "soil_20200101"]


def test_a_group_has_at_most_as_many_components_as_features() -> None:
    assert max_components(RECIPE, "sensor", 4) == 4 + 2 + 2
    assert max_components(RECIPE, "global", 4) == 4


def test_another_mode_is_an_error_that_lists_the_modes() -> None:
    with pytest.raises(ValueError, match="'dates'; expected one of global, sensor_band, sensor_date, date, band"):
        feature_groups(RECIPE, "dates")  # type: ignore[arg-type]


def test_temporal_features_belong_to_the_band_of_their_series() -> None:
    recipe = FeatureRecipe((replace(OPTICAL, temporal=TEMPORAL_FEATURES),))
    assert list(groups("sensor_band", recipe)) == ["Sentinel2 B4", "Sentinel2 B8", "Sentinel2 NDVI"]
    dated = groups("date", recipe)
    assert [name for name in dated["20200101"] if "diff" in name] == []
    assert [name for name in dated["20200201"] if "diff" in name] == [
        "Sentinel2_B4_diff_20200201", "Sentinel2_B8_diff_20200201", "Sentinel2_NDVI_diff_20200201",
    ]  # fmt: skip
    assert len(dated[NO_DATE]) == 3 * len(STATISTIC_NAMES)
