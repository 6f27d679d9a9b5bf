"""How the user's labelled polygons and regions are read, checked, and made fit for use."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from iota2.compute.polygons import Pairs, duplicates, is_polygonal, overlaps, repaired, separated
from iota2.core.nomenclature import MAX_CODE
from iota2.core.tables import ORIGIN, REGION
from iota2.core.words import counted
from iota2.errors import InputError, MissingField
from iota2.io.burn import to_crs
from iota2.io.crs import sliver
from iota2.io.vectors import FIELD_BYTES, read_vector

LABEL = "label"
SHOWN = 5
"""How many rows or values a message shows."""
REGION_OVERLAP = 1e-6
"""Share of the smaller region that two regions may share: digitised edges never fit to the last digit."""
_SAFE_NAME = re.compile(r"[^\W_][\w .,+=()'@~-]*(?<![ .])")
"""Region names: a letter or digit, then what may stand in a file name on every system."""
_LONGEST_REGION = 60

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ReferenceData:
    """Labelled polygons that are valid, share no ground, and are in the CRS of the run."""

    frame: gpd.GeoDataFrame
    """Columns ``originfid`` (row of the file, from 0, ascending), ``label`` (int64 or str), ``geometry``."""
    kind: Literal["integer", "text"]
    notes: tuple[str, ...]
    """What was changed or left out, in sentences for the user."""


# ----------------------------------------------------------------------------------- reference data


def read_reference(path: str | Path, field: str, crs: str) -> ReferenceData:
    """The labelled polygons of a vector file, reprojected to ``crs``.

    Left out, with a note: polygons without label, without geometry, without a place in ``crs``, or the same
    as an earlier one of the same label. Changed, with a note: self-intersecting polygons are repaired; ground
    shared by polygons of one label stays with the first, ground shared by two labels is taken from both. A
    multipolygon stays one unit. Z is dropped. Raises InputError, with all problems at once, for a missing
    field, labels that are not whole numbers from 1 to 65535 or text, geometries that are no polygons, and
    when nothing is left.
    """
    source = Path(path).name
    table = read_vector(path)
    column, notes = _field(table, field, path)
    labels, kind, label_problems = _labels(table[column], column)
    geometry = table.geometry.force_2d()
    problems = [*label_problems, *_not_polygons(geometry)]
    if problems:
        raise InputError("\n".join([f"{path}: cannot be used as reference data", *problems]))
    frame = gpd.GeoDataFrame({ORIGIN: np.arange(len(table)), LABEL: labels}, geometry=geometry)
    frame, left_out = _without_gaps(frame)
    frame, moved = _reprojected(frame, crs)
    frame, fixed = _fit(frame)
    if frame.empty:
        raise InputError(
            "\n".join([f"{path}: no polygon is left to use", *notes, *left_out, *moved, *fixed])
            if len(table)
            else f"{path}: holds no polygon"
        )
    return ReferenceData(
        frame.astype({LABEL: "int64" if kind == "integer" else "str"}),
        kind,
        tuple(f"{source}: {note}" for note in [*notes, *left_out, *moved, *fixed]),
    )


def _field(table: pd.DataFrame, field: str, path: str | Path) -> tuple[str, list[str]]:
    """The column meant by ``field``, and a note when it is not spelled like that."""
    columns = [str(name) for name in table.columns if name != table.geometry.name]
    if field in columns:
        return field, []
    for wanted in (field, field[:FIELD_BYTES]):
        found = [name for name in columns if name.lower() == wanted.lower()]
        if len(found) == 1:
            return found[0], [f"field {found[0]!r} is used for {field!r}"]
    raise MissingField(f"{path}: no field {field!r}; the fields are {', '.join(columns) or 'none'}")


def _labels(values: pd.Series, column: str) -> tuple[pd.Series, Literal["integer", "text"], list[str]]:
    """Labels as objects (int or str, None where there is none), their kind, and the problems."""
    if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
        wrong = values.notna() & ((values % 1 != 0) | (values < 1) | (values > MAX_CODE))
        problems = []
        if wrong.any():
            problems.append(
                f"{counted(wrong.sum(), 'label')} of field {column!r} {_be(wrong.sum())} no whole number "
                f"from 1 to {MAX_CODE}: {_some(values[wrong].unique())} (row {_rows(wrong)}). Correct these rows"
            )
        usable = values.notna() & ~wrong
        labels = pd.Series([int(v) if ok else None for v, ok in zip(values, usable, strict=True)], dtype=object)
        return labels, "integer", problems
    text = [value if isinstance(value, str) and value.strip() else None for value in values]
    foreign = [value for value in values if not (isinstance(value, str) or pd.isna(value))]
    problems = []
    if foreign:
        problems.append(
            f"field {column!r} holds neither whole numbers nor text but {type(foreign[0]).__name__} "
            f"({foreign[0]}). Use a field of whole numbers or of text"
        )
    return pd.Series(text, dtype=object), "text", problems


def _not_polygons(geometry: gpd.GeoSeries) -> list[str]:
    """A problem for each kind of geometry that is no polygon; null and empty geometries are none."""
    kinds = geometry.geom_type.where(~is_polygonal(geometry.to_numpy()) & ~_void(geometry))
    return [
        f"{counted(n, 'feature')} {_be(n)} of type {kind}, expected polygons (row {_rows(kinds == kind)})"
        for kind, n in sorted(kinds.value_counts().items())
    ]


def _void(geometry: gpd.GeoSeries) -> np.ndarray:
    return (geometry.isna() | geometry.is_empty).to_numpy()


def _without_gaps(frame: gpd.GeoDataFrame) -> tuple[gpd.GeoDataFrame, list[str]]:
    """The frame without rows that lack label or geometry."""
    unlabelled, void = frame[LABEL].isna().to_numpy(), _void(frame.geometry)
    notes = _left_out(frame, unlabelled, "without label") + _left_out(frame, void, "without geometry")
    return frame[~(unlabelled | void)], notes


def _reprojected(frame: gpd.GeoDataFrame, crs: str) -> tuple[gpd.GeoDataFrame, list[str]]:
    moved = to_crs(frame, crs)
    lost = ~np.isfinite(shapely.bounds(moved.geometry.to_numpy())).all(axis=1)
    return moved[~lost], _left_out(frame, lost, f"without a place in {crs}")


def _fit(frame: gpd.GeoDataFrame) -> tuple[gpd.GeoDataFrame, list[str]]:
    """The frame with valid, unique, separated polygons."""
    polygons, invalid = repaired(frame.geometry.to_numpy())
    notes = []
    if invalid.any():
        notes.append(f"{counted(invalid.sum(), 'invalid polygon')} repaired ({_where(frame, invalid)})")
    again = duplicates(polygons, frame[LABEL].tolist())
    notes += _left_out(frame, again, "the same as an earlier one")
    frame, polygons = frame[~again], polygons[~again]
    parted = separated(polygons, frame[LABEL].tolist(), smallest=sliver(frame.crs))
    notes += _overlap_notes(frame, parted.same, "one label: the ground stays with the first")
    notes += _overlap_notes(frame, parted.different, "different labels: the ground is taken from both")
    frame = frame.set_geometry(gpd.GeoSeries(parted.polygons, index=frame.index, crs=frame.crs))
    nothing = frame.geometry.is_empty.to_numpy()
    notes += _left_out(frame, nothing, "with no ground of their own")
    return frame[~nothing].reset_index(drop=True), notes


def _overlap_notes(frame: gpd.GeoDataFrame, pairs: Pairs, what: str) -> list[str]:
    one, other, area = pairs
    if not len(area):
        return []
    rows = frame[ORIGIN].to_numpy()
    shown = ", ".join(f"{rows[i]} and {rows[j]}" for i, j in zip(one[:SHOWN], other[:SHOWN], strict=True))
    return [f"{counted(len(area), 'overlap')} ({area.sum():.6g} square units) of polygons of {what} (rows {shown})"]


def _left_out(frame: gpd.GeoDataFrame, where: np.ndarray, why: str) -> list[str]:
    if not where.any():
        return []
    return [f"{counted(where.sum(), 'polygon')} {why} left out ({_where(frame, where)})"]


# ------------------------------------------------------------------------------------------ regions


def read_regions(path: str | Path, field: str, crs: str) -> gpd.GeoDataFrame:
    """One row for each region, by name: ``region`` (str) and ``geometry`` (its own ground, in ``crs``).

    Regions share no ground: of the millionth that they may share in the file, and of what reprojection makes them
    share, all goes to the first by name. Raises InputError, with all problems at once, for a missing field, features
    without name or geometry, names that cannot be part of a file name, geometries that are no polygons, and regions
    that overlap. Repaired polygons are logged.
    """
    table = read_vector(path)
    column, notes = _field(table, field, path)
    names = _region_names(table[column])
    geometry = table.geometry.force_2d()
    problems = [
        *_missing(names.isna().to_numpy(), f"have no value in field {column!r}"),
        *_missing(_void(geometry), "have no geometry"),
        *_unsafe_names(names.dropna().unique()),
        *_not_polygons(geometry),
    ]
    if not problems and not table.empty:
        polygons, invalid = repaired(geometry.to_numpy())
        if invalid.any():
            notes.append(f"{counted(invalid.sum(), 'invalid polygon')} repaired (row {_rows(invalid)})")
        regions = gpd.GeoDataFrame({REGION: names.to_numpy()}, geometry=polygons, crs=table.crs)
        regions = regions.dissolve(by=REGION, as_index=False)
        problems = _region_overlaps(regions)
    if problems or table.empty:
        raise InputError("\n".join([f"{path}: cannot be used as regions", *(problems or ["no polygon"])]))
    for note in notes:
        log.warning("%s: %s", Path(path).name, note)
    return _moved_regions(regions, crs, path)


def _region_names(values: pd.Series) -> pd.Series:
    """Region names as text, None where there is none; whole numbers without decimals."""
    if pd.api.types.is_float_dtype(values):
        values = values.astype(object).map(lambda v: v if pd.isna(v) or v % 1 else int(v))
    names = [None if pd.isna(value) or not str(value).strip() else str(value) for value in values]
    return pd.Series(names, dtype=object)


def _missing(where: np.ndarray, what: str) -> list[str]:
    return [f"{counted(where.sum(), 'feature')} {what} (row {_rows(where)})"] if where.any() else []


def _unsafe_names(names: Iterable[str]) -> list[str]:
    """Names become parts of file names, and must not lead out of the output folder."""
    return [
        f"region name {name!r} cannot be part of a file name: start with a letter or digit, go on with "
        f"these, spaces and _ . , + = ( ) ' @ ~ -, and use at most {_LONGEST_REGION} characters"
        for name in names
        if not _SAFE_NAME.fullmatch(name) or len(name) > _LONGEST_REGION
    ]


def _region_overlaps(regions: gpd.GeoDataFrame) -> list[str]:
    polygons = regions.geometry.to_numpy()
    area = shapely.area(polygons)
    return [
        f"regions {regions[REGION][i]!r} and {regions[REGION][j]!r} overlap ({shared:.6g} square units)"
        for i, j, shared in zip(*overlaps(polygons, smallest=sliver(regions.crs)), strict=True)
        if shared > REGION_OVERLAP * min(area[i], area[j])
    ]


def _moved_regions(regions: gpd.GeoDataFrame, crs: str, path: str | Path) -> gpd.GeoDataFrame:
    moved, lost = _reprojected(regions.assign(**{ORIGIN: regions.index}), crs)
    if lost:
        raise InputError(f"{path}: a region has no place in {crs}: {'; '.join(lost)}")
    polygons, _ = repaired(moved.geometry.to_numpy())
    # a border on which the regions of one side have other vertices than those of the other bends apart when moved
    own = separated(polygons, [REGION] * len(polygons), smallest=sliver(moved.crs)).polygons
    return gpd.GeoDataFrame({REGION: moved[REGION].astype("str")}, geometry=own, crs=moved.crs)


# ------------------------------------------------------------------------------------------ wording


def _be(n: int) -> str:
    return "is" if n == 1 else "are"


def _some(values: Iterable[Any]) -> str:
    values = list(values)
    return ", ".join(f"{value:.12g}" if isinstance(value, float) else str(value) for value in values[:SHOWN]) + (
        " …" if len(values) > SHOWN else ""
    )


def _rows(where: Any) -> str:
    """The first rows (from 0) where ``where`` is true."""
    return _some(np.flatnonzero(where))


def _where(frame: gpd.GeoDataFrame, where: np.ndarray) -> str:
    """The first rows of the file, from 0, of the rows of a frame."""
    return f"row {_some(frame[ORIGIN].to_numpy()[where])}"
