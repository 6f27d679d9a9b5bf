"""Change of class across borders, against loops over pixels and maps with known seams."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iota2.compute import seams
from iota2.compute.intervals import wilson
from iota2.compute.seams import HALO, Borders, SeamCounts, count_seams, seam, sum_seams
from iota2.core.random import generator

SMALL_CELLS = 7


def whole(labels: np.ndarray, zones: np.ndarray, others: np.ndarray, coinciding: bool = False) -> SeamCounts:
    borders = Borders.of(zones, others, coinciding=coinciding)
    return count_seams(labels, borders, (slice(None), slice(None)), (0, 0))


def slow_counts(
    labels: np.ndarray, zones: np.ndarray, others: np.ndarray, coinciding: bool
) -> dict[tuple[int, int], list[list[int]]]:
    """Counts by cell, with the row from the border as the distance to each pixel next to it."""
    height, width = labels.shape
    pairs = [((y, x), (y + dy, x + dx)) for y in range(height) for x in range(width) for dy, dx in ((0, 1), (1, 0))]
    pairs = [(a, b) for a, b in pairs if b[0] < height and b[1] < width and zones[a] and zones[b]]
    border = {pixel for a, b in pairs if zones[a] != zones[b] for pixel in (a, b)}
    row = {
        (y, x): 1 + min([max(abs(y - v), abs(x - u)) for v, u in border], default=1000)
        for y in range(height)
        for x in range(width)
    }
    found: dict[tuple[int, int], list[list[int]]] = {}
    for a, b in pairs:
        across = zones[a] != zones[b]
        if not (labels[a] and labels[b]) or (others[a] != others[b] and not (across and coinciding)):
            continue
        if across or all(2 <= row[pixel] <= 10 for pixel in (a, b)):
            cell = found.setdefault((a[0] // SMALL_CELLS, a[1] // SMALL_CELLS), [[0, 0], [0, 0]])
            cell[0 if across else 1][0] += 1
            cell[0 if across else 1][1] += int(labels[a] != labels[b])
    return found


def as_dict(counts: SeamCounts) -> dict[tuple[int, int], list[list[int]]]:
    return {tuple(cell): pairs for cell, pairs in zip(counts.cell.tolist(), counts.pairs.tolist(), strict=True)}


@st.composite
def maps(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels with gaps, zones with a slanted border and an area outside, and other zones."""
    height, width, seed = draw(st.integers(0, 17)), draw(st.integers(0, 30)), draw(st.integers(0, 1000))
    rng = np.random.default_rng(seed)
    rows, cols = np.mgrid[:height, :width]
    labels = rng.integers(0, 3, (height, width))
    zones = np.where(cols > rng.integers(0, 30) + rows // 3, 2, 1)
    zones[rows + cols < rng.integers(0, 10)] = 0
    return labels, zones, np.where(rows > rng.integers(0, 17), 2, 1)


@pytest.fixture(autouse=True)
def small_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seams, "CELL_PIXELS", SMALL_CELLS)


@given(maps(), st.booleans())
def test_counts_are_those_of_a_loop_over_pairs(
    given: tuple[np.ndarray, np.ndarray, np.ndarray], coinciding: bool
) -> None:
    assert as_dict(whole(*given, coinciding)) == slow_counts(*given, coinciding)


@given(maps(), st.integers(1, 9), st.integers(1, 13))
def test_counts_of_blocks_add_up_in_any_order(
    given: tuple[np.ndarray, np.ndarray, np.ndarray], height: int, width: int
) -> None:
    labels, zones, others = given
    found = []
    for top in range(0, labels.shape[0], height):
        for left in range(0, labels.shape[1], width):
            upper, west = max(0, top - HALO), max(0, left - HALO)
            window = slice(upper, top + height + HALO), slice(west, left + width + HALO)
            core = slice(top - upper, top - upper + height), slice(left - west, left - west + width)
            borders = Borders.of(zones[window], others[window], coinciding=False)
            found.append(count_seams(labels[window], borders, core, (upper, west)))
    assert as_dict(sum_seams(found[::-1])) == as_dict(whole(*given))


