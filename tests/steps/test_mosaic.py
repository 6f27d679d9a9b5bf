"""The mosaic of several models and tiles, its overviews and its memory."""

from __future__ import annotations

import tracemalloc
from dataclasses import dataclass, replace
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox
from shapely import box

from iota2.classifiers import Prediction, save_model, train_model
from iota2.compute.model_fusion import in_all_classes
from iota2.core.graph import JobContext, Key, MultiplePaths, Paths, Resources
from iota2.core.grid import blocks
from iota2.core.nomenclature import Nomenclature
from iota2.io.rasters.files import RasterProfile, RasterWriter
from iota2.io.tables.classes import write_classes
from iota2.io.tables.vectors import write_shapefile
from iota2.steps.products import mosaic
from iota2.steps.profiles import NO_PROBABILITY, probability_profile, scaled_probabilities
from tests.classifiers.polygon_worlds import RECIPE as WORLD_RECIPE
from tests.classifiers.polygon_worlds import draw
from tests.steps.helpers import CRS, GRID, area, frame, read_raster, run, several, write_codes, write_raster

SIDE = 640
CLASSES = Nomenclature((1, 2), ("one", "two"), ((255, 0, 0), (0, 255, 0)), (1, 2))
SQUARE = GeoBox((SIDE, SIDE), Affine(10, 0, 300000, 0, -10, 4900000), "EPSG:32631")
PIXEL_BYTES = 100


@dataclass(frozen=True)
class Tile:
    """Inputs of one tile on the grid of the products."""

    folder: Path

    def raster(self, name: str, values: np.ndarray, profile: RasterProfile) -> str:
        path = self.folder / f"{name}.tif"
        with RasterWriter(path, profile) as writer:
            writer.write(next(blocks("", SQUARE, SQUARE.shape)), values)
        return path.name

    def mosaic(self, probabilities: dict[str, np.ndarray], memory: int = 256 << 20) -> Path:
        """Run the step; returns the folder of the products. ``probabilities``: (class, y, x) by region."""
        ones = np.ones(SQUARE.shape, np.uint8)
        byte = RasterProfile(SQUARE, "uint8", nodata=0)
        envelope = gpd.GeoDataFrame({"tile": ["A"]}, geometry=[box(*SQUARE.boundingbox)], crs=32631)
        write_shapefile(envelope, self.folder / "e.shp")
        write_classes(CLASSES, self.folder / "classes.json")
        one = {("A", 0): self.raster("ones", ones, byte)}
        regions = {
            ("A", region, 0): self.raster(f"p{region}", values, probability_profile(SQUARE, CLASSES))
            for region, values in probabilities.items()
        }
        inp = {
            "envelopes": MultiplePaths(("tile",), {("A",): "e.shp"}),
            "classes": "classes.json",
            "labels": MultiplePaths(("tile", "seed"), one),
            "confidence": MultiplePaths(("tile", "seed"), one),
            "validity": MultiplePaths(("tile",), {("A",): one[("A", 0)]}),
            "probabilities": MultiplePaths(("tile", "region", "seed"), regions),
        }
        made = ("map", "colors", "confidence", "final_probabilities")
        out = {name: MultiplePaths(("seed",), {(0,): f"final/{name}.tif"}) for name in made}
        out |= {"validity": "final/validity.tif", "validity_style": "final/validity.qml"}
        styles = {"style": "map", "colors_style": "colors", "confidence_style": "confidence"}
        styles |= {"probabilities_style": "final_probabilities"}
        out |= {name: MultiplePaths(("seed",), {(0,): f"final/{stem}.qml"}) for name, stem in styles.items()}
        params = mosaic.MosaicParams("EPSG:32631", None)
        mosaic.run(
            JobContext(Paths(self.folder, inp), Paths(self.folder, out), Key(), params, Resources(memory=memory))
        )
        return self.folder / "final"


def layers(*values: int) -> np.ndarray:
    return np.stack([np.full(SQUARE.shape, value, np.uint16) for value in values])


@pytest.fixture
def tile(tmp_path: Path) -> Tile:
    return Tile(tmp_path)


def test_overviews_average_probabilities_of_zero_and_ignore_pixels_without_label(tile: Tile) -> None:
    given = layers(0, 1000)
    given[:, :, ::4] = [[[1000]], [[0]]]  # one of four pixels has the first class
    given[:, :100] = NO_PROBABILITY
    final = tile.mosaic({"1": given})
    with rasterio.open(final / "final_probabilities.tif") as source:
        assert source.nodata == NO_PROBABILITY
        np.testing.assert_array_equal(source.read(), given)
    with rasterio.open(final / "final_probabilities.tif", overview_level=1) as source:
        small = source.read()
    assert (small[:, 25:] == np.array([250, 750])[:, None, None]).all()
    assert (small[:, :25] == NO_PROBABILITY).all()


def test_the_first_region_with_a_label_gives_the_probabilities(tile: Tile) -> None:
    west, east = layers(0, 1000), layers(600, 400)
    west[:, :, 400:], east[:, :, :300] = NO_PROBABILITY, NO_PROBABILITY
    final = tile.mosaic({"2": east, "1": west})
    with rasterio.open(final / "final_probabilities.tif") as source:
        found = source.read()
    np.testing.assert_array_equal(found, np.where(np.arange(SIDE) < 400, west, east))


