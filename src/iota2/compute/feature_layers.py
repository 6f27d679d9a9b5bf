"""Layers of a features map, from the features of a block."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from iota2.core.cube import FeatureBlock
from iota2.core.feature_map import MapType
from iota2.core.recipe import MISSING, FeatureRecipe
from iota2.errors import UserError


def mark_missing(features: FeatureBlock, recipe: FeatureRecipe, nodata: float) -> None:
    """Set features without data to ``nodata``, in place.

    These are the features of interpolated series in pixels without any clear date of their sensors, and raw features
    and layers that are ``MISSING``. ``recipe``: that of the features. Values of functions of the user are without
    data where one of the sensors that they read has none.
    """
    clear = {name: features.clear[k] > 0 for k, name in enumerate(features.sensors)}
    start = 0
    for sensor in recipe.sensors:
        values = features.values[start : start + len(sensor.names)]
        start += len(sensor.names)
        if sensor.gapfilling and not sensor.static:
            values[:, ~clear[sensor.sensor]] = nodata
        elif nodata != MISSING:
            values[values == MISSING] = nodata
    for function in recipe.functions:
        values = features.values[start : start + len(function.labels)]
        start += len(function.labels)
        for sensor_name in function.sensors:
            values[:, ~clear[sensor_name]] = nodata


def exact_type(values: np.ndarray, dtype: MapType, names: Sequence[str]) -> np.ndarray:
    """``values`` (feature, y, x) float32 in the data type of the map.

    UserError with the first feature whose values the type cannot represent exactly. ``names``: of the features.
    """
    if dtype == "float32":
        return values
    limits = np.iinfo(dtype)
    with np.errstate(invalid="ignore"):
        exact = (values == np.rint(values)) & (values >= limits.min) & (values <= limits.max)
    if not exact.all():
        feature = int(np.flatnonzero(~exact.all(axis=(1, 2)))[0])
        value = values[feature][~exact[feature]][0]
        raise UserError(
            f"{names[feature]} has the value {value:g}, which {dtype} cannot represent exactly; set "
            "features_map.data_type to float32"
        )
    return values.astype(dtype)
