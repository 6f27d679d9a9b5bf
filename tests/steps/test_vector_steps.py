"""Steps from a map to whole polygons: regularisation, lines, patches of several cells."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox
from scipy import ndimage

from iota2.compute.coverage.cells import LineOptions
from iota2.compute.majority import first_pixels, most_frequent
from iota2.compute.regularise import Groups, regularised
from iota2.core.class_levels import unnamed_classes
from iota2.core.graph import Key, Resources
from iota2.errors import InputError
from iota2.io.rasters import map_squares
from iota2.io.rasters.map_source import map_source_text
from iota2.io.rasters.map_squares import Square, cell_pixels, squares_of, squares_text
from iota2.io.rasters.regular_grid import regular_grid, unit_pixels
from iota2.io.tables.class_levels import read_class_levels
from iota2.steps.inland_water import Sea
from iota2.steps.polygon_classes import ClassSources
from iota2.steps.vectors import joining, lines, polygons, regularisation
from iota2.steps.vectors.lines import LineParams
from iota2.steps.vectors.regularisation import VectorMapParams
from tests.steps.helpers import read_raster, run, several, write_raster

GRID = GeoBox((90, 121), Affine(10, 0, 300_000, 0, -10, 4_900_000), "EPSG:32631")
LEVELS = """\
Classes: {
  Level1: { Land: {code: 10, alias: land, color: '#aa0000'}, Water: {code: 20, alias: water, color: '#0000aa'} }
  Level2: {
    Crop: {code: 1, alias: crop, color: '#ffff00', parent: 10}
    Wood: {code: 2, alias: wood, color: '#00ff00', parent: 10}
    Lake: {code: 3, alias: lake, color: '#0000ff', parent: 20}
    River: {code: 4, alias: river, color: '#0055ff', parent: 20}
    Ocean: {code: 9, alias: ocean, color: '#0033cc', parent: 20} }
}"""
GROUPS = {1: 1, 2: 1, 3: 2, 4: 2, 9: 2}
GIVEN = VectorMapParams(umc1=4, umc2=3, rssize=20, mmu=2000, seed=0)
PLAIN = LineParams(angle=False, douglas=0, hermite=0, mmu=0)


def noisy(shape: tuple[int, int] = (90, 121)) -> np.ndarray:
    """Fields of four classes with speckle, and a part without label."""
    rng = np.random.default_rng(4)
    fields = np.kron(rng.integers(1, 5, (shape[0] // 10 + 1, shape[1] // 10 + 1)), np.ones((10, 10), int))
    labels = np.where(rng.random(shape) < 0.35, rng.integers(1, 5, shape), fields[: shape[0], : shape[1]])
    labels[20:30, 40:55] = 0
    return labels.astype(np.uint8)


def regular(
    folder: Path,
    labels: np.ndarray,
    given: VectorMapParams = GIVEN,
    *,
    use: Resources | None = None,
    dtype: str = "uint8",
    nodata: float | None = 0,
) -> np.ndarray:
    """The regularised map of the step."""
    write_raster(folder / "map.tif", labels, dtype, GRID, nodata=nodata)
    return regularised_map(folder, given, use)


def regularised_map(folder: Path, given: VectorMapParams, use: Resources | None = None) -> np.ndarray:
    """The same for an existing file."""
    path = str(folder / "map.tif")
    (folder / "source.json").write_text(map_source_text({"classification": path}, {path: "x"}), encoding="utf-8")
    out = {"map": "regul.tif", "style": "regul.qml", "classes": "classes.json"}
    run(regularisation.STEP, folder, {"source": "source.json"}, out, params=given, use=use)
    return read_raster(folder / "regul.tif")


def nomenclature(folder: Path) -> Path:
    path = folder / "levels.cfg"
    path.write_text(LEVELS, encoding="utf-8")
    return path


def expected(labels: np.ndarray, groups: Mapping[int, int] | None) -> np.ndarray:
    """The same on whole arrays."""
    if groups:
        labels = regularised(labels, 4, groups=Groups.of(groups, only=True))
    labels = regularised(labels, 4)
    rows, cols = (first_pixels(side, 10, -(-side // 2), 20) for side in labels.shape)
    labels = regularised(most_frequent(labels, rows, cols), 3)
    return regularised(labels, 5, groups=Groups.of(groups, only=False) if groups else None)


@pytest.mark.parametrize("use", [Resources(), Resources(block_shape=(17, 40)), Resources(3, block_shape=(90, 33))])
def test_the_map_is_regularised_by_groups_and_resampled_for_any_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, use: Resources
) -> None:
    monkeypatch.setattr(regularisation, "COPY_SHAPE", use.block_shape or (1024, 2048))
    given = VectorMapParams(4, 3, 20, 2000, 0, classes=ClassSources(nomenclature=nomenclature(tmp_path)))
    found = regular(tmp_path, noisy(), given, use=use)
    np.testing.assert_array_equal(found, expected(noisy(), GROUPS))
    assert found.shape == (45, 61)
    assert (found != expected(noisy(), None)).any(), "groups matter"
    levels = read_class_levels(tmp_path / "classes.json")
    assert levels.classes.names == ("Crop", "Wood", "Lake", "River", "Ocean")
    assert levels.above == (("Land", "Land", "Water", "Water", "Water"),)
    assert "Lake" in (tmp_path / "regul.qml").read_text(encoding="utf-8")


def test_without_nomenclature_each_code_is_a_class(tmp_path: Path) -> None:
    found = regular(tmp_path, noisy())
    np.testing.assert_array_equal(found, expected(noisy(), None))
    assert read_class_levels(tmp_path / "classes.json").classes.codes == (1, 2, 3, 4)


def test_without_units_and_larger_pixels_the_map_is_unchanged(tmp_path: Path) -> None:
    found = regular(tmp_path, noisy(), VectorMapParams(None, None, 10, 0, 0))
    np.testing.assert_array_equal(found, noisy())


def test_no_data_of_the_file_has_no_label_and_large_codes_are_kept(tmp_path: Path) -> None:
    labels = noisy().astype(np.int32) * 300
    labels[labels == 0] = -1
    found = regular(tmp_path, labels, VectorMapParams(None, None, 10, 0, 0), dtype="int32", nodata=-1)
    assert found.dtype == np.uint16
    np.testing.assert_array_equal(found, noisy().astype(np.uint16) * 300)


@pytest.mark.parametrize("nodata", [None, 77])
def test_pixels_that_a_mask_marks_have_no_label(tmp_path: Path, nodata: float | None) -> None:
    mask = np.full(GRID.shape, 255, np.uint8)
    mask[:20, :30] = 0
    profile = {"crs": str(GRID.crs), "transform": GRID.affine, "dtype": "uint8", "count": 1, "nodata": nodata}
    height, width = GRID.shape
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
        rasterio.open(tmp_path / "map.tif", "w", driver="GTiff", height=height, width=width, **profile) as file,
    ):
        file.write(noisy(), 1)
        file.write_mask(mask)
    found = regularised_map(tmp_path, VectorMapParams(None, None, 10, 0, 0))
    np.testing.assert_array_equal(found, np.where(mask, noisy(), 0))


@pytest.mark.parametrize(("value", "dtype"), [(-1, "int32"), (70_000, "int32"), (-3, "int8")])
def test_values_that_are_no_codes_are_refused(tmp_path: Path, value: int, dtype: str) -> None:
    labels = noisy().astype(dtype)
    labels[5, 5] = value
    with pytest.raises(InputError, match=f"has pixels of the value {value}; expected class codes from 1 to 65535"):
        regular(tmp_path, labels, dtype=dtype)


def test_all_values_that_are_no_codes_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(regularisation, "COPY_SHAPE", (30, 30))
    labels = noisy().astype(np.int32)
    labels[5, 5], labels[80, 100] = -1, 70_000
    with pytest.raises(InputError, match="has pixels of the values -1, 70000;"):
        regular(tmp_path, labels, dtype="int32")
    monkeypatch.setattr(regularisation, "MAX_WRONG", 0)
    with pytest.raises(InputError, match="has pixels of the value -1;"):
        regular(tmp_path, labels, dtype="int32")


def test_classes_have_the_names_or_the_colours_of_one_file(tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("a:1\nb:2\nc:3\nd:4\n", encoding="utf-8")
    (tmp_path / "colors.txt").write_text("".join(f"{code} {code} 0 0\n" for code in range(1, 5)), encoding="utf-8")
    regular(tmp_path, noisy(), replace(GIVEN, classes=ClassSources(names=tmp_path / "names.txt")))
    found = read_class_levels(tmp_path / "classes.json").classes
    assert found.names == ("a", "b", "c", "d")
    assert found.colors == unnamed_classes([1, 2, 3, 4]).colors
    regular(tmp_path, noisy(), replace(GIVEN, classes=ClassSources(colors=tmp_path / "colors.txt")))
    levels = read_class_levels(tmp_path / "classes.json")
    assert levels.classes.names == ("1", "2", "3", "4")
    assert levels.aliases == ("class_1", "class_2", "class_3", "class_4")
    assert levels.classes.colors == ((1, 0, 0), (2, 0, 0), (3, 0, 0), (4, 0, 0))


def test_a_map_without_classes_needs_no_names(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "names.txt").write_text("a:1\n", encoding="utf-8")
    given = replace(GIVEN, classes=ClassSources(names=tmp_path / "names.txt"))
    assert not regular(tmp_path, np.zeros(GRID.shape, np.uint8), given).any()
    assert "no pixel has a class: there are no polygons" in caplog.text


def test_lines_are_drawn_with_ten_metres_in_map_units_by_default() -> None:
    params = LineParams(True, None, None, mmu=1000)
    assert params.options(GRID) == LineOptions(True, 10, 10, 1000)
    assert replace(params, hermite=0.0).options(GRID).longest_segment == 0
    degrees = GeoBox((100, 100), Affine(1e-4, 0, 1, 0, -1e-4, 60.005), "EPSG:4326")
    assert params.options(degrees).tolerance == pytest.approx(10 / (111_195 * 0.5), rel=1e-3)
    feet = GeoBox((100, 100), GRID.affine, "EPSG:2272")
    assert params.options(feet).tolerance == pytest.approx(32.8, rel=1e-3)


def test_codes_that_are_no_classes_are_refused(tmp_path: Path) -> None:
    labels = noisy()
    labels[5, 5:7] = 8, 7
    given = VectorMapParams(4, 3, 20, 2000, 0, classes=ClassSources(nomenclature=nomenclature(tmp_path)))
    with pytest.raises(InputError, match="the map has pixels of the codes 7, 8, which are no classes of"):
        regular(tmp_path, labels, given)


@pytest.mark.parametrize("levels", [True, False])
def test_water_outside_the_polygons_of_inland_water_is_the_sea(tmp_path: Path, levels: bool) -> None:
    lake = shapely.box(300_000 + 100, 4_900_000 - 600, 300_000 + 505, 4_900_000 - 100)
    frame = gpd.GeoDataFrame(geometry=[lake], crs="EPSG:32631").to_crs("EPSG:4326")
    frame.to_file(tmp_path / "inland.gpkg")
    classes = ClassSources(nomenclature(tmp_path) if levels else None, sea=9)
    given = VectorMapParams(None, None, 10, 0, 0, Sea(tmp_path / "inland.gpkg", "", 3, 9), classes)
    found = regular(tmp_path, noisy(), given)
    inside = np.zeros(found.shape, bool)
    inside[10:60, 10:50] = True
    np.testing.assert_array_equal(found, np.where((noisy() == 3) & ~inside, 9, noisy()))
    names = read_class_levels(tmp_path / "classes.json").classes.names
    assert names[-1] == ("Ocean" if levels else "Sea")


def test_no_scratch_file_remains(tmp_path: Path) -> None:
    regular(tmp_path, noisy())
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


# ---------------------------------------------------------------------------------------------------- polygons


def vectorised(
    folder: Path, labels: np.ndarray, gridsize: int | None, given: LineParams
) -> tuple[gpd.GeoDataFrame, str]:
    """The polygons of all squares in the order of cells, and a digest of them."""
    folder.mkdir()
    write_raster(folder / "regul.tif", labels, "uint8", GRID, nodata=0)
    squares = squares_of(labels.shape, gridsize)
    (folder / "squares.json").write_text(squares_text(squares), encoding="utf-8")
    both = {"map": "regul.tif", "squares": "squares.json"}
    names = ("complete", "pieces", "sides", "homes", "foreign", "polygons")
    of = {square: {name: f"{name}_{square}" for name in names} for square in squares}
    for square in squares:
        out = {name: of[square][name] for name in ("complete", "pieces", "sides")}
        run(lines.STEP, folder, both, out, key=Key.of(square=square), params=given)
    each = {name: several("square", {square: of[square][name] for square in squares}) for name in names}
    inp = {**both, "sides": each["sides"], "pieces": each["pieces"]}
    run(joining.STEP, folder, inp, {"homes": each["homes"], "foreign": each["foreign"]})
    frames = []
    for square in squares:
        inp = {**both, **{name: of[square][name] for name in ("complete", "pieces", "homes", "foreign")}}
        out = {"polygons": of[square]["polygons"]}
        run(polygons.STEP, folder, inp, out, key=Key.of(square=square))
        frames.append(gpd.read_parquet(folder / of[square]["polygons"]))
    found = pd.concat(frames).sort_values(["cell_row", "cell_col", "patch"])
    digest = hashlib.sha256(found["code"].to_numpy().tobytes())
    for polygon in shapely.to_wkb(found.geometry.to_numpy()):
        digest.update(polygon)
    return found, digest.hexdigest()


def patch_count(labels: np.ndarray) -> int:
    return sum(ndimage.label(labels == code)[1] for code in np.unique(labels[labels > 0]))


@pytest.mark.parametrize(
    "given", [PLAIN, LineParams(True, 10, 10, mmu=0), LineParams(True, 10, 10, mmu=400)], ids=["plain", "lines", "mmu"]
)
def test_polygons_are_whole_patches_and_do_not_depend_on_squares(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: LineParams
) -> None:
    monkeypatch.setattr(map_squares, "CELL_PIXELS", 32)
    labels = regularised(noisy(), 4)
    made = {size: vectorised(tmp_path / str(size), labels, size, given) for size in (None, 1, 2, 3)}
    assert len({digest for _, digest in made.values()}) == 1
    frame, _ = made[None]
    shapes = frame.geometry.to_numpy()
    assert len(frame) == len(shapely.get_parts(shapes)) == patch_count(labels)
    assert shapely.coverage_is_valid(shapes)
    assert shapely.area(shapes).sum() == 100 * (labels > 0).sum()
    assert (shapely.area(shapes).min() >= 400) == (given == PLAIN or given.mmu > 0)
    if not given.angle:
        for code in (1, 2, 3, 4):
            assert shapely.area(shapes[frame["code"] == code]).sum() == 100 * (labels == code).sum()


def test_a_map_without_label_has_no_polygons(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(map_squares, "CELL_PIXELS", 64)
    frame, _ = vectorised(tmp_path / "empty", np.zeros((90, 121), np.uint8), None, PLAIN)
    assert frame.empty
    assert frame.crs == "EPSG:32631"


def test_squares_cover_all_cells_once() -> None:
    for gridsize in (None, 1, 2, 3, 50):
        squares = squares_of((5000, 3000), gridsize)
        cells = [cell for square in squares.values() for cell in square.cells]
        assert sorted(cells) == [(row, col) for row in range(5) for col in range(3)]
        assert sum(square.pixels((5000, 3000)) for square in squares.values()) == 5000 * 3000
    assert squares_of((5000, 3000), 2)["1_0"] == Square((2, 5), (0, 1))
    assert cell_pixels((4, 2), (5000, 3000)) == ((4096, 5000), (2048, 3000))
    assert cell_pixels((6, 2), (5000, 3000)) == ((5000, 5000), (2048, 3000))


def test_pixels_become_only_coarser() -> None:
    assert regular_grid(GRID, 20).shape == (45, 61)
    assert regular_grid(GRID, 5) == GRID
    feet = GeoBox((90, 121), Affine(10, 0, 0, 0, -10, 0), "EPSG:2225")
    assert regular_grid(feet, 10).affine.a == pytest.approx(32.8, abs=0.01)
    degrees = GeoBox((100, 100), Affine(0.0001, 0, 1, 0, -0.0001, 60), "EPSG:4326")
    grid = regular_grid(degrees, 20)
    assert grid.affine.a == pytest.approx(20 / 111_320 / 0.5, rel=0.01)


def test_the_unit_in_pixels_has_at_least_its_area() -> None:
    degrees = GeoBox((100, 100), Affine(0.0001, 0, 1, 0, -0.0001, 60), "EPSG:4326")
    assert unit_pixels(GRID, 1000) == 10
    assert unit_pixels(GRID, 1001) == 11
    assert unit_pixels(degrees, 1000) == pytest.approx(1000 / (11.1 * 5.6), abs=1)


def test_files_of_the_survey_are_read_as_written(tmp_path: Path) -> None:
    squares: Any = squares_of((3000, 3000), 2)
    (tmp_path / "squares.json").write_text(squares_text(squares), encoding="utf-8")
    assert map_squares.read_squares(tmp_path / "squares.json") == squares
