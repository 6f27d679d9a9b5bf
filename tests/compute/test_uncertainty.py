"""Entropy, margin and likely classes against known answers and slow versions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iota2.compute.uncertainty import entropy, likely_classes, margin, mask_dtype


def pixels(*columns: list[float]) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities (class, 1, pixel); all pixels are labelled."""
    values = np.array(columns, np.float32).T[:, None]
    return values, np.ones(values.shape[1:], bool)


def test_entropy_is_0_for_certain_labels_and_100_for_equal_probabilities() -> None:
    values, labelled = pixels([1, 0, 0, 0], [0.25] * 4, [0.5, 0.5, 0, 0])
    assert entropy(values, labelled).tolist() == [[0, 100, 50]]


def test_margin_is_the_difference_of_the_two_highest_probabilities() -> None:
    values, labelled = pixels([0.2, 0.7, 0.1], [0.4, 0.4, 0.2], [0, 0, 1])
    assert margin(values, labelled).tolist() == [[50, 0, 100]]


def test_likely_classes_are_the_smallest_set_with_the_share() -> None:
    values, labelled = pixels([0.2, 0.7, 0.1], [0.05, 0.0, 0.95], [0.4, 0.3, 0.3], [0.6, 0.3, 0.1])
    assert likely_classes(values, labelled, 0.9).tolist() == [[0b011, 0b100, 0b111, 0b011]]
    assert likely_classes(values, labelled, 0.3).tolist() == [[0b010, 0b100, 0b001, 0b001]]


def test_pixels_without_label_have_the_nodata_values() -> None:
    values, labelled = pixels([0.5, 0.5], [0.9, 0.1])
    labelled[0, 0] = False
    values[:, 0, 0] = 0
    assert entropy(values, labelled)[0, 0] == margin(values, labelled)[0, 0] == 255
    assert likely_classes(values, labelled, 0.9).tolist() == [[0, 1]]


def test_a_single_class_is_certain() -> None:
    values, labelled = pixels([1.0])
    assert (entropy(values, labelled), margin(values, labelled), likely_classes(values, labelled, 0.9)) == (0, 100, 1)


def test_empty_rasters_give_empty_layers() -> None:
    nothing, labelled = np.zeros((3, 0, 4), np.float32), np.zeros((0, 4), bool)
    for found in (entropy(nothing, labelled), margin(nothing, labelled), likely_classes(nothing, labelled, 0.5)):
        assert found.shape == (0, 4)


@pytest.mark.parametrize(("classes", "dtype"), [(16, "uint16"), (17, "uint32"), (33, "uint64"), (64, "uint64")])
def test_every_class_has_a_bit(classes: int, dtype: str) -> None:
    values = np.eye(classes, dtype=np.float32)[:, None]
    found = likely_classes(values, np.ones((1, classes), bool), 0.9)
    assert found.dtype == mask_dtype(classes) == dtype
    assert [int(value) for value in found[0]] == [1 << k for k in range(classes)]


def test_more_classes_than_bits_are_rejected() -> None:
    with pytest.raises(ValueError, match="64"):
        mask_dtype(65)


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 999), st.integers(1, 6), st.floats(0.01, 1.0))
def test_layers_equal_the_slow_versions(seed: int, classes: int, share: float) -> None:
    values = np.random.default_rng(seed).dirichlet(np.full(classes, 0.5), (3, 5)).transpose(2, 0, 1).astype(np.float32)
    labelled = np.ones((3, 5), bool)
    sets, apart, spread = likely_classes(values, labelled, share), margin(values, labelled), entropy(values, labelled)
    for y, x in np.ndindex(3, 5):
        p = values[:, y, x].astype(float)
        ranked = sorted(range(classes), key=lambda k: (-p[k], k))
        size = next((n for n in range(1, classes) if p[ranked[:n]].sum() >= share - 1e-6), classes)
        assert sets[y, x] == sum(1 << k for k in ranked[:size])
        highest = np.sort(np.append(p, 0))[::-1]
        assert abs(int(apart[y, x]) - 100 * (highest[0] - highest[1])) < 0.51
        expected = -(p[p > 0] * np.log(p[p > 0])).sum() / np.log(max(2, classes))
        assert abs(int(spread[y, x]) - 100 * expected) < 0.51
