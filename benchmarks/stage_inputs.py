"""Inputs of the stages of one tile, prepared before the measurement."""

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

READ_PIXELS = 1_000_000
"""Pixels on which reading and writing are measured, or those of the tile if it is smaller."""
COMPUTED_BLOCKS = 8
"""Computed blocks on which the other stages are measured: more than the caches of the processor can store."""


@dataclass(frozen=True)
class StageInputs:
    """Inputs of the stages of one tile; computed on first use."""

    run: Any
    scene: Scene
    recipe: FeatureRecipe

    @cached_property
    def shapes(self) -> BlockShapes:
        """Shapes of the decoded and computed blocks of the classification step."""
        return prediction_shapes(self.scene, self.recipe, Resources(), len(self.run.model.classes))

    @cached_property
    def blocks(self) -> list[Block]:
        """The decoded blocks of the step from the top of the tile, with about ``READ_PIXELS`` pixels."""
        shape, (height, width) = self.shapes.decoded, self.scene.geobox.shape
        rows = min(height, math.ceil(READ_PIXELS / width / shape[0]) * shape[0])
        return self.shapes.in_order(self.scene.tile, self.scene.geobox, (0, rows))

    def computed(self, block: Block) -> list[Block]:
        """The computed blocks of the step inside a decoded block."""
        return list(blocks(block.tile, self.scene.geobox, self.shapes.computed, block.rows, block.cols))

    @cached_property
    def parts(self) -> list[Block]:
        """The first computed blocks of the first decoded block."""
        return self.computed(self.blocks[0])[:COMPUTED_BLOCKS]

    @property
    def part_pixels(self) -> int:
        """Number of pixels of ``parts``."""
        return sum(math.prod(part.shape) for part in self.parts)

    @property
    def pixels(self) -> int:
        """Number of pixels of ``blocks``."""
        return sum(math.prod(block.shape) for block in self.blocks)

    @cached_property
    def bands(self) -> dict[str, tuple[str, ...]]:
        """Names of the bands to read, by sensor."""
        return recipe_bands(self.recipe)

    @cached_property
    def cubes(self) -> list[dict[str, Cube]]:
        """The series of each of ``parts``, by sensor."""
        with CubeReader(self.scene, self.bands) as reader:
            _, decoded = next(reader.blocks(self.blocks[:1]))
            return [decoded.cubes(part) for part in self.parts]

    @cached_property
    def features(self) -> list[FeatureBlock]:
        """The features of each of ``parts``."""
        return [feature_block(cubes, self.recipe) for cubes in self.cubes]

    @cached_property
    def prediction(self) -> Prediction:
        """Labels and confidence of the first of ``parts``."""
        return self.run.model.predict(self.features[0], np.ones(self.parts[0].shape, bool))

    def coarse(self) -> list[tuple[np.ndarray, Placement]]:
        """For each of ``parts``: random values (date x band, y, x) of the 20 m bands, and their placement."""
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
