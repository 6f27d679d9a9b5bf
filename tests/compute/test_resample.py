from __future__ import annotations

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.enums import Resampling
from rasterio.io import MemoryFile
from rasterio.windows import Window

from iota2.compute.resample import axis_taps, resample, source_range

KERNELS = ("cubic", "bilinear", "nearest")
LIMITS = {"int16": (-32768, 32767), "uint16": (0, 65535), "float32": (-10000, 10000)}


def gdal_read(values: np.ndarray, window: Window, shape: tuple[int, int], kernel: str) -> np.ndarray:
    """Result of GDAL's RasterIO for a raster in memory."""
    profile = {"driver": "GTiff", "dtype": values.dtype, "transform": Affine(10, 0, 0, 0, -10, 0)}
    with MemoryFile() as memory:
        with memory.open(count=len(values), height=values.shape[1], width=values.shape[2], **profile) as file:
            file.write(values)
        with memory.open() as file, rasterio.Env():
            return file.read(window=window, out_shape=(len(values), *shape), resampling=Resampling[kernel])


def ours(
    values: np.ndarray,
    window: Window,
    shape: tuple[int, int],
    kernel: str,
    *,
    rows: tuple[int, int] | None = None,
    cols: tuple[int, int] | None = None,
    nodata: float | None = None,
) -> np.ndarray:
    """The same, or its part ``rows`` x ``cols``, by ``resample`` from the smallest window of the source."""
    y = axis_taps(
        ratio=window.height / shape[0],
        offset=window.row_off,
        out=rows or (0, shape[0]),
        size=values.shape[1],
        kernel=kernel,
    )
    x = axis_taps(
        ratio=window.width / shape[1],
        offset=window.col_off,
        out=cols or (0, shape[1]),
        size=values.shape[2],
        kernel=kernel,
    )
    (top, bottom), (left, right) = source_range(y), source_range(x)
    return resample(values[:, top:bottom, left:right], y, x, origin=(top, left), nodata=nodata)


def random_raster(seed: int, shape: tuple[int, ...], dtype: str = "int16") -> np.ndarray:
    low, high = LIMITS[dtype]
    return np.random.default_rng(seed).integers(low, high, shape, endpoint=True).astype(dtype)


@pytest.mark.parametrize("dtype", LIMITS)
@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize(
    ("window", "shape"),
    [
        pytest.param(Window(0, 0, 30, 24), (48, 60), id="20 m to 10 m"),
        pytest.param(Window(0, 0, 30, 24), (12, 15), id="10 m to 20 m"),
        pytest.param(Window(0, 0, 30, 24), (16, 20), id="10 m to 15 m"),
        pytest.param(Window(0, 0, 30, 24), (36, 45), id="15 m to 10 m"),
        pytest.param(Window(0, 0, 30, 24), (4, 5), id="10 m to 60 m"),
        pytest.param(Window(0.5, 0.5, 28, 22), (44, 56), id="one 10 m pixel up and left"),
        pytest.param(Window(7, 5, 12, 10), (20, 24), id="window inside"),
    ],
)
def test_result_equals_gdal_rasterio_including_borders(
    dtype: str, kernel: str, window: Window, shape: tuple[int, int]
) -> None:
    values = random_raster(1, (2, 24, 30), dtype)
    difference = ours(values, window, shape, kernel).astype(float) - gdal_read(values, window, shape, kernel)
    assert np.abs(difference).max() <= (0.01 if dtype == "float32" else 1)
    assert np.abs(difference).mean() < 0.05


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from([0.5, 2 / 3, 1.0, 1.5, 2.0, 3.7]),
    st.floats(-3, 3),
    st.sampled_from(KERNELS),
    st.sampled_from([None, 7]),
    st.data(),
)
def test_blocks_equal_the_whole_image(
    ratio: float, offset: float, kernel: str, nodata: float | None, data: st.DataObject
) -> None:
    values = np.random.default_rng(data.draw(st.integers(0, 99))).integers(0, 40, (1, 9, 11)).astype("int16")
    shape = (round(9 / ratio) + 2, round(11 / ratio) + 2)
    window = Window(offset, offset, shape[1] * ratio, shape[0] * ratio)
    whole = ours(values, window, shape, kernel, nodata=nodata)
    rows = sorted(data.draw(st.tuples(*[st.integers(0, shape[0])] * 2)))
    cols = sorted(data.draw(st.tuples(*[st.integers(0, shape[1])] * 2)))
    part = ours(values, window, shape, kernel, rows=tuple(rows), cols=tuple(cols), nodata=nodata)
    assert np.array_equal(part, whole[:, slice(*rows), slice(*cols)])


@pytest.mark.parametrize("kernel", ["cubic", "bilinear"])
def test_a_linear_gradient_is_reproduced_away_from_the_border(kernel: str) -> None:
    y, x = np.mgrid[:20, :20].astype("float32")
    out = ours((3 * y - 2 * x)[None], Window(0, 0, 20, 20), (40, 40), kernel)[0]
    at = (np.arange(40) + 0.5) / 2 - 0.5
    expected = 3 * at[:, None] - 2 * at
    assert np.allclose(out[4:-4, 4:-4], expected[4:-4, 4:-4], atol=1e-4)


