"""Removal of small patches against a slow version that changes one patch at a time, and block by block."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from iota2.compute.regularise import Groups, _rank, regularised, regularised_block

SQUARE = {4: ndimage.generate_binary_structure(2, 1), 8: ndimage.generate_binary_structure(2, 2)}
STEPS = {4: [(-1, 0), (0, -1), (0, 1), (1, 0)]}
STEPS[8] = [*STEPS[4], (-1, -1), (-1, 1), (1, -1), (1, 1)]


def noisy(seed: int, shape: tuple[int, int], classes: int = 3, missing: float = 0.1) -> np.ndarray:
    """Random labels with codes 7, 14 …, in fields with noise; some pixels have no label."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(1, classes + 1, (shape[0] // 4 + 1, shape[1] // 4 + 1))
    fields = np.kron(coarse, np.ones((4, 4), int))[: shape[0], : shape[1]]
    labels = np.where(rng.random(shape) < 0.4, rng.integers(1, classes + 1, shape), fields) * 7
    return np.where(rng.random(shape) < missing, 0, labels).astype(np.uint8)


def patches(labels: np.ndarray, connectivity: int) -> list[np.ndarray]:
    """Pixels (pixel, 2) of each patch in the order of rows and columns."""
    found = []
    for code in np.unique(labels[labels > 0]):
        numbers, count = ndimage.label(labels == code, SQUARE[connectivity])
        found += [np.argwhere(numbers == k + 1) for k in range(count)]
    return found


def contacts(labels: np.ndarray, patch: np.ndarray, connectivity: int) -> dict[int, int]:
    """Number of contacts of a patch with each other label."""
    found: dict[int, int] = {}
    inside = {(int(y), int(x)) for y, x in patch}
    for y, x in inside:
        for row, col in ((y + dy, x + dx) for dy, dx in STEPS[connectivity]):
            if 0 <= row < labels.shape[0] and 0 <= col < labels.shape[1] and (row, col) not in inside:
                label = int(labels[row, col])
                found[label] = found.get(label, 0) + (label > 0)
    return {label: count for label, count in found.items() if count}


GROUPS = {None: None, **{only: Groups.of({7: 1, 14: 2, 21: 1, 28: 2}, only=only) for only in (False, True)}}
"""Two groups of the codes of ``noisy``, as a preference and as a restriction."""
RULES = [(connectivity, only) for connectivity in (4, 8) for only in GROUPS]


def choices(labels: np.ndarray, patch: np.ndarray, connectivity: int, groups: Groups | None) -> dict[int, int]:
    """Number of contacts of a patch with each label that it may get."""
    around = contacts(labels, patch, connectivity)
    if groups is None:
        return around
    own = groups.numbers[labels[tuple(patch[0])]]
    same = {label: count for label, count in around.items() if groups.numbers[label] == own}
    return same if groups.only else same or around


def slow(labels: np.ndarray, minimum: int, connectivity: int, groups: Groups | None = None) -> np.ndarray:
    """Change the smallest patch, one at a time."""
    out = labels.copy()
    while True:
        small = [p for p in patches(out, connectivity) if len(p) < minimum and choices(out, p, connectivity, groups)]
        if not small:
            return out
        patch = min(small, key=lambda p: (len(p), int(_rank(int(p[0][0]), int(p[0][1])))))
        around = choices(out, patch, connectivity, groups)
        out[tuple(patch.T)] = min(around, key=lambda label: (-around[label], label))


@settings(deadline=None, max_examples=60)
@given(
    st.integers(0, 9999), st.tuples(st.integers(1, 12), st.integers(1, 12)), st.integers(0, 7), st.sampled_from(RULES),
    st.sampled_from([0.0, 0.1, 0.5]),
)  # fmt: skip
def test_result_equals_the_change_of_one_patch_at_a_time(
    seed: int, shape: tuple[int, int], minimum: int, rule: tuple[int, bool | None], missing: float
) -> None:
    connectivity, groups = rule[0], GROUPS[rule[1]]
    labels = noisy(seed, shape, classes=4, missing=missing)
    found = regularised(labels, minimum, connectivity=connectivity, groups=groups)
    np.testing.assert_array_equal(found, slow(labels, minimum, connectivity, groups))


def test_a_patch_prefers_a_neighbour_of_its_group_or_keeps_its_group() -> None:
    labels = np.array([[7, 7, 7, 7], [7, 14, 21, 21], [7, 7, 21, 21]], np.uint8)
    apart, pair = Groups.of({7: 1, 14: 2, 21: 3}, only=True), Groups.of({7: 1, 14: 2, 21: 2}, only=False)
    assert regularised(labels, 2)[1, 1] == 7
    assert regularised(labels, 2, groups=apart)[1, 1] == 14
    assert regularised(labels, 2, groups=pair)[1, 1] == 21


