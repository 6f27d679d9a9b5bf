"""Figures of the report: confusion matrix, reliability diagram, quicklooks of map, confidence and validity."""

from __future__ import annotations

import io
import math
import textwrap
import warnings
from collections.abc import Sequence
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
from iota2.compute.map_reliability import MapReliability
from iota2.compute.validation import NEIGHBOUR_METRES
from iota2.core import palettes
from iota2.core.importance import KINDS, GroupImportance
from iota2.core.nomenclature import Nomenclature
from iota2.core.tables import Confusion
from iota2.report.results.importance import ImportanceView
from iota2.report.results.measures import measure

Color = str | tuple[float, float, float, float]

MATRIX_DPI = 200
MIN_CELL_INCHES = 0.55
"""Minimum side of a matrix cell, in which six characters are legible."""
POINTS_PER_INCH = 72.0
IMAGE_INCHES, LEGEND_ROW_INCHES, QUICKLOOK_DPI = 6.0, 0.23, 130
"""Quicklooks: longer side of the image, height of a line of the legend, and resolution."""
MARGIN_INCHES = 0.15
"""Margin around the image of a quicklook."""
MAX_BARS, MAX_BAR_CHARACTERS = 40, 32
"""Maximum number of bars in a panel, and of characters of a bar's name."""
BARS_INCHES, BAR_INCHES, BAR_POINTS, BAR_COLOR = 2.3, 0.22, 7, "#4a8f6a"
"""Width of a panel of bars, height of a bar with its space, size of its name, and colour."""
MAX_LINE_CHARACTERS, MAX_NAME_LINES = 24, 2
"""Maximum characters per line and lines of a class name; longer names end with an ellipsis."""
TEXT_COLOR, FAINT_COLOR, LINE_COLOR, EMPTY_COLOR = "#22272e", "#6b7280", "#ffffff", "#eceff1"
CORRECT_COLORS = LinearSegmentedColormap.from_list("good", ["#d7553f", "#f3a55e", "#f7e08a", "#a6cf78", "#3f9b5b"])
WRONG_COLORS = LinearSegmentedColormap.from_list("bad", ["#fbf4f0", "#f6bda6", "#e2654b", "#b3261e"])
RELIABILITY_COLORS = ("#2f7d55", "#c2571a")
CONFIDENCE_COLORS = LinearSegmentedColormap.from_list("confidence", palettes.CONFIDENCE)
VALIDITY_COLORS = LinearSegmentedColormap.from_list("validity", palettes.VALIDITY)


def confusion_figure(confusion: Confusion, scores: Scores, nomenclature: Nomenclature, path: Path) -> None:
    """Write the confusion matrix as a PNG: rows are the reference, columns the map.

    Cells show pixels; their colour is the share of the row (diagonal from red to green, others from white to red).
    Strips show recall, F-score and pixels of each row, and precision of each column. A class without reference pixels
    is grey; undefined measures are ``–``. The same values give the same bytes.
    """
    names = [nomenclature.name(code) for code in confusion.labels]
    layout = _MatrixLayout.of(names)
    figure = Figure(figsize=(layout.width, layout.height), dpi=MATRIX_DPI, facecolor="white")
    axes = figure.add_axes(layout.box)
    axes.set(xlim=(0, layout.columns), ylim=(layout.rows, 0))
    axes.axis("off")
    _draw_matrix(axes, confusion, layout)
    _draw_strips(axes, scores, layout)
    _draw_names(axes, names, layout)
    _draw_title(axes, confusion, scores, layout)
    path.write_bytes(png_of(figure))