def test_outputs_do_not_depend_on_the_memory(tile: Tile, tmp_path: Path) -> None:
    given = np.random.default_rng(0).integers(0, 1000, (2, *SQUARE.shape)).astype(np.uint16)
    whole, apart = (
        {path.name: path.read_bytes() for path in tile.mosaic({"1": given}, memory).iterdir()}
        for memory in (256 << 20, 64 * 130 * PIXEL_BYTES)
    )
    assert whole == apart
    assert len(whole) == 10
    assert {Path(name).stem for name in whole if name.endswith(".tif")} == {
        Path(name).stem for name in whole if name.endswith(".qml")
    }
    assert b'maximumValue="1"' in whole["validity.qml"], "the largest number of clear dates"


def test_the_mosaic_stays_within_its_memory(tile: Tile) -> None:
    given, budget = layers(400, 600), 32 << 20
    tile.mosaic({"1": given, "2": given}, budget)
    tracemalloc.start()
    tile.mosaic({"1": given, "2": given}, budget)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < budget


def test_probabilities_are_scaled_and_absent_without_label() -> None:
    shares = np.array([[[0.25, 0]], [[0.75, 0]]], np.float32)
    prediction = Prediction(np.array([[2, 0]], np.uint16), shares[1], shares)
    found = scaled_probabilities(in_all_classes(prediction, np.array([0, 2]), 3))
    assert found.tolist() == [[[250, NO_PROBABILITY]], [[0, NO_PROBABILITY]], [[750, NO_PROBABILITY]]]


def test_each_pixel_comes_from_the_tile_that_owns_it(tmp_path: Path) -> None:
    """Two tiles overlap by four columns; the western tile owns two of them."""
    grids = {"A": GRID, "B": GRID.translate_pix(4, 0)}
    owned = {"A": area((0, 5), (0, 6)), "B": area((0, 5), (6, 12))}
    values = {"labels": {"A": 1, "B": 2}, "confidence": {"A": 50, "B": 90}, "validity": {"A": 3, "B": 4}}
    inp: dict[str, str | MultiplePaths] = {"classes": write_codes(tmp_path)}
    for tile, geometry in owned.items():
        write_shapefile(frame([geometry], tile=tile), tmp_path / f"{tile}.shp")
    for kind, numbers in values.items():
        paths = {t: write_raster(tmp_path / f"{kind}_{t}.tif", n, geobox=grids[t]) for t, n in numbers.items()}
        by_seed = {(tile, 0): path for tile, path in paths.items()}
        inp[kind] = several("tile", paths) if kind == "validity" else several("tile seed", by_seed)
    inp["envelopes"] = several("tile", {tile: f"{tile}.shp" for tile in owned})
    out = {name: several("seed", {0: f"final_{name}.tif"}) for name in ("map", "colors", "confidence")}
    params = mosaic.MosaicParams(CRS, None)
    run(mosaic.STEP, tmp_path, inp, {**out, "validity": "final_validity.tif"}, params=params)
    for name, kind in {"map": "labels", "colors": "labels", "confidence": "confidence", "validity": "validity"}.items():
        row = [values[kind]["A"]] * 6 + [values[kind]["B"]] * 6
        assert read_raster(tmp_path / f"final_{name}.tif").tolist() == [row] * 5, name
    with rasterio.open(tmp_path / "final_colors.tif") as source:
        assert [source.colormap(1)[code][:3] for code in CLASSES.codes] == list(CLASSES.colors)


@pytest.mark.parametrize(
    ("choices", "expected"),
    [
        (("none", "none"), "probability of the classifier, not calibrated"),
        (("temperature", "temperature"), "calibrated probability (temperature)"),
        (
            ("temperature", "none"),
            "region 1: calibrated probability (temperature); region 2: probability of the classifier, not calibrated",
        ),
    ],
)
def test_the_confidence_says_whether_it_is_calibrated(tmp_path, choices, expected):
    drawn, paths = draw(0, 80, pixels=4), {}
    for region, choice in zip("12", choices, strict=True):
        how = {"recipe": WORLD_RECIPE, "seed": 0, "region": region, "threads": 1, "groups": drawn.polygons}
        model = train_model("rf", {"n_estimators": 2}, drawn.x, drawn.y, calibration=choice, **how)
        save_model(model, tmp_path / f"model{region}", tmp_path / "card.txt")
        paths[region, 0] = f"model{region}"
    write_shapefile(frame([area((0, 6), (0, 8))], tile="A"), tmp_path / "envelope.shp")
    inp = {name: several("tile seed", {("A", 0): f"{name}.tif"}) for name in ("labels", "confidence")}
    for name, value in {"labels": 1, "confidence": 50, "validity": 3}.items():
        write_raster(tmp_path / f"{name}.tif", value)
    inp |= {"envelopes": several("tile", {"A": "envelope.shp"}), "validity": several("tile", {"A": "validity.tif"})}
    inp |= {"classes": write_codes(tmp_path), "models": several("region seed", paths)}
    out = {name: several("seed", {0: f"final_{name}.tif"}) for name in ("map", "colors", "confidence")}
    params = mosaic.MosaicParams(CRS, None)
    run(mosaic.STEP, tmp_path, inp, {**out, "validity": "final_validity.tif"}, params=params)
    with rasterio.open(tmp_path / "final_confidence.tif") as file:
        assert file.tags()["CONFIDENCE"] == expected
        assert file.descriptions == ("probability of the label, %",)
    run(mosaic.STEP, tmp_path, inp, {**out, "validity": "validity_2.tif"}, params=replace(params, votes=True))
    with rasterio.open(tmp_path / "final_confidence.tif") as file:
        assert file.tags()["CONFIDENCE"] == "agreement of the models of a region, not a probability"
        assert file.descriptions == ("agreement of the models of a region, %",)
