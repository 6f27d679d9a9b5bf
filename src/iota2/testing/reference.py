"""Vector files of the made-up world: labelled polygons drawn inside fields, and the two regions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import geopandas as gpd
import numpy as np
import shapely

from iota2.core.random import generator
from iota2.testing.ground import FieldShape, Ground

EROSION = 12.0
"""Metres between a field's edge and the polygon drawn in it: no pixel of another field comes in."""
SMALLEST = 1500.0
"""Square metres; smaller polygons are not drawn."""
PER_GROUP = 40
"""Polygons, at most, of one class in one region."""
ACROSS = 2
"""Polygons, at most, of one class that cross the border of the regions."""
MOST_HAMLETS = 500
"""A larger world has reference data in this many of its hamlets only."""
CRS = "EPSG:2154"
# GDAL writes the day of writing into .dbf headers; the same world shall give the same bytes.
DBF_DAY = "2018-12-31"


def reference_polygons(ground: Ground, footprint: shapely.Polygon, *, seed: int) -> gpd.GeoDataFrame:
    """Polygons inside fields and ``footprint`` with ``code`` and ``name``, in EPSG:2154.

    Each class has up to ``PER_GROUP`` polygons in each region and a few across their border. No two overlap:
    each lies in a field of its own.
    """
    rng = generator(seed, "reference")
    hamlets = rng.permutation(ground.hamlets_within(footprint.bounds))[:MOST_HAMLETS]
    fields = _drawn_fields(ground, hamlets, footprint)
    chosen = _choose([fields[k] for k in rng.permutation(len(fields))], ground)
    names = {land_class.code: land_class.name for land_class in ground.classes}
    codes = [shape.code for shape in chosen]
    return gpd.GeoDataFrame(
        {"code": np.array(codes, np.int32), "name": [names[code] for code in codes]},
        geometry=[shape.polygon for shape in chosen],
        crs=CRS,
    )


def _drawn_fields(ground: Ground, hamlets: np.ndarray, footprint: shapely.Polygon) -> list[FieldShape]:
    """Fields as someone would draw them: a little smaller, not the tiny ones, inside the footprint."""
    fields = list(ground.fields_of(hamlets))
    # Vertices to the centimetre, as in files that people draw.
    drawn = shapely.set_precision(shapely.buffer([f.polygon for f in fields], -EROSION, join_style="mitre"), 0.01)
    shapely.prepare(footprint)
    wanted = (shapely.area(drawn) > SMALLEST) & shapely.covers(footprint, drawn)
    return [FieldShape(fields[k].field, fields[k].code, drawn[k]) for k in np.flatnonzero(wanted)]


def _choose(fields: list[FieldShape], ground: Ground) -> list[FieldShape]:
    """The first few fields of each class in each region (1, 2) and across their border (0)."""
    region = _region_of([shape.polygon for shape in fields], ground)
    groups: dict[tuple[int, int], list[FieldShape]] = defaultdict(list)
    for shape, where in zip(fields, region.tolist(), strict=True):
        group = groups[shape.code, where]
        if len(group) < (PER_GROUP if where else ACROSS):
            group.append(shape)
    return [shape for key in sorted(groups) for shape in groups[key]]


def _region_of(polygons: Sequence[shapely.Polygon], ground: Ground) -> np.ndarray:
    """The region (1, 2) that holds all of each polygon, 0 for those across the border."""
    west, east = ground.region_polygons()
    return np.select([shapely.covers(west, polygons), shapely.covers(east, polygons)], [1, 2], 0)


def fewest(polygons: gpd.GeoDataFrame, ground: Ground) -> int:
    """Number of polygons of the class that has fewest of them in one of the regions."""
    region = _region_of(polygons.geometry.to_numpy(), ground)
    codes = polygons["code"].to_numpy()
    return min(int(((codes == code) & (region == r)).sum()) for code in ground.codes for r in (1, 2))


def write_reference(polygons: gpd.GeoDataFrame, path: Path) -> None:
    """Write labelled polygons as a shapefile in UTF-8."""
    _write(polygons, path)


def write_regions(ground: Ground, path: Path) -> None:
    """Write the two regions with their names, ``1`` and ``2``, in the field ``region``."""
    _write(gpd.GeoDataFrame({"region": ["1", "2"]}, geometry=list(ground.region_polygons()), crs=CRS), path)


def _write(frame: gpd.GeoDataFrame, path: Path) -> None:
    frame.to_file(path, engine="pyogrio", encoding="UTF-8", DBF_DATE_LAST_UPDATE=DBF_DAY)
