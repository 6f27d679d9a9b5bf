"""Polygons with whole-number ids, as they are read in batches: their header, their checks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely
from odc.geo.geobox import GeoBox
from pyproj import CRS, Transformer
from pyproj.exceptions import ProjError
from shapely.errors import ShapelyError

from iota2.compute.polygons import is_polygonal
from iota2.core.grid import crs_name
from iota2.errors import InputError
from iota2.io.tables.label_columns import some_values
from iota2.io.tables.polygon_ids import require_one_spelling, whole_ids

Bounds = tuple[float, float, float, float]
"""x0, y0, x1, y1."""
SCAN_SIZE = 16384
"""Number of features that are scanned at a time for their ids or numbers."""
SAMPLE_SIZE = 100
"""Number of features whose coordinates are compared with the CRS."""
_EMPTY_BYTES = 9
"""Size of the WKB of a polygon without rings and of a multipolygon without parts: byte order, type, count."""
_MARGIN = 0.01
"""Enlargement of the bounds of a tile in another CRS, as a part of its size: its borders are curved there."""


@dataclass(frozen=True)
class SegmentsHeader:
    """What is known of a file of segments, polygons or a raster, before they are read."""

    file: Path
    crs: CRS
    bounds: Bounds | None
    """Bounds of all segments; None if the file does not state them."""
    id_column: str | None
    """Column with the ids; None for the number of the row in the file, from 1."""
    notes: tuple[str, ...] = ()

    def meets(self, geobox: GeoBox) -> bool:
        """Whether segments may lie on a grid; True if this is unknown."""
        around = bounds_in(geobox, self.crs)
        if self.bounds is None or around is None:
            return True
        return intersecting(np.array([self.bounds]), around)[0]


@dataclass(frozen=True)
class PolygonBatch:
    """Some polygons of a file, without those that have no geometry."""

    rows: np.ndarray
    """(polygon,) int64 number of the row in the file, from 1."""
    ids: np.ndarray
    """(polygon,) int64."""
    polygons: np.ndarray
    """(polygon,) geometries: polygons and multipolygons, valid or not."""

    def intersecting(self, around: Bounds) -> PolygonBatch:
        """Those of the polygons whose bounds intersect ``around``."""
        here = intersecting(shapely.bounds(self.polygons), around)
        return PolygonBatch(self.rows[here], self.ids[here], self.polygons[here])


class PolygonLayer(Protocol):
    """A layer of polygons, opened for reading."""

    @property
    def header(self) -> SegmentsHeader:
        """Its header."""

    def without_geometry(self) -> int:
        """Number of features with a null or empty geometry in the file."""

    def ids(self, *, geometry: bool) -> Iterator[tuple[pa.Array, np.ndarray]]:
        """Values of the id column of all features, in the order of the file, and which have a geometry (feature,) bool.

        Without ``geometry``, geometries are not read, and the latter are all True. Only for a layer with an id column.
        """

    def batches(self, around: Bounds | None, size: int) -> Iterator[PolygonBatch]:
        """All polygons whose bounds intersect ``around``, and possibly others, ``size`` at a time, in any order.

        Raises InputError for other geometries, and for ids that are not whole numbers from 0. Text may be numbers.
        """


def bounds_in(geobox: GeoBox, crs: CRS) -> Bounds | None:
    """Bounds of a grid in a CRS, with a margin in another one; None if they cannot be computed."""
    box = geobox.boundingbox
    own = CRS.from_user_input(crs_name(geobox))
    if own == crs:
        return box.left, box.bottom, box.right, box.top
    try:
        x0, y0, x1, y1 = Transformer.from_crs(own, crs, always_xy=True).transform_bounds(*box.bbox)
    except ProjError:
        return None
    across, down = _MARGIN * (x1 - x0), _MARGIN * (y1 - y0)
    if not (np.isfinite([x0, y0, x1, y1]).all() and across > 0):  # x1 < x0: the grid crosses the antimeridian
        return None
    return x0 - across, y0 - down, x1 + across, y1 + down


def intersecting(bounds: np.ndarray, around: Bounds) -> np.ndarray:
    """(polygon,) bool: whether ``bounds`` (polygon, 4) intersect ``around``; False for NaN."""
    x0, y0, x1, y1 = bounds.T
    found: np.ndarray = (x0 <= around[2]) & (x1 >= around[0]) & (y0 <= around[3]) & (y1 >= around[1])
    return found


def require_ids(layer: PolygonLayer) -> None:
    """Raise InputError for unsuitable ids of polygons, and for texts that differ only by leading zeros.

    Geometries are read only if there is a problem with some ids: those of features without geometry do not matter.
    """
    if layer.header.id_column is None:
        return
    try:
        _require_ids(layer.header.file, layer.header.id_column, layer.ids(geometry=False))
    except InputError:
        _require_ids(layer.header.file, layer.header.id_column, layer.ids(geometry=True))


def _require_ids(file: Path, column: str, found: Iterable[tuple[pa.Array, np.ndarray]]) -> None:
    """Raise InputError for ids that are unsuitable; ``found``: values of all features, and whether they are used."""
    first, texts, ids = 1, [], [np.zeros(0, np.int64)]
    for values, used in found:
        texts.append(values.filter(pa.array(used)))
        ids.append(whole_ids(texts[-1], first + np.flatnonzero(used), column, file))
        first += len(values)
    require_one_spelling(texts, np.concatenate(ids), column, file)


def require_polygons(kinds: Sequence[str], file: Path) -> None:
    """Raise InputError for ``kinds`` of geometries that cannot be polygons; Z and M coordinates are ignored."""
    plain = [kind.removeprefix("2.5D ").removeprefix("3D ").removeprefix("Measured ").split(" ")[0] for kind in kinds]
    other = [kind for kind in plain if kind not in ("Polygon", "MultiPolygon", "Unknown", "GeometryCollection")]
    if other:
        raise _not_polygons(file, other[0])


def _not_polygons(file: Path, kind: str, where: str = "") -> InputError:
    return InputError(
        f"{file}: contains geometries of type {kind}{where}; the segments must be polygons. Remove them, or choose "
        "another layer"
    )


def batch(header: SegmentsHeader, rows: np.ndarray, geometry: pa.Array, ids: pa.Array | None) -> PolygonBatch:
    """The polygons of some rows: WKB ``geometry``, and the values of the id column if there is one."""
    there = ~lacks_geometry(geometry)
    rows, geometry = rows[there], geometry.filter(pa.array(there))
    with geometry_errors(header.file):
        polygons = np.asarray(shapely.from_wkb(geometry.to_numpy(zero_copy_only=False)), dtype=object)
    other = ~is_polygonal(polygons) & ~shapely.is_empty(polygons)
    if other.any():
        raise _not_polygons(header.file, polygons[other][0].geom_type, f" (row {some_values(rows[other].tolist())})")
    if ids is None:
        return PolygonBatch(rows, rows, polygons)
    assert header.id_column is not None, "the values are those of a column"
    values = whole_ids(ids.filter(pa.array(there)), rows, header.id_column, header.file)
    return PolygonBatch(rows, values, polygons)


def lacks_geometry(geometry: pa.Array) -> np.ndarray:
    """(feature,) bool: whether the WKB is null, or that of a polygon without rings or multipolygon without parts."""
    sizes = pc.fill_null(pc.binary_length(geometry), 0).to_numpy(zero_copy_only=False)
    found: np.ndarray = sizes <= _EMPTY_BYTES
    return found


@contextmanager
def geometry_errors(file: Path) -> Iterator[None]:
    """Raise InputError for geometries that shapely cannot read."""
    try:
        yield
    except ShapelyError as err:  # GEOSException is one
        raise InputError(
            f"{file}: has a geometry that cannot be read ({err}). Repair the file (in QGIS: Fix geometries), or "
            "copy it again"
        ) from err
