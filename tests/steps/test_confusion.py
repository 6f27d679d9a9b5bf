"""Comparison of the map with validation polygons: counts by polygon, edges, distances to learning polygons."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox
from shapely import box
from shapely.affinity import rotate

from iota2.compute.validation import confusion_of
from iota2.core.graph import JobContext, Key, MultiplePaths, Paths, Resources
from iota2.core.grid import blocks
from iota2.core.nomenclature import Nomenclature
from iota2.core.tables import PolygonCounts
from iota2.io.rasters.files import RasterProfile, RasterWriter
from iota2.io.tables.classes import write_classes
from iota2.io.tables.confidence_counts import read_confidence_counts
from iota2.io.tables.confusions import read_confusion
from iota2.io.tables.polygon_counts import read_polygon_counts
from iota2.io.tables.vectors import write_shapefile, write_sqlite
from iota2.steps import reference_pixels
from iota2.steps.learning_distances import distances_of_seed
from iota2.steps.validation import confusion, merge_confusions

CRS = "EPSG:2154"
GRID = GeoBox((40, 60), Affine(10, 0, 500000, 0, -10, 6200400), CRS)
X, Y = 500000, 6200000
CODES = (1, 2)
CUT = box(X, Y, X + 300, Y + 400)
"""The envelope of the tile: the left half of the map."""
POLYGONS = (
    rotate(box(X + 53, Y + 57, X + 171, Y + 139), 17),
    box(X + 203, Y + 203, X + 397, Y + 297),  # on two tiles
    box(X + 20, Y + 300, X + 90, Y + 380),  # on pixel edges
    box(X + 250, Y + 20, X + 251, Y + 21),  # thinner than a pixel
    box(X + 430, Y + 203, X + 500, Y + 297),  # for learning, 33 m from the second polygon
    box(X + 420, Y + 20, X + 500, Y + 90),  # for learning, of the other class
)


def reference(sides: tuple[str, ...] = ("validation",) * 4 + ("learn",) * 2) -> gpd.GeoDataFrame:
    columns = {"originfid": [3, 5, 8, 9, 11, 12], "i2label": [1, 2, 2, 1, 2, 1], "region": "1", "seed_0": sides}
    return gpd.GeoDataFrame(columns, geometry=list(POLYGONS), crs=CRS)


def labels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 3, GRID.shape).astype(np.uint8)


def confidences() -> np.ndarray:
    return np.random.default_rng(1).integers(30, 100, GRID.shape).astype(np.uint8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Outputs of the comparison of one tile, and of the merge over all tiles."""
    folder = tmp_path_factory.mktemp("confusion")
    frame = reference()
    pieces = frame.assign(geometry=frame.intersection(CUT))
    pieces = pieces[~pieces.is_empty].drop(columns="seed_0")
    for name, side in (("val", [3, 5, 8, 9]), ("learn", [11, 12])):
        write_sqlite(pieces[pieces["originfid"].isin(side)], folder / f"{name}.sqlite")
    write_shapefile(frame, folder / "reference.shp")
    write_shapefile(gpd.GeoDataFrame({"tile": ["A"]}, geometry=[CUT], crs=CRS), folder / "envelope.shp")
    write_classes(Nomenclature(CODES, ("1", "2"), ((0, 0, 0),) * 2, CODES), folder / "codes.json")
    with RasterWriter(folder / "map.tif", RasterProfile(GRID, "uint8", nodata=0)) as writer:
        writer.write(next(blocks("", GRID, GRID.shape)), labels())
    with RasterWriter(folder / "confidence.tif", RasterProfile(GRID, "uint8", nodata=0)) as writer:
        writer.write(next(blocks("", GRID, GRID.shape)), confidences())
    given = {"map": "map.tif", "confidence": "confidence.tif", "classes": "codes.json", "envelope": "envelope.shp",
             "validation": "val.sqlite", "learning": "learn.sqlite", "reference": "reference.shp"}  # fmt: skip
    made = {"confusion": "tile.csv", "polygons": "tile_polygons.csv", "comparison": "comparison.tif",
            "confidences": "tile_confidences.csv"}  # fmt: skip
    confusion.run(JobContext(Paths(folder, given), Paths(folder, made), Key.of(tile="A", seed=0), None, Resources()))
    names = ("tile.csv", "tile_polygons.csv", "tile_confidences.csv")
    tiles, polygons, confident = ({("A", 0): name} for name in names)
    axes = ("tile", "seed")
    given = {
        "tiles": MultiplePaths(axes, tiles),
        "polygons": MultiplePaths(axes, polygons),
        "confidences": MultiplePaths(axes, confident),
        "reference": "reference.shp",
    }
    files = {"confusion": "all.csv", "results": "all.txt", "validation": "all_polygons.csv", "confidences": "sure.csv"}
    made = {name: MultiplePaths(("seed",), {(0,): path}) for name, path in files.items()}
    merge_confusions.run(JobContext(Paths(folder, given), Paths(folder, made), Key(), None, Resources()))
    return folder