def map_quicklook(
    labels: np.ndarray, nomenclature: Nomenclature, pixel_size: float | None = None, *, legend: bool = True
) -> bytes:
    """PNG of a small map: ``labels`` (y, x) are class codes; 0 (not classified) is white.

    ``pixel_size``: side of a pixel of ``labels`` in metres; None draws no scale bar. The ``legend`` lists only the
    classes in ``labels``. Raises KeyError for a code that is not a class.
    """
    image = np.ones((*labels.shape, 3))
    present = [int(code) for code in np.unique(labels) if code != 0]
    for code in present:
        image[labels == code] = np.array(nomenclature.color(code)) / 255
    room = (2.7, (len(present) + 1) * LEGEND_ROW_INCHES) if legend else (MARGIN_INCHES, 0.0)
    figure, axes = quicklook_figure(image, pixel_size, legend=room)
    if legend:
        _draw_legend(axes, present, nomenclature)
    return png_of(figure)


def confidence_quicklook(confidence: np.ndarray, pixel_size: float | None = None) -> bytes:
    """PNG of a small confidence map with its colour bar: ``confidence`` (y, x) is 0..100; 0 is white."""
    return _ramp_quicklook(confidence, 100, "Confidence (%)", CONFIDENCE_COLORS, pixel_size)


def validity_quicklook(validity: np.ndarray, pixel_size: float | None = None) -> bytes:
    """PNG of a small validity map with its colour bar: ``validity`` (y, x) counts clear dates; 0 is white."""
    most = int(validity.max(initial=1))
    return _ramp_quicklook(validity, max(1, most), "Clear dates", VALIDITY_COLORS, pixel_size)


MAX_POINT_AREA = 45
"""Area of the largest point of a reliability diagram, in square points."""


def reliability_figure(found: MapReliability) -> bytes:
    """PNG of the reliability diagram: share of correct pixels against confidence.

    Points are bins of pixels, with an area in proportion to their number, since pixels of equal confidence share a bin;
    on the diagonal, the confidence is the share of correct pixels.
    """
    figure = Figure(figsize=(5.2, 5.2), dpi=QUICKLOOK_DPI, facecolor="white")
    axes = figure.add_axes((0.13, 0.12, 0.82, 0.74))
    axes.plot([0, 1], [0, 1], color=FAINT_COLOR, linewidth=1, linestyle="--")
    names = {"all": "all validation polygons", "apart": f"beyond {NEIGHBOUR_METRES:g} m of learning polygons"}
    for (part, one), color, marker in zip(found.parts.items(), RELIABILITY_COLORS, "os", strict=True):
        if len(one.diagram.mass):
            text = f"{names[part]} (ECE {measure(one.error)})"
            area = MAX_POINT_AREA * one.diagram.mass / one.diagram.mass.max()
            axes.plot(
                one.diagram.probability, one.diagram.correct,
                color=color, linewidth=0.8,
            )  # fmt: skip
            axes.scatter(
                one.diagram.probability, one.diagram.correct, s=area,
                color=color, marker=marker, label=text, clip_on=False, zorder=3,
            )  # fmt: skip
    axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
    axes.set_xlabel("Confidence", color=TEXT_COLOR)
    axes.set_ylabel("Share of correct pixels", color=TEXT_COLOR)
    axes.tick_params(colors=TEXT_COLOR)
    axes.spines[:].set(color="#c5cad1", linewidth=0.8)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), fontsize=9, frameon=False, borderaxespad=0.2)
    return png_of(figure)


