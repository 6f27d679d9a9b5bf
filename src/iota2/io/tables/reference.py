"""Reading, validation and cleaning of the user's labelled polygons and regions."""

from __future__ import annotations

import logging
import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from iota2.compute.polygons import Pairs, Separated, duplicates, is_polygonal, overlaps, repaired, separated
from iota2.core.labels import misread, normalised
from iota2.core.losses import REASONS
from iota2.core.tables import ORIGIN, REGION
from iota2.core.words import counted, did_you_mean
from iota2.errors import InputError, MissingField
from iota2.io.files.crs import sliver_area, to_crs
from iota2.io.tables.label_columns import MAX_SHOWN, is_missing, kind_of, read_labels, some_values
from iota2.io.tables.point_areas import PointRule, is_point, with_areas
from iota2.io.tables.shapefiles import misread_hint
from iota2.io.tables.value_columns import read_values
from iota2.io.tables.vector_crs import require_no_degrees
from iota2.io.tables.vector_source import vector_source
from iota2.io.tables.vectors import MAX_FIELD_NAME_BYTES, read_vector

LABEL = "label"
REGION_OVERLAP = 1e-6
"""Maximum overlap of two regions, as a share of the smaller one: digitised borders rarely match exactly."""
MAX_COORDINATE = 1e10
"""Largest valid coordinate in map units; larger ones are outside any projection of the Earth."""
_SAFE_NAME = re.compile(r"[^\W_][\w .,+=()'@~-]*(?<![ .])")
"""Region names: a letter or digit, then characters that are valid in file names on every system."""
_MAX_REGION_NAME_LENGTH = 60

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Loss:
    """Loss of one class for one reason (``core.losses.REASONS``) before pixels are read."""

    label: int | str | float
    reason: str
    polygons: int
    """Number of polygons that are lost completely."""
    area: float
    """Lost area in square units of the projection."""


@dataclass(frozen=True)
class ReferenceData:
    """Labelled polygons in the CRS of the run, which are valid and do not overlap."""

    frame: gpd.GeoDataFrame
    """Columns ``originfid`` (row of the file, from 0, ascending), ``label`` (int64 or str, or float64 for values of a
    quantity), ``geometry``."""
    kind: Literal["integer", "text", "number"]
    notes: tuple[str, ...]
    """Notes on changed and omitted polygons."""
    lost: tuple[Loss, ...] = ()
    """Losses by class and reason; rows without label are not included."""
    warnings: tuple[str, ...] = ()
    """Warnings about classes without any remaining polygon."""


# ----------------------------------------------------------------------------------- reference data


def read_reference(
    path: str | Path, field: str, crs: str, points: PointRule | None = None, *, quantity: bool = False
) -> ReferenceData:
    """The labelled polygons of a vector file, reprojected to ``crs``; ``path`` may select a layer.

    Polygons are left out, with a note, if they have no label, no geometry or no finite coordinates in ``crs``, or if an
    earlier polygon has the same label and geometry. Self-intersecting polygons are repaired, with a note. An area
    shared by polygons of one label stays with the first; an area shared by two labels is removed from both.

    A multipolygon is one unit. Z coordinates are dropped. With ``points``, points are replaced by polygons. Labels are
    those of ``label_columns.read_labels``, or of ``value_columns.read_values`` for a ``quantity``. Raises
    InputError, with all problems, for a missing field, invalid labels, geometries that are not polygons, and when no
    polygon is left.
    """
    source = vector_source(path).file.name
    table = read_vector(path)
    require_no_degrees(table, vector_source(path).file)
    column, notes = matching_field(table, field, path)
    if quantity:
        found = read_values(table[column], column)
    else:
        found = read_labels(table[column], column, vector_source(path).file)
    geometry = table.geometry.force_2d()
    problems = [*found.problems, *not_polygons(geometry, points, suggest_points=True)]
    if problems:
        raise InputError("\n".join([f"{path}: cannot be used as reference data", *problems]))
    frame = gpd.GeoDataFrame({ORIGIN: np.arange(len(table)), LABEL: found.labels}, geometry=geometry)
    notes += [*found.notes, *_point_notes(geometry, points)]
    drawn = Counter(label for label in found.labels if label is not None)
    what = "value" if quantity else "label"
    frame, left_out, void = _with_label_and_geometry(frame, what)
    frame, moved, unplaced = _reprojected(frame, crs, path)
    if points is not None:
        frame = frame.set_geometry(with_areas(frame.geometry, points))
    frame, fixed, shared = _cleaned(frame, what)
    notes += [*left_out, *moved, *fixed]
    lost = (*void, *unplaced, *shared)
    warnings = [] if quantity else _lost_classes(drawn, set(frame[LABEL]), lost)
    if frame.empty:
        raise InputError(
            "\n".join([f"{path}: no polygon is left to use", *notes, *warnings])
            if len(table)
            else f"{path}: contains no polygon"
        )
    return ReferenceData(
        frame.astype({LABEL: {"integer": "int64", "text": "str", "number": "float64"}[found.kind]}),
        found.kind,
        tuple(f"{source}: {note}" for note in notes),
        lost,
        tuple(f"{source}: {warning}" for warning in warnings),
    )


