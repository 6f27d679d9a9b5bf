"""The steps of features maps on images with known values: missing data, dates that a tile lacks, bounded memory."""

from __future__ import annotations

import json
import tracemalloc
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox

from iota2.config.feature_maps import MapParams
from iota2.core.feature_map import FeatureMap, raw_recipe
from iota2.core.graph import Key, Resources
from iota2.io.tables.vectors import write_shapefile
from iota2.steps import map_layers
from iota2.steps.features_map import bands, mosaic, parts, statistics, tiles
from iota2.steps.map_layers import MapGrid, read_map
from tests.steps.helpers import (
    CRS,
    DAYS,
    GRID,
    KEYS,
    RECIPE,
    Image,
    area,
    frame,
    run,
    several,
    write_raster,
    write_recipe,
    write_scene,
)

NODATA = -10000
PARAMS = MapParams(sensors=(), raw_series=False, data_type=None, nodata=NODATA)


def images(days: tuple[date, ...] = DAYS, **masks: Any) -> dict[date, Image]:
    """Bands that differ by date: red 100, 101 …, near infrared 200, 201 …; masks of the second date."""
    found: dict[date, Image] = {day: {"RED": 100 + k, "NIR": 200 + k} for k, day in enumerate(days)}
    return {day: {**image, **(masks if k == 1 else {})} for k, (day, image) in enumerate(found.items())}


def written(folder: Path, layers: FeatureMap, scene: str, *, use: Resources | None = None) -> tuple[np.ndarray, Any]:
    """Run the steps of a tile of one part; returns its values (band, y, x) and their description."""
    (folder / "bands.json").write_text(json.dumps(layers.to_json()), encoding="utf-8")
    (folder / "listing.json").touch()
    inp = {"scene": scene, "listing": "listing.json", "bands": "bands.json"}
    key = Key.of(tile="T31TCJ", part=0)
    run(parts.STEP, folder, inp, {"features": "part_0.tif"}, key=key, use=use)
    inp = {"scene": scene, "bands": "bands.json"}
    run(tiles.STEP, folder, {**inp, "parts": several("part", {0: "part_0.tif"})}, {"tile": "tile.vrt"})
    with rasterio.open(folder / "tile.vrt") as source:
        return source.read(), source.profile


def test_the_bands_are_described(tmp_path: Path) -> None:
    scenes = {"A": write_scene(tmp_path / "a", images(DAYS[:2])), "B": write_scene(tmp_path / "b", images(DAYS[1:]))}
    paths = several("tile", {tile: f"{tile.lower()}/{name}" for tile, name in scenes.items()})
    raw = replace(RECIPE, sensors=(replace(RECIPE.sensors[0], gapfilling=False),))
    inp = {"scene": paths, "recipe": write_recipe(tmp_path, raw)}
    run(bands.STEP, tmp_path, inp, {"bands": "bands.json"}, params=PARAMS)
    found = read_map(tmp_path / "bands.json")
    assert found.names == tuple(f"Small_{band}_{key}" for key in KEYS for band in ("RED", "NIR")), "dates of both tiles"
    assert (found.dtype, found.nodata) == ("int16", NODATA)


def test_interpolated_pixels_without_clear_date_have_no_data(tmp_path: Path) -> None:
    never = np.zeros(GRID.shape, np.uint8)
    never[2, 3] = 1
    clouds = {day: {**image, "CLOUD": never} for day, image in images().items()}
    values, profile = written(tmp_path, FeatureMap((RECIPE,)), write_scene(tmp_path, clouds))
    assert profile["dtype"] == "float32"
    assert (values[:, 2, 3] == NODATA).all()
    others = np.delete(values.reshape(6, -1), 2 * 8 + 3, axis=1)
    assert [set(band) for band in others] == [{100}, {200}, {101}, {201}, {102}, {202}]


def test_raw_pixels_are_as_stored_and_lack_dates_of_other_tiles(tmp_path: Path) -> None:
    """Also under clouds; a value without data has none in its band only."""
    red = np.full(GRID.shape, 101, np.int16)
    red[0, 0] = NODATA
    scene = write_scene(tmp_path, images(DAYS[:2], RED=red, CLOUD=1))
    raw = replace(RECIPE.sensors[0], gapfilling=False)
    layers = FeatureMap((replace(RECIPE, sensors=(raw,)),), "int16")
    values, profile = written(tmp_path, layers, scene)
    assert profile["dtype"] == "int16"
    assert values[2, 0, 0] == NODATA
    assert set(values[2].ravel()[1:]) == {101}
    assert (values[3] == 201).all()
    assert (values[4:] == NODATA).all(), "the third date"


