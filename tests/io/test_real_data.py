"""Real images, where they are at hand: read as another reader reads them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.enums import Resampling
from rasterio.vrt import WarpedVRT

from iota2.core.grid import block_of, blocks
from iota2.core.scene import Scene
from iota2.core.sensor import SensorSpec
from iota2.io.cubes import CubeReader
from iota2.io.products import native_geobox, scan_tile
from iota2.io.specs import parse_spec

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


def test_bands_of_a_shifted_lattice_lie_where_gdal_puts_them(product: Scene) -> None:
    (sensor,), (acquisition,) = product.sensors, product.sensors[0].acquisitions
    lattice = product.geobox
    assert lattice.shape == (1170, 1198)
    assert sensor.grids["B5"].affine.c == lattice.affine.c - 10
    block = block_of("T30TYP", lattice, (300, 700), (200, 900))
    with CubeReader(product, {"Sentinel2": ("B2", "B5", "B12")}) as reader:
        cube = reader.read(block)["Sentinel2"]
    for b, band in enumerate(cube.bands):
        with (
            rasterio.open(acquisition.bands[band]) as source,
            WarpedVRT(
                source,
                crs=source.crs,
                transform=lattice.affine,
                width=lattice.shape.x,
                height=lattice.shape.y,
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
            found[slice(*block.rows), slice(*block.cols)] = reader.sight(block)["Sentinel2"].valid[0]
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
        clear = reader.sight(block)["Sentinel2"].valid
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
