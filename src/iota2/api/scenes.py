"""Scenes, image series and features of a tile, as xarray."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import xarray as xr
from odc.geo.geobox import GeoBox
from odc.geo.xr import xr_coords

from iota2 import layout
from iota2.compute.features import feature_block
from iota2.compute.valid import has_data
from iota2.config.load import load_config
from iota2.config.options.schema import Config
from iota2.core.cube import Cube, FeatureBlock
from iota2.core.grid import Block, block_of, place_in, share_pixels
from iota2.core.recipe import FeatureRecipe
from iota2.core.scene import Scene
from iota2.core.words import did_you_mean
from iota2.errors import InputError
from iota2.io.series.reader import CubeReader, series_reader
from iota2.io.series.scene_file import read_scene, shifted
from iota2.io.tables.recipes import read_recipe
from iota2.run.survey.survey import survey

T = TypeVar("T")
Bounds = tuple[float, float, float, float]
"""Left, bottom, right, top, in the CRS of the tile."""


@dataclass(frozen=True)
class OpenedScene:
    """Images of one tile; nothing is read until values are asked for."""

    scene: Scene
    recipe: FeatureRecipe
    """The features of the run or configuration that the scene was opened from."""

    @property
    def geobox(self) -> GeoBox:
        """The grid of the tile."""
        return self.scene.geobox

    @property
    def sensors(self) -> tuple[str, ...]:
        """Names of the sensors that have images of the tile."""
        return tuple(sensor.spec.name for sensor in self.scene.sensors)

    def cube(self, area: Bounds | GeoBox | None = None, *, sensors: Sequence[str] | None = None) -> SceneCube:
        """The part of the scene that covers ``area``, on the tile's own pixels; all of it by default.

        InputError for an area outside the tile, a geobox of other pixels, or a sensor without images.
        """
        names = tuple(self.sensors if sensors is None else sensors)
        for name in names:
            if name not in self.sensors:
                raise InputError(f"{name}: no images of tile {self.scene.tile}{did_you_mean(name, self.sensors)}")
        return SceneCube(self, _block(self.scene, area), names)


@dataclass(frozen=True)
class SceneCube:
    """A window of a scene, and the sensors that are wanted of it."""

    opened: OpenedScene
    block: Block
    sensors: tuple[str, ...]

    def to_xarray(self, sensor: str | None = None) -> xr.Dataset:
        """``values`` (time, band, y, x) float32 and ``valid`` (time, y, x) bool of one sensor.

        Values are in product units (reflectance x 10000), NaN where a band has no data. ``valid`` is False where a
        mask applies or any band has no data. ``sensor`` may be left out when the cube has one sensor only;
        InputError otherwise.
        """
        if sensor is None and len(self.sensors) == 1:
            sensor = self.sensors[0]
        if sensor is None or sensor not in self.sensors:
            raise InputError(f"to_xarray: expected sensor= one of {', '.join(self.sensors)}, found {sensor!r}")
        spec = next(one.spec for one in self.opened.scene.sensors if one.spec.name == sensor)
        with CubeReader(self.opened.scene, {sensor: tuple(band.name for band in spec.bands)}) as reader:
            return _dataset(reader.read(self.block)[sensor], self.block.geobox)


@dataclass(frozen=True, eq=False)
class Features:
    """Features of a window of a scene."""

    block: FeatureBlock
    geobox: GeoBox

    def to_xarray(self) -> xr.DataArray:
        """(feature, y, x) float32, with the clear observations of each pixel as coordinate ``n_valid`` (y, x).

        Values of pixels whose ``n_valid`` is 0 are placeholders.
        """
        coords = {"feature": list(self.block.names), **xr_coords(self.geobox)}
        y, x = self.geobox.dims
        return xr.DataArray(self.block.values, coords=coords, dims=("feature", y, x), name="features").assign_coords(
            n_valid=((y, x), self.block.n_valid)
        )


def open_scene(source: str | Path | Config, tile: str) -> OpenedScene:
    """The scene of one tile, from the output folder of a run, a configuration file, or a configuration.

    A folder has the shifts that its run found by coregistration; a configuration has none yet.
    InputError for a folder without scenes and for an unknown tile; ConfigError for a configuration with problems.
    """
    if isinstance(source, Config) or not Path(source).is_dir():
        found = survey(source if isinstance(source, Config) else load_config(source))
        return OpenedScene(_tile(found.scenes, tile), found.recipe)
    root = Path(source)
    paths = {path.parts[-3]: path for path in sorted(root.glob(layout.SCENE.path.format(tile="*")))}
    if not paths:
        raise InputError(f"{root}: no scenes. Give the output folder of a run, or its configuration file.")
    scene = read_scene(_tile(paths, tile))
    shifts = root / layout.SHIFTS.path.format(tile=tile)
    if shifts.exists():
        scene = shifted(scene, json.loads(shifts.read_text(encoding="utf-8")))
    return OpenedScene(scene, read_recipe(root / layout.RECIPE.path))


def features(source: OpenedScene | SceneCube, recipe: FeatureRecipe | None = None) -> Features:
    """The features of a scene or of a window, exactly those of a run; ``recipe`` is the scene's own by default.

    All values are held in memory: 4 bytes for each feature and pixel. FeatureMismatch when the series of the scene
    cannot give the features of ``recipe``.
    """
    cube = source if isinstance(source, SceneCube) else source.cube()
    wanted = cube.opened.recipe if recipe is None else recipe
    with series_reader(cube.opened.scene, wanted) as reader:
        return Features(feature_block(reader.read(cube.block), wanted), cube.block.geobox)


def _tile(found: Mapping[str, T], tile: str) -> T:
    if tile not in found:
        raise InputError(f"{tile}: unknown tile. Available: {', '.join(found)}")
    return found[tile]


def _block(scene: Scene, area: Bounds | GeoBox | None) -> Block:
    """The block of a scene that covers an area; InputError when it is not inside of the tile."""
    if area is None:
        return block_of(scene.tile, scene.geobox, (0, scene.geobox.shape[0]), (0, scene.geobox.shape[1]))
    if isinstance(area, GeoBox) and (area.crs != scene.geobox.crs or not share_pixels(area, scene.geobox)):
        raise InputError(f"The geobox has other pixels than tile {scene.tile}. Use a part of scene.geobox.")
    left, bottom, right, top = area.boundingbox.bbox if isinstance(area, GeoBox) else area
    west, south, east, north = scene.geobox.boundingbox.bbox
    if not (west <= left < right <= east and south <= bottom < top <= north):
        raise InputError(
            f"Bounds {left, bottom, right, top} are not inside tile {scene.tile}. Expected left, bottom, right, top "
            f"within {west, south, east, north}, in {scene.geobox.crs}."
        )
    part = place_in(scene.geobox, (left, bottom, right, top))
    col, row = (round(value) for value in ~scene.geobox.affine * (part.affine.c, part.affine.f))
    return block_of(scene.tile, scene.geobox, (row, row + part.shape[0]), (col, col + part.shape[1]))


def _dataset(cube: Cube, geobox: GeoBox) -> xr.Dataset:
    values = np.where(has_data(cube.values, cube.nodata), cube.values, np.nan).astype(np.float32)
    y, x = geobox.dims
    coords = {
        "time": ("time", np.array(cube.days, "datetime64[ns]"), {"standard_name": "time"}),
        "band": list(cube.bands),
        **xr_coords(geobox),
    }
    return xr.Dataset({"values": (("time", "band", y, x), values), "valid": (("time", y, x), cube.valid)}, coords)
