"""What the stages of one tile work on, made ready before anything is measured."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from iota2.classifiers.base import Prediction
from iota2.compute.block_shapes import BlockShapes
from iota2.compute.features import feature_block
from iota2.compute.placement import Placement, placement
from iota2.core.cube import Cube, FeatureBlock
from iota2.core.graph import Resources
from iota2.core.grid import Block, blocks
from iota2.core.recipe import FeatureRecipe
from iota2.core.scene import Scene
from iota2.io.series.reader import CubeReader, recipe_bands
from iota2.steps.blocks import prediction_shapes

PIXELS = 1_000_000
"""Reading and writing are measured on so many pixels, or the tile if that is smaller; the others on some blocks."""
PARTS = 8
"""Blocks on which what needs no file is measured: more than the caches hold."""


@dataclass(frozen=True)
class Ground:
    """What the stages of one tile work on."""

    run: Any
    scene: Scene
    recipe: FeatureRecipe

    @cached_property
    def shapes(self) -> BlockShapes:
        """The shapes in which the step works."""
        return prediction_shapes(self.scene, self.recipe, Resources(), len(self.run.model.classes))

    @cached_property
    def blocks(self) -> list[Block]:
        """What the step decodes at once, from the top, for about ``PIXELS``."""
        shape, (height, width) = self.shapes.decoded, self.scene.geobox.shape
        rows = min(height, math.ceil(PIXELS / width / shape[0]) * shape[0])
        return self.shapes.in_order(self.scene.tile, self.scene.geobox, (0, rows))

    def within(self, block: Block) -> list[Block]:
        """What the step computes at once, inside of a block."""
        return list(blocks(block.tile, self.scene.geobox, self.shapes.computed, block.rows, block.cols))

    @cached_property
    def parts(self) -> list[Block]:
        """Some of these."""
        return self.within(self.blocks[0])[:PARTS]

    @property
    def part_pixels(self) -> int:
        """Pixels of the parts."""
        return sum(math.prod(part.shape) for part in self.parts)

    @property
    def pixels(self) -> int:
        """Pixels of all of them."""
        return sum(math.prod(block.shape) for block in self.blocks)

    @cached_property
    def bands(self) -> dict[str, tuple[str, ...]]:
        """The bands that are read."""
        return recipe_bands(self.recipe)

    @cached_property
    def cubes(self) -> list[dict[str, Cube]]:
        """The series of the parts."""
        with CubeReader(self.scene, self.bands) as reader:
            _, decoded = next(reader.blocks(self.blocks[:1]))
            return [decoded.cubes(part) for part in self.parts]

    @cached_property
    def features(self) -> list[FeatureBlock]:
        """The features of the parts."""
        return [feature_block(cubes, self.recipe) for cubes in self.cubes]

    @cached_property
    def prediction(self) -> Prediction:
        """Labels and confidence of a part of full size."""
        return self.run.model.predict(self.features[0], np.ones(self.parts[0].shape, bool))

    def coarse(self) -> list[tuple[np.ndarray, Placement]]:
        """The pixels of the 20 m bands of all dates that the parts need, and where they lie."""
        (sensor,) = self.scene.sensors
        grid, dates = sensor.grids["B5"], len(sensor.acquisitions)
        bands = sum(sensor.grids[band] == grid for band in self.bands[sensor.spec.name])
        found = []
        for number, part in enumerate(self.parts):
            place = placement(grid, self.scene.geobox, part.rows, part.cols, sensor.spec.resampling)
            rows, cols = place.window
            shape = dates * bands, rows[1] - rows[0], cols[1] - cols[0]
            found.append((np.random.default_rng(number).integers(1, 10000, shape, np.int16), place))
        return found
