"""The page of the features map from the files of a map."""

from __future__ import annotations

import base64
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from iota2.compute.band_statistics import RasterStatistics
from iota2.core.feature_map import FeatureMap
from iota2.core.grid import block_of
from iota2.core.map_axes import MapAxes
from iota2.core.recipe import FeatureRecipe, SensorRecipe
from iota2.io.rasters.files import RasterWriter
from iota2.io.rasters.zarr_store import create_store, shard_writer
from iota2.io.series.scene_file import geobox_to_json
from iota2.report.features import shows
from iota2.steps.features_map import page
from iota2.steps.map_layers import MapSums, map_profile, statistics_json
from tests.steps.helpers import GRID, TILE, run, several

DATES = ("20180101", "20180111", "20180121")
ROLES = {"blue": "B2", "green": "B3", "red": "B4"}
OPTICAL = SensorRecipe("Optical", ("B2", "B3", "B4"), ROLES, DATES, indices=("Brightness",))
RADAR = SensorRecipe("radar", ("vv", "vh"), {}, DATES, indices=())


def written(folder: Path, layers: FeatureMap, values: np.ndarray) -> str:
    """Write a map with its statistics and bands, call the step, and return its page."""
    profile, statistics = map_profile(GRID, layers, overviews=True), RasterStatistics(len(values), layers.nodata)
    with RasterWriter(folder / "map.tif", profile) as writer:
        writer.write(block_of("", GRID, (0, GRID.shape.y), (0, GRID.shape.x)), values)
    statistics.add(0, 0, values)
    found = statistics_json(layers, MapSums(statistics.result(), GRID.shape.y * GRID.shape.x))
    (folder / "statistics.json").write_text(json.dumps(found), encoding="utf-8")
    (folder / "bands.json").write_text(json.dumps(layers.to_json()), encoding="utf-8")
    inp = {"bands": "bands.json", "mosaic": "map.tif", "statistics": "statistics.json"}
    tiles = several("tile", {TILE: f"{TILE}.vrt", "T31TDJ": "T31TDJ.vrt"})
    run(page.STEP, folder, {**inp, "tiles": tiles}, {"page": "map.html"}, params="A <run>")
    return (folder / "map.html").read_text(encoding="utf-8")


def images(text: str) -> dict[str, np.ndarray]:
    """Pictures (y, x, 4) by alternative text."""
    found = re.findall(r'<img [^>]*alt="([^"]*)" src="data:image/webp;base64,([^"]*)"', text)
    return {
        alt: np.asarray(Image.open(io.BytesIO(base64.b64decode(code))).convert("RGBA")).astype(int)
        for alt, code in found
    }


@pytest.fixture
def layers() -> FeatureMap:
    return FeatureMap((FeatureRecipe((OPTICAL, RADAR)),))


def random_values(layers: FeatureMap) -> np.ndarray:
    rng = np.random.default_rng(1)
    return rng.uniform(100, 900, (len(layers.bands), *GRID.shape)).astype(np.float32)


def test_pictures_show_the_values_of_their_bands(tmp_path: Path, layers: FeatureMap) -> None:
    values = random_values(layers)
    first = {name: k for k, name in enumerate(layers.names) if name.endswith(DATES[0])}
    values[first["Optical_B4_20180101"]] = 900
    values[[first[f"Optical_{band}_20180101"] for band in ("B2", "B3")]] = 0
    text = written(tmp_path, layers, values)
    found = images(text)
    assert len(found) == 3 * len(DATES), "natural colours, brightness and the composite of VV and VH"
    red = found["Optical, 2018-01-01"][..., :3].mean(axis=(0, 1))
    assert red[0] > 180
    assert red[1:3].max() < 90
    assert found["radar, 2018-01-11"].shape == (6, 8, 4)
    assert "A &lt;run&gt;" in text
    assert '<a href="map.tif">' in text
    assert '<a href="T31TDJ.vrt">' in text
    assert "2 tiles of 2 sensors" in text
    assert "EPSG:32631 (WGS 84 / UTM zone 31N)" in text


