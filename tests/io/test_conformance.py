"""Built-in sensors, with synthetic products made from their patterns.

Products are found, read and masked as in hand-written tables; wrong products are rejected or ignored with the reason.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox

from iota2.compute.features import feature_block
from iota2.core.grid import blocks
from iota2.core.recipe import FeatureRecipe, SensorRecipe
from iota2.core.scene import Scene
from iota2.core.sensor import SensorSpec
from iota2.errors import InputError
from iota2.io.archive.products import native_geobox, scan_tile
from iota2.io.archive.specs import builtin_specs
from iota2.io.files.atomic import write_json
from iota2.io.series.reader import CubeReader
from iota2.io.series.scene_file import read_scene, scene_to_json
from iota2.testing.products import Layer, product_name, synthetic_layers, write_product, write_raster, write_series
from tests.io.damage import HARMS, rewritten

TILE, OTHER = "T31TCJ", "T31TDJ"
FINE = GeoBox((20, 34), Affine(10, 0, 300000, 0, -10, 4900020), "EPSG:32631")
COARSE = GeoBox((10, 17), Affine(20, 0, 300000, 0, -20, 4900020), "EPSG:32631")
AWAY = GeoBox((20, 34), Affine(10, 0, 400005, 0, -10, 4900020), "EPSG:32631")
DAYS = (date(2018, 5, 11), date(2018, 3, 2), date(2020, 2, 29))
IN_ORDER = ("20180302", "20180511", "20200229")


@dataclass(frozen=True)
class Table:
    """Expected properties of a sensor, from the documentation of its products and not from the YAML file."""

    bands: Mapping[str, tuple[str, int]]
    """Name to the end of the file, as a regular expression, and the band in it."""
    invalid: Mapping[str, Callable[[int], bool]]
    """End of a mask file to the codes that hide a pixel."""
    edge: Mapping[str, Callable[[int], bool]]
    """The same for what lies outside of the image."""
    units: Callable[[int], float] = float
    """Reflectance x 10000 (for radar: intensity) of a value of a file."""
    nodata: int = -10000
    coarse: tuple[str, ...] = ()
    """Bands and masks of half the resolution."""
    names: tuple[str, ...] = ()
    """Real names of products of 11 May 2018."""


def any_bit(code: int) -> bool:
    return code != 0


def odd(code: int) -> bool:
    return code % 2 == 1


MAJA = ("B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B11", "B12")
SEN2COR = {"B02": 10, "B03": 10, "B04": 10} | dict.fromkeys(("B05", "B06", "B07"), 20)
SEN2COR |= {"B08": 10} | dict.fromkeys(("B8A", "B11", "B12"), 20)
AT_20_M = ("B5", "B6", "B7", "B8A", "B11", "B12")
N2A_MASKS = {r"MASK/.*_DIV\.TIF$": odd, r"MASK/.*_NUA\.TIF$": any_bit, r"MASK/.*_SAT\.TIF$": any_bit}
N2A_EDGE = {r"MASK/.*_DIV\.TIF$": odd}
TABLES = {
    "Sentinel_2": Table(
        {name: (rf"_FRE_{name}\.tif$", 1) for name in MAJA},
        {rf"MASKS/.*_{name}_R1\.tif$": any_bit for name in ("CLM", "SAT", "EDG")},
        {r"MASKS/.*_EDG_R1\.tif$": any_bit},
        coarse=AT_20_M,
        names=(
            "SENTINEL2A_20180511-105804-037_L2A_T31TCJ_D_V1-7",
            "SENTINEL2B_20180511-105702-460_L2A_T31TCJ_C_V2-2",
            "SENTINEL2C_20180511-110012-345_L2A_T31TCJ_C_V4-0",
        ),
    ),
    "Sentinel_2_S2C": Table(
        {name: (rf"R{size}m/.*_{name}_{size}m\.jp2$", 1) for name, size in SEN2COR.items()},
        {r"R20m/.*_SCL_20m\.jp2$": lambda code: code in (0, 1, 3, 8, 9, 10)},
        {r"R20m/.*_SCL_20m\.jp2$": lambda code: code == 0},
        nodata=0,
        coarse=("B05", "B06", "B07", "B8A", "B11", "B12", "SCL", "EDG"),
        names=(
            "S2A_MSIL2A_20180511T105031_N0207_R051_T31TCJ_20180511T135543.SAFE",
            "S2B_MSIL2A_20180511T105031_N0500_R051_T31TCJ_20230816T164454",
            "S2C_MSIL2A_20180511T105031_N0511_R051_T31TCJ_20250302T164454.SAFE",
        ),
    ),
    "Sentinel_2_L3A": Table(
        {name: (rf"_FRC_{name}\.tif$", 1) for name in MAJA},
        {r"MASKS/.*_FLG_R1\.tif$": lambda code: code in (0, 1)},
        {},
        coarse=AT_20_M,
        names=("SENTINEL2X_20180511-000000-000_L3A_T31TCJ_C_V1-1", "SENTINEL2X_20180511-000000-000_L3A_T31TCJ_D_V1-0"),
    ),
    "Landsat8": Table(
        {f"B{k}": (rf"_FRE_B{k}\.tif$", 1) for k in range(1, 8)},
        {rf"MASKS/.*_{name}_XS\.tif$": any_bit for name in ("CLM", "SAT", "EDG")},
        {r"MASKS/.*_EDG_XS\.tif$": any_bit},
        names=(
            "LANDSAT8-OLITIRS-XS_20180511-103629-617_L2A_T31TCJ_D_V1-9",
            "LANDSAT8-OLITIRS-XS_20180511-102351-515_L2A_T31TCJ_C_V2-2",
        ),
    ),
    "Landsat8_old": Table(
        {f"B{k}": (r"CORR_PENTE.*\.TIF$", k) for k in range(1, 8)},
        N2A_MASKS,
        N2A_EDGE,
        names=("LANDSAT8_OLITIRS_XS_20180511_N2A_France-MetropoleD0005H0002",),
    ),
    "Landsat5_old": Table(
        {f"B{k}": (r"CORR_PENTE.*\.TIF$", k) for k in range(1, 7)},
        N2A_MASKS,
        N2A_EDGE,
        names=("LANDSAT5_TM_XS_20180511_N2A_France-MetropoleD0005H0002",),
    ),
    "Landsat8_usgs_optical": Table(
        {f"B{k}": (rf"_SR_B{k}\.TIF$", 1) for k in range(1, 8)},
        # bits 0 to 4: fill, dilated cloud, cirrus, cloud, shadow; saturation of bands 1 to 7
        {r"_QA_PIXEL\.TIF$": lambda code: code % 32 != 0, r"_QA_RADSAT\.TIF$": lambda code: code % 128 != 0},
        {r"_QA_PIXEL\.TIF$": odd},
        lambda value: (value * 0.0000275 - 0.2) * 10000,
        nodata=0,
        names=(
            "LC08_L2SP_199029_20180511_20200901_02_T1",
            "LC09_L2SR_199029_20180511_20230901_02_T2",
            "LO08_L2SR_199029_20180511_20200901_02_T1",
        ),
    ),
    "Sentinel_1": Table(
        {name: (rf"_{name}_.*t\w{{6}}\.tif$", 1) for name in ("vv", "vh")},
        {r"_vv_.*_BorderMask\.tif$": lambda code: code == 0},
        {r"_vv_.*_BorderMask\.tif$": lambda code: code == 0},
        nodata=0,
        names=("s1a_31TCJ_vv_DES_110_20180511t060015.tif", "s1b_31TCJ_vh_ASC_030_20180511txxxxxx.tif"),
    ),
}
BUILTIN = sorted(builtin_specs().items())
SENSORS = pytest.mark.parametrize("section", sorted(builtin_specs()))
MASK_FILES = [(section, file) for section, spec in BUILTIN for file in dict.fromkeys(rule.file for rule in spec.masks)]
FILES = [(section, file) for section, spec in BUILTIN for file in dict.fromkeys(item.file for item in spec.parts)]


def grids_of(section: str) -> dict[str, GeoBox]:
    return {"": FINE} | dict.fromkeys(TABLES[section].coarse, COARSE)


def folder_of(spec: SensorSpec, root: Path, tile: str = TILE) -> Path:
    return root / spec.folder_of(tile)


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """By sensor: an archive with three dates that are not in order, written at the first request."""
    made: dict[str, Path] = {}

    def archive_of(section: str) -> Path:
        if section not in made:
            made[section] = tmp_path_factory.mktemp(section)
            write_series(builtin_specs()[section], made[section], TILE, DAYS, grids_of(section))
        return made[section]

    return archive_of


@pytest.fixture
def copy(archives: Callable[[str], Path], tmp_path: Path) -> Callable[[str], Path]:
    """A copy of the archive of a sensor, which the test may damage."""

    def copy_of(section: str) -> Path:
        return Path(shutil.copytree(archives(section), tmp_path / "archive"))

    return copy_of


def files_of(spec: SensorSpec, root: Path, pattern: str, tile: str = TILE) -> list[Path]:
    """Paths of a band or mask, in the order of dates."""
    depth = "*/" if spec.products == "folders" else ""
    found = sorted(folder_of(spec, root, tile).glob(f"{depth}{pattern}"), key=str)
    return sorted(found, key=lambda path: re.search(r"20\d{6}", str(path.relative_to(root)))[0])  # type: ignore[index]


def refusal(spec: SensorSpec, root: Path) -> str:
    with pytest.raises(InputError) as caught:
        scan_tile(spec, root, TILE)
    return str(caught.value)


# ----------------------------------------------------------------------------------------------- what is right


def test_every_sensor_has_its_table() -> None:
    assert set(TABLES) == set(builtin_specs())


@SENSORS
def test_day_and_tile_are_read_from_real_product_names(section: str) -> None:
    spec, table = builtin_specs()[section], TABLES[section]
    assert table.names
    for name in table.names:
        match = re.match(spec.product, name)
        assert match is not None, name
        assert match["date"] == "20180511"
        assert match.groupdict().get("tile", TILE).removeprefix("T") == "31TCJ"


@SENSORS
def test_products_are_found_in_the_order_of_their_days(section: str, archives: Callable[[str], Path]) -> None:
    spec = builtin_specs()[section]
    scene, notes = scan_tile(spec, archives(section), TILE)
    assert notes == ()
    assert scene.keys == IN_ORDER
    assert spec.band_names == tuple(TABLES[section].bands)
    for acquisition in scene.acquisitions:
        assert set(acquisition.bands) == set(spec.band_names)
        assert set(acquisition.masks) == {rule.name for rule in spec.masks}
        assert all(f"{acquisition.day:%Y%m%d}" in path for path in acquisition.bands.values())


@SENSORS
def test_a_scene_is_equal_after_conversion_to_a_file_and_back(
    section: str, archives: Callable[[str], Path], tmp_path: Path
) -> None:
    sensor, _ = scan_tile(builtin_specs()[section], archives(section), TILE)
    scene = Scene(TILE, native_geobox(sensor), (sensor,))
    write_json(tmp_path / "scene.json", scene_to_json(scene))
    known = read_scene(tmp_path / "scene.json")
    assert known == replace(scene, sensors=(replace(sensor, spec=known.sensors[0].spec),))


class Slow:
    """A simple reader of a product, pixel by pixel, for comparison."""

    def __init__(self, root: Path, spec: SensorSpec, table: Table, product: str) -> None:
        folder = folder_of(spec, root)
        self.table = table
        self.paths = {str(path.relative_to(root)): path for path in folder.rglob("*") if product in str(path)}
        self.read: dict[str, tuple[np.ndarray, Affine]] = {}

    def value(self, end: str, x: float, y: float, band: int = 1) -> int:
        if end not in self.read:
            (path,) = (path for name, path in self.paths.items() if re.search(end, name))
            with rasterio.open(path) as source:
                self.read[end] = source.read(), source.transform
        values, transform = self.read[end]
        return int(values[band - 1, int((transform.f - y) // -transform.e), int((x - transform.c) // transform.a)])

    def bands(self, x: float, y: float) -> list[float]:
        """Values in product units; NaN without data."""
        values = [self.value(end, x, y, band) for end, band in self.table.bands.values()]
        return [np.nan if value == self.table.nodata else self.table.units(value) for value in values]

    def hidden(self, rules: Mapping[str, Callable[[int], bool]], x: float, y: float) -> bool:
        return any(rule(self.value(end, x, y)) for end, rule in rules.items())


@SENSORS
def test_values_masks_and_footprint_are_those_of_the_files(section: str, archives: Callable[[str], Path]) -> None:
    table, root = TABLES[section], archives(section)
    spec = replace(builtin_specs()[section], resampling="nearest")
    sensor, _ = scan_tile(spec, root, TILE)
    scene = Scene(TILE, native_geobox(sensor), (sensor,))
    slow = [Slow(root, spec, table, acquisition.product) for acquisition in sensor.acquisitions]
    counted, seen = {"valid": 0, "hidden": 0, "empty": 0}, []
    with CubeReader(scene, {spec.name: spec.band_names}) as reader:
        for block in blocks(TILE, scene.geobox, (7, 11)):
            cube, sight = reader.read(block)[spec.name], reader.observed(block)[spec.name]
            footprint = reader.footprint(block)
            for row, col in np.ndindex(block.shape):
                x, y = block.geobox.affine @ (col + 0.5, row + 0.5)
                inside = [not product.hidden(table.edge, x, y) for product in slow]
                assert footprint[row, col] == (any(inside) or not table.edge)
                seen.append(footprint[row, col])
                for t, product in enumerate(slow):
                    bands, hidden = product.bands(x, y), product.hidden(table.invalid, x, y)
                    empty = np.isnan(bands)
                    assert sight.valid[t, row, col] == (not hidden)
                    assert cube.valid[t, row, col] == (not hidden and not empty.any())
                    found = np.where(empty, np.nan, cube.values[t, :, row, col])
                    np.testing.assert_allclose(found, bands, rtol=1e-6, atol=1e-3)
                    counted["valid"] += cube.valid[t, row, col]
                    counted["hidden"] += hidden
                    counted["empty"] += bool(empty.any())
    assert min(counted.values()) > 30
    assert all(seen) == (not table.edge)


@SENSORS
def test_each_code_of_a_mask_masks_a_pixel_or_not_as_documented(section: str, tmp_path: Path) -> None:
    """Codes and bits without a rule leave a pixel valid."""
    spec, table = builtin_specs()[section], TABLES[section]
    square = GeoBox((20, 20), FINE.affine, FINE.crs)
    clear = {rule.name: clear_code(spec, rule.file, table) for rule in spec.masks}
    for day, pattern in enumerate(dict.fromkeys(rule.file for rule in spec.masks), 1):
        layers = synthetic_layers(spec, {"": square}, np.random.default_rng(0), corner=False)
        rules = [rule for rule in spec.masks if rule.file == pattern]
        kind = layers[rules[0].name].values.dtype
        codes = np.array([*range(256), *(1 << bit for bit in range(8, 8 * kind.itemsize))], kind)
        for rule in spec.masks:
            layers[rule.name] = Layer(np.full(square.shape, clear[rule.name], layers[rule.name].values.dtype), square)
        shown = np.full(400, clear[rules[0].name], kind)
        shown[: len(codes)] = codes
        layers |= {rule.name: Layer(shown.reshape(20, 20), square) for rule in rules}
        write_product(spec, folder_of(spec, tmp_path), TILE, date(2018, 1, day), layers)
        end = next(end for end in table.invalid if re.search(end, str(files_of(spec, tmp_path, pattern)[-1])))
        sensor, _ = scan_tile(spec, tmp_path, TILE)
        scene = Scene(TILE, native_geobox(sensor), (sensor,))
        with CubeReader(scene, {}) as reader:
            valid = reader.observed(next(blocks(TILE, square, (20, 20))))[spec.name].valid[-1].ravel()
        expected = [not table.invalid[end](int(code)) for code in shown]
        np.testing.assert_array_equal(valid, expected)
        assert 0 < np.count_nonzero(valid[: len(codes)]) < len(codes)


def clear_code(spec: SensorSpec, pattern: str, table: Table) -> int:
    """A code of a mask file that masks no pixel."""
    name = pattern.replace("*", "x").replace("[0-9xmC]", "x")
    end = next(end for end in table.invalid if re.search(end, name))
    return next(code for code in range(256) if not table.invalid[end](code))


@SENSORS
def test_nodata_pixels_are_invalid_and_their_neighbours_are_not(section: str, tmp_path: Path) -> None:
    spec, table = builtin_specs()[section], TABLES[section]
    layers = synthetic_layers(spec, {"": FINE}, np.random.default_rng(0), corner=False)
    layers |= {
        rule.name: Layer(np.full(FINE.shape, clear_code(spec, rule.file, table), layers[rule.name].values.dtype), FINE)
        for rule in spec.masks
    }
    values = layers[spec.band_names[-1]].values
    values[3, 5], values[4, 5], values[5, 5] = table.nodata, table.nodata + 1, max(table.nodata - 1, 0)
    expected = values != table.nodata
    write_product(spec, folder_of(spec, tmp_path), TILE, DAYS[0], layers)
    np.testing.assert_array_equal(valid_of(spec, tmp_path), expected)
    if not files_of(spec, tmp_path, spec.bands[-1].file)[0].name.endswith(".jp2"):  # which holds no floats
        for path in files_of(spec, tmp_path, spec.bands[-1].file):
            with rasterio.open(path) as source:
                numbers = source.read().astype(np.float32)
            numbers[spec.bands[-1].index - 1, 9, 9], expected[9, 9] = np.nan, False
            rewritten(path, numbers, dtype="float32", nodata=None)
        np.testing.assert_array_equal(valid_of(spec, tmp_path), expected)


@pytest.mark.parametrize("masks", ["all", "none", "not on every date"])
@pytest.mark.parametrize("gaps", [False, True], ids=["data everywhere", "gaps"])
@SENSORS
def test_observations_from_masks_agree_with_the_cubes_where_bands_have_data(
    section: str, gaps: bool, masks: str, tmp_path: Path
) -> None:
    """With and without optional masks, and on a grid that is larger than the files."""
    spec, optional = builtin_specs()[section], {rule.name for rule in builtin_specs()[section].masks if rule.optional}
    for number, day in enumerate(DAYS):
        layers = synthetic_layers(spec, grids_of(section), np.random.default_rng(number), corner=gaps)
        without = optional if masks == "none" or (masks != "all" and number) else set()
        write_product(spec, folder_of(spec, tmp_path), TILE, day, {k: v for k, v in layers.items() if k not in without})
    sensor, _ = scan_tile(spec, tmp_path, TILE)
    assert {len(acquisition.masks) < len(spec.masks) for acquisition in sensor.acquisitions} == (
        {False} if masks == "all" or not optional else {True} if masks == "none" else {False, True}
    )
    grid = GeoBox((26, 44), FINE.affine @ Affine.translation(-4, -3), FINE.crs)
    scene = Scene(TILE, grid, (sensor,))
    with CubeReader(scene, {spec.name: spec.band_names}) as reader:
        for block in blocks(TILE, grid, (9, 44)):
            seen, sight = reader.read(block)[spec.name].valid, reader.observed(block)[spec.name]
            footprint, place = reader.footprint(block), (slice(*block.rows), slice(*block.cols))
            within = np.zeros(grid.shape, bool)
            within[3:23, 4:38] = True
            assert not (seen & ~sight.valid).any()
            assert not (sight.valid & ~within[place]).any()
            assert not (seen.any(axis=0) & ~footprint).any()
            assert not (footprint & ~within[place]).any()
            assert (np.count_nonzero(sight.valid, axis=(1, 2)) <= sight.inside).all()
            if not gaps:
                np.testing.assert_array_equal(sight.valid, seen)


@pytest.mark.parametrize(("section", "file"), MASK_FILES)
def test_a_pixel_that_is_masked_on_all_dates_is_never_valid(section: str, file: str, tmp_path: Path) -> None:
    """For each masked code, set at the same pixel of all dates: the pixel is invalid on all dates of all blocks."""
    spec, table, square = builtin_specs()[section], TABLES[section], GeoBox((16, 16), FINE.affine, FINE.crs)
    clear = {item.name: clear_code(spec, item.file, table) for item in spec.masks}
    for number, day in enumerate(DAYS):
        layers = synthetic_layers(spec, {"": square}, np.random.default_rng(number), corner=False)
        kinds = {item.name: layers[item.name].values.dtype for item in spec.masks}
        codes = np.arange(256).reshape(16, 16)
        layers |= {
            item.name: Layer((codes if item.file == file else np.full((16, 16), clear[item.name])).astype(kind), square)
            for item, kind in ((item, kinds[item.name]) for item in spec.masks)
        }
        write_product(spec, folder_of(spec, tmp_path), TILE, day, layers)
    end = next(end for end in table.invalid if re.search(end, str(files_of(spec, tmp_path, file)[-1])))
    hidden = np.array([table.invalid[end](code) for code in range(256)]).reshape(16, 16)
    sensor, _ = scan_tile(spec, tmp_path, TILE)
    recipe = FeatureRecipe((SensorRecipe(spec.name, spec.band_names[:1], {}, ("20180601",), indices=()),))
    with CubeReader(Scene(TILE, square, (sensor,)), {spec.name: spec.band_names[:1]}) as reader:
        (block,) = blocks(TILE, square, (16, 16))
        n_valid = feature_block(reader.read(block), recipe).n_valid
    np.testing.assert_array_equal(n_valid, np.where(hidden, 0, 3))
    assert 0 < np.count_nonzero(hidden) < 256


def valid_of(spec: SensorSpec, root: Path) -> np.ndarray:
    """(y, x) validity of the only date."""
    sensor, _ = scan_tile(spec, root, TILE)
    assert len(sensor.acquisitions) == 1
    scene = Scene(TILE, native_geobox(sensor), (sensor,))
    with CubeReader(scene, {spec.name: spec.band_names}) as reader:
        return reader.read(next(blocks(TILE, scene.geobox, (99, 99))))[spec.name].valid[0]


# ----------------------------------------------------------------------------------------------- dates and names


@SENSORS
def test_two_products_of_one_day_are_two_dates(section: str, copy: Callable[[str], Path]) -> None:
    spec, root = builtin_specs()[section], copy(section)
    again = synthetic_layers(spec, grids_of(section), np.random.default_rng(9), corner=False)
    write_product(spec, folder_of(spec, root), TILE, DAYS[0], again, number=1)
    scene, notes = scan_tile(spec, root, TILE)
    assert scene.keys == ("20180302", "20180511", "20180511.1", "20200229")
    assert len({acquisition.product for acquisition in scene.acquisitions}) == 4
    assert notes == ()


@SENSORS
def test_one_date_is_a_series(section: str, tmp_path: Path) -> None:
    write_series(builtin_specs()[section], tmp_path, TILE, [date(2024, 2, 29)], grids_of(section))
    assert scan_tile(builtin_specs()[section], tmp_path, TILE)[0].keys == ("20240229",)


@SENSORS
def test_an_invalid_date_is_reported(section: str, copy: Callable[[str], Path]) -> None:
    spec, root = builtin_specs()[section], copy(section)
    for path in sorted(folder_of(spec, root).iterdir()):
        if "20200229" in path.name:
            path.rename(path.with_name(path.name.replace("20200229", "20190229")))
    assert "20190229 is not a date" in refusal(spec, root)


@SENSORS
def test_a_stray_file_is_ignored_and_reported(section: str, copy: Callable[[str], Path]) -> None:
    spec, root = builtin_specs()[section], copy(section)
    folder = folder_of(spec, root)
    (folder / "quicklook.tif").write_bytes(b"II*\0")
    (folder / "new folder").mkdir()
    packed = product_name(spec, TILE, date(2018, 1, 1)) + ".zip"
    (folder / packed).write_bytes(b"PK")
    scene, notes = scan_tile(spec, root, TILE)
    assert scene.keys == IN_ORDER
    assert len(notes) == 1
    assert all(name in notes[0] for name in ("quicklook.tif", "new folder", packed))


@SENSORS
def test_a_product_of_another_tile_never_gets_into_the_series(section: str, copy: Callable[[str], Path]) -> None:
    """Detected by its name if names contain the tile, else by its position."""
    spec, root = builtin_specs()[section], copy(section)
    layers = synthetic_layers(spec, {"": AWAY}, np.random.default_rng(9), corner=False)
    write_product(spec, folder_of(spec, root), OTHER, date(2018, 8, 1), layers)
    if "(?P<tile>" in spec.product:
        scene, notes = scan_tile(spec, root, TILE)
        assert scene.keys == IN_ORDER
        assert len(notes) == 1
        assert "ignored, of another tile" in notes[0]
        assert "20180801" in notes[0]
    else:
        message = refusal(spec, root)
        assert "20180801" in message
        assert "is on another grid" in message


# ----------------------------------------------------------------------------------------------- files


@contextmanager
def kept(path: Path) -> Iterator[None]:
    """Restore a file at the end of the context, which is faster than a copy of the archive."""
    content = path.read_bytes()
    try:
        yield
    finally:
        path.write_bytes(content)


@pytest.mark.parametrize(("section", "pattern"), FILES)
def test_a_missing_file_is_listed_with_its_pattern(section: str, pattern: str, archives: Callable[[str], Path]) -> None:
    spec, root = builtin_specs()[section], archives(section)
    path = files_of(spec, root, pattern)[1]
    with kept(path):
        path.unlink()
        if all(getattr(item, "optional", False) for item in spec.parts if item.file == pattern):
            scene, _ = scan_tile(spec, root, TILE)
            assert [len(acquisition.masks) for acquisition in scene.acquisitions].count(len(spec.masks)) == 2
            return
        message = refusal(spec, root)
    assert f"1 of 3 products of {TILE} lack {pattern} (first: " in message
    assert "20180511" in message
    assert ": 1 problem\n" in message


@pytest.mark.parametrize("harm", HARMS)
@pytest.mark.parametrize("kind", ["band", "mask"])
@SENSORS
def test_a_file_that_cannot_be_used_is_reported_with_the_reason(
    section: str, kind: str, harm: str, archives: Callable[[str], Path]
) -> None:
    spec, root = builtin_specs()[section], archives(section)
    path = files_of(spec, root, (spec.bands if kind == "band" else spec.masks)[-1].file)[1]
    spoil, reason = HARMS[harm]
    with kept(path):
        spoil(path)
        message = refusal(spec, root)
    assert str(path) in message
    if harm == "north down" and path.suffix == ".jp2":  # they say the size of pixels without a sign
        reason = "is on another grid"
    assert reason in message
    assert ": 1 problem\n" in message, "a file that several bands or masks share is reported once"


@SENSORS
def test_another_number_of_bands_is_reported(section: str, copy: Callable[[str], Path]) -> None:
    spec, root = builtin_specs()[section], copy(section)
    paths = files_of(spec, root, spec.bands[0].file)
    with rasterio.open(paths[1]) as source:
        usual, first = source.count, source.read(1)
    rewritten(paths[1], first[None], count=usual + 2)
    message = refusal(spec, root)
    assert f"{paths[1]}: has {usual + 2} bands, {usual} on the other dates" in message
    assert f"Download or copy the files again, remove these products from {folder_of(spec, root)}, or set " in message
    if usual > 1:
        rewritten(paths[1], first[None], count=1)
        assert f"{paths[1]}: has 1 band, band {usual} is needed" in refusal(spec, root)


@SENSORS
def test_damaged_products_can_be_left_out(section: str, copy: Callable[[str], Path]) -> None:
    spec, root = builtin_specs()[section], copy(section)
    path = files_of(spec, root, spec.bands[0].file)[1]
    HARMS["a truncated end"][0](path)
    scene, notes = scan_tile(spec, root, TILE, skip_damaged=True)
    assert scene.keys == ("20180302", "20200229")
    assert len(notes) == 1
    assert "left out, damaged" in notes[0]
    assert str(path) in notes[0]


@SENSORS
def test_a_mask_on_another_grid_on_all_dates_is_reported_by_name(section: str, copy: Callable[[str], Path]) -> None:
    spec, root = builtin_specs()[section], copy(section)
    rule = spec.masks[0]
    for path in files_of(spec, root, rule.file):
        with rasterio.open(path) as source:
            quarter = source.transform @ Affine.translation(0.3, 0.3)
        rewritten(path, transform=quarter)
    message = refusal(spec, root)
    assert f"{rule.name} ({rule.file})" in message
    assert "is on another grid" in message


@pytest.mark.parametrize("which", ["band", "mask"])
@SENSORS
def test_a_file_that_covers_only_a_part_is_reported(section: str, which: str, copy: Callable[[str], Path]) -> None:
    """For a sensor with varying extents, when its other files of the date cover more."""
    spec, root = builtin_specs()[section], copy(section)
    path = files_of(spec, root, (spec.bands if which == "band" else spec.masks)[-1].file)[1]
    with rasterio.open(path) as source:
        bands = {
            k: Layer(source.read(k)[:5], GeoBox((5, source.width), source.transform, FINE.crs)) for k in source.indexes
        }
    write_raster(path, bands)
    message = refusal(spec, root)
    assert ("does not cover the image" if spec.varying_extent else f"{path}: has another size (") in message
