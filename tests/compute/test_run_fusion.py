"""Accuracy of a fusion of runs: undecided pixels, comparison with the runs, mean probabilities."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iota2.compute.label_fusion import highest_mean, undecided_problem
from iota2.compute.run_fusion import fusion_accuracy, split_undecided
from iota2.compute.validation import count_pixels, with_distances
from iota2.core.tables import PolygonCounts

LABELS = (3, 7)
UNDECIDED = 99
pixels = st.lists(
    st.tuples(st.integers(0, 4), st.sampled_from((0, 3, 7, UNDECIDED)), st.sampled_from((0, 3, 7))), max_size=40
)


def counted(given: list[tuple[int, int, int]], column: int) -> PolygonCounts:
    """Counts of pixels (polygon, fusion, run); the class follows from the polygon."""
    polygon, *maps = np.array(given, np.int64).reshape(-1, 3).T
    counts = count_pixels(polygon, np.array(LABELS)[polygon % 2], maps[column], np.zeros(len(polygon), bool))
    return with_distances(counts, {0: 5.0, 1: 200.0})


@given(pixels)
def test_accuracy_of_the_fusion_and_of_a_run_is_that_of_their_pixels(given):
    found = fusion_accuracy(counted(given, 0), {4: counted(given, 1)}, LABELS, UNDECIDED)
    truth = [LABELS[polygon % 2] for polygon, _, _ in given]
    for one, column in ((found.fusion, 1), (found.runs[4], 2)):
        produced = [pixel[column] for pixel in given]
        right = sum(a == b for a, b in zip(truth, produced, strict=True))
        decided = sum(label in LABELS for label in produced)
        undecided = [sum(a == c and b == UNDECIDED for a, b in zip(truth, produced, strict=True)) for c in LABELS]
        assert one.undecided.tolist() == undecided
        assert int(one.confusion.unmapped.sum()) == produced.count(0)
        assert int(one.confusion.counts.sum()) == decided
        assert one.scores.overall_accuracy == pytest.approx(right / decided if decided else math.nan, nan_ok=True)
        total = decided + sum(undecided)
        assert one.accuracy_with_undecided == pytest.approx(right / total if total else math.nan, nan_ok=True)
    whole = found.validated.subsets["all"]
    assert whole.pixels.sum() == len(given), "undecided pixels are counted as not classified"


@given(pixels)
def test_without_an_undecided_label_all_counts_stay(given):
    counts = counted(given, 1)
    same, lost = split_undecided(counts, LABELS, None)
    assert lost.tolist() == [0, 0]
    for name in ("polygon", "reference", "produced", "pixels", "distance"):
        np.testing.assert_array_equal(getattr(same, name), getattr(counts, name))


@pytest.mark.parametrize(
    ("undecided", "codes", "expected"),
    [
        (255, (1, 2), ""),
        (255, (1, 255), "255 is the code of a class; give a number that is not one, such as 254"),
        (300, (300, *range(1, 256)), "300 is the code of a class; give a number that is not one, such as 256"),
    ],
)
def test_the_label_of_undecided_pixels_is_no_class(undecided, codes, expected):
    assert undecided_problem(undecided, codes) == expected


@pytest.mark.parametrize("count", [0, 1, 3])
def test_the_label_has_the_highest_mean_probability(count):
    rng = np.random.default_rng(count)
    maps = rng.integers(0, 4, (count, 3, 5, 4)).astype(np.uint16) * 250
    maps[:, :, rng.random((5, 4)) < 0.3] = 65535
    maps[:1, :, 0] = 65535
    labels, mean = highest_mean(maps, (3, 7, 300), scale=1000, missing=65535)
    reordered = highest_mean(maps[::-1], (3, 7, 300), scale=1000, missing=65535)
    for y, x in np.ndindex(labels.shape if count else (0, 0)):
        known = [layer[:, y, x] / 1000 for layer in maps if layer[0, y, x] != 65535]
        means = np.mean(known, axis=0) if known else np.zeros(3)
        assert labels[y, x] == ((3, 7, 300)[int(means.argmax())] if known else 0)
        assert mean[y, x] == pytest.approx(means.max())
    np.testing.assert_array_equal(labels, reordered[0])
    np.testing.assert_array_equal(mean, reordered[1])
    assert labels.dtype == np.uint16