def test_all_dates_have_the_same_scale(tmp_path: Path) -> None:
    layers = FeatureMap((FeatureRecipe((SensorRecipe("S", ("X",), {}, DATES, indices=()),)),))
    values = np.stack([np.full(GRID.shape, level, np.float32) for level in (0, 50, 100)])
    found = images(written(tmp_path, layers, values))
    levels = [found[f"S: X, 2018-01-{day}"][..., :3].mean() for day in ("01", "11", "21")]
    assert levels == pytest.approx([0, 127, 255], abs=8)


def test_pixels_without_data_are_transparent(tmp_path: Path, layers: FeatureMap) -> None:
    values = random_values(layers)
    values[:, :2] = layers.nodata
    found = images(written(tmp_path, layers, values))
    for image in found.values():
        assert (image[:2, :, 3] == 0).all()
        assert (image[2:, :, 3] == 255).all()


def test_a_map_without_any_value_has_no_pictures(tmp_path: Path, layers: FeatureMap) -> None:
    text = written(tmp_path, layers, np.full((len(layers.bands), *GRID.shape), layers.nodata, np.float32))
    assert images(text) == {}
    assert text.count("No pixel has data.") == 3


def test_one_date_needs_no_slider_and_layers_no_date(tmp_path: Path) -> None:
    relief = SensorRecipe("Relief", ("slope",), {}, (), static=True)
    one = SensorRecipe("Optical", ("B2", "B3", "B4"), ROLES, DATES[:1], indices=())
    layers = FeatureMap((FeatureRecipe((one, relief)),))
    found = images(written(tmp_path, layers, random_values(layers)))
    assert set(found) == {"Optical, 2018-01-01", "Relief: slope"}
    layers = FeatureMap((FeatureRecipe((relief,)),))
    assert set(images(written(tmp_path, layers, random_values(layers)))) == {"Relief: slope"}


def test_too_many_dates_are_thinned(tmp_path: Path, layers: FeatureMap, monkeypatch: pytest.MonkeyPatch) -> None:
    values = random_values(layers)
    whole = len(written(tmp_path, layers, values))
    monkeypatch.setattr(shows, "PICTURE_BYTES", 0)
    text = written(tmp_path, layers, values)
    assert set(images(text)) == {"Optical, 2018-01-11", "Optical: Brightness, 2018-01-11", "radar, 2018-01-11"}
    assert text.count("1 of 3 dates, evenly chosen.") == 3
    assert len(text) < whole


def test_the_page_does_not_depend_on_the_run(tmp_path: Path, layers: FeatureMap) -> None:
    values = random_values(layers)
    assert written(tmp_path, layers, values) == written(tmp_path, layers, values)


def test_a_zarr_store_gives_the_same_pictures_as_a_file(tmp_path: Path, layers: FeatureMap) -> None:
    values, axes = random_values(layers), MapAxes(layers)
    expected = images(written(tmp_path, layers, values))
    store = tmp_path / "map.zarr"
    store.mkdir()
    create_store(store, axes, GRID)
    with shard_writer(store, 1) as writer:
        for shard in axes.shards:
            cube = np.full((shard.count, *GRID.shape), layers.nodata, np.float32)
            cube[list(shard.offsets)] = values[list(shard.bands)]
            writer.write(shard, (0, GRID.shape.y), (0, GRID.shape.x), cube)
    (tmp_path / "grid.json").write_text(json.dumps(geobox_to_json(GRID)), encoding="utf-8")
    inp = {"bands": "bands.json", "store": "map.zarr", "grid": "grid.json", "statistics": "statistics.json"}
    run(page.STEP, tmp_path, {**inp, "tiles": several("tile", {TILE: "t.vrt"})}, {"page": "z.html"}, params="run")
    text = (tmp_path / "z.html").read_text(encoding="utf-8")
    found = images(text)
    assert found.keys() == expected.keys()
    assert all((found[name] == expected[name]).all() for name in found)
    assert '<a href="map.zarr">' in text
