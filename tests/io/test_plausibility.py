"""Impossible pixel values are errors with the file name, doubtful values give notes, plausible values give neither."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox

from iota2.core.grid import block_of
from iota2.core.remarks import texts_of
from iota2.core.scene import Scene
from iota2.core.sensor import SensorSpec
from iota2.errors import DamagedProduct, InputError
from iota2.io.archive.layers import layer_options, scan_layers
from iota2.io.archive.products import native_geobox, scan_tile
from iota2.io.archive.specs import parse_spec
from iota2.io.plausibility import check_values
from iota2.io.series.reader import CubeReader
from tests.io.test_tiff_tables import zero

TILE = "T31TCJ"
DAYS = tuple(date(2018, 3, 1) + timedelta(days=15 * k) for k in range(6))
THIRD = "OWN_20180331"
GRID = GeoBox((160, 160), Affine(10, 0, 300000, 0, -10, 4900020), "EPSG:32631")
SPEC = parse_spec(
    """
name: Own
section: Own
product: '^OWN_(?P<date>\\d{8})'
bands:
  - {name: GREEN, file: '*_green.tif'}
  - {name: RED, file: '*_red.tif', role: red}
  - {name: NIR, file: '*_nir.tif', role: nir}
  - {name: SWIR, file: '*_swir.tif', role: swir}
