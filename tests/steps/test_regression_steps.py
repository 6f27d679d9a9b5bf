"""Steps of maps of a quantity on small inputs: prediction, shaping, mosaic, validation and report."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import rasterio

from iota2 import layout
from iota2.classifiers import Model, save_model, train_model
from iota2.classifiers.registry import SCIKIT, regressor_of, validate_options
from iota2.compute.value_accuracy import ValuePixels
from iota2.core.graph import Key
from iota2.core.losses import Amount, ClassLosses, losses_csv
from iota2.core.nomenclature import Nomenclature
from iota2.core.remarks import remarks_about
from iota2.core.target import Quantity
from iota2.errors import InputError
from iota2.io.tables.classes import write_classes
from iota2.io.tables.remark_lists import write_remarks
from iota2.io.tables.target_values import write_target_values
from iota2.io.tables.value_pixels import read_value_pixels, write_value_pixels
from iota2.io.tables.vectors import write_shapefile, write_sqlite
from iota2.steps.regression import mosaic, prediction, report, shaping, validation
from tests.steps.helpers import (
    CRS,
    DAYS,
    GRID,
    RECIPE,
    TILE,
    area,
    frame,
    read_raster,
    run,
    several,
    write_raster,
    write_scene,
)

MODEL_AXES = "region submodel seed source"
PART = Key.of(tile=TILE, part=0)
ROW, COLUMN = np.indices(GRID.shape)
IMAGE = 1000 + 100 * COLUMN
"""Values of both bands."""
CLOUDY = (ROW == 2) & (COLUMN < 6)
WEST = COLUMN < 5
EAST = (COLUMN >= 4) & (ROW > 0)
"""The masks of both regions contain the pixels of column 4."""
NAN = np.nan
PLAIN = prediction.PredictionParams(boundary_fusion=False)


def model(offset: float) -> Model:
    """A linear model: the first band divided by 100, plus an offset."""
    rng = np.random.default_rng(0)
    x = rng.uniform(900, 2000, (120, 1)) + np.zeros(len(RECIPE.names))
    parameters, _ = validate_options(regressor_of(SCIKIT), {"model_type": "LinearRegression"})
    return train_model(
        regressor_of(SCIKIT), parameters, x, x[:, 0] / 100 + offset, recipe=RECIPE, seed=0, region="1", threads=1,
        groups=np.arange(120) // 3, quantity=Quantity("height", "m"), intervals=True,
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Models of two regions, their masks and images."""
    for name, offset in (("west", 0.0), ("east", 50.0)):
        save_model(model(offset), tmp_path / f"model_{name}", tmp_path / f"{name}.txt")
    write_scene(tmp_path, {day: {"RED": IMAGE, "NIR": IMAGE, "CLOUD": CLOUDY} for day in DAYS})
    write_raster(tmp_path / "west.tif", WEST)
    write_raster(tmp_path / "east.tif", EAST)
    return tmp_path


INPUTS = {
    "scene": f"scene_{TILE}.json",
    "models": several(MODEL_AXES, {(name, "", 0, ""): f"model_{name}" for name in ("west", "east")}),
    "masks": several("region", {name: f"{name}.tif" for name in ("west", "east")}),
}
OUTPUTS = {"values": several("seed", {0: "values.tif"})}


def test_each_region_has_the_values_of_its_model_where_a_date_is_clear(folder: Path) -> None:
    run(prediction.STEP, folder, INPUTS, OUTPUTS, key=PART, params=PLAIN)
    expected = np.where(EAST, 60.0 + COLUMN, np.where(WEST, 10.0 + COLUMN, NAN))  # regions are sorted by name
    with rasterio.open(folder / "values.tif") as source:
        values, widths = source.read()
    np.testing.assert_allclose(values, np.where(CLOUDY, NAN, expected), rtol=1e-4)
    np.testing.assert_array_equal(np.isnan(widths), np.isnan(values))
    assert np.nanmax(widths) < 0.01, "the model is exact"


