"""Computation of features from a scene: block by block for maps, or for selected pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from typing import TypeVar

import numpy as np

from iota2.compute.block_shapes import BlockShapes
from iota2.compute.features import feature_block, filtered_block
from iota2.compute.pixel_cells import Cell, cells, selected_blocks
from iota2.compute.placement import Range
from iota2.core.cube import Cube, FeatureBlock
from iota2.core.graph import Resources
from iota2.core.grid import Block, padded
from iota2.core.recipe import FeatureRecipe
from iota2.core.scene import Scene
from iota2.errors import UserError
from iota2.io.rasters.files import RasterReader
from iota2.io.series.decoded import DecodedBlock
from iota2.io.series.reader import series_reader
from iota2.steps.blocks import feature_shapes, fitting_threads
from iota2.user_code.functions import UserCode
from iota2.user_code.loading import UserCodeError

T = TypeVar("T")


def feature_blocks(
    scene: Scene,
    recipe: FeatureRecipe,
    order: Iterable[Block],
    wanted: Callable[[Block], Sequence[tuple[Block, T]]],
    *,
    threads: int = 1,
    margin: int = 0,
) -> Iterator[tuple[Block, FeatureBlock, T]]:
    """Yield each computed block with its features and the caller's data for it.

    ``order`` lists the blocks to decode. ``wanted`` returns the smaller blocks to compute inside a decoded block, each
    with data of the caller; a block without any is not decoded. The features have margins of ``margin`` pixels around
    each block, or to the edge of the tile. To keep only one block of features in memory, delete the features before the
    next block is requested. With several ``threads``, the next block is decoded during the computation.
    """
    for block, (features,), prepared in several_feature_blocks(
        scene, [recipe], order, wanted, threads=threads, margin=margin
    ):
        yield block, features, prepared
        del features


def several_feature_blocks(
    scene: Scene,
    recipes: Sequence[FeatureRecipe],
    order: Iterable[Block],
    wanted: Callable[[Block], Sequence[tuple[Block, T]]],
    *,
    threads: int = 1,
    margin: int = 0,
) -> Iterator[tuple[Block, list[FeatureBlock], T]]:
    """``feature_blocks`` for several recipes of the same bands: each block is decoded once.

    The first recipe has all sensors of the others, with the same bands and filters.
    """
    codes, (first, *_) = [UserCode(recipe) for recipe in recipes], recipes
    with ExitStack() as stack:
        of_whole_tiles = [stack.enter_context(_whole_tiles(scene, recipe)) for recipe in recipes]
        for decoded, (block, prepared) in _decoded(
            scene, first, order, lambda whole: wanted(whole) or None, threads=threads, margin=margin
        ):
            around = padded(block, margin, scene.geobox)
            cubes = decoded.cubes(around, first.halos)
            with placed(around):
                found = [
                    feature_block(cubes, code.recipe, code.values(cubes, read(around)))
                    for code, read in zip(codes, of_whole_tiles, strict=True)
                ]
            yield block, [replace(features, margins=around.margins(block)) for features in found], prepared
            del found
    for code in codes:
        code.log_not_finite()


def feature_pixels(
    scene: Scene,
    recipe: FeatureRecipe,
    shapes: BlockShapes,
    rows: np.ndarray,
    cols: np.ndarray,
    *,
    strip: Range | None = None,
    threads: int = 1,
) -> Iterator[tuple[np.ndarray, FeatureBlock]]:
    """Yield batches of the selected pixels: positions (pixel,) in ``rows`` and ``cols``, features (feature, 1, pixel).

    Only blocks that contain selected pixels are decoded, and only cells around the pixels are resampled to the working
    grid. ``strip``: rows of the tile that contain all selected pixels; blocks do not exceed it.
    """
    found = selected_blocks(scene.tile, scene.geobox, rows, cols, outer=shapes.cell, inner=shapes.decoded, strip=strip)
    positions = dict(found)
    pointwise, code = recipe.pointwise, UserCode(recipe)

    def batches(block: Block) -> Iterator[tuple[np.ndarray, list[Cell]]]:
        at = positions[block]
        block_cells = cells(scene.geobox, block, (rows[at], cols[at]), largest=shapes.computed, halo=recipe.halo)
        for batch in _batches(block_cells, shapes.computed[0] * shapes.computed[1]):
            yield at[np.concatenate([cell.at for cell in batch])], batch

    with _whole_tiles(scene, recipe) as of_whole_tiles:
        for decoded, (at, batch) in _decoded(scene, recipe, positions, batches, threads=threads):
            series, values = _pixel_series(decoded, batch, recipe, code, of_whole_tiles)
            yield at, feature_block(series, pointwise, values)
    code.log_not_finite()


def features_at(
    scene: Scene,
    recipe: FeatureRecipe,
    rows: np.ndarray,
    cols: np.ndarray,
    use: Resources,
    *,
    strip: Range | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Features (pixel, feature) float32 at the given pixels, and whether each pixel has a clear date, (pixel,) bool.

    ``strip``: rows of the tile that contain all pixels; no block exceeds them. Without pixels, the arrays are empty,
    and no image is read.
    """
    values = np.zeros((len(rows), len(recipe.names)), np.float32)
    clear = np.zeros(len(rows), bool)
    if not len(rows):
        return values, clear
    use = fitting_threads(use, partial(feature_shapes, scene, recipe))
    shapes = feature_shapes(scene, recipe, use)
    for at, features in feature_pixels(scene, recipe, shapes, rows, cols, strip=strip, threads=use.threads):
        values[at], clear[at] = features.values[:, 0].T, features.n_valid[0] > 0
    return values, clear


