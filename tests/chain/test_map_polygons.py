"""Vectorisation of a GeoTIFF of several cells, cut to areas: all formats, statistics, any number of jobs."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import pytest
import rasterio
import shapely
import yaml
from affine import Affine
from shapely import box

from iota2.compute.polygons import centres_inside
from tests.chain import helpers

SHAPE, PIXEL = (1050, 1100), 20.0
X, Y = 560_000.0, 6_280_000.0
CODES = (11, 12, 31, 211)
NAMES = {"dept.parquet", "dept_classes.csv", "dept_all.gpkg", "dept_all.qml", "dept_all.fgb"}
SUFFIXES = (".gpkg", ".zip", ".fgb", ".pmtiles", ".qml")

pytestmark = pytest.mark.slow


def write(path: Path, values: np.ndarray, **profile) -> None:
    options = {"height": SHAPE[0], "width": SHAPE[1], "count": 1, "dtype": values.dtype, "crs": "EPSG:2154"}
    with rasterio.open(path, "w", transform=Affine(PIXEL, 0, X, 0, -PIXEL, Y), **options, **profile) as file:
        file.write(values, 1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A map with fields, single pixels and unlabelled land, its confidence and validity, and areas in degrees."""
    folder, rng = tmp_path_factory.mktemp("vectors"), np.random.default_rng(7)
    fields = np.kron(rng.choice(CODES, (SHAPE[0] // 25, SHAPE[1] // 25)), np.ones((25, 25)))
    rows, cols = (rng.integers(-3, 4, SHAPE) for _ in range(2))
    at = np.indices(SHAPE)
    labels = fields[np.clip(at[0] + rows, 0, SHAPE[0] - 1), np.clip(at[1] + cols, 0, SHAPE[1] - 1)].astype(np.uint8)
    labels[500:560, 800:] = 31  # a river of forest over the boundary of cells
    labels[:200, :150] = 0
    write(folder / "map.tif", labels)
    write(folder / "confidence.tif", rng.integers(1, 101, SHAPE).astype(np.uint8))
    write(folder / "validity.tif", rng.integers(0, 30, SHAPE).astype(np.uint8))
    around = box(X - 5e3, Y - SHAPE[0] * PIXEL - 5e3, X + SHAPE[1] * PIXEL + 5e3, Y + 5e3)
    west = around.intersection(
        shapely.Polygon([(X - 9e3, Y + 9e3), (X + 6e3, Y + 9e3), (X + 13e3, Y - 4e4), (X - 9e3, Y - 4e4)])
    )
    east = around.difference(west)
    areas = gpd.GeoDataFrame(
        {"dep": ["9", "31", "2A"]}, geometry=[west, east, box(0, 6e6, 10, 6e6 + 10)], crs="EPSG:2154"
    )
    areas.to_crs("EPSG:4326").to_file(folder / "areas.gpkg", engine="pyogrio")
    return folder


def run(folder: Path, name: str, **options) -> Path:
    """The folder of the vectors of a run."""
    given = {
        "classification": "map.tif", "confidence": "confidence.tif", "validity": "validity.tif", "umc1": 10,
        "mmu": 5000, "flatgeobuf": True, "pmtiles": True, "outprefix": "dept",
    }  # fmt: skip
    content = {
        "builders": {"builders_class_name": ["I2Vectorization"]},
        "chain": {"output_path": name},
        "simplification": given | options,
    }
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    helpers.run(path)
    return folder / name / "final" / "simplification" / "vectors"


@pytest.fixture(scope="module")
def cut(folder: Path) -> Path:
    return run(folder, "cut", clipfile="areas.gpkg", clipfield="dep")


@pytest.fixture(scope="module")
def whole(folder: Path) -> Path:
    return run(folder, "whole", dozip=False, pmtiles=False)


def labelled_area(vectors: Path) -> float:
    with rasterio.open(vectors.parent / "classif_regul.tif") as file:
        return float((file.read(1) > 0).sum() * PIXEL**2)


def opened(path: Path) -> gpd.GeoDataFrame:
    source = f"/vsizip/{path}/{path.stem}.shp" if path.suffix == ".zip" else path
    return pyogrio.read_dataframe(source, layer=pyogrio.list_layers(source)[0][0])


def test_each_area_has_a_file_of_each_format(cut: Path) -> None:
    expected = {f"dept_{area}{suffix}" for area in ("9", "31") for suffix in SUFFIXES}
    expected |= {"dept.parquet", "dept_classes.csv"}
    assert {path.name for path in cut.iterdir()} == expected
    table = gpd.read_parquet(cut / "dept.parquet")
    for area in ("9", "31"):
        rows = table[table["clip"] == area]
        assert len(rows) > 200
        for suffix in (".gpkg", ".zip", ".fgb"):
            found = opened(cut / f"dept_{area}{suffix}")
            assert len(found) == len(rows)
            assert sorted(found["Area"]) == pytest.approx(sorted(rows["Area"]))
            assert shapely.coverage_is_valid(found.geometry.to_numpy())
        assert set(opened(cut / f"dept_{area}.pmtiles")["Classe"]) == set(rows["Classe"])
    with closing(sqlite3.connect(cut / "dept_31.gpkg")) as file:
        (style,) = file.execute("SELECT styleQML FROM layer_styles").fetchone()
    assert style == (cut / "dept_31.qml").read_text("utf-8").rstrip("\n") + "\n"
    assert 'attr="Classe"' in style


def test_areas_and_cells_have_no_gap_or_overlap(cut: Path, whole: Path) -> None:
    for vectors in (cut, whole):
        polygons = gpd.read_parquet(vectors / "dept.parquet").geometry.to_numpy()
        assert shapely.coverage_is_valid(polygons)
        assert shapely.area(polygons).sum() == pytest.approx(labelled_area(vectors), rel=1e-9)
        assert (shapely.get_num_geometries(polygons) == 1).all()


def test_statistics_equal_counting_pixels(folder: Path, cut: Path, whole: Path) -> None:
    rasters = {}
    for name in ("map", "confidence", "validity"):
        with rasterio.open(folder / f"{name}.tif") as file:
            rasters[name] = file.read(1).astype(float)
    x, y = X + PIXEL * (np.arange(SHAPE[1]) + 0.5), Y - PIXEL * (np.arange(SHAPE[0]) + 0.5)
    for vectors in (cut, whole):
        table = gpd.read_parquet(vectors / "dept.parquet")
        counted = table.sample(60, random_state=1)
        for _, row in counted.iterrows():
            inside = centres_inside(row.geometry, x, y)
            assert row["Pixels"] == inside.sum()
            counts = np.array([(rasters["map"][inside] == code).sum() for code in CODES])
            if counts.sum() == 0:
                assert np.isnan(row["Confidence"])
                continue
            shares = row[[f"class_{code}" for code in CODES]].to_numpy(float)
            np.testing.assert_allclose(shares, 100 * counts / counts.sum(), rtol=1e-6)
            own = counts[CODES.index(row["Classe"])]
            majority = row["Classe"] if own == counts.max() else CODES[int(counts.argmax())]
            used = inside & (rasters["map"] == majority)
            for columns, name in ((("Confidence", "Confstd"), "confidence"), (("Validmean", "Validstd"), "validity")):
                values = rasters[name][used]
                np.testing.assert_allclose(row[[*columns]].to_numpy(float), [values.mean(), values.std()], rtol=1e-5)
    # each pixel of the map is in one polygon, but those without label in the regularised map
    with rasterio.open(whole.parent / "classif_regul.tif") as file:
        assert gpd.read_parquet(whole / "dept.parquet")["Pixels"].sum() == (file.read(1) > 0).sum()


def test_the_number_of_jobs_does_not_change_any_byte(folder: Path, cut: Path) -> None:
    other = run(folder, "one", clipfile="areas.gpkg", clipfield="dep", gridsize=1)
    assert [len(list((one.parent / "mosaic").iterdir())) for one in (cut, other)] == [4, 1]
    for path in cut.iterdir():
        assert (other / path.name).read_bytes() == path.read_bytes(), path.name


def test_one_area_alone_equals_that_of_all(folder: Path, cut: Path) -> None:
    alone = run(folder, "alone", clipfile="areas.gpkg", clipfield="dep", clipvalue="31", dozip=False, pmtiles=False)
    assert (alone / "dept_31.gpkg").read_bytes() == (cut / "dept_31.gpkg").read_bytes()
    assert not (alone / "dept_9.gpkg").exists()


def test_the_page_and_the_table_count_all_polygons(cut: Path) -> None:
    polygons, table = gpd.read_parquet(cut / "dept.parquet"), pd.read_csv(cut / "dept_classes.csv", dtype={"area": str})
    assert dict(table.groupby("area")["polygons"].sum()) == dict(polygons.groupby("clip").size())
    assert table["hectares"].sum() == pytest.approx(polygons["Area"].sum() / 1e4, rel=1e-6)
    page = (cut.parent / "polygons.html").read_text("utf-8")
    assert f"<b>{len(polygons):,}</b>" in page
    for link in ("vectors/dept_31.gpkg", "vectors/dept_9.pmtiles", "vectors/dept.parquet"):
        assert f'<a href="{link}">' in page
        assert (cut.parent / link).is_file()


def test_the_same_columns_without_areas(cut: Path, whole: Path) -> None:
    table = gpd.read_parquet(whole / "dept.parquet")
    assert ["clip", *table.columns] == [*gpd.read_parquet(cut / "dept.parquet").columns]
    assert {path.name for path in whole.iterdir()} == NAMES
    assert pd.Series(table["Classe"]).isin(CODES).all()
