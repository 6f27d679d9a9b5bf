"""Step: polygons of the patches in each cell of a square of the map."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from affine import Affine
from odc.geo.geobox import GeoBox

from iota2 import layout
from iota2.compute.coverage.cells import CELL_PIXELS, CellEdges, CellPolygons, LineOptions, cell_polygons
from iota2.compute.coverage.joining import Cell
from iota2.config.options.schema import Config
from iota2.core.cost import SECONDS_PER_JOB, Cost, JobFacts
from iota2.core.graph import JobContext, Step
from iota2.core.grid import crs_name
from iota2.io.rasters.files import RasterReader
from iota2.io.rasters.map_squares import Square, cell_pixels, read_squares
from iota2.io.rasters.regular_grid import line_tolerance
from iota2.io.tables.cell_patches import write_edges
from iota2.steps.patch_tables import Patches, write_patches

_SECONDS = 1.5e-6
"""Seconds per pixel of a map with many small patches."""
_BYTES_PER_PIXEL = 4
"""Bytes of polygons per pixel."""
_CELL_BYTES = 400 << 20
"""Memory of the polygons of a cell with many small patches."""


@dataclass(frozen=True)
class LineParams:
    """How lines are drawn."""

    angle: bool
    douglas: float | None
    hermite: float | None
    """In map units; None for the default."""

    def by_user_name(self) -> Mapping[str, object]:
        """The parameters by option name of the configuration."""
        names = ("angle", "douglas", "hermite")
        return {f"simplification.{name}": getattr(self, name) for name in names}

    def options(self, grid: GeoBox) -> LineOptions:
        """How lines are drawn on the grid of a map."""
        return LineOptions(self.angle, line_tolerance(grid, self.douglas), line_tolerance(grid, self.hermite))


def params(config: Config) -> LineParams:
    """Parameters of the step from the configuration."""
    given = config.simplification
    return LineParams(given.angle, given.douglas, given.hermite)


def run(job: JobContext[LineParams]) -> None:
    """Write the polygons of patches that are complete in their cell, the pieces of the others, and the limits of the
    cells."""
    square = read_squares(job.inp.squares)[job.key.square]
    edges: dict[Cell, CellEdges] = {}
    pieces: list[Patches] = []
    with RasterReader(job.inp.map) as reader:
        cells = _complete_patches(reader, square, job.params.options(reader.geobox), edges, pieces)
        write_patches(cells, crs_name(reader.geobox), job.out.lines)
        write_patches(pieces, crs_name(reader.geobox), job.out.pieces)
    write_edges(edges, job.out.edges)


def _complete_patches(
    reader: RasterReader, square: Square, options: LineOptions, edges: dict[Cell, CellEdges], pieces: list[Patches]
) -> Iterator[Patches]:
    """Patches of each cell that are complete there; the others are added to ``pieces``, limits to ``edges``."""
    grid = reader.geobox
    for cell in square.cells:
        (top, bottom), (left, right) = cell_pixels(cell, (int(grid.shape[0]), int(grid.shape[1])))
        if top == bottom or left == right:
            continue
        around = grid.affine * Affine.translation(left - 1, top - 1)
        labels = reader.read(GeoBox((bottom - top + 2, right - left + 2), around, grid.crs))
        found = cell_polygons(labels, (top, left), grid.affine, options)
        continued = _continued(found, labels)
        edges[cell] = found.edges
        numbers = np.arange(len(found.labels))
        pieces.append(Patches.of_cell(cell, numbers[continued], found.labels, found.polygons))
        yield Patches.of_cell(cell, numbers[~continued], found.labels, found.polygons)


def _continued(found: CellPolygons, labels: np.ndarray) -> np.ndarray:
    """(patch,) bool: whether the patch continues in another cell; ``labels`` (y + 2, x + 2) as for the polygons."""
    beyond = labels[0, 1:-1], labels[-1, 1:-1], labels[1:-1, 0], labels[1:-1, -1]
    continued = np.zeros(len(found.labels), np.bool_)
    for side, others in zip(found.edges, beyond, strict=True):
        continued[side.patches[(side.labels == others) & (side.labels != 0)]] = True
    return continued


def cost(config: Config, facts: JobFacts) -> Cost:
    """Cost of a job: the polygons of a cell are in memory, and the pieces of all cells of the square."""
    cells = max(1, facts.pixels // CELL_PIXELS**2)
    memory = _CELL_BYTES + cells * (_CELL_BYTES >> 7)
    return Cost(memory, SECONDS_PER_JOB + facts.pixels * _SECONDS, float(facts.pixels * _BYTES_PER_PIXEL))


STEP = Step(
    name="squareLines",
    group="vectorisation",
    about="Draw the polygons of the patches in each square of the map.",
    task="lines_{square}",
    run=run,
    over=("square",),
    needs={"map": layout.CLASSIF_REGUL, "squares": layout.MAP_SQUARES},
    makes={"lines": layout.SQUARE_LINES, "pieces": layout.SQUARE_PIECES, "edges": layout.SQUARE_EDGES},
    params=params,
    cost=cost,
)
