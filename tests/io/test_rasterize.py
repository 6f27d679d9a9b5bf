from __future__ import annotations

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from shapely import MultiPolygon, Point, Polygon, box

from iota2.core.grid import blocks
from iota2.io.files.crs import to_crs
from iota2.io.rasters import rasterize as burning
from iota2.io.rasters.rasterize import mask_polygons, pixels_inside, polygons_at_least, rasterize

# odc-geo 0.5 multiplies matrices in a way that affine 3.1 is about to deprecate
pytestmark = pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning")

CRS = "EPSG:32631"
GEOBOX = GeoBox((40, 60), Affine(10, 0, 500_000, 0, -10, 4_800_000), CRS)
# corners on centres, on pixel edges, and anywhere: the first is where rounding decides
steps = st.one_of(st.integers(-4, 64).map(float), st.integers(-4, 64).map(lambda k: k + 0.5), st.floats(-4, 64))
triangles = st.lists(st.tuples(steps, steps), min_size=3, max_size=3).map(
    lambda corners: Polygon([(500_000 + 10 * x, 4_800_000 - 10 * y) for x, y in corners])
)


def centres() -> tuple[np.ndarray, np.ndarray]:
    row, col = np.indices(GEOBOX.shape)
    return 500_005.0 + 10 * col, 4_799_995.0 - 10 * row


def on_blocks(polygons, shape) -> np.ndarray:
    result = np.zeros(GEOBOX.shape, np.uint8)
    for block in blocks("T", GEOBOX, shape):
        result[slice(*block.rows), slice(*block.cols)] = rasterize(polygons, block.geobox, "uint8")
    return result


def frame(*polygons) -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame(geometry=list(polygons), crs=CRS)


@given(st.lists(triangles, max_size=3), st.tuples(st.integers(1, 23), st.integers(3, 31)))
@settings(max_examples=40, deadline=None)
def test_blocks_equal_the_whole(polygons, shape):
    shapes = [(polygon, k + 1) for k, polygon in enumerate(polygons)]
    np.testing.assert_array_equal(on_blocks(shapes, shape), rasterize(shapes, GEOBOX, "uint8"))


@given(triangles)
@settings(deadline=None)
def test_pixel_is_inside_if_and_only_if_its_centre_is(polygon):
    x, y = centres()
    burned = rasterize([(polygon, 1)], GEOBOX, "uint8") == 1
    clear = ~shapely.dwithin(polygon.boundary, shapely.points(x, y), 1e-4)
    np.testing.assert_array_equal(burned[clear], shapely.contains_xy(polygon, x, y)[clear])


@given(steps, steps, steps, steps)
@settings(deadline=None)
def test_centres_on_a_common_edge_are_in_one_of_two_polygons(x0, y0, x1, y1):
    everything = box(499_000, 4_798_000, 502_000, 4_801_000)
    cut = shapely.LineString(
        [(500_000 + 10 * x, 4_800_000 - 10 * y) for x, y in ((x0 - (x1 - x0) * 999, y0 - (y1 - y0) * 999), (x0, y0))]
        + [(500_000 + 10 * x1, 4_800_000 - 10 * y1)]
    )
    halves = shapely.get_parts(shapely.ops.split(everything, cut)) if cut.length > 0 else [everything]
    count = sum(rasterize([(half, 1)], GEOBOX, "uint8").astype(int) for half in halves)
    np.testing.assert_array_equal(count, 1)


def test_later_polygon_wins_and_fill_is_elsewhere():
    left, right = box(500_000, 4_799_600, 500_300, 4_800_000), box(500_200, 4_799_600, 500_400, 4_800_000)
    burned = rasterize([(left, 1.5), (right, 2)], GEOBOX, "float32", fill=-1)
    assert burned.dtype == np.float32
    np.testing.assert_array_equal(burned[7], [1.5] * 20 + [2] * 20 + [-1] * 20)


def test_geometry_outside_or_empty_burns_nothing():
    assert not rasterize([(box(0, 0, 9, 9), 1), (Polygon(), 1)], GEOBOX, "uint8").any()
    assert not rasterize([], GEOBOX, "uint8").any()


def test_holes_and_parts_are_respected():
    ring = Point(500_300, 4_799_800).buffer(150) - Point(500_300, 4_799_800).buffer(50)
    shape = MultiPolygon([ring, box(500_000, 4_799_900, 500_050, 4_800_000)])
    burned = rasterize([(shape, 1)], GEOBOX, "uint8")
    assert burned[20, 30] == 0
    assert burned[20, 20] == burned[0, 0] == 1
    assert burned.sum() * 100 == pytest.approx(shape.area, rel=0.03)


