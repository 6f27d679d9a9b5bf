"""Polygons of cells: a coverage of the labelled pixels, the same however the map is divided."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from random import Random

import numpy as np
import pytest
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.features import rasterize, shapes
from scipy import ndimage
from shapely import Polygon, box

from iota2.compute.coverage.cells import CellIndex, CellPolygons, LineOptions, cell_polygons
from iota2.compute.coverage.dissolving import dissolve
from iota2.compute.coverage.joining import join_cells

PIXELS = Affine.identity()
NORTH_UP = Affine(10.3, 0, 1_234_567.1, 0, -10.3, 6_543_210.7)
TRANSFORMS = [
    PIXELS,
    NORTH_UP,
    Affine(20, 0, -5e6, 0, 20, 3e5),
    Affine.translation(1e6 / 3, 6e6 / 7) * Affine.rotation(33.3) * Affine.scale(10.3, -10.3),
]
PLAIN = LineOptions()
OPTIONS = [
    PLAIN,
    LineOptions(cut_corners=True),
    LineOptions(tolerance=10.3),
    LineOptions(cut_corners=True, tolerance=5),
    LineOptions(cut_corners=True, tolerance=30),
    LineOptions(longest_segment=2),
    LineOptions(cut_corners=True, tolerance=10.3, longest_segment=5),
    LineOptions(cut_corners=True, tolerance=40, longest_segment=0.1),
    LineOptions(cut_corners=True, tolerance=30, longest_segment=5, minimum_area=400),
]


@st.composite
def label_rasters(draw: st.DrawFn) -> np.ndarray:
    """Labels (y, x) uint8 of several kinds, in some of which pixels have no label."""
    height, width = draw(st.integers(1, 24)), draw(st.integers(1, 24))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    y, x = np.indices((height, width))
    kind = draw(st.sampled_from(["speckle", "fields", "checkerboard", "stripes", "diagonals", "squares"]))
    labels = {
        "speckle": rng.integers(1, draw(st.integers(1, 5)) + 1, y.shape),
        "fields": (ndimage.gaussian_filter(rng.normal(size=y.shape), 1.5) * 12).astype(int) % 4 + 1,
        "checkerboard": (y + x) % 2 + 1,
        "stripes": x % 3 + 1,
        "diagonals": (y + x * rng.choice([-1, 1])) // 2 % 2 + 1,
        "squares": np.minimum(np.minimum(y, height - 1 - y), np.minimum(x, width - 1 - x)) % 2 + 1,
    }[kind]
    noise = draw(st.sampled_from([0, 0.1]))
    labels = np.where(rng.random(y.shape) < noise, rng.integers(1, 4, y.shape), labels)
    return np.where(rng.random(y.shape) < draw(st.sampled_from([0, 0, 0.2])), 0, labels).astype(np.uint8)


def cells_of(
    labels: np.ndarray, size: int, transform: Affine = NORTH_UP, options: LineOptions = PLAIN
) -> dict[CellIndex, CellPolygons]:
    """The polygons of each cell of a map."""
    padded, rows, cols = np.pad(labels, 1), *(range(-(-n // size)) for n in labels.shape)
    return {
        (row, col): cell_polygons(
            padded[row * size : (row + 1) * size + 2, col * size : (col + 1) * size + 2],
            (row * size, col * size),
            transform,
            options,
        )
        for row, col in product(rows, cols)
    }


def pieces_of(cells: dict[CellIndex, CellPolygons]) -> dict[tuple[int, int, int], list[Polygon]]:
    """Polygons of each patch in its cells, by the cell and the number of its first piece."""
    found = join_cells({cell: one.sides for cell, one in cells.items()})
    home = dict(zip(map(tuple, found.pieces.tolist()), map(tuple, found.homes.tolist()), strict=True))
    pieces = defaultdict(list)
    for cell, one in cells.items():
        for patch, polygon in enumerate(one.polygons):
            pieces[home.get((*cell, patch), (*cell, patch))].append(polygon)
    return dict(sorted(pieces.items()))


def joined(cells: dict[CellIndex, CellPolygons]) -> tuple[np.ndarray, np.ndarray]:
    """Polygons and labels of all patches, by the cell and the number of their first pieces."""
    pieces = pieces_of(cells)
    polygons = np.array([*map(dissolve, pieces.values()), None])[:-1]
    return polygons, np.array([cells[row, col].labels[patch] for row, col, patch in pieces], int)


def unit(transform: Affine) -> float:
    """Area of a pixel."""
    return float(abs(transform.determinant))


def assert_coverage(polygons: np.ndarray, labels: np.ndarray, transform: Affine) -> None:
    """The polygons are a valid coverage with the area of the pixels with a label."""
    assert all(shapely.get_type_id(polygons) == shapely.GeometryType.POLYGON)
    assert shapely.is_valid(polygons).all()
    assert shapely.coverage_is_valid(polygons)
    assert shapely.area(polygons).sum() == pytest.approx(np.count_nonzero(labels) * unit(transform), rel=1e-9)


def outlines(
    polygons: np.ndarray, labels: Sequence[float] | np.ndarray, *, straight: bool = False
) -> list[tuple[int, str]]:
    """Labels and normal forms, sorted; vertices on straight lines only if ``straight``."""
    drawn = polygons if straight else np.array([*map(turning, polygons), None])[:-1]
    return sorted(zip(map(int, labels), shapely.to_wkt(shapely.normalize(drawn)).tolist(), strict=True))


def turning(polygon: Polygon) -> Polygon:
    """The polygon without vertices on straight lines."""
    parts = []
    for ring in (polygon.exterior, *polygon.interiors):
        points = shapely.get_coordinates(ring)[:-1]
        before, after = points - np.roll(points, 1, axis=0), np.roll(points, -1, axis=0) - points
        parts.append(points[before[:, 0] * after[:, 1] != before[:, 1] * after[:, 0]])
    return Polygon(parts[0], parts[1:])


@settings(deadline=None, max_examples=150)
@given(label_rasters(), st.integers(1, 12), st.sampled_from(TRANSFORMS), st.sampled_from(OPTIONS))
def test_polygons_of_joined_cells_are_a_coverage(
    labels: np.ndarray, size: int, transform: Affine, options: LineOptions
) -> None:
    cells = cells_of(labels, size, transform, options)
    assert_coverage(np.concatenate([one.polygons for one in cells.values()]), labels, transform)
    assert_coverage(joined(cells)[0], labels, transform)


@settings(deadline=None, max_examples=150)
@given(
    label_rasters(),
    st.integers(1, 12),
    st.sampled_from(TRANSFORMS),
    st.sampled_from([one for one in OPTIONS if one != PLAIN]),
    st.floats(0, 20),
)
def test_lines_make_no_patch_smaller_than_the_minimum(
    labels: np.ndarray, size: int, transform: Affine, options: LineOptions, pixels: float
) -> None:
    """Patches of the minimum keep it, and smaller ones keep their pixels, also over several cells."""
    options = replace(options, minimum_area=pixels * unit(transform))
    cells = cells_of(labels, size, transform, options)
    assert_coverage(np.concatenate([one.polygons for one in cells.values()]), labels, transform)
    found = [sum(map(shapely.area, pieces)) for pieces in pieces_of(cells).values()]
    drawn = [sum(map(shapely.area, pieces)) for pieces in pieces_of(cells_of(labels, size, transform)).values()]
    least = np.minimum(drawn, options.minimum_area)
    assert (np.array(found) >= least * (1 - 1e-9)).all()


def test_patches_above_the_minimum_are_drawn_as_without_it() -> None:
    labels = np.where(np.add.outer(np.arange(12), np.arange(12)) < 12, 1, 2).astype(np.uint8)
    options = LineOptions(cut_corners=True, tolerance=10.3, longest_segment=5)
    found, expected = (cells_of(labels, 24, NORTH_UP, one) for one in (replace(options, minimum_area=100), options))
    assert outlines(*joined(found)) == outlines(*joined(expected))


@settings(deadline=None, max_examples=60)
@given(label_rasters(), st.integers(1, 12))
def test_joined_polygons_are_those_of_the_whole_map(labels: np.ndarray, size: int) -> None:
    assert outlines(*joined(cells_of(labels, size, PIXELS))) == outlines(*joined(cells_of(labels, 24, PIXELS)))


@settings(deadline=None, max_examples=40)
@given(label_rasters(), st.integers(1, 12), st.sampled_from(TRANSFORMS))
def test_polygons_contain_the_pixels_of_their_label(labels: np.ndarray, size: int, transform: Affine) -> None:
    drawn = zip(*joined(cells_of(labels, size, transform)), strict=True)
    found = rasterize([(box(0, 0, 0, 0), 0), *drawn], labels.shape, transform=transform, dtype=np.uint8)
    np.testing.assert_array_equal(found, labels)


@settings(deadline=None, max_examples=40)
@given(label_rasters())
def test_outlines_are_the_noded_shapes_of_gdal(labels: np.ndarray) -> None:
    found = cells_of(labels, 24, PIXELS)[0, 0]
    expected = [*shapes(labels, labels != 0, connectivity=4, transform=PIXELS)]
    polygons = np.array([*(shapely.geometry.shape(polygon) for polygon, _ in expected), None])[:-1]
    if expected:
        polygons = shapely.coverage_clean(polygons, snapping_distance=0)
    codes = [code for _, code in expected]
    assert outlines(found.polygons, found.labels, straight=True) == outlines(polygons, codes, straight=True)


@settings(deadline=None, max_examples=30)
@given(label_rasters(), st.integers(1, 8), st.sampled_from(OPTIONS), st.randoms(use_true_random=False))
def test_the_order_of_cells_and_pieces_does_not_matter(
    labels: np.ndarray, size: int, options: LineOptions, random: Random
) -> None:
    cells = cells_of(labels, size, NORTH_UP, options)
    order = list(cells)
    random.shuffle(order)
    expected, found = joined(cells), joined({cell: cells[cell] for cell in order})
    np.testing.assert_array_equal(found[1], expected[1])
    np.testing.assert_array_equal(shapely.to_wkb(found[0]), shapely.to_wkb(expected[0]))


def test_patches_are_in_the_order_of_first_pixels() -> None:
    labels = np.array([[5, 7, 7], [7, 5, 0], [7, 5, 5]], np.uint8)
    found = cells_of(labels, 3, PIXELS)[0, 0]
    assert found.labels.tolist() == [5, 7, 7, 5]
    assert found.labels.dtype == np.uint8
    assert shapely.area(found.polygons).tolist() == [1, 2, 2, 3]
    np.testing.assert_array_equal(found.sides.top, [[0, 1, 1], [5, 7, 7]])
    np.testing.assert_array_equal(found.sides.bottom, [[2, 3, 3], [7, 5, 5]])
    np.testing.assert_array_equal(found.sides.left, [[0, 2, 2], [5, 7, 7]])
    np.testing.assert_array_equal(found.sides.right, [[1, -1, 3], [7, 0, 5]])


@pytest.mark.parametrize("options", OPTIONS)
def test_a_cell_without_labels_has_no_polygons(options: LineOptions) -> None:
    found = cell_polygons(np.zeros((5, 4), np.uint16), (0, 0), NORTH_UP, options)
    assert found.polygons.shape == found.labels.shape == (0,)
    assert found.sides.top.patches.tolist() == [-1, -1]


def test_pixels_that_touch_at_a_corner_form_a_hole_of_their_patch() -> None:
    """The two outlines of the patch through the corner are different rings."""
    labels = np.array([[1, 1, 1], [1, 2, 1], [1, 1, 2]], np.uint8)
    ring, hole, corner = cells_of(labels, 3, PIXELS)[0, 0].polygons
    assert len(ring.interiors) == 1
    assert (ring.area, hole.area, corner.area) == (7, 1, 1)
    assert ring.is_valid


def test_vertices_on_a_limit_are_those_of_both_cells() -> None:
    labels = np.array([[1, 1, 1, 1], [2, 3, 3, 3]], np.uint8)
    upper = cell_polygons(np.pad(labels, 1)[:3], (0, 0), PIXELS, PLAIN).polygons
    assert set(upper[0].exterior.coords) == {(0, 0), (4, 0), (4, 1), (1, 1), (0, 1)}


def test_angle_cuts_corners_at_the_midpoints_of_edges() -> None:
    labels = np.full((7, 7), 1, np.uint8)
    labels[3, 3] = 2
    around, pixel = cell_polygons(labels, (0, 0), PIXELS, LineOptions(cut_corners=True)).polygons
    assert set(pixel.exterior.coords) == {(2.5, 2), (3, 2.5), (2.5, 3), (2, 2.5)}
    assert around.area == 24.5


def test_angle_makes_a_staircase_a_straight_line() -> None:
    labels = np.where(np.add.outer(np.arange(12), np.arange(12)) < 12, 1, 2).astype(np.uint8)
    one, _ = cell_polygons(labels, (0, 0), PIXELS, LineOptions(cut_corners=True)).polygons
    line = [(x, y) for x, y in one.exterior.coords[:-1] if 0 < x < 10 and 0 < y < 10]
    assert sorted(line) == [(1, 9.5), (9.5, 1)]


@pytest.mark.parametrize("options", OPTIONS)
def test_lines_at_pixels_without_label_do_not_move(options: LineOptions) -> None:
    labels = np.where(np.add.outer(np.arange(12), np.arange(12)) % 17 < 9, 1, 0).astype(np.uint8)
    expected = shapely.union_all(cell_polygons(labels, (0, 0), PIXELS, PLAIN).polygons)
    found = shapely.union_all(cell_polygons(labels, (0, 0), PIXELS, options).polygons)
    assert found.equals(expected)


@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("height", [1, 2])
def test_the_tolerance_is_the_root_of_the_area_of_a_triangle(transform: Affine, height: int) -> None:
    """Pixels that protrude from a straight line have triangles of half their area."""
    labels = np.where(np.arange(11) < 5, 1, 2).astype(np.uint8) * np.ones((11, 1), np.uint8)
    labels[4 : 4 + height, 5] = 1
    vertices = []
    for area in (0.49 * height, 0.51 * height):
        options = LineOptions(tolerance=math.sqrt(area * unit(transform)))
        vertices.append(shapely.get_num_coordinates(cell_polygons(labels, (0, 0), transform, options).polygons))
    np.testing.assert_array_equal(vertices, [[9, 9], [5, 5]])
