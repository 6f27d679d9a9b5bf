"""Step: polygons of the patches in each cell of a square of the map."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields

import numpy as np
from affine import Affine
from odc.geo.geobox import GeoBox

from iota2 import layout
from iota2.compute.coverage.cells import (
    CELL_PIXELS,
    CellIndex,
    CellPolygons,
    CellSides,
    LineOptions,
    cell_polygons,
)
from iota2.config.options.schema import Config
from iota2.core.cost import SECONDS_PER_JOB, Cost, JobFacts
from iota2.core.graph import JobContext, Step
from iota2.core.grid import crs_name
from iota2.io.rasters.files import RasterReader
from iota2.io.rasters.map_squares import Square, cell_pixels, read_squares
from iota2.io.rasters.regular_grid import in_map_units, line_tolerance
from iota2.io.tables.cell_patches import write_sides
from iota2.steps.patch_tables import PatchPolygons, write_patches

_SECONDS = 1.5e-6
"""Seconds per pixel of a map with many small patches."""
_BYTES_PER_PIXEL = 4
"""Bytes of polygons per pixel."""
_CELL_BYTES = 400 << 20
"""Memory of the polygons of a cell with many small patches."""
_PIECES_BYTES = _CELL_BYTES // 128
"""Memory of the pieces of a cell: patches at its sides, about one in a hundred."""


@dataclass(frozen=True)
class LineParams:
    """How lines are drawn."""

    angle: bool
    douglas: float | None
    hermite: float | None
    """In map units; None for the default."""
    mmu: float
    """Minimum area of a patch in square metres, which lines do not make smaller."""

    def by_user_name(self) -> Mapping[str, object]:
        """The parameters by option name of the configuration."""
        return {f"simplification.{one.name}": getattr(self, one.name) for one in fields(self)}

    def options(self, grid: GeoBox) -> LineOptions:
        """How lines are drawn on the grid of a map."""
        return LineOptions(
            cut_corners=self.angle,
            tolerance=line_tolerance(grid, self.douglas),
            longest_segment=line_tolerance(grid, self.hermite),
            minimum_area=in_map_units(grid, self.mmu),
        )


def params(config: Config) -> LineParams:
    """Parameters of the step from the configuration."""
    given = config.simplification
    return LineParams(given.angle, given.douglas, given.hermite, given.mmu)


def run(job: JobContext[LineParams]) -> None:
    """Write the patches that are complete in their cell, the pieces of the others, and the sides of cells."""
    square = read_squares(job.inp.squares)[job.key.square]
    sides: dict[CellIndex, CellSides] = {}
    pieces: list[PatchPolygons] = []
    with RasterReader(job.inp.map) as reader:
        # taking the complete patches fills pieces and sides, so that they are written first
        complete = _complete_patches(reader, square, job.params.options(reader.geobox), sides, pieces)
        write_patches(complete, crs_name(reader.geobox), job.out.complete)
        write_patches(pieces, crs_name(reader.geobox), job.out.pieces)
    write_sides(sides, job.out.sides)


def _complete_patches(
    reader: RasterReader,
    square: Square,
    options: LineOptions,
    sides: dict[CellIndex, CellSides],
    pieces: list[PatchPolygons],
) -> Iterator[PatchPolygons]:
    """Yield the patches of each cell that are complete there.

    Before, it adds the other patches of the cell to ``pieces``, and its sides to ``sides``.
    """
    grid = reader.geobox
    for cell in square.cells:
        (top, bottom), (left, right) = cell_pixels(cell, (int(grid.shape[0]), int(grid.shape[1])))
        if top == bottom or left == right:
            continue
        around = grid.affine * Affine.translation(left - 1, top - 1)
        labels = reader.read(GeoBox((bottom - top + 2, right - left + 2), around, grid.crs))
        found = cell_polygons(labels, (top, left), grid.affine, options)
        continued = _continued(found, labels)
        sides[cell] = found.sides
        numbers = np.arange(len(found.labels))
        pieces.append(PatchPolygons.of_cell(cell, numbers[continued], found.labels, found.polygons))
        yield PatchPolygons.of_cell(cell, numbers[~continued], found.labels, found.polygons)


def _continued(polygons: CellPolygons, labels: np.ndarray) -> np.ndarray:
    """(patch,) bool: whether the patch continues in another cell; ``labels`` (y + 2, x + 2) as for the polygons."""
    beyond = labels[0, 1:-1], labels[-1, 1:-1], labels[1:-1, 0], labels[1:-1, -1]
    continued = np.zeros(len(polygons.labels), np.bool_)
    for side, others in zip(polygons.sides, beyond, strict=True):
        continued[side.patches[(side.labels == others) & (side.labels != 0)]] = True
    return continued


def cost(config: Config, facts: JobFacts) -> Cost:
    """Cost of a job: the polygons of a cell are in memory, and the pieces of all cells of the square."""
    cells = max(1, facts.pixels // CELL_PIXELS**2)
    memory = _CELL_BYTES + cells * _PIECES_BYTES
    return Cost(memory, SECONDS_PER_JOB + facts.pixels * _SECONDS, float(facts.pixels * _BYTES_PER_PIXEL))


STEP = Step(
    name="squareLines",
    group="vectorisation",
    about="Draw the polygons of the patches in each square of the map.",
    task="lines_{square}",
    run=run,
    over=("square",),
    needs={"map": layout.CLASSIF_REGUL, "squares": layout.MAP_SQUARES},
    makes={"complete": layout.SQUARE_COMPLETE, "pieces": layout.SQUARE_PIECES, "sides": layout.SQUARE_SIDES},
    params=params,
    cost=cost,
)
