"""Polygons of patches from their pieces, against shapely."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import Polygon, box

from iota2.compute.coverage.cells import LineOptions
from iota2.compute.coverage.dissolving import dissolve
from tests.compute.coverage.test_cells import OPTIONS, TRANSFORMS, cells_of, label_rasters, pieces_of


@settings(deadline=None, max_examples=100)
@given(label_rasters(), st.integers(1, 8), st.sampled_from(TRANSFORMS), st.sampled_from(OPTIONS))
def test_dissolved_polygons_are_those_of_shapely(
    labels: np.ndarray, size: int, transform: Affine, options: LineOptions
) -> None:
    for pieces in pieces_of(cells_of(labels, size, transform, options)).values():
        assert shapely.to_wkb(dissolve(pieces)) == shapely.to_wkb(shapely.coverage_union_all(pieces).normalize())


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
def test_pieces_are_dissolved_in_any_order(order: tuple[int, ...]) -> None:
    pieces = [box(0, 0, 2, 1), box(2, 0, 3, 1), Polygon([(2, 1), (3, 1), (3, 3), (2, 3)])]
    found = dissolve([pieces[k] for k in order])
    assert found.equals(shapely.union_all(pieces))
    assert shapely.to_wkb(found) == shapely.to_wkb(dissolve(pieces))
    # vertices of the limits remain, because a neighbour can have them, too
    assert {(2, 0), (2, 1), (3, 1)} <= set(found.exterior.coords)


def test_a_single_piece_has_the_same_normal_form() -> None:
    piece = box(0, 0, 2, 1)
    assert shapely.to_wkb(dissolve([piece])) == shapely.to_wkb(dissolve([piece.reverse()]))


def test_a_hole_over_several_cells_is_a_hole() -> None:
    labels = np.array([[1, 1, 1, 1], [1, 2, 2, 1], [1, 2, 2, 1], [1, 1, 1, 1]], np.uint8)
    ring = dissolve([one.polygons[one.labels.tolist().index(1)] for one in cells_of(labels, 2).values()])
    assert len(ring.interiors) == 1
    assert Polygon(ring.interiors[0]).area == pytest.approx(4 * 10.3**2)
