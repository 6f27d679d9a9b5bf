"""Time and memory of the segments of one full tile, from a GeoPackage with millions of small polygons.

``python -m benchmarks.large_segmentation FILE SIDE MEMORY`` prints the measurements as one line of JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pyogrio
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox

from benchmarks.tasks import timed
from iota2.io.files.gdal import gdal_environment, limit_threads
from iota2.io.user_segments import write_user_segments

CRS = "EPSG:32631"
ORIGIN = 300_000.0, 4_900_020.0
PIXEL = 10.0
VERTICES = 16
_ROWS_AT_A_TIME = 100


def tile(side: int) -> GeoBox:
    """The grid of a tile of ``side`` x ``side`` pixels."""
    return GeoBox((side, side), Affine(PIXEL, 0, ORIGIN[0], 0, -PIXEL, ORIGIN[1]), CRS)


def write_polygons(path: Path, polygons: int, side: int) -> int:
    """Write about ``polygons`` polygons that fill most of a tile, in rows; returns their number."""
    per_row = int(np.sqrt(polygons))
    cell = side * PIXEL / per_row
    rng, angles = np.random.default_rng(0), np.linspace(0, 2 * np.pi, VERTICES, endpoint=False)
    for first in range(0, per_row, _ROWS_AT_A_TIME):
        rows = np.arange(first, min(first + _ROWS_AT_A_TIME, per_row))
        y, x = (one.ravel()[:, None] for one in np.meshgrid(rows + 0.5, np.arange(per_row) + 0.5, indexing="ij"))
        radius = rng.uniform(0.35, 0.6, (len(x), VERTICES))
        corners = np.stack(
            [ORIGIN[0] + cell * (x + radius * np.cos(angles)), ORIGIN[1] - cell * (y + radius * np.sin(angles))], axis=2
        )
        ids = 10_000_000_000 + rows[0] * per_row + np.arange(len(x))
        frame = gpd.GeoDataFrame({"id": ids}, geometry=shapely.polygons(corners), crs=CRS)
        pyogrio.write_dataframe(frame, path, append=first > 0)
    return per_row**2


def measure_in_subprocess(path: Path, side: int, memory: int) -> dict[str, Any]:
    """``measure`` in a separate process."""
    command = [sys.executable, "-m", "benchmarks.large_segmentation", str(path), str(side), str(memory)]
    done = subprocess.run(command, cwd=Path(__file__).parents[1], check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def measure(path: Path, side: int, memory: int) -> dict[str, Any]:
    """The measurements of ``timed``, with the pages of the scratch file as memory, and the number of segments."""
    out, small = path.with_suffix(".tif"), tile(8)
    with limit_threads(1), gdal_environment():
        write_user_segments(path, "id", small, out, memory)  # loads or compiles the code
        found = []
        taken = timed(lambda: found.append(write_user_segments(path, "id", tile(side), out, memory)), 1)
    return {**taken, "segments": len(found[0].ids)}


if __name__ == "__main__":
    print(json.dumps(measure(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))))
