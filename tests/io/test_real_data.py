"""Real images, if available, are read like by another reader."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.enums import Resampling
from rasterio.vrt import WarpedVRT

from iota2.core.grid import block_of, blocks
from iota2.core.scene import Scene
from iota2.core.sensor import BandSpec, SensorSpec
from iota2.errors import InputError
from iota2.io.archive.headers import read_header
from iota2.io.archive.metadata import read_scaling
from iota2.io.archive.products import native_geobox, scan_tile
from iota2.io.archive.specs import builtin_specs, parse_spec
from iota2.io.series.reader import CubeReader

DATA = Path(__file__).parents[2].parent / "shared" / "data"
T30TYP, T31UFQ = DATA / "s2_theia_t30typ", DATA / "s2_theia_t31ufq"
PRODUCT = r"'^SENTINEL2[A-Z]_(?P<date>\d{8})-\d{6}-\d{3}_L2A_(?P<tile>T\d{2}[A-Z]{3})_.*'"
HEAD = f"name: Sentinel2\nsection: Sentinel_2\nproduct: {PRODUCT}\nnodata: -10000\nreference_band: B2\n"


def spec_of(bands: tuple[str, ...], masks: str) -> SensorSpec:
    entries = "".join(f"  - {{name: {band}, file: '*_FRE_{band}.tif'}}\n" for band in bands)
    return parse_spec(f"{HEAD}bands:\n{entries}masks:\n{masks}", source="spec")


ALL = ("B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B11", "B12")
ONE = spec_of(
    ALL, "  - {name: CLM, file: 'MASKS/*_CLM_R1.tif'}\n  - {name: EDG, file: 'MASKS/*_EDG_R1.tif', edge: true}\n"
)
YEAR = spec_of(("B2", "B3", "B4", "B8A", "B11", "B12"), "  - {name: CLM, file: 'MASKS/*_CLM_R2.tif'}\n")


@pytest.fixture
def product() -> Scene:
    if not T30TYP.exists():
        pytest.skip("no real images here")
    sensor, notes = scan_tile(ONE, T30TYP, "T30TYP")
    assert notes == ()
    return Scene("T30TYP", native_geobox(sensor), (sensor,))


@pytest.fixture
def year() -> Scene:
    if not T31UFQ.exists():
        pytest.skip("no real images here")
    sensor, notes = scan_tile(YEAR, T31UFQ, "T31UFQ")
    assert notes == ()
    return Scene("T31UFQ", native_geobox(sensor), (sensor,))


def test_bands_of_a_shifted_grid_have_the_positions_of_gdal(product: Scene) -> None:
    (sensor,), (acquisition,) = product.sensors, product.sensors[0].acquisitions
    grid = product.geobox
    assert grid.shape == (1170, 1198)
    assert sensor.grids["B5"].affine.c == grid.affine.c - 10
    block = block_of("T30TYP", grid, (300, 700), (200, 900))
    with CubeReader(product, {"Sentinel2": ("B2", "B5", "B12")}) as reader:
        cube = reader.read(block)["Sentinel2"]
    for b, band in enumerate(cube.bands):
        with (
            rasterio.open(acquisition.bands[band]) as source,
            WarpedVRT(
                source,
                crs=source.crs,
                transform=grid.affine,
                width=grid.shape.x,
                height=grid.shape.y,
                resampling=Resampling.cubic,
                src_nodata=-10000,
                nodata=-10000,
            ) as warped,
        ):
            expected = warped.read(1)[slice(*block.rows), slice(*block.cols)].astype(int)
        assert np.abs(cube.values[0, b] - expected).max() <= (1 if band != "B2" else 0)


def test_masks_of_a_real_product_are_those_of_its_files(product: Scene) -> None:
    (acquisition,) = product.sensors[0].acquisitions
    masks = [rasterio.open(path).read(1) for path in acquisition.masks.values()]
    found = np.zeros(product.geobox.shape, bool)
    with CubeReader(product, {}) as reader:
        for block in blocks("T30TYP", product.geobox, (256, 512)):
            found[slice(*block.rows), slice(*block.cols)] = reader.observed(block)["Sentinel2"].valid[0]
    np.testing.assert_array_equal(found, (masks[0] == 0) & (masks[1] == 0))


def test_a_year_of_real_products_is_read(year: Scene) -> None:
    (sensor,) = year.sensors
    assert len(sensor.acquisitions) == 51
    assert sensor.days == tuple(sorted(sensor.days))
    assert len(set(sensor.keys)) == 51
    with CubeReader(year, {"Sentinel2": ("B2", "B8A")}) as reader:
        (block,) = blocks("T31UFQ", year.geobox, (80, 80))
        cube = reader.read(block)["Sentinel2"]
        assert reader.footprint(block).all()
        clear = reader.observed(block)["Sentinel2"].valid
    # about one date in eight is cloudy all over; more are without data, which the masks do not say
    assert 0.05 < np.mean(clear.mean(axis=(1, 2)) < 0.05) < 0.2
    empty = (cube.values == -10000).any(axis=1)
    assert empty.mean() > 0.3
    np.testing.assert_array_equal(cube.valid, clear & ~empty)
    for t in (0, 20, 50):
        acquisition = sensor.acquisitions[t]
        np.testing.assert_array_equal(cube.values[t, 0], rasterio.open(acquisition.bands["B2"]).read(1))
        cloud = np.kron(rasterio.open(acquisition.masks["CLM"]).read(1), np.ones((2, 2))) > 0
        assert not cube.valid[t][cloud].any()


# ------------------------------------------------------------------------------------------------ SAFE, as ESA ships it

SAFE = DATA / "s2_sen2cor"
S2C = builtin_specs()["Sentinel_2_S2C"]
N0214 = "S2B_MSIL2A_20210122T133229_N0214_R081_T22HBD_20210122T155500.SAFE"
N0400 = "S2A_MSIL2A_20221005T115411_N0400_R023_T29UNU_20221005T164454.SAFE"


@pytest.fixture
def safe(tmp_path: Path) -> Path:
    """An archive of links to real products, in tile folders and with the original product names of ESA."""
    if not SAFE.exists():
        pytest.skip("no real images here")
    for tile, name in (("T22HBD", N0214), ("T29UNU", N0400)):
        (tmp_path / tile).mkdir()
        (found,) = SAFE.glob(f"*{name}")
        (tmp_path / tile / name).symlink_to(found)
    return tmp_path


def test_a_safe_folder_is_read_with_all_its_bands(safe: Path) -> None:
    sensor, notes = scan_tile(S2C, safe, "T22HBD")
    assert notes == ()
    (acquisition,) = sensor.acquisitions
    assert (acquisition.key, acquisition.product) == ("20210122", N0214)
    assert acquisition.scaling == dict.fromkeys(S2C.band_names, (1.0, 0.0))
    scene = Scene("T22HBD", native_geobox(sensor), (sensor,))
    with CubeReader(scene, {S2C.name: S2C.band_names}) as reader:
        (block,) = blocks("T22HBD", scene.geobox, (100, 100))
        cube, footprint = reader.read(block)[S2C.name], reader.footprint(block)
    image = safe / "T22HBD" / N0214 / "GRANULE"
    data = np.ones(cube.valid.shape[1:], bool)
    for b, band in enumerate(S2C.band_names):
        (path,) = image.glob(f"*/IMG_DATA/R*/*_{band}_{10 if band in ('B02', 'B03', 'B04', 'B08') else 20}m.jp2")
        with rasterio.open(path) as source:
            stored = source.read(1)
        np.testing.assert_array_equal(cube.values[0, b], np.where(stored == 0, np.nan, stored))
        data &= stored != 0
    (path,) = image.glob("*/IMG_DATA/R20m/*_SCL_20m.jp2")
    with rasterio.open(path) as source:
        classes = source.read(1)
    np.testing.assert_array_equal(footprint, classes != 0)
    np.testing.assert_array_equal(cube.valid[0], data & ~np.isin(classes, [0, 1, 3, 8, 9, 10]))
    assert 0.1 < cube.valid.mean() < 1


def test_metadata_of_baseline_4_give_offset_and_divisor(safe: Path) -> None:
    path = safe / "T29UNU" / N0400 / "MTD_MSIL2A.xml"
    assert read_scaling(str(path), S2C) == dict.fromkeys(S2C.band_names, (1.0, -1000.0))
    divided = replace(S2C, metadata=replace(S2C.metadata, quantification="AOT_QUANTIFICATION_VALUE"))  # type: ignore[type-var]
    assert read_scaling(str(path), divided)["B02"] == (10.0, -10000.0)


def test_a_safe_folder_without_its_bands_is_reported_band_by_band(safe: Path) -> None:
    with pytest.raises(InputError) as caught:
        scan_tile(S2C, safe, "T29UNU")
    head, line = str(caught.value).splitlines()
    assert head == "Sentinel_2_S2C, tile T29UNU: 1 problem"
    assert line.strip().startswith("the only product of T29UNU lacks ")
    assert f"(first: {N0400})" in line
    assert all(band.file in line for band in S2C.bands)


def test_a_full_size_scene_classification_is_read_by_blocks(safe: Path) -> None:
    """The only band of a sensor, with 5490 x 5490 pixels in tiles of 640."""
    scl = S2C.masks[0].file
    spec = replace(S2C, bands=(BandSpec("CLASS", scl),), masks=S2C.masks, metadata=None, reference_band="", nodata=None)
    sensor, _ = scan_tile(spec, safe, "T29UNU")
    assert native_geobox(sensor).shape == (5490, 5490)
    (path,) = (safe / "T29UNU" / N0400).glob(scl)
    window = (2500, 2700), (3000, 3300)
    with rasterio.open(path) as source:
        classes = source.read(1, window=window)
    scene = Scene("T29UNU", native_geobox(sensor), (sensor,))
    with CubeReader(scene, {spec.name: ("CLASS",)}) as reader:
        cube = reader.read(block_of("T29UNU", scene.geobox, *window))[spec.name]
    np.testing.assert_array_equal(cube.values[0, 0], classes)
    np.testing.assert_array_equal(cube.valid[0], ~np.isin(classes, [0, 1, 3, 8, 9, 10]))
    assert len(np.unique(classes)) > 2


def test_a_truncated_real_image_is_detected(safe: Path, tmp_path: Path) -> None:
    """In one file the header contains the length of the pixels; in the other they extend to the end of the file."""
    for name in (N0214, N0400):
        (path,) = SAFE.glob(f"*{name}/{S2C.masks[0].file}")
        content = path.read_bytes()
        copied = tmp_path / path.name
        copied.write_bytes(content)
        assert read_header(str(copied), 1)[0] is not None
        copied.write_bytes(content[: len(content) * 9 // 10])
        with pytest.raises(InputError, match="is truncated"):
            read_header(str(copied), 1)


def test_an_archive_of_masks_of_20_m_and_some_bands_is_read_as_sentinel_2() -> None:
    if not T31UFQ.exists():
        pytest.skip("no real images here")
    spec, kept = builtin_specs()["Sentinel_2"], ("B2", "B3", "B4", "B8A", "B11", "B12")
    with pytest.raises(InputError, match=r"51 of 51 products of T31UFQ lack \*_FRE_B5.tif"):
        scan_tile(spec, T31UFQ, "T31UFQ")
    sensor, notes = scan_tile(spec, T31UFQ, "T31UFQ", kept=kept)
    where = "Sentinel_2, tile T31UFQ"
    lack = f"{where}: 51 of 51 products without the mask"
    assert notes == (
        f"{where}: not read, excluded by keep_bands and missing in some products: B5, B6, B7, B8",
        f"{where}: 51 of 51 products without MASKS/*_CLM_R1.tif: MASKS/*_CLM_R2.tif is read instead",
        f"{lack} SAT (MASKS/*_SAT_R1.tif): it masks no pixel of these products",
        f"{lack} EDG (MASKS/*_EDG_R1.tif): pixels with data in the bands are used",
    )
    described, _ = scan_tile(YEAR, T31UFQ, "T31UFQ")
    cubes = []
    for series in (sensor, described):
        scene = Scene("T31UFQ", native_geobox(series), (series,))
        with CubeReader(scene, {"Sentinel2": kept}) as reader:
            cubes.append(reader.read(block_of("T31UFQ", scene.geobox, (0, 80), (0, 80)))["Sentinel2"])
    np.testing.assert_array_equal(cubes[0].values, cubes[1].values)
    np.testing.assert_array_equal(cubes[0].valid, cubes[1].valid)
