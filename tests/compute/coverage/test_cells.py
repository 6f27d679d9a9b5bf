"""Polygons of cells: a coverage of the labelled pixels, the same however the map is divided."""

from __future__ import annotations

from collections import defaultdict
from itertools import product

import numpy as np
import pytest
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from iota2.compute.coverage.cells import CellPolygons, LineOptions, cell_polygons
from iota2.compute.coverage.joining import Cell, dissolve, join_cells

NORTH_UP = Affine(10.3, 0, 1_234_567.1, 0, -10.3, 6_543_210.7)
TRANSFORMS = [
    Affine(1, 0, 0, 0, 1, 0),
    NORTH_UP,
    Affine(20, 0, -5e6, 0, 20, 3e5),
    Affine.translation(1e6 / 3, 6e6 / 7) * Affine.rotation(33.3) * Affine.scale(10.3, -10.3),
]
PLAIN = LineOptions()
OPTIONS = [
    PLAIN,
    LineOptions(angle=True),
    LineOptions(douglas=10.3),
    LineOptions(angle=True, douglas=5),
    LineOptions(angle=True, douglas=30),
    LineOptions(hermite=2),
    LineOptions(angle=True, douglas=10.3, hermite=5),
    LineOptions(angle=True, douglas=40, hermite=0.1),
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
) -> dict[Cell, CellPolygons]:
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


def joined(cells: dict[Cell, CellPolygons]) -> tuple[np.ndarray, np.ndarray]:
    """Polygons and labels of all patches, by cell and number."""
    found = join_cells({cell: one.edges for cell, one in cells.items()})
    home = dict(zip(map(tuple, found.pieces.tolist()), map(tuple, found.homes.tolist()), strict=True))
    pieces, labels = defaultdict(list), {}
    for cell, one in cells.items():
        for patch, (polygon, label) in enumerate(zip(one.polygons, one.labels, strict=True)):
            key = home.get((*cell, patch), (*cell, patch))
            pieces[key].append(polygon)
            assert labels.setdefault(key, label) == label
    keys = sorted(pieces)
    polygons = np.array([dissolve(pieces[key]) for key in keys] + [None])[:-1]
    return polygons, np.array([labels[key] for key in keys], int)


def unit(transform: Affine) -> float:
    """Area of a pixel."""
    return float(abs(transform.determinant))


def assert_coverage(polygons: np.ndarray, labels: np.ndarray, transform: Affine) -> None:
    """The polygons are a valid coverage with the area of the pixels with a label."""
    assert all(shapely.get_type_id(polygons) == shapely.GeometryType.POLYGON)
    assert shapely.is_valid(polygons).all()
    assert shapely.coverage_is_valid(polygons)
    assert shapely.area(polygons).sum() == pytest.approx(np.count_nonzero(labels) * unit(transform), rel=1e-9)


@settings(deadline=None, max_examples=150)
@given(label_rasters(), st.integers(1, 12), st.sampled_from(TRANSFORMS), st.sampled_from(OPTIONS))
def test_polygons_of_joined_cells_are_a_coverage(
    labels: np.ndarray, size: int, transform: Affine, options: LineOptions
) -> None:
    cells = cells_of(labels, size, transform, options)
    assert_coverage(np.concatenate([one.polygons for one in cells.values()]), labels, transform)
    assert_coverage(joined(cells)[0], labels, transform)
