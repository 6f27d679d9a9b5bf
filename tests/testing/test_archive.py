"""The written archive: names, grids and masks in THEIA format, and masks that agree with the images."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
import rasterio.features
from sklearn.ensemble import RandomForestClassifier

from iota2.core.grid import with_pixel_size
from iota2.testing.classes import BANDS
from iota2.testing.world import DATES, WorldOptions, make_world
from iota2.testing.writing import write_world

PRODUCT = re.compile(r"SENTINEL2[AB]_(?P<date>\d{8})-\d{6}-\d{3}_L2A_(?P<tile>T31T[CD]J)_D_V1-7")


def products(files, tile) -> list[Path]:
    return sorted(path for path in (files.s2_path / tile).iterdir() if path.is_dir())


def product_of(files, tile, day) -> Path:
    (product,) = (files.s2_path / tile).glob(f"*_{day:%Y%m%d}-*")
    return product


def read(product: Path, name: str) -> np.ndarray:
    path = product / f"{product.name}_{name}.tif"
    with rasterio.open(path if name.startswith("FRE") else product / "MASKS" / path.name) as file:
        return file.read(1)


def invalid(product: Path) -> np.ndarray:
    return np.any([read(product, f"{mask}_R1") != 0 for mask in ("CLM", "EDG", "SAT")], axis=0)


def test_product_names_are_those_of_theia(world, files):
    for tile in world.options.tiles:
        names = [PRODUCT.fullmatch(path.name) for path in products(files, tile)]
        assert all(name and name["tile"] == tile for name in names)
        assert sorted(name["date"] for name in names) == [f"{day:%Y%m%d}" for day in world.dates(tile)]
        assert len({path.name[:10] for path in products(files, tile)}) == 2
    assert "SENTINEL2A_20180511-105804-037_L2A_T31TCJ_D_V1-7" in {path.name for path in products(files, "T31TCJ")}
    assert world.dates("T31TCJ") != world.dates("T31TDJ")
    strays = [path.name for path in files.s2_path.glob("*/*") if not path.is_dir()]
    assert strays == ["README.txt"]


def test_every_product_has_all_bands_and_masks_on_their_grids(world, files):
    for tile in world.options.tiles:
        geobox = world.tile_geobox(tile)
        for product in products(files, tile):
            for band in BANDS:
                with rasterio.open(product / f"{product.name}_FRE_{band}.tif") as file:
                    step = 1 if band in ("B2", "B3", "B4", "B8") else 2
                    assert file.shape == (geobox.shape[0] // step, geobox.shape[1] // step)
                    assert file.transform == with_pixel_size(geobox, (10.0 * step, 10.0 * step)).affine
                    assert file.crs.to_epsg() == 32631
                    assert (file.dtypes[0], file.nodata) == ("int16", -10000)
                    assert not file.profile["tiled"]
            for mask in ("CLM", "EDG", "SAT"):
                fine, coarse = read(product, f"{mask}_R1"), read(product, f"{mask}_R2")
                assert fine.dtype == coarse.dtype == np.uint8
                assert (fine.shape[0], fine.shape[1]) == (2 * coarse.shape[0], 2 * coarse.shape[1])


def test_a_20_m_pixel_is_the_mean_of_its_four_10_m_values(tmp_path):
    still = WorldOptions(size=128, overlap=32, classes=4, dates=DATES[4:6], noise=0.0, clouds=False, orbit_edge=False)
    world = make_world(still)
    files = write_world(world, tmp_path)
    tile = "T31TDJ"
    for day in DATES[4:6]:
        product = product_of(files, tile, day)
        for band in ("B5", "B12"):
            values = world.surface(day, band)[world.window(tile)]
            means = (values[::2, ::2] + values[1::2, ::2] + values[::2, 1::2] + values[1::2, 1::2]) / 4
            np.testing.assert_allclose(read(product, f"FRE_{band}"), means, atol=0.51)
        np.testing.assert_allclose(read(product, "FRE_B8"), world.surface(day, "B8")[world.window(tile)], atol=0.51)
        assert not invalid(product).any()


def test_only_pixels_outside_the_orbit_have_no_data(world, files):
    edges = 0
    for tile in world.options.tiles:
        for product in products(files, tile):
            for fine, name in ((True, "B4"), (False, "B11")):
                outside = read(product, "EDG_R1" if fine else "EDG_R2") == 1
                np.testing.assert_array_equal(read(product, f"FRE_{name}") == -10000, outside)
            outside = read(product, "EDG_R1") == 1
            assert not read(product, "CLM_R1")[outside].any()
            edges += 0 < outside.mean() < 0.9
    assert edges >= 2


def test_masks_cover_all_pixels_changed_by_clouds_and_shadows(world, files):
    for tile in world.options.tiles:
        for day in world.dates(tile):
            sky = world.sky(day)
            clear = world.surface(day, "B4")
            changed = (np.abs(world.observed(day, "B4", sky) - clear) > 0.5)[world.window(tile)]
            product = product_of(files, tile, day)
            assert invalid(product)[changed].all()
            clm = read(product, "CLM_R1")
            np.testing.assert_array_equal(clm & 1 == 1, clm != 0)
            assert not read(product, "SAT_R1")[read(product, "EDG_R1") == 1].any()


def test_weather_varies_and_one_date_is_nearly_overcast(world):
    lost = sorted(float(world.sky(day).invalid.mean()) for day in world.options.dates)
    assert lost[-1] > 0.85
    assert 0.1 < lost[len(lost) // 2] < 0.5


def test_some_pixels_are_saturated(world, files):
    saturated = [
        (read(product, "SAT_R1") != 0, read(product, "FRE_B4"))
        for tile in world.options.tiles
        for product in products(files, tile)
    ]
    assert sum(int(mask.sum()) for mask, _ in saturated) > 0
    assert all((values[mask] > 10000).all() for mask, values in saturated)


@pytest.mark.parametrize("tile", ["T31TCJ", "T31TDJ"])
def test_never_clear_agrees_with_the_written_masks(world, files, tile):
    expected = np.all([invalid(product) for product in products(files, tile)], axis=0)
    never = world.never_clear(tile)
    np.testing.assert_array_equal(never, expected)
    assert 0 < never.sum() < 0.2 * never.size


def test_tiles_are_equal_in_their_overlap_on_the_same_date(world, files):
    overlap = world.options.overlap
    common = sorted(set(world.dates("T31TCJ")) & set(world.dates("T31TDJ")))
    for day in common:
        pair = [product_of(files, tile, day) for tile in world.options.tiles]
        for name, width in (("FRE_B3", overlap), ("FRE_B6", overlap // 2), ("CLM_R1", overlap)):
            west, east = (read(product, name) for product in pair)
            np.testing.assert_array_equal(west[:, -width:], east[:, :width])


def test_same_options_same_bytes(tmp_path):
    options = WorldOptions(size=128, overlap=32, classes=4, dates=DATES[:2])
    digests = []
    for name in ("one", "two"):
        files = write_world(make_world(options), tmp_path / name)
        paths = sorted(path for path in files.folder.rglob("*") if path.is_file() and path != files.config)
        digests.append({str(p.relative_to(files.folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in paths})
    assert digests[0] == digests[1]
    other = write_world(make_world(replace(options, seed=1)), tmp_path / "other")
    name = other.ground_truth.relative_to(other.folder)
    assert hashlib.sha256(other.ground_truth.read_bytes()).hexdigest() != digests[0][str(name)]


def test_class_tables_and_configuration_refer_to_the_written_files(world, files):
    names = dict(line.rsplit(":", 1) for line in files.nomenclature.read_text("utf-8").splitlines())
    colors = [line.split(" ") for line in files.colors.read_text("utf-8").splitlines()]
    codes = {str(code) for code in world.landscape.codes}
    assert set(names.values()) == codes == {code for code, *_ in colors}
    assert names["prairie"] == "211"
    text = files.config.read_text("utf-8")
    for path in (files.s2_path, files.ground_truth, files.regions, files.nomenclature, files.colors):
        assert path.exists()
        assert f"'{path}'" in text
    assert f"'{files.output}'" in text


def test_a_forest_classifies_gap_filled_series_with_some_errors(world):
    rng = np.random.default_rng(0)
    truth, regions = world.truth(world.geobox), world.regions(world.geobox)
    x, y = filled_series(world), truth.ravel()
    polygon = polygon_of(world)
    scores = []
    for region in (1, 2):
        mine = (regions.ravel() == region) & (polygon > 0)
        learn = rng.random(polygon.max() + 1) < 0.7
        chosen = mine & (rng.random(mine.size) < 0.3)
        forest = RandomForestClassifier(25, min_samples_leaf=3, random_state=0)
        forest.fit(x[chosen & learn[polygon]], y[chosen & learn[polygon]])
        scores.append(forest.score(x[mine & ~learn[polygon]], y[mine & ~learn[polygon]]))
    assert 0.93 < np.mean(scores) < 0.9995


def filled_series(world) -> np.ndarray:
    """(pixel, feature): each 10 m band on each date, with linear gap filling."""
    days = np.array([day.timetuple().tm_yday for day in world.options.dates], float)
    skies = [world.sky(day) for day in world.options.dates]
    valid = np.array([~sky.invalid.ravel() for sky in skies]).T
    bands = []
    for band in ("B3", "B4", "B8", "B11"):
        pairs = zip(world.options.dates, skies, strict=True)
        seen = np.array([world.observed(day, band, sky).ravel() for day, sky in pairs]).T
        bands.append(
            [np.interp(days, days[ok], row[ok]) if ok.any() else 0 * row for ok, row in zip(valid, seen, strict=True)]
        )
    return np.concatenate([np.array(band) for band in bands], axis=1)


def polygon_of(world) -> np.ndarray:
    """(pixel,) 1 + row of the reference polygon that contains the pixel, 0 for none."""
    shapes = world.reference.to_crs("EPSG:32631").geometry
    burnt = rasterio.features.rasterize(
        zip(shapes, range(1, len(shapes) + 1), strict=True),
        out_shape=tuple(world.geobox.shape),
        transform=world.geobox.affine,
        dtype="int32",
    )
    return burnt.ravel()
