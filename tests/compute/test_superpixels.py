from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox
from scipy.ndimage import find_objects, gaussian_filter, label
from skimage.segmentation import find_boundaries, slic

from iota2.compute.superpixels import (
    JOIN_ROUNDS,
    REACH,
    STEPS_PER_UNIT,
    SlicOptions,
    block_with_halo,
    on_cells,
    superpixels,
)
from iota2.core.grid import block_of


def grid(height: int, width: int) -> GeoBox:
    return GeoBox((height, width), Affine(10, 0, 0, 0, -10, 0), "EPSG:32631")


def image_of(seed: int, shape: tuple[int, int], *, bands: int = 2, noise: float = 0.5) -> np.ndarray:
    """A smooth image with noise, in units of its standard deviation."""
    rng = np.random.default_rng(seed)
    smooth = np.stack([gaussian_filter(rng.normal(size=shape), 3) * 10 for _ in range(bands)])
    return (smooth + noise * rng.normal(size=smooth.shape)).astype(np.float32)


def mask_of(seed: int, shape: tuple[int, int], share: float) -> np.ndarray:
    """Valid pixels: all but smooth patches and single pixels."""
    rng = np.random.default_rng(seed)
    patches = gaussian_filter(rng.normal(size=shape), 4)
    return (patches <= np.quantile(patches, 1 - share / 2)) & (rng.random(shape) >= share / 2)


def slow(image: np.ndarray, valid: np.ndarray, options: SlicOptions) -> np.ndarray:
    """The segments, pixel by pixel."""
    cell, (height, width) = options.cell, valid.shape
    values = np.rint(image.astype(float) * STEPS_PER_UNIT)
    pixels = [(y, x) for y in range(height) for x in range(width) if valid[y, x]]
    seed = {(y, x): (y // cell, x // cell) for y, x in pixels}
    for _ in range(options.iterations):
        members: dict[tuple[int, int], list[tuple[int, int]]] = {}
        for pixel in pixels:
            members.setdefault(seed[pixel], []).append(pixel)
        centre = {s: (values[:, *zip(*at, strict=True)].mean(axis=1), np.mean(at, axis=0)) for s, at in members.items()}
        seed = {pixel: nearest(pixel, values, centre, options) for pixel in pixels}
    return joined(seed, options, valid.shape)


def nearest(pixel: tuple[int, int], values: np.ndarray, centre: Mapping[Any, Any], options: SlicOptions) -> Any:
    row, column = pixel[0] // options.cell, pixel[1] // options.cell
    around = [(row + i, column + j) for i in (-1, 0, 1) for j in (-1, 0, 1) if (row + i, column + j) in centre]
    weight = (options.compactness * STEPS_PER_UNIT / options.cell) ** 2

    def distance(seed: tuple[int, int]) -> float:
        mean, place = centre[seed]
        return float(((values[:, *pixel] - mean) ** 2).sum() + weight * ((np.array(pixel) - place) ** 2).sum())

    return min(around, key=lambda seed: (round(distance(seed), 6), seed))


def joined(seed: dict[tuple[int, int], tuple[int, int]], options: SlicOptions, shape: tuple[int, int]) -> np.ndarray:
    pieces: list[tuple[tuple[int, int], set[tuple[int, int]]]] = []
    for name in sorted(set(seed.values())):
        mask = np.zeros(shape, bool)
        mask[tuple(zip(*[pixel for pixel, s in seed.items() if s == name], strict=True))] = True
        numbers, count = label(mask)
        pieces += [(name, set(zip(*np.nonzero(numbers == k + 1), strict=True))) for k in range(count)]
    pieces.sort(key=lambda one: min(one[1]))
    piece_of = {pixel: k for k, (_, pixels) in enumerate(pieces) for pixel in pixels}
    target = {k: k for k, (_, pixels) in enumerate(pieces) if len(pixels) >= options.smallest}
    for _ in range(JOIN_ROUNDS):
        found = {}
        for k, (_, pixels) in enumerate(pieces):
            if k in target:
                continue
            edges: dict[int, int] = {}
            for y, x in pixels:
                for other in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
                    if (t := target.get(piece_of.get(other, -1))) is not None:
                        cells = np.array([*pixels]) // options.cell
                        edges[t] = edges.get(t, 0) + int(np.abs(cells - pieces[t][0]).max() <= REACH)
            if edges and max(edges.values()):
                found[k] = min(edges, key=lambda t: (-edges[t], t))
        target |= found
    out = np.zeros(shape, np.uint32)
    for pixel, k in piece_of.items():
        first = min(pieces[target.get(k, k)][1])
        out[pixel] = 1 + first[0] * shape[1] + first[1]
    return out


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 1000), st.tuples(st.integers(1, 25), st.integers(1, 25)), st.integers(1, 7), st.floats(0, 1))
def test_segments_equal_those_of_the_slow_version(seed: int, shape: tuple[int, int], cell: int, share: float) -> None:
    image, valid = image_of(seed, shape, noise=0.5 + seed % 3), mask_of(seed + 1, shape, share)
    options = SlicOptions(cell, 0.25 + seed % 4 / 4, iterations=1 + seed % 4)
    np.testing.assert_array_equal(superpixels(image, valid, options), slow(image, valid, options))


