"""Figures of the report on a quantity: scatter with density, quicklooks of values and widths."""

from __future__ import annotations

import numpy as np
from matplotlib.colors import LinearSegmentedColormap, LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from iota2.compute.value_accuracy import ValueAccuracy, ValuePixels, residual_range
from iota2.core import palettes
from iota2.report.quantity.tables import value_text
from iota2.report.results.figures import FAINT_COLOR, QUICKLOOK_DPI, TEXT_COLOR, png_of, quicklook_figure

VALUE_COLORS = LinearSegmentedColormap.from_list("value", palettes.PROBABILITY)
WIDTH_COLORS = LinearSegmentedColormap.from_list("width", palettes.WIDTH)
RESIDUAL_COLORS = LinearSegmentedColormap.from_list("residual", palettes.DIFFERENCE)
BINS = 70
"""Cells of the scatter along each axis."""
SHOWN_PERCENTILES = (0.2, 99.8)
"""Percentiles of the values at the ends of the axes and ramps; values beyond are drawn at the ends."""


def scatter_figure(pixels: ValuePixels, accuracy: ValueAccuracy, quantity: str) -> bytes:
    """PNG of map values against true values: the colour of a cell is its number of pixels; points are polygons."""
    known = pixels.with_value
    figure = Figure(figsize=(5.6, 5.2), dpi=QUICKLOOK_DPI, facecolor="white")
    axes = figure.add_axes((0.13, 0.11, 0.7, 0.76))
    low, high = _limits(np.concatenate([known.true, known.mapped]))
    axes.plot([low, high], [low, high], color=FAINT_COLOR, linewidth=1, linestyle="--", zorder=1)
    if len(known):
        edges = np.linspace(low, high, BINS + 1)
        true, mapped = (np.clip(values, low, high) for values in (known.true, known.mapped))
        counts, _, _ = np.histogram2d(true, mapped, bins=[edges, edges])
        shown = np.ma.masked_equal(counts.T, 0)
        cells = axes.pcolormesh(
            edges, edges, shown, cmap=VALUE_COLORS, norm=LogNorm(1, max(2.0, counts.max())), zorder=2
        )
        bar = figure.colorbar(cells, cax=figure.add_axes((0.86, 0.11, 0.03, 0.76)))
        bar.set_label("Pixels", color=TEXT_COLOR)
        polygons = known.by_polygon()
        axes.scatter(
            polygons.true, polygons.mapped, s=9, facecolor="none", edgecolor="#b3261e", linewidth=0.7, zorder=3,
            label="mean of a polygon",
        )  # fmt: skip
        axes.legend(loc="lower right", fontsize=8, frameon=True)
    axes.set(xlim=(low, high), ylim=(low, high), aspect="equal")
    axes.set_xlabel(f"True {quantity}", color=TEXT_COLOR, parse_math=False)
    axes.set_ylabel(f"{quantity} in the map", color=TEXT_COLOR, parse_math=False)
    axes.tick_params(colors=TEXT_COLOR)
    axes.spines[:].set(color="#c5cad1", linewidth=0.8)
    text = f"R² {value_text(accuracy, 'r2')}   RMSE {value_text(accuracy, 'rmse')}\nbias {value_text(accuracy, 'bias')}"
    axes.set_title(text, fontsize=9, color=TEXT_COLOR, loc="left")
    return png_of(figure)


def values_quicklook(values: np.ndarray, title: str, pixel_size: float | None = None) -> bytes:
    """PNG of a small map of values (y, x) with its colour bar; NaN is white. ``pixel_size``: metres, or None."""
    return _quicklook(values, title, VALUE_COLORS, pixel_size)


def widths_quicklook(widths: np.ndarray, title: str, pixel_size: float | None = None) -> bytes:
    """PNG of a small map of widths of intervals, as ``values_quicklook``."""
    return _quicklook(widths, title, WIDTH_COLORS, pixel_size)


def residual_figure(x: np.ndarray, y: np.ndarray, residuals: np.ndarray, quantity: str) -> bytes:
    """PNG of residuals (map minus truth) at the places of validation polygons."""
    most = residual_range(residuals)
    figure = Figure(figsize=(6.2, 5.2), dpi=QUICKLOOK_DPI, facecolor="white")
    axes = figure.add_axes((0.02, 0.02, 0.78, 0.9))
    points = axes.scatter(
        x, y, c=residuals, s=26, cmap=RESIDUAL_COLORS, vmin=-most, vmax=most,
        edgecolor="#6b7280", linewidth=0.4,
    )  # fmt: skip
    axes.set(xticks=[], yticks=[], aspect="equal")
    axes.spines[:].set(color="#c5cad1", linewidth=0.8)
    axes.set_title("Validation polygons", fontsize=9, color=TEXT_COLOR, loc="left")
    bar = figure.colorbar(points, cax=figure.add_axes((0.83, 0.12, 0.03, 0.7)), extend="both")
    bar.set_label(f"{quantity}: map minus truth", color=TEXT_COLOR, parse_math=False)
    return png_of(figure)


def _limits(values: np.ndarray) -> tuple[float, float]:
    """Ends of an axis or ramp over nearly all values; apart also for equal values or none."""
    known = values[np.isfinite(values)]
    low, high = np.percentile(known, SHOWN_PERCENTILES).tolist() if len(known) else (0.0, 1.0)
    return (low, high) if high > low else (low - 0.5, low + 0.5)


def _quicklook(values: np.ndarray, title: str, ramp: LinearSegmentedColormap, pixel_size: float | None) -> bytes:
    low, high = _limits(values)
    image = ramp(np.clip((np.nan_to_num(values, nan=low) - low) / (high - low), 0, 1))
    image[~np.isfinite(values)] = 1
    figure, axes = quicklook_figure(image, pixel_size, legend=(1.7, 2.6))
    place = axes.get_position()
    width, height = figure.get_size_inches()
    bar = figure.add_axes((place.x1 + 0.3 / width, place.y1 - 2.4 / height, 0.18 / width, 2.1 / height))
    bar.imshow(ramp(np.linspace(1, 0, 256))[:, None], aspect="auto", extent=(0, 1, low, high))
    bar.set(xticks=[])
    bar.yaxis.tick_right()
    bar.yaxis.set_major_locator(MaxNLocator(5))
    bar.tick_params(labelsize=9, colors=TEXT_COLOR, length=2)
    bar.spines[:].set(color="#c5cad1", linewidth=0.8)
    bar.set_title(title, fontsize=9, color=TEXT_COLOR, loc="left", pad=7, parse_math=False)
    return png_of(figure)
