"""Draw the picture of the page on polygons from the results of the demo.

``iota2 demo demo --builder vectorization`` and then ``python docs/vectors_picture.py demo`` write
``docs/img/vectors.png``.
"""

from __future__ import annotations

import sys
from pathlib import Path

import geopandas as gpd
import matplotlib as mpl
import numpy as np
import rasterio
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from rasterio.windows import from_bounds

from iota2 import layout
from iota2.io.tables.class_levels import read_class_levels

RESULTS = Path("IOTA2_Outputs") / "Results_vectors"
PICTURE = Path(__file__).parent / "img" / "vectors.png"
SIDE = 1300
"""Width and height of the part that is shown, m."""
TEXT_COLOR = "#1f2430"
mpl.rcParams.update({"font.size": 9, "text.color": TEXT_COLOR, "axes.titlecolor": TEXT_COLOR})


def main(arguments: list[str]) -> int:
    """Write the picture from the demo in the folder ``arguments[0]``, by default ``demo``; returns the exit code."""
    root = Path(arguments[0] if arguments else "demo") / RESULTS
    classes = read_class_levels(root / layout.CLASS_LEVELS.path).classes
    colors = dict(zip(classes.codes, (np.array(color) / 255 for color in classes.colors), strict=True))
    polygons = gpd.read_parquet(root / layout.ALL_POLYGONS.path.format(outprefix="region"))
    west, south, east, north = polygons.total_bounds
    bounds = (
        (west + east - SIDE) / 2,
        (south + north - SIDE) / 2,
        (west + east + SIDE) / 2,
        (south + north + SIDE) / 2,
    )
    figure = Figure(figsize=(11.0, 4.4))
    panels = figure.subplots(1, 3)
    _draw_raster(panels[0], root / layout.MAP.path.format(seed=0), bounds, colors, "Map, pixels of 10 m")
    _draw_raster(panels[1], root / layout.CLASSIF_REGUL.path, bounds, colors, "Without small patches")
    shown = polygons.cx[bounds[0] : bounds[2], bounds[1] : bounds[3]]
    shown.plot(ax=panels[2], color=[colors[code] for code in shown["Classe"]], edgecolor="#202020", linewidth=0.6)
    _finish(panels[2], bounds, "Polygons, cut by the border of two areas")
    handles = [Patch(color=colors[code], label=name) for code, name in zip(classes.codes, classes.names, strict=True)]
    figure.legend(handles=handles, loc="lower center", ncols=len(handles), frameon=False)
    figure.subplots_adjust(left=0.01, right=0.99, top=0.93, bottom=0.09, wspace=0.03)
    PICTURE.parent.mkdir(exist_ok=True)
    figure.savefig(PICTURE, dpi=100, metadata={"Software": None}, pil_kwargs={"optimize": True})
    print(f"{PICTURE} written, {PICTURE.stat().st_size / 1000:.0f} kB")
    return 0


def _draw_raster(
    axes: Axes, path: Path, bounds: tuple[float, float, float, float], colors: dict[int, np.ndarray], title: str
) -> None:
    with rasterio.open(path) as source:
        labels = source.read(1, window=from_bounds(*bounds, source.transform).round_lengths().round_offsets())
    table = np.ones((max(colors) + 1, 3))
    for code, color in colors.items():
        table[code] = color
    west, south, east, north = bounds
    cmap = ListedColormap(table)
    axes.imshow(labels, cmap=cmap, vmin=0, vmax=max(colors), extent=(west, east, south, north), interpolation="nearest")
    _finish(axes, bounds, title)


def _finish(axes: Axes, bounds: tuple[float, float, float, float], title: str) -> None:
    axes.set(
        xlim=(bounds[0], bounds[2]),
        ylim=(bounds[1], bounds[3]),
        xticks=[],
        yticks=[],
        xlabel="",
        ylabel="",
        title=title,
    )
    axes.set_aspect("equal")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