def _point_notes(geometry: gpd.GeoSeries, points: PointRule | None) -> list[str]:
    count = int(is_point(geometry.to_numpy()).sum())
    if points is None or not count:
        return []
    what = "the pixel that contains it" if points.area == "pixel" else "a square of one pixel around it"
    return [f"{counted(count, 'point')}: each is replaced by {what} (chain.points: {points.area})"]


def _lost_classes(
    drawn: Mapping[int | str | float, int], left: Collection[int | str | float], lost: Iterable[Loss]
) -> list[str]:
    """A warning for each label without any remaining polygon."""
    reasons: dict[int | str | float, list[str]] = {}
    for one in lost:
        if one.polygons:
            reasons.setdefault(one.label, []).append(f"{one.polygons} {REASONS[one.reason]}")
    return [
        f"class {label!r} is lost: none of its {counted(count, 'polygon')} is left ({'; '.join(why)})"
        for label, count in drawn.items()
        if label not in left and (why := reasons.get(label, ["see the notes"]))
    ]


def matching_field(table: pd.DataFrame, field: str, path: str | Path) -> tuple[str, list[str]]:
    """Name of the column that matches ``field``, and a note when its spelling differs."""
    return matching_name(field, [str(name) for name in table.columns if name != table.geometry.name], path)


def matching_name(field: str, columns: Sequence[str], path: str | Path) -> tuple[str, list[str]]:
    """The one of ``columns`` that matches ``field``, and a note when its spelling differs; MissingField without one."""
    if field in columns:
        return field, []
    for wanted in (field, field[:MAX_FIELD_NAME_BYTES]):
        found = [name for name in columns if normalised(name).lower() == normalised(wanted).lower()]
        if len(found) == 1:
            return found[0], [f"field {found[0]!r} is used for {field!r}"]
    near = did_you_mean(field, columns)
    raise MissingField(f"{path}: no field {field!r}; the fields are {', '.join(columns) or 'none'}{near}")


def not_polygons(
    geometry: gpd.GeoSeries, points: PointRule | None = None, *, suggest_points: bool = False
) -> list[str]:
    """A problem for each geometry type other than polygons, and the remedies.

    Null and empty geometries are accepted; points are accepted when a rule replaces them.
    """
    usable = is_polygonal(geometry.to_numpy()) | without_geometry(geometry)
    if points is not None:
        usable |= is_point(geometry.to_numpy())
    kinds = geometry.geom_type.where(~usable)
    found = sorted((str(kind), n) for kind, n in kinds.value_counts().items())
    problems = [
        f"{counted(n, 'feature')} {_be(n)} of type {kind}, expected polygons (row {rows_text(kinds == kind)})"
        for kind, n in found
    ]
    remedies = dict.fromkeys(_remedy(kind, suggest_points=suggest_points) for kind, _ in found)
    return [*problems, *remedies]


def _remedy(kind: str, *, suggest_points: bool) -> str:
    """The remedy for features of a type other than polygons."""
    if "Point" in kind and suggest_points:
        return (
            "Points have no area: set chain.points to 'pixel' to use the pixel that contains the point, or to 'buffer' "
            "for a square of one pixel around it"
        )
    if "LineString" in kind:
        return "Lines have no area: remove them, or give them a width (in QGIS: Vector, Geoprocessing Tools, Buffer)"
    return f"Remove the features of type {kind}, or replace them by polygons"


