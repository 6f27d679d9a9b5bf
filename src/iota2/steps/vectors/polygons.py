"""Step: whole polygons of the patches whose first piece is in a square."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path

import numpy as np
import shapely
from shapely import Polygon

from iota2 import layout
from iota2.compute.coverage.cells import CellIndex
from iota2.compute.coverage.dissolving import dissolve
from iota2.compute.coverage.joining import JoinedPatches
from iota2.config.options.schema import Config
from iota2.core.cost import SECONDS_PER_JOB, Cost, JobFacts
from iota2.core.graph import JobContext, Step
from iota2.core.grid import crs_name
from iota2.io.rasters.files import raster_geobox
from iota2.io.rasters.map_squares import Square, read_squares
from iota2.io.tables.cell_patches import read_homes
from iota2.steps.patch_tables import NO_PATCH_POLYGONS, PatchPolygons, patch_row_groups, read_patches, write_patches

Piece = tuple[int, int, int]
"""Row and column of the cell of a piece, and its number there."""
_SECONDS, _MEMORY, _BYTES = 0.3e-6, 8, 4
"""Seconds, bytes of memory, and bytes of files per pixel of the square."""


def run(job: JobContext) -> None:
    """Write the polygons of the patches whose first piece is in the square, by cell, then by number in the cell."""
    square, crs = read_squares(job.inp.squares)[job.key.square], crs_name(raster_geobox(job.inp.map))
    joined = _joined_patches(read_homes(job.inp.homes), [job.inp.pieces, job.inp.foreign], square)
    write_patches(_whole_patches(square, job.inp.complete, joined), crs, job.out.polygons)


def _joined_patches(homes: JoinedPatches, paths: Sequence[Path], square: Square) -> dict[CellIndex, PatchPolygons]:
    """The patches with several pieces whose first one is in the square, by its cell."""
    pieces, codes = _pieces_by_home(homes, paths, {*square.cells})
    by_cell: dict[CellIndex, list[Piece]] = defaultdict(list)
    for home in sorted(pieces):
        by_cell[home[0], home[1]].append(home)
    return {
        cell: PatchPolygons(
            np.array(found, np.int64),
            np.array([codes[home] for home in found], np.uint16),
            np.array([dissolve(pieces[home]) for home in found], object),
        )
        for cell, found in by_cell.items()
    }


def _pieces_by_home(
    homes: JoinedPatches, paths: Sequence[Path], cells: set[CellIndex]
) -> tuple[dict[Piece, list[Polygon]], dict[Piece, int]]:
    """Polygons of the pieces of each patch whose home is in one of the cells, and its class code, by home."""
    home_of = {(*piece,): (*home,) for piece, home in zip(homes.pieces.tolist(), homes.homes.tolist(), strict=True)}
    pieces: dict[Piece, list[Polygon]] = defaultdict(list)
    codes: dict[Piece, int] = {}
    for row_group in chain.from_iterable(patch_row_groups(path).values() for path in paths):
        patches = read_patches(row_group)
        for piece, code, polygon in zip(patches.keys, patches.codes, patches.polygons, strict=True):
            home = home_of[piece]
            if home[:2] in cells:
                pieces[home].append(polygon)
                codes[home] = code
    return pieces, codes


def _whole_patches(square: Square, path: Path, joined: Mapping[CellIndex, PatchPolygons]) -> Iterator[PatchPolygons]:
    """Yield all patches of each cell, in the order of their numbers; ``path``: those that are complete in a cell."""
    complete = patch_row_groups(path)
    for cell in square.cells:
        parts = [
            read_patches(complete[cell]) if cell in complete else NO_PATCH_POLYGONS,
            joined.get(cell, NO_PATCH_POLYGONS),
        ]
        every = PatchPolygons(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))
        every = every.take(np.argsort(every.identity[:, 2]))
        yield every._replace(polygons=shapely.normalize(every.polygons))


def cost(config: Config, facts: JobFacts) -> Cost:
    """Cost of a job: the polygons of the square are in memory."""
    pixels = facts.pixels
    return Cost(facts.allowed + _MEMORY * pixels, SECONDS_PER_JOB + pixels * _SECONDS, float(_BYTES * pixels))


STEP = Step(
    name="squarePolygons",
    group="vectorisation",
    about="Join the polygons of each square of the map across its limits.",
    task="polygons_{square}",
    run=run,
    over=("square",),
    needs={
        "map": layout.CLASSIF_REGUL,
        "squares": layout.MAP_SQUARES,
        "complete": layout.SQUARE_COMPLETE,
        "pieces": layout.SQUARE_PIECES,
        "homes": layout.SQUARE_HOMES,
        "foreign": layout.SQUARE_FOREIGN,
    },
    makes={"polygons": layout.SQUARE_POLYGONS},
    cost=cost,
)