def importance_figure(view: ImportanceView) -> bytes:
    """PNG with a bar for the loss in overall accuracy of each group of features, a panel for each kind of groups.

    Lines show the standard errors. Each panel has its own scale, since the loss of a date is often a small part of that
    of a band. Only the ``MAX_BARS`` groups with the greatest losses of a kind are drawn.
    """
    panels = [(KINDS[kind], _largest(groups)) for kind, groups in view.groups.items()]
    rows = max(len(groups) for _, groups in panels)
    names = [[_ending(one.name, MAX_BAR_CHARACTERS) for one in groups] for _, groups in panels]
    lefts = [max(_text_width(name, BAR_POINTS) for name in some) + 0.2 for some in names]
    width, height, foot = sum(lefts) + (BARS_INCHES + 0.3) * len(panels), 0.65 + BAR_INCHES * rows, 0.5
    figure = Figure(figsize=(width, height), dpi=QUICKLOOK_DPI, facecolor="white")
    place = 0.0
    for (title, groups), some, left in zip(panels, names, lefts, strict=True):
        place += left
        box = place / width, foot / height, BARS_INCHES / width, BAR_INCHES * rows / height
        axes = figure.add_axes(box, xlim=_bar_limits(groups), ylim=(rows - 0.5, -0.5))
        place += BARS_INCHES + 0.3
        places, losses = range(len(groups)), [100 * one.loss for one in groups]
        errors = [100 * _error(one) for one in groups]
        axes.barh(places, losses, xerr=errors, color=BAR_COLOR, ecolor=FAINT_COLOR, height=0.75)
        axes.set_yticks(places, some, fontsize=BAR_POINTS, parse_math=False)
        axes.set_xlabel(f"{title}: loss (points)", fontsize=8, color=TEXT_COLOR)
        axes.tick_params(axis="x", labelsize=BAR_POINTS)
        axes.axvline(0, color=TEXT_COLOR, linewidth=0.8)
        axes.spines[["left", "top", "right"]].set_visible(False)
    return png_of(figure)


def _bar_limits(groups: Sequence[GroupImportance]) -> tuple[float, float]:
    """Limits of an axis with the losses of groups and their errors, in points; it contains 0 and at least a tenth."""
    ends = [100 * (one.loss + sign * _error(one)) for one in groups for sign in (-1, 1)]
    return 1.05 * min(0, *ends), 1.05 * max(0.1, *ends)


def _error(group: GroupImportance) -> float:
    """The standard error of a loss; 0 if it is unknown."""
    return 0.0 if math.isnan(group.error) else group.error


def _ending(name: str, max_characters: int) -> str:
    """A name with an ellipsis instead of its beginning if it is too long: the end distinguishes bands of a sensor."""
    return name if len(name) <= max_characters else "…" + name[1 - max_characters :]


def _largest(groups: Sequence[GroupImportance]) -> list[GroupImportance]:
    """The ``MAX_BARS`` groups with the greatest losses, in their order."""
    least = sorted((one.loss for one in groups), reverse=True)[:MAX_BARS][-1]
    return [one for one in groups if one.loss >= least][:MAX_BARS]


@dataclass(frozen=True)
class _MatrixLayout:
    """Layout of the figure of a matrix, in inches; the unit of its axes is one cell."""

    classes: int
    cell: float
    """Side of a cell."""
    left: float
    """Width of the class names on the left."""
    above: float
    """Height of the slanted class names above the matrix."""
    gap: float = 0.25
    """Space between matrix and strips, in cells."""
    margin: float = 0.25

    @classmethod
    def of(cls, names: list[str]) -> _MatrixLayout:
        cell = max(MIN_CELL_INCHES, min(1.0, 5.0 / len(names)))
        widest = max(_text_width(_wrapped(name), 9) for name in [*names, "Precision"])
        above = max(_text_width(_cut(name, MAX_LINE_CHARACTERS), 9) for name in names) * math.sqrt(0.5)
        return cls(len(names), cell, left=widest + 0.75, above=max(0.6, above) + 0.15)

    @property
    def columns(self) -> float:
        """Width in cells: matrix, gap, recall, F-score and pixels."""
        return self.classes + self.gap + 3

    @property
    def rows(self) -> float:
        """Height in cells: matrix, gap and precision."""
        return self.classes + self.gap + 1

    @property
    def width(self) -> float:
        return self.left + self.columns * self.cell + self.margin + self.overhang

    @property
    def overhang(self) -> float:
        """Width of the slanted names to the right of the last column."""
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
        """A length in inches, converted to cells."""
        return inches / self.cell