def test_values_are_blended_by_their_weights(folder: Path) -> None:
    weights = {
        "west": write_raster(folder / "w.tif", np.where(WEST, 1000, 250), "uint16"),
        "east": write_raster(folder / "e.tif", np.where(WEST, 0, 750), "uint16"),
    }
    inp = INPUTS | {"weights": several("region", weights)}
    run(prediction.STEP, folder, inp, OUTPUTS, key=PART, params=prediction.PredictionParams(boundary_fusion=True))
    expected = np.where(WEST, 10.0 + COLUMN, 0.25 * (10.0 + COLUMN) + 0.75 * (60.0 + COLUMN))
    np.testing.assert_allclose(read_raster(folder / "values.tif"), np.where(CLOUDY, NAN, expected), rtol=1e-4)


def test_a_model_of_classes_is_refused(folder: Path) -> None:
    parameters, _ = validate_options("rf", {"classifier.rf.nbtrees": 2})
    x = np.repeat([[1000.0], [3000.0]], 20, axis=0) + np.zeros(len(RECIPE.names))
    forest = train_model("rf", parameters, x, np.repeat([1, 2], 20), recipe=RECIPE, seed=0, region="1", threads=1)
    save_model(forest, folder / "model_east", folder / "east.txt")
    with pytest.raises(InputError, match="model_east: predicts classes, not a quantity"):
        run(prediction.STEP, folder, INPUTS, OUTPUTS, key=PART, params=PLAIN)


def test_pixels_with_a_value_keep_their_validity(tmp_path: Path) -> None:
    values = np.where(CLOUDY, NAN, IMAGE / 100.0)
    both = np.stack([values, values]).astype(np.float32)
    write_raster(tmp_path / "part.tif", both, "float32", nodata=NAN)
    write_raster(tmp_path / "validity.tif", 7)
    inp = {"values": several("part seed", {(0, 0): "part.tif"}), "validity": "validity.tif"}
    out = {"values": several("seed", {0: "values.tif"}), "validity": "valid.tif"}
    run(shaping.STEP, tmp_path, inp, out, key=Key.of(tile=TILE))
    np.testing.assert_allclose(read_raster(tmp_path / "values.tif"), values)
    np.testing.assert_array_equal(read_raster(tmp_path / "valid.tif"), np.where(CLOUDY, 0, 7))


def test_the_mosaic_has_values_widths_and_how_intervals_were_measured(folder: Path) -> None:
    values = np.stack([np.where(CLOUDY, NAN, IMAGE), np.where(CLOUDY, NAN, COLUMN + 1)]).astype(np.float32)
    write_raster(folder / "values.tif", values, "float32", nodata=NAN)
    write_raster(folder / "validity.tif", np.where(CLOUDY, 0, 7))
    write_shapefile(frame([area((0, 6), (0, 8))]), folder / "envelope.shp")
    inp = {
        "envelopes": several("tile", {TILE: "envelope.shp"}),
        "values": several("tile seed", {(TILE, 0): "values.tif"}),
        "validity": several("tile", {TILE: "validity.tif"}),
        "models": INPUTS["models"],
    }
    out = {name: several("seed", {0: f"{name}.out"}) for name in ("map", "style", "width", "width_style")}
    out |= {"map": several("seed", {0: "map.tif"}), "width": several("seed", {0: "width.tif"})}
    out |= {"validity": "final.tif", "validity_style": "final.qml"}
    out |= {"tile_style": several("tile seed", {(TILE, 0): "tile.qml"})}
    params = mosaic.ValueMosaicParams(CRS, None, Quantity("height", ""))
    run(mosaic.STEP, folder, inp, out, params=params)
    np.testing.assert_array_equal(read_raster(folder / "map.tif"), values[0])
    np.testing.assert_array_equal(read_raster(folder / "width.tif"), values[1])
    assert read_raster(folder / "final.tif").max() == 7
    with rasterio.open(folder / "width.tif") as source:
        assert source.tags()["INTERVAL"].startswith("Region east: Interval of 90 %")
        assert source.descriptions == ("width of the 90 % interval of height",)
    assert (folder / "tile.qml").read_text() == (folder / "style.out").read_text()


