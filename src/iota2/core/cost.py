"""What a job will need of disk, memory and time, as its step estimates it, and the facts on which that rests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from iota2.core.grid import part_rows
from iota2.core.nomenclature import Nomenclature
from iota2.core.recipe import FeatureRecipe
from iota2.core.scene import Scene

PACKED = 0.5
"""Share of their plain size that rasters take in a file: labels much less, confidence more."""
SECONDS_PER_JOB = 0.3
"""Of a job that has next to nothing to do: its logs, files, records."""
READING_SECONDS = 0.05e-6
"""Seconds for each pixel of a band of a date: reading and resampling."""
FEATURE_SECONDS = 0.002e-6
"""Seconds for each pixel of a feature: ``make bench``."""
SAMPLE_BYTES, SAMPLE_VALUE_BYTES = 64, 9
"""Bytes of a sample in a table, and of each of its values."""


@dataclass(frozen=True)
class Cost:
    """What one job needs. Estimates, not limits."""

    memory: int
    """Bytes of arrays at a time."""
    seconds: float
    disk: float = 0.0
    """Bytes of files that stay."""
    unpacked: float = 0.0
    """Bytes of rasters as they are written first, which lie beside the packed ones for a moment."""


@dataclass(frozen=True)
class Facts:
    """What is known of a run before it begins."""

    scenes: Mapping[str, Scene]
    """By tile."""
    regions: Mapping[str, tuple[str, ...]]
    """Names of the regions that each tile meets."""
    recipe: FeatureRecipe = field(default_factory=lambda: FeatureRecipe(()))
    """Without sensors while it is not known."""
    classes: Nomenclature | None = None
    samples: float = 0.0
    """Pixels that are selected, at most, for all models and seeds."""

    @cached_property
    def features(self) -> int:
        """Number of features."""
        return len(self.recipe.names)

    @cached_property
    def class_count(self) -> int:
        """Number of classes; 1 while they are not known."""
        return len(self.classes.codes) if self.classes else 1

    @cached_property
    def label_bytes(self) -> int:
        """Bytes of a label in a raster."""
        return np.dtype(self.classes.dtype).itemsize if self.classes else 1

    @cached_property
    def pixels(self) -> Mapping[str, int]:
        """Pixels of each tile."""
        return {tile: int(scene.geobox.shape[0]) * int(scene.geobox.shape[1]) for tile, scene in self.scenes.items()}

    @cached_property
    def all_pixels(self) -> int:
        """Pixels of all tiles."""
        return sum(self.pixels.values())

    @cached_property
    def layers(self) -> Mapping[str, int]:
        """Bands of all dates and sensors, by tile."""
        return {
            tile: sum(len(sensor.acquisitions) * len(sensor.spec.bands) for sensor in scene.sensors)
            for tile, scene in self.scenes.items()
        }

    @cached_property
    def region_count(self) -> int:
        """Number of regions that any tile meets."""
        return len({region for regions in self.regions.values() for region in regions})


@dataclass(frozen=True)
class JobFacts:
    """What is known of one job before it runs."""

    run: Facts
    key: Mapping[str, str | int]
    allowed: int
    """Bytes that the arrays of its blocks may take."""

    @property
    def tile(self) -> str | None:
        """The tile that the job is about; None when it is about all."""
        return str(self.key["tile"]) if "tile" in self.key else None

    @property
    def pixels(self) -> int:
        """Pixels of the ground that the job is about: a strip, a tile, or all."""
        if self.tile is None:
            return self.run.all_pixels
        if "part" not in self.key:
            return self.run.pixels[self.tile]
        height, width = self.run.scenes[self.tile].geobox.shape
        top, bottom = part_rows(int(self.key["part"]), height)
        return (bottom - top) * width

    @property
    def layers(self) -> int:
        """Bands of all dates and sensors of its tile; 0 for a job about all tiles."""
        return 0 if self.tile is None else self.run.layers[self.tile]

    @property
    def regions(self) -> int:
        """Regions that its tile meets; 1 for a job about all tiles."""
        return 1 if self.tile is None else len(self.run.regions[self.tile])

    def raster_cost(self, bytes_per_pixel: float = 0.0, seconds_per_pixel: float = READING_SECONDS) -> Cost:
        """The cost of going block by block over its ground and writing rasters of so many bytes a pixel."""
        unpacked = float(self.pixels * bytes_per_pixel)
        seconds = SECONDS_PER_JOB + self.pixels * seconds_per_pixel
        return Cost(self.allowed, seconds, PACKED * unpacked, unpacked)