def checkered(shift: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Squares of 8 pixels in two classes; east of column 200 the pattern is moved down by ``shift`` pixels."""
    rows, cols = np.mgrid[:400, :400]
    zones = np.where(cols >= 200, 2, 1)
    labels = 1 + ((rows + shift * (zones == 2)) // 8 + (cols + 4) // 8) % 2
    return labels, zones, np.ones_like(zones)


def test_a_seamless_map_has_the_score_of_its_pattern_and_a_moved_half_a_higher_one() -> None:
    rng = generator(0, "seams")
    seamless = seam(whole(*checkered(0)), rng)
    assert seamless.different_across == 0, "the border is in the middle of squares"
    assert seamless.score == 0
    half = seam(whole(*checkered(4)), rng)
    assert half.share_across == 0.5
    assert half.share_near == pytest.approx(1 / 8, abs=0.03)
    assert half.score == pytest.approx(0.5 / half.share_near)
    assert half.difference == pytest.approx(0.5 - half.share_near)
    low, high = half.score_bounds
    assert 2 < low <= half.score <= high < 6
    assert seam(whole(*checkered(8)), rng).share_across == 1


def test_noise_has_a_score_of_about_one_whose_interval_covers_one() -> None:
    covered = 0
    for number in range(40):
        rng = np.random.default_rng(number)
        labels, zones = rng.integers(1, 4, (60, 60)), np.where(np.arange(60) >= 30, 2, 1) * np.ones((60, 1), int)
        low, high = seam(whole(labels, zones, np.ones_like(zones)), rng, 300).score_bounds
        covered += low <= 1 <= high
    assert 33 <= covered <= 40, "of 40 intervals with a level of 95 %"


def test_the_interval_depends_on_the_generator_only() -> None:
    counts = whole(*checkered(4))
    assert seam(counts, generator(1, "seams")) == seam(counts, generator(1, "seams"))
    assert seam(counts, generator(1, "seams")) != seam(counts, generator(2, "seams"))


def test_cells_without_changes_across_the_border_do_not_prove_that_there_are_none() -> None:
    found = seam(whole(*checkered(0)), generator(0, "seams"))
    assert found.different_across == 0
    low, high = found.score_bounds
    across = wilson(0.0, -(-400 // SMALL_CELLS))[1]
    assert low == 0
    assert high == pytest.approx(across / found.share_near, rel=0.01)
    assert found.difference_bounds[1] == pytest.approx(across - found.share_near, rel=0.01)


@pytest.mark.parametrize(
    ("labels", "zones", "reason"),
    [
        (np.zeros((0, 0), int), np.zeros((0, 0), int), "no two adjacent pixels with a class lie on different sides"),
        (np.ones((9, 9), int), np.ones((9, 9), int), "no two adjacent pixels with a class lie on different sides"),
        (np.zeros((9, 9), int), np.arange(9) * np.ones((9, 1), int) + 1, "lie on different sides"),
        (np.ones((1, 2), int), np.array([[1, 2]]), "no two adjacent pixels with a class lie 2 to 10 pixels"),
        (np.ones((9, 9), int), np.where(np.arange(9) > 4, 2, 1) * np.ones((9, 1), int), "never changes near"),
    ],
)
def test_a_map_without_score_has_a_reason(labels: np.ndarray, zones: np.ndarray, reason: str) -> None:
    found = seam(whole(labels, zones, np.ones_like(zones)), generator(0))
    assert found.score is None
    assert found.score_bounds is None
    assert reason in found.undefined


def test_few_cells_give_a_score_without_interval() -> None:
    labels = np.tile([[1, 2, 1, 1, 2, 2, 1, 1]], (14, 1))
    zones = np.where(np.arange(8) >= 4, 2, 1) * np.ones((14, 1), int)
    found = seam(whole(labels, zones, np.ones((14, 8), int)), generator(0))
    assert found.score is not None
    assert found.score_bounds is None