def slow_resample(values: np.ndarray, ratio: float, offset: float, n: int, nodata: float) -> np.ndarray:
    """Cubic upsampling with missing pixels, by its definition."""

    def keys(t: float) -> float:
        t = abs(t)
        if t < 1:
            return 1.5 * t**3 - 2.5 * t**2 + 1
        return -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2 if t < 2 else 0.0

    out = np.full((n, n), float(nodata))
    size = len(values)
    for i in range(n):
        for j in range(n):
            y, x = (i + 0.5) * ratio + offset, (j + 0.5) * ratio + offset
            if not (0 <= y < size and 0 <= x < size) or values[int(y), int(x)] == nodata:
                continue
            pairs = [
                (keys(p + 0.5 - y) * keys(q + 0.5 - x), values[p, q])
                for p in range(size)
                for q in range(size)
                if values[p, q] != nodata
            ]
            total = sum(w for w, _ in pairs)
            out[i, j] = sum(w * v for w, v in pairs) / total
    return out


@pytest.mark.parametrize("dtype", ["int16", "float32"])
def test_pixels_without_data_are_excluded(dtype: str) -> None:
    rng = np.random.default_rng(4)
    values = rng.integers(1000, 3000, (12, 12)).astype(dtype)
    values[rng.random((12, 12)) < 0.2] = -10000
    values[7:, 6:] = -10000
    out = ours(values[None], Window(-1, -1, 14, 14), (28, 28), "cubic", nodata=-10000)[0]
    expected = slow_resample(values.astype(float), 0.5, -1, 28, -10000)
    assert np.array_equal(out == -10000, expected == -10000)
    assert np.abs(out - expected).max() <= (0.51 if dtype == "int16" else 0.01)


def test_nan_is_missing_in_addition_to_nodata() -> None:
    values = np.full((1, 6, 6), 5, "float32")
    values[0, 2, 2] = np.nan
    out = ours(values, Window(0, 0, 6, 6), (12, 12), "cubic", nodata=-1)[0]
    assert (out[4:6, 4:6] == -1).all()
    assert np.allclose(np.delete(np.delete(out, [4, 5], 0), [4, 5], 1), 5)
    assert np.allclose(ours(values, Window(0, 0, 6, 6), (12, 12), "cubic", nodata=np.nan)[0][out != -1], 5)


def test_valid_results_are_never_nodata() -> None:
    values = np.full((1, 8, 8), 3, "uint16")
    values[0, :, 4:] = 60000  # the cubic kernel undershoots below 0 on the dark side
    assert (ours(values, Window(0, 0, 8, 8), (16, 16), "cubic") == 0).any()
    out = ours(values, Window(0, 0, 8, 8), (16, 16), "cubic", nodata=0)
    assert out.min() == 1
    assert (ours(values, Window(0, 0, 8, 8), (16, 16), "cubic", nodata=65535) != 65535).all()


def test_small_remaining_weights_give_the_nearest_pixel() -> None:
    values = np.full((1, 24, 24), -1, "float32")
    values[0, 12, 12], values[0, ::23] = 100, 9000  # one pixel in the middle, the rest under negative lobes
    out = ours(values, Window(0, 0, 24, 24), (1, 1), "cubic", nodata=-1)
    assert out.item() == 100


def test_centres_outside_the_file_are_nodata_or_the_edge_pixel() -> None:
    values = np.arange(1, 5, dtype="int16").reshape(1, 1, 4)
    rows = axis_taps(ratio=1, offset=0, out=(0, 1), size=1, kernel="cubic")
    for kernel in KERNELS:
        cols = axis_taps(ratio=1, offset=-2, out=(0, 8), size=4, kernel=kernel)
        assert cols.nearest.tolist() == [-1, -1, 0, 1, 2, 3, -1, -1]
        edge = resample(values, rows, cols, origin=(0, 0), nodata=None)
        assert edge[0, 0].tolist() == [1, 1, 1, 2, 3, 4, 4, 4]
        marked = resample(values, rows, cols, origin=(0, 0), nodata=-9)
        assert marked[0, 0].tolist() == [-9, -9, 1, 2, 3, 4, -9, -9]


def test_no_output_pixels_give_an_empty_array() -> None:
    none = axis_taps(ratio=0.5, offset=0, out=(3, 3), size=4, kernel="cubic")
    some = axis_taps(ratio=0.5, offset=0, out=(0, 8), size=4, kernel="cubic")
    assert source_range(none) == (0, 0)
    values = np.zeros((2, 4, 4), "int16")
    assert resample(values, none, some, origin=(0, 0), nodata=0).shape == (2, 0, 8)
    assert resample(values[:0], some, some, origin=(0, 0), nodata=None).shape == (0, 8, 8)


def test_invalid_arguments_are_rejected() -> None:
    taps = axis_taps(ratio=0.5, offset=0, out=(0, 8), size=4, kernel="cubic")
    values = np.zeros((1, 4, 4), "uint16")
    with pytest.raises(ValueError, match="unknown resampling kernel 'lanczos'"):
        axis_taps(ratio=1, offset=0, out=(0, 1), size=1, kernel="lanczos")
    with pytest.raises(ValueError, match="cannot resample 0 pixels"):
        axis_taps(ratio=1, offset=0, out=(0, 1), size=0, kernel="cubic")
    with pytest.raises(ValueError, match="y: pixels 0 to 4 are needed, but the window has 1 to 5"):
        resample(values, taps, taps, origin=(1, 0), nodata=None)
    with pytest.raises(ValueError, match="uint16 cannot represent the nodata value -10000"):
        resample(values, taps, taps, origin=(0, 0), nodata=-10000)
    with pytest.raises(ValueError, match="cannot resample int32"):
        resample(values.astype("int32"), taps, taps, origin=(0, 0), nodata=None)