def without_geometry(geometry: gpd.GeoSeries) -> np.ndarray:
    """(feature,) bool: whether the geometry is null or empty."""
    return (geometry.isna() | geometry.is_empty).to_numpy()


def _with_label_and_geometry(frame: gpd.GeoDataFrame, what: str) -> tuple[gpd.GeoDataFrame, list[str], list[Loss]]:
    """The frame without rows that lack geometry or label, which is called ``what``; with notes and losses."""
    unlabelled, void = frame[LABEL].isna().to_numpy(), without_geometry(frame.geometry)
    notes = _left_out(frame, unlabelled, f"without {what}") + _left_out(frame, void, "without geometry")
    return frame[~(unlabelled | void)], notes, _losses(frame, void & ~unlabelled, "no_geometry")


def _reprojected(frame: gpd.GeoDataFrame, crs: str, path: str | Path) -> tuple[gpd.GeoDataFrame, list[str], list[Loss]]:
    try:
        moved = to_crs(frame, crs)
    except InputError as err:
        raise InputError(f"{path}: {err}") from err
    lost = ~placed(moved.geometry.to_numpy())
    notes = _left_out(frame, lost, f"without valid coordinates in {crs}")
    return moved[~lost], notes, _losses(frame, lost, "no_geometry") if LABEL in frame else []


def placed(geometries: np.ndarray) -> np.ndarray:
    """Whether each geometry has coordinates, and all of them are finite and valid."""
    coordinates, owner = shapely.get_coordinates(geometries, return_index=True)
    wrong = ~(np.abs(coordinates) <= MAX_COORDINATE).all(axis=1)
    count = len(geometries)
    known: np.ndarray = (np.bincount(owner[wrong], minlength=count) == 0) & (np.bincount(owner, minlength=count) > 0)
    return known


def _losses(
    frame: gpd.GeoDataFrame, where: np.ndarray, reason: str, area: np.ndarray | None = None, whole: bool = True
) -> list[Loss]:
    """The losses of the rows ``where`` for one reason, by label.

    ``whole``: whether the polygons are lost completely. ``area``: lost area of each row of the frame.
    """
    labels = frame[LABEL].to_numpy()
    return [
        Loss(
            label,
            reason,
            int((labels[where] == label).sum()) if whole else 0,
            float(area[where & (labels == label)].sum()) if area is not None else 0.0,
        )
        for label in dict.fromkeys(labels[where])
    ]


def _cleaned(frame: gpd.GeoDataFrame, what: str) -> tuple[gpd.GeoDataFrame, list[str], list[Loss]]:
    """The frame with valid polygons, without duplicates and overlaps; notes, in which a label is ``what``; losses."""
    polygons, invalid = repaired(frame.geometry.to_numpy())
    notes = []
    if invalid.any():
        notes.append(f"{counted(invalid.sum(), 'invalid polygon')} repaired ({_where(frame, invalid)})")
    again = duplicates(polygons, frame[LABEL].tolist())
    notes += _left_out(frame, again, "identical to an earlier one")
    lost = _losses(frame, again, "duplicate", shapely.area(polygons))
    frame, polygons = frame[~again], polygons[~again]
    parted = separated(polygons, frame[LABEL].tolist(), smallest=sliver_area(frame.crs))
    notes += _overlap_notes(frame, parted.same, f"one {what}: the area stays with the first")
    notes += _overlap_notes(frame, parted.different, f"different {what}s: the area is removed from both")
    lost += _overlap_losses(frame, polygons, parted)
    frame = frame.set_geometry(gpd.GeoSeries(parted.polygons, index=frame.index, crs=frame.crs))
    nothing = frame.geometry.is_empty.to_numpy()
    notes += _left_out(frame, nothing, "without any remaining area")
    return frame[~nothing].reset_index(drop=True), notes, lost


