"""Draw the picture of the README from the results of the demo.

``iota2 demo demo`` and then ``python docs/picture.py demo`` write ``docs/img/demo.png``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import rasterio
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from iota2 import layout

RESULTS = Path("IOTA2_Outputs") / "Results"
PICTURE = Path(__file__).parent / "img" / "demo.png"
MAP_POSITIONS = ((0.01, 0.56, 0.45, 0.4), (0.50, 0.56, 0.45, 0.4), (0.01, 0.03, 0.45, 0.4))
PANEL_POSITIONS = (*MAP_POSITIONS, (0.60, 0.09, 0.38, 0.34))
"""Left, bottom, width and height of the panels (map, confidence, validity, matrix), as shares of the figure."""
TEXT_COLOR, LABEL_COLOR = "#1f2430", "#6b7280"
mpl.rcParams.update(
    {"font.size": 9, "text.color": TEXT_COLOR, "axes.titlecolor": TEXT_COLOR, "font.family": "DejaVu Sans"}
)


def main(arguments: list[str]) -> int:
    """Write the picture from the demo in the folder ``arguments[0]``, by default ``demo``; returns the exit code."""
    root = Path(arguments[0] if arguments else "demo") / RESULTS
    classes = _read_json(root, layout.CLASSES.path)
    figure = Figure(figsize=(11.0, 7.0))
    panels = [figure.add_axes(place) for place in PANEL_POSITIONS]
    _draw_map(panels[0], _read_raster(root, layout.MAP.path), classes)
    confidence, validity = (_read_raster(root, p.path) for p in (layout.FINAL_CONFIDENCE, layout.FINAL_VALIDITY))
    _draw_surface(figure, panels[1], confidence, "Confidence of the classifier, %", "magma")
    _draw_surface(figure, panels[2], validity, "Clear dates of each pixel", "viridis")
    _draw_confusion(panels[3], _read_json(root, layout.METRICS.path), classes["names"])
    PICTURE.parent.mkdir(exist_ok=True)
    figure.savefig(PICTURE, dpi=100, metadata={"Software": None}, pil_kwargs={"optimize": True})
    print(f"{PICTURE} written, {PICTURE.stat().st_size / 1000:.0f} kB")
    return 0


def _read_json(root: Path, path: str) -> Any:
    return json.loads((root / path).read_text(encoding="utf-8"))


def _read_raster(root: Path, path: str) -> np.ndarray:
    with rasterio.open(root / path.format(seed=0)) as source:
        return source.read(1)


def _without_frame(axes: Axes, title: str) -> None:
    axes.set_title(title, loc="left", fontweight="bold")
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)


def _draw_map(axes: Axes, labels: np.ndarray, classes: Any) -> None:
    _without_frame(axes, "Land cover")
    colors = [tuple(part / 255 for part in color) for color in classes["colors"]]
    shown = np.ma.masked_equal(labels, 0)
    position = np.searchsorted(classes["codes"], labels)
    axes.imshow(
        np.ma.array(position, mask=shown.mask), cmap=ListedColormap(colors), vmin=-0.5, vmax=len(colors) - 0.5,
        interpolation="nearest",
    )  # fmt: skip
    handles = [Patch(color=color, label=name) for color, name in zip(colors, classes["names"], strict=True)]
    axes.legend(
        handles=handles,
        loc="upper center",
        bbox_to_anchor=(0.5, 0.0),
        ncols=4,
        frameon=False,
        fontsize=8,
        borderpad=0.2,
    )


def _draw_surface(figure: Figure, axes: Axes, values: np.ndarray, title: str, cmap: str) -> None:
    _without_frame(axes, title)
    image = axes.imshow(np.ma.masked_equal(values, 0), cmap=cmap, interpolation="nearest")
    place = axes.get_position()
    bar = figure.add_axes((place.x1 + 0.006, place.y0 + 0.02, 0.008, place.height - 0.04))
    figure.colorbar(image, cax=bar).outline.set_visible(False)


def _draw_confusion(axes: Axes, metrics: Any, names: list[str]) -> None:
    seed = metrics["seeds"][0]
    counts = np.array(seed["confusion"])
    _without_frame(axes, f"Validation: accuracy {seed['overall_accuracy']:.3f}, kappa {seed['kappa']:.3f}")
    axes.imshow(counts / counts.sum(axis=1, keepdims=True), cmap="Greens", vmin=0, vmax=1.15, aspect="auto")
    for (row, column), count in np.ndenumerate(counts):
        if count:
            axes.text(
                column,
                row,
                f"{count:,}",
                ha="center",
                va="center",
                fontsize=7.5,
                color="white" if row == column else TEXT_COLOR,
            )
    axes.set_xticks(range(len(names)), [name.replace(" ", "\n", 1) for name in names], fontsize=7.5)
    axes.set_yticks(range(len(names)), names, fontsize=7.5)
    axes.tick_params(length=0)
    axes.set_xlabel("pixels on the map", color=LABEL_COLOR)
    axes.set_ylabel("reference", color=LABEL_COLOR)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
