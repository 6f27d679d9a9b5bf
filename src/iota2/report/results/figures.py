"""Figures of the report: confusion matrix, quicklooks of map, confidence and validity."""

from __future__ import annotations

import io
import math
import textwrap
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import Rectangle
from matplotlib.textpath import TextPath
from matplotlib.ticker import MaxNLocator

from iota2.compute.accuracy import Scores
from iota2.core import palettes
from iota2.core.nomenclature import Nomenclature
from iota2.core.tables import Confusion
from iota2.report.results.measures import measure

Color = str | tuple[float, float, float, float]

DPI = 200
CELL = 0.55
"""Least side of a matrix cell, inches: six characters of annotation are legible."""
POINTS = 72.0
IMAGE, LEGEND_ROW, PICTURE_DPI = 6.0, 0.23, 130
"""Quicklooks: longest side of the image and height of a line of the legend in inches; resolution."""
NAME_WIDTH, NAME_LINES = 24, 2
"""Characters per line and lines of class names; longer ones are cut with an ellipsis."""
INK, FAINT, LINE, EMPTY = "#22272e", "#6b7280", "#ffffff", "#eceff1"
GOOD = LinearSegmentedColormap.from_list("good", ["#d7553f", "#f3a55e", "#f7e08a", "#a6cf78", "#3f9b5b"])
BAD = LinearSegmentedColormap.from_list("bad", ["#fbf4f0", "#f6bda6", "#e2654b", "#b3261e"])
CONFIDENCE = LinearSegmentedColormap.from_list("confidence", palettes.CONFIDENCE)
VALIDITY = LinearSegmentedColormap.from_list("validity", palettes.VALIDITY)


def confusion_figure(confusion: Confusion, scores: Scores, nomenclature: Nomenclature, path: Path) -> None:
    """Write the confusion matrix as a PNG: rows are the reference, columns the map.

    Cells are coloured by their share of the row (diagonal red to green, others white to red) and annotated in
    pixels; strips show recall, F-score and pixels of each row, and precision of each column. A class without
    reference pixels is grey; undefined measures are ``–``. Same values, same bytes.
    """
    names = [nomenclature.name(code) for code in confusion.labels]
    sheet = _Sheet.of(names)
    figure = Figure(figsize=(sheet.width, sheet.height), dpi=DPI, facecolor="white")
    axes = figure.add_axes(sheet.box)
    axes.set(xlim=(0, sheet.columns), ylim=(sheet.rows, 0))
    axes.axis("off")
    _draw_matrix(axes, confusion, sheet)
    _draw_strips(axes, scores, sheet)
    _draw_names(axes, names, sheet)
    _draw_title(axes, confusion, scores, sheet)
    path.write_bytes(_png(figure))


def map_quicklook(labels: np.ndarray, nomenclature: Nomenclature, pixel_size: float | None = None) -> bytes:
    """PNG of a small map with its legend: ``labels`` (y, x) are class codes, 0 (not classified) stays white.

    ``pixel_size`` is the side of a pixel of ``labels`` in metres; with it a scale bar is drawn. The legend
    has the classes of ``labels`` only. Raises KeyError for a code of no class.
    """
    image = np.ones((*labels.shape, 3))
    present = [int(code) for code in np.unique(labels) if code != 0]
    for code in present:
        image[labels == code] = np.array(nomenclature.color(code)) / 255
    figure, axes = _picture(image, pixel_size, legend=(2.7, (len(present) + 1) * LEGEND_ROW))
    _draw_legend(axes, present, nomenclature)
    return _png(figure)


def confidence_quicklook(confidence: np.ndarray, pixel_size: float | None = None) -> bytes:
    """PNG of a small confidence map with its colour bar: ``confidence`` (y, x) is 0..100, 0 stays white."""
    return _ramp_picture(confidence, 100, "Confidence (%)", CONFIDENCE, pixel_size)


def validity_quicklook(validity: np.ndarray, pixel_size: float | None = None) -> bytes:
    """PNG of a small validity map with its colour bar: ``validity`` (y, x) counts clear dates, 0 is white."""
    most = int(validity.max(initial=1))
    return _ramp_picture(validity, max(1, most), "Clear dates", VALIDITY, pixel_size)


