"""Validation pixels by polygon: counts, subsets and distances."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from iota2.compute.accuracy import confusion_matrix
from iota2.compute.neighbours import nearest_learning_distances
from iota2.compute.polygons import squares_touch
from iota2.compute.validation import (
    confusion_of,
    count_pixels,
    subset_of,
    sum_counts,
    validation_accuracy,
    with_distances,
)
from iota2.core.tables import PolygonCounts
from iota2.io.tables.polygon_counts import parse_polygon_counts_csv, polygon_counts_csv

LABELS = (3, 11, 12)
pixels = st.lists(
    st.tuples(st.integers(0, 5), st.sampled_from((0, *LABELS)), st.booleans()), max_size=60
)  # fmt: skip


def counted(given: list[tuple[int, int, bool]]) -> PolygonCounts:
    """Counts of pixels given as (polygon, produced, edge); the reference class follows from the polygon."""
    polygon, produced, edge = np.array(given, dtype=np.int64).reshape(-1, 3).T
    return count_pixels(polygon, np.array(LABELS)[polygon % 3], produced, edge)


def same(one: PolygonCounts, other: PolygonCounts) -> bool:
    names = ("polygon", "reference", "produced", "edge", "pixels", "distance")
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in names)


@given(pixels)
def test_matrix_from_counts_equals_matrix_from_pixels(given):
    counts = counted(given)
    polygon, produced, _ = np.array(given, dtype=np.int64).reshape(-1, 3).T
    found, expected = confusion_of(counts, LABELS), confusion_matrix(np.array(LABELS)[polygon % 3], produced, LABELS)
    np.testing.assert_array_equal(found.counts, expected.counts)
    np.testing.assert_array_equal(found.unmapped, expected.unmapped)


@given(pixels, st.integers(0, 60))
def test_sum_of_partial_counts_equals_the_counts_of_all(given, cut):
    assert same(sum_counts([counted(given[:cut]), counted(given[cut:])]), counted(given))
    assert len(sum_counts([])) == 0


@given(pixels, st.lists(st.one_of(st.none(), st.floats(0, 1e6)), min_size=6, max_size=6))
def test_a_written_table_of_counts_is_read_back(given, distances):
    known = {k: round(metres, 3) for k, metres in enumerate(distances) if metres is not None}
    written = with_distances(counted(given), known)
    assert same(parse_polygon_counts_csv(polygon_counts_csv(written), "a.csv"), written)


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "originfid,reference,produced,edge,pixels,distance\n1,2,3\n"])
def test_an_invalid_table_of_counts_is_rejected_with_its_name(text):
    with pytest.raises(ValueError, match=r"a\.csv is not a table of validation pixels"):
        parse_polygon_counts_csv(text, "a.csv")


def test_subsets_contain_the_expected_pixels():
    counts = with_distances(
        counted([(0, 3, True), (0, 3, False), (1, 11, False), (2, 3, True), (2, 12, False), (3, 0, False)]),
        {0: 0.0, 1: 100.0, 2: 100.001},
    )
    assert subset_of(counts, "all").pixels.sum() == 6
    assert subset_of(counts, "inner").pixels.sum() == 4
    assert set(subset_of(counts, "apart").polygon) == {2, 3}  # no learning polygon is near 3
    found = validation_accuracy({0: counts}, LABELS)
    assert found.near.tolist() == [1, 1, 0]
    assert found.subsets["apart"].polygons.tolist() == [1, 0, 1]
    assert found.subsets["all"].summary.overall_accuracy.mean == pytest.approx(4 / 5)
    assert found.subsets["inner"].summary.overall_accuracy.mean == 1
    assert found.subsets["apart"].summary.overall_accuracy.mean == 0.5
    assert found.subsets["all"].pixels.tolist() == [3, 1, 2]
    assert found.intervals is not None


def test_subsets_are_means_over_seeds_and_several_seeds_have_no_polygon_intervals():
    first = with_distances(counted([(0, 3, False), (1, 11, False)]), {0: 5.0})
    found = validation_accuracy({0: first, 1: counted([(0, 11, False)])}, LABELS)
    assert found.intervals is None
    assert found.near.tolist() == [0.5, 0, 0]
    assert found.subsets["all"].polygons.tolist() == [1, 0.5, 0]
    assert found.subsets["all"].summary.overall_accuracy.mean == 0.5


def test_without_distant_polygons_the_measures_of_apart_are_undefined():
    found = validation_accuracy({0: with_distances(counted([(0, 3, False)]), {0: 5.0})}, LABELS)
    assert np.isnan(found.subsets["apart"].summary.overall_accuracy.mean)
    assert found.subsets["apart"].pixels.sum() == 0


def test_squares_touch_detects_intersections_with_the_outline():
    ring = shapely.boundary(shapely.box(0, 0, 45, 45).difference(shapely.box(18, 18, 22, 22)))
    col, row = (values.ravel() for values in np.meshgrid(np.arange(5), np.arange(5)))
    touch = squares_touch(ring, 5.0 + 10 * col, 5.0 + 10 * row, (10, 10)).reshape(5, 5)
    expected = np.ones((5, 5), bool)
    expected[3, 1:4] = expected[1:4, 3] = False  # the hole lies in four pixels, the outline in the outermost ones
    np.testing.assert_array_equal(touch, expected)


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 2), st.sampled_from("lvu")), min_size=1, max_size=25))
def test_the_nearest_learning_polygon_of_the_class_is_found(given):
    polygons = np.array([shapely.box(50 * x, 0, 50 * x + 10, 10) for x, _, _ in given])
    labels, side = np.array([label for _, label, _ in given]), np.array([side for _, _, side in given])
    found = nearest_learning_distances(polygons, labels, side == "l", side == "v")
    for k in range(len(given)):
        others = [polygons[k].distance(polygons[j]) for j in np.flatnonzero((side == "l") & (labels == labels[k]))]
        if side[k] == "v" and others:
            assert found.pop(k) == pytest.approx(min(others))
    assert not found


def test_a_polygon_on_both_sides_is_its_own_neighbour():
    polygons, both = np.array([shapely.box(0, 0, 1, 1)]), np.array([True])
    assert nearest_learning_distances(polygons, np.array([1]), both, both) == {0: 0.0}