@settings(deadline=None, max_examples=60)
@given(
    st.integers(0, 1000),
    st.tuples(st.integers(1, 6), st.integers(1, 3)),
    st.tuples(st.integers(0, 159), st.integers(0, 139)),
    st.tuples(st.integers(1, 60), st.integers(1, 60)),
    st.sampled_from([0.0, 0.2, 0.6]),
)
def test_a_block_with_its_halo_has_the_segments_of_the_whole_image(
    seed: int, slic_options: tuple[int, int], start: tuple[int, int], size: tuple[int, int], share: float
) -> None:
    shape = 160, 140
    image, valid = image_of(seed, shape, noise=seed % 4), mask_of(seed + 1, shape, share)
    options, whole = SlicOptions(slic_options[0], 0.1 + seed % 3, slic_options[1]), grid(*shape)
    rows, cols = ((a, min(a + n, most)) for a, n, most in zip(start, size, shape, strict=True))
    block = block_of("", whole, rows, cols)
    around = block_with_halo(block, options, whole)
    window = np.s_[around.rows[0] : around.rows[1], around.cols[0] : around.cols[1]]
    origin = around.rows[0], around.cols[0]
    found = superpixels(image[:, *window], valid[window], options, origin=origin, width=shape[1])
    expected = superpixels(image, valid, options)[rows[0] : rows[1], cols[0] : cols[1]]
    np.testing.assert_array_equal(around.cut(found, block), expected)


@given(
    st.integers(-30, 30),
    st.integers(-30, 30),
    st.integers(1, 12),
    st.sampled_from([(10.0, -10.0), (0.1, -0.1), (30.0, -15.0)]),
    st.sampled_from([0.0, 0.25, 0.5, 0.75]),
)
def test_cells_start_at_the_same_places_for_all_grids(
    row: int, column: int, cell: int, size: tuple[float, float], shift: float
) -> None:
    corner = (column + shift) * size[0], (row + shift) * size[1]
    given = GeoBox((5, 7), Affine(size[0], 0, corner[0], 0, size[1], corner[1]), "EPSG:32631")
    found = on_cells(given, cell)
    top, left = found.affine.f / size[1] - shift, found.affine.c / size[0] - shift
    for start, first, length, needed in ((top, row, found.shape[0], 5), (left, column, found.shape[1], 7)):
        assert start == pytest.approx(round(start), abs=1e-6)
        assert round(start) % cell == 0
        assert 0 <= first - round(start) < cell
        assert round(start) + length == first + needed


