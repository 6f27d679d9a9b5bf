"""Polygons of a cell of a map: outlines, simplification, smoothing; and a patch over many cells."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
import shapely
from affine import Affine
from scipy.ndimage import gaussian_filter

from benchmarks.figures import Figures
from iota2.compute.coverage.cells import CELL_PIXELS, LineOptions, cell_polygons
from iota2.compute.coverage.dissolving import dissolve
from iota2.compute.regularise import regularised

GROUP = "polygons of a map"
TRANSFORM = Affine(10, 0, 300_000, 0, -10, 4_900_020)
OPTIONS = {
    "edges of pixels": LineOptions(),
    "corners cut": LineOptions(angle=True),
    "corners cut, simplified": LineOptions(angle=True, douglas=10),
    "corners cut, simplified, smoothed": LineOptions(angle=True, douglas=10, hermite=10),
}


def fields(side: int) -> np.ndarray:
    """Labels (side, side) of 6 classes: fields with speckle."""
    rng = np.random.default_rng(0)
    smooth = gaussian_filter(rng.normal(size=(side, side)), 4)
    noisy = smooth / smooth.std() + 0.3 * rng.normal(size=smooth.shape)
    return np.digitize(noisy, [-1, -0.5, 0, 0.5, 1]).astype(np.uint8) + 1


@pytest.fixture(scope="module", params=["patches of 10 pixels or more", "speckle"])
def cell(request: pytest.FixtureRequest) -> tuple[str, np.ndarray]:
    """A cell with and without a minimum mapping unit, and its name."""
    labels = fields(CELL_PIXELS + 2)
    return request.param, labels if request.param == "speckle" else regularised(labels, 10)


@pytest.mark.parametrize("name", OPTIONS)
def bench_cell(*, benchmark: Any, figures: Figures, rounds: int, cell: tuple[str, np.ndarray], name: str) -> None:
    """All polygons of a cell."""
    kind, labels = cell
    work = lambda: cell_polygons(labels, (0, 0), TRANSFORM, OPTIONS[name]).polygons  # noqa: E731
    vertices = shapely.get_num_coordinates(work()).sum()
    benchmark.pedantic(work, rounds=rounds, iterations=1, warmup_rounds=1)
    note = f"{len(work())} polygons, {vertices} vertices"
    figures.add(GROUP, f"{kind}: {name}", benchmark.stats.stats.data, pixels=CELL_PIXELS**2, note=note)


def bench_simplification_by_shapely(
    *, benchmark: Any, figures: Figures, rounds: int, cell: tuple[str, np.ndarray]
) -> None:
    """For comparison: the same tolerance with ``shapely.coverage_simplify``, without outlines."""
    kind, labels = cell
    drawn = cell_polygons(labels, (0, 0), TRANSFORM, OPTIONS["corners cut"]).polygons
    work = lambda: shapely.coverage_simplify(drawn, 10, simplify_boundary=False)  # noqa: E731
    benchmark.pedantic(work, rounds=rounds, iterations=1)
    reference = f"{kind}: corners cut, simplified"
    name = f"{kind}: simplified by shapely"
    figures.add(GROUP, name, benchmark.stats.stats.data, pixels=CELL_PIXELS**2, reference=reference)


def bench_dissolving(*, benchmark: Any, figures: Figures, rounds: int) -> None:
    """One patch over 16 cells, with a hole for nearly every 10 pixels."""
    side, size = 1024, 256
    labels = np.pad((np.random.default_rng(0).random((side, side)) < 0.62).astype(np.uint8) + 1, 1)
    pieces = []
    for row, col in product(range(0, side, size), repeat=2):
        window = labels[row : row + size + 2, col : col + size + 2]
        drawn = cell_polygons(window, (row, col), TRANSFORM, OPTIONS["corners cut, simplified"])
        pieces.append(drawn.polygons[np.argmax(shapely.area(drawn.polygons))])
    benchmark.pedantic(lambda: dissolve(pieces), rounds=rounds, iterations=1, warmup_rounds=1)
    note = f"{shapely.get_num_coordinates(pieces).sum()} vertices"
    figures.add(GROUP, "a patch with many holes over 16 cells", benchmark.stats.stats.data, note=note)
