"""What the road from pixels to features costs, in µs of one core per pixel.

A year of Sentinel-2 as made up here: 30 dates, 10 bands of which 6 at 20 m, half of the pixels cloudy, 37
output dates, 481 features. Run it with ``python benchmarks/features.py [megapixels]``; times are processor
time of this process, beside GDAL's own resampling of the same values.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from datetime import date, timedelta

import numpy as np
from affine import Affine
from rasterio.enums import Resampling
from rasterio.io import MemoryFile

from iota2.compute.features import feature_block
from iota2.compute.resample import axis_taps, resample
from iota2.compute.temporal import gapfill
from iota2.core.cube import Cube
from iota2.core.recipe import FeatureRecipe, SensorRecipe, interpolation_dates

BANDS = ("B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B11", "B12")
ROLES = {"red": "B4", "nir": "B8", "swir": "B11"}
DATES, COARSE = 30, 6
BLOCK = (128, 512)
MARGIN = 2


def coarse_window(rng: np.random.Generator) -> np.ndarray:
    """The 20 m bands of all dates around one block, (180, y, x)."""
    shape = (DATES * COARSE, BLOCK[0] // 2 + 2 * MARGIN, BLOCK[1] // 2 + 2 * MARGIN)
    return rng.integers(1, 10000, shape).astype(np.int16)


def upsample(window: np.ndarray) -> np.ndarray:
    """The block at 10 m."""
    rows, cols = (
        axis_taps(ratio=0.5, offset=MARGIN, out=(0, n), size=n // 2 + 2 * MARGIN, kernel="cubic") for n in BLOCK
    )
    return resample(window, rows, cols, origin=(0, 0), nodata=-10000)


def upsample_with_gdal(window: np.ndarray) -> Callable[[], object]:
    """GDAL reading one band of the same window from memory."""
    memory = MemoryFile()
    profile = {"driver": "GTiff", "dtype": "int16", "transform": Affine(20, 0, 0, 0, -20, 0)}
    with memory.open(count=1, height=window.shape[1], width=window.shape[2], **profile) as file:
        file.write(window[:1])
    source = memory.open()
    return lambda: source.read(1, out_shape=BLOCK, resampling=Resampling.cubic)


def made_up_cube(rng: np.random.Generator) -> Cube:
    """One block of a year."""
    days = tuple(date(2018, 1, 1) + timedelta(int(d)) for d in np.sort(rng.choice(365, DATES, replace=False)))
    values = rng.integers(1, 10000, (DATES, len(BANDS), *BLOCK)).astype(np.int16)
    valid = rng.random((DATES, *BLOCK)) < 0.5
    return Cube(values, valid, days, tuple(f"{d:%Y%m%d}" for d in days), BANDS, ROLES, -10000)


def microseconds(work: Callable[[], object], repeats: int) -> float:
    """Processor time per pixel of a block; the first call, which compiles, is not counted."""
    work()
    start = time.process_time()
    for _ in range(repeats):
        work()
    return (time.process_time() - start) / (repeats * BLOCK[0] * BLOCK[1]) * 1e6


def main() -> None:
    """Measure and print."""
    megapixels = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
    repeats = max(1, round(megapixels * 1e6 / (BLOCK[0] * BLOCK[1])))
    rng = np.random.default_rng(0)
    window, cube = coarse_window(rng), made_up_cube(rng)
    dates = interpolation_dates(date(2018, 1, 1), date(2018, 12, 31), 10)
    recipe = FeatureRecipe((SensorRecipe("Sentinel2", BANDS, ROLES, dates),))
    days, out_days = (np.array([d.toordinal() for d in s]) for s in (cube.days, recipe.sensors[0].days))
    filled = np.empty((len(out_days), len(BANDS), *BLOCK), np.float32)

    resampled = microseconds(lambda: upsample(window), repeats)
    gdal = microseconds(upsample_with_gdal(window), repeats) * DATES * COARSE
    gaps = microseconds(lambda: gapfill(cube.values, cube.valid, days, out_days, out=filled), repeats)
    features = microseconds(lambda: feature_block({"Sentinel2": cube}, recipe), repeats)
    print(f"{repeats} blocks of {BLOCK[0]} x {BLOCK[1]} px, {len(recipe.names)} features: µs per pixel and core")
    print(f"  upsampling 20 m to 10 m, {DATES * COARSE} values     {resampled:6.2f}   (GDAL {gdal:.2f})")
    print(f"  gap filling, {filled.shape[0] * filled.shape[1]} values                {gaps:6.2f}   (target 0.6)")
    print(f"  features, gap filling included         {features:6.2f}")
    print(f"  all of it                              {resampled + features:6.2f}   (target 2.5)")


if __name__ == "__main__":
    main()
