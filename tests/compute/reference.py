"""Reference implementation of ``feature_block``: loops over pixels and dates in double precision."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from iota2.core.cube import Cube, FeatureBlock
from iota2.core.recipe import FeatureRecipe, SensorRecipe


def reference_features(cubes: Mapping[str, Cube], recipe: FeatureRecipe) -> FeatureBlock:
    """Expected result of ``feature_block``, up to rounding."""
    height, width = cubes[recipe.sensors[0].sensor].valid.shape[1:]
    values = np.zeros((len(recipe.names), height, width), np.float32)
    n_valid = np.zeros((height, width), np.uint16)
    for y in range(height):
        for x in range(width):
            pixel: list[float] = []
            counts = []
            for sensor in recipe.sensors:
                cube = cubes[sensor.sensor]
                pixel += pixel_features(cube, sensor, y, x)
                counts.append(sum(bool(v) for v in cube.valid[:, y, x]))
            values[:, y, x] = pixel
            n_valid[y, x] = sum(counts) if all(counts) else 0
    return FeatureBlock(values, recipe.names, n_valid)


def pixel_features(cube: Cube, recipe: SensorRecipe, y: int, x: int) -> list[float]:
    """All features of one sensor and pixel."""
    spectra = [
        {band: pixel_value(cube, recipe, band, d, (y, x)) for band in recipe.bands} for d in range(len(recipe.dates))
    ]
    copied = []
    if recipe.copy_input:
        for spectrum in spectra:
            copied += [copied_value(spectrum, band, recipe) for band in recipe.bands]
    derived = [index_value(spectrum, i, recipe) for i in recipe.effective_indices for spectrum in spectra]
    derived += [expression_value(spectrum, text) for text in recipe.expressions for spectrum in spectra]
    return copied + derived


def ratio_of_first_two(a: float, b: float, *_: float) -> float:
    return (b - a) / (b + a)


EXPRESSIONS: Mapping[str, Callable[[Mapping[str, float]], float]] = {
    "(b2 - b1) / (b2 + b1)": lambda spectrum: ratio_of_first_two(*spectrum.values()),
    "sqrt(max(B8, 3000)) - B4 / 100": lambda spectrum: math.sqrt(max(spectrum["B8"], 3000)) - spectrum["B4"] / 100,
}
"""Expressions for recipes of the comparison."""


def expression_value(spectrum: Mapping[str, float], text: str) -> float:
    """An expression of the bands of one date."""
    if without_data(spectrum):
        return -10000.0
    try:
        return EXPRESSIONS[text](spectrum)
    except ZeroDivisionError:
        return -10000.0


def pixel_value(cube: Cube, recipe: SensorRecipe, band: str, date: int, at: tuple[int, int]) -> float:
    """One band of one pixel at one date of the recipe."""
    series = cube.values[:, cube.bands.index(band), *at].astype(float)
    if not recipe.gapfilling:
        missing = cube.values.dtype.kind == "i" and series[date] == cube.nodata
        return math.nan if missing else float(series[date])
    by_day: dict[int, list[float]] = {}
    for t, day in enumerate(cube.days):
        if cube.valid[t, *at]:
            by_day.setdefault(day.toordinal(), []).append(float(series[t]))
    if not by_day:
        return 0.0
    days = sorted(by_day)
    means = [sum(by_day[day]) / len(by_day[day]) for day in days]
    return float(np.interp(recipe.days[date].toordinal(), days, means))


def without_data(spectrum: Mapping[str, float]) -> bool:
    """Whether any band of a date is missing."""
    return any(math.isnan(value) for value in spectrum.values())


def difference(a: float, b: float, recipe: SensorRecipe) -> float:
    """The normalised difference x 1000."""
    constant = 0.05 if recipe.atmospheric_correction else 0.0
    below = a + b + constant
    return 0.0 if abs(below) < 1e-5 else 1000 * (a - b - constant) / below


def copied_value(spectrum: Mapping[str, float], band: str, recipe: SensorRecipe) -> float:
    """A band value as copied to the features."""
    reference = recipe.roles.get(recipe.reference_role, "")
    if not recipe.relative_reflectance or band == reference:
        return -10000.0 if math.isnan(spectrum[band]) else spectrum[band]
    return -10000.0 if without_data(spectrum) else difference(spectrum[band], spectrum[reference], recipe)


def index_value(spectrum: Mapping[str, float], index: str, recipe: SensorRecipe) -> float:
    """An index of one date."""
    if without_data(spectrum):
        return -10000.0
    if index == "Brightness":
        return math.sqrt(sum(value**2 for value in spectrum.values()))
    plus, minus = {"NDVI": ("nir", "red"), "NDWI": ("swir", "nir")}[index]
    return difference(spectrum[recipe.roles[plus]], spectrum[recipe.roles[minus]], recipe)


def slow_distances(inside: np.ndarray, size: tuple[float, float], reach: float) -> np.ndarray:
    """Distance of each centre to every pixel, a rectangle, of the other side."""
    found = np.full(inside.shape, np.inf)
    for i, j in np.ndindex(inside.shape):
        rows, cols = np.nonzero(inside != inside[i, j])
        across, down = np.maximum(abs(cols - j) - 0.5, 0) * size[0], np.maximum(abs(rows - i) - 0.5, 0) * size[1]
        found[i, j] = np.hypot(across, down).min(initial=np.inf)
    found[found > reach] = np.inf
    return np.where(inside, -found, found)
