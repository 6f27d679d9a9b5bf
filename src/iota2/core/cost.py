"""Estimated disk space, memory and time of jobs, and the facts from which steps compute them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from iota2.core.grid import part_rows
from iota2.core.nomenclature import Nomenclature
from iota2.core.recipe import FeatureRecipe
from iota2.core.scene import Scene

MODEL_AXES = ("region", "submodel", "source")
"""Axes of a run whose values together are the name of a model."""
COMPRESSION_RATIO = 0.5
"""Compressed size of a raster divided by its uncompressed size; lower for labels, higher for confidence."""
SECONDS_PER_JOB = 0.3
"""Overhead of a job, in seconds: logs, files, records."""
READING_SECONDS = 0.05e-6
"""Seconds to read and resample one pixel of one band and date."""
FEATURE_SECONDS = 0.002e-6
"""Seconds to compute one feature of one pixel, measured by ``make bench``."""
COMPONENT_SECONDS = 0.2e-9
"""Seconds per feature and component of its group to reduce the features of one pixel."""
SAMPLE_BYTES, SAMPLE_VALUE_BYTES = 64, 9
"""Bytes of a sample in a table, and of each of its feature values."""
POINT_BYTES = 600
"""Bytes of memory of a sample as a point with its attributes, without features."""


@dataclass(frozen=True)
class Cost:
    """Estimated resources of one job. They are not limits."""

    memory: int
    """Maximum bytes of the arrays that exist at the same time."""
    seconds: float
    disk: float = 0.0
    """Bytes of the output files."""
    uncompressed: float = 0.0
    """Bytes of uncompressed temporary rasters, which exist together with the compressed ones at the end of a job."""


@dataclass(frozen=True)
class Facts:
    """Facts about a run, known before its first job."""

    scenes: Mapping[str, Scene]
    """Scenes by tile."""
    regions: Mapping[str, tuple[str, ...]]
    """Names of the regions whose models each tile uses: those that intersect it and, if models are blended near borders
    of regions, those nearby."""
    recipe: FeatureRecipe = field(default_factory=lambda: FeatureRecipe(()))
    """Empty until the recipe is known."""
    classes: Nomenclature | None = None
    submodels: Mapping[str, int] = field(default_factory=dict)
    """Number of models of each region that has several."""
    sources: int = 1
    """Number of models of each region, sub-model and seed: 2 if optical and radar images have models of their own."""
    samples: float = 0.0
    """Maximum number of selected pixels, for all models and seeds."""
    function_seconds: Mapping[str, float] = field(default_factory=dict)
    """Measured seconds per pixel of functions of the user, by name."""
    rasters: Mapping[str, int] = field(default_factory=dict)
    """Bytes of a pixel of all bands, by name of the rasters that are cut to tiles."""
    strips: Mapping[int, int] = field(default_factory=dict)
    """Number of pixels of each strip of the mosaic that belong to a tile."""
    map_pixels: int = 0
    """Number of pixels of the map that becomes polygons."""
    squares: Mapping[str, int] = field(default_factory=dict)
    """Number of pixels of each square of the regularised map, which may be coarser."""
    areas: int = 1
    """Number of areas to which polygons are cut."""
    map_codes: tuple[int, ...] = ()
    """Class codes in a sample of the map that becomes polygons; empty for a map of the run."""

    @cached_property
    def features(self) -> int:
        """Number of features."""
        return len(self.recipe.names)

    @cached_property
    def feature_seconds(self) -> float:
        """Seconds to compute the features of one pixel, without functions of whole tiles."""
        return FEATURE_SECONDS * self.features + self._function_seconds(whole_tile=False)

    @cached_property
    def whole_tile_seconds(self) -> float:
        """Seconds per pixel of the functions of whole tiles."""
        return self._function_seconds(whole_tile=True)

    def _function_seconds(self, *, whole_tile: bool) -> float:
        functions = (one.name for one in self.recipe.functions if one.whole_tile == whole_tile)
        return sum(self.function_seconds.get(name, 0.0) for name in functions)

    @cached_property
    def class_count(self) -> int:
        """Number of classes; 1 until they are known."""
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
        """Number of bands of all dates and sensors together, by tile."""
        return {
            tile: sum(len(sensor.acquisitions) * len(sensor.spec.bands) for sensor in scene.sensors)
            for tile, scene in self.scenes.items()
        }

    @cached_property
    def dates(self) -> Mapping[str, int]:
        """Number of different dates of the images of all tiles, by sensor."""
        keys: dict[str, set[str]] = {}
        for scene in self.scenes.values():
            for sensor in scene.series:
                keys.setdefault(sensor.spec.name, set()).update(sensor.keys)
        return {name: len(found) for name, found in keys.items()}

    @cached_property
    def model_count(self) -> int:
        """Number of models with samples of their own in one run."""
        regions = {region for regions in self.regions.values() for region in regions}
        return sum(self.submodels.get(region, 1) for region in regions)

    def models_of(self, tile: str) -> int:
        """Number of models that classify a tile in one run."""
        return self.sources * sum(self.submodels.get(region, 1) for region in self.regions[tile])

    def samples_of_model(self, runs: int) -> float:
        """Assumed number of samples of one model in one of ``runs``: with several models, twice the mean."""
        return self.samples / runs * min(1.0, 2 / max(1, self.model_count))


def model_name(key: Mapping[str, str | int]) -> str:
    """Name of a model in files and messages, without the seed, from values of axes: ``1``, ``1f2``, ``1_SAR``."""
    return "".join(str(key.get(axis, "")) for axis in MODEL_AXES)


@dataclass(frozen=True)
class JobFacts:
    """Facts about one job, known before it runs."""

    run: Facts
    key: Mapping[str, str | int]
    allowed: int
    """Memory limit for the arrays of one block, in bytes."""

    @property
    def tile(self) -> str | None:
        """The tile of the job; None for a job on all tiles."""
        return str(self.key["tile"]) if "tile" in self.key else None

    @property
    def pixels(self) -> int:
        """Number of pixels of the job's area: a part of a tile, a tile, a strip of the mosaic, a square of the
        regularised map, or all tiles."""
        if "square" in self.key:
            return self.run.squares[str(self.key["square"])]
        if "strip" in self.key:
            return self.run.strips[int(self.key["strip"])]
        if self.tile is None:
            return self.run.all_pixels
        if "part" not in self.key:
            return self.run.pixels[self.tile]
        height, width = self.run.scenes[self.tile].geobox.shape
        top, bottom = part_rows(int(self.key["part"]), height)
        return (bottom - top) * width

    @property
    def layers(self) -> int:
        """Number of bands of all dates and sensors of the tile together; 0 for a job on all tiles."""
        return 0 if self.tile is None else self.run.layers[self.tile]

    @property
    def regions(self) -> int:
        """Number of regions whose models the tile uses; 1 for a job on all tiles."""
        return 1 if self.tile is None else len(self.run.regions[self.tile])

    @property
    def model(self) -> str:
        """Name of the model of the job; see ``model_name``."""
        return model_name(self.key)

    @property
    def models(self) -> int:
        """Number of models that classify the tile in one run; 1 for a job on all tiles."""
        return 1 if self.tile is None else self.run.models_of(self.tile)

    def raster_cost(self, bytes_per_pixel: float = 0.0, seconds_per_pixel: float = READING_SECONDS) -> Cost:
        """Cost of processing the area block by block and writing rasters of ``bytes_per_pixel``."""
        uncompressed = float(self.pixels * bytes_per_pixel)
        seconds = SECONDS_PER_JOB + self.pixels * seconds_per_pixel
        return Cost(self.allowed, seconds, COMPRESSION_RATIO * uncompressed, uncompressed)
