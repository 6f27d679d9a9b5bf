"""Vector files of the synthetic world: labelled polygons inside fields, and the two regions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import geopandas as gpd
import numpy as np
import shapely

from iota2.core.random import generator
from iota2.testing.landscape import FieldShape, Landscape

EROSION_METRES = 12.0
"""Erosion of fields in metres, so that polygons contain no pixel of another field."""
MIN_POLYGON_AREA = 1500.0
"""Minimum area of a polygon in square metres."""
MAX_POLYGONS_PER_REGION = 40
"""Maximum number of polygons of one class in one region."""
MAX_BORDER_POLYGONS = 2
"""Maximum number of polygons of one class across the border of the regions."""
MAX_HAMLETS = 500
"""Maximum number of hamlets with reference data."""
CRS = "EPSG:2154"
# Replaces the current day, which GDAL writes to .dbf headers, so that the same world gives the same bytes.
DBF_DAY = "2018-12-31"


def reference_polygons(landscape: Landscape, footprint: shapely.Polygon, *, seed: int) -> gpd.GeoDataFrame:
    """Polygons inside fields and ``footprint`` with ``code`` and ``name``, in EPSG:2154.

    Each class has up to ``MAX_POLYGONS_PER_REGION`` polygons in each region and a few across their border. Polygons do
    not overlap, because each is in a different field.
    """
    rng = generator(seed, "reference")
    hamlets = rng.permutation(landscape.hamlets_within(footprint.bounds))[:MAX_HAMLETS]
    fields = _drawn_fields(landscape, hamlets, footprint)
    chosen = _choose([fields[k] for k in rng.permutation(len(fields))], landscape)
    names = {land_class.code: land_class.name for land_class in landscape.classes}
    codes = [shape.code for shape in chosen]
    return gpd.GeoDataFrame(
        {"code": np.array(codes, np.int32), "name": [names[code] for code in codes]},
        geometry=[shape.polygon for shape in chosen],
        crs=CRS,
    )


def _drawn_fields(landscape: Landscape, hamlets: np.ndarray, footprint: shapely.Polygon) -> list[FieldShape]:
    """Eroded fields inside the footprint, as in manual digitising, without the smallest ones."""
    fields = list(landscape.fields_of(hamlets))
    # Vertices are rounded to centimetres, as in manual digitising.
    drawn = shapely.set_precision(
        shapely.buffer([f.polygon for f in fields], -EROSION_METRES, join_style="mitre"), 0.01
    )
    shapely.prepare(footprint)
    wanted = (shapely.area(drawn) > MIN_POLYGON_AREA) & shapely.covers(footprint, drawn)
    return [FieldShape(fields[k].field, fields[k].code, drawn[k]) for k in np.flatnonzero(wanted)]


def _choose(fields: list[FieldShape], landscape: Landscape) -> list[FieldShape]:
    """The first few fields of each class in each region (1, 2) and across their border (0)."""
    region = _region_of([shape.polygon for shape in fields], landscape)
    groups: dict[tuple[int, int], list[FieldShape]] = defaultdict(list)
    for shape, where in zip(fields, region.tolist(), strict=True):
        group = groups[shape.code, where]
        if len(group) < (MAX_POLYGONS_PER_REGION if where else MAX_BORDER_POLYGONS):
            group.append(shape)
    return [shape for key in sorted(groups) for shape in groups[key]]


def _region_of(polygons: Sequence[shapely.Polygon], landscape: Landscape) -> np.ndarray:
    """Region (1, 2) that contains each polygon, 0 for polygons across the border."""
    west, east = landscape.region_polygons()
    return np.select([shapely.covers(west, polygons), shapely.covers(east, polygons)], [1, 2], 0)


def min_polygons(polygons: gpd.GeoDataFrame, landscape: Landscape) -> int:
    """Minimum over regions and classes of the number of polygons."""
    region = _region_of(polygons.geometry.to_numpy(), landscape)
    codes = polygons["code"].to_numpy()
    return min(int(((codes == code) & (region == r)).sum()) for code in landscape.codes for r in (1, 2))


def write_regions(landscape: Landscape, path: Path) -> None:
    """Write the two regions with their names, ``1`` and ``2``, in the field ``region``."""
    write_polygons(gpd.GeoDataFrame({"region": ["1", "2"]}, geometry=list(landscape.region_polygons()), crs=CRS), path)


def write_polygons(frame: gpd.GeoDataFrame, path: Path) -> None:
    """Write polygons as a shapefile in UTF-8."""
    frame.to_file(path, engine="pyogrio", encoding="UTF-8", DBF_DATE_LAST_UPDATE=DBF_DAY)
