"""The images of a run: the enabled sensors, and the scene of each tile."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import shapely

from iota2.classifiers.base import SERIES_NEEDED
from iota2.config.learner import needs_series
from iota2.config.options.sensors import ENABLING_KEYS
from iota2.config.recipes import build_recipe, recipe_params, require_same_dates
from iota2.core.recipe import FeatureRecipe
from iota2.core.remarks import Remark
from iota2.core.scene import Scene
from iota2.core.sensor import SensorOptions
from iota2.core.user_raster import UserRaster
from iota2.core.words import counted
from iota2.io.tables.point_areas import outline
from iota2.runs.survey.problems import Problems
from iota2.runs.survey.scan import ALLOW_MISSING_HINT, Items, Series, read_stac, scan, scenes_of, with_images
from iota2.runs.survey.user_functions import FunctionTrial, try_functions

_IMAGES = tuple(f"chain.{key}" for key in (*ENABLING_KEYS.values(), "user_sensors", "stac_items"))
"""The options that enable sensors."""


@dataclass(frozen=True)
class Images:
    """The sensors with images, and the scene of each tile that has one."""

    sensors: tuple[SensorOptions, ...]
    scenes: Mapping[str, Scene]
    footprints: Mapping[str, shapely.Geometry]
    """Outline of each tile in ``chain.proj``; none of tiles without images."""
    notes: Mapping[str, tuple[Remark, ...]]
    """Remarks of the scan of each tile, such as ignored files."""
    complete: bool
    """Whether all requested sensors are known and all tiles have a scene."""
    recipe: FeatureRecipe | None
    """None if incomplete, or if options of features or dates have problems."""
    item_remarks: tuple[Remark, ...] = ()
    """Remarks on ignored STAC items."""
    sensor_remarks: tuple[Remark, ...] = ()
    """Remarks on ignored sensors."""
    trials: tuple[FunctionTrial, ...] = ()
    """Functions of the user, called on a block of images."""
    rasters: tuple[UserRaster, ...] = ()
    """Rasters to be cut to tiles."""
    raster_remarks: tuple[Remark, ...] = ()
    """Remarks on their resampling, and on the grid."""


def find_images(problems: Problems) -> Images:
    """Scan the archives (headers only); problems of images and their options are added to ``problems``."""
    config, attempt = problems.config, problems.attempt
    enabled, sound = _enabled(problems)
    sensors, left_out = (attempt(lambda: with_images(config, enabled), "chain", "s1_path") if enabled else None) or (
        (),
        (),
    )
    items = attempt(lambda: read_stac(config, sensors), "chain", "stac_items", "source") if sensors else None
    scanned = _scanned(problems, sensors, items) if items else {}
    series = {tile: found[0] for tile, found in scanned.items()}
    scenes, notes = (attempt(lambda: scenes_of(config, series, sensors)) if _grid_usable(problems) else None) or (
        {},
        {},
    )
    complete = sound and problems.usable(*_IMAGES) and 0 < len(scenes) == len(config.chain.list_tile)
    for text in _threshold_problems(scenes, config.chain.cloud_threshold) if complete else ():
        problems.add(("chain", "cloud_threshold"), text)
    recipe = _recipe(problems, scenes) if complete else None
    return Images(
        sensors,
        scenes,
        {tile: outline(scene.geobox, config.chain.proj) for tile, scene in scenes.items()},
        {tile: (*found[1], *notes.get(tile, ())) for tile, found in scanned.items()},
        complete,
        recipe,
        items.remarks if items else (),
        tuple(left_out),
        (attempt(lambda: try_functions(scenes, recipe)) or ()) if recipe and recipe.user else (),
    )


def _enabled(problems: Problems) -> tuple[tuple[SensorOptions, ...], bool]:
    """The enabled sensors with valid options, and whether these are all enabled ones; other problems are added."""
    if not _sensors_usable(problems):
        return (), False
    found = problems.attempt(lambda: problems.config.enabled)
    if found is None:
        return (), False
    for option, text in found.problems:
        problems.add(option, text)
    return found.sensors, not found.problems


def _scanned(
    problems: Problems, sensors: Sequence[SensorOptions], items: Items
) -> dict[str, tuple[Series, tuple[Remark, ...]]]:
    """The series of each tile that can be scanned, with remarks."""
    tiles = problems.config.chain.list_tile if problems.usable("chain.list_tile") else ()
    scanned = {tile: problems.attempt(lambda tile=tile: scan(problems.config, sensors, tile, items)) for tile in tiles}  # type: ignore[misc]
    return {tile: found for tile, found in scanned.items() if found}


def _recipe(problems: Problems, scenes: Mapping[str, Scene]) -> FeatureRecipe | None:
    """The recipe; None if options of features or dates have problems."""
    if any(option.partition(".")[0] not in ("chain", "arg_classification") for option in problems.broken):
        return None
    recipe = problems.attempt(lambda: build_recipe(scenes, recipe_params(problems.config), own_process=True))
    if recipe and "reference" in problems.asks:
        problems.attempt(lambda: require_same_dates(recipe, scenes, "use_gapfilling is False, which requires"))
    if recipe and _needs_series(problems) and recipe.series_shape is None:
        problems.add(("arg_train", "classifier"), f"{SERIES_NEEDED}.")
    learns = recipe is not None and "reference" in problems.asks
    for text in _incomplete_tiles(scenes, recipe) if recipe and learns and recipe.needs_all_sensors else ():
        problems.add(("external_features", "functions"), text)
    return recipe


def _incomplete_tiles(scenes: Mapping[str, Scene], recipe: FeatureRecipe) -> Iterator[str]:
    """A problem for each tile without images of a sensor, for a recipe whose features need all sensors."""
    for tile, scene in scenes.items():
        there = {one.spec.name for one in scene.sensors}
        if lacking := [name for name in recipe.dated if name not in there]:
            alone = [name for name in recipe.dated if not recipe.features_of[name]]
            yield (
                f"tile {tile} has no images of {', '.join(lacking)}. Models of the other sensors are not possible, "
                f"because no feature is computed from {' or '.join(alone)} alone: add such a function."
                f"{ALLOW_MISSING_HINT}"
            )


def _needs_series(problems: Problems) -> bool:
    """Whether the classifier, if the run trains one, learns from series of bands only."""
    config = problems.config
    return "reference" in problems.asks and needs_series(config.arg_train, config.scikit_models_parameters)


def _sensors_usable(problems: Problems) -> bool:
    """Whether the reference sensor is known."""
    return problems.config.chain.reference_sensor is None or problems.usable(*_IMAGES)


def _grid_usable(problems: Problems) -> bool:
    grid = ("list_tile", "spatial_resolution", "proj", "working_grid", "reference_sensor")
    return _sensors_usable(problems) and problems.usable(*(f"chain.{key}" for key in grid))


def _threshold_problems(scenes: Mapping[str, Scene], threshold: int) -> list[str]:
    """A problem if no tile has as many dates as the cloud threshold requires."""
    days = {tile: sum(len(set(one.days)) for one in scene.series) for tile, scene in scenes.items()}
    if not days or max(days.values()) >= threshold:
        return []
    listed = ", ".join(f"{tile} has {counted(count, 'date')}" for tile, count in days.items())
    return [
        f"the threshold is {threshold}, but {listed}: no pixel is clear on so many dates, so no samples could be "
        f"selected. Give at most {max(days.values())}."
    ]