def _draw_matrix(axes: Axes, confusion: Confusion, layout: _MatrixLayout) -> None:
    rows = confusion.counts.sum(axis=1)
    for r in range(layout.classes):
        for c in range(layout.classes):
            count = int(confusion.counts[r, c])
            if rows[r] == 0:
                _draw_cell(axes, (r, c), "", EMPTY_COLOR, layout)
                continue
            share = count / rows[r]
            color = CORRECT_COLORS(share) if r == c else WRONG_COLORS(share)
            _draw_cell(axes, (r, c), _short_count(count) if count or r == c else "", color, layout)
        if rows[r] == 0:
            text = "not validated: no reference pixel" if layout.classes > 4 else "not validated"
            _draw_text(axes, (layout.classes / 2, r + 0.5), text, 8, FAINT_COLOR, style="italic")


def _draw_strips(axes: Axes, scores: Scores, layout: _MatrixLayout) -> None:
    first, below = layout.classes + layout.gap, layout.classes + layout.gap
    for k in range(layout.classes):
        _draw_measure(axes, (k, first), float(scores.recall[k]), layout)
        _draw_measure(axes, (k, first + 1), float(scores.f_score[k]), layout)
        _draw_text(axes, (first + 2.5, k + 0.5), _short_count(int(scores.support[k])), _font_size(layout), FAINT_COLOR)
        _draw_measure(axes, (below, k), float(scores.precision[k]), layout)
    for k, heading in enumerate(("Recall", "F-score", "Pixels")):
        _draw_slanted(axes, first + k, heading, layout, weight="bold")
    x = -layout.cells(0.12)
    _draw_text(axes, (x, below + 0.5), "Precision", 9, TEXT_COLOR, ha="right", weight="bold")


def _draw_names(axes: Axes, names: list[str], layout: _MatrixLayout) -> None:
    for k, name in enumerate(names):
        _draw_text(axes, (-layout.cells(0.12), k + 0.5), _wrapped(name), 9, TEXT_COLOR, ha="right", linespacing=0.95)
        _draw_slanted(axes, k, _cut(name, MAX_LINE_CHARACTERS), layout)
    middle = layout.classes / 2
    _draw_text(axes, (-layout.cells(layout.left - 0.22), middle), "Reference (rows)", 10, FAINT_COLOR, rotation=90)
    _draw_text(axes, (0, -layout.cells(layout.top - 0.8)), "Map (columns)", 10, FAINT_COLOR, ha="left")


def _draw_title(axes: Axes, confusion: Confusion, scores: Scores, layout: _MatrixLayout) -> None:
    left = -layout.cells(layout.left - 0.12)
    title = f"KAPPA: {measure(scores.kappa)}   OA: {measure(scores.overall_accuracy)}"
    _draw_text(axes, (left, -layout.cells(layout.top - 0.36)), title, 14, TEXT_COLOR, ha="left", weight="bold")
    total, unmapped = int(confusion.counts.sum()), int(confusion.unmapped.sum())
    text = f"{total:,} validation pixels"
    text += f", and {unmapped:,} not classified (excluded from all measures)" if unmapped else ""
    _draw_text(axes, (left, layout.rows + layout.cells(0.25)), text, 8, FAINT_COLOR, ha="left")


def _draw_cell(axes: Axes, at: tuple[float, float], text: str, color: Color, layout: _MatrixLayout) -> None:
    """Draw one cell with its upper left corner at (row, column)."""
    row, column = at
    axes.add_patch(Rectangle((column, row), 1, 1, facecolor=color, edgecolor=LINE_COLOR, linewidth=1))
    if text:
        _draw_text(axes, (column + 0.5, row + 0.5), text, _font_size(layout), _text_color_on(color))