@dataclass(frozen=True)
class _Sheet:
    """Layout of the figure of a matrix, in inches; the unit of its axes is one cell."""

    classes: int
    cell: float
    left: float
    above: float
    """Height of the slanted names."""
    gap: float = 0.25
    """Between matrix and strips, in cells."""
    margin: float = 0.25

    @classmethod
    def of(cls, names: list[str]) -> _Sheet:
        cell = max(CELL, min(1.0, 5.0 / len(names)))
        beside = max(_text_width(_wrapped(name), 9) for name in [*names, "Precision"])
        above = max(_text_width(_cut(name, NAME_WIDTH), 9) for name in names) * math.sqrt(0.5)
        return cls(len(names), cell, left=beside + 0.75, above=max(0.6, above) + 0.15)

    @property
    def columns(self) -> float:
        """Cells across: matrix, gap, then recall, F-score, pixels."""
        return self.classes + self.gap + 3

    @property
    def rows(self) -> float:
        """Cells down: matrix, gap, precision."""
        return self.classes + self.gap + 1

    @property
    def width(self) -> float:
        return self.left + self.columns * self.cell + self.margin + self.overhang

    @property
    def overhang(self) -> float:
        """Space for slanted names beyond the last column."""
        return max(0.0, self.above - 3 * self.cell)

    @property
    def top(self) -> float:
        """Height above the matrix."""
        return self.above + 1.1

    @property
    def height(self) -> float:
        return self.top + self.rows * self.cell + self.margin + 0.3

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Left, bottom, width, height of the axes as shares of the figure."""
        return (
            self.left / self.width,
            (self.margin + 0.3) / self.height,
            self.columns * self.cell / self.width,
            self.rows * self.cell / self.height,
        )

    def cells(self, inches: float) -> float:
        """A length in cells."""
        return inches / self.cell


def _draw_matrix(axes: Axes, confusion: Confusion, sheet: _Sheet) -> None:
    rows = confusion.counts.sum(axis=1)
    for r in range(sheet.classes):
        for c in range(sheet.classes):
            count = int(confusion.counts[r, c])
            if rows[r] == 0:
                _cell(axes, (r, c), "", EMPTY, sheet)
                continue
            share = count / rows[r]
            color = GOOD(share) if r == c else BAD(share)
            _cell(axes, (r, c), _count(count) if count or r == c else "", color, sheet)
        if rows[r] == 0:
            text = "not validated: no reference pixel" if sheet.classes > 4 else "not validated"
            _text(axes, (sheet.classes / 2, r + 0.5), text, 8, FAINT, style="italic")


def _draw_strips(axes: Axes, scores: Scores, sheet: _Sheet) -> None:
    first, below = sheet.classes + sheet.gap, sheet.classes + sheet.gap
    for k in range(sheet.classes):
        _measure_cell(axes, (k, first), float(scores.recall[k]), sheet)
        _measure_cell(axes, (k, first + 1), float(scores.f_score[k]), sheet)
        _text(axes, (first + 2.5, k + 0.5), _count(int(scores.support[k])), _size(sheet), FAINT)
        _measure_cell(axes, (below, k), float(scores.precision[k]), sheet)
    for k, head in enumerate(("Recall", "F-score", "Pixels")):
        _slanted(axes, first + k, head, sheet, weight="bold")
    x = -sheet.cells(0.12)
    _text(axes, (x, below + 0.5), "Precision", 9, INK, ha="right", weight="bold")


def _draw_names(axes: Axes, names: list[str], sheet: _Sheet) -> None:
    for k, name in enumerate(names):
        _text(axes, (-sheet.cells(0.12), k + 0.5), _wrapped(name), 9, INK, ha="right", linespacing=0.95)
        _slanted(axes, k, _cut(name, NAME_WIDTH), sheet)
    middle = sheet.classes / 2
    _text(axes, (-sheet.cells(sheet.left - 0.22), middle), "Reference (rows)", 10, FAINT, rotation=90)
    _text(axes, (0, -sheet.cells(sheet.top - 0.8)), "Map (columns)", 10, FAINT, ha="left")


def _draw_title(axes: Axes, confusion: Confusion, scores: Scores, sheet: _Sheet) -> None:
    left = -sheet.cells(sheet.left - 0.12)
    title = f"KAPPA: {measure(scores.kappa)}   OA: {measure(scores.overall_accuracy)}"
    _text(axes, (left, -sheet.cells(sheet.top - 0.36)), title, 14, INK, ha="left", weight="bold")
    total, unmapped = int(confusion.counts.sum()), int(confusion.unmapped.sum())
    said = f"{total:,} validation pixels"
    said += f", and {unmapped:,} not classified (in no measure)" if unmapped else ""
    _text(axes, (left, sheet.rows + sheet.cells(0.25)), said, 8, FAINT, ha="left")


def _cell(axes: Axes, at: tuple[float, float], text: str, color: Color, sheet: _Sheet) -> None:
    """One cell with its upper left corner at (row, column)."""
    row, column = at
    axes.add_patch(Rectangle((column, row), 1, 1, facecolor=color, edgecolor=LINE, linewidth=1))
    if text:
        _text(axes, (column + 0.5, row + 0.5), text, _size(sheet), _ink_on(color))


def _measure_cell(axes: Axes, at: tuple[float, float], value: float, sheet: _Sheet) -> None:
    color = EMPTY if math.isnan(value) else GOOD(value)
    _cell(axes, at, measure(value, 2), color, sheet)


def _slanted(axes: Axes, column: float, name: str, sheet: _Sheet, weight: str = "normal") -> None:
    _text(
        axes, (column + 0.45, -sheet.cells(0.08)), name, 9, INK,
        rotation=45, rotation_mode="anchor", ha="left", va="center_baseline", weight=weight,
    )  # fmt: skip


def _text(axes: Axes, at: tuple[float, float], text: str, size: float, color: str, **options: object) -> None:
    """Text at (x, y), centred by default, never interpreted as a formula."""
    options = {"ha": "center", "va": "center", "parse_math": False, "clip_on": False} | options
    axes.text(*at, text, fontsize=size, color=color, **options)  # type: ignore[arg-type]


def _size(sheet: _Sheet) -> float:
    """Font size of annotations: five to six characters fit a cell."""
    return min(11.0, sheet.cell * POINTS / 5.2)


def _count(count: int) -> str:
    """A count of pixels in at most five characters or so: ``9999``, ``12.3k``, ``4.56M``."""
    for limit, unit in ((1_000_000_000, "G"), (1_000_000, "M"), (10_000, "k")):
        if count >= limit:
            scaled = count / (1000 if unit == "k" else limit)
            return f"{scaled:.3g}{unit}" if scaled < 999.5 else f"{scaled:.0f}{unit}"
    return str(count)


def _wrapped(name: str) -> str:
    lines = textwrap.wrap(name, NAME_WIDTH) or [""]
    kept = lines[:NAME_LINES]
    if len(lines) > NAME_LINES:
        kept[-1] = kept[-1][: NAME_WIDTH - 1].rstrip() + "…"
    return "\n".join(kept)


def _cut(name: str, longest: int) -> str:
    return name if len(name) <= longest else name[: longest - 1].rstrip() + "…"


def _text_width(text: str, size: float) -> float:
    """Width of the widest line, inches."""
    font = FontProperties(family="DejaVu Sans")  # "$" would begin a formula here, whose width is another
    with _missing_glyphs_allowed():
        return max(
            TextPath((0, 0), line, size=size, prop=font).get_extents().width / POINTS if line.strip() else 0
            for line in text.replace("$", "S").split("\n")
        )


def _ink_on(color: Color) -> str:
    """Dark or light text, by the contrast with the colour."""
    if isinstance(color, str):
        return FAINT
    light = 0.299 * color[0] + 0.587 * color[1] + 0.114 * color[2]
    return INK if light > 0.5 else "#ffffff"


def _missing_glyphs_allowed() -> warnings.catch_warnings:
    """Ignore missing glyphs, which become boxes; the HTML report has the full names."""
    return warnings.catch_warnings(action="ignore", category=UserWarning)


def _png(figure: Figure) -> bytes:
    FigureCanvasAgg(figure)
    out = io.BytesIO()
    with _missing_glyphs_allowed():
        figure.savefig(out, format="png", dpi=figure.dpi, metadata={"Software": None})
    return out.getvalue()


def _picture(image: np.ndarray, pixel_size: float | None, legend: tuple[float, float]) -> tuple[Figure, Axes]:
    """A figure with an image, space for ``legend`` (width, height in inches) on the right, a scale bar below."""
    rows, columns = (max(1, side) for side in image.shape[:2])
    side = IMAGE / max(rows, columns)
    width, height = max(1.0, columns * side), max(1.0, rows * side, legend[1])
    margin, foot = 0.15, 0.45
    sheet = (margin + width + legend[0], margin + height + foot)
    figure = Figure(figsize=sheet, dpi=PICTURE_DPI, facecolor="white")
    box = (margin / sheet[0], foot / sheet[1], width / sheet[0], height / sheet[1])
    axes = figure.add_axes(box, anchor="NW")
    axes.imshow(image, interpolation="nearest", aspect="equal")
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set(color="#c5cad1", linewidth=0.8)
    if pixel_size is not None:
        _draw_scale(axes, columns, pixel_size, rows)
    return figure, axes


def _ramp_picture(
    values: np.ndarray, most: int, title: str, ramp: LinearSegmentedColormap, pixel_size: float | None
) -> bytes:
    """A picture of ``values`` from 1 to ``most`` with a colour bar; 0 is white."""
    image = ramp(values / most)
    image[values == 0] = 1
    figure, axes = _picture(image, pixel_size, legend=(1.5, 2.6))
    place = axes.get_position()
    width, height = figure.get_size_inches()
    bar = figure.add_axes((place.x1 + 0.3 / width, place.y1 - 2.4 / height, 0.18 / width, 2.1 / height))
    bar.imshow(ramp(np.linspace(1, 0, 256))[:, None], aspect="auto", extent=(0, 1, 0, most))
    bar.set(xticks=[])
    bar.yaxis.tick_right()
    bar.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    bar.tick_params(labelsize=9, colors=INK, length=2)
    bar.spines[:].set(color="#c5cad1", linewidth=0.8)
    bar.set_title(title, fontsize=9, color=INK, loc="left", pad=7)
    return _png(figure)


def _draw_legend(axes: Axes, codes: list[int], nomenclature: Nomenclature) -> None:
    """Draw colour patches with class names, downwards from the upper right corner of the image."""
    figure = axes.get_figure()
    assert isinstance(figure, Figure)
    width, height = figure.get_size_inches()
    place = axes.get_position()
    for k, code in enumerate(codes):
        x, y = place.x1 + 0.25 / width, place.y1 - (k + 1) * LEGEND_ROW / height
        swatch = Rectangle(
            (x, y), 0.22 / width, 0.15 / height, transform=figure.transFigure,
            facecolor=np.array(nomenclature.color(code)) / 255, edgecolor="#9aa1ab", linewidth=0.5,
        )  # fmt: skip
        figure.add_artist(swatch)
        name = _cut(nomenclature.name(code), 30)
        figure.text(x + 0.32 / width, y + 0.07 / height, name, fontsize=9, color=INK, va="center", parse_math=False)


def _draw_scale(axes: Axes, columns: int, pixel_size: float, rows: int) -> None:
    """Draw a bar of a round length, at most a quarter of the width of the image, below its left corner."""
    target = columns * pixel_size / 4
    power = 10 ** math.floor(math.log10(target))
    length = next(step * power for step in (5, 2, 1) if step * power <= target)
    y = rows - 0.5 + 0.14 * max(rows, columns) / IMAGE
    end = length / pixel_size - 0.5
    text = f"{length / 1000:g} km" if length >= 1000 else f"{length:g} m"
    axes.add_patch(Rectangle((-0.5, y), end + 0.5, 0.004 * max(rows, columns), color=INK, clip_on=False))
    _text(axes, (end + 0.012 * max(rows, columns), y), text, 9, INK, ha="left")