masks: [{name: CLOUD, file: '*_cloud.tif', optional: true}]
nodata: -10000
""",
    source="own.yaml",
)
MEANS = {"GREEN": 700, "RED": 600, "NIR": 3000, "SWIR": 1800}
Change = Callable[[np.ndarray], np.ndarray]


def save(path: Path, values: np.ndarray, tag: float | None = None, **form: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    place = {"crs": str(GRID.crs), "transform": GRID.affine, "nodata": tag, "compress": "deflate", **form}
    height, width = values.shape
    with rasterio.open(
        path, "w", driver="GTiff", height=height, width=width, count=1, dtype=values.dtype, **place
    ) as f:
        f.write(values, 1)


def archive(
    root: Path,
    changes: Mapping[tuple[int, str], Change] | None = None,
    *,
    clouds: bool = False,
    every: Change = lambda values: values,
    tag: float | None = -10000,
) -> Path:
    """Write six dates of four bands with growing values; ``changes``: modified bands by (date number, band).

    ``every``: modification of all bands. ``tag``: nodata tag of the files.
    """
    rng = np.random.default_rng(3)
    field = rng.uniform(0.5, 1.5, GRID.shape)
    for t, day in enumerate(DAYS):
        name = f"OWN_{day:%Y%m%d}"
        cloud = np.zeros(GRID.shape, bool)
        cloud[:, : 25 * t] = clouds
        for band, mean in MEANS.items():
            values = field * mean * (1 + 0.1 * t) + rng.normal(0, 20, GRID.shape)
            values[cloud] = 9000
            values = every(values.astype("int16"))
            values = (changes or {}).get((t, band), lambda same: same)(values)
            own = tag if tag is None or values.dtype.kind == "f" or np.iinfo(values.dtype).min <= tag else None
            save(root / TILE / name / f"{name}_{band.lower()}.tif", values, own)
        if clouds:
            save(root / TILE / name / f"{name}_cloud.tif", cloud.astype("uint8"))
    return root


def checked(root: Path, spec: SensorSpec = SPEC, bands: tuple[str, ...] = tuple(MEANS)) -> list[str]:
    sensor, _ = scan_tile(spec, root, TILE)
    return [*texts_of(check_values(Scene(TILE, native_geobox(sensor), (sensor,)), {"Own": bands}))]


def refusal(root: Path, spec: SensorSpec = SPEC) -> DamagedProduct:
    with pytest.raises(DamagedProduct) as caught:
        checked(root, spec)
    return caught.value


@pytest.mark.parametrize("clouds", [False, True])
def test_a_plausible_series_gives_no_note(tmp_path: Path, clouds: bool) -> None:
    assert checked(archive(tmp_path, clouds=clouds)) == []


def as_fractions(values: np.ndarray) -> np.ndarray:
    return (values / 10000).astype("float32")


@pytest.mark.parametrize("clouds", [False, True])
@pytest.mark.parametrize(
    "change",
    [
        as_fractions,
        lambda values: (values / 10000).astype("float64"),
        lambda values: values // 10000,
        np.zeros_like,
        lambda values: values.view("float16").astype("float32") * 0 + 1e-5,
    ],
    ids=["float32", "float64", "int16", "zeros", "denormal"],
)
def test_a_band_of_one_date_from_0_to_1_is_an_error_with_its_file(tmp_path: Path, change: Change, clouds: bool) -> None:
    error = refusal(archive(tmp_path, {(2, "NIR"): change}, clouds=clouds))
    assert error.product == THIRD
    assert Path(error.path).name == f"{THIRD}_nir.tif"
    assert f"{error.path}: values of band NIR are impossible" in str(error)
    assert "the median of other dates is 3" in str(error)
    assert "chain.skip_damaged_products" in str(error)


def test_all_bands_of_a_date_divided_by_10000_are_one_error(tmp_path: Path) -> None:
    error = refusal(archive(tmp_path, {(2, band): as_fractions for band in MEANS}))
    assert "Also affected in this product: RED, NIR, SWIR" in str(error)


def test_further_products_with_impossible_values_are_named(tmp_path: Path) -> None:
    error = refusal(archive(tmp_path, {(t, "RED"): as_fractions for t in (1, 4)}))
    assert (error.product, "Other products affected: OWN_20180430." in str(error)) == ("OWN_20180316", True)


def test_bands_that_are_not_used_are_not_checked(tmp_path: Path) -> None:
    archive(tmp_path, {(2, "GREEN"): as_fractions})
    assert checked(tmp_path, bands=("RED", "NIR")) == []


def test_a_whole_series_from_0_to_1_gives_a_note_on_the_scale(tmp_path: Path) -> None:
    archive(tmp_path, every=as_fractions)
    (note,) = checked(tmp_path)
    assert "values of GREEN, RED, NIR, SWIR range from 0 to 2" in note
    assert "set `scale: 10000`" in note
    assert checked(tmp_path, replace(SPEC, scale=10000.0)) == []


@pytest.mark.parametrize("hole", [slice(None, None, 3), (slice(80, 82), slice(80, 84))], ids=["many", "eight"])
def test_nodata_read_without_its_sign_is_an_error(tmp_path: Path, hole: slice | tuple[slice, slice]) -> None:
    def unsigned(values: np.ndarray) -> np.ndarray:
        values = values.copy()
        values[hole] = -10000
        return values.view("uint16").astype("int32")

    error = refusal(archive(tmp_path, {(2, "RED"): unsigned}))
    assert Path(error.path).name == f"{THIRD}_red.tif"
    assert "55536, which is nodata -10000 read without its sign" in str(error)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda values: values // 100, "NIR median "),
        (lambda values: (values / 100).astype("float32"), "NIR median "),
        (lambda values: (values * 100.0).astype("float32"), "NIR median "),
        (lambda values: np.full_like(values, 3300), "NIR all sampled pixels are 3300"),
    ],
    ids=["hundredth", "percent", "hundredfold", "constant"],
)
def test_a_date_unlike_the_others_gives_a_note_with_numbers(tmp_path: Path, change: Change, message: str) -> None:
    notes = checked(archive(tmp_path, {(2, "NIR"): change}))
    (note,) = [note for note in notes if "unlike those of the other dates" in note]
    assert f"values of 1 of 6 products are unlike those of the other dates: {THIRD} ({message}" in note


def tenfold(values: np.ndarray) -> np.ndarray:
    return (values.astype("int32") * 10).clip(-32768, 32767).astype("int16")


@pytest.mark.parametrize(
    ("changed", "change"),
    [
        (("RED",), tenfold),
        (("GREEN",), tenfold),
        (("GREEN",), lambda values: values // 10),
        (("SWIR",), lambda values: values // 10),
        (tuple(MEANS), lambda values: values // 10),
        (tuple(MEANS), lambda values: values.astype("int32") * 10),
    ],
)
@pytest.mark.parametrize("clouds", [False, True])
def test_ten_times_or_a_tenth_of_the_other_dates_gives_a_note(
    tmp_path: Path, changed: tuple[str, ...], change: Change, clouds: bool
) -> None:
    notes = checked(archive(tmp_path, {(2, band): change for band in changed}, clouds=clouds))
    (note,) = [note for note in notes if "unlike those of the other dates" in note]
    assert f"values of 1 of 6 products are unlike those of the other dates: {THIRD} ({changed[0]} median " in note
    assert [band for band in MEANS if f"{band} median" in note] == [*changed]


@pytest.mark.parametrize("pair", [("RED", "NIR"), ("GREEN", "SWIR"), ("NIR", "SWIR")])
def test_bands_that_are_swapped_on_one_date_give_a_note(tmp_path: Path, pair: tuple[str, str]) -> None:
    archive(tmp_path)
    first, second = (tmp_path / TILE / THIRD / f"{THIRD}_{band.lower()}.tif" for band in pair)
    content = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(content)
    (note,) = checked(tmp_path)
    assert f"which is usual for {pair[0]}: they may be swapped" in note
    assert f"which is usual for {pair[1]}: they may be swapped" in note


def test_harvest_and_snow_give_no_note(tmp_path: Path) -> None:
    factors = {
        1: {"GREEN": 1.6, "RED": 4.0, "NIR": 0.7, "SWIR": 1.5},
        4: {"GREEN": 9, "RED": 10, "NIR": 2, "SWIR": 0.3},
    }
    changes = {
        (t, band): lambda values, factor=factor: (values * factor).clip(0, 16000).astype("int16")
        for t, bands in factors.items()
        for band, factor in bands.items()
    }
    assert checked(archive(tmp_path, changes)) == []


@pytest.mark.parametrize("wrong", [(0, 1, 2, 3), (0, 1, 3, 4, 5)])
def test_values_from_0_to_1_on_most_dates_are_an_error(tmp_path: Path, wrong: tuple[int, ...]) -> None:
    error = refusal(archive(tmp_path, {(t, "NIR"): as_fractions for t in wrong}))
    assert error.product == "OWN_20180301"
    assert "Other products affected: " in str(error)


@pytest.mark.parametrize("kind", ["int32", "uint32"])
def test_floats_declared_as_integers_are_an_error(tmp_path: Path, kind: str) -> None:
    error = refusal(archive(tmp_path, {(2, "RED"): lambda values: values.astype("float32").view(kind)}))
    assert error.product == THIRD
    assert "the median is 1.1" in str(error)


@pytest.mark.parametrize("void", [-9999, -32768, -999])
@pytest.mark.parametrize("declared", [-10000.0, None])
def test_a_few_undeclared_nodata_values_give_a_note(tmp_path: Path, void: int, declared: float | None) -> None:
    def holes(values: np.ndarray) -> np.ndarray:
        values = values.copy()
        values[80:84, 80:90] = void
        return values

    (note,) = checked(archive(tmp_path, {(2, "RED"): holes}, tag=declared), replace(SPEC, nodata=declared))
    assert "files of 1 of 6 products contain values that look like nodata" in note
    assert f"{THIRD} (RED {void} in " in note
    path = tmp_path / TILE / THIRD / f"{THIRD}_red.tif"
    with rasterio.open(path, "r+") as file:
        file.nodata = void
    assert checked(tmp_path, replace(SPEC, nodata=declared)) == []


def test_extremely_large_values_of_images_give_a_note(tmp_path: Path) -> None:
    def holes(values: np.ndarray) -> np.ndarray:
        found = values.astype("float32")
        found[80:84, 80:90] = 3.4e38
        return found

    (note,) = checked(archive(tmp_path, every=holes, tag=None))
    assert "OWN_20180301 (GREEN 3.4e+38 in " in note


def test_undeclared_nodata_values_of_radar_give_a_note(tmp_path: Path) -> None:
    def decibels(values: np.ndarray) -> np.ndarray:
        found = (10 * np.log10(np.maximum(values, 1) / 1e6)).astype("float32")
        found[80:84, 80:90] = -9999
        return found

    (note,) = checked(archive(tmp_path, every=decibels), replace(SPEC, spectral=False))
    assert "files of 6 of 6 products contain values that look like nodata" in note


def test_many_negative_values_and_indices_above_1_give_notes_with_the_product(tmp_path: Path) -> None:
    shifted = {(2, band): lambda values: values - 1000 for band in MEANS}
    negative, index = checked(archive(tmp_path, shifted))
    assert f"negative in more than 5 % of the pixels, as with a wrong offset or scale: {THIRD} (GREEN " in negative
    assert "RED " in negative
    assert "NIR" not in negative
    assert "indices of 1 of 6 products are outside -1 to 1 in more than 5 % of the pixels" in index
    assert f"{THIRD} (NDVI " in index


def test_products_with_the_same_problem_give_one_note(tmp_path: Path) -> None:
    shifted = {(t, band): lambda values: values - 1000 for band in MEANS for t in range(6)}
    notes = checked(archive(tmp_path, shifted))
    assert len(notes) == 2
    assert "values of 6 of 6 products are negative" in notes[0]
    assert "and 1 more" in notes[0]


def test_a_few_negative_values_give_no_note(tmp_path: Path) -> None:
    def some(values: np.ndarray) -> np.ndarray:
        values = values.copy()
        values[::40] = -50
        return values

    assert checked(archive(tmp_path, {(2, "RED"): some})) == []


def test_values_above_twice_a_reflectance_of_1_give_a_note(tmp_path: Path) -> None:
    notes = checked(archive(tmp_path, {(t, "NIR"): lambda values: values + 20000 for t in range(6)}))
    assert any("values of 6 of 6 products are above 20000" in note for note in notes)


def test_a_date_with_few_or_no_values_gives_no_note(tmp_path: Path) -> None:
    def empty(values: np.ndarray) -> np.ndarray:
        return np.full_like(values, -10000)

    def corner(values: np.ndarray) -> np.ndarray:
        few = np.full_like(values, -10000)
        few[:3, :3] = 1
        return few

    changes = {(2, band): empty for band in MEANS} | {(3, band): corner for band in MEANS}
    assert checked(archive(tmp_path, changes)) == []


def test_bright_values_under_clouds_give_no_note(tmp_path: Path) -> None:
    changes: dict[tuple[int, str], Change] = {(t, "RED"): lambda values: values // 3 for t in range(6)}
    changes[2, "RED"] = lambda values: values % 3000 + 14000
    archive(tmp_path, changes, clouds=True)
    path = tmp_path / TILE / THIRD / f"{THIRD}_cloud.tif"
    save(path, np.ones(GRID.shape, "uint8"))
    assert checked(tmp_path) == []
    save(path, np.zeros(GRID.shape, "uint8"))
    (note,) = [note for note in checked(tmp_path) if "unlike those of the other dates" in note]
    assert THIRD in note


def test_sensors_that_are_not_spectral_may_have_small_and_negative_values(tmp_path: Path) -> None:
    archive(tmp_path, every=lambda values: (10 * np.log10(np.maximum(values, 1) / 1e6)).astype("float32"))
    assert checked(tmp_path, replace(SPEC, spectral=False)) == []


# ------------------------------------------------------------------------------------------------- tables of blocks


@pytest.mark.parametrize("tags", [(273,), (279,), (273, 279)], ids=["offsets", "lengths", "both"])
@pytest.mark.parametrize("name", ["red", "cloud"])
def test_a_zeroed_table_of_strips_is_an_error_with_its_file(tmp_path: Path, tags: tuple[int, ...], name: str) -> None:
    archive(tmp_path, clouds=True)
    path = tmp_path / TILE / THIRD / f"{THIRD}_{name}.tif"
    zero(path, tags)
    error = refusal(tmp_path)
    assert (error.product, error.path) == (THIRD, str(path))
    assert "table of strips or tiles is damaged" in str(error)


@pytest.mark.parametrize(("nodata", "notes"), [(-10000.0, 0), (None, 1)])
def test_a_sparse_file_gives_a_note_if_absent_blocks_are_read_as_values(
    tmp_path: Path, nodata: float | None, notes: int
) -> None:
    archive(tmp_path, tag=nodata)
    path = tmp_path / TILE / THIRD / f"{THIRD}_red.tif"
    with rasterio.open(path) as source:
        values, profile = source.read(1), source.profile
    form = {"tiled": True, "blockxsize": 16, "blockysize": 16, "SPARSE_OK": True}
    with rasterio.open(path, "w", **{**profile, **form}) as file:
        file.write(values[:128], 1, window=((0, 128), (0, 160)))
    found = checked(tmp_path, replace(SPEC, nodata=nodata))
    assert len(found) == notes
    assert all(f"{path} (20 of 100 blocks)" in note for note in found)


# ------------------------------------------------------------------------------------------------------------ layers


def layer_notes(
    root: Path, values: np.ndarray, *, tag: float | None = None, missing: tuple[float, ...] = ()
) -> list[str]:
    save(root / TILE / "ALT.tif", values, tag)
    layers = scan_layers(layer_options(root, "/*", ["ALT"], "cubic", missing).spec, root, TILE)
    return [*texts_of(check_values(Scene(TILE, GRID, (layers,)), {}))]


def terrain(kind: str) -> np.ndarray:
    return np.random.default_rng(5).uniform(120, 900, GRID.shape).astype(kind)


@pytest.mark.parametrize(
    ("kind", "void", "shown"),
    [
        ("int16", -32768, "-32768"),
        ("int16", -9999, "-9999"),
        ("int16", 32767, "32767"),
        ("float32", -9999, "-9999"),
        ("float32", -99999, "-99999"),
        ("float32", 3.4e38, "3.4e+38"),
        ("float32", -3.4028234663852886e38, "-3.40282e+38"),
        ("float32", 1e20, "1e+20"),
        ("float32", -5000, "-5000"),
        ("int32", 2147483647, "2147483648"),
    ],
)
def test_undeclared_nodata_of_a_layer_is_counted_in_a_note(tmp_path: Path, kind: str, void: float, shown: str) -> None:
    values = terrain(kind)
    values[20:30, 40:50] = void
    (note,) = layer_notes(tmp_path, values)
    assert f"userFeat, tile {TILE}: layer ALT_band_0 (" in note
    assert f"contains {shown} in 100 pixels of 25600" in note
    assert f"set userFeat.nodata to [{shown}]" in note
    assert layer_notes(tmp_path, values, missing=(void,)) == []
    assert layer_notes(tmp_path, values, tag=void) == []


def test_two_undeclared_nodata_values_are_both_in_the_note(tmp_path: Path) -> None:
    values = terrain("int16")
    values[20:30, 40:50], values[60:65, 60:65] = -32768, -9999
    (note,) = layer_notes(tmp_path, values)
    assert "contains -32768 in 100 pixels, -9999 in 25 pixels of 25600" in note


def test_pixels_that_are_not_a_number_are_counted(tmp_path: Path) -> None:
    values = terrain("float32")
    values[:2] = np.nan
    (note,) = layer_notes(tmp_path, values)
    assert "is NaN or infinite in 320 pixels of 25600: these pixels are treated as missing" in note
    assert layer_notes(tmp_path, values, tag=float("nan")) == []


@pytest.mark.parametrize(
    "values",
    [
        terrain("int16"),
        np.linspace(-12000, 3000, 25600).reshape(GRID.shape).astype("int16"),
        np.where(terrain("float32") < 400, 0, terrain("float32")),
        np.random.default_rng(1).choice([1, 3, 200], GRID.shape).astype("uint8"),
        np.zeros(GRID.shape, "float32"),
        np.random.default_rng(1).uniform(0, 360, GRID.shape).astype("float32"),
    ],
    ids=["terrain", "sea floor", "flat", "codes", "constant", "aspect"],
)
def test_layers_without_nodata_give_no_note(tmp_path: Path, values: np.ndarray) -> None:
    assert layer_notes(tmp_path, values) == []


@pytest.mark.parametrize("form", [{}, {"compress": "none"}, {"tiled": True, "blockxsize": 32, "blockysize": 32}])
@pytest.mark.parametrize("part", [slice(None), slice(1, 2)], ids=["all", "one"])
def test_a_layer_with_a_zeroed_table_of_blocks_is_an_error_with_its_file(
    tmp_path: Path, form: dict[str, object], part: slice
) -> None:
    path = tmp_path / TILE / "ALT.tif"
    save(path, terrain("int16"), **form)
    zero(path, (273, 279, 324, 325), part)
    layers = scan_layers(layer_options(tmp_path, "/*", ["ALT"], "cubic").spec, tmp_path, TILE)
    with pytest.raises(InputError) as caught:
        check_values(Scene(TILE, GRID, (layers,)), {})
    assert f"{path}: " in str(caught.value)
    assert "table of strips or tiles is damaged. Download or create the file again." in str(caught.value)


@pytest.mark.parametrize(("void", "written"), [(3.4028234663852886e38, 3.4e38), (-3.4028234663852886e38, -3.40282e38)])
def test_extremely_large_nodata_values_may_be_configured_with_few_digits(
    tmp_path: Path, void: float, written: float
) -> None:
    values = terrain("float32")
    values[20:30, 40:50] = void
    assert layer_notes(tmp_path, values, missing=(written,)) == []
    layers = scan_layers(layer_options(tmp_path, "/*", ["ALT"], "cubic", (written,)).spec, tmp_path, TILE)
    scene = Scene(TILE, GRID, (layers,))
    with CubeReader(scene, {layers.spec.name: layers.spec.band_names}) as reader:
        cube = reader.read(block_of(TILE, GRID, (0, 160), (0, 160)))[layers.spec.name]
    assert np.count_nonzero(~cube.valid) == 100


def test_undeclared_nodata_of_a_small_uint8_layer_is_found(tmp_path: Path) -> None:
    values = (terrain("int16") // 10).astype("uint8")
    values[20:30, 40:50] = 255
    (note,) = layer_notes(tmp_path, values)
    assert "contains 255 in 100 pixels" in note


def test_a_file_that_cannot_be_read_is_reported_as_the_reason_for_unchecked_values(tmp_path: Path) -> None:
    archive(tmp_path)
    path = tmp_path / TILE / THIRD / f"{THIRD}_red.tif"
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle - 3000 : middle + 3000] = b"\xff" * 6000
    path.write_bytes(content)
    (note,) = checked(tmp_path)
    assert note.startswith(f"Own, tile {TILE}: values are not checked: tile {TILE}: {path}: cannot be read")


def overcast(root: Path, date_number: int) -> None:
    """Mask all pixels of a date as clouds."""
    name = f"OWN_{DAYS[date_number]:%Y%m%d}"
    save(root / TILE / name / f"{name}_cloud.tif", np.ones(GRID.shape, "uint8"))


@pytest.mark.parametrize("value", [4200, 25000, -300], ids=["one value", "huge", "negative"])
def test_doubtful_values_of_a_date_entirely_under_clouds_give_no_note(tmp_path: Path, value: int) -> None:
    changes = {(2, band): lambda values: np.full_like(values, value) for band in ("GREEN", "NIR")}
    archive(tmp_path, changes, clouds=True)
    assert checked(tmp_path) != []
    overcast(tmp_path, 2)
    assert checked(tmp_path) == []


def test_impossible_values_of_a_date_entirely_under_clouds_are_an_error(tmp_path: Path) -> None:
    archive(tmp_path, {(2, "NIR"): as_fractions}, clouds=True)
    overcast(tmp_path, 2)
    assert refusal(tmp_path).product == THIRD
