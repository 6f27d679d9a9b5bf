"""Features of a land-cover map: functions for the option external_features.functions."""

from datetime import datetime

import numpy as np
import xarray as xr

from iota2.learning.utils import I2TemporalLabel


def soil_adjusted(self, soil=0.5):
    """Soil-adjusted vegetation index at each date (Huete 1988), for reflectance from 0 to 1."""
    red = self.get_interpolated_Sentinel2_B4() / 10_000
    nir = self.get_interpolated_Sentinel2_B8() / 10_000
    savi = (1 + soil) * (nir - red) / (nir + red + soil)
    dates = self.interpolated_dates["Sentinel2"]
    return savi, [I2TemporalLabel(sensor_name="sentinel2", feat_name="savi", date=date) for date in dates]


def ndvi_change(self, first, last):
    """Difference of NDVI x 1000 between the interpolation dates that are nearest to two dates (YYYYMMDD)."""
    ndvi = self.get_interpolated_Sentinel2_NDVI()
    dates = [datetime.strptime(date, "%Y%m%d") for date in self.interpolated_dates["Sentinel2"]]
    start, end = (
        int(np.argmin([abs(date - datetime.strptime(wanted, "%Y%m%d")) for date in dates])) for wanted in (first, last)
    )
    return ndvi[:, :, end] - ndvi[:, :, start], ["ndvi_change"]


def ndvi_amplitude(series: xr.Dataset) -> xr.DataArray:
    """Range of NDVI x 1000 over the year."""
    ndvi = series.Sentinel2_NDVI
    (time,) = set(ndvi.dims) - {"y", "x"}  # "time", or "time_Sentinel2" if there are several sensors
    return (ndvi.max(time) - ndvi.min(time)).rename("ndvi_amplitude")
