"""Attributes of polygons: columns, shares and statistics against counting of pixels, blocks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
import shapely
from affine import Affine
from rasterio.features import shapes

from iota2.compute.polygons import centres_inside
from iota2.core.class_levels import ClassLevels
from iota2.core.nomenclature import Nomenclature
from iota2.steps import polygon_attributes
from iota2.steps.polygon_attributes import Attributes, MapReaders, Statistics, share_names

SHAPE = (50, 60)
TRANSFORM = Affine(10, 0, 560_000, 0, -10, 6_280_000)
CODES = (11, 12, 31, 40)
LEVELS = ClassLevels(
    Nomenclature(CODES, ("dense urban", "roads", "forest", "water"), ((0, 0, 0),) * 4, CODES),
    ("urban", "road", "Area", "name"),
    (("artificial", "artificial", "vegetation", "water"),),
)
ALL = (("1", "rate"), ("2", "statsmaj"), ("3", "stats"))


@pytest.fixture
def world(tmp_path: Path) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(5)
    rasters = {
        "classification": rng.choice([0, *CODES], SHAPE, p=[0.1, 0.4, 0.2, 0.2, 0.1]).astype(np.uint8),
        "confidence": rng.integers(0, 101, SHAPE).astype(np.uint8),
        "validity": np.where(rng.random(SHAPE) < 0.2, -1, rng.normal(20, 5, SHAPE)).astype(np.float32),
    }
    for name, values in rasters.items():
        profile = {"dtype": values.dtype, "crs": "EPSG:2154", "transform": TRANSFORM}
        nodata = -1 if name == "validity" else None
        with rasterio.open(
            tmp_path / f"{name}.tif", "w", height=SHAPE[0], width=SHAPE[1], count=1, nodata=nodata, **profile
        ) as file:
            file.write(values, 1)
    return rasters


def parcels() -> tuple[np.ndarray, np.ndarray]:
    """Polygons of a coarser map with cut corners, whose edges go through pixel centres, and their codes."""
    rng = np.random.default_rng(2)
    coarse = np.kron(rng.choice(CODES[:3], (5, 6)), np.ones((5, 5))).astype(np.uint8)
    found = [*shapes(coarse, connectivity=4, transform=TRANSFORM * Affine.scale(2))]
    polygons = shapely.coverage_clean(np.array([shapely.geometry.shape(one) for one, _ in found], object))
    return shapely.coverage_simplify(polygons, 60), np.array([code for _, code in found], np.int64)


@contextmanager
def opened(
    folder: Path, given: Statistics = ALL, *, area: str | None = None, without: str = ""
) -> Iterator[Attributes]:
    names = ("classification", "confidence", "validity")
    paths = {name: None if name == without else folder / f"{name}.tif" for name in names}
    with MapReaders.open(paths, LEVELS.classes, given) as readers:
        yield Attributes(LEVELS, given, readers, "EPSG:2154", area)


def frame(folder: Path, given: Statistics = ALL, **options) -> gpd.GeoDataFrame:
    with opened(folder, given, **options) as attributes:
        return pd.concat([*attributes.frames(*parcels())], ignore_index=True)


def centres() -> tuple[np.ndarray, np.ndarray]:
    return 560_005 + 10.0 * np.arange(SHAPE[1]), 6_279_995 - 10.0 * np.arange(SHAPE[0])


def test_shares_and_statistics_equal_counting_pixels(tmp_path: Path, world: dict[str, np.ndarray]) -> None:
    found, (polygons, codes) = frame(tmp_path), parcels()
    assert found["Classe"].tolist() == codes.tolist()
    total = 0
    for k, polygon in enumerate(polygons):
        inside, row = centres_inside(polygon, *centres()), found.loc[k]
        total += inside.sum()
        assert row["Pixels"] == inside.sum()
        counts = np.array([(world["classification"][inside] == code).sum() for code in CODES])
        shares = row[["urban", "road", "Area_1", "name_1"]].to_numpy(float)
        np.testing.assert_allclose(shares, 100 * counts / counts.sum(), rtol=1e-6)
        best = [code for code, count in zip(CODES, counts, strict=True) if count == counts.max()]
        majority = codes[k] if codes[k] in best else best[0]
        confidence = world["confidence"][inside & (world["classification"] == majority)].astype(float)
        validity = world["validity"][inside & (world["classification"] > 0) & (world["validity"] != -1)].astype(float)
        for columns, values in (
            (["Confidence", "Confstd", "Confmin", "Confmax"], confidence),
            (["Validmean", "Validstd", "Validmin", "Validmax"], validity),
        ):
            expected = [values.mean(), values.std(), values.min(), values.max()]
            np.testing.assert_allclose(row[columns].to_numpy(float), expected, rtol=1e-5)
    assert total == np.prod(SHAPE)


def test_columns_are_those_of_the_options(tmp_path: Path, world: dict[str, np.ndarray]) -> None:
    found = frame(tmp_path, area="31")
    spread = ["Confidence", "Confstd", "Confmin", "Confmax", "Validmean", "Validstd", "Validmin", "Validmax"]
    first = ["clip", "Classe", "name", "level1", "Area", "Pixels"]
    assert [*found.columns] == [*first, *spread, "urban", "road", "Area_1", "name_1", "geometry"]
    assert set(found["clip"]) == {"31"}
    names = dict(zip(found["Classe"], zip(found["name"], found["level1"], strict=True), strict=True))
    assert names[12] == ("roads", "artificial")
    assert names[31] == ("forest", "vegetation")
    few = frame(tmp_path, (("2", "stats"),))
    assert [*few.columns] == [*first[1:], *spread[:4], "geometry"]
    assert "Confidence" not in frame(tmp_path, without="confidence")


def test_the_area_is_geodesic(tmp_path: Path, world: dict[str, np.ndarray]) -> None:
    found = frame(tmp_path)
    ratio = found["Area"] / shapely.area(parcels()[0])
    assert ratio.between(0.998, 1.002).all()
    assert (ratio != 1).all()


@pytest.mark.parametrize(("block", "memory"), [(7, 64 << 20), (1024, 1), (16, 1000)])
def test_blocks_and_groups_of_polygons_do_not_change_attributes(
    tmp_path: Path, world: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch, block: int, memory: int
) -> None:
    expected = frame(tmp_path)
    monkeypatch.setattr(polygon_attributes, "_BLOCK", block)
    monkeypatch.setattr(polygon_attributes, "_SUMS_BYTES", memory)
    with opened(tmp_path) as attributes:
        frames = [*attributes.frames(*parcels())]
    assert (len(frames) > 1) == (memory < 64 << 20)
    pd.testing.assert_frame_equal(pd.concat(frames, ignore_index=True), expected)


def test_a_polygon_without_pixels_has_empty_statistics(tmp_path: Path, world: dict[str, np.ndarray]) -> None:
    with opened(tmp_path) as attributes:
        (found,) = attributes.frames(
            np.array([shapely.box(560_001, 6_279_991, 560_004, 6_279_994), shapely.box(0, 0, 9, 9)]), np.array([11, 12])
        )
    assert found["Pixels"].tolist() == [0, 0]
    assert found[["Confidence", "Validmin", "urban", "name_1"]].isna().all(axis=None)
    assert found["Area"].iloc[0] == pytest.approx(9, rel=0.01)


def test_an_empty_table_has_the_columns_and_types_of_all_tables(tmp_path: Path, world: dict[str, np.ndarray]) -> None:
    with opened(tmp_path, area="a") as attributes:
        assert attributes.empty.dtypes.to_dict() == frame(tmp_path, area="a").dtypes.to_dict()


def test_values_outside_a_smaller_raster_are_unknown(tmp_path: Path, world: dict[str, np.ndarray]) -> None:
    with rasterio.open(tmp_path / "confidence.tif") as file:
        profile = file.profile | {"height": 20, "width": 30, "transform": TRANSFORM * Affine.translation(10, 10)}
    with rasterio.open(tmp_path / "confidence.tif", "w", **profile) as file:
        file.write(world["confidence"][10:30, 10:40], 1)
    found, (polygons, _) = frame(tmp_path, (("2", "stats"),)), parcels()
    known = np.zeros(SHAPE, bool)
    known[10:30, 10:40] = True
    for k, polygon in enumerate(polygons):
        used = centres_inside(polygon, *centres()) & known & (world["classification"] > 0)
        expected = world["confidence"][used].mean() if used.any() else np.nan
        np.testing.assert_allclose(found["Confidence"][k], expected, rtol=1e-6)


def test_names_of_shares_are_unique_without_case() -> None:
    assert share_names(["Forest", "forest", "water", "forest_1"], ["WATER"]) == [
        "Forest",
        "forest_1",
        "water_1",
        "forest_1_1",
    ]
    assert share_names(["FID", "geom"], []) == ["FID_1", "geom_1"]