@pytest.mark.parametrize(("value", "limits"), [(NAN, (0, 1)), (5.0, (5, 6))])
def test_a_map_without_different_values_has_a_style(folder: Path, value: float, limits: tuple[int, int]) -> None:
    write_raster(folder / "same.tif", np.full(GRID.shape, value), "float32", nodata=NAN)
    style = mosaic._style(folder / "same.tif", ("#000000", "#ffffff"))
    found = re.search(r'classificationMin="([\d.]+)"', style), re.search(r'classificationMax="([\d.]+)"', style)
    assert tuple(one and float(one[1]) for one in found) == limits


def test_validation_pixels_have_the_value_of_their_polygon(tmp_path: Path) -> None:
    write_raster(tmp_path / "map.tif", np.where(CLOUDY, NAN, IMAGE), "float32", nodata=NAN)
    write_raster(tmp_path / "width.tif", COLUMN, "float32", nodata=NAN)
    pieces = frame([area((1, 3), (0, 2)), area((3, 5), (6, 8))], originfid=[9, 4], region=["a", "b"])
    write_sqlite(pieces, tmp_path / "validation.sqlite")
    write_shapefile(frame([area((0, 6), (0, 8))]), tmp_path / "envelope.shp")
    write_target_values(np.array([4, 9]), np.array([1.5, 2.5]), tmp_path / "values.csv")
    inp = {"map": "map.tif", "width": "width.tif", "envelope": "envelope.shp"}
    inp |= {"validation": "validation.sqlite", "truth": "values.csv"}
    run(validation.STEP, tmp_path, inp, {"pixels": "pixels.npz"}, key=Key.of(tile=TILE, seed=0))
    found = read_value_pixels([tmp_path / "pixels.npz"])
    assert found.polygon.tolist() == [9] * 4 + [4] * 4
    assert found.region.tolist() == ["a"] * 4 + ["b"] * 4
    assert found.true.tolist() == [2.5] * 4 + [1.5] * 4
    np.testing.assert_array_equal(found.mapped, [1000, 1100, NAN, NAN, 1600, 1700, 1600, 1700])
    assert found.width.tolist() == [0, 1, 0, 1, 6, 7, 6, 7]


@pytest.mark.parametrize("polygons", [0, 12])
def test_the_report_is_written_also_without_validation_pixels(polygons: int, folder: Path) -> None:
    metrics_of, mapped, true = reported(folder, polygons)
    metrics = metrics_of["seeds"]["0"]["all"]
    assert metrics["polygons"] == polygons
    page, text = (folder / "report.html").read_text(), (folder / "RESULTS.txt").read_text()
    assert "run &amp; map" in page
    assert "A &lt;remark&gt; on polygons." in page
    assert "A <remark> on polygons." in text
    assert "The group of values below 5 (1) is nearly lost: 3 pixels for learning" in text
    assert len(gpd.read_file(folder / "residuals.gpkg")) == polygons
    if polygons:
        error = mapped - true
        assert metrics["bias"] == pytest.approx(error.mean())
        assert f"{np.sqrt(np.mean(error**2)):.4g}" in text
    else:
        assert metrics["rmse"] is None
        assert "no validation pixel has one" in text
        assert "The map is not validated: no validation pixel has a value." in text


