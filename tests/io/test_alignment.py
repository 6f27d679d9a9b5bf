"""Windows of the reference image and of dates show the same area on the same grid."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from scipy import ndimage

from iota2.compute.registration import translation, view_of, window_grid
from iota2.core.grid import pixel_centres, resolution
from iota2.errors import InputError
from iota2.io.archive.products import scan_tile
from iota2.io.archive.specs import builtin_specs
from iota2.io.series.alignment import ReferenceImage, date_views, reference_grid, reference_views
from iota2.testing.products import synthetic_layers, write_product

TILE = "T31TCJ"
GRID = GeoBox((160, 200), Affine(10, 0, 400000, 0, -10, 4820000), "EPSG:32631")
WINDOWS = window_grid((160, 200))


def ground(geobox: GeoBox) -> np.ndarray:
    """Values of a smooth function of the coordinates in EPSG:32631, at the pixel centres of any grid."""
    rows, cols = np.indices(geobox.shape)
    x, y = pixel_centres(geobox, rows, cols)
    if geobox.crs != GRID.crs:
        x, y = Transformer.from_crs(str(geobox.crs), str(GRID.crs), always_xy=True).transform(x, y)
    values: np.ndarray = 1000 + 400 * np.sin(x / 60) * np.cos(y / 45) + 200 * np.sin((x + 2 * y) / 110)
    return values


def around(crs: str, size: float) -> GeoBox:
    """A grid in ``crs`` with pixels of ``size`` metres that covers ``GRID``."""
    to_crs = Transformer.from_crs(str(GRID.crs), crs, always_xy=True)
    left, bottom, right, top = to_crs.transform_bounds(*GRID.extent.boundingbox.bbox)
    shape = int((top - bottom + 400) / size), int((right - left + 400) / size)
    return GeoBox(shape, Affine(size, 0, left - 200, 0, -size, top + 200), crs)


def write(path: Path, values: np.ndarray, geobox: GeoBox, **header: object) -> ReferenceImage:
    form = {"driver": "GTiff", "height": geobox.shape.y, "width": geobox.shape.x, "count": 1, "dtype": "float32"}
    place = {"crs": str(geobox.crs), "transform": geobox.affine}
    with rasterio.open(path, "w", **form | place | header) as file:
        file.write(values.astype("float32"), 1)
    return ReferenceImage(path, 1)


@pytest.mark.parametrize("crs", ["EPSG:32631", "EPSG:2154"])
@pytest.mark.parametrize("size", [10.0, 2.5, 1.0])
def test_a_reference_image_on_any_grid_has_the_right_position(tmp_path: Path, crs: str, size: float) -> None:
    geobox = around(crs, size)
    image = write(tmp_path / "reference.tif", ground(geobox), geobox)
    found = reference_views(image, GRID, WINDOWS)
    truth = reference_views(write(tmp_path / "same.tif", ground(GRID), GRID), GRID, WINDOWS)
    # edges of pixels of 10 m, for what lies 2 m beside would differ by a tenth
    beside = reference_views(write(tmp_path / "beside.tif", ground(GRID.translate_pix(0.2, 0)), GRID), GRID, WINDOWS)
    inner = slice(4, -4), slice(4, -4)
    for one, right, wrong in zip(found, truth, beside, strict=True):
        scale = right.edges[inner].std()
        assert np.abs(one.edges - right.edges)[inner].max() < 0.08 * scale
        assert np.abs(wrong.edges - right.edges)[inner].max() > 0.12 * scale
        assert one.clear.all()


def test_reference_pixels_without_data_are_not_clear(tmp_path: Path) -> None:
    geobox = around("EPSG:32631", 1.0)
    values = ground(geobox)
    height, width = values.shape
    values[: height // 2, : width // 2] = -1
    image = write(tmp_path / "reference.tif", values, geobox, nodata=-1)
    found = reference_views(image, GRID, [((0, 128), (0, 128)), ((0, 160), (120, 200)), ((32, 160), (72, 200))])
    x, y = pixel_centres(GRID, *np.indices(GRID.shape))
    known = (x > geobox.affine.c + width // 2) | (y < geobox.affine.f - height // 2)
    for view, place in zip(found, (np.s_[:128, :128], np.s_[:160, 120:], np.s_[32:, 72:]), strict=True):
        expected = known[place]
        assert not view.clear[~expected].any()
        assert view.clear.sum() >= expected.sum() - 5 * sum(expected.shape)
    assert 0 < found[0].clear.mean() < 1


def test_pixels_outside_the_reference_image_are_not_clear(tmp_path: Path) -> None:
    geobox = GRID[:, 150:]
    image = write(tmp_path / "reference.tif", ground(geobox), geobox)
    outside, across = reference_views(image, GRID, [((0, 64), (0, 64)), ((0, 64), (120, 184))])
    assert not outside.clear.any()
    assert across.clear[10, 40]
    assert not across.clear[:, :30].any()


def test_views_of_a_date_are_the_stored_pixels(tmp_path: Path) -> None:
    spec = builtin_specs()["Sentinel_2"]
    coarse = GRID.zoom_out(2)
    grids = {"": GRID} | dict.fromkeys(("B5", "B6", "B7", "B8A", "B11", "B12"), coarse)
    layers = synthetic_layers(spec, grids, np.random.default_rng(3), corner=True)
    cloud = np.zeros(GRID.shape, np.uint8)
    cloud[60:80, 90:120] = 1
    plain = {name: replace(layers[name], values=layers[name].values * 0) for name in ("SAT", "EDG")}
    layers |= plain | {"CLM": replace(layers["CLM"], values=cloud)}
    write_product(spec, tmp_path / TILE, TILE, date(2018, 5, 11), layers)
    sensor, _ = scan_tile(spec, tmp_path, TILE)
    beside = replace(sensor.acquisitions[0], shift=(30.0, 10.0))
    for band, (rows, cols) in (("B4", WINDOWS[0]), ("B4", WINDOWS[-1]), ("B5", ((0, 64), (36, 100)))):
        (view,) = date_views(TILE, sensor, beside, band, [(rows, cols)])
        step = round(resolution(sensor.grids[band])[0] / 10)
        spoilt = cloud > 0
        spoilt[:40, :50] = True
        masked = spoilt[step // 2 :: step, step // 2 :: step][slice(*rows), slice(*cols)]
        assert not view.clear[masked].any()
        assert view.clear.sum() >= (~masked).sum() - 8 * sum(masked.shape)
        values = layers[band].values[slice(*rows), slice(*cols)].astype(float)
        row, col = np.argwhere(view.clear[8:-8, 8:-8])[0] + 8
        nearby = values[row - 3 : row + 4, col - 3 : col + 4]
        assert 0 < view.edges[row, col] < np.ptp(nearby)


@pytest.mark.parametrize(
    ("header", "band", "said"),
    [
        ({}, 2, r"band 2 is needed\. .* coregistration\.band_ref to"),
        ({"crs": None}, 1, "no coordinate system"),
        ({"transform": Affine(1, 0.1, 0, 0, -1, 0)}, 1, "not north up"),
    ],
)
def test_an_unusable_header_is_reported(tmp_path: Path, header: dict[str, object], band: int, said: str) -> None:
    image = write(tmp_path / "reference.tif", ground(GRID), GRID, **header)
    with pytest.raises(InputError, match=said):
        reference_grid(replace(image, band=band))


def test_a_truncated_reference_image_is_reported(tmp_path: Path) -> None:
    image = write(tmp_path / "reference.tif", ground(GRID), GRID)
    whole = image.path.read_bytes()
    image.path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="cannot be read"):
        reference_views(image, GRID, WINDOWS)


DATA = Path(__file__).parents[2].parent / "shared" / "data" / "s2_theia_t30typ" / "T30TYP"


@pytest.mark.skipif(not DATA.exists(), reason="no real images here")
@pytest.mark.parametrize(("band", "tolerance"), [("B4", 0.03), ("B3", 0.15), ("B2", 0.15)])
def test_the_shift_of_a_displaced_real_image_is_found(band: str, tolerance: float) -> None:
    """Green and blue are shifted from red by some hundredths of a pixel in the original image."""
    red, other = (rasterio.open(next(DATA.glob(f"*/*_FRE_{name}.tif"))).read(1).astype(float) for name in ("B4", band))
    clear = (rasterio.open(next(DATA.glob("*/MASKS/*_CLM_R1.tif"))).read(1) == 0) & (red > -10000)
    noisy = other + np.random.default_rng(0).normal(0, 20, other.shape)
    image, shown = ndimage.shift(noisy, (-0.7, 0.4), order=3), ndimage.shift(clear, (-0.7, 0.4), order=0)
    windows = [(slice(*rows), slice(*cols)) for rows, cols in window_grid(red.shape)]
    pairs = [(view_of(red[at], clear[at]), view_of(image[at], shown[at])) for at in windows[::5]]
    found = translation([one for one, _ in pairs], [two for _, two in pairs], 3)
    assert not found.rejected
    assert (found.right, found.down) == pytest.approx((0.4, -0.7), abs=tolerance)