def test_pixels_inside_are_sorted_and_belong_to_the_first_polygon(monkeypatch):
    one, other = box(500_100, 4_799_700, 500_300, 4_799_900), box(500_200, 4_799_800, 500_400, 4_800_000)
    polygon, row, col = pixels_inside(frame(one, other, box(0, 0, 1, 1)), GEOBOX)
    table = np.full(GEOBOX.shape, -1)
    table[row, col] = polygon
    np.testing.assert_array_equal(table, rasterize([(other, 1), (one, 0)], GEOBOX, "int16", fill=-1))
    assert (np.diff(row * 60 + col) > 0).all()
    assert len(row) == 700
    monkeypatch.setattr(burning, "_WINDOW_SHAPE", (7, 3))
    for plain, windowed in zip(
        (polygon, row, col), pixels_inside(frame(one, other, box(0, 0, 1, 1)), GEOBOX), strict=True
    ):
        np.testing.assert_array_equal(plain, windowed)


def test_polygon_thinner_than_a_pixel_may_contain_no_centre():
    sliver = box(500_101, 4_799_700, 500_104, 4_799_900)
    assert [len(found) for found in pixels_inside(frame(sliver), GEOBOX)] == [0, 0, 0]
    assert [found.dtype for found in pixels_inside(frame(), GEOBOX)] == [np.int64] * 3


def raster(path, values):
    height, width = values.shape
    profile = {"driver": "GTiff", "dtype": values.dtype, "count": 1, "crs": CRS, "height": height, "width": width}
    with rasterio.open(path, "w", transform=GEOBOX.affine, **profile) as dataset:
        dataset.write(values, 1)
    return path


def test_mask_polygons_give_the_same_mask_when_rasterised(tmp_path):
    mask = np.random.default_rng(0).integers(0, 3, GEOBOX.shape).astype(np.uint8)
    polygons = mask_polygons(raster(tmp_path / "mask.tif", mask))
    assert shapely.is_valid(polygons).all()
    np.testing.assert_array_equal(rasterize([(polygon, 1) for polygon in polygons], GEOBOX, "uint8"), mask == 1)


def test_mask_without_ones_has_no_polygon(tmp_path):
    path = raster(tmp_path / "mask.tif", np.zeros(GEOBOX.shape, np.uint8))
    assert mask_polygons(path) == polygons_at_least(path, 1, 0.1) == []


def test_polygons_of_pixels_with_enough_dates_are_eroded(tmp_path):
    views = np.zeros(GEOBOX.shape, np.uint16)
    views[10:20, 10:30] = 3
    views[12, 12] = 300
    views[30, 5] = 2
    (polygon,) = polygons_at_least(raster(tmp_path / "views.tif", views), 3, 0.1)
    assert polygon.bounds == pytest.approx((500_100.1, 4_799_800.1, 500_299.9, 4_799_899.9))
    assert len(polygons_at_least(tmp_path / "views.tif", 2, 0.1)) == 2


def moved(geometry, source, target, **options):
    return to_crs(gpd.GeoSeries([geometry], crs=source), target, **options).iloc[0]


def test_long_edges_bend_when_they_are_reprojected():
    line = shapely.LineString([(500_000, 4_800_000), (800_000, 4_800_000)])
    bent = moved(line, CRS, "EPSG:2154")
    middle = Transformer.from_crs(CRS, "EPSG:2154", always_xy=True).transform(650_000, 4_800_000)
    assert bent.distance(Point(middle)) < 0.1
    assert moved(line, CRS, "EPSG:2154", segment=1e9).distance(Point(middle)) > 10


def test_edges_in_degrees_are_divided_by_their_length_in_metres():
    line = shapely.LineString([(1, 45), (1, 46)])
    assert 110 < shapely.get_num_coordinates(moved(line, "EPSG:4326", CRS)) < 114


def test_frame_in_the_wanted_crs_is_left_alone():
    same = frame(box(0, 0, 9999, 9999))
    assert to_crs(same, CRS) is same
    moved = to_crs(same.assign(a=1), "EPSG:2154")
    assert moved.crs == "EPSG:2154"
    assert moved.a.tolist() == [1]
