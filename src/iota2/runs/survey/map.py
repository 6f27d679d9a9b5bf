"""The map that becomes polygons: its grid, its squares, and the areas to which the polygons are cut."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from odc.geo.geobox import GeoBox

from iota2 import layout
from iota2.chains import chain_of
from iota2.compute.regularise import MAX_UNIT_PIXELS
from iota2.config.options.others import Simplification
from iota2.core.grid import described, resolution, share_pixels
from iota2.core.remarks import Remark, remarks_about
from iota2.core.words import counted, some
from iota2.errors import InputError, OptionPath
from iota2.io.archive.headers import Header, read_header
from iota2.io.rasters.map_squares import Square, squares_of
from iota2.io.rasters.regular_grid import regular_grid, unit_pixels
from iota2.io.tables.clip_areas import WHOLE_MAP, ClipAreas, read_clip_areas
from iota2.options import missing_text
from iota2.runs.survey.extent import MAX_ROWS, Extent
from iota2.runs.survey.problems import Problems, about_field

_SECTION = Simplification.section_name
MAX_TOLERANCE_PIXELS = 1000
"""Maximum tolerance of lines in pixels: larger ones are probably in other units than those of the map."""
RASTERS = ("classification", "confidence", "validity")
"""Options of the rasters."""


@dataclass(frozen=True)
class MapInputs:
    """The map that becomes polygons, as known before the first job."""

    rasters: Mapping[str, str]
    """Paths of the rasters that the options give, by option; the others are those of the run."""
    grid: GeoBox
    """Grid of the map; that of a map of the run may be a part of it."""
    regular: GeoBox
    """Grid of the regularised map."""
    squares: Mapping[str, Square]
    areas: tuple[str, ...]
    """Names of the areas to which the polygons are cut."""
    seed: int | None
    """Run whose map it is; None for a map of the options."""
    remarks: tuple[Remark, ...] = ()

    @property
    def rows(self) -> list[dict[str, str | int]]:
        """The combinations of square and area: the polygons of any square may be in any area."""
        run = {} if self.seed is None else {"seed": self.seed}
        return [{"square": square, "area": area, **run} for area in self.areas for square in self.squares]

    @property
    def square_pixels(self) -> dict[str, int]:
        """Number of pixels of each square."""
        shape = int(self.regular.shape[0]), int(self.regular.shape[1])
        return {name: square.pixels(shape) for name, square in self.squares.items()}


def find_map(problems: Problems, extent: Extent) -> MapInputs | None:
    """The map of the options or of the run; None if it has problems, which are added, or if the run makes none yet.

    ``extent``: that of the images of the run.
    """
    if not problems.usable(_SECTION):
        return None
    given = problems.config.simplification
    if given.classification is None and not _run_makes_map(problems):
        problems.add(*_no_map(problems))
        return None
    headers = {name: header for name in RASTERS if (header := _header(problems, name)) is not None}
    grid = extent.grid if given.classification is None else _grid(headers.get("classification"))
    for name, text in _raster_problems(given, headers, grid):
        problems.add((_SECTION, name), text)
    if grid is None:
        return None
    regular = regular_grid(grid, given.rssize)
    squares = squares_of((int(regular.shape[0]), int(regular.shape[1])), given.gridsize)
    if (pixels := unit_pixels(regular, given.mmu)) > MAX_UNIT_PIXELS:
        text = f"{given.mmu:g} m² are {pixels:,} pixels of the regularised map; expected at most {MAX_UNIT_PIXELS:,}"
        problems.add((_SECTION, "mmu"), f"{text}. Give a smaller area or a larger rssize")
    for name, text in _tolerance_problems(given, regular):
        problems.add((_SECTION, name), text)
    areas, remarks = _areas(problems, grid)
    if (rows := len(squares) * len(areas)) > MAX_ROWS:
        text = f"{counted(len(squares), 'square')} and {counted(len(areas), 'area')} give {rows:,} combinations to plan"
        problems.add((_SECTION, "gridsize"), f"{text}; expected at most {MAX_ROWS:,}. Give a smaller gridsize")
    paths = {name: str(getattr(given, name)) for name in RASTERS if getattr(given, name) is not None}
    seed = None if given.classification is not None else given.seed or 0
    return MapInputs(paths, grid, regular, squares, areas, seed, (*_grid_remarks(grid, regular), *remarks))


def _no_map(problems: Problems) -> tuple[OptionPath, str]:
    """The option and text of the problem that there is no map: none is given, or that of the run has no classes."""
    if not problems.config.quantity:
        return (_SECTION, "classification"), missing_text(Simplification.model_fields["classification"])
    builders = chain_of(problems.config).builders
    vectors, values = (some([one.name for one in builders if ask in one.asks]) for ask in ("map", "quantity"))
    return ("builders", "builders_class_name"), (
        f"{vectors} makes polygons of classes, but the map of {values} has values, not classes. Remove {vectors}, or "
        "give another map, of class codes, by simplification.classification. Values can be put into classes in QGIS "
        "(Reclassify by table)."
    )


def _run_makes_map(problems: Problems) -> bool:
    """Whether an earlier step of the run makes a map."""
    return any(layout.MAP in step.makes.values() for step in chain_of(problems.config).steps)


def _header(problems: Problems, name: str) -> Header | None:
    """The header of the raster of an option; problems are added."""
    path: Path | None = getattr(problems.config.simplification, name)
    if path is None:
        return None

    def read() -> Header | None:
        header, faults = read_header(str(path), 1)
        if header is None:
            raise InputError("\n".join(f"{fault}. Correct it with gdalwarp" for fault in faults))
        return header

    return problems.attempt(read, _SECTION, name)


def _grid(header: Header | None) -> GeoBox | None:
    return None if header is None else header.grid


def _raster_problems(
    given: Simplification, headers: Mapping[str, Header], grid: GeoBox | None
) -> Iterator[tuple[str, str]]:
    """Problems of the types and the grids of the given rasters, with the option of each; ``grid``: that of the map."""
    for name, header in headers.items():
        path, dtype = getattr(given, name), np.dtype(header.types[0])
        if name == "classification" and dtype.kind not in "iu":
            yield name, f"{path}: pixels are {dtype}; expected class codes, which are whole numbers"
        if dtype.kind not in "iuf":
            yield name, f"{path}: pixels are {dtype}; expected numbers"
        if len(header.types) > 1:
            yield name, f"{path}: has {len(header.types)} bands; expected one. Select it with gdal_translate -b"
        if grid is not None and (header.grid.crs != grid.crs or not share_pixels(header.grid, grid)):
            text = f"{path}: pixels ({described(header.grid)}) are not aligned with those of the map"
            yield name, f"{text} ({described(grid)}). Resample it with gdalwarp"


def _tolerance_problems(given: Simplification, grid: GeoBox) -> Iterator[tuple[str, str]]:
    """Tolerances in other units than those of the map, such as metres of a map in degrees."""
    pixel = min(resolution(grid))
    for name in ("douglas", "hermite"):
        if (value := getattr(given, name)) > MAX_TOLERANCE_PIXELS * pixel:
            yield name, f"{value:g} map units are {value / pixel:,.0f} pixels; expected about a pixel, {pixel:.3g}"


def _areas(problems: Problems, grid: GeoBox) -> tuple[tuple[str, ...], tuple[Remark, ...]]:
    """Names of the areas, and remarks on them; none for an invalid file, whose problems are added."""
    given = problems.config.simplification
    path, field = given.clipfile, given.clipfield
    if path is None or field is None:
        return (WHOLE_MAP,), ()

    def read() -> ClipAreas:
        with about_field("clipfield", _SECTION):
            return read_clip_areas(path, field, grid, given.clipvalue)

    found = problems.attempt(read, _SECTION, "clipfile")
    return (found.names, remarks_about(found.remarks, "areas")) if found is not None else ((), ())


def _grid_remarks(grid: GeoBox, regular: GeoBox) -> tuple[Remark, ...]:
    squares = f"the regularised map has {regular.shape[1]:,} x {regular.shape[0]:,} pixels"
    if grid != regular:
        squares += f", resampled from {grid.shape[1]:,} x {grid.shape[0]:,}"
    return (Remark(f"Vectorisation: {squares}.", "extent"),)
