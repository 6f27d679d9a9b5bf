"""Checks of the CRS of vector files against their coordinates."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import shapely
from pyproj import CRS, Transformer
from pyproj.exceptions import CRSError, ProjError

from iota2.errors import InputError
from iota2.io.tables.shapefiles import member

_MAX_LONGITUDE, _MAX_LATITUDE = 360.0, 90.0
_ROUNDING_DEGREES = 1e-6
_MAX_DIFFERENCE_METRES = 1.0
"""Maximum distance between the positions of one point in two definitions of the same CRS."""
_ASSIGN = (
    "Assign the coordinate reference system of its coordinates to the file (in QGIS: Layer, Set Layer CRS, then "
    "export; on the command line: ogr2ogr -a_srs EPSG:<code>)"
)


def require_fitting_crs(frame: gpd.GeoDataFrame, path: Path) -> None:
    """Raise InputError when the CRS of a file is missing, is a local one, or is contradicted by its coordinates.

    A shapefile with two different CRS (``.prj`` and ``.qpj``) is also an error. Coordinates contradict a CRS in degrees
    when most features are outside the range of degrees.
    """
    if frame.crs is None:
        raise InputError(f"{path}: the coordinate reference system is not set. {_ASSIGN}{_crs_file_hint(path)}")
    crs = CRS.from_user_input(frame.crs)
    if not (crs.is_projected or crs.is_geographic):
        raise InputError(
            f"{path}: its coordinate reference system {crs.name!r} ({crs.type_name}) is not georeferenced. {_ASSIGN}"
        )
    bounds = _bounds(frame)
    if not len(bounds):
        return
    _require_one_of_two(crs, _centre(bounds), path)
    beyond = _beyond_degrees(bounds)
    if crs.is_geographic and 2 * beyond.sum() > len(bounds):
        raise InputError(f"{path}: {_coordinate_ranges(bounds)} are not degrees, {_degrees_source(path, crs)}")


def require_no_degrees(frame: gpd.GeoDataFrame, path: Path) -> None:
    """Raise InputError when the CRS of a file is projected but its coordinates are degrees.

    This is assumed when all coordinates are within the range of degrees, and outside the area of use of the CRS when
    interpreted in its units.
    """
    crs, bounds = CRS.from_user_input(frame.crs), _bounds(frame)
    if (
        not (crs.is_projected and len(bounds))
        or _beyond_degrees(bounds).any()
        or not _outside_area(crs, _centre(bounds))
    ):
        return
    raise InputError(
        f"{path}: {_coordinate_ranges(bounds)} look like degrees, but the file states {crs.name!r}, in "
        f"{crs.axis_info[0].unit_name}s. Assign the coordinate reference system of the coordinates (often EPSG:4326) "
        "to the file and export it again"
    )


def _bounds(frame: gpd.GeoDataFrame) -> np.ndarray:
    """(feature, 4) west, south, east, north of the features with coordinates."""
    bounds = shapely.bounds(frame.geometry.to_numpy())
    found: np.ndarray = bounds[np.isfinite(bounds).all(axis=1)]
    return found


def _centre(bounds: np.ndarray) -> tuple[float, float]:
    """The centre of the median bounds, which is robust against distant features."""
    west, south, east, north = np.median(bounds, axis=0)
    return float((west + east) / 2), float((south + north) / 2)


def _beyond_degrees(bounds: np.ndarray) -> np.ndarray:
    """(feature,) bool: the coordinates cannot be degrees."""
    x, y = np.abs(bounds[:, ::2]).max(axis=1), np.abs(bounds[:, 1::2]).max(axis=1)
    found: np.ndarray = (x > _MAX_LONGITUDE + _ROUNDING_DEGREES) | (y > _MAX_LATITUDE + _ROUNDING_DEGREES)
    return found


def _outside_area(crs: CRS, place: tuple[float, float]) -> bool:
    """Whether a point is outside the area of use of a CRS."""
    area = crs.area_of_use
    if area is None:
        return False
    x, y = Transformer.from_crs(crs, "EPSG:4326", always_xy=True).transform(*place)
    return not (area.west <= x <= area.east and area.south <= y <= area.north)


def _coordinate_ranges(bounds: np.ndarray) -> str:
    (west, south), (east, north) = bounds[:, :2].min(axis=0), bounds[:, 2:].max(axis=0)
    return f"coordinates from x {west:.10g} to {east:.10g}, y {south:.10g} to {north:.10g}"


def _degrees_source(path: Path, crs: CRS) -> str:
    """The part of a message with the source of a CRS in degrees, and the remedy."""
    if path.suffix.lower() in (".geojson", ".json"):
        return (
            f"the unit of GeoJSON ({crs.name}) unless a member 'crs' states another one. Export it again in EPSG:4326, "
            "or as a GeoPackage in its own projection"
        )
    return f"as the file states ({crs.name}). {_ASSIGN}"


def _crs_file_hint(path: Path) -> str:
    """The part of a message about files with the CRS of a shapefile; empty for other formats."""
    if path.suffix.lower() != ".shp":
        return ""
    there, other = member(path, ".prj"), member(path, ".qpj")
    if there is not None:
        return f", or replace {there.name}: it does not contain a coordinate reference system"
    if other is not None and (crs := _read(other)) is not None:
        return (
            f", or, if {other.name} (of older QGIS, it states {crs.name!r}) is correct, copy it to {path.stem}.prj, "
            "which is missing"
        )
    return f", or restore {path.stem}.prj, which is missing"


def _read(path: Path) -> CRS | None:
    try:
        return CRS.from_user_input(path.read_text(encoding="utf-8", errors="replace").strip())
    except CRSError:
        return None


def _require_one_of_two(crs: CRS, place: tuple[float, float], path: Path) -> None:
    """Raise InputError when a shapefile has a .prj and a .qpj of older QGIS with different CRS.

    QGIS reads the .qpj, all other programs read the .prj.
    """
    other = member(path, ".qpj") if path.suffix.lower() == ".shp" else None
    second = _read(other) if other is not None else None
    if other is None or second is None or _same_place(crs, second, place):
        return
    raise InputError(
        f"{path}: {path.stem}.prj states {crs.name!r}, but {other.name} {second.name!r}: QGIS and other programs show "
        "its polygons at different positions. Delete the wrong one of the two files"
    )


def _same_place(one: CRS, other: CRS, place: tuple[float, float]) -> bool:
    """Whether coordinates are the same point in both CRS."""
    if one.equals(other, ignore_axis_order=True):
        return True
    try:
        first, second = (
            np.array(Transformer.from_crs(crs, "EPSG:4978", always_xy=True).transform(*place, 0.0))
            for crs in (one, other)
        )
    except ProjError:
        return False
    return bool(np.linalg.norm(first - second) <= _MAX_DIFFERENCE_METRES)