def _draw_measure(axes: Axes, at: tuple[float, float], value: float, layout: _MatrixLayout) -> None:
    """Draw a cell with a measure 0..1, coloured from red to green; grey if it is undefined."""
    color = EMPTY_COLOR if math.isnan(value) else CORRECT_COLORS(value)
    _draw_cell(axes, at, measure(value, 2), color, layout)


def _draw_slanted(axes: Axes, column: float, name: str, layout: _MatrixLayout, weight: str = "normal") -> None:
    """Draw a name above a column, rotated by 45°."""
    _draw_text(
        axes, (column + 0.45, -layout.cells(0.08)), name, 9, TEXT_COLOR,
        rotation=45, rotation_mode="anchor", ha="left", va="center_baseline", weight=weight,
    )  # fmt: skip


def _draw_text(axes: Axes, at: tuple[float, float], text: str, size: float, color: str, **options: object) -> None:
    """Draw text at (x, y), centred by default; ``$`` is not interpreted as a formula."""
    options = {"ha": "center", "va": "center", "parse_math": False, "clip_on": False} | options
    axes.text(*at, text, fontsize=size, color=color, **options)  # type: ignore[arg-type]


def _font_size(layout: _MatrixLayout) -> float:
    """Font size in points with which five to six characters fit into a cell."""
    return min(11.0, layout.cell * POINTS_PER_INCH / 5.2)


def _short_count(count: int) -> str:
    """A count of pixels in about five characters: ``9999``, ``12.3k``, ``4.56M``."""
    for limit, unit in ((1_000_000_000, "G"), (1_000_000, "M"), (10_000, "k")):
        if count >= limit:
            scaled = count / (1000 if unit == "k" else limit)
            return f"{scaled:.3g}{unit}" if scaled < 999.5 else f"{scaled:.0f}{unit}"
    return str(count)


def _wrapped(name: str) -> str:
    """A class name in lines; the last line ends with an ellipsis if the name is too long."""
    lines = textwrap.wrap(name, MAX_LINE_CHARACTERS) or [""]
    kept = lines[:MAX_NAME_LINES]
    if len(lines) > MAX_NAME_LINES:
        kept[-1] = kept[-1][: MAX_LINE_CHARACTERS - 1].rstrip() + "…"
    return "\n".join(kept)


def _cut(name: str, max_characters: int) -> str:
    """A class name in one line, with an ellipsis if it is too long."""
    return name if len(name) <= max_characters else name[: max_characters - 1].rstrip() + "…"


def _text_width(text: str, size: float) -> float:
    """Width of the widest line in inches; ``size`` in points."""
    # "$" is replaced because TextPath would interpret it as the start of a formula.
    font = FontProperties(family="DejaVu Sans")
    with _missing_glyphs_allowed():
        return max(
            TextPath((0, 0), line, size=size, prop=font).get_extents().width / POINTS_PER_INCH if line.strip() else 0
            for line in text.replace("$", "S").split("\n")
        )


def _text_color_on(color: Color) -> str:
    """Dark or light text colour, in contrast to the background ``color``."""
    if isinstance(color, str):
        return FAINT_COLOR
    light = 0.299 * color[0] + 0.587 * color[1] + 0.114 * color[2]
    return TEXT_COLOR if light > 0.5 else "#ffffff"


def _missing_glyphs_allowed() -> warnings.catch_warnings:
    """Context in which missing glyphs are drawn as boxes without a warning; the HTML report has the full names."""
    return warnings.catch_warnings(action="ignore", category=UserWarning)


def png_of(figure: Figure) -> bytes:
    """The figure as PNG, without metadata that vary."""
    FigureCanvasAgg(figure)
    out = io.BytesIO()
    with _missing_glyphs_allowed():
        figure.savefig(out, format="png", dpi=figure.dpi, metadata={"Software": None})
    return out.getvalue()