@pytest.mark.parametrize("noise", [0.0, 1.0, 4.0])
@pytest.mark.parametrize("share", [0.0, 0.4])
def test_segments_are_connected_and_of_bounded_extent(noise: float, share: float) -> None:
    image, valid, options = image_of(1, (150, 130), noise=noise), mask_of(2, (150, 130), share), SlicOptions(6, 0.2)
    found = superpixels(image, valid, options)
    np.testing.assert_array_equal(found > 0, valid)
    boxes = find_objects(found)
    for number in np.unique(found[valid]):
        box = boxes[number - 1]
        assert label(found[box] == number)[1] == 1
        assert max(side.stop - side.start for side in box) <= options.extent
        assert found.flat[number - 1] == number


def test_values_of_invalid_pixels_have_no_effect() -> None:
    image, valid, options = image_of(3, (60, 60)), mask_of(4, (60, 60), 0.3), SlicOptions(5)
    expected = superpixels(image, valid, options)
    for trap in (np.nan, np.inf, 1e30):
        np.testing.assert_array_equal(superpixels(np.where(valid, image, np.float32(trap)), valid, options), expected)
    hidden = np.where(valid, image, np.float32(np.nan))
    np.testing.assert_array_equal(superpixels(hidden, np.ones_like(valid), options), expected)


def test_without_valid_pixels_or_without_pixels_there_is_no_segment() -> None:
    assert not superpixels(image_of(1, (9, 9)), np.zeros((9, 9), bool), SlicOptions(3)).any()
    assert superpixels(np.zeros((2, 0, 5), np.float32), np.zeros((0, 5), bool), SlicOptions(3)).shape == (0, 5)


def test_a_constant_image_has_square_segments() -> None:
    found = superpixels(np.zeros((1, 30, 40), np.float32), np.ones((30, 40), bool), SlicOptions(10))
    first = np.arange(0, 30, 10)[:, None] * 40 + np.arange(0, 40, 10) + 1
    np.testing.assert_array_equal(found, np.kron(first, np.ones((10, 10), int)))


def test_wrong_arguments_are_rejected() -> None:
    image, valid = image_of(1, (12, 12)), np.ones((12, 12), bool)
    for options in ({"cell": 0}, {"compactness": 0.0}, {"iterations": 0}, {"compactness": float("nan")}):
        with pytest.raises(ValueError, match="expected cell"):
            SlicOptions(**options)
    with pytest.raises(ValueError, match="expected multiples of 5"):
        superpixels(image, valid, SlicOptions(5), origin=(3, 0))
    with pytest.raises(ValueError, match="differ in shape"):
        superpixels(image, valid[1:], SlicOptions(5))


def test_segments_follow_fields_as_well_as_those_of_another_program() -> None:
    """Boundary recall: share of edges between fields that are near edges of segments."""
    rng = np.random.default_rng(5)
    places = rng.uniform(0, 200, (120, 2))
    y, x = np.mgrid[:200, :200]
    fields = ((y[..., None] - places[:, 0]) ** 2 + (x[..., None] - places[:, 1]) ** 2).argmin(axis=-1)
    image = (rng.normal(size=(3, 120))[:, fields] + 0.3 * rng.normal(size=(3, 200, 200))).astype(np.float32)
    edges = find_boundaries(fields, mode="inner")

    def recall(segments: np.ndarray) -> float:
        near = gaussian_filter(find_boundaries(segments, mode="inner").astype(float), 0.5) > 0.1
        return float(near[edges].mean())

    own = superpixels(image, np.ones((200, 200), bool), SlicOptions(10, 1.0))
    other = slic(image, n_segments=400, compactness=1.0, max_num_iter=5, channel_axis=0, sigma=0, start_label=1)
    squares = y // 10 * 20 + x // 10
    assert recall(own) > recall(other) - 0.02
    assert recall(own) > recall(squares) + 0.2
    assert 300 < len(np.unique(own)) < 500
