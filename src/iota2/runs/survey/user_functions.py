"""Trial of the user's functions on a small block of images, before any job."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from iota2.core.cube import Cube
from iota2.core.grid import Block, block_of
from iota2.core.recipe import FeatureRecipe
from iota2.core.scene import Scene
from iota2.core.words import counted, some
from iota2.errors import InputProblems
from iota2.io.series.reader import CubeReader, series_reader
from iota2.user_code.calls import outcomes, printed_texts
from iota2.user_code.functions import UserCode
from iota2.user_code.loading import UserCodeError, UserFile

SIDE = 64
"""Rows and columns of the block."""
ROUNDING = 1e-5
"""Relative difference up to which two results of a function count as equal."""
_OPTION = ("external_features", "functions")
_PLACES = ((0.5, 0.5), (0.25, 0.25), (0.25, 0.75), (0.75, 0.25), (0.75, 0.75))
"""Centres of the tried blocks, as shares of rows and columns of the tile."""


@dataclass(frozen=True)
class FunctionTrial:
    """One function, called on a block of images."""

    name: str
    labels: tuple[str, ...]
    shape: tuple[int, int]
    """Rows and columns of the block."""
    missing: float
    """Share of the results in pixels with a clear date that are not finite, 0 to 1; NaN without such pixels."""
    seconds: float
    """Computing time per pixel."""
    empty: tuple[str, ...] = ()
    """Labels of the features without data in all pixels with a clear date; empty without such pixels."""
    whole_tile: bool = False
    """Whether the run calls it with whole tiles."""
    printed: Mapping[str, int] = field(default_factory=dict)
    """Lines that it has printed, with the number of times."""

    @property
    def texts(self) -> list[str]:
        """Lines for the user: its features, and what it has printed."""
        return [self.text, *(f"  {line}" for line in printed_texts(self.printed))]

    @property
    def text(self) -> str:
        """One line for the user."""
        values = "no pixel with a clear date" if np.isnan(self.missing) else f"{self.missing:.1%} not finite"
        return (
            f"{self.name}: {counted(len(self.labels), 'feature')} ({some(self.labels, 3)}) of {self.shape[0]} x "
            f"{self.shape[1]} pixels; {values}; {self.seconds * 1e6:.2f} µs per pixel"
            f"{'; the run calls it with whole tiles' if self.whole_tile else ''}"
        )

    @property
    def warning(self) -> str:
        """A sentence on features without data; empty if all have data."""
        if not self.empty:
            return ""
        have = "has" if len(self.empty) == 1 else "have"
        return (
            f"{self.name}: {some(self.empty, 3)} {have} no data in all tried pixels with a clear date. Check whether "
            "the function returns NaN, infinite values or external_features.no_data_value everywhere"
        )


def try_functions(scenes: Mapping[str, Scene], recipe: FeatureRecipe) -> tuple[FunctionTrial, ...]:
    """Call each function on a block of the first tile that has images of all its sensors.

    InputProblems for a function that fails; for one that gives different values for the same pixels, in another call or
    after calls with other pixels; and for one whose result depends on the block: the whole block and its four quarters,
    each with its padding, must give the same values. Functions of whole tiles may depend on it.
    """
    if recipe.user is None:
        return ()
    problems, trials = [], []
    calls = {}
    for function in recipe.functions:
        scene = next((one for one in scenes.values() if _has_all(one, function.sensors)), None)
        if scene is not None:
            calls[function.name] = partial(_tried, scene, recipe.only_function(function.name))
    for outcome in outcomes(calls, _file(recipe), own_process=True):
        try:
            trials.append(replace(outcome.value, printed=outcome.printed))
        except UserCodeError as error:
            problems.append((_OPTION, str(error)))
    if problems:
        raise InputProblems(problems)
    return tuple(trials)


def _has_all(scene: Scene, sensors: tuple[str, ...]) -> bool:
    return set(sensors) <= {one.spec.name for one in scene.sensors}


def _tried(scene: Scene, recipe: FeatureRecipe) -> FunctionTrial:
    """The function of a recipe on the first block with a clear pixel, or on the first one."""
    with series_reader(scene, recipe) as reader:
        return _tried_on(reader, scene, recipe)


def _tried_on(reader: CubeReader, scene: Scene, recipe: FeatureRecipe) -> FunctionTrial:
    block, cubes = _block_with_pixels(scene, recipe, reader)
    (function,), code = recipe.functions, UserCode(recipe)
    first = _values(code, cubes)  # loads or compiles what the function needs
    code.not_finite.clear()
    start = time.perf_counter()
    whole = _values(code, cubes)
    seconds = (time.perf_counter() - start) / (block.shape[0] * block.shape[1])
    clear = np.logical_and.reduce([cubes[name].without_margins().n_valid > 0 for name in function.sensors])
    results = np.count_nonzero(clear) * len(function.labels)
    missing = sum(code.not_finite.values()) / results if results else float("nan")
    quarters = [(quarter, reader.read(quarter, recipe.halos)) for quarter in _quarters(block, scene)]
    if not _equal(first, whole):
        raise UserCodeError(_not_repeatable(function.name, recipe))
    for quarter, part in () if function.whole_tile else quarters:
        if not _equal(_values(code, part), block.cut(whole, quarter)):
            raise UserCodeError(_depends_on_block(function.name, recipe))
    if not _equal(_after_other_pixels(recipe, cubes, quarters[0][1]), whole):
        raise UserCodeError(_not_repeatable(function.name, recipe))
    empty = _empty_labels(function.labels, whole[:, clear], recipe)
    return FunctionTrial(function.name, function.labels, block.shape, missing, seconds, empty, function.whole_tile)


def _empty_labels(labels: tuple[str, ...], values: np.ndarray, recipe: FeatureRecipe) -> tuple[str, ...]:
    """Labels of the features (feature, pixel) that have no data in any pixel; none without pixels."""
    assert recipe.user is not None, "the recipe has functions of the user"
    without = (values == np.float32(recipe.user.no_data)).all(axis=1) & (values.shape[1] > 0)
    return tuple(label for label, alone in zip(labels, without, strict=True) if alone)


def _after_other_pixels(recipe: FeatureRecipe, cubes: Mapping[str, Cube], before: Mapping[str, Cube]) -> np.ndarray:
    """The features of a block, when the first call since the file was executed was that of the block ``before``."""
    _file(recipe).load(again=True)
    code = UserCode(recipe)
    _values(code, before)
    return _values(code, cubes)


def _file(recipe: FeatureRecipe) -> UserFile:
    assert recipe.user is not None, "the recipe has functions of the user"
    return UserFile(recipe.user.file, recipe.user.source)


def _values(code: UserCode, cubes: Mapping[str, Cube]) -> np.ndarray:
    values = code.values(cubes)
    assert values is not None, "the recipe has functions of the user"
    return values


def _equal(one: np.ndarray, other: np.ndarray) -> bool:
    return np.allclose(one, other, rtol=ROUNDING, atol=ROUNDING, equal_nan=True)


def _block_with_pixels(scene: Scene, recipe: FeatureRecipe, reader: CubeReader) -> tuple[Block, Mapping[str, Cube]]:
    found = []
    for down, across in _PLACES:
        block = _block(scene, down, across)
        cubes = reader.read(block, recipe.halos)
        found.append((block, cubes))
        if all((one.without_margins().n_valid > 0).any() for one in cubes.values()):
            return found[-1]
    return found[0]


def _block(scene: Scene, down: float, across: float) -> Block:
    """The block with its centre at these shares of the tile."""
    ranges = []
    for size, share in zip(scene.geobox.shape, (down, across), strict=True):
        first = min(max(0, int(size * share) - SIDE // 2), max(0, size - SIDE))
        ranges.append((first, min(size, first + SIDE)))
    return block_of(scene.tile, scene.geobox, *ranges)


def _quarters(block: Block, scene: Scene) -> Iterator[Block]:
    halves = [
        ((first, first + (last - first) // 2), (first + (last - first) // 2, last))
        for first, last in (block.rows, block.cols)
    ]
    for rows in halves[0]:
        for cols in halves[1]:
            if rows[0] < rows[1] and cols[0] < cols[1]:
                yield block_of(block.tile, scene.geobox, rows, cols)


def _not_repeatable(name: str, recipe: FeatureRecipe) -> str:
    assert recipe.user is not None, "the recipe has functions of the user"
    return (
        f"{name} in {recipe.user.file}: two calls give different values for the same pixels, so training and map would "
        "differ. The function uses random numbers, or keeps values of earlier calls, for example in a global variable. "
        "Give a generator of random numbers a fixed seed in each call, and compute everything from the argument"
    )


def _depends_on_block(name: str, recipe: FeatureRecipe) -> str:
    assert recipe.user is not None, "the recipe has functions of the user"
    rows, columns = recipe.user.padding
    return (
        f"{name} in {recipe.user.file}: the result depends on the block. Its values on a block of {SIDE} x {SIDE} "
        "pixels differ from those on its four quarters, so the map would show the borders of blocks. A function must "
        "use no statistics of its whole input, such as a mean over all pixels, and no pixels further away than "
        f"python_data_managing.padding_size_y ({rows}) rows and padding_size_x ({columns}) columns: increase these "
        "options to the reach of the function. If it needs the whole tile, name it in external_features.whole_tiles: "
        "it is then called once for each tile, with all its pixels"
    )