@pytest.fixture(scope="module")
def counts(folder: Path) -> PolygonCounts:
    return read_polygon_counts(folder / "all_polygons.csv")


def test_counts_by_polygon_add_up_to_the_confusion_matrix(folder: Path, counts: PolygonCounts) -> None:
    found, expected = confusion_of(counts, CODES), read_confusion(folder / "all.csv")
    np.testing.assert_array_equal(found.counts, expected.counts)
    np.testing.assert_array_equal(found.unmapped, expected.unmapped)
    assert expected.counts.sum() > 100


def test_each_pixel_is_counted_for_its_polygon_and_its_edge(counts: PolygonCounts) -> None:
    expected: dict[tuple[int, int, bool], int] = {}
    produced = labels()
    for origin, polygon in zip((3, 5, 8, 9), POLYGONS, strict=False):
        for row, col in np.ndindex(*GRID.shape):
            square = box(X + 10 * col, Y + 390 - 10 * row, X + 10 * col + 10, Y + 400 - 10 * row)
            if polygon.intersection(CUT).contains(square.centroid):
                key = (origin, int(produced[row, col]), square.intersects(polygon.boundary))
                expected[key] = expected.get(key, 0) + 1
    found = zip(counts.polygon, counts.produced, counts.edge, counts.pixels, strict=True)
    assert {(int(p), int(m), bool(e)): int(n) for p, m, e, n in found} == expected


def test_each_classified_pixel_is_counted_with_its_confidence(folder: Path) -> None:
    expected: dict[tuple[int, ...], int] = {}
    produced, confidence = labels(), confidences()
    for origin, code, polygon in zip((3, 5, 8, 9), (1, 2, 2, 1), POLYGONS, strict=False):
        for row, col in np.ndindex(*GRID.shape):
            centre = shapely.Point(X + 10 * col + 5, Y + 395 - 10 * row)
            if produced[row, col] and polygon.intersection(CUT).contains(centre):
                key = (origin, code, int(produced[row, col]), int(confidence[row, col]))
                expected[key] = expected.get(key, 0) + 1
    found = read_confidence_counts(folder / "sure.csv")
    rows = zip(found.polygon, found.reference, found.produced, found.confidence, found.pixels, strict=True)
    assert {tuple(map(int, row[:4])): int(row[4]) for row in rows} == expected
    assert len(found) == len(expected) > 50


def centres(rows: np.ndarray, cols: np.ndarray) -> gpd.GeoDataFrame:
    """Selected pixels as points with the attributes of their polygon, on the grid of the map."""
    points = gpd.points_from_xy(X + 10 * cols + 5, Y + 395 - 10 * rows)
    pieces = reference().assign(geometry=reference().intersection(CUT)).iloc[:4]
    found = gpd.GeoDataFrame(geometry=points, crs=CRS).sjoin(pieces, predicate="within")
    return found[["originfid", "i2label", "geometry"]].reset_index(drop=True)


def compared(folder: Path, selections: dict[str, gpd.GeoDataFrame]) -> PolygonCounts:
    """Counts of the tile from selected pixels of each region."""
    for region, points in selections.items():
        write_sqlite(points, folder / f"{region}_selection.sqlite")
    given = {"map": "map.tif", "confidence": "confidence.tif", "classes": "codes.json", "envelope": "envelope.shp",
             "validation": "val.sqlite", "learning": "learn.sqlite", "reference": "reference.shp",
             "selection": MultiplePaths(("region",), {(r,): f"{r}_selection.sqlite" for r in selections})}  # fmt: skip
    made = {"confusion": "sel.csv", "polygons": "sel_polygons.csv", "comparison": "sel.tif",
            "confidences": "sel_sure.csv"}  # fmt: skip
    confusion.run(JobContext(Paths(folder, given), Paths(folder, made), Key.of(tile="A", seed=0), None, Resources()))
    return read_polygon_counts(folder / "sel_polygons.csv")


