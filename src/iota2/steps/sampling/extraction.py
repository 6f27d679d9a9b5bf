"""Step: feature values of the selected pixels of one tile."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from iota2 import layout
from iota2.compute.block_shapes import BlockShapes
from iota2.compute.features import feature_block
from iota2.core.cube import Cube
from iota2.core.graph import JobContext, Resources, Step
from iota2.core.grid import Block, block_of
from iota2.core.recipe import FeatureRecipe
from iota2.core.scene import Scene
from iota2.core.tables import COLUMN, LEARN, REGION, ROW, sample_columns, seed_column, seed_columns
from iota2.io.series.decoded import DecodedBlock
from iota2.io.series.reader import series_reader
from iota2.io.series.scene_file import images_of
from iota2.io.tables.recipes import read_recipe
from iota2.io.tables.sample_tables import write_points
from iota2.io.tables.vectors import read_sqlite
from iota2.steps.blocks import feature_shapes

NEAR = (8, 16, 32, 64)
"""Sides of the squares that may be brought onto the working lattice around selected pixels that lie apart."""
CALLS = 256
"""The calls for a small block cost as much as the arithmetic of so many pixels."""

log = logging.getLogger(__name__)


def run(job: JobContext) -> None:
    """Compute features block by block where pixels are selected and write them by model and seed."""
    scene, recipe = images_of(job.inp), read_recipe(job.inp.recipe)
    selection = read_sqlite(job.inp.selection)
    values, clear = extract(scene, recipe, selection[ROW].to_numpy(), selection[COLUMN].to_numpy(), job.use)
    if not clear.all():
        log.warning("%d selected pixels have no clear date and are left out", np.count_nonzero(~clear))
    sides = seed_columns(selection.columns)
    for (region, seed), path in job.out.all("samples").items():
        rows = (selection[REGION] == region) & (selection[seed_column(int(seed))] == LEARN) & clear
        points = selection[rows].drop(columns=[*sides, ROW, COLUMN])
        write_points(points, sample_columns(recipe), values, np.flatnonzero(rows), path)


def extract(
    scene: Scene, recipe: FeatureRecipe, rows: np.ndarray, cols: np.ndarray, use: Resources
) -> tuple[np.ndarray, np.ndarray]:
    """Features (pixel, feature) float32 at the given pixels, and whether each has a clear date.

    Only blocks with pixels are decoded, and only their surroundings are brought onto the lattice. No pixels give an
    empty array.
    """
    values = np.zeros((len(rows), len(recipe.names)), np.float32)
    clear = np.zeros(len(rows), bool)
    if not len(rows):
        return values, clear
    shapes, around = feature_shapes(scene, recipe, use), max(sensor.speckle_radius for sensor in recipe.sensors)
    with series_reader(scene, recipe, threads=use.threads) as reader:
        positions = dict(_positions(scene, rows, cols, shapes))
        for block, decoded in reader.decoded(list(positions)):
            inside = positions[block]
            pixels = rows[inside], cols[inside]
            for batch in _batches(scene, block, pixels, shapes.computed, around):
                features = feature_block(_series_at(decoded, batch), recipe)
                at = inside[np.concatenate([near.at for near in batch])]
                values[at], clear[at] = features.values[:, 0].T, features.n_valid[0] > 0
    return values, clear


@dataclass(frozen=True, eq=False)
class _Near:
    """Pixels that lie near each other: a small block around them, and their positions in what was asked for."""

    block: Block
    rows: np.ndarray
    """Within the block."""
    cols: np.ndarray
    at: np.ndarray


def _positions(
    scene: Scene, rows: np.ndarray, cols: np.ndarray, shapes: BlockShapes
) -> Iterator[tuple[Block, np.ndarray]]:
    """The blocks that are decoded, those without pixels left out, and positions of the pixels in each."""
    height, width = scene.geobox.shape
    for (upper, west), within in _cells(rows, cols, shapes.cell):
        lower, east = min(upper + shapes.cell[0], height), min(west + shapes.cell[1], width)
        for (row, col), at in _cells(rows[within] - upper, cols[within] - west, shapes.decoded):
            top, left = upper + row, west + col
            bottom, right = min(top + shapes.decoded[0], lower), min(left + shapes.decoded[1], east)
            yield block_of(scene.tile, scene.geobox, (top, bottom), (left, right)), within[at]


def _cells(rows: np.ndarray, cols: np.ndarray, shape: tuple[int, int]) -> Iterator[tuple[tuple[int, int], np.ndarray]]:
    """Cells of ``shape`` that hold pixels, in scan order: first row and column, positions of the pixels."""
    tops, lefts = rows // shape[0] * shape[0], cols // shape[1] * shape[1]
    order = np.lexsort((lefts, tops))
    tops, lefts = tops[order], lefts[order]
    changes = np.flatnonzero((np.diff(tops) != 0) | (np.diff(lefts) != 0)) + 1
    for at in np.split(order, changes):
        yield (int(rows[at[0]] // shape[0] * shape[0]), int(cols[at[0]] // shape[1] * shape[1])), at


def cell_shape(rows: np.ndarray, cols: np.ndarray, whole: tuple[int, int], around: int) -> tuple[int, int]:
    """Rows and columns of the cells that make the series of some pixels with the least work, ``whole`` ones at most.

    The fewer pixels a cell has, the fewer are computed that nobody asked for; the more it has, the fewer are computed
    again ``around`` each.
    """

    def work(shape: tuple[int, int]) -> int:
        count = len(np.unique(rows // shape[0] * (cols.max() + 1) + cols // shape[1]))
        return count * ((shape[0] + 2 * around) * (shape[1] + 2 * around) + CALLS)

    return min([*((min(side, whole[0]), min(side, whole[1])) for side in NEAR), whole], key=work)


def _batches(
    scene: Scene, block: Block, pixels: tuple[np.ndarray, np.ndarray], whole: tuple[int, int], around: int
) -> Iterator[list[_Near]]:
    """The pixels (rows, columns) of a block with their neighbours, in groups of about as many pixels as a ``whole``
    block has; ``around``: pixels around a small block that filters read too."""
    (top, bottom), (left, right) = block.rows, block.cols
    rows, cols = pixels[0] - top, pixels[1] - left
    size = cell_shape(rows, cols, whole, around)
    cells = _cells(rows, cols, size)
    batch: list[_Near] = []
    count = 0
    for (row, col), at in cells:
        first = top + row, left + col
        last = min(first[0] + size[0], bottom), min(first[1] + size[1], right)
        place = block_of(scene.tile, scene.geobox, (first[0], last[0]), (first[1], last[1]))
        batch.append(_Near(place, pixels[0][at] - first[0], pixels[1][at] - first[1], at))
        count += len(at)
        if count >= whole[0] * whole[1]:
            yield batch
            batch, count = [], 0
    if batch:
        yield batch


def _series_at(decoded: DecodedBlock, batch: Sequence[_Near]) -> dict[str, Cube]:
    """The series of the pixels of a batch: cubes of one row."""
    found: dict[str, list[Cube]] = {}
    for near in batch:
        for name, cube in decoded.cubes(near.block).items():
            found.setdefault(name, []).append(
                replace(
                    cube,
                    values=cube.values[:, :, near.rows, near.cols][:, :, None],
                    valid=cube.valid[:, near.rows, near.cols][:, None],
                )
            )
    return {
        name: replace(
            cubes[0],
            values=np.concatenate([cube.values for cube in cubes], axis=-1),
            valid=np.concatenate([cube.valid for cube in cubes], axis=-1),
        )
        for name, cubes in found.items()
    }


STEP = Step(
    name="samplesExtraction",
    group="sampling",
    about="Compute the features of the selected pixels.",
    task="extraction_{tile}",
    run=run,
    over=("tile",),
    needs={
        **layout.IMAGES,
        "recipe": layout.RECIPE,
        "selection": layout.TILE_SELECTION_MERGE,
    },
    makes={"samples": layout.TILE_SAMPLES},
    version=2,
)