def _overlap_losses(frame: gpd.GeoDataFrame, polygons: np.ndarray, parted: Separated) -> list[Loss]:
    """The losses by overlaps, by label and reason; a polygon that is lost completely counts for the larger reason."""
    gone = shapely.area(polygons) - shapely.area(parted.polygons)
    shared = np.zeros(len(polygons))
    one, other, area = parted.different
    np.add.at(shared, one, area)
    np.add.at(shared, other, area)
    by_others = np.minimum(gone, shared)
    whole = shapely.is_empty(parted.polygons) & ~shapely.is_empty(polygons)
    for_others = by_others >= gone - by_others
    collapsed = shapely.is_empty(polygons)
    lost = _losses(frame, collapsed, "no_geometry")
    for reason, taken, mine in (
        ("same_label", gone - by_others, whole & ~for_others),
        ("two_labels", by_others, whole & for_others),
    ):
        lost += _losses(frame, mine, reason)
        lost += _losses(frame, taken > sliver_area(frame.crs), reason, taken, whole=False)
    return lost


def _overlap_notes(frame: gpd.GeoDataFrame, pairs: Pairs, what: str) -> list[str]:
    one, other, area = pairs
    if not len(area):
        return []
    rows = frame[ORIGIN].to_numpy()
    shown = ", ".join(f"{rows[i]} and {rows[j]}" for i, j in zip(one[:MAX_SHOWN], other[:MAX_SHOWN], strict=True))
    return [f"{counted(len(area), 'overlap')} ({area.sum():.6g} square units) of polygons of {what} (rows {shown})"]


def _left_out(frame: gpd.GeoDataFrame, where: np.ndarray, why: str) -> list[str]:
    if not where.any():
        return []
    return [f"{counted(where.sum(), 'polygon')} {why} left out ({_where(frame, where)})"]


@dataclass(frozen=True)
class FieldValues:
    """One field of the reference data."""

    values: tuple[Hashable | None, ...]
    """Value of each row of the file; text is normalised by ``core.labels.normalised``, missing values are None."""
    notes: tuple[str, ...]


def read_field(path: str | Path, field: str) -> FieldValues:
    """The values of one field of a vector file.

    Text is normalised like labels, so that different spellings of a value are equal. Raises InputError for a missing
    field, and for a field with lists.
    """
    table = read_vector(path)
    column, notes = matching_field(table, field, path)
    values = [None if is_missing(value) else value for value in table[column]]
    wrong = next((value for value in values if not isinstance(value, Hashable)), None)
    if wrong is not None:
        raise InputError(
            f"{path}: field {column!r} contains neither numbers nor text but {kind_of(wrong)}. Use a field with "
            "numbers or text"
        )
    values = [normalised(value) or None if isinstance(value, str) else value for value in values]
    return FieldValues(tuple(values), tuple(f"{vector_source(path).file.name}: {note}" for note in notes))


def fields_with_labels(path: str | Path, known: Collection[int | str]) -> list[str]:
    """The fields of a vector file whose values are labels, all of them ``known``."""
    table, file = read_vector(path), vector_source(path).file
    columns = [str(name) for name in table.columns if name != table.geometry.name]
    found = {column: read_labels(table[column], column, file) for column in columns}
    labels = {column: set(one.labels.dropna()) for column, one in found.items() if not one.problems}
    return [column for column, values in labels.items() if values and values <= {*known}]


# ------------------------------------------------------------------------------------------ regions


def read_regions(path: str | Path, field: str, crs: str) -> gpd.GeoDataFrame:
    """One row for each region, sorted by name: ``region`` (str) and ``geometry`` (without overlaps, in ``crs``).

    Overlaps up to ``REGION_OVERLAP``, and those caused by reprojection, are assigned to the first region by name.
    Repaired polygons are logged. Raises InputError, with all problems, for a missing field, features without name or
    geometry, names that cannot be part of a file name, geometries that are not polygons, and larger overlaps.
    """
    table = read_vector(path)
    require_no_degrees(table, vector_source(path).file)
    column, notes = matching_field(table, field, path)
    names = feature_names(table[column])
    geometry = table.geometry.force_2d()
    problems = [
        *_missing(names.isna().to_numpy(), f"have no value in field {column!r}"),
        *_missing(without_geometry(geometry), "have no geometry"),
        *unsafe_names(names.dropna().unique(), "region name"),
        *_misread_names(names.dropna().unique(), vector_source(path).file),
        *not_polygons(geometry),
    ]
    if not problems and not table.empty:
        polygons, invalid = repaired(geometry.to_numpy())
        if invalid.any():
            notes.append(f"{counted(invalid.sum(), 'invalid polygon')} repaired (row {rows_text(invalid)})")
        regions = gpd.GeoDataFrame({REGION: names.to_numpy()}, geometry=polygons, crs=table.crs)
        regions = regions.dissolve(by=REGION, as_index=False)
        problems = _region_overlaps(regions)
    if problems or table.empty:
        raise InputError("\n".join([f"{path}: cannot be used as regions", *(problems or ["no polygon"])]))
    for note in notes:
        log.warning("%s: %s", Path(path).name, note)
    return _moved_regions(regions, crs, path)


