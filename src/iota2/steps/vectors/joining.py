"""Step: patches that continue over boundaries of cells."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from iota2 import layout
from iota2.compute.coverage.cells import CellIndex, CellSides
from iota2.compute.coverage.joining import JoinedPatches, join_cells
from iota2.config.options.schema import Config
from iota2.core.cost import SECONDS_PER_JOB, Cost, JobFacts
from iota2.core.graph import JobContext, Step
from iota2.core.grid import crs_name
from iota2.io.rasters.files import raster_geobox
from iota2.io.rasters.map_squares import Square, read_squares
from iota2.io.tables.cell_patches import read_sides, write_homes
from iota2.steps.patch_tables import PatchPolygons, patch_row_groups, read_patches, write_patches

_SECONDS, _BYTES = 0.05e-6, 0.1
"""Seconds and bytes of memory and of files per pixel of the map."""


def run(job: JobContext) -> None:
    """Write, for each square, the homes of its pieces, and the pieces of its patches that are in other squares."""
    squares, crs = read_squares(job.inp.squares), crs_name(raster_geobox(job.inp.map))
    sides: dict[CellIndex, CellSides] = {}
    for _, path in job.inp.each("sides"):
        sides |= read_sides(path)
    joined = join_cells(sides)
    square_of_cell = _squares_of_cells(squares)
    square_of_piece = square_of_cell[tuple(joined.pieces[:, :2].T)]
    square_of_home = square_of_cell[tuple(joined.homes[:, :2].T)]
    paths, names = {key.square: path for key, path in job.inp.each("pieces")}, [*squares]
    for number, name in enumerate(names):
        own = (square_of_piece == number) | (square_of_home == number)
        write_homes(JoinedPatches(joined.pieces[own], joined.homes[own]), job.out.at("homes", square=name))
        foreign = (square_of_home == number) & (square_of_piece != number)
        at = [names[square] for square in square_of_piece[foreign].tolist()]
        write_patches(_selected(paths, joined.pieces[foreign], at), crs, job.out.at("foreign", square=name))


def _squares_of_cells(squares: Mapping[str, Square]) -> np.ndarray:
    """(row, col) int64: number of the square of each cell."""
    last = [*squares.values()][-1]
    place = np.zeros((last.rows[1], last.cols[1]), np.int64)
    for number, square in enumerate(squares.values()):
        place[slice(*square.rows), slice(*square.cols)] = number
    return place


def _selected(paths: Mapping[str, Path], pieces: np.ndarray, at: Sequence[str]) -> Iterator[PatchPolygons]:
    """Some pieces, a cell at a time; ``at``: square of each piece."""
    groups = {name: patch_row_groups(paths[name]) for name in dict.fromkeys(at)}
    for (row, col), name in dict.fromkeys(zip(map(tuple, pieces[:, :2].tolist()), at, strict=True)):
        wanted = pieces[(pieces[:, 0] == row) & (pieces[:, 1] == col), 2]
        found = read_patches(groups[name][row, col])
        yield found.take(np.isin(found.identity[:, 2], wanted))


def cost(config: Config, facts: JobFacts) -> Cost:
    """Cost of a job: the sides of all cells are in memory, and their pieces are read."""
    pixels = sum(facts.run.squares.values())
    size = pixels * _BYTES
    return Cost(facts.allowed + int(size), SECONDS_PER_JOB + pixels * _SECONDS, size)


STEP = Step(
    name="joinedPatches",
    group="vectorisation",
    about="Find the patches that continue in several squares of the map.",
    task="joined_patches",
    run=run,
    over=(),
    needs={
        "map": layout.CLASSIF_REGUL,
        "squares": layout.MAP_SQUARES,
        "sides": layout.SQUARE_SIDES,
        "pieces": layout.SQUARE_PIECES,
    },
    makes={"homes": layout.SQUARE_HOMES, "foreign": layout.SQUARE_FOREIGN},
    cost=cost,
)