def test_a_selection_of_all_pixels_gives_the_same_counts(folder: Path) -> None:
    every = centres(*(part.ravel() for part in np.indices(GRID.shape)))
    compared(folder, {"1": every.iloc[::2], "2": every.iloc[1::2]})
    for found, expected in (
        ("sel.csv", "tile.csv"),
        ("sel_polygons.csv", "tile_polygons.csv"),
        ("sel_sure.csv", "tile_confidences.csv"),
    ):
        assert (folder / found).read_bytes() == (folder / expected).read_bytes()
    assert (folder / "sel.tif").read_bytes() == (folder / "comparison.tif").read_bytes()


def test_only_selected_pixels_are_counted(folder: Path) -> None:
    rows, cols = np.random.default_rng(3).integers(0, (40, 30), (150, 2)).T
    points = centres(rows, cols)
    found = compared(folder, {"1": points})
    assert 10 < found.pixels.sum() == len(points)
    produced = labels()
    expected: dict[tuple[int, int], int] = {}
    for point in points.itertuples():
        row, col = int((Y + 400 - point.geometry.y) // 10), int((point.geometry.x - X) // 10)
        key = (int(point.originfid), int(produced[row, col]))
        expected[key] = expected.get(key, 0) + 1
    counted: dict[tuple[int, int], int] = {}
    for p, m, n in zip(found.polygon, found.produced, found.pixels, strict=True):
        counted[int(p), int(m)] = counted.get((int(p), int(m)), 0) + int(n)
    assert counted == expected
    matrix = read_confusion(folder / "sel.csv")
    assert matrix.counts.sum() + matrix.unmapped.sum() == len(points)
    assert len(compared(folder, {"1": points.iloc[:0]})) == 0


def test_a_cut_between_tiles_is_not_an_edge(counts: PolygonCounts) -> None:
    inner = counts.where(~counts.edge & (counts.polygon == 5))
    assert inner.pixels.sum() == 9 * 8  # 10 x 10 pixels, without those at the left, upper and lower edge


def test_distances_are_metres_to_the_nearest_learning_polygon_of_the_class(counts: PolygonCounts) -> None:
    known = dict(zip(counts.polygon.tolist(), counts.distance.tolist(), strict=True))
    assert known[5] == pytest.approx(33)
    assert known[8] == pytest.approx(POLYGONS[2].distance(POLYGONS[4]), abs=0.001)
    assert 9 not in known, "it has no pixel"


def test_a_polygon_of_a_class_without_learning_polygons_has_no_distance() -> None:
    assert set(distances_of_seed(reference(("validation",) * 5 + ("learn",)), 0)) == {3, 9}
    assert distances_of_seed(reference(("learn",) * 6), 0) == {}


def test_unused_polygons_are_ignored_and_polygons_on_both_sides_have_distance_0() -> None:
    sides = ("validation", "validation", "unused", "unused", "unused", "learn")
    assert 5 not in distances_of_seed(reference(sides), 0)
    assert set(distances_of_seed(reference(("both",) * 6), 0).values()) == {0.0}


def test_distances_are_in_metres_also_for_projections_in_feet_and_degrees() -> None:
    feet = distances_of_seed(reference().to_crs("+proj=utm +zone=31 +units=us-ft"), 0)
    assert feet[5] == pytest.approx(33, rel=0.002)
    degrees = distances_of_seed(reference().to_crs(4326), 0)
    assert degrees[5] == pytest.approx(33, rel=0.02)  # along the parallel


def test_without_validation_polygons_no_pixel_has_a_position(folder: Path, tmp_path: Path) -> None:
    nothing = confusion.outlines_of(reference().iloc[:0], reference())
    assert nothing == {}
    owner = reference_pixels.rasterize_positions(reference().iloc[:0], next(blocks("", GRID, GRID.shape)))
    assert not owner.any()
    assert shapely.is_prepared(list(confusion.outlines_of(reference(), reference()).values())).all()
