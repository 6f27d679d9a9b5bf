"""Whole runs of a quantity: values and intervals against the truth, regions, reports, and refused inputs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
from rasterio.features import rasterize

from iota2.chains.load import load_config
from iota2.classifiers import load_model
from iota2.core.graph import Resources
from iota2.io.rasters.files import raster_geobox
from iota2.runs import runner
from iota2.testing.configurations import DEMOS, config_text
from iota2.testing.files import WorldFiles
from iota2.testing.quantities import FIELD, biomass_polygons, true_biomass, write_biomass
from iota2.testing.world import World, WorldOptions, make_world
from iota2.testing.writing import write_inputs
from tests.chain.helpers import command, read, refused

OPTIONS = WorldOptions(size=160, overlap=48)
BLENDED = """
arg_classification :
{
  enable_boundary_fusion : True
  boundary_interior_buffer_size : 100
  boundary_exterior_buffer_size : 100
}
"""


@dataclass(frozen=True)
class Quantities:
    """A world with the biomass of its polygons, and configurations for it."""

    world: World
    files: WorldFiles

    def config(self, name: str, *edits: tuple[str, str], more: str = "") -> Path:
        """A configuration with its own output folder."""
        text = config_text(DEMOS["I2Regression"].text, OPTIONS.tiles, self.files, OPTIONS.sensors) + more
        text = text.replace("'classifier.rf.nbtrees' : 50", "'classifier.rf.nbtrees' : 12").replace(
            "'strategy.constant.nb' : 500", "'strategy.constant.nb' : 150"
        )
        for old, new in (*edits, (str(self.files.output), str(self.output(name)))):
            assert old in text
            text = text.replace(old, new)
        path = self.files.folder / f"{name}.cfg"
        path.write_text(text, encoding="utf-8")
        return path

    def output(self, name: str) -> Path:
        return self.files.folder / name

    def run(self, path: Path, *, block_shape: tuple[int, int] | None = None) -> Path:
        config = load_config(path)
        options = runner.Options(workers=0, use=Resources(block_shape=block_shape))
        runner.run(config, options, runner.Watcher())
        return config.chain.output_path / "final"


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Quantities:
    folder = tmp_path_factory.mktemp("quantity")
    world = make_world(OPTIONS)
    files = write_inputs(world, folder)
    write_biomass(world, files)
    return Quantities(world, files)


@pytest.fixture(scope="module")
def final(case: Quantities) -> Path:
    """The products of a run of two regions and two seeds."""
    return case.run(case.config("mapped", ("random_seed : 42", "random_seed : 42\n  runs : 2")))


def truth(case: Quantities, path: Path) -> np.ndarray:
    return true_biomass(case.world, raster_geobox(path))


def test_the_map_has_the_values_of_the_fields(case: Quantities, final: Path) -> None:
    path = final / "Regression_Seed_0.tif"
    found, true = read(path), truth(case, path)
    known = np.isfinite(found)
    assert known.mean() > 0.6
    error = found[known] - true[known]
    assert 1 - np.mean(error**2) / true[known].var() > 0.75
    assert abs(error.mean()) < 0.1 * true[known].std()
    with rasterio.open(path) as source:
        assert (source.dtypes, np.isnan(source.nodata), source.descriptions) == (("float32",), True, (FIELD,))
        assert source.tags()["QUANTITY"] == FIELD


def test_pixels_without_clear_date_have_no_value_and_no_validity(final: Path) -> None:
    values, widths = read(final / "Regression_Seed_0.tif"), read(final / "Uncertainty_Seed_0.tif")
    validity = read(final / "PixelsValidity.tif")
    np.testing.assert_array_equal(np.isnan(values), np.isnan(widths))
    np.testing.assert_array_equal(np.isfinite(values), validity > 0)


def test_most_values_lie_in_their_interval(case: Quantities, final: Path) -> None:
    shares = []
    for seed in (0, 1):
        path = final / f"Regression_Seed_{seed}.tif"
        found, widths = read(path), read(final / f"Uncertainty_Seed_{seed}.tif")
        known = np.isfinite(found)
        assert (widths[known] > 0).all()
        shares.append((2 * np.abs(found - truth(case, path)) <= widths)[known].mean())
    assert 0.8 < np.mean(shares) < 0.99
    with rasterio.open(final / "Uncertainty_Seed_0.tif") as source:
        assert source.tags()["INTERVAL"].startswith("Region 1: Interval of 90 %, scaled by the spread of each value")


def test_the_results_are_those_of_the_map_in_the_validation_polygons(case: Quantities, final: Path) -> None:
    metrics = json.loads((final / "metrics.json").read_text(encoding="utf-8"))
    residuals = gpd.read_file(final / "Residuals_Seed_1.gpkg")
    polygons = biomass_polygons(case.world)
    errors = []
    with rasterio.open(final / "Regression_Seed_1.tif") as source:
        values = source.read(1)
        for row in residuals.itertuples():
            true = polygons[FIELD].iloc[row.originfid]
            assert row.true_value == pytest.approx(true)
            inside = rasterize([polygons.geometry.iloc[row.originfid]], values.shape, transform=source.transform) > 0
            own = values[inside & np.isfinite(values)] - true
            # polygons are cut at regions, tiles and clear areas, where single pixels may differ
            assert row.residual == pytest.approx(own.mean(), abs=0.1)
            assert row.pixels == pytest.approx(len(own), rel=0.05, abs=3)
            errors.append(own)
    error = np.concatenate(errors).astype(float)
    found = metrics["seeds"]["1"]["all"]
    assert found["polygons"] == len(residuals)
    assert found["pixels"] == pytest.approx(len(error), rel=0.01)
    assert found["rmse"] == pytest.approx(np.sqrt(np.mean(error**2)), rel=0.01)
    assert found["mae"] == pytest.approx(np.abs(error).mean(), rel=0.01)
    assert found["bias"] == pytest.approx(error.mean(), abs=0.01)
    assert 0.6 < found["coverage"] <= 1
    low, high = found["intervals_95"]["rmse"]
    assert low < found["rmse"] < high
    assert {*metrics["seeds"]["0"]["regions"]} == {"1", "2"}
    assert metrics["mean_over_seeds"]["r2"]["mean"] == pytest.approx(
        np.mean([metrics["seeds"][seed]["all"]["r2"] for seed in "01"])
    )


def test_the_reports_have_the_measures_and_pictures(final: Path) -> None:
    text = (final / "RESULTS.txt").read_text(encoding="utf-8")
    metrics = json.loads((final / "metrics.json").read_text(encoding="utf-8"))
    assert f"{metrics['seeds']['0']['all']['r2']:.3f} [" in text
    assert "Intervals of 90 % contain the true value in" in text
    assert "Mean over 2 seeds, and range" in text
    page = (final / "report.html").read_text(encoding="utf-8")
    assert page.count("data:image/png;base64,") == 4
    assert "Regression_Seed_0.tif" in page
    assert "<script" not in page
    assert (final / "Scatter_Seed_0.png").read_bytes().startswith(b"\x89PNG")
    for name in ("Regression_Seed_0", "Uncertainty_Seed_0", "Residuals_Seed_0", "PixelsValidity"):
        assert "<qgis" in (final / f"{name}.qml").read_text(encoding="utf-8")
    assert not [*final.glob("Classif*")]


def test_polygons_are_on_one_side_and_all_groups_of_values_are_validated(case: Quantities, final: Path) -> None:
    polygons = gpd.read_file(final.parent / "reference_data.shp")
    assert set(polygons["seed_0"]) <= {"learn", "validation", "unused"}
    for _, group in polygons[polygons["seed_0"] != "unused"].groupby("i2label"):
        assert 0.3 < (group["seed_0"] == "learn").mean() < 0.7
    np.testing.assert_allclose(polygons[FIELD], biomass_polygons(case.world)[FIELD].iloc[polygons["originfid"]])


def test_models_learn_the_values_of_their_polygons(final: Path) -> None:
    for region in ("1", "2"):
        model = load_model(final.parent / f"model/model_{region}_seed_0")
        assert model.meta.kind == "quantity_rf"
        assert model.interval is not None
        assert model.interval.factor is not None
        assert model.meta.summary["smallest value"] >= 0


def test_the_map_does_not_depend_on_blocks(case: Quantities, final: Path) -> None:
    # what the first run made up to the models is the same
    again = case.run(case.config("blocks"), block_shape=(24, 56))
    for name in ("Regression_Seed_0.tif", "Uncertainty_Seed_0.tif"):
        assert (again / name).read_bytes() == (final / name).read_bytes()


def test_values_are_blended_near_borders_only(case: Quantities, final: Path) -> None:
    blended = case.run(case.config("blended", more=BLENDED))
    path = final / "Regression_Seed_0.tif"
    apart, together = read(path), read(blended / "Regression_Seed_0.tif")
    np.testing.assert_array_equal(np.isnan(apart), np.isnan(together))
    region = case.world.regions(raster_geobox(path))
    border = np.zeros(region.shape, bool)
    border[:, 1:] = region[:, 1:] != region[:, :-1]
    columns = [np.flatnonzero(row) for row in border]
    distance = np.array([np.abs(np.arange(len(row)) - found[0]) if len(found) else row * 0 + 99.0
                         for row, found in zip(region.astype(float), columns, strict=True)])  # fmt: skip
    known = np.isfinite(apart)
    np.testing.assert_array_equal(apart[known & (distance > 25)], together[known & (distance > 25)])
    near = known & (distance < 3)
    assert (apart[near] != together[near]).mean() > 0.5


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (lambda one: "tall", "contains text in"),
        (lambda one: 5.0, "there is nothing to learn"),
        (lambda one: np.inf, "are infinite (row 0, 1, 2, 3, 4 …)"),
        (lambda one: np.nan, "has no value in any of its"),
    ],
)
def test_values_that_cannot_be_learned_are_refused_by_the_check(
    case: Quantities, values: Any, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    polygons = biomass_polygons(case.world)
    polygons[FIELD] = [values(one) for one in polygons[FIELD]]
    wrong = case.files.folder / "wrong.gpkg"
    polygons.to_file(wrong, driver="GPKG", engine="pyogrio")
    error = refused(capsys, case.config("wrong", (str(case.files.biomass), str(wrong))))
    assert text in error
    assert "chain.ground_truth" in error
    assert "wrong.gpkg" in error


def test_the_check_remarks_a_region_with_few_polygons(case: Quantities, capsys: pytest.CaptureFixture[str]) -> None:
    polygons = biomass_polygons(case.world)
    regions = gpd.read_file(case.files.regions)
    polygons = polygons.to_crs(regions.crs)
    second = polygons.intersects(regions[regions["region"].astype(str) == "2"].union_all())
    inside = polygons[second & ~polygons.intersects(regions[regions["region"].astype(str) == "1"].union_all())]
    few = case.files.folder / "few.gpkg"
    gpd.GeoDataFrame(pd.concat([polygons[~second], inside[:3]]), crs=regions.crs).to_file(few, engine="pyogrio")
    path = case.config("few", (str(case.files.biomass), str(few)))
    code, out, error = command(capsys, "check", path)
    assert code == 0, error
    assert "Region 2 has few polygons, 2 for learning and 1 for validation" in out
    assert "its values have no interval, which needs 9 learning polygons" in out
    assert "Region 1 has few" not in out


def test_a_map_of_values_is_not_vectorised(case: Quantities, capsys: pytest.CaptureFixture[str]) -> None:
    error = refused(capsys, case.config("vectors", ("['I2Regression']", "['I2Regression', 'I2Vectorization']")))
    assert "builders.builders_class_name: I2Vectorization makes polygons of classes, but the map of I2Regr" in error
    assert "has values, not classes. Remove I2Vectorization, or give another map, of class codes, by simpl" in error
    assert "1 problem of inputs" in error


def test_a_regressor_without_grid_search_gives_no_warning_about_options_that_are_not_given(case: Quantities) -> None:
    more = "scikit_models_parameters :\n{\n  model_type : 'LinearRegression'\n}\n"
    assert not [text for text in load_config(case.config("linear", more=more)).warnings if "cross_validation" in text]


def test_the_check_suggests_the_field(case: Quantities, capsys: pytest.CaptureFixture[str]) -> None:
    error = refused(capsys, case.config("field", ("data_field : 'biomass'", "data_field : 'biomas'")))
    assert "chain.data_field" in error
    assert "did you mean 'biomass'" in error


def test_options_of_classes_are_reported_as_unused(case: Quantities) -> None:
    more = "arg_classification :\n{\n  smoothing : 'bayesian'\n  enable_probability_map : True\n}\n"
    config = load_config(case.config("unused", more=more))
    assert any("arg_classification.smoothing" in text and "no effect" in text for text in config.warnings)
    assert config.arg_classification.smoothing == "none"


def test_any_regressor_and_a_reduction_of_features_make_a_map(
    case: Quantities, capsys: pytest.CaptureFixture[str]
) -> None:
    more = """
scikit_models_parameters :
{
  model_type : 'Ridge'
  standardization : True
  cross_validation_parameters : {'alpha' : [1.0, 100.0]}
  cross_validation_grouped : True
}
dim_red :
{
  dim_red : True
  target_dimension : 8
}
"""
    path = case.config("ridge", more=more)
    code, _, error = command(capsys, "run", path, "--workers", "0")
    assert code == 0, error
    final = case.output("ridge") / "final"
    found = json.loads((final / "metrics.json").read_text(encoding="utf-8"))["seeds"]["0"]["all"]
    assert found["r2"] > 0.4
    widths = read(final / "Uncertainty_Seed_0.tif")
    assert len(np.unique(widths[np.isfinite(widths)])) == 2, "one width for each region"
    report = next((case.output("ridge") / "model").glob("*.cv")).read_text(encoding="utf-8")
    assert "R² with polygons kept together" in report
