"""Distances to the border of a region, and weights of its model."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import ndimage

from iota2.compute.region_weights import Blending, scaled_weights, signed_distances, weights
from tests.compute.reference import slow_distances

SIZE = (10.0, 10.0)
WIDTHS = st.sampled_from([0.0, 4.0, 10.0, 25.0, 33.3, 60.0])
SIZES = st.sampled_from([(10.0, 10.0), (10.0, 25.0), (7.5, 3.0)])
MASKS = arrays.arrays(bool, arrays.array_shapes(min_dims=2, max_dims=2, max_side=12))


@given(MASKS, SIZES, st.sampled_from([0.0, 12.0, 30.0, 1000.0]))
def test_distances_are_those_to_the_nearest_pixel_of_the_other_side(
    inside: np.ndarray, size: tuple[float, float], reach: float
) -> None:
    expected = slow_distances(inside, size, reach + 1e-9)
    np.testing.assert_allclose(signed_distances(inside, size, reach + 1e-9), expected, rtol=1e-12)


@given(MASKS, st.sampled_from([12.0, 30.0, 1000.0]))
def test_the_width_of_pixels_is_that_of_their_row(inside: np.ndarray, reach: float) -> None:
    widths = 10.0 - 0.5 * np.arange(len(inside))
    found = signed_distances(inside, (widths, 10.0), reach)
    for row, width in enumerate(widths.tolist()):
        np.testing.assert_array_equal(found[row], signed_distances(inside, (width, 10.0), reach)[row])


@given(MASKS)
def test_distances_agree_with_the_distance_transform_on_a_grid_of_half_pixels(inside: np.ndarray) -> None:
    if inside.all() or not inside.any():
        return
    doubled = np.zeros((2 * inside.shape[0] + 1, 2 * inside.shape[1] + 1, 2), bool)
    for side in (0, 1):
        for i, j in zip(*np.nonzero(inside == bool(side)), strict=True):
            doubled[2 * i : 2 * i + 3, 2 * j : 2 * j + 3, side] = True
    border = doubled.all(axis=2)  # edges and corners that touch pixels of both sides
    expected = ndimage.distance_transform_edt(~border, sampling=(5.0, 5.0))[1::2, 1::2]
    np.testing.assert_allclose(np.abs(signed_distances(inside, SIZE, 1e6)), expected, rtol=1e-12)


@pytest.mark.parametrize("size", [(10.0, 10.0), (10.0, 30.0)])
def test_the_first_pixel_on_each_side_is_half_a_pixel_from_the_border(size: tuple[float, float]) -> None:
    west = np.zeros((5, 6), bool)
    west[:, :3] = True
    across = size[0] * np.array([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5])
    np.testing.assert_allclose(signed_distances(west, size, 1000), np.broadcast_to(across, west.shape))
    down = size[1] * np.array([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5])
    np.testing.assert_allclose(signed_distances(west.T, size, 1000), np.broadcast_to(down[:, None], west.T.shape))


@given(MASKS, SIZES)
def test_distances_of_a_region_and_of_its_complement_are_opposite(
    inside: np.ndarray, size: tuple[float, float]
) -> None:
    np.testing.assert_array_equal(signed_distances(inside, size, 40), -signed_distances(~inside, size, 40))


@pytest.mark.parametrize("value", [True, False])
@pytest.mark.parametrize("shape", [(0, 0), (0, 4), (4, 0), (1, 1), (3, 5)])
def test_a_region_without_border_has_constant_weights(shape: tuple[int, int], value: bool) -> None:
    inside = np.full(shape, value)
    found = scaled_weights(inside, SIZE, Blending(20, 20, 0.1))
    assert found.shape == shape
    assert (found == (1000 if value else 0)).all()
    assert np.isinf(signed_distances(inside, SIZE, 1e6)).all()


@given(MASKS, SIZES, st.tuples(WIDTHS, WIDTHS), st.tuples(st.integers(1, 5), st.integers(1, 5)))
def test_weights_of_blocks_with_halo_are_those_of_the_whole_raster(
    inside: np.ndarray, size: tuple[float, float], widths: tuple[float, float], shape: tuple[int, int]
) -> None:
    blending, (rows, cols) = Blending(widths[0], widths[1] + 1), shape
    whole, (down, across) = scaled_weights(inside, size, blending), blending.halo(size)
    for top in range(0, inside.shape[0], rows):
        for left in range(0, inside.shape[1], cols):
            upper, west = max(0, top - down), max(0, left - across)
            around = inside[upper : top + rows + down, west : left + cols + across]
            found = scaled_weights(around, size, blending)[top - upper :, left - west :][:rows, :cols]
            np.testing.assert_array_equal(found, whole[top : top + rows, left : left + cols])


def test_weights_are_linear_between_the_widths() -> None:
    distances = np.array([[-np.inf, -31, -30, -15, 0, 5, 10, 10.001, np.inf]])
    found = weights(distances, Blending(interior=30, exterior=10))
    np.testing.assert_allclose(found, [[1, 1, 1, 25 / 40, 10 / 40, 5 / 40, 0, 0, 0]])
    found = weights(distances, Blending(interior=30, exterior=10, epsilon=0.2))
    np.testing.assert_allclose(found, [[1, 1, 1, 25 / 40, 10 / 40, 0.2, 0.2, 0, 0]])


def test_a_model_that_is_used_has_a_weight_of_at_least_one_thousandth() -> None:
    inside = np.zeros((1, 3000), bool)
    inside[0, 0] = True
    found = scaled_weights(inside, SIZE, Blending(interior=0, exterior=20_000))[0]
    assert found[0] == 1000
    assert found[1] == 1000  # 5 m of 20 km
    assert found[1999:2001].tolist() == [1, 1]  # weight 0.00075 and 0.00025
    assert found[2001] == 0


def test_a_width_of_zero_outside_gives_no_weight_outside() -> None:
    west = np.zeros((2, 8), bool)
    west[:, :4] = True
    found = scaled_weights(west, SIZE, Blending(interior=20, exterior=0))
    assert found.tolist() == [[1000, 1000, 750, 250, 0, 0, 0, 0]] * 2


def test_normalised_weights_of_three_regions_at_one_point_are_continuous() -> None:
    rows, cols = np.mgrid[0:60, 0:60]
    angle = np.arctan2(rows - 29.5, cols - 29.5)
    owner = np.digitize(angle, [-np.pi / 3, np.pi / 3])
    blending = Blending(interior=100, exterior=100)
    stacked = np.stack([weights(signed_distances(owner == k, SIZE, 100), blending) for k in range(3)])
    total = stacked.sum(axis=0)
    assert (total > 0).all()
    shares = stacked / total
    np.testing.assert_allclose(shares.sum(axis=0), 1)
    jumps = [np.abs(np.diff(shares, axis=axis)).max() for axis in (1, 2)]
    assert max(jumps) < 0.15, "a border without blending jumps by 1"
    np.testing.assert_allclose(shares[:, 29:31, 29:31].mean(axis=(1, 2)), 1 / 3, atol=0.05)
    assert sorted(shares[:, 0, 0]) == pytest.approx([0, 0, 1])
