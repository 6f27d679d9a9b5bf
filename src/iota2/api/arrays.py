"""Conversion of arrays to xarray objects, with coordinates that follow the CF conventions."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from odc.geo.geobox import GeoBox
from odc.geo.xr import xr_coords

from iota2.compute.predict import Estimates, Prediction
from iota2.compute.valid import has_data
from iota2.core.cube import Cube, FeatureBlock
from iota2.core.target import Quantity

GRID = ("y", "x")
"""Names of the last two dimensions, in any CRS."""
CRS_COORDINATE = "spatial_ref"
"""Coordinate with the CRS and the affine transform, as odc-geo and rioxarray expect it."""
ClassCoordinates = Mapping[str, Sequence[int] | Sequence[str]]
"""Values of each coordinate of the classes, by its name; one value for each class."""


def series_dataset(cube: Cube, geobox: GeoBox, *, dated: bool = True) -> xr.Dataset:
    """``data`` (time, band, y, x) float32, NaN without data, and ``valid`` (time, y, x) bool.

    Without the dimension ``time`` if not ``dated``.
    """
    values = np.where(has_data(cube.values, cube.nodata), cube.values, np.float32(np.nan)).astype(
        np.float32, copy=False
    )
    coords: dict[str, Any] = {"band": list(cube.bands)}
    if not dated:
        return _gridded({"data": (("band", *GRID), values[0]), "valid": (GRID, cube.valid[0])}, coords, geobox)
    coords["time"] = ("time", np.array(cube.days, "datetime64[ns]"), {"standard_name": "time", "axis": "T"})
    coords["key"] = ("time", list(cube.keys), {"long_name": "date in the names of features"})
    variables = {"data": (("time", "band", *GRID), values), "valid": (("time", *GRID), cube.valid)}
    return _gridded(variables, coords, geobox)


def features_array(block: FeatureBlock, geobox: GeoBox) -> xr.DataArray:
    """``features`` (feature, y, x) float32, NaN without clear observation; ``n_valid`` (y, x) counts observations."""
    values = np.where(block.n_valid > 0, block.values, np.float32(np.nan))
    coords = {
        "feature": list(block.names),
        "n_valid": (GRID, block.n_valid, {"long_name": "clear observations of the pixel"}),
    }
    return _gridded({"features": (("feature", *GRID), values)}, coords, geobox)["features"]


def prediction_dataset(prediction: Prediction, classes: ClassCoordinates, geobox: GeoBox) -> xr.Dataset:
    """``label`` (y, x), ``confidence`` (y, x) and ``probabilities`` (class, y, x), described by class coordinates."""
    variables = {
        "label": (GRID, prediction.labels),
        "confidence": (GRID, prediction.confidence),
        "probabilities": (("class", *GRID), prediction.probabilities),
    }
    return _gridded(variables, {name: ("class", list(values)) for name, values in classes.items()}, geobox)


def estimates_dataset(estimates: Estimates, quantity: Quantity, geobox: GeoBox) -> xr.Dataset:
    """``estimate`` (y, x), with the name of the quantity and its unit as attributes; ``interval_width`` if known."""
    attributes = {"long_name": quantity.name, "units": quantity.unit}
    variables = {"estimate": (GRID, estimates.values, attributes)}
    if np.isfinite(estimates.widths).any():
        about = {"long_name": f"width of the interval of {quantity.name}", "units": quantity.unit}
        variables["interval_width"] = (GRID, estimates.widths, about)
    return _gridded(variables, {}, geobox)


def _gridded(variables: dict[str, Any], coords: dict[str, Any], geobox: GeoBox) -> xr.Dataset:
    """A dataset on a grid; every variable refers to the CRS coordinate, also in a written file."""
    grid: dict[Hashable, Any] = dict(xr_coords(geobox, CRS_COORDINATE, always_yx=True))
    dataset = xr.Dataset(variables, coords | grid)
    for variable in dataset.data_vars.values():
        variable.encoding["grid_mapping"] = CRS_COORDINATE
    return dataset