@settings(deadline=None, max_examples=60)
@given(
    st.integers(0, 9999), st.integers(2, 12), st.tuples(st.integers(0, 40), st.integers(0, 40)),
    st.tuples(st.integers(1, 40), st.integers(1, 40)), st.sampled_from(RULES),
)  # fmt: skip
def test_a_block_equals_the_whole_except_open_pixels(
    seed: int,
    minimum: int,
    corner: tuple[int, int],
    block: tuple[int, int],
    rule: tuple[int, bool | None],
) -> None:
    shape, connectivity, groups = (50, 60), rule[0], GROUPS[rule[1]]
    labels = noisy(seed, shape, classes=2 + seed % 3, missing=0.03)
    whole = regularised(labels, minimum, connectivity=connectivity, groups=groups)
    (top, left), (bottom, right) = corner, (min(corner[0] + block[0], 50), min(corner[1] + block[1], 60))
    own, sides = np.s_[top:bottom, left:right], (top > 0, bottom < 50, left > 0, right < 60)
    found = regularised_block(
        labels[own], minimum, connectivity=connectivity, corner=corner, sides=sides, groups=groups
    )
    np.testing.assert_array_equal(found.labels[~found.open], whole[own][~found.open])
    assert not found.open[labels[own] == 0].any()


@pytest.mark.parametrize("minimum", [3, 10, 100])
def test_few_pixels_near_the_sides_of_a_block_are_open(minimum: int) -> None:
    labels, halo = noisy(1, (400, 400), classes=5, missing=0), int(16 * minimum**0.5)
    found = regularised_block(labels, minimum, sides=(True, True, False, True))
    assert all(side.any() for side in (found.open[0], found.open[-1], found.open[:, -1]))
    assert not found.open[halo:-halo, :-halo].any()
    assert not regularised_block(labels, minimum).open.any()


def test_a_large_patch_at_a_side_is_not_open() -> None:
    labels = np.full((6, 6), 7, np.uint8)
    labels[2, 2], labels[0, 4] = 14, 21
    found = regularised_block(labels, 3, sides=(True, True, True, True))
    np.testing.assert_array_equal(np.argwhere(found.open), [[0, 4]])
    assert found.labels[2, 2] == 7


@pytest.mark.parametrize("connectivity", [4, 8])
def test_no_small_patch_remains_unless_it_is_isolated(connectivity: int) -> None:
    labels = noisy(1, (200, 200), classes=5)
    found = regularised(labels, 9, connectivity=connectivity)
    for patch in patches(found, connectivity):
        assert len(patch) >= 9 or not contacts(found, patch, connectivity)
    np.testing.assert_array_equal(found == 0, labels == 0)


def test_the_longest_border_decides_and_ties_go_to_the_smallest_code() -> None:
    labels = np.array([[3, 3, 3, 3], [3, 9, 5, 5], [3, 9, 5, 5], [5, 5, 5, 5]], np.uint16)
    found = regularised(labels, 3)
    assert (found == np.where(labels == 9, 3, labels)).all(), "3 and 5 have three contacts each"
    assert (regularised(labels, 2) == labels).all()


def test_diagonal_patches_count_as_one_with_8_neighbours() -> None:
    labels = np.ones((4, 4), np.uint8)
    labels[[0, 1, 2], [0, 1, 2]] = 2
    assert (regularised(labels, 3, connectivity=4) == 1).all()
    assert (regularised(labels, 3, connectivity=8) == labels).all()


def test_isolated_patches_and_unlabelled_pixels_stay() -> None:
    labels = np.zeros((5, 5), np.uint8)
    labels[2, 2] = 4
    assert (regularised(labels, 10) == labels).all()


def test_patches_without_neighbours_that_count_are_not_open() -> None:
    labels = np.full((9, 9), 7, np.uint8)
    labels[1:8, 1:8] = 0
    labels[3, 3:5] = 14
    assert not regularised_block(labels, 6, sides=(True, True, True, True)).open.any()


@pytest.mark.parametrize("shape", [(0, 0), (0, 3)])
def test_an_empty_raster_stays_empty(shape: tuple[int, int]) -> None:
    assert regularised(np.zeros(shape, np.uint8), 5).shape == shape


def test_other_connectivities_are_rejected() -> None:
    with pytest.raises(ValueError, match="4 or 8"):
        regularised(np.ones((2, 2), np.uint8), 2, connectivity=6)
