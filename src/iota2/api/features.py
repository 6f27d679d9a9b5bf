"""Features of a scene, identical to those of a classification run."""

from __future__ import annotations

from dataclasses import dataclass

import xarray as xr
from odc.geo.geobox import GeoBox

from iota2.api.arrays import features_array
from iota2.api.scenes import OpenedScene, SceneCube
from iota2.compute.features import feature_block, missing_bands
from iota2.core.arguments import require_kind
from iota2.core.cube import FeatureBlock
from iota2.core.grid import described
from iota2.core.recipe import FeatureRecipe
from iota2.core.scene import Scene
from iota2.core.words import counted
from iota2.errors import FeatureMismatch
from iota2.io.series.reader import series_reader
from iota2.user_code.functions import UserCode


@dataclass(frozen=True, eq=False)
class Features:
    """The features of a window of a scene, in memory."""

    block: FeatureBlock
    geobox: GeoBox
    """The grid of the window."""

    def __repr__(self) -> str:
        return f"Features({counted(len(self.names), 'feature')}; {described(self.geobox)})"

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the features, in order."""
        return self.block.names

    def to_xarray(self) -> xr.DataArray:
        """(feature, y, x) float32, NaN in pixels without clear observation.

        The coordinate ``n_valid`` (y, x) uint16 counts the clear observations of each pixel. A sensor without data in a
        pixel that another sensor observed has -10000 there, if the recipe allows missing sensors, and NaN if the recipe
        is ``partial``.
        """
        return features_array(self.block, self.geobox)


def features(
    source: OpenedScene | SceneCube, recipe: FeatureRecipe | None = None, *, run_user_code: bool = False
) -> Features:
    """The features of a scene or window, identical to those of a run.

    ``recipe``: by default the recipe of the scene, for the sensors of the window; ``model.recipe`` gives the features
    of a model. Memory: 4 bytes for each feature and pixel, plus the stored pixels of all dates. A recipe with functions
    of a user contains their code, which runs only with ``run_user_code``: set it for your own code, after a look at
    ``recipe.user.source``. FeatureMismatch if the series of the scene cannot provide these features, without the
    permission, or for a part of a tile if a function needs the whole tile; DamagedProduct for a file that cannot be
    read; UserCodeError for an error of a function.
    """
    require_kind(source, (OpenedScene, SceneCube), "features: source", "a scene of open_scene, or scene.cube(…)")
    cube = source if isinstance(source, SceneCube) else source.cube()
    wanted = cube.opened.recipe if recipe is None else recipe
    require_kind(wanted, FeatureRecipe, "features: recipe", "model.recipe or scene.recipe")
    _require_bands(cube.opened.scene, wanted)
    _require_permission(wanted, run_user_code=run_user_code)
    _require_whole_tile(cube, wanted)
    with series_reader(cube.opened.scene, wanted) as reader:
        cubes = reader.read(cube.block, wanted.halos)
        return Features(feature_block(cubes, wanted, UserCode(wanted).values(cubes)), cube.geobox)


def _require_permission(recipe: FeatureRecipe, *, run_user_code: bool) -> None:
    """FeatureMismatch if the recipe contains code that the caller has not permitted."""
    if recipe.user and not run_user_code:
        names = ", ".join(function.name for function in recipe.functions)
        raise FeatureMismatch(
            f"The features need the functions {names} of {recipe.user.file}, whose code is part of the recipe "
            "(recipe.user.source). Call features(…, run_user_code=True) to execute it."
        )


def _require_whole_tile(cube: SceneCube, recipe: FeatureRecipe) -> None:
    """FeatureMismatch for a part of a tile, if a function needs the whole tile."""
    names = ", ".join(function.name for function in recipe.functions if function.whole_tile)
    if names and cube.block.shape != cube.opened.scene.geobox.shape:
        raise FeatureMismatch(
            f"The features need {names} of external_features.whole_tiles, which read all pixels of a tile; the "
            f"window is a part of {cube.opened.scene.tile}. Call features(scene, …) without a window."
        )


def _require_bands(scene: Scene, recipe: FeatureRecipe) -> None:
    """Raise FeatureMismatch, before anything is read, if the series of the scene lack bands of the recipe."""
    bands = {sensor.spec.name: sensor.spec.band_names for sensor in scene.sensors}
    known = [sensor for sensor in recipe.sensors if sensor.sensor in bands]
    if problems := [text for sensor in known for text in missing_bands(sensor, bands[sensor.sensor])]:
        raise FeatureMismatch(f"{'; '.join(problems)}. Open the scene with the sensors and bands of the recipe.")
