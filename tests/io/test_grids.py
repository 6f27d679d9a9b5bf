"""Common grids of files with aligned pixels, which have different extents for some sensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox

from iota2.compute.placement import source_windows
from iota2.core.grid import blocks, misalignment, overlap_share, pixels_apart, share_pixels
from iota2.core.scene import Scene
from iota2.core.sensor import SensorSpec
from iota2.errors import InputError
from iota2.io.archive.grids import common_grids, extent_in
from iota2.io.archive.products import native_geobox, scan_tile, working_geobox
from iota2.io.archive.specs import builtin_specs, parse_spec
from iota2.io.files.atomic import write_json
from iota2.io.series.reader import CubeReader
from iota2.io.series.scene_file import read_scene, scene_to_json, shifted
from iota2.testing.products import Layer, write_product

TILE = "T31TCJ"
GROUND = GeoBox((40, 50), Affine(30, 0, 300015, 0, -30, 4900035), "EPSG:32631")
USGS = builtin_specs()["Landsat8_usgs_optical"]
DAYS = tuple(date(2018, month, 5) for month in (1, 2, 3))
EXTENTS = ((0, 36, 4, 50), (3, 40, 0, 41), (0, 36, 4, 50))
"""First row, row after the last, first column, column after the last, of the files of each date. The smallest grid
that holds them is GROUND; two of its corners are in none."""
SMALL = """
name: Small
section: Small
product: '^SMALL_(?P<date>\\d{8})'
bands: [{name: RED, file: '*_red.tif', role: red}, {name: NIR, file: '*_nir.tif'}]
masks: [{name: CLOUD, file: '*_cloud.tif', optional: true}]
nodata: 0
varying_extent: true
"""


def small(text: str = SMALL) -> SensorSpec:
    return parse_spec(text, source="small.yaml")


def cut(values: np.ndarray, extent: tuple[int, int, int, int], grid: GeoBox = GROUND) -> Layer:
    rows, cols = slice(*extent[:2]), slice(*extent[2:])
    return Layer(values[rows, cols], grid[rows, cols])


def scanned(spec: SensorSpec, root: Path) -> Scene:
    sensor, notes = scan_tile(spec, root, TILE)
    assert notes == ()
    return Scene(TILE, native_geobox(sensor), (sensor,))


def read(scene: Scene, shape: tuple[int, int], threads: int = 1) -> tuple[np.ndarray, ...]:
    """Values, validity, validity from masks only, and footprint, assembled from blocks."""
    (sensor,) = scene.sensors
    bands, dates = sensor.spec.band_names, len(sensor.acquisitions)
    values = np.zeros((dates, len(bands), *scene.geobox.shape), np.float32)
    valid, clear = (np.zeros((dates, *scene.geobox.shape), bool) for _ in range(2))
    footprint = np.zeros(scene.geobox.shape, bool)
    with CubeReader(scene, {sensor.spec.name: bands}, threads=threads) as reader:
        for block, decoded in reader.blocks(blocks(TILE, scene.geobox, shape)):
            place = (..., slice(*block.rows), slice(*block.cols))
            cube = decoded.cubes(block)[sensor.spec.name]
            values[place], valid[place] = cube.values, cube.valid
            clear[place], footprint[place] = reader.observed(block)[sensor.spec.name].valid, reader.footprint(block)
    return values, valid, clear, footprint


@pytest.fixture(scope="module")
def landsat(tmp_path_factory: pytest.TempPathFactory) -> tuple[Scene, Sequence[Mapping[str, np.ndarray]]]:
    """Three Landsat dates with two different extents, and the complete images from which they are cut."""
    root, rng, whole = tmp_path_factory.mktemp("landsat"), np.random.default_rng(0), []
    for day, extent in zip(DAYS, EXTENTS, strict=True):
        ground = {band: rng.integers(7273, 43636, GROUND.shape).astype(np.uint16) for band in USGS.band_names}
        quality = np.where(rng.random(GROUND.shape) < 0.2, 8, 64).astype(np.uint16)
        ground |= {"QA": quality, "FILL": quality, "SAT": np.zeros(GROUND.shape, np.uint16)}
        write_product(USGS, root / TILE, TILE, day, {name: cut(values, extent) for name, values in ground.items()})
        whole.append(ground)
    return scanned(USGS, root), whole


def shown() -> np.ndarray:
    """(time, y, x) bool: the files of the date contain the pixel."""
    seen = np.zeros((3, *GROUND.shape), bool)
    for t, (top, bottom, left, right) in enumerate(EXTENTS):
        seen[t, top:bottom, left:right] = True
    return seen


def test_the_common_grid_is_the_smallest_that_contains_all_files(
    landsat: tuple[Scene, Sequence[Mapping[str, np.ndarray]]],
) -> None:
    (sensor,) = landsat[0].sensors
    assert set(sensor.grids.values()) == {GROUND}
    assert [acquisition.extents["B1"] for acquisition in sensor.acquisitions] == list(EXTENTS)
    assert [acquisition.extents["FILL"] for acquisition in sensor.acquisitions] == list(EXTENTS)


def test_extents_are_equal_after_conversion_of_the_scene_to_a_file_and_back(
    landsat: tuple[Scene, Sequence[Mapping[str, np.ndarray]]], tmp_path: Path
) -> None:
    write_json(tmp_path / "scene.json", scene_to_json(landsat[0]))
    (known,), (sensor,) = read_scene(tmp_path / "scene.json").sensors, landsat[0].sensors
    assert known == replace(sensor, spec=known.spec)


def test_values_are_those_of_the_files_and_missing_outside_them(
    landsat: tuple[Scene, Sequence[Mapping[str, np.ndarray]]],
) -> None:
    scene, whole = landsat
    values, valid, clear, footprint = read(scene, (7, 50))
    seen = shown()
    cloud = np.stack([ground["QA"] == 8 for ground in whole])
    np.testing.assert_array_equal(valid, seen & ~cloud)
    np.testing.assert_array_equal(clear, seen & ~cloud)
    np.testing.assert_array_equal(footprint, seen.any(axis=0))
    assert not footprint.all()
    for t, ground in enumerate(whole):
        for b, band in enumerate(USGS.band_names):
            expected = np.where(seen[t], ground[band] * 0.275 - 2000, np.nan)
            np.testing.assert_allclose(values[t, b], expected, rtol=1e-5)


@pytest.mark.parametrize("working_grid", ["native", "finer", "other CRS"])
def test_blocks_of_any_shape_equal_the_whole(
    working_grid: str, landsat: tuple[Scene, Sequence[Mapping[str, np.ndarray]]]
) -> None:
    scene = landsat[0]
    if working_grid != "native":
        proj, grid = ("EPSG:32631", "native") if working_grid == "finer" else ("EPSG:2154", "proj")
        scene = replace(
            scene, geobox=working_geobox(GROUND, spatial_resolution=(20.0, 20.0), working_grid=grid, proj=proj)
        )
    whole = read(scene, (500, 500))
    assert whole[1].any()
    assert not whole[1].all()
    for shape in ((7, 500), (16, 13), (1, 500)):
        for once, apart in zip(whole, read(scene, shape, threads=3), strict=True):
            np.testing.assert_array_equal(once, apart)


def test_resampling_at_the_border_of_a_file_uses_only_pixels_inside_it(tmp_path: Path) -> None:
    """A constant image stays constant up to its border: the area outside has no influence."""
    layers = {name: cut(np.full(GROUND.shape, 500, np.uint16), EXTENTS[0]) for name in ("RED", "NIR")}
    write_product(small(), tmp_path / TILE, TILE, DAYS[0], layers)
    layers = {name: cut(np.full(GROUND.shape, 500, np.uint16), EXTENTS[1]) for name in ("RED", "NIR")}
    write_product(small(), tmp_path / TILE, TILE, DAYS[1], layers)
    scene = scanned(small(), tmp_path)
    finer = working_geobox(GROUND, spatial_resolution=(10.0, 10.0), working_grid="native", proj="EPSG:32631")
    values, valid, *_ = read(replace(scene, geobox=finer), (25, 500))
    np.testing.assert_array_equal(valid, np.repeat(np.repeat(shown()[:2], 3, axis=1), 3, axis=2))
    np.testing.assert_array_equal(values[:, 0][valid], 500)


def written(spec: SensorSpec, root: Path, kind: type, extents: Sequence[tuple[int, int, int, int]] = EXTENTS) -> None:
    for day, extent in zip(DAYS, extents, strict=False):
        layers = {name: cut(np.ones(GROUND.shape, kind), extent) for name in ("RED", "NIR")}
        write_product(spec, root / TILE, TILE, day, layers)


@pytest.mark.parametrize("kind", [np.uint16, np.int16])
def test_files_with_different_extents_need_a_nodata_value(kind: type, tmp_path: Path) -> None:
    spec = small(SMALL.replace("nodata: 0", ""))
    written(spec, tmp_path, kind)
    with pytest.raises(InputError, match=rf"RED: its files have different extents, .* type {np.dtype(kind)} need"):
        scan_tile(spec, tmp_path, TILE)
    for path in sorted((tmp_path / TILE).rglob("*20180205*.tif")):
        path.unlink()
    (tmp_path / TILE / "SMALL_20180205synthetic-0").rmdir()
    assert len(scanned(spec, tmp_path).sensors[0].acquisitions) == 2, "those with one extent need none"


def test_float_files_with_different_extents_need_no_nodata_value(tmp_path: Path) -> None:
    spec = small(SMALL.replace("nodata: 0", ""))
    written(spec, tmp_path, np.float32)
    values, valid, *_ = read(scanned(spec, tmp_path), (9, 50))
    np.testing.assert_array_equal(valid, shown())
    assert np.isnan(values[:, 0][~valid]).all()
    assert (values[:, 0][valid] == 1).all()


@pytest.mark.parametrize(
    ("grid", "reason"),
    [
        (GeoBox((20, 20), GROUND.affine @ Affine.translation(50, 0), GROUND.crs), "covers another area"),
        (GeoBox((20, 20), GROUND.affine @ Affine.translation(0, -20), GROUND.crs), "covers another area"),
        (
            GeoBox((20, 20), GROUND.affine @ Affine.translation(2.5, 0), GROUND.crs),
            "is on another grid (shifted by 2.5 pixels",
        ),
        (GeoBox((20, 20), GROUND.affine, "EPSG:32630"), "has another coordinate system"),
        (
            GeoBox((20, 20), GROUND.affine @ Affine.scale(2), GROUND.crs),
            "has another pixel size (60 x 60, not 30 x 30)",
        ),
    ],
)
def test_files_of_another_area_or_pixel_size_are_rejected(grid: GeoBox, reason: str, tmp_path: Path) -> None:
    written(small(), tmp_path, np.uint16, [(0, 40, 0, 50)] * 2)
    layers = {name: Layer(np.ones(grid.shape, np.uint16), grid) for name in ("RED", "NIR")}
    product = write_product(small(), tmp_path / TILE, TILE, DAYS[2], layers)
    with pytest.raises(InputError) as caught:
        scan_tile(small(), tmp_path, TILE)
    for name in ("red", "nir"):
        assert f"{product.name}_{name}.tif: {reason}" in str(caught.value)


def test_a_mask_that_covers_less_than_the_bands_of_its_date_is_reported(tmp_path: Path) -> None:
    written(small(), tmp_path, np.uint16)
    bands = {name: cut(np.ones(GROUND.shape, np.uint16), EXTENTS[0]) for name in ("RED", "NIR")}
    mask = {"CLOUD": cut(np.zeros(GROUND.shape, np.uint8), (0, 20, 4, 50))}
    product = write_product(small(), tmp_path / TILE, TILE, date(2018, 4, 5), bands | mask)
    with pytest.raises(InputError, match=rf"CLOUD .* of {product.name} does not cover the image: it ends 16 of its"):
        scan_tile(small(), tmp_path, TILE)


def test_a_mask_missing_on_a_larger_date_masks_nothing_there(tmp_path: Path) -> None:
    written(small(), tmp_path, np.uint16, [(0, 40, 0, 50)])
    bands = {name: cut(np.ones(GROUND.shape, np.uint16), EXTENTS[0]) for name in ("RED", "NIR")}
    cloud = np.zeros(GROUND.shape, np.uint8)
    cloud[10, 10] = 1
    write_product(small(), tmp_path / TILE, TILE, DAYS[1], bands | {"CLOUD": cut(cloud, EXTENTS[0])})
    scene = scanned(small(), tmp_path)
    assert scene.geobox == GROUND
    _, valid, clear, footprint = read(scene, (9, 50))
    expected = np.stack([np.ones(GROUND.shape, bool), shown()[0] & (cloud == 0)])
    np.testing.assert_array_equal(valid, expected)
    np.testing.assert_array_equal(clear, expected)
    assert footprint.all()


@pytest.mark.parametrize("masks", ["[]", "[{name: CLOUD, file: '*_cloud.tif', optional: true}]"])
def test_dates_without_a_mask_observe_the_pixels_where_the_reference_band_has_data(masks: str, tmp_path: Path) -> None:
    """On another grid that is larger than the files, and with a shifted date."""
    text = SMALL[: SMALL.index("masks")] + f"masks: {masks}\nnodata: 0\nvarying_extent: true\n"
    for day, extent in zip(DAYS, EXTENTS, strict=True):
        values = np.ones(GROUND.shape, np.uint16)
        values[:, :20] = 0
        write_product(small(text), tmp_path / TILE, TILE, day, {name: cut(values, extent) for name in ("RED", "NIR")})
    scene = scanned(small(text), tmp_path)
    wider = GeoBox((60, 60), GROUND.affine @ Affine.translation(-5, -5), GROUND.crs)
    warped = working_geobox(GROUND, spatial_resolution=None, working_grid="proj", proj="EPSG:2154")
    for grid in (GROUND, wider, warped):
        for moved_by in ({}, {"20180205": (64.0, -47.0)}):
            here = shifted(replace(scene, geobox=grid), {"Small": moved_by})
            _, valid, clear, footprint = read(here, (13, 17), threads=2)
            np.testing.assert_array_equal(clear, valid)
            np.testing.assert_array_equal(footprint, valid.any(axis=0))
            assert 0.1 < clear.mean() < 0.7


def test_a_date_without_edge_mask_observes_the_area_of_its_files(tmp_path: Path) -> None:
    both = "{name: CLOUD, file: '*_cloud.tif'}, {name: EDGE, file: '*_edge.tif', edge: true, optional: true}"
    spec = small(SMALL.replace("{name: CLOUD, file: '*_cloud.tif', optional: true}", both))
    cloud = np.random.default_rng(0).integers(0, 2, GROUND.shape).astype(np.uint8)
    for day, extent in zip(DAYS, EXTENTS, strict=True):
        layers = {name: np.ones(GROUND.shape, np.uint16) for name in ("RED", "NIR")} | {"CLOUD": cloud}
        write_product(spec, tmp_path / TILE, TILE, day, {name: cut(array, extent) for name, array in layers.items()})
    scene = scanned(spec, tmp_path)
    _, valid, clear, footprint = read(scene, (9, 50))
    np.testing.assert_array_equal(valid, shown() & (cloud == 0))
    np.testing.assert_array_equal(clear, shown() & (cloud == 0))
    np.testing.assert_array_equal(footprint, shown().any(axis=0))
    wider = GeoBox((60, 60), GROUND.affine @ Affine.translation(-5, -5), GROUND.crs)
    with CubeReader(replace(scene, geobox=wider), {}) as reader:
        sight = reader.observed(next(blocks(TILE, wider, (60, 60))))["Small"]
    assert sight.inside.tolist() == shown().sum(axis=(1, 2)).tolist()
    assert not sight.valid[:, :5].any()


def test_grids_that_differ_by_rounding_are_one(tmp_path: Path) -> None:
    """Corner and pixel size as another tool rounds them: values are not resampled, in blocks of any shape."""
    other = GeoBox(GROUND.shape, Affine(30.0000003, 0, 300015.00001, 0, -30.0000003, 4900034.99999), GROUND.crs)
    values = np.random.default_rng(0).integers(1, 9000, GROUND.shape).astype(np.uint16)
    fixed = replace(small(), varying_extent=False)
    for day, grid in zip(DAYS, (GROUND, other, GROUND), strict=True):
        write_product(fixed, tmp_path / TILE, TILE, day, {name: Layer(values, grid) for name in ("RED", "NIR")})
    scene = scanned(fixed, tmp_path)
    part = GeoBox((31, 45), other.affine @ Affine.translation(3, 4), GROUND.crs)
    for shape in ((31, 45), (7, 11)):
        found, valid, *_ = read(replace(scene, geobox=part), shape)
        assert valid.all()
        np.testing.assert_array_equal(found, np.broadcast_to(values[4:35, 3:48], found.shape))
    assert share_pixels(GROUND, other)
    (block,) = source_windows(GROUND, part, np.array([[7, 14, 11, 22]]), "cubic")
    assert block.tolist() == [11, 18, 14, 25]
    for apart in (-5e-4, 5e-4):
        beside = GeoBox(GROUND.shape, GROUND.affine @ Affine.translation(apart, -apart), GROUND.crs)
        (block,) = source_windows(GROUND, beside, np.array([[7, 14, 11, 22]]), "cubic")
        assert block.tolist() == [7, 14, 11, 22], "a pixel more may be a tile more to decode"


@pytest.mark.parametrize("size", [1.0, 1e-4])
@pytest.mark.parametrize(("ratio", "same"), [(1.0001, False), (1 + 1e-6, False), (1 + 5e-8, True), (1.0, True)])
def test_pixels_of_another_size_are_not_shared(ratio: float, same: bool, size: float) -> None:
    """In any unit, over ten thousand pixels."""
    one = GeoBox((10000, 10000), Affine(size, 0, 3, 0, -size, 44), "EPSG:4326" if size < 1 else GROUND.crs)
    wide, high = (
        GeoBox(one.shape, one.affine @ Affine.scale(*scale), one.crs) for scale in ((ratio, 1.0), (1.0, ratio))
    )
    for other in (wide, high):
        assert share_pixels(one, other) == share_pixels(other, one) == same
        _, problems = common_grids(small(), {"RED": [(one, "a"), (one, "b"), (other, "c")]})
        assert ["c: has another pixel size (" in problem for problem in problems] == [True] * (not same)


def test_another_extent_is_rejected_for_sensors_with_a_fixed_extent(tmp_path: Path) -> None:
    fixed = replace(small(), varying_extent=False)
    written(fixed, tmp_path, np.uint16, [(0, 40, 0, 50), (0, 40, 0, 50), (0, 36, 0, 50)])
    with pytest.raises(InputError, match=r"20180305.*has another size \(50 wide, 36 high; not 50 wide, 40 high\)"):
        scan_tile(fixed, tmp_path, TILE)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(*[st.integers(0, 20)] * 4), min_size=1, max_size=6))
def test_the_common_grid_contains_every_file_at_its_position(corners: list[tuple[int, int, int, int]]) -> None:
    """Parts of one grid that all contain rows and columns 20 to 25."""
    parts = [GROUND[top : 25 + height, left : 25 + width] for top, left, height, width in corners]
    spec = replace(small(), bands=small().bands[:1], masks=())
    grids, problems = common_grids(spec, {"RED": [(part, f"{k}.tif") for k, part in enumerate(parts)]})
    assert problems == []
    common = grids["RED"]
    for part in parts:
        top, bottom, left, right = extent_in(part, common) or (0, common.shape.y, 0, common.shape.x)
        assert common[top:bottom, left:right] == part
    for side, least in ((0, min), (2, min), (1, max), (3, max)):
        ends = [(extent_in(part, common) or (0, common.shape.y, 0, common.shape.x))[side] for part in parts]
        assert least(ends) == (0, common.shape.y, 0, common.shape.x)[side]


def test_differences_of_grids_are_described() -> None:
    def beside(right: float, down: float, size: float = 30, crs: str = str(GROUND.crs)) -> GeoBox:
        corner = GROUND.affine.c + 30 * right, GROUND.affine.f - 30 * down
        return GeoBox(GROUND.shape, Affine(size, 0, corner[0], 0, -size, corner[1]), crs)

    assert misalignment(beside(3, -2), GROUND) == ""
    assert pixels_apart(beside(3, -2), GROUND) == (3, -2)
    text = "are displaced from those of the map by 0.25 pixels to the right and -0.1 down"
    assert misalignment(beside(3.25, -2.1), GROUND) == text
    assert "measure 15 x 15 map units; those of the map measure 30 x 30" in misalignment(beside(0, 0, 15), GROUND)
    assert misalignment(beside(0, 0, crs="EPSG:2154"), GROUND).startswith("are in EPSG:2154; those of the map are in ")


@pytest.mark.parametrize(
    ("rows", "cols", "share"), [((0, 40), (0, 50), 1), ((0, 20), (0, 50), 0.5), ((20, 80), (40, 60), 0.1)]
)
def test_share_of_a_grid_that_another_covers(rows: tuple[int, int], cols: tuple[int, int], share: float) -> None:
    whole = GeoBox((40, 50), GROUND.affine, GROUND.crs)
    part = GeoBox(
        (rows[1] - rows[0], cols[1] - cols[0]), GROUND.affine @ Affine.translation(cols[0], rows[0]), GROUND.crs
    )
    assert overlap_share(part, whole) == pytest.approx(share)
    beside = GeoBox(whole.shape, GROUND.affine @ Affine.translation(50, 0), GROUND.crs)
    assert overlap_share(beside, whole) == 0
