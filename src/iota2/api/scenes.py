"""Scenes: the images of one tile, opened from a run, a configuration or folders of images."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import xarray as xr
from odc.geo.geobox import GeoBox

from iota2 import layout
from iota2.api.arrays import series_dataset
from iota2.api.folders import scan_folders
from iota2.api.windows import Area, window_of
from iota2.chains.load import load_config
from iota2.config.options.schema import Config
from iota2.core.arguments import require_kind, require_names, require_path
from iota2.core.grid import Block, described
from iota2.core.recipe import FeatureRecipe
from iota2.core.remarks import texts_of
from iota2.core.scene import Scene, SensorScene
from iota2.core.words import counted, did_you_mean, normalised_name
from iota2.errors import InputError
from iota2.io.series.reader import CubeReader
from iota2.io.series.scene_file import read_scene, shifted
from iota2.io.tables.recipes import read_recipe
from iota2.io.tables.remark_lists import read_remarks
from iota2.runs.survey.survey import survey

T = TypeVar("T")


@dataclass(frozen=True)
class OpenedScene:
    """The images of one tile. Pixels are read on demand."""

    scene: Scene
    recipe: FeatureRecipe
    """The features of the run or configuration; those of the default options for folders of images."""
    notes: tuple[str, ...] = ()
    """Notes of the scan, such as ignored files."""

    def __repr__(self) -> str:
        features = counted(len(self.recipe.names), "feature")
        return f"OpenedScene({_series(self.scene)}; {described(self.geobox)}; {features})"

    @property
    def geobox(self) -> GeoBox:
        """The grid of the tile: CRS, affine transform and shape."""
        return self.scene.geobox

    @property
    def sensors(self) -> tuple[str, ...]:
        """Names of the sensors that have images of the tile."""
        return tuple(sensor.spec.name for sensor in self.scene.sensors)

    def cube(self, area: Area | None = None, *, sensors: str | Iterable[str] | None = None) -> SceneCube:
        """The window of the scene that covers ``area``, on the grid of the tile; by default the whole tile.

        ``area``: left, bottom, right, top in the CRS of the tile, or a part of ``geobox``. ``sensors``: by default all.
        InputError for an area that is not inside the tile, a geobox of other pixels, or a sensor without images.
        """
        return SceneCube(self.only(sensors), window_of(self.scene, area))

    def only(self, sensors: str | Iterable[str] | None) -> OpenedScene:
        """The scene and recipe of these sensors only; InputError for a sensor without images."""
        if sensors is None:
            return self
        require_names(sensors, "sensors", f"the name of a sensor, or several. Available: {', '.join(self.sensors)}")
        words = [sensors] if isinstance(sensors, str) else list(sensors)
        if not words:
            raise InputError(f"No sensor is given. Available: {', '.join(self.sensors)}.")
        names = {name for word in words for name in self._named(word)}
        return replace(
            self,
            scene=replace(self.scene, sensors=tuple(one for one in self.scene.sensors if one.spec.name in names)),
            recipe=replace(self.recipe, sensors=tuple(one for one in self.recipe.sensors if one.sensor in names)),
        )

    def _named(self, word: str) -> list[str]:
        """Names of the series with this name or configuration section; InputError if there is none."""
        specs = [one.spec for one in self.scene.sensors]
        found = [
            spec.name
            for spec in specs
            if normalised_name(word) in (normalised_name(spec.name), normalised_name(spec.section))
        ]
        if not found:
            near = did_you_mean(word, self.sensors) or f". Available: {', '.join(self.sensors)}."
            raise InputError(f"{word}: no images of this sensor on tile {self.scene.tile}{near}")
        return found


@dataclass(frozen=True)
class SceneCube:
    """A window of a scene. Pixels are read by ``to_xarray``."""

    opened: OpenedScene
    block: Block

    def __repr__(self) -> str:
        (top, bottom), (left, right) = self.block.rows, self.block.cols
        window = f"rows {top} to {bottom}, columns {left} to {right}"
        return f"SceneCube({_series(self.opened.scene)}; {window}; {described(self.geobox)})"

    @property
    def geobox(self) -> GeoBox:
        """The grid of the window."""
        return self.block.geobox

    @property
    def sensors(self) -> tuple[str, ...]:
        """Names of the sensors of the window."""
        return self.opened.sensors

    def to_xarray(self, sensor: str | None = None) -> xr.Dataset:
        """The series of one sensor: ``data`` (time, band, y, x) float32 and ``valid`` (time, y, x) bool.

        Values are in product units (reflectance x 10000), NaN where a band has no data. ``valid`` is False where a
        mask applies or any band has no data. Several images of one day are separate times; the coordinate ``key`` is
        unique. Layers without dates have no dimension ``time``. ``sensor`` is optional if the window has a single
        sensor; otherwise InputError without it. DamagedProduct for a file that cannot be read.
        """
        if sensor is None and len(self.sensors) != 1:
            raise InputError(f"to_xarray: the scene has several sensors. Give one of {', '.join(self.sensors)}.")
        chosen = self.opened.only(sensor).scene
        if len(chosen.sensors) != 1:
            names = ", ".join(one.spec.name for one in chosen.sensors)
            raise InputError(f"to_xarray: {sensor} has several series. Give one of {names}.")
        spec = chosen.sensors[0].spec
        with CubeReader(chosen, {spec.name: spec.band_names}) as reader:
            return series_dataset(reader.read(self.block)[spec.name], self.geobox, dated=not spec.static)


def _series(scene: Scene) -> str:
    """The tile and the length of each series, for display."""
    return f"{scene.tile}: {', '.join(map(_length, scene.sensors))}"


def _length(one: SensorScene) -> str:
    spec = one.spec
    return f"{spec.name} {counted(len(spec.bands), 'layer') if spec.static else counted(len(one.by_day), 'date')}"


Source = str | Path | Config | Mapping[str, str | Path]


def open_scene(source: Source, tile: str, *, sensors: str | Sequence[str] | None = None) -> OpenedScene:
    """The images of one tile, without reading pixels.

    ``source`` is one of:

    - the output folder of a run; dates are shifted according to its coregistration;
    - a configuration, or the path of its file; dates are not shifted;
    - a folder of images, with a folder for each tile; ``sensors`` lists the sensors to look for: names from
      ``iota2 sensors``, or paths of sensor descriptions (YAML);
    - a mapping of such sensors to their folders.

    For runs and configurations, ``sensors`` selects sensors. For folders of images, the grid and the features are those
    of a run with default options on this tile alone.

    InputError for a folder without images, an unknown tile or an unknown sensor; ConfigError for a configuration with
    problems.
    """
    require_kind(tile, str, "open_scene: tile", "the name of a tile, such as 'T31TCJ'")
    if isinstance(source, Config):
        return _of_config(source, tile).only(sensors)
    if isinstance(source, Mapping):
        return OpenedScene(*scan_folders(source, tile)).only(sensors)
    require_path(
        source, "open_scene: source", "the output folder of a run, a configuration, a folder of images or a dictionary"
    )
    path = Path(source)
    if path.is_file():
        return _of_config(load_config(path), tile).only(sensors)
    if not path.is_dir():
        raise InputError(
            f"{path}: no such file or folder. Give the output folder of a run, a configuration or a folder of images."
        )
    scenes = {found.parts[-3]: found for found in sorted(path.glob(layout.SCENE.path.format(tile="*")))}
    if scenes:
        return _of_run(path, tile, tuple(scenes)).only(sensors)
    if sensors is None:
        raise InputError(f"{path}: not the output folder of a run. For a folder of images, give sensors=.")
    require_names(sensors, "open_scene: sensors", "the name of a sensor, or several; iota2 sensors lists them")
    return OpenedScene(*scan_folders(dict.fromkeys([sensors] if isinstance(sensors, str) else sensors, path), tile))


def _of_config(config: Config, tile: str) -> OpenedScene:
    found = survey(config)
    _require_tile(tile, tuple(found.scenes))
    return OpenedScene(found.scenes[tile], found.recipe, texts_of(found.notes[tile]))


def _of_run(root: Path, tile: str, tiles: Sequence[str]) -> OpenedScene:
    _require_tile(tile, tiles)
    shifts, notes = (root / artifact.path.format(tile=tile) for artifact in (layout.SHIFTS, layout.SCAN_NOTES))
    scene = _read(root / layout.SCENE.path.format(tile=tile), read_scene)
    if shifts.exists():
        scene = shifted(scene, _read(shifts, _read_json))
    recipe = _read(root / layout.RECIPE.path, read_recipe)
    return OpenedScene(scene, recipe, texts_of(_read(notes, read_remarks)))


def _read(path: Path, reader: Callable[[Path], T]) -> T:
    """Content of a file of a run; InputError if the file is missing or damaged."""
    try:
        return reader(path)
    except FileNotFoundError as err:
        raise InputError(f"{path}: no such file. The run did not get that far: resume it with iota2 run.") from err
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as err:
        raise InputError(f"{path}: cannot be read ({err}). Resume the run with iota2 run to recreate it.") from err


def _read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _require_tile(tile: str, tiles: Sequence[str]) -> None:
    if tile not in tiles:
        raise InputError(f"{tile}: unknown tile. Available: {', '.join(tiles)}.")
