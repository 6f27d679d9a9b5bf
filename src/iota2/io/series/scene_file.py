"""Conversion of scenes to and from JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import date
from pathlib import Path
from typing import Any

from affine import Affine
from odc.geo.geobox import GeoBox

from iota2.core.graph import Paths
from iota2.core.grid import crs_name
from iota2.core.scene import Acquisition, FileFormat, Scene, SensorScene
from iota2.core.sensor import BandSpec, MaskRule, SensorSpec

Shifts = Mapping[str, Mapping[str, Sequence[float]]]
"""By sensor and date key: displacement of the images (right, down) in map units."""


def read_scene(path: Path) -> Scene:
    """Read a scene from a JSON file with the content of ``scene_to_json``."""
    return scene_from_json(json.loads(Path(path).read_text(encoding="utf-8")))


def read_shifted_scene(inp: Paths, **axes: str | int) -> Scene:
    """The scene for a job that reads pixels, with the shifts that the co-registration found, if it was run.

    The step of the job needs ``layout.IMAGES``. The shifts are corrected when pixels are read. ``axes``: the tile, in a
    job of all tiles.
    """
    scene = read_scene(inp.at("scene", **axes))
    if "shifts" not in inp:
        return scene
    return shifted(scene, json.loads(inp.at("shifts", **axes).read_text(encoding="utf-8")))


def read_feature_scene(inp: Paths) -> Scene:
    """The scene for a job that computes features, with those of whole tiles, if the run has such functions.

    The step of the job needs ``layout.FEATURE_IMAGES``. See ``read_shifted_scene``.
    """
    scene = read_shifted_scene(inp)
    return replace(scene, whole_tiles=str(inp.whole_tiles)) if "whole_tiles" in inp else scene


def shifted(scene: Scene, shifts: Shifts) -> Scene:
    """The scene with the given shifts of its dates; the shift of dates without an entry is 0."""
    return replace(scene, sensors=tuple(_shifted(sensor, shifts.get(sensor.spec.name, {})) for sensor in scene.sensors))


def _shifted(sensor: SensorScene, shifts: Mapping[str, Sequence[float]]) -> SensorScene:
    dates = []
    for one in sensor.acquisitions:
        right, down = shifts.get(one.key, (0.0, 0.0))
        dates.append(replace(one, shift=(right, down)))
    return replace(sensor, acquisitions=tuple(dates))


_SEARCH_KEYS = (
    *("product", "products", "tile_folder", "example", "ignore", "metadata", "varying_extent", "pieces", "platforms"),
    *("temporal_resolution", "file_nodata", "missing", "mistaken_for", "series_by", "only"),
)
"""Keys of a sensor description that are only used to find products.

They are not stored, since pixels do not depend on them: jobs that read pixels stay up to date when these keys change.
"""
_FILE_SEARCH_KEYS = ("file", "id", "assets", "optional", "alternatives", "spare", "instead_of")
"""Keys of a band or mask that are only used to find files."""


def scene_to_json(scene: Scene) -> dict[str, Any]:
    """JSON values of a scene, with exact floats.

    Sensor descriptions are reduced to the keys that reading of pixels needs.
    """
    return {
        "tile": scene.tile,
        "geobox": geobox_to_json(scene.geobox),
        "sensors": [
            {
                "spec": _spec_to_json(sensor.spec),
                "grids": {name: geobox_to_json(grid) for name, grid in sensor.grids.items()},
                "acquisitions": [
                    {**asdict(acquisition), "day": acquisition.day.isoformat()} for acquisition in sensor.acquisitions
                ],
            }
            for sensor in scene.sensors
        ],
    }


def scene_from_json(content: Mapping[str, Any]) -> Scene:
    """The scene from the JSON values of ``scene_to_json``."""
    return Scene(
        content["tile"],
        geobox_from_json(content["geobox"]),
        tuple(_sensor_from_json(sensor) for sensor in content["sensors"]),
    )


def geobox_to_json(geobox: GeoBox) -> dict[str, Any]:
    """JSON values of a grid: CRS, the six coefficients of the affine transform, shape (rows, columns)."""
    return {
        "crs": crs_name(geobox),
        "affine": list(geobox.affine[:6]),
        "shape": [geobox.shape.y, geobox.shape.x],
    }


def geobox_from_json(content: Mapping[str, Any]) -> GeoBox:
    """The grid from the JSON values of ``geobox_to_json``."""
    return GeoBox(tuple(content["shape"]), Affine(*content["affine"]), content["crs"])


def _sensor_from_json(content: Mapping[str, Any]) -> SensorScene:
    acquisitions = tuple(_acquisition_from_json(item) for item in content["acquisitions"])
    grids = {name: geobox_from_json(grid) for name, grid in content["grids"].items()}
    return SensorScene(_spec_from_json(content["spec"]), acquisitions, grids)


def _acquisition_from_json(content: Mapping[str, Any]) -> Acquisition:
    read = {
        "day": date.fromisoformat(content["day"]),
        "formats": {name: FileFormat(**_tuples(file)) for name, file in content["formats"].items()},
        "scaling": _tuples(content["scaling"]),
        "extents": _tuples(content["extents"]),
        "hidden": _tuples(content["hidden"]),
        "shift": tuple(content["shift"]),
    }
    return Acquisition(**{**content, **read})


def _spec_to_json(spec: SensorSpec) -> dict[str, Any]:
    parts = {
        kind: [_without(item, _FILE_SEARCH_KEYS) for item in items]
        for kind, items in (("bands", spec.bands), ("masks", spec.masks))
    }
    return {**_without(spec, _SEARCH_KEYS), **parts}


def _without(item: BandSpec | MaskRule | SensorSpec, keys: Sequence[str]) -> dict[str, Any]:
    return {key: value for key, value in asdict(item).items() if key not in keys}


def _spec_from_json(content: Mapping[str, Any]) -> SensorSpec:
    bands = tuple(BandSpec(file="", **band) for band in content["bands"])
    masks = tuple(MaskRule(file="", **_tuples(mask)) for mask in content["masks"])
    return SensorSpec(**{**content, "product": "", "bands": bands, "masks": masks})


def _tuples(content: Mapping[str, Any]) -> dict[str, Any]:
    """The content with lists converted to tuples."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in content.items()}
