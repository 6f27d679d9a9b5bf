"""STAC items of synthetic products."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import shapely
from odc.geo.geobox import GeoBox
from pyproj import Transformer

from iota2.core.scene import Acquisition, SensorScene
from iota2.core.sensor import SensorSpec

Item = dict[str, Any]


def items_of(
    scene: SensorScene,
    collection: str,
    tile: str = "",
    *,
    href: Callable[[str], str] = str,
    properties: Mapping[str, Any] | None = None,
) -> list[Item]:
    """Items of the products of a scene. ``href``: converts a path to a link; ``tile``: value of ``grid:code``."""
    grid = scene.grids[scene.spec.reference.name]
    message = {"grid:code": f"MGRS-{tile.removeprefix('T')}"} if tile else {}
    return [
        _item(scene.spec, one, grid, href)
        | {"collection": collection, "properties": _dated(one) | message | {**(properties or {})}}
        for one in scene.acquisitions
    ]


def _dated(acquisition: Acquisition) -> dict[str, Any]:
    return {"datetime": f"{acquisition.day:%Y-%m-%d}T10:50:31.024000Z"}


def _item(spec: SensorSpec, acquisition: Acquisition, grid: GeoBox, href: Callable[[str], str]) -> Item:
    """An item of one product, without collection and properties."""
    files = {**acquisition.bands, **acquisition.masks}
    assets = {
        (*part.assets, part.name)[0]: {"href": href(files[part.name])} for part in spec.parts if part.name in files
    }
    to_degrees = Transformer.from_crs(str(grid.crs), "EPSG:4326", always_xy=True)
    outline = shapely.box(*to_degrees.transform_bounds(*grid.boundingbox.bbox))
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "stac_extensions": [],
        "id": acquisition.product,
        "geometry": shapely.geometry.mapping(outline),
        "bbox": list(outline.bounds),
        "assets": assets,
        "links": [{"rel": "self", "href": f"https://example.org/{acquisition.product}"}],
    }


def write_items(items: Iterable[Item], folder: Path) -> Path:
    """Write each item to a separate file, and return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, item in enumerate(items):
        (folder / f"item{number}.json").write_text(json.dumps(item), encoding="utf-8")
    return folder


def relative_to(folder: Path) -> Callable[[str], str]:
    """Conversion of paths to links relative to ``folder``."""
    return lambda path: os.path.relpath(path, folder)
