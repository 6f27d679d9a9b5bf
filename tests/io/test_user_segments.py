"""The user's segmentation as a raster of segment numbers on the grid of a tile."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow as pa
import pyogrio
import pytest
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox
from pyarrow import parquet
from shapely import LineString, Point, Polygon, box

from iota2.errors import InputError, MissingField
from iota2.io import user_segments
from iota2.io.rasters.rasterize import rasterize
from iota2.io.tables.vector_polygons import RowNumbers
from iota2.io.user_segments import check_user_segments, has_polygons, user_polygons, write_user_segments

CRS = "EPSG:32631"
X, Y = 500_000, 4_800_000
TILE = GeoBox((40, 60), Affine(10, 0, X, 0, -10, Y), CRS)
FORMATS = ("shp", "gpkg", "sqlite", "geojson", "parquet")
MEMORY = 64 << 20


def square(col, row, size=3, height=None) -> Polygon:
    """Pixels of the tile as a polygon."""
    bottom = Y - 10 * (row + (height or size))
    return box(X + 10 * col, bottom, X + 10 * (col + size), Y - 10 * row)


def frame(*polygons, crs=CRS, **columns) -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame(columns, geometry=list(polygons), crs=crs)


def stored(folder, polygons: gpd.GeoDataFrame, suffix="gpkg", **options):
    path = folder / f"segments.{suffix}"
    if suffix == "parquet":
        polygons.to_parquet(path, **options)
    elif suffix == "geojson":
        pyogrio.write_dataframe(polygons.to_crs("EPSG:4326"), path, COORDINATE_PRECISION=12)
    else:
        pyogrio.write_dataframe(polygons, path, driver="SQLite" if suffix == "sqlite" else None, **options)
    return path


def written(path, tmp_path, field=None, *, tile=TILE, memory=MEMORY):
    """The segments of a tile, and the raster, which is checked against them."""
    out = tmp_path / "out" / "segments.tif"
    found = write_user_segments(path, field, tile, out, memory)
    with rasterio.open(out) as raster:
        numbers = raster.read(1)
        assert (raster.dtypes, raster.nodata, raster.crs, raster.transform) == (("uint32",), 0, CRS, tile.affine)
    assert numbers.shape == tile.shape
    assert found.ids.dtype == np.int64
    assert (np.diff(found.ids) > 0).all()
    assert np.setdiff1d(numbers, 0).tolist() == [*range(1, len(found.ids) + 1)]
    return found, numbers


def pixels_of(numbers) -> list[int]:
    """Pixels of each segment."""
    return np.bincount(numbers.ravel())[1:].tolist()


def ids_of(found, numbers) -> np.ndarray:
    """(y, x) id of each pixel; -1 outside."""
    return np.concatenate([[-1], found.ids])[numbers]


def refusal(path, tmp_path, field=None) -> str:
    (tmp_path / "out" / "segments.tif").unlink(missing_ok=True)
    with pytest.raises(InputError) as caught:
        written(path, tmp_path, field)
    assert not (tmp_path / "out" / "segments.tif").exists()
    return str(caught.value)


def early_refusal(path, tmp_path, field=None) -> str:
    """The message of the check, which the writing repeats."""
    with pytest.raises(InputError) as caught:
        check_user_segments(path, field)
    assert refusal(path, tmp_path, field) == str(caught.value)
    return str(caught.value)


# -------------------------------------------------------------------------------------------- polygons


@pytest.mark.parametrize("suffix", FORMATS)
def test_every_vector_format_gives_the_same_segments(tmp_path, suffix):
    disc = Point(X + 300, Y - 200).buffer(90) - Point(X + 300, Y - 200).buffer(42)
    polygons = frame(square(2, 3), square(5, 3, 1), disc, code=[2**40 + 7, 9, 2**33])
    path = stored(tmp_path, polygons, suffix)
    found, numbers = written(path, tmp_path, "code")
    assert found.ids.tolist() == [9, 2**33, 2**40 + 7]
    assert pixels_of(numbers)[::2] == [1, 9]
    assert found.notes == ()
    shapes = [(polygons.geometry[k], number) for number, k in enumerate((1, 2, 0), 1)]
    np.testing.assert_array_equal(numbers, rasterize(shapes, TILE, "uint32"))
    assert numbers[20, 30] == 0  # the hole of the disc
    assert check_user_segments(path, "code").meets(TILE)


@pytest.mark.parametrize("suffix", FORMATS)
def test_without_a_field_the_id_is_the_row_of_the_file_in_every_tile(tmp_path, suffix):
    rng = np.random.default_rng(1)
    places = rng.permutation(300)
    path = stored(tmp_path, frame(*(square(3 * (k % 20), 2 * (k // 20), 3, 2) for k in places)), suffix)
    parts = [TILE[:20, :30], TILE[:20, 30:], TILE[20:, :30], TILE[20:, 30:]]
    whole = ids_of(*written(path, tmp_path))
    quarters = [ids_of(*written(path, tmp_path, tile=part)) for part in parts]
    np.testing.assert_array_equal(np.block([quarters[:2], quarters[2:]]), whole)
    for row, place in enumerate(places, start=1):
        assert whole[2 * (place // 20), 3 * (place % 20)] == row


def test_rows_are_counted_when_numbers_of_features_have_gaps(tmp_path):
    path = stored(tmp_path, frame(*(square(4 * k, 2) for k in range(10))))
    with closing(sqlite3.connect(path)) as database, database:
        # the number of features that the file states becomes wrong
        for name in [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")]:
            database.execute(f'DROP TRIGGER "{name}"')
        database.execute("DELETE FROM segments WHERE fid IN (2, 3, 7)")
        database.execute("DELETE FROM rtree_segments_geom WHERE id IN (2, 3, 7)")
    found, numbers = written(path, tmp_path)
    assert found.ids.tolist() == [1, 2, 3, 4, 5, 6, 7]
    assert ids_of(found, numbers)[3, 13::4].tolist() == [2, 3, 4, -1, 5, 6, 7, *[-1] * 5]


def test_rows_of_features_in_any_order():
    rows = RowNumbers()
    for features in ([5, 6, 7], [8, 2], [], [3, 90, 4]):
        rows.append(np.array(features, np.int64))
    assert rows.of(np.array([4, 5, 8, 90, 2, 3])).tolist() == [8, 1, 4, 7, 5, 6]


@pytest.mark.parametrize("suffix", FORMATS)
def test_the_first_polygon_of_the_file_wins_and_overlaps_are_noted(tmp_path, suffix):
    # a spatial index returns the small ones first
    polygons = [square(30, 20, 10), square(0, 0, 34, 25), square(31, 21, 2), *(square(50, k, 1) for k in range(30))]
    path = stored(tmp_path, frame(*polygons, code=range(100, 133)), suffix)
    found, numbers = written(path, tmp_path, "code")
    expected = rasterize([(one, 100 + k) for k, one in reversed(list(enumerate(polygons)))], TILE, "int16", fill=-1)
    np.testing.assert_array_equal(ids_of(found, numbers), expected)
    assert 102 not in found.ids
    (note,) = found.notes
    assert note == (
        "2 polygons overlapping earlier ones of the file in 24 pixels, which belong to the first polygon; 1 of them "
        "without any other pixel"
    )


def test_equal_ids_are_one_segment_of_several_parts(tmp_path):
    path = stored(tmp_path, frame(square(0, 0), square(10, 0), square(20, 0), square(30, 0), code=[7, 5, 7, 6]))
    found, numbers = written(path, tmp_path, "code")
    assert found.ids.tolist() == [5, 6, 7]
    assert pixels_of(numbers) == [9, 9, 18]
    assert numbers[0, 0] == numbers[0, 20] == 3
    assert found.notes == ("1 id of several polygons (2 polygons): all polygons with an id are one segment",)


@pytest.mark.parametrize("suffix", FORMATS)
def test_polygons_elsewhere_have_no_segment(tmp_path, suffix):
    path = stored(tmp_path, frame(square(-20, 3), square(-2, 5), square(5, 60)), suffix)
    found, numbers = written(path, tmp_path)
    assert found.ids.tolist() == [2]
    assert numbers.sum() == numbers[5:8, 0].sum() == 3
    assert found.notes == ()
    far = GeoBox((40, 60), Affine(10, 0, X + 50_000, 0, -10, Y), CRS)
    nothing, empty = written(path, tmp_path, tile=far)
    assert len(nothing.ids) == empty.sum() == 0
    header = check_user_segments(path, None)
    assert header.meets(TILE)
    assert not header.meets(far)


@pytest.mark.parametrize("suffix", FORMATS)
def test_polygons_in_another_projection_are_transformed(tmp_path, suffix):
    polygons = frame(square(3, 4, 12), square(20, 10, 9), square(900, 10, 9))
    path = stored(tmp_path, polygons.to_crs("EPSG:2154"), suffix)
    _, numbers = written(path, tmp_path)
    # the transformation moves borders by less than their distance from the centres of pixels
    shapes = [(shape, k) for k, shape in enumerate(polygons.geometry, 1)]
    np.testing.assert_array_equal(numbers, rasterize(shapes, TILE, "uint32"))
    assert check_user_segments(path, None).meets(TILE)


def test_polygons_without_geometry_or_centre_and_invalid_ones_are_noted(tmp_path):
    bow = Polygon([(X, Y - 100), (X + 100, Y - 200), (X + 100, Y - 100), (X, Y - 200)])
    small = box(X + 301, Y - 309, X + 304, Y - 306)
    beside = box(X - 100, Y - 309, X + 4, Y - 306)  # it may have centres in the neighbouring tile
    for suffix in ("gpkg", "parquet", "sqlite"):
        path = stored(tmp_path, frame(None, bow, small, beside, Polygon(), square(40, 20)), suffix)
        found, numbers = written(path, tmp_path)
        assert found.ids.tolist() == [2, 6]
        assert numbers[15, 1] == numbers[15, 8] == 1
        assert numbers[11, 5] == 0
        assert found.notes == (
            "2 features of the file without geometry: ignored",
            "1 polygon not valid (a border crosses itself): pixels enclosed an even number of times are outside",
            "1 polygon without the centre of a pixel: no segment",
        )


def test_only_polygons_of_the_tile_are_noted(tmp_path):
    bow = [(X - 8, Y - 100), (X - 1, Y - 110), (X - 1, Y - 100), (X - 8, Y - 110)]
    polygons = frame(Polygon(bow), Polygon(bow), square(3, 3), code=[1, 1, 2])
    for crs in (CRS, "EPSG:2154"):
        found, _ = written(stored(tmp_path, polygons.to_crs(crs), "parquet"), tmp_path, "code")
        assert (found.ids.tolist(), found.notes) == ([2], ())


def test_polygons_outside_the_projection_of_the_tile_are_noted(tmp_path):
    globe = box(3.001, 43.34, 3.002, 95)  # meets the tile, and has no place in its projection
    path = stored(
        tmp_path, frame(globe, box(2, 95, 3, 96), *[box(3.001, 43.3495, 3.002, 43.35)] * 3, crs="EPSG:4326"), "parquet"
    )
    found, _ = written(path, tmp_path)
    assert found.ids.tolist() == [3]
    assert found.notes[0] == "1 polygon with coordinates outside the projection of the tile: ignored"


def test_batches_and_blocks_do_not_change_the_result(tmp_path, monkeypatch):
    rng = np.random.default_rng(3)
    polygons = [square(*rng.uniform(-3, 58, 2), *rng.uniform(1, 9, 2)) for _ in range(300)]
    codes, results = rng.permutation(150).repeat(2), []
    for name, options in (("gpkg", {}), ("parquet", {"row_group_size": 37, "write_covering_bbox": True})):
        path = stored(tmp_path, frame(*polygons, code=codes), name, **options)
        results.append(written(path, tmp_path, "code"))
        monkeypatch.setattr(user_segments, "_BATCH_SIZES", (7, 7))
        results.append(written(path, tmp_path, "code", memory=1))
        monkeypatch.undo()
    first, numbers = results[0]
    for other, same in results[1:]:
        np.testing.assert_array_equal(same, numbers)
        np.testing.assert_array_equal(other.ids, first.ids)
        assert other.notes == first.notes


def test_groups_of_rows_outside_the_tile_are_not_read(tmp_path, monkeypatch):
    polygons = frame(*(square(10 * k, 3) for k in range(40)))
    path = stored(tmp_path, polygons, "parquet", row_group_size=4, write_covering_bbox=True)
    read = []
    original = parquet.ParquetFile.iter_batches

    def iter_batches(file, *args, **options):
        read.extend(options.get("row_groups", []))
        return original(file, *args, **options)

    monkeypatch.setattr(parquet.ParquetFile, "iter_batches", iter_batches)
    assert written(path, tmp_path)[0].ids.tolist() == [1, 2, 3, 4, 5, 6]
    assert read == [0, 1]


def test_a_layer_is_selected_in_the_form_of_qgis(tmp_path):
    path = stored(tmp_path, frame(square(3, 3)), layer="parcels")
    pyogrio.write_dataframe(frame(Point(X, Y)), path, layer="trees")
    assert "expected one layer, found 2" in early_refusal(path, tmp_path)
    assert pixels_of(written(f"{path}|layername=parcels", tmp_path)[1]) == [9]
    assert "geometries of type Point" in early_refusal(f"{path}|layername=trees", tmp_path)


@pytest.mark.parametrize("suffix", ["gpkg", "parquet"])
@pytest.mark.parametrize("line", [LineString([(X, Y), (X + 9, Y - 99)]), Point(X + 9, Y - 9)])
def test_lines_and_points_are_refused(tmp_path, suffix, line):
    kind = line.geom_type
    assert f"geometries of type {kind}; the segments must be" in early_refusal(
        stored(tmp_path, frame(line), suffix), tmp_path
    )


def test_a_line_among_polygons_is_refused_with_its_row(tmp_path):
    path = stored(tmp_path, frame(square(3, 3), LineString([(X, Y), (X + 9, Y - 99)])), "geojson")
    assert "geometries of type LineString (row 2)" in refusal(path, tmp_path)


@pytest.mark.parametrize("suffix", ["gpkg", "shp", "parquet"])
@pytest.mark.parametrize(
    ("values", "what"),
    [
        ([1, -3], "contains negative numbers: -3 (row 2)"),
        ([1.0, 2.5], "contains numbers that are not whole: 2.5 (row 2)"),
        ([1.0, 2.0**53], "contains floating-point numbers above 9007199254740991, which are not exact: "),
        ([1.0, None], "has no value (row 2)"),
    ],
)
def test_unsuitable_ids_are_refused(tmp_path, suffix, values, what):
    path = stored(tmp_path, frame(square(3, 3), square(9, 3), code=values), suffix)
    assert f"field 'code' {what}" in early_refusal(path, tmp_path, "code")


def test_null_integer_is_refused(tmp_path):
    path = stored(tmp_path, frame(square(3, 3), square(9, 3), code=pd.array([1, None], dtype="Int64")))
    assert "field 'code' has no value (row 2)" in early_refusal(path, tmp_path, "code")


@pytest.mark.parametrize("suffix", ["gpkg", "shp", "parquet", "geojson"])
def test_ids_of_features_without_geometry_do_not_matter(tmp_path, suffix):
    path = stored(tmp_path, frame(square(3, 3), None, square(9, 3), code=[1, -5, 3]), suffix)
    check_user_segments(path, "code")
    assert written(path, tmp_path, "code")[0].ids.tolist() == [1, 3]


@pytest.mark.parametrize("suffix", FORMATS)
def test_whole_numbers_as_text_are_ids(tmp_path, suffix):
    """Signs, blanks and decimals are accepted as in labels of classes."""
    path = stored(tmp_path, frame(square(3, 3), square(9, 3), square(15, 3), code=[" 007", "+12", "3.0"]), suffix)
    (note,) = check_user_segments(path, "code").notes
    assert "the whole numbers in the text field 'code' are the ids" in note
    assert written(path, tmp_path, "code")[0].ids.tolist() == [3, 7, 12]


@pytest.mark.parametrize("suffix", ["gpkg", "parquet"])
def test_texts_that_differ_by_leading_zeros_are_refused(tmp_path, suffix):
    path = stored(tmp_path, frame(square(3, 3), square(9, 3), square(15, 3), code=["07", "7", "8"]), suffix)
    with pytest.raises(InputError, match=r"ids '07' and '7' of the text field 'code' are the same number"):
        check_user_segments(path, "code")
    path = stored(tmp_path, frame(square(3, 3), square(9, 3), code=["7", "7.0"]), suffix)
    check_user_segments(path, "code")


@pytest.mark.parametrize("suffix", ["gpkg", "parquet"])
@pytest.mark.parametrize("without_geometry", ["A", "7", None])
def test_texts_of_features_without_geometry_do_not_matter(tmp_path, suffix, without_geometry):
    path = stored(tmp_path, frame(square(3, 3), None, square(9, 3), code=["07", without_geometry, "7"]), suffix)
    with pytest.raises(InputError, match=r"ids '07' and '7' of the text field 'code' are the same number"):
        check_user_segments(path, "code")
    path = stored(tmp_path, frame(square(3, 3), None, square(9, 3), code=["07", without_geometry, "8"]), suffix)
    check_user_segments(path, "code")
    assert written(path, tmp_path, "code")[0].ids.tolist() == [7, 8]


@pytest.mark.parametrize("suffix", ["gpkg", "parquet"])
def test_text_of_other_characters_is_refused_with_its_row(tmp_path, suffix):
    for texts, what in ((["1", "A7"], "text: 'A7' (row 2)"), (["1", "-7"], "negative numbers: -7 (row 2)")):
        path = stored(tmp_path, frame(square(3, 3), square(9, 3), code=texts), suffix)
        assert f"field 'code' contains {what}" in early_refusal(path, tmp_path, "code")


@pytest.mark.parametrize("suffix", ["gpkg", "parquet"])
@pytest.mark.parametrize("text", ["0x1F", "1234567890123456789"])
@pytest.mark.parametrize("neighbour", ["2", "2.0"])
def test_text_is_an_id_or_not_whatever_the_others(tmp_path, suffix, text, neighbour):
    path = stored(tmp_path, frame(square(3, 3), square(9, 3), code=[neighbour, text]), suffix)
    message = early_refusal(path, tmp_path, "code")
    assert f"field 'code' contains text: '{text}' (row 2); expected whole numbers of up to 18 digits" in message


def test_text_of_18_digits_is_an_id(tmp_path):
    path = stored(tmp_path, frame(square(3, 3), square(9, 3), code=["9" * 18, "00" + "8" * 18]))
    assert written(path, tmp_path, "code")[0].ids.tolist() == [int("8" * 18), int("9" * 18)]


def test_binary_values_are_no_ids(tmp_path):
    path = stored(tmp_path, frame(square(3, 3), square(9, 3)))
    with closing(sqlite3.connect(path)) as file, file:
        file.execute("ALTER TABLE segments ADD COLUMN code BLOB DEFAULT x'31'")
    assert "field 'code' contains binary values; expected whole numbers" in early_refusal(path, tmp_path, "code")
    path = stored(tmp_path, frame(square(3, 3), code=[b"1"]), "parquet")
    assert "field 'code' contains binary values; expected whole numbers" in early_refusal(path, tmp_path, "code")


def test_lists_are_no_ids(tmp_path):
    path = stored(tmp_path, frame(square(3, 3), code=[[1, 2]]), "geojson")
    assert "field 'code' contains lists" in early_refusal(path, tmp_path, "code")
    path = stored(tmp_path, frame(square(3, 3), code=[[1, 2]]), "parquet")
    assert "field 'code' contains values of type list" in early_refusal(path, tmp_path, "code")


@pytest.mark.parametrize("values", [[12, 7], ["12", "007"]])
def test_categories_of_pandas_are_ids(tmp_path, values):
    path = stored(tmp_path, frame(square(3, 3), square(9, 3), code=pd.Categorical(values)), "parquet")
    check_user_segments(path, "code")
    assert written(path, tmp_path, "code")[0].ids.tolist() == [7, 12]


def test_a_field_without_values_is_refused(tmp_path):
    path = stored(tmp_path, frame(square(3, 3), square(9, 3), code=[None, None]), "parquet")
    assert "field 'code' contains no value; expected" in early_refusal(path, tmp_path, "code")


@pytest.mark.parametrize("suffix", ["gpkg", "shp", "parquet"])
def test_ids_in_a_floating_point_field_may_be_whole(tmp_path, suffix):
    path = stored(tmp_path, frame(square(3, 3), square(9, 3), code=[7.0, 2.0**40]), suffix)
    assert written(path, tmp_path, "code")[0].ids.tolist() == [7, 2**40]


@pytest.mark.parametrize("suffix", ["gpkg", "parquet"])
@pytest.mark.parametrize(
    ("values", "what"), [(["a", "b"], "text: 'a', 'b' (row 1, 2)"), ([True, False], "true and false")]
)
def test_fields_without_numbers_are_refused(tmp_path, suffix, values, what):
    path = stored(tmp_path, frame(square(3, 3), square(9, 3), code=values), suffix)
    assert f"field 'code' contains {what}; expected whole numbers" in early_refusal(path, tmp_path, "code")


@pytest.mark.parametrize("suffix", FORMATS)
def test_the_field_is_found_in_another_case_and_suggested(tmp_path, suffix):
    path = stored(tmp_path, frame(square(3, 3), SegId=[4]), suffix)
    found, _ = written(path, tmp_path, "segid")
    assert found.ids.tolist() == [4]
    # GDAL writes the names of SQLite in lower case
    assert found.notes == (() if suffix == "sqlite" else ("field 'SegId' is used for 'segid'",))
    with pytest.raises(MissingField, match="did you mean"):
        check_user_segments(path, "SegIdd")


def test_files_that_cannot_be_used_are_refused_early(tmp_path):
    square_frame = frame(square(3, 3))
    assert "does not exist" in early_refusal(tmp_path / "no.gpkg", tmp_path)
    assert "does not exist" in early_refusal(tmp_path / "no.parquet", tmp_path)
    assert "cannot be opened" in early_refusal(tmp_path / "no.tif", tmp_path)
    (tmp_path / "a.gml").write_text("<gml/>")
    assert "GML is not supported" in early_refusal(tmp_path / "a.gml", tmp_path)
    assert "a.gpkg" in early_refusal(tmp_path / "a.gml", tmp_path)
    (tmp_path / "b.parquet").write_text("text")
    assert "cannot be read as GeoParquet" in early_refusal(tmp_path / "b.parquet", tmp_path)
    parquet.write_table(pa.table({"a": [1]}), tmp_path / "c.parquet")
    assert "is not a GeoParquet file" in early_refusal(tmp_path / "c.parquet", tmp_path)
    (tmp_path / "d.gpkg").write_text("text")
    assert "expected a shapefile" in early_refusal(tmp_path / "d.gpkg", tmp_path)
    path = stored(tmp_path, square_frame, "shp")
    path.with_suffix(".shx").unlink()
    assert "segments.shx (the index of the shapes) is missing" in early_refusal(path, tmp_path)
    assert "has no layers" in early_refusal(f"{stored(tmp_path, square_frame, 'parquet')}|layername=a", tmp_path)


@pytest.mark.parametrize("suffix", ["shp", "gpkg", "parquet"])
@pytest.mark.filterwarnings("ignore:'crs' was not provided")
def test_missing_projections_and_layers_without_features_are_refused(tmp_path, suffix):
    assert "reference system is not set" in early_refusal(
        stored(tmp_path, frame(square(3, 3), crs=None), suffix), tmp_path
    )
    degrees = frame(box(2, 45, 3, 46))
    assert "look like degrees" in early_refusal(stored(tmp_path, degrees, suffix), tmp_path)
    empty = frame(square(3, 3)).iloc[:0]
    options = {} if suffix == "parquet" else {"geometry_type": "Polygon"}
    assert "has no features" in early_refusal(stored(tmp_path, empty, suffix, **options), tmp_path)


def test_geoparquet_without_stated_projection_is_in_degrees(tmp_path):
    path = stored(tmp_path, frame(square(3, 4, 12)).to_crs("OGC:CRS84"), "parquet")
    table = parquet.read_table(path)
    geo = json.loads(table.schema.metadata[b"geo"])
    del geo["columns"]["geometry"]["crs"]
    del geo["columns"]["geometry"]["bbox"]
    parquet.write_table(table.replace_schema_metadata({b"geo": json.dumps(geo).encode()}), path)
    assert pixels_of(written(path, tmp_path)[1]) == [144]
    assert check_user_segments(path, None).meets(TILE)


# -------------------------------------------------------------------------------------------- rasters


def raster(folder, values, tile=TILE, nodata=None, crs=CRS):
    path = folder / "segments.tif"
    bands = values if values.ndim == 3 else values[None]
    options = {"count": len(bands), "height": bands.shape[1], "width": bands.shape[2], "dtype": bands.dtype}
    with rasterio.open(path, "w", driver="GTiff", crs=crs, transform=tile.affine, nodata=nodata, **options) as file:
        file.write(bands)
    return path


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint32", "int64", "uint64", "float32", "float64"])
def test_pixels_of_a_raster_are_ids(tmp_path, dtype):
    values = np.zeros(TILE.shape, dtype)
    values[3:5, 4:8] = 100
    values[20, 30] = values[3, 50] = 7
    values[30:, :] = 120
    found, numbers = written(raster(tmp_path, values, nodata=120), tmp_path)
    assert found.ids.tolist() == [7, 100]
    assert pixels_of(numbers) == [2, 8]
    assert found.notes == ()
    np.testing.assert_array_equal(numbers, np.select([values == 7, values == 100], [1, 2]))


def test_large_ids_of_a_raster_are_exact(tmp_path):
    values = np.zeros(TILE.shape, np.int64)
    values[0, :4] = [2**63 - 1, 2**63 - 2, 2**32 + 1, 2**53 + 1]
    found, numbers = written(raster(tmp_path, values), tmp_path)
    assert found.ids.tolist() == [2**32 + 1, 2**53 + 1, 2**63 - 2, 2**63 - 1]
    assert pixels_of(numbers) == [1] * 4


@pytest.mark.parametrize(
    ("value", "dtype", "what"),
    [
        (-1, "int16", "negative numbers: -1"),
        (2**63, "uint64", "numbers above 9223372036854775807"),
        (1.5, "float32", "numbers that are not whole: 1.5"),
        (2.0**53, "float64", "floating-point numbers above 9007199254740991"),
        (np.inf, "float32", "floating-point numbers above"),
    ],
)
def test_other_numbers_of_a_raster_are_refused(tmp_path, value, dtype, what):
    values = np.ones(TILE.shape, dtype)
    values[5, 5] = value
    assert f"contains {what}" in refusal(raster(tmp_path, values), tmp_path)


def test_no_data_of_a_raster_may_be_any_number(tmp_path):
    for value, dtype in ((-9999, "int32"), (np.nan, "float32"), (-1.5, "float64")):
        values = np.full(TILE.shape, value, dtype)
        values[:2] = 4
        found, numbers = written(raster(tmp_path, values, nodata=value), tmp_path)
        assert found.ids.tolist() == [4]
        assert (numbers > 0).sum() == 120


def test_rasters_of_other_kinds_are_refused_early(tmp_path):
    assert "has 2 bands; expected one" in early_refusal(raster(tmp_path, np.ones((2, 5, 5), np.uint8)), tmp_path)
    assert "values of type complex64" in early_refusal(raster(tmp_path, np.ones((5, 5), np.complex64)), tmp_path)
    assert "has no coordinate system" in early_refusal(raster(tmp_path, np.ones((5, 5), np.uint8), crs=None), tmp_path)
    (tmp_path / "a.tif").write_text("text")
    assert "neither a GeoTIFF nor" in early_refusal(tmp_path / "a.tif", tmp_path)


def test_raster_on_another_grid_gives_the_nearest_pixel(tmp_path):
    coarse = GeoBox((14, 20), Affine(30, 0, X + 2, 0, -30, Y - 3), CRS)
    values = np.arange(1, 281, dtype=np.int32).reshape(14, 20)
    found, numbers = written(raster(tmp_path, values, coarse), tmp_path)
    row, col = np.indices(TILE.shape)
    inside = (col * 10 + 5 >= 2) & (row * 10 + 5 >= 3)
    expected = np.where(inside, values[(row * 10 + 2) // 30, (col * 10 + 3) // 30], -1)
    np.testing.assert_array_equal(ids_of(found, numbers), expected)
    assert "not those of the tile" in found.notes[0]


def test_raster_in_another_projection_gives_the_nearest_pixel(tmp_path):
    x, y = gpd.GeoSeries([Point(X + 300, Y - 200)], crs=CRS).to_crs("EPSG:2154").iloc[0].coords[0]
    grid = GeoBox((200, 200), Affine(5, 0, x - 500, 0, -5, y + 500), "EPSG:2154")
    values = np.arange(1, 40_001, dtype=np.uint32).reshape(200, 200)
    path = raster(tmp_path, values, grid, crs="EPSG:2154")
    found, numbers = written(path, tmp_path)
    ids = ids_of(found, numbers)
    centres = gpd.GeoSeries(
        [Point(X + 10 * c + 5, Y - 10 * r - 5) for r, c in ((0, 0), (20, 30), (39, 59))], crs=CRS
    ).to_crs("EPSG:2154")
    expected = [values[int((y + 500 - p.y) // 5), int((p.x - x + 500) // 5)] for p in centres]
    assert ids[[0, 20, 39], [0, 30, 59]].tolist() == expected
    assert "another projection" in found.notes[0]
    assert check_user_segments(path, None).meets(TILE)


def test_raster_elsewhere_has_no_segment(tmp_path):
    far = GeoBox((40, 60), Affine(10, 0, X + 5000, 0, -10, Y), CRS)
    path = raster(tmp_path, np.ones(TILE.shape, np.uint8), far)
    found, numbers = written(path, tmp_path)
    assert len(found.ids) == numbers.sum() == 0
    assert not check_user_segments(path, None).meets(TILE)


def test_equal_coordinates_in_another_projection_are_another_grid(tmp_path):
    path = raster(tmp_path, np.ones(TILE.shape, np.uint8), crs="EPSG:32632")
    found, _ = written(path, tmp_path)
    assert len(found.ids) == 0
    assert "another projection" in found.notes[0]


def test_raster_is_recognised_by_its_content(tmp_path):
    path = raster(tmp_path, np.ones(TILE.shape, np.uint8)).rename(tmp_path / "segments")
    assert pixels_of(written(path, tmp_path)[1]) == [2400]


def test_field_of_a_raster_is_not_used(tmp_path):
    path = raster(tmp_path, np.ones(TILE.shape, np.uint8))
    assert "the field 'code' is not used" in written(path, tmp_path, "code")[0].notes[0]
    assert check_user_segments(path, "code").notes == written(path, tmp_path, "code")[0].notes


def test_ids_of_many_blocks_are_merged(tmp_path, monkeypatch):
    tile = GeoBox((600, 1100), TILE.affine, CRS)
    values = np.random.default_rng(0).integers(0, 900, tile.shape).astype(np.int32)
    path = raster(tmp_path, values, tile)
    monkeypatch.setattr(user_segments, "_MERGE_LEAST", 10)
    found, numbers = written(path, tmp_path, tile=tile)
    np.testing.assert_array_equal(numbers, values)
    np.testing.assert_array_equal(found.ids, np.arange(1, 900))


# -------------------------------------------------------------------------------------------- damaged files


@pytest.mark.parametrize("suffix", ["gpkg", "sqlite", "parquet"])
@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::UserWarning")
def test_damage_is_reported_as_a_problem_of_the_file(tmp_path, suffix):
    places = (square(3 * (k % 20), 2 * (k // 20), 3, 2) for k in range(300))
    path = stored(tmp_path, frame(*places, code=range(300)), suffix)
    whole, problems = path.read_bytes(), []
    step = 1024 if suffix == "parquet" else 4096
    for start in range(0, len(whole), step):
        path.write_bytes(whole[:start] + b"\xa5" * min(step, len(whole) - start) + whole[start + step :])
        try:
            written(path, tmp_path, "code")
        except InputError as err:
            problems.append(str(err))
    assert problems
    assert all(path.name in text for text in problems)


# ------------------------------------------------------------------------------------------------- polygons


def read_polygons(path, field, ids, count=1000) -> gpd.GeoDataFrame:
    """The polygons of some ids, by id."""
    parts = [*user_polygons(path, field, TILE, np.array(ids, np.int64), count)]
    for at, _ in parts:
        assert (np.diff(at) > 0).all()
    at = np.concatenate([np.zeros(0, np.int64), *(one for one, _ in parts)])
    found = gpd.GeoDataFrame(
        {"id": np.array(ids)[at]}, geometry=[one for _, some in parts for one in some.to_crs(CRS)], crs=CRS
    )
    assert found["id"].is_unique
    return found.set_index("id").sort_index()


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("count", [1, 2, 1000])
def test_polygons_of_segments_are_those_of_the_file(tmp_path, suffix, count):
    given = [square(k % 5 * 4 + 0.3, k // 5 * 4 + 0.3) for k in range(10)]
    far = square(5000, 5000)
    path = stored(tmp_path, frame(*given, far, number=[*range(20, 10, -1), 50]), suffix)
    found, _ = written(path, tmp_path, "number")
    assert found.ids.tolist() == [*range(11, 21)]
    polygons = read_polygons(path, "number", found.ids, count)
    for k, polygon in enumerate(given):
        assert polygons.geometry[20 - k].symmetric_difference(polygon).area < 0.1
    assert len(polygons) == 10
    assert read_polygons(path, "number", [13, 15, 99], count).index.tolist() == [13, 15]


@pytest.mark.parametrize("count", [1, 3, 1000])
def test_all_polygons_of_an_id_are_one_multipolygon(tmp_path, count):
    several = gpd.GeoSeries([square(0, 0), square(20, 20)]).union_all()
    path = stored(
        tmp_path, frame(square(8, 0), square(4, 0), several, square(12, 0), square(16, 0), number=[7, 5, 7, 6, 7])
    )
    found = read_polygons(path, "number", [5, 6, 7], count)
    assert found.geometry[5].equals(square(4, 0))
    assert len(found.geometry[7].geoms) == 4
    assert found.geometry[7].equals(gpd.GeoSeries([square(8, 0), several, square(16, 0)]).union_all())


def test_polygons_are_yielded_about_so_many_at_a_time(tmp_path):
    path = stored(tmp_path, frame(*[square(k, 0, 1) for k in range(40)], square(900, 900)))
    sizes = [len(at) for at, _ in user_polygons(path, None, TILE, np.arange(1, 41), 10)]
    assert sizes == [10, 10, 10, 10]


def test_rows_without_field_and_no_segment(tmp_path):
    path = stored(tmp_path, frame(square(0, 0), square(8, 8)))
    assert read_polygons(path, None, [2]).geometry[2].equals(square(8, 8))
    assert [*user_polygons(path, None, TILE, np.zeros(0, np.int64), 10)] == []


def test_a_raster_has_no_polygons(tmp_path):
    assert has_polygons(stored(tmp_path, frame(square(0, 0))))
    assert not has_polygons("segments.tif")
