"""Polygons of a map, by ``I2Vectorization``: of a GeoTIFF of the user, or of the map of the same run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
import shapely
import yaml
from affine import Affine

from iota2 import layout
from iota2.chains.load import load_config
from iota2.runs import runner
from iota2.runs.options import Options
from iota2.runs.preview import preview_run
from tests.chain.helpers import Case, case, command, refused, small

__all__ = ["case", "small"]

MAPS = "EPSG:2154"


class Map:
    """A map of classes, and a configuration that makes polygons of it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.output = folder, folder / "results"
        rng = np.random.default_rng(2)
        self.labels = np.kron(rng.integers(1, 5, (12, 14)), np.ones((10, 10), int)).astype(np.uint8)
        self.labels[:15, :25] = 0
        self.map = self.write("map.tif", self.labels)

    def write(self, name: str, values: np.ndarray, *, size: float = 10, crs: str = MAPS, left: float = 600_000) -> Path:
        path = self.folder / name
        layers = values if values.ndim == 3 else values[None]
        transform = Affine(size, 0, left, 0, -size, 6_500_000)
        profile = {"count": len(layers), "dtype": values.dtype, "crs": crs, "transform": transform}
        height, width = layers.shape[1:]
        with rasterio.open(path, "w", driver="GTiff", height=height, width=width, nodata=0, **profile) as file:
            file.write(layers)
        return path

    def configured(self, *, chain: Mapping[str, Any] | None = None, **options: Any) -> Path:
        content = {
            "chain": {"output_path": str(self.output), **(chain or {})},
            "builders": {"builders_class_name": ["I2Vectorization"]},
            "simplification": {"classification": str(self.map), **options},
        }
        path = self.folder / "vectors.yaml"
        path.write_text(yaml.safe_dump(content), encoding="utf-8")
        return path

    def run(self, **options: Any) -> dict[str, str]:
        """Run the chain; the state of each job that was not up to date."""
        results = runner.run(load_config(self.configured(**options)), Options(workers=0), runner.Watcher())
        return {id_: result.state for id_, result in results.items()}

    def polygons(self) -> gpd.GeoDataFrame:
        squares = json.loads((self.output / layout.MAP_SQUARES.path).read_text(encoding="utf-8"))
        paths = [self.output / layout.SQUARE_POLYGONS.path.format(square=square) for square in squares]
        return pd.concat([gpd.read_parquet(path) for path in paths])


@pytest.fixture
def mapped(tmp_path: Path) -> Map:
    return Map(tmp_path)


def test_polygons_of_a_map_cover_it_exactly(mapped: Map) -> None:
    states = mapped.run(rssize=10)
    assert {*states.values()} == {"done"}
    found = mapped.polygons()
    shapes = found.geometry.to_numpy()
    assert shapely.coverage_is_valid(shapes)
    assert shapely.area(shapes).sum() == 100 * (mapped.labels > 0).sum()
    assert {*found["code"]} == {1, 2, 3, 4}
    assert found.crs == MAPS
    assert (mapped.output / layout.CLASSIF_REGUL.path).exists()
    assert (mapped.output / layout.CLASSIF_REGUL_STYLE.path).exists()


def test_only_jobs_of_changed_options_run_again(mapped: Map) -> None:
    mapped.run()
    assert mapped.run() == {}
    again = {id_ for id_, state in mapped.run(douglas=0).items() if state == "done"}
    assert "squareLines/lines_0_0" in again
    assert "regularisedMap/regularised_map" not in again
    assert mapped.run(douglas=0, umc1=3)["regularisedMap/regularised_map"] == "done"
    labels = mapped.labels.copy()
    labels[50:80, 50:80] = 1
    mapped.write("map.tif", labels)
    preview = preview_run(load_config(mapped.configured(douglas=0, umc1=3)), Options())
    assert "map.tif changed" in preview.verdicts["regularisedMap/regularised_map"].reason
    assert mapped.run(douglas=0, umc1=3)["squareLines/lines_0_0"] == "done"


def test_steps_are_numbered_and_selected_by_group(mapped: Map, capsys: pytest.CaptureFixture[str]) -> None:
    code, printed, _ = command(capsys, "plan", mapped.configured())
    assert code == 0
    assert "Step  1 regularisedMap: " in printed
    assert "Step  2 squareLines: " in printed
    code, _, error = command(capsys, "run", mapped.configured(), "--workers", "0", "--last-step", "regularisation")
    assert code == 0, error
    assert (mapped.output / layout.CLASSIF_REGUL.path).exists()
    assert not (mapped.output / layout.SQUARE_COMPLETE.path.format(square="0_0")).exists()
    code, _, error = command(capsys, "run", mapped.configured(chain={"first_step": "vectorisation"}), "--workers", "0")
    assert code == 0, error
    assert (mapped.output / layout.SQUARE_POLYGONS.path.format(square="0_0")).exists()