def quicklook_figure(image: np.ndarray, pixel_size: float | None, legend: tuple[float, float]) -> tuple[Figure, Axes]:
    """Figure with an image, a scale bar below, and space for ``legend`` (width, height in inches) on the right."""
    rows, columns = (max(1, side) for side in image.shape[:2])
    side = IMAGE_INCHES / max(rows, columns)
    width, height = max(1.0, columns * side), max(1.0, rows * side, legend[1])
    margin, foot = MARGIN_INCHES, 0.45
    size = (margin + width + legend[0], margin + height + foot)
    figure = Figure(figsize=size, dpi=QUICKLOOK_DPI, facecolor="white")
    box = (margin / size[0], foot / size[1], width / size[0], height / size[1])
    axes = figure.add_axes(box, anchor="NW")
    axes.imshow(image, interpolation="nearest", aspect="equal")
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set(color="#c5cad1", linewidth=0.8)
    if pixel_size is not None:
        _draw_scale_bar(axes, columns, pixel_size, rows)
    return figure, axes


def _ramp_quicklook(
    values: np.ndarray, most: int, title: str, ramp: LinearSegmentedColormap, pixel_size: float | None
) -> bytes:
    """PNG of ``values`` (y, x) from 1 to ``most`` with a colour bar; 0 is white."""
    image = ramp(values / most)
    image[values == 0] = 1
    figure, axes = quicklook_figure(image, pixel_size, legend=(1.5, 2.6))
    place = axes.get_position()
    width, height = figure.get_size_inches()
    bar = figure.add_axes((place.x1 + 0.3 / width, place.y1 - 2.4 / height, 0.18 / width, 2.1 / height))
    bar.imshow(ramp(np.linspace(1, 0, 256))[:, None], aspect="auto", extent=(0, 1, 0, most))
    bar.set(xticks=[])
    bar.yaxis.tick_right()
    bar.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    bar.tick_params(labelsize=9, colors=TEXT_COLOR, length=2)
    bar.spines[:].set(color="#c5cad1", linewidth=0.8)
    bar.set_title(title, fontsize=9, color=TEXT_COLOR, loc="left", pad=7)
    return png_of(figure)


def _draw_legend(axes: Axes, codes: list[int], nomenclature: Nomenclature) -> None:
    """Draw colour patches with class names, downwards from the upper right corner of the image."""
    figure = axes.get_figure()
    assert isinstance(figure, Figure)
    width, height = figure.get_size_inches()
    place = axes.get_position()
    for k, code in enumerate(codes):
        x, y = place.x1 + 0.25 / width, place.y1 - (k + 1) * LEGEND_ROW_INCHES / height
        swatch = Rectangle(
            (x, y), 0.22 / width, 0.15 / height, transform=figure.transFigure,
            facecolor=np.array(nomenclature.color(code)) / 255, edgecolor="#9aa1ab", linewidth=0.5,
        )  # fmt: skip
        figure.add_artist(swatch)
        name = _cut(nomenclature.name(code), 30)
        figure.text(
            x + 0.32 / width, y + 0.07 / height, name, fontsize=9, color=TEXT_COLOR, va="center", parse_math=False
        )


def _draw_scale_bar(axes: Axes, columns: int, pixel_size: float, rows: int) -> None:
    """Draw a scale bar below the left corner of the image: a round length, at most a quarter of the image width."""
    target = columns * pixel_size / 4
    power = 10 ** math.floor(math.log10(target))
    length = next(step * power for step in (5, 2, 1) if step * power <= target)
    y = rows - 0.5 + 0.14 * max(rows, columns) / IMAGE_INCHES
    end = length / pixel_size - 0.5
    text = f"{length / 1000:g} km" if length >= 1000 else f"{length:g} m"
    axes.add_patch(Rectangle((-0.5, y), end + 0.5, 0.004 * max(rows, columns), color=TEXT_COLOR, clip_on=False))
    _draw_text(axes, (end + 0.012 * max(rows, columns), y), text, 9, TEXT_COLOR, ha="left")