def _decoded(
    scene: Scene,
    recipe: FeatureRecipe,
    order: Iterable[Block],
    wanted: Callable[[Block], Iterable[T] | None],
    *,
    threads: int,
    margin: int = 0,
) -> Iterator[tuple[DecodedBlock, T]]:
    """Yield each requested part of a block with the decoded block that contains its series.

    ``wanted`` returns the parts of a block, or None if the block need not be decoded. ``margin``: pixels around the
    parts whose series are also requested.
    """
    with series_reader(scene, recipe, threads=threads, margin=margin) as reader:
        for parts, decoded in reader.blocks(order, wanted):
            for part in parts:
                yield decoded, part


def _batches(ordered: Iterable[Cell], batch_pixels: int) -> Iterator[list[Cell]]:
    """Yield the cells in groups with at least ``batch_pixels`` selected pixels; the last group may have fewer."""
    batch: list[Cell] = []
    count = 0
    for cell in ordered:
        batch.append(cell)
        count += len(cell.at)
        if count >= batch_pixels:
            yield batch
            batch, count = [], 0
    if batch:
        yield batch


def _pixel_series(
    decoded: DecodedBlock,
    batch: Sequence[Cell],
    recipe: FeatureRecipe,
    code: UserCode,
    of_whole_tiles: Callable[[Block], np.ndarray | None],
) -> tuple[Mapping[str, Cube], np.ndarray | None]:
    """Series of the selected pixels of some cells as cubes of one row, and their features of functions of the user."""
    found: dict[str, list[Cube]] = {}
    computed: list[np.ndarray] = []
    for cell in batch:
        cubes = decoded.cubes(cell.block, recipe.halos)
        for sensor in recipe.sensors:
            if sensor.sensor in cubes:
                found.setdefault(sensor.sensor, []).append(
                    _selected_pixels(filtered_block(cubes[sensor.sensor], sensor), cell)
                )
        with placed(cell.block):
            values = code.values(cubes, of_whole_tiles(cell.block))
        if values is not None:
            computed.append(values[:, None, cell.rows, cell.cols])
    whole = np.concatenate(computed, axis=-1) if computed else None
    return {name: _concatenated(cubes) for name, cubes in found.items()}, whole


@contextmanager
def _whole_tiles(scene: Scene, recipe: FeatureRecipe) -> Iterator[Callable[[Block], np.ndarray | None]]:
    """A function that reads the features of whole tiles of a block, (feature, y, x); it gives None without any.

    UserError if the chain has no step that computes them.
    """
    names = recipe.user.of_whole_tiles if recipe.user else ()
    if not names:
        yield lambda block: None
        return
    if not scene.whole_tiles:
        functions = ", ".join(one.name for one in recipe.functions if one.whole_tile)
        raise UserError(
            f"tile {scene.tile}: {functions} of external_features.whole_tiles need the step wholeTileFeatures, which "
            "this chain does not have. Add it to the builder, with layout.FEATURE_IMAGES in the needs of this step"
        )
    with RasterReader(scene.whole_tiles) as raster:
        bands = [raster.descriptions.index(name) + 1 for name in names]
        yield lambda block: raster.read_bands(block.geobox, bands)


@contextmanager
def placed(block: Block) -> Iterator[None]:
    """Add the place of a block to errors of functions of the user."""
    try:
        yield
    except UserCodeError as error:
        (top, bottom), (left, right) = block.rows, block.cols
        place = f"tile {block.tile}, rows {top} to {bottom}, columns {left} to {right}"
        raise UserCodeError(f"{place}: {error}") from error


def _selected_pixels(cube: Cube, cell: Cell) -> Cube:
    """The selected pixels of a cell, as a cube of one row."""
    values, valid = cube.values[:, :, cell.rows, cell.cols], cube.valid[:, cell.rows, cell.cols]
    return replace(cube, values=values[:, :, None], valid=valid[:, None])


def _concatenated(cubes: Sequence[Cube]) -> Cube:
    """Concatenation of cubes of one row along their columns."""
    values = np.concatenate([cube.values for cube in cubes], axis=-1)
    return replace(cubes[0], values=values, valid=np.concatenate([cube.valid for cube in cubes], axis=-1))
