"""Small inputs for steps, and a function that runs a step like a job."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox

from iota2.core.graph import JobContext, Key, MultiplePaths, Paths, Resources, Step
from iota2.core.grid import block_of
from iota2.core.nomenclature import Nomenclature
from iota2.core.recipe import FeatureRecipe, SensorRecipe
from iota2.core.scene import Scene
from iota2.core.sensor import SensorSpec
from iota2.io.archive.products import scan_tile
from iota2.io.archive.specs import parse_spec
from iota2.io.rasters.files import RasterProfile, RasterReader, RasterWriter
from iota2.io.series.scene_file import scene_to_json
from iota2.io.tables.classes import write_classes
from iota2.testing.products import Layer, write_product

CRS = "EPSG:32631"
TILE = "T31TCJ"
GRID = GeoBox((6, 8), Affine(10, 0, 300_000, 0, -10, 4_900_000), CRS)
"""Six rows and eight columns of 10 m."""
DAYS = (date(2018, 1, 1), date(2018, 1, 11), date(2018, 1, 21))
KEYS = tuple(f"{day:%Y%m%d}" for day in DAYS)
SPEC = parse_spec(
    """
name: Small
section: Small
product: '^SMALL_(?P<date>\\d{8})'
bands: [{name: RED, file: '*_red.tif', role: red}, {name: NIR, file: '*_nir.tif', role: nir}]
masks: [{name: CLOUD, file: '*_cloud.tif'}, {name: EDGE, file: '*_edge.tif', edge: true}]
nodata: -10000
""",
    source="small.yaml",
)
OTHER = replace(SPEC, name="Other", section="Other", product=SPEC.product.replace("SMALL", "OTHER"))
RECIPE = FeatureRecipe((SensorRecipe("Small", ("RED", "NIR"), {"red": "RED", "nir": "NIR"}, KEYS, indices=()),))
CLASSES = Nomenclature((1, 2), ("wheat", "maize"), ((255, 0, 0), (0, 255, 0)), (1, 2))
Image = Mapping[str, np.ndarray | float]
"""Values of bands and masks by name; a number is the value of all pixels."""


def run(
    step: Step,
    folder: Path,
    inp: Mapping[str, str | MultiplePaths],
    out: Mapping[str, str | MultiplePaths],
    *,
    key: Key | None = None,
    params: Any = None,
    use: Resources | None = None,
) -> None:
    """Run a step on files in ``folder``; ``inp`` and ``out`` are paths by declared name."""
    assert set(inp) <= set(step.needs), "names of inputs"
    assert set(out) <= set(step.makes), "names of outputs"
    step.run(JobContext(Paths(folder, inp), Paths(folder, out), key or Key(), params, use or Resources()))


def several(axes: str, paths: Mapping[Any, str]) -> MultiplePaths:
    """Paths along axes: ``several("tile seed", {("A", 0): "a.csv"})``, ``several("tile", {"A": "a.csv"})``."""
    return MultiplePaths(tuple(axes.split()), {k if isinstance(k, tuple) else (k,): path for k, path in paths.items()})


def area(rows: tuple[int, int], cols: tuple[int, int]) -> shapely.Polygon:
    """The area of pixels of ``GRID``; ``rows`` and ``cols`` are half-open ranges."""
    left, top = GRID.affine.c, GRID.affine.f
    return shapely.box(left + 10 * cols[0], top - 10 * rows[1], left + 10 * cols[1], top - 10 * rows[0])


def frame(geometries: Sequence[shapely.Geometry], **columns: Any) -> gpd.GeoDataFrame:
    """Polygons with attributes; a single value is used for all rows."""
    rows = range(len(geometries))
    return gpd.GeoDataFrame(columns, index=rows, geometry=list(geometries), crs=CRS)


def write_raster(path: Path, values: Any, dtype: str = "uint8", geobox: GeoBox = GRID, **profile: Any) -> str:
    """Write pixels (y, x) or (band, y, x), or one number for all pixels; returns the file name."""
    layers = np.broadcast_to(np.asarray(values, dtype), np.shape(values) or geobox.shape)
    count = len(layers) if layers.ndim == 3 else 1
    with RasterWriter(path, RasterProfile(geobox, dtype, count, **profile)) as writer:
        writer.write(block_of("", geobox, (0, geobox.shape.y), (0, geobox.shape.x)), layers)
    return path.name


def read_raster(path: Path) -> np.ndarray:
    """Pixels (y, x) of the first band."""
    with RasterReader(path) as reader:
        return reader.read(reader.geobox)


def write_scene(folder: Path, images: Mapping[date, Image], *, tile: str = TILE, geobox: GeoBox = GRID) -> str:
    """Write products of one sensor and the scene file of the tile; returns the name of the scene file."""
    return scene_file(folder, [(SPEC, images)], tile, geobox)


def scene_file(
    folder: Path, series: Sequence[tuple[SensorSpec, Mapping[date, Image]]], tile: str = TILE, geobox: GeoBox = GRID
) -> str:
    """Write products of several sensors and the scene file of the tile; returns the name of the scene file."""
    sensors = []
    for spec, images in series:
        root = folder / spec.name
        for day, image in images.items():
            write_product(spec, root / tile, tile, day, _layers({"CLOUD": 0, "EDGE": 0, **image}, geobox))
        sensors.append(scan_tile(spec, root, tile)[0])
    name = f"scene_{tile}.json"
    (folder / name).write_text(json.dumps(scene_to_json(Scene(tile, geobox, tuple(sensors)))), encoding="utf-8")
    return name


def _layers(image: Image, geobox: GeoBox) -> dict[str, Layer]:
    kinds = {name: "uint8" if name in ("CLOUD", "EDGE") else "int16" for name in image}
    return {name: Layer(np.full(geobox.shape, image[name], kinds[name]), geobox) for name in image}


def write_recipe(folder: Path, recipe: FeatureRecipe = RECIPE) -> str:
    """Write a recipe; returns the file name."""
    (folder / "recipe.json").write_text(json.dumps(recipe.to_json()), encoding="utf-8")
    return "recipe.json"


def write_codes(folder: Path, classes: Nomenclature = CLASSES) -> str:
    """Write the classes; returns the file name."""
    write_classes(classes, folder / "classes.json")
    return "classes.json"


def table(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file as dictionaries by column name."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
