"""The rasters of the options of ``simplification``: their types and grids, their place on the map, codes of the map."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from odc.geo.geobox import GeoBox

from iota2.config.options.others import Simplification
from iota2.core.grid import misalignment, overlap_share, pixels_apart
from iota2.core.nomenclature import MAX_CODE
from iota2.core.remarks import Remark
from iota2.errors import InputError
from iota2.io.archive.headers import Header, read_header
from iota2.io.rasters.map_codes import sampled_values, wrong_values_text
from iota2.runs.survey.problems import Problems

SECTION = Simplification.section_name
RASTERS = ("classification", "confidence", "validity")
"""Options of the rasters."""


def read_headers(problems: Problems) -> dict[str, Header]:
    """The headers of the given rasters by option; problems of the others are added."""
    return {name: header for name in RASTERS if (header := _header(problems, name)) is not None}


def _header(problems: Problems, name: str) -> Header | None:
    """The header of the raster of an option; problems are added."""
    path: Path | None = getattr(problems.config.simplification, name)
    if path is None:
        return None

    def read() -> Header | None:
        header, faults = read_header(str(path), 1)
        if header is None:
            remedy = "Correct it with gdalwarp, or, without a coordinate system, with gdal_edit.py -a_srs"
            raise InputError("\n".join(f"{fault}. {remedy}" for fault in faults))
        return header

    return problems.attempt(read, SECTION, name)


def add_type_problems(problems: Problems, headers: Mapping[str, Header]) -> None:
    """Add the problems of types and bands of the rasters."""
    for name, header in headers.items():
        path, dtype = getattr(problems.config.simplification, name), np.dtype(header.types[0])
        if name == "classification" and dtype.kind not in "iu":
            problems.add((SECTION, name), f"{path}: pixels are {dtype}; expected class codes, which are whole numbers")
        elif dtype.kind not in "iuf":
            problems.add((SECTION, name), f"{path}: pixels are {dtype}; expected numbers")
        if len(header.types) > 1:
            text = f"has {len(header.types)} bands; expected one. Select it with gdal_translate -b"
            problems.add((SECTION, name), f"{path}: {text}")


def placed_on(problems: Problems, headers: Mapping[str, Header], grid: GeoBox) -> Iterator[Remark]:
    """Remarks on confidence and validity that cover a part of the map; other pixels and places are added as problems.

    ``grid``: that of the map.
    """
    for name, header in headers.items():
        path = getattr(problems.config.simplification, name)
        if difference := misalignment(header.grid, grid):
            text = f"{path}: its pixels {difference}; expected the same pixels. Resample it with gdalwarp"
            problems.add((SECTION, name), text)
        elif (share := overlap_share(header.grid, grid)) == 0:
            right, down = pixels_apart(header.grid, grid)
            corner = f"its upper-left corner is {right:,} pixels to the right and {down:,} down of that of the map"
            text = f"{path} does not overlap the map: {corner}. Give the {name} of this map, or remove the option"
            problems.add((SECTION, name), text)
        elif share < 1:
            covered = f"{path} covers {_percent(share)} of the map"
            rest = "Statistics of polygons count only its pixels; polygons outside have none"
            yield Remark(f"simplification.{name}: {covered}. {rest}.", "extent")


def _percent(share: float) -> str:
    """A share below 1 as text that is neither 0 nor 100."""
    return f"{min(max(100 * share, 0.1), 99.9):.1f} %"


def codes_of_map(problems: Problems, header: Header) -> tuple[int, ...]:
    """Class codes in a sample of the given map; values that are no codes are added as a problem."""
    path = problems.config.simplification.classification
    if path is None or np.dtype(header.types[0]).kind not in "iu":
        return ()
    values = problems.attempt(lambda: sampled_values(path, header.block), SECTION, "classification") or set()
    if wrong := {value for value in values if not 1 <= value <= MAX_CODE}:
        text = f"{path}: {wrong_values_text(wrong, header.nodata[0])}"
        problems.add((SECTION, "classification"), text)
    return tuple(sorted(values - wrong))
