"""Radar features: gap filling and expressions use linear intensities; decibels are computed last."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np

from iota2.compute.features import feature_block
from iota2.core.cube import Cube
from iota2.core.recipe import FeatureRecipe, SensorRecipe

RECIPE = SensorRecipe(
    "sentinel1_des", ("vv", "vh"), {}, ("20180506", "20180511"), indices=(), expressions=("VH / vv",), decibel=True
)
CUBE = Cube(
    values=np.array([[0.1, 0.02], [0.3, 0.04], [9.0, 9.0]], np.float32).reshape(3, 2, 1, 1),
    valid=np.array([True, True, False]).reshape(3, 1, 1),
    days=(date(2018, 5, 1), date(2018, 5, 11), date(2018, 5, 11)),
    keys=("20180501", "20180511", "20180511.1"),
    bands=("vv", "vh"),
    roles={},
    nodata=0.0,
)


def features(recipe: SensorRecipe) -> dict[str, float]:
    block = feature_block({"sentinel1_des": CUBE}, FeatureRecipe((recipe,)))
    return dict(zip(block.names, block.values[:, 0, 0].tolist(), strict=True))


def test_decibels_are_computed_after_gap_filling_and_expressions_use_intensities() -> None:
    found = features(RECIPE)
    expected = {
        "sentinel1_des_vv_20180506": 10 * np.log10(0.2),
        "sentinel1_des_vh_20180506": 10 * np.log10(0.03),
        "sentinel1_des_vv_20180511": 10 * np.log10(0.3),
        "sentinel1_des_vh_20180511": 10 * np.log10(0.04),
        "sentinel1_des_userfeature1_20180506": 0.03 / 0.2,
        "sentinel1_des_userfeature1_20180511": 0.04 / 0.3,
    }
    assert list(found) == list(expected)
    np.testing.assert_allclose(list(found.values()), list(expected.values()), rtol=1e-5)


def test_without_decibels_the_bands_are_intensities() -> None:
    found = features(replace(RECIPE, decibel=False))
    np.testing.assert_allclose(found["sentinel1_des_vv_20180506"], 0.2, rtol=1e-6)