def test_regions_without_validation_or_intervals_are_named_by_the_report(folder: Path) -> None:
    one = model(50.0)
    assert one.interval is not None
    few = replace(one, interval=replace(one.interval, factor=None, polygons=2, samples=9))
    save_model(few, folder / "model_east", folder / "east.txt")
    metrics, _, _ = reported(folder, 12)
    assert metrics["regions_without_validation"] == {"0": ["east"]}
    assert metrics["regions_without_interval"] == {"0": ["east"]}
    found = metrics["seeds"]["0"]
    assert found["regions"]["east"]["rmse"] is None
    assert found["regions"]["west"] | {"intervals_95": 0} == found["all"] | {"intervals_95": 0}
    text, page = ((folder / name).read_text() for name in ("RESULTS.txt", "report.html"))
    for sentence in (
        "The accuracy covers region west only. Region east has no validation pixel with a value: the accuracy there is "
        "unknown.",
        "Region east has no intervals: they need the residuals of 9 learning polygons, and 2 are known.",
    ):
        assert sentence in page
        assert sentence in " ".join(text.split())
    assert "in 1 of 2 regions" in page


def test_values_far_outside_those_of_the_samples_are_remarked(folder: Path) -> None:
    save_model(model(0.0), folder / "model_east", folder / "east.txt")
    reported(folder, 12, extreme=-5000.0)
    text = " ".join((folder / "RESULTS.txt").read_text().split())
    assert "Seed 0: 1 validation pixel of 60 has a value far outside those of the samples (9." in text
    assert "up to -5000. The method extrapolates" in text
    reported(folder, 12)
    assert "extrapolates" not in (folder / "RESULTS.txt").read_text()


def reported(
    folder: Path, polygons: int, extreme: float | None = None
) -> tuple[dict[str, Any], np.ndarray, np.ndarray]:
    """The metrics of a report on pixels of some polygons of the region west, map values and true values."""
    rng = np.random.default_rng(0)
    polygon = np.repeat(np.arange(polygons), 5)
    true = 10.0 + polygon
    mapped = true + rng.normal(size=len(true))
    if extreme is not None:
        mapped[7] = extreme
    found = ValuePixels(polygon, np.full(len(true), "west"), true, mapped, np.full(len(true), 2.0))
    write_value_pixels(found, folder / "pixels.npz")
    write_classes(Nomenclature((1,), ("below 5",), ((0, 0, 0),), (1,)), folder / "classes.json")
    amounts = {"drawn": Amount(4, 40), "usable": Amount(4, 40), "samples": Amount(0, 3), "validation": Amount(2, 9)}
    (folder / "losses.csv").write_text(losses_csv([ClassLosses(1, "1", amounts)]))
    write_raster(folder / "map.tif", np.where(CLOUDY, NAN, IMAGE), "float32", nodata=NAN)
    write_raster(folder / "width.tif", COLUMN, "float32", nodata=NAN)
    squares = [area((0, 1), (k % 8, k % 8 + 1)) for k in range(12)]
    write_shapefile(frame(squares, originfid=np.arange(12)), folder / "reference.shp")
    for name in ("scan", "values", "reference"):
        texts = ("A <remark> on polygons.",) if name == "reference" else ()
        write_remarks(folder / f"{name}.json", remarks_about(texts, "reference"))
    inp = {
        "scenes": several("tile", {TILE: INPUTS["scene"]}),
        "scan_notes": several("tile", {TILE: "scan.json"}),
        "value_notes": several("tile", {TILE: "values.json"}),
        "reference_notes": "reference.json",
        "groups": "classes.json",
        "losses": several("seed", {0: "losses.csv"}),
        "reference": "reference.shp",
        "pixels": several("tile seed", {(TILE, 0): "pixels.npz"}),
        "models": INPUTS["models"],
        "map": several("seed", {0: "map.tif"}),
        "width": several("seed", {0: "width.tif"}),
    }
    out = {"results": "RESULTS.txt", "metrics": "metrics.json", "page": "report.html"}
    out |= {name: several("seed", {0: f"{name}.out"}) for name in ("scatter", "residuals_style")}
    out |= {"residuals": several("seed", {0: "residuals.gpkg"})}
    params = report.ValueReportParams(
        "run & map", Quantity("height", ""), {"chain.proj": CRS}, layout.QUANTITY_PRODUCTS, 1
    )
    run(report.STEP, folder, inp, out, params=params)
    return json.loads((folder / "metrics.json").read_text()), mapped, true