def test_raw_and_interpolated_series_are_written_together(tmp_path: Path) -> None:
    recipe = replace(RECIPE, sensors=(replace(RECIPE.sensors[0], dates=(KEYS[1],)),))
    raw = raw_recipe(recipe, {"Small": KEYS})
    assert raw is not None
    scene = write_scene(tmp_path, images(DAYS, CLOUD=1))
    values, _ = written(tmp_path, FeatureMap((recipe, raw)), scene, use=Resources(block_shape=(2, 3)))
    assert values[:, 3, 3].tolist() == [101, 201, 100, 200, 101, 201, 102, 202]
    values_of = {DAYS[0]: (0, 10), DAYS[1]: (9, 9), DAYS[2]: (20, 30)}
    clouded = {day: {"RED": red, "NIR": nir, "CLOUD": day == DAYS[1]} for day, (red, nir) in values_of.items()}
    values, _ = written(tmp_path / "other", FeatureMap((recipe, raw)), write_scene(tmp_path / "other", clouded))
    assert values[:4, 0, 0].tolist() == [10, 20, 0, 10], "interpolated between the other dates"


def test_values_that_int16_would_change_stop_the_job(tmp_path: Path) -> None:
    recipe = replace(RECIPE, sensors=(replace(RECIPE.sensors[0], dates=("20180104",)),))
    scene = write_scene(tmp_path, images())
    with pytest.raises(Exception, match=r"Small_RED_20180104 has the value 100\.3, which int16 cannot represent"):
        written(tmp_path, FeatureMap((recipe,), "int16"), scene)


def test_the_mosaic_joins_the_strips_of_each_tile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two tiles of two strips that overlap by four columns; each pixel is of the tile that owns it."""
    monkeypatch.setattr(map_layers, "part_rows", lambda part, height: (4 * part, min(4 * part + 4, height)))
    east = GeoBox((6, 8), Affine(10, 0, 300_040, 0, -10, 4_900_000), CRS)
    layers = FeatureMap((replace(RECIPE, sensors=(replace(RECIPE.sensors[0], dates=(KEYS[0],)),)),))
    (tmp_path / "bands.json").write_text(json.dumps(layers.to_json()), encoding="utf-8")
    scenes = {"A": write_scene(tmp_path / "a", images()), "B": write_scene(tmp_path / "b", images(), geobox=east)}
    numbers = np.arange(48.0).reshape(6, 8)
    for part, rows in enumerate((slice(0, 4), slice(4, 6))):
        west = np.stack([np.full((6, 8), 1.0), numbers])[:, rows]
        write_raster(tmp_path / f"a{part}.tif", west, "float32", geobox=GRID[rows, :])
        write_raster(tmp_path / f"b{part}.tif", west[:1].repeat(2, 0) + 1, "float32", geobox=east[rows, :])
    envelopes = {"A": area((0, 6), (0, 6)), "B": area((0, 6), (6, 12))}
    for tile, outline in envelopes.items():
        write_shapefile(frame([outline], tile=[tile]), tmp_path / f"{tile}.shp")
    inp = {
        "bands": "bands.json",
        "scene": several("tile", {tile: f"{tile.lower()}/{name}" for tile, name in scenes.items()}),
        "envelopes": several("tile", {tile: f"{tile}.shp" for tile in envelopes}),
        "parts": several("tile part", {(tile, part): f"{tile.lower()}{part}.tif" for tile in "AB" for part in (0, 1)}),
    }
    out = {"mosaic": "map.tif", "sums": "sums.json", "style": "map.qml"}
    run(mosaic.STEP, tmp_path, inp, out, params=MapGrid(CRS, None))
    run(statistics.STEP, tmp_path, {"bands": "bands.json", "sums": "sums.json"}, {"statistics": "statistics.json"})
    with rasterio.open(tmp_path / "map.tif") as source:
        first, second = source.read()
    assert first.tolist() == [[1.0] * 6 + [2.0] * 6] * 6
    np.testing.assert_array_equal(second[:, :6], numbers[:, :6])
    found = json.loads((tmp_path / "statistics.json").read_text(encoding="utf-8"))
    assert found["pixels"] == 72
    assert [band["valid_percent"] for band in found["bands"]] == [100.0, 100.0]
    assert (found["bands"][0]["mean"], found["bands"][0]["std"]) == (1.5, 0.5)
    assert found["bands"][1]["maximum"] == 45


def test_the_memory_of_a_strip_is_bounded(tmp_path: Path) -> None:
    """All features of the strip take six times the memory of the job."""
    grid = GeoBox((256, 1024), Affine(10, 0, 300_000, 0, -10, 4_900_000), CRS)
    days = tuple(date(2018, 1, 1 + k) for k in range(24))
    keys = tuple(f"{day:%Y%m%d}" for day in days)
    recipe = replace(RECIPE, sensors=(replace(RECIPE.sensors[0], dates=keys, indices=("NDVI",)),))
    scene = write_scene(tmp_path, images(days), geobox=grid)
    layers, use = FeatureMap((recipe,)), Resources(memory=10 << 20)
    assert 4 * len(layers.bands) * 256 * 1024 > 6 * use.memory
    written(tmp_path, layers, scene, use=use)  # compiles and fills caches
    tracemalloc.start()
    written_again(tmp_path, scene, use)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.2 * use.memory


def written_again(folder: Path, scene: str, use: Resources) -> None:
    """Run the step of one part, without reading its raster."""
    inp = {"scene": scene, "listing": "listing.json", "bands": "bands.json"}
    run(parts.STEP, folder, inp, {"features": "part_0.tif"}, key=Key.of(tile="T31TCJ", part=0), use=use)
