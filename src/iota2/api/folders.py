"""Scenes from folders of images, without a configuration."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from iota2.config.options.sensors import ENABLING_KEYS, RADAR, FeatureExtraction, Interpolation
from iota2.config.options.train import ArgTrain
from iota2.config.recipes import build_recipe, params_of
from iota2.core.arguments import require_kind, require_path
from iota2.core.recipe import FeatureRecipe
from iota2.core.scene import Scene
from iota2.core.sensor import SensorOptions, SensorSpec
from iota2.core.words import did_you_mean, normalised_name
from iota2.errors import InputError
from iota2.io.archive.products import native_geobox, scan_tile
from iota2.io.archive.specs import builtin_specs, load_spec
from iota2.runs.survey.scan import check_coverage, reference_series


def scan_folders(folders: Mapping[str, str | Path], tile: str) -> tuple[Scene, FeatureRecipe, tuple[str, ...]]:
    """The scene of a tile from the folder of each sensor, the recipe of the default options, and notes of the scan.

    The grid is that of the finest sensor. InputError for an unknown sensor, a folder without the tile, and images
    that cannot be used.
    """
    sensors = _sensors(folders)
    found = [scan_tile(spec, folder, tile) for spec, folder in sensors]
    series = tuple(one for one, _ in found)
    geobox = native_geobox(reference_series(None, series))
    placed = [check_coverage(one, geobox, tile) for one in series]
    if beside := [text for texts, _ in placed for text in texts]:
        raise InputError("\n".join(beside))
    options = tuple(
        SensorOptions(one.spec, folder, one.spec.temporal_resolution)
        for one, (_, folder) in zip(series, sensors, strict=True)
    )
    scene = Scene(tile, geobox, series)
    recipe = build_recipe({tile: scene}, params_of(options, Interpolation(), FeatureExtraction(), ArgTrain()))
    notes = (*(note for _, texts in found for note in texts), *(note for _, little in placed for note in little))
    return scene, recipe, notes


def _sensors(folders: Mapping[str, str | Path]) -> list[tuple[SensorSpec, str | Path]]:
    """Descriptions and folders in the order of features: built-in sensors, then others by name."""
    if not folders:
        raise InputError("No sensor is given. Give at least one.")
    order = list(ENABLING_KEYS)
    found = {}
    for sensor, folder in folders.items():
        require_kind(sensor, str, f"open_scene: sensor {sensor!r}", "the name of a sensor")
        require_path(folder, f"open_scene: folder of {sensor}", "the folder with the tiles of this sensor")
        spec = _spec(sensor)
        if spec.name in found:
            raise InputError(f"{sensor}: the sensor {spec.name} is given twice. Give one folder per sensor.")
        found[spec.name] = spec, folder

    def place(item: tuple[SensorSpec, str | Path]) -> tuple[int, str]:
        section = item[0].section
        return (order.index(section) if section in order else len(order)), item[0].name

    return sorted(found.values(), key=place)


def _spec(sensor: str) -> SensorSpec:
    """The description of a built-in sensor, by name or configuration section, or of one in a YAML file."""
    if sensor.lower().endswith((".yaml", ".yml")):
        return load_spec(sensor)
    if normalised_name(sensor).startswith(normalised_name(RADAR)):
        raise InputError(f"{sensor}: its images are described by an INI file. Open a configuration with chain.s1_path.")
    known = {section: spec for section, spec in builtin_specs().items() if section != RADAR}
    found = [
        spec
        for spec in known.values()
        if normalised_name(sensor) in (normalised_name(spec.section), normalised_name(spec.name))
    ]
    if not found:
        meant = did_you_mean(sensor, known) or "."
        raise InputError(
            f"{sensor}: unknown sensor{meant} Expected one of {', '.join(known)}, or the path "
            "of a sensor description (.yaml)."
        )
    return found[0]
