"""Regularisation of a map; polygons of a cell: outlines, simplification, smoothing; and a patch over many cells."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox
from scipy.ndimage import gaussian_filter

from benchmarks.figures import Figures
from iota2.compute.coverage.cells import CELL_PIXELS, LineOptions, cell_polygons
from iota2.compute.coverage.dissolving import dissolve
from iota2.compute.geodesic import geodesic_areas
from iota2.compute.polygon_statistics import PolygonSums
from iota2.compute.regularise import regularised
from iota2.compute.scan_lines import pixel_runs
from iota2.core.graph import Resources
from iota2.io.rasters.files import RasterProfile, RasterWriter
from iota2.steps.regular_blocks import MappingUnit, regularise_raster

GROUP = "polygons of a map"
TRANSFORM = Affine(10, 0, 300_000, 0, -10, 4_900_020)
OPTIONS = {
    "edges of pixels": LineOptions(),
    "corners cut": LineOptions(cut_corners=True),
    "corners cut, simplified": LineOptions(cut_corners=True, tolerance=10),
    "corners cut, simplified, smoothed": LineOptions(cut_corners=True, tolerance=10, longest_segment=10),
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


def _drawn(labels: np.ndarray) -> np.ndarray:
    """The polygons of a cell, with all options."""
    return cell_polygons(labels, (0, 0), TRANSFORM, OPTIONS["corners cut, simplified, smoothed"]).polygons


def bench_statistics(*, benchmark: Any, figures: Figures, rounds: int, cell: tuple[str, np.ndarray]) -> None:
    """Shares of the classes and statistics of two rasters, on pixels of the size of those of the cell."""
    kind, labels = cell
    polygons = _drawn(labels)
    x = TRANSFORM.c + TRANSFORM.a * (np.arange(CELL_PIXELS) + 0.5)
    y = TRANSFORM.f + TRANSFORM.e * (np.arange(CELL_PIXELS) + 0.5)
    classes = labels[1:-1, 1:-1].astype(np.int32) - 1
    values = np.random.default_rng(0).integers(0, 101, (2, *classes.shape)).astype(float)

    def work() -> None:
        sums = PolygonSums.zeros(len(polygons), 6, 2)
        sums.add(pixel_runs(polygons, x, y), (0, 0), classes, values)

    benchmark.pedantic(work, rounds=rounds, iterations=1, warmup_rounds=1)
    data, note = benchmark.stats.stats.data, f"{len(polygons)} polygons"
    figures.add(GROUP, f"{kind}: statistics of the pixels", data, pixels=CELL_PIXELS**2, note=note)


def bench_geodesic_areas(*, benchmark: Any, figures: Figures, rounds: int, cell: tuple[str, np.ndarray]) -> None:
    """Areas of the polygons on the ellipsoid."""
    kind, labels = cell
    polygons = _drawn(labels)
    benchmark.pedantic(lambda: geodesic_areas(polygons, "EPSG:32631"), rounds=rounds, iterations=1, warmup_rounds=1)
    data, note = benchmark.stats.stats.data, f"{len(polygons)} polygons"
    figures.add(GROUP, f"{kind}: geodesic areas", data, pixels=CELL_PIXELS**2, note=note)


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


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("kind", ["fields with speckle", "noise"])
def bench_regularisation(
    *, benchmark: Any, figures: Figures, rounds: int, tmp_path: Path, kind: str, threads: int
) -> None:
    """Removal of the patches below 10 pixels from a raster, with files, in blocks that take 32 MB for each thread."""
    side, use = 3000, Resources(threads, memory=threads * (32 << 20))
    grid = GeoBox((side, side), TRANSFORM, "EPSG:32631")
    profile = RasterProfile(grid, "uint8", nodata=0, scratch=True)
    labels = np.random.default_rng(0).integers(1, 7, (side, side), np.uint8) if kind == "noise" else fields(side)
    with RasterWriter(tmp_path / "map.tif", profile) as writer:
        writer.write_at(grid, labels)
    unit, files = MappingUnit(10, "unit"), (tmp_path / "map.tif", tmp_path / "out.tif")
    work = lambda: regularise_raster(*files, profile, unit, use)  # noqa: E731
    benchmark.pedantic(work, rounds=rounds, iterations=1, warmup_rounds=1)
    name, cores = f"regularisation of {kind}, threads: {threads}", 1 if figures.processor_time else threads
    figures.add(GROUP, name, benchmark.stats.stats.data, pixels=side**2, cores=cores)


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
