"""The steps that write a features map as a Zarr store, strip by strip."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from affine import Affine
from odc.geo.geobox import GeoBox

from iota2.chains.load import load_config
from iota2.core.cost import Facts, JobFacts
from iota2.core.feature_map import FeatureMap
from iota2.core.graph import Key, MultiplePaths, Resources
from iota2.core.grid import PART_ROWS
from iota2.core.recipe import FeatureRecipe, SensorRecipe
from iota2.core.scene import Scene
from iota2.io.series.scene_file import geobox_to_json, scene_to_json
from iota2.io.tables.vectors import write_shapefile
from iota2.steps.features_map import statistics, store, strips
from tests.chain.helpers import Case, case, small
from tests.steps.helpers import CRS, frame, run, several, write_raster

__all__ = ["case", "small"]

TILE = GeoBox((PART_ROWS + 30, 1300), Affine(10, 0, 300_000, 0, -10, 4_900_000), CRS)
MAP = GeoBox((PART_ROWS + 90, 1340), Affine(10, 0, 299_800, 0, -10, 4_900_300), CRS)
"""The tile begins in row 30 and column 20 of the map."""
RECIPE = FeatureRecipe(
    (
        SensorRecipe("S2", ("B4", "B8"), {}, ("20180105", "20180220"), indices=()),
        SensorRecipe("L8", ("B4",), {}, tuple(f"201803{day:02}" for day in range(1, 9)), indices=()),
        SensorRecipe("Layers", ("slope",), {}, (), indices=(), static=True),
    )
)
LAYERS = FeatureMap((RECIPE,))
COUNT = len(LAYERS.bands)
Inputs = dict[str, str | MultiplePaths]


@pytest.fixture(scope="module")
def values() -> np.ndarray:
    """(band, y, x) of the tile; the last 100 columns have no data."""
    drawn = np.random.default_rng(0).normal(1000, 300, (COUNT, *TILE.shape)).astype(np.float32)
    drawn[:, :, 1200:] = -10000
    return drawn


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, values: np.ndarray) -> Path:
    """A tile of two parts, which owns all of its pixels but its first 50 columns."""
    root = tmp_path_factory.mktemp("map")
    (root / "bands.json").write_text(json.dumps(LAYERS.to_json()), encoding="utf-8")
    (root / "grid.json").write_text(json.dumps(geobox_to_json(MAP)), encoding="utf-8")
    (root / "scene.json").write_text(json.dumps(scene_to_json(Scene("A", TILE, ()))), encoding="utf-8")
    write_shapefile(frame([TILE[:, 50:].extent.geom], tile="A"), root / "A.shp")
    for part, rows in enumerate((slice(0, PART_ROWS), slice(PART_ROWS, None))):
        write_raster(root / f"part_{part}.tif", values[:, rows], "float32", TILE[rows, :], nodata=-10000)
    return root


def inputs(*parts: int) -> Inputs:
    return {
        "bands": "bands.json",
        "grid": "grid.json",
        "scene": several("tile", {"A": "scene.json"}),
        "envelopes": several("tile", {"A": "A.shp"}),
        "parts": several("tile part", {("A", part): f"part_{part}.tif" for part in parts}),
    }


def write_strip(folder: Path, strip: int, name: str, use: Resources | None = None, parts: tuple[int, ...] = (0, 1)):
    out = {"store": f"{name}/strip_{strip}", "sums": f"{name}/sums_{strip}.json"}
    run(strips.STEP, folder, inputs(*parts), out, key=Key.of(strip=strip), use=use)
    return folder / name


def contents(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def joined(folder: Path) -> Path:
    """The folder with the store of both strips, and its statistics."""
    for strip in (0, 1):
        write_strip(folder, strip, "strips")
    whole = {"bands": "bands.json", "grid": "grid.json"}
    pieces = several("strip", {strip: f"strips/strip_{strip}" for strip in (0, 1)})
    run(store.STEP, folder, {**whole, "strips": pieces}, {"store": "map.zarr"})
    sums = several("strip", {strip: f"strips/sums_{strip}.json" for strip in (0, 1)})
    run(statistics.STEP, folder, {"bands": "bands.json", "sums": sums}, {"statistics": "statistics.json"})
    return folder


def bands_of(root: xr.Dataset) -> Iterator[np.ndarray]:
    """The arrays (y, x) of all bands of the map, in its order."""
    for band in LAYERS.bands:
        if band.day:
            name = band.name.removesuffix(f"_{band.feature.date}")
            yield root["features"].sel(time=band.day, band=name).to_numpy()
        else:
            yield root["undated"].sel(feature=band.name).to_numpy()


def test_every_pixel_of_every_band_is_that_of_the_tile(joined: Path, values: np.ndarray) -> None:
    expected = np.full((COUNT, *MAP.shape), np.nan, np.float32)
    expected[:, 30 : 30 + TILE.shape.y, 70 : 20 + TILE.shape.x] = np.where(values == -10000, np.nan, values)[:, :, 50:]
    found = xr.open_zarr(joined / "map.zarr", chunks=None).load()
    for k, layer in enumerate(bands_of(found)):
        np.testing.assert_array_equal(layer, expected[k], LAYERS.names[k])
    absent = found["features"].sel(band="L8_B4", time="2018-02-20")
    assert np.isnan(absent).all(), "a date that the series lacks"


def test_the_statistics_are_those_of_all_pixels(joined: Path, values: np.ndarray) -> None:
    found = json.loads((joined / "statistics.json").read_text(encoding="utf-8"))
    assert found["pixels"] == TILE.shape.y * (TILE.shape.x - 50)
    seen = values[:, :, 50:1200].reshape(COUNT, -1).astype(np.float64)
    for k, band in enumerate(found["bands"]):
        assert band["name"] == LAYERS.names[k]
        assert (band["minimum"], band["maximum"]) == (seen[k].min(), seen[k].max())
        assert band["mean"] == pytest.approx(seen[k].mean(), rel=1e-12)
        assert band["std"] == pytest.approx(seen[k].std(), rel=1e-10)
        assert band["valid_percent"] == pytest.approx(100 * 1150 / 1250)


def test_a_strip_is_the_same_bytes_for_any_memory_and_threads(joined: Path) -> None:
    least = write_strip(joined, 1, "least", Resources(memory=1 << 20, threads=3))
    kept = {name: content for name, content in contents(joined / "strips").items() if "_1" in name}
    assert contents(least) == kept


@pytest.mark.long
@pytest.mark.slow
def test_a_strip_needs_no_more_memory_than_its_estimate(joined: Path, case: Case) -> None:
    facts = Facts({}, {}, RECIPE, strips={0: 1000})
    use = Resources(memory=300 << 20)
    options = load_config(case.configured())
    allowed = {budget: strips.cost(options, JobFacts(facts, {"strip": 0}, budget)).memory for budget in (1, use.memory)}
    assert allowed[1] < allowed[use.memory] == use.memory
    for budget, limit in allowed.items():
        write_strip(joined, 0, "measured", Resources(memory=budget))
        tracemalloc.start()
        write_strip(joined, 0, "measured", Resources(memory=budget))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < limit


def test_a_part_that_is_missing_is_an_error(joined: Path) -> None:
    """The plan selects the parts of a strip; a wrong selection must not look like missing data."""
    with pytest.raises(ValueError, match="pixels outside the parts 1 of a tile"):
        write_strip(joined, 0, "wrong", parts=(1,))
    assert not (joined / "wrong/strip_0").exists()


def test_the_disk_space_grows_with_the_pixels_of_the_strip(case: Case) -> None:
    facts = Facts({}, {}, RECIPE, strips={0: 1000, 3: 5000})
    config = load_config(case.configured())
    few, many = (strips.cost(config, JobFacts(facts, {"strip": strip}, 1)) for strip in (0, 3))
    assert few.disk > 0
    assert many.disk == 5 * few.disk
    assert many.seconds > few.seconds
    assert few.uncompressed == 0