def feature_names(values: pd.Series) -> pd.Series:
    """Names of features as text; whole numbers are written without decimals, missing names are None."""
    if pd.api.types.is_float_dtype(values):
        values = values.astype(object).map(lambda v: v if pd.isna(v) or v % 1 else int(v))
    names = [
        None if is_missing(value) or not str(value).strip() else unicodedata.normalize("NFC", str(value))
        for value in values
    ]
    return pd.Series(names, dtype=object)


def _missing(where: np.ndarray, what: str) -> list[str]:
    return [f"{counted(where.sum(), 'feature')} {what} (row {rows_text(where)})"] if where.any() else []


def unsafe_names(names: Iterable[str], what: str) -> list[str]:
    """Problems of names that cannot be part of a file name in the output folder, or that differ only in case."""
    names = list(names)
    alike: dict[str, list[str]] = {}
    for name in names:
        alike.setdefault(name.casefold(), []).append(name)
    return [
        *(
            f"{what}s {', '.join(map(repr, same))} differ only in upper and lower case: on some systems, their files "
            "would be the same. Rename them"
            for same in alike.values()
            if len(same) > 1
        ),
        *_unsafe(names, what),
    ]


def _unsafe(names: Iterable[str], what: str) -> list[str]:
    return [
        f"{what} {name!r} cannot be part of a file name. Use at most {_MAX_REGION_NAME_LENGTH} characters: first "
        "a letter or digit, then letters, digits, spaces and _ . , + = ( ) ' @ ~ -"
        for name in names
        if not _SAFE_NAME.fullmatch(name) or len(name) > _MAX_REGION_NAME_LENGTH
    ]


def _misread_names(names: Iterable[str], path: Path) -> list[str]:
    """A problem for the first name that was decoded with a wrong encoding."""
    wrong = next(((name, was) for name in names if (was := misread(name)) is not None), None)
    return [f"region name {misread_hint(path, *wrong)}"] if wrong else []


def _region_overlaps(regions: gpd.GeoDataFrame) -> list[str]:
    polygons = regions.geometry.to_numpy()
    area = shapely.area(polygons)
    return [
        f"regions {regions[REGION][i]!r} and {regions[REGION][j]!r} overlap ({shared:.6g} square units)"
        for i, j, shared in zip(*overlaps(polygons, smallest=sliver_area(regions.crs)), strict=True)
        if shared > REGION_OVERLAP * min(area[i], area[j])
    ]


def _moved_regions(regions: gpd.GeoDataFrame, crs: str, path: str | Path) -> gpd.GeoDataFrame:
    moved, lost, _ = _reprojected(regions.assign(**{ORIGIN: regions.index}), crs, path)
    if lost:
        raise InputError(f"{path}: a region has no valid coordinates in {crs}: {'; '.join(lost)}")
    polygons, _ = repaired(moved.geometry.to_numpy())
    # reprojection moves a common border differently if the regions on its two sides have different vertices
    own = separated(polygons, [REGION] * len(polygons), smallest=sliver_area(moved.crs)).polygons
    return gpd.GeoDataFrame({REGION: moved[REGION].astype("str")}, geometry=own, crs=moved.crs)


# ------------------------------------------------------------------------------------------ wording


def _be(n: int) -> str:
    return "is" if n == 1 else "are"


def rows_text(where: Any) -> str:
    """The first row numbers (from 0) where ``where`` is true."""
    return some_values(np.flatnonzero(where))


def _where(frame: gpd.GeoDataFrame, where: np.ndarray) -> str:
    """The first row numbers in the file (from 0) of the rows ``where`` of a frame."""
    return f"row {some_values(frame[ORIGIN].to_numpy()[where])}"