def test_a_map_is_needed(mapped: Map, capsys: pytest.CaptureFixture[str]) -> None:
    path = mapped.configured()
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    del content["simplification"]["classification"]
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    assert "simplification.classification: is missing; give a path or None: Map to vectorise" in refused(capsys, path)


def test_problems_of_rasters_are_reported_before_the_run(mapped: Map, capsys: pytest.CaptureFixture[str]) -> None:
    real = mapped.write("real.tif", mapped.labels.astype(np.float32))
    two = mapped.write("two.tif", np.stack([mapped.labels] * 2))
    apart = mapped.write("apart.tif", mapped.labels, left=600_003)
    error = refused(capsys, mapped.configured(confidence=str(two), validity=str(apart)))
    assert "two.tif: has 2 bands; expected one" in error
    assert "apart.tif: its pixels are displaced from those of the map by 0.3 pixels to the right and 0 down" in error
    text = "real.tif: pixels are float32; expected class codes, which are whole numbers"
    assert text in refused(capsys, mapped.configured(classification=str(real)))
    assert "200000 map units are 10,000 pixels; expected about a pixel, 20" in refused(
        capsys, mapped.configured(douglas=200_000)
    )
    assert "1e+08 m² are 250,000 pixels" in refused(capsys, mapped.configured(mmu=1e8))


def test_one_wrong_path_is_one_problem(mapped: Map, capsys: pytest.CaptureFixture[str]) -> None:
    error = refused(capsys, mapped.configured(classification="none.tif", confidence="no.tif"))
    assert "2 problems" in error
    assert "is missing" not in error


def test_values_and_places_of_rasters_are_checked_before_the_run(
    mapped: Map, capsys: pytest.CaptureFixture[str]
) -> None:
    far = mapped.write("far.tif", mapped.labels, left=700_000)
    coarse = mapped.write("coarse.tif", mapped.labels, size=20)
    error = refused(capsys, mapped.configured(confidence=str(far), validity=str(coarse)))
    text = "far.tif does not overlap the map: its upper-left corner is 10,000 pixels to the right and 0 down of that of"
    assert text in error
    assert "its pixels measure 20 x 20 map units; those of the map measure 10 x 10" in error
    wrong = mapped.write("wrong.tif", np.where(mapped.labels == 3, 70_000, mapped.labels.astype(np.int32) - 2))
    error = refused(capsys, mapped.configured(classification=str(wrong)))
    assert "wrong.tif: has pixels of the values -2, -1, 70000; expected class codes from 1 to 65535" in error
    unchecked = mapped.configured(chain={"check_inputs": False}, classification=str(wrong))
    assert command(capsys, "check", unchecked)[0] == 0


def test_remarks_on_the_map_and_its_rasters(mapped: Map, capsys: pytest.CaptureFixture[str]) -> None:
    half = mapped.write("half.tif", mapped.labels[:60])
    code, printed, _ = command(capsys, "check", mapped.configured(confidence=str(half), rssize=5))
    text = " ".join(printed.split())
    assert code == 0
    assert "half.tif covers 50.0 % of the map. Statistics of polygons count only its pixels; polygons outside" in text
    assert "simplification.rssize: 5 m is finer than the pixels of the map, 10 m, which are kept." in text
    code, printed, _ = command(capsys, "check", mapped.configured(confidence=str(mapped.map)))
    assert "simplification." not in printed


def test_tolerances_of_maps_in_degrees_are_those_of_ten_metres(mapped: Map, capsys: pytest.CaptureFixture[str]) -> None:
    transform = Affine(1e-4, 0, 1, 0, -1e-4, 44)
    profile = {"count": 1, "height": 120, "width": 140, "dtype": "uint8", "crs": "EPSG:4326", "transform": transform}
    with rasterio.open(mapped.map, "w", driver="GTiff", nodata=0, **profile) as file:
        file.write(mapped.labels, 1)
    assert command(capsys, "check", mapped.configured())[0] == 0
    error = refused(capsys, mapped.configured(douglas=10))
    assert "10 map units are 39,998 pixels; expected about a pixel, 0.00025. Without the option, it is 10 m" in error


def test_names_or_colours_of_classes_are_enough(mapped: Map, capsys: pytest.CaptureFixture[str]) -> None:
    names, colors = mapped.folder / "names.txt", mapped.folder / "colors.txt"
    names.write_text("water:1\nwood:2\ncrop:3\n", encoding="utf-8")
    colors.write_text("".join(f"{code} {code} 0 0\n" for code in range(1, 5)), encoding="utf-8")
    error = refused(capsys, mapped.configured(chain={"nomenclature_path": str(names)}))
    assert "names.txt: no name for label 4 of the map. Add a line 'name:4'." in error
    _, printed, _ = command(capsys, "check", mapped.configured(chain={"color_table": str(colors)}))
    assert "chain.nomenclature_path is not given: the names of the classes of" in printed
    levels = mapped.folder / "levels.yaml"
    levels.write_text("Classes: {Level1: {A: {code: 1, alias: a, color: '#000000'}}}", encoding="utf-8")
    path = mapped.configured(chain={"color_table": str(colors)}, nomenclature=str(levels))
    assert "the map has pixels of the codes 2, 3, 4, which are no classes of" in refused(capsys, path)
    mapped.write("map.tif", np.minimum(mapped.labels, 1))
    code, printed, _ = command(capsys, "check", path)
    assert code == 0
    assert "chain.color_table: has no effect: simplification.nomenclature is given." in printed


