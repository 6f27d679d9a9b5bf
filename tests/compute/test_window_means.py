from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iota2.compute.window_means import near, window_means, window_positions


def slow(values: np.ndarray, valid: np.ndarray, radius: int) -> np.ndarray:
    """The means, pixel by pixel."""
    out = np.zeros(values.shape)
    for y, x in np.ndindex(*valid.shape):
        window = np.s_[max(0, y - radius) : y + radius + 1, max(0, x - radius) : x + radius + 1]
        if valid[window].any():
            out[:, y, x] = values[:, *window][:, valid[window]].mean(axis=1, dtype=float)
    return out


def example(seed: int, shape: tuple[int, int], share: float) -> tuple[np.ndarray, np.ndarray]:
    """Random values, NaN or extreme where they are not valid; and the valid pixels."""
    rng = np.random.default_rng(seed)
    valid = rng.random(shape) < share
    trap = np.where(rng.random(shape) < 0.5, np.nan, 1e30)
    return np.where(valid, rng.random((3, *shape)), trap).astype(np.float32), valid


shapes = st.tuples(st.integers(0, 12), st.integers(0, 12))


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 99), shapes, st.integers(0, 5), st.floats(0, 1))
def test_means_equal_the_slow_means(seed: int, shape: tuple[int, int], radius: int, share: float) -> None:
    values, valid = example(seed, shape, share)
    np.testing.assert_allclose(window_means(values, valid, radius), slow(values, valid, radius), rtol=1e-6)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 99), st.integers(0, 4), st.tuples(st.integers(0, 29), st.integers(0, 24)))
def test_means_of_a_block_with_a_margin_are_those_of_the_whole(seed: int, radius: int, start: tuple[int, int]) -> None:
    values, valid = example(seed, (30, 25), 0.6)
    (top, left), (bottom, right) = start, (start[0] + 7, start[1] + 5)
    around = np.s_[max(0, top - radius) : bottom + radius, max(0, left - radius) : right + radius]
    found = window_means(values[:, *around], valid[around], radius)
    inner = np.s_[:, min(top, radius) :, min(left, radius) :]
    block = found[inner][:, : bottom - top, : right - left]
    assert block.tobytes() == window_means(values, valid, radius)[:, top:bottom, left:right].tobytes()


@settings(deadline=None)
@given(st.integers(0, 99), shapes, st.integers(0, 5))
def test_near_pixels_have_one_in_their_window(seed: int, shape: tuple[int, int], radius: int) -> None:
    _, valid = example(seed, shape, 0.1)
    expected = slow(valid[None].astype(float), np.ones(shape, bool), radius)[0] > 0
    np.testing.assert_array_equal(near(valid, radius), expected)


@given(st.integers(0, 6), st.integers(0, 4), st.integers(0, 3))
def test_window_positions_are_those_of_the_pixels_around(row: int, col: int, radius: int) -> None:
    positions = window_positions(np.array([row, 0]), np.array([col, 0]), radius, (7, 5))
    numbers = np.pad(np.arange(35).reshape(7, 5), radius, constant_values=-1)
    side = 2 * radius + 1
    np.testing.assert_array_equal(positions[0], numbers[row : row + side, col : col + side].ravel())
    assert positions[0][positions.shape[1] // 2] == row * 5 + col
    assert window_positions(np.array([], int), np.array([], int), radius, (7, 5)).shape == (0, side**2)


def test_other_shapes_are_rejected() -> None:
    with pytest.raises(ValueError, match="differ in shape"):
        window_means(np.zeros((2, 3, 4), np.float32), np.ones((4, 3), bool), 1)
