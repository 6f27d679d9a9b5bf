"""The map that becomes polygons: its grid, its squares, and the areas to which the polygons are cut."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from odc.geo.geobox import GeoBox

from iota2 import layout
from iota2.chains import chain_of
from iota2.compute.regularise import MAX_UNIT_PIXELS
from iota2.config.findings import changed
from iota2.config.options.others import Simplification
from iota2.core.grid import resolution
from iota2.core.remarks import Remark, remarks_about
from iota2.core.words import counted, some
from iota2.errors import OptionPath
from iota2.io.rasters.map_squares import Square, squares_of
from iota2.io.rasters.regular_grid import LINE_METRES, line_tolerance, map_units, regular_grid, unit_pixels
from iota2.io.tables.clip_areas import WHOLE_MAP, ClipAreas, read_clip_areas
from iota2.options import missing_text
from iota2.runs.survey.extent import MAX_ROWS, Extent
from iota2.runs.survey.given_rasters import RASTERS, add_type_problems, codes_of_map, placed_on, read_headers
from iota2.runs.survey.problems import Problems, about_field

_SECTION = Simplification.section_name
MAX_ROUNDING = 0.01
"""Difference of pixel sizes that is probably a rounding, as a share."""
MAX_TOLERANCE_PIXELS = 1000
"""Maximum tolerance of lines in pixels: larger ones are probably in other units than those of the map."""


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
    codes: tuple[int, ...] = ()
    """Class codes in a sample of the map of the options."""
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
    given, usable = problems.config.simplification, problems.usable(f"{_SECTION}.classification")
    if usable and given.classification is None and not _run_makes_map(problems):
        problems.add(*_no_map(problems))
        return None
    headers = read_headers(problems)
    add_type_problems(problems, headers)
    main = headers.get("classification")
    grid = main.grid if main else extent.grid if usable and given.classification is None else None
    if grid is None:
        return None
    placed = [*placed_on(problems, headers, grid)]
    codes = codes_of_map(problems, main) if main and problems.checks("map") else ()
    regular = regular_grid(grid, given.rssize)
    squares = squares_of((int(regular.shape[0]), int(regular.shape[1])), given.gridsize)
    areas, remarks = _areas(problems, grid)
    for name, text in (*_size_problems(given, regular), *_plan_problems(len(squares), len(areas))):
        problems.add((_SECTION, name), text)
    paths = {name: str(getattr(given, name)) for name in RASTERS if getattr(given, name) is not None}
    seed = None if given.classification is not None else given.seed or 0
    every = (*_grid_remarks(grid, regular, given), *placed, *remarks)
    return MapInputs(paths, grid, regular, squares, areas, seed, codes, every)


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


def _size_problems(given: Simplification, regular: GeoBox) -> Iterator[tuple[str, str]]:
    """Sizes that are too large for the regularised map, such as tolerances in metres of a map in degrees."""
    if (pixels := unit_pixels(regular, given.mmu)) > MAX_UNIT_PIXELS:
        text = f"{given.mmu:g} m² are {pixels:,} pixels of the regularised map; expected at most {MAX_UNIT_PIXELS:,}"
        yield "mmu", f"{text}. Give a smaller area or a larger rssize"
    pixel = min(resolution(regular))
    for name in ("douglas", "hermite"):
        if (value := getattr(given, name) or 0) > MAX_TOLERANCE_PIXELS * pixel:
            text = f"{value:g} map units are {value / pixel:,.0f} pixels; expected about a pixel, {pixel:.3g}"
            yield name, f"{text}. Without the option, it is {LINE_METRES} m in map units, {line_tolerance(regular):.3g}"


def _plan_problems(squares: int, areas: int) -> Iterator[tuple[str, str]]:
    """Too many combinations of squares and areas."""
    if (rows := squares * areas) > MAX_ROWS:
        text = f"{counted(squares, 'square')} and {counted(areas, 'area')} give {rows:,} combinations to plan"
        yield "gridsize", f"{text}; expected at most {MAX_ROWS:,}. Give a smaller gridsize, or fewer areas (clipvalue)"


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


def _grid_remarks(grid: GeoBox, regular: GeoBox, given: Simplification) -> Iterator[Remark]:
    squares = f"the regularised map has {regular.shape[1]:,} x {regular.shape[0]:,} pixels"
    if grid != regular:
        squares += f", resampled from {grid.shape[1]:,} x {grid.shape[0]:,}"
    yield Remark(f"Vectorisation: {squares}.", "extent")
    pixel = min(resolution(grid)) / map_units(grid, 1)
    if changed(given, "rssize") and given.rssize < pixel * (1 - MAX_ROUNDING):
        text = f"{given.rssize:g} m is finer than the pixels of the map, {pixel:.4g} m, which are kept"
        yield Remark(f"{_SECTION}.rssize: {text}.", "extent")
