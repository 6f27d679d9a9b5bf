"""Search for vertices in triangles, against shapely."""

from __future__ import annotations

import numpy as np
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import LineString, Point, Polygon

from iota2.compute.coverage.vertex_index import contains_vertex, vertex_index

coordinate = st.integers(0, 48).map(lambda n: n / 4)
point = st.tuples(coordinate, coordinate)


@settings(deadline=None, max_examples=300)
@given(st.lists(point, min_size=1, max_size=40, unique=True), st.tuples(point, point, point), st.data())
def test_vertices_in_a_closed_triangle_are_found(
    vertices: list[tuple[float, float]], triangle: tuple[tuple[float, float], ...], data: st.DataObject
) -> None:
    present = np.array(data.draw(st.lists(st.booleans(), min_size=len(vertices), max_size=len(vertices))))
    own = data.draw(st.tuples(*[st.integers(0, len(vertices) - 1)] * 3))
    others = [Point(one) for k, one in enumerate(vertices) if present[k] and k not in own]
    shape = Polygon(triangle) if Polygon(triangle).area else LineString(triangle)
    found = contains_vertex(vertex_index(np.array(vertices)), present, np.array(triangle), own)
    assert found == bool(shapely.intersects(shape, others).any())


def test_without_vertices_there_is_nothing_to_find() -> None:
    index = vertex_index(np.empty((0, 2)))
    assert not contains_vertex(index, np.empty(0, bool), np.array([[0.0, 0.0], [5.0, 0.0], [0.0, 5.0]]), (0, 0, 0))