def test_a_nomenclature_that_lacks_classes_of_the_run_is_refused_before_the_run(
    case: Case, capsys: pytest.CaptureFixture[str]
) -> None:
    levels = case.files.nomenclature.with_name("levels.yaml")
    levels.write_text("Classes: {Level1: {A: {code: 1, alias: a, color: '#000000'}}}", encoding="utf-8")
    path = case.configured(
        builders={"builders_class_name": ["I2Classification", "I2Vectorization"]},
        simplification={"nomenclature": str(levels)},
    )
    assert "the reference data have classes of the codes " in refused(capsys, path)


def test_problems_of_classes_and_areas_are_reported_before_the_run(
    mapped: Map, capsys: pytest.CaptureFixture[str]
) -> None:
    levels = mapped.folder / "levels.cfg"
    levels.write_text("Classes : { Level1 : { A : {code : 1, alias : a} } }", encoding="utf-8")
    error = refused(capsys, mapped.configured(nomenclature=str(levels)))
    assert "simplification.nomenclature" in error
    assert "levels.cfg: line 1: class 'A': color is missing" in error
    areas = gpd.GeoDataFrame({"zone": ["a"]}, geometry=[shapely.box(500_000, 6_400_000, 500_100, 6_400_100)], crs=MAPS)
    areas.to_file(mapped.folder / "areas.gpkg")
    file = {"clipfile": str(mapped.folder / "areas.gpkg")}
    assert "zonne" in refused(capsys, mapped.configured(**file, clipfield="zonne"))
    error = refused(capsys, mapped.configured(**file, clipfield="zone"))
    assert "no area contains a part of the map" in error


def test_the_map_of_a_run_becomes_polygons_in_the_same_run(case: Case) -> None:
    config = load_config(
        case.configured(
            builders={"builders_class_name": ["I2Classification", "I2Vectorization"]},
            simplification={"umc1": 3, "rssize": 10},
        )
    )
    runner.run(config, Options(workers=0), runner.Watcher())
    root = config.chain.output_path
    with (
        rasterio.open(root / layout.CLASSIF_REGUL.path) as regular,
        rasterio.open(root / "final/Classif_Seed_0.tif") as map_,
    ):
        assert regular.shape == map_.shape
        labels, before = regular.read(1), map_.read(1)
    assert ((labels > 0) == (before > 0)).all()
    squares = json.loads((root / layout.MAP_SQUARES.path).read_text(encoding="utf-8"))
    frames = [gpd.read_parquet(root / layout.SQUARE_POLYGONS.path.format(square=name)) for name in squares]
    shapes = pd.concat(frames).geometry.to_numpy()
    assert shapely.area(shapes).sum() == pytest.approx(100 * (labels > 0).sum(), rel=1e-12)
    classes = json.loads((root / layout.CLASS_LEVELS.path).read_text(encoding="utf-8"))["classes"]
    assert classes["names"] == json.loads((root / layout.CLASSES.path).read_text(encoding="utf-8"))["names"]
    assert 'href="simplification/polygons.html"' in (root / layout.REPORT.path).read_text(encoding="utf-8")
    assert "data:image/png" in (root / layout.POLYGON_PAGE.path).read_text(encoding="utf-8")


@pytest.mark.parametrize("maker", ["I2Classification", "I2Obia"])
def test_the_map_of_a_run_is_that_of_the_seed_for_any_builder_that_makes_a_map(case: Case, maker: str) -> None:
    config = load_config(
        case.configured(
            builders={"builders_class_name": [maker, "I2Vectorization"]},
            arg_train={"runs": 2},
            simplification={"seed": 1, "gridsize": 1},
        )
    )
    plan = preview_run(config, Options()).plan
    jobs = [job for job in plan.jobs if job.step.group in ("vectorisation", "clipvectors")]
    assert [job.step.name for job in jobs][:3] == ["squareLines", "joinedPatches", "squarePolygons"]
    (cut,) = [job for job in plan.jobs if job.step.group == "clipvectors"]
    assert cut.key == {"area": "all"}
    assert layout.MAP.path.format(seed=1) in cut.reads
    assert layout.MAP.path.format(seed=0) not in cut.reads
    assert {job.key["seed"] for job in plan.jobs if "seed" in job.key} == {0, 1}
