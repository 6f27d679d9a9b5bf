"""The landscape: class and region of every position, and reference polygons."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pytest
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox

from iota2.testing.classes import BANDS, CLASSES
from iota2.testing.reference import min_polygons
from iota2.testing.world import WorldOptions, make_world


@pytest.mark.parametrize("at_once", [True, False])
def test_a_position_has_the_class_of_the_field_that_contains_it(world, at_once):
    landscape = world.landscape
    left, bottom, right, top = landscape.bounds
    fields = list(landscape.fields_of(landscape.hamlets_within((left - 900, bottom - 900, right + 900, top + 900))))
    rng = np.random.default_rng(1)
    x, y = rng.uniform(left, right, 300), rng.uniform(bottom, top, 300)
    outlines = shapely.STRtree([shape.polygon for shape in fields])
    place, found = outlines.query(shapely.points(x, y), predicate="within")
    assert sorted(place) == list(range(300)), "outlines leave gaps or overlap"
    expected = np.array([fields[k].code for k in found])[np.argsort(place)]
    labels = world.label_at(x, y) if at_once else [int(world.label_at(*xy)) for xy in zip(x, y, strict=True)]
    np.testing.assert_array_equal(labels, expected)


def test_truth_agrees_between_tiles_where_they_overlap(world):
    west, east = (world.truth(world.tile_geobox(tile)) for tile in world.options.tiles)
    overlap = world.options.overlap
    np.testing.assert_array_equal(west[:, -overlap:], east[:, :overlap])
    assert len(np.unique(west)) == world.options.classes


def test_truth_on_another_grid_is_the_class_at_its_pixel_centres(world):
    left, _, _, top = world.landscape.bounds
    geobox = GeoBox((700, 5), Affine(7.0, 0.0, left, 0.0, -3.0, top), "EPSG:2154")
    truth = world.truth(geobox)
    assert truth.shape == (700, 5)
    for row, col in ((0, 0), (511, 3), (512, 4), (699, 1)):
        assert truth[row, col] == world.label_at(left + 7.0 * (col + 0.5), top - 3.0 * (row + 0.5))


def test_each_polygon_is_inside_one_field_and_has_its_class(world, files):
    polygons = gpd.read_file(files.ground_truth)
    assert polygons.crs.to_epsg() == 2154
    assert set(polygons.geom_type) == {"Polygon"}
    fields = []
    for code, shape in zip(polygons["code"], polygons.geometry, strict=True):
        west, south, east, north = shape.bounds
        x, y = np.meshgrid(np.linspace(west, east, 15), np.linspace(south, north, 15))
        inside = shapely.contains_xy(shape, x, y)
        corners = np.array(shape.exterior.coords)
        x, y = np.append(x[inside], corners[:, 0]), np.append(y[inside], corners[:, 1])
        assert set(world.label_at(x, y)) == {code}
        fields.append(set(world.landscape.field_at(x, y)))
    assert all(len(field) == 1 for field in fields)
    assert len(set.union(*fields)) == len(polygons), "two polygons in one field"


def test_polygons_are_unique_and_do_not_overlap(files):
    shapes = gpd.read_file(files.ground_truth).geometry.to_numpy()
    one, other = shapely.STRtree(shapes).query(shapes, predicate="intersects")
    np.testing.assert_array_equal(one, other)


def test_polygons_have_names_with_accents(files):
    polygons = gpd.read_file(files.ground_truth)
    names = {c.code: c.name for c in CLASSES}
    assert list(polygons["name"]) == [names[code] for code in polygons["code"]]
    assert "forêt de feuillus" in set(polygons["name"])


def test_default_world_has_a_dozen_polygons_per_class_and_region():
    world = make_world(WorldOptions())
    assert min_polygons(world.reference, world.landscape) >= 12
    seen = world.reference.to_crs("EPSG:32631")
    for tile in world.options.tiles:
        outline = shapely.box(*world.tile_geobox(tile).extent.boundingbox.bbox).exterior
        assert seen.intersects(outline).sum() >= 3
    west, _ = world.landscape.region_polygons()
    assert world.reference.intersects(west.exterior).sum() >= 3


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000), classes=st.integers(2, 7))
def test_small_worlds_contain_every_class_in_both_regions(seed, classes):
    world = make_world(WorldOptions(size=160, overlap=40, seed=seed, classes=classes))
    for region in ("1", "2"):
        outline = world.landscape.region_polygons()[int(region) - 1]
        inside = world.reference[world.reference.within(outline)]
        assert inside["code"].nunique() == classes


def test_a_world_that_is_too_small_is_an_error():
    with pytest.raises(ValueError, match=r"too small.*fewer classes"):
        make_world(WorldOptions(size=40, overlap=20))


@pytest.mark.parametrize("wrong", [{"size": 101}, {"overlap": 480}, {"classes": 99}, {"dates": ()}])
def test_invalid_options_are_rejected(wrong):
    with pytest.raises(ValueError, match="expected"):
        WorldOptions(**wrong)


def test_the_region_file_agrees_with_region_at(world, files):
    regions = gpd.read_file(files.regions)
    assert list(regions["region"]) == ["1", "2"]
    left, bottom, right, top = world.landscape.bounds
    rng = np.random.default_rng(2)
    x, y = rng.uniform(left - 500, right + 500, 4000), rng.uniform(bottom - 500, top + 500, 4000)
    for name, outline in zip(regions["region"], regions.geometry, strict=True):
        np.testing.assert_array_equal(shapely.contains_xy(outline, x, y), world.region_at(x, y) == int(name))
    for tile in world.options.tiles:
        assert set(np.unique(world.regions(world.tile_geobox(tile)))) == {1, 2}


def test_a_constant_world_equals_the_class_profiles():
    world = make_world(WorldOptions(size=160, overlap=40, constant=True))
    truth = world.truth(world.geobox)
    day = world.options.dates[5]
    for band in ("B2", "B8", "B11"):
        profile = {c: world.profile(c, day.timetuple().tm_yday)[BANDS.index(band)] for c in np.unique(truth)}
        expected = np.vectorize(profile.get)(truth)
        np.testing.assert_allclose(world.surface(day, band), expected, rtol=1e-5)
    assert all(world.dates(tile) == world.options.dates for tile in world.options.tiles)


def test_seasons_come_later_in_the_east():
    world = make_world(WorldOptions(size=160, overlap=40, noise=0.0))
    truth, regions = world.truth(world.geobox), world.regions(world.geobox)
    day = world.options.dates[5]  # the end of May: summer crops start to grow
    values = world.surface(day, "B8")
    early, late = (values[(truth == 11) & (regions == region)].mean() for region in (1, 2))
    assert late < early


def test_profiles_are_periodic(world):
    np.testing.assert_allclose(world.profile(211, 365.0), world.profile(211, 0.0))
    assert world.profile(12, np.arange(10.0)).shape == (10, 10)
