"""Common problems of vector files are corrected, or reported with their cause."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

import geopandas as gpd
import pyogrio
import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyproj import CRS
from shapely import box

from iota2.errors import InputError
from iota2.io.tables.reference import read_reference, read_regions
from iota2.io.tables.vectors import read_vector

LAMBERT = "EPSG:2154"
X, Y = 600_000, 6_300_000


def frame() -> gpd.GeoDataFrame:
    squares = [box(X + 20 * k, Y, X + 20 * k + 10, Y + 10) for k in range(2)]
    return gpd.GeoDataFrame({"code": ["Forêt", "blé"]}, geometry=squares, crs=LAMBERT)


def shapefile(folder: Path, encoding: str = "UTF-8") -> Path:
    pyogrio.write_dataframe(frame(), folder / "p.shp", encoding=encoding)
    return folder / "p.shp"


def refusal(path: Path | str) -> str:
    with pytest.raises(InputError) as caught:
        read_reference(path, "code", LAMBERT)
    return str(caught.value)


# -------------------------------------------------------------------------------------------- the files of a shapefile


@pytest.mark.parametrize(
    ("suffix", "what"), [(".shx", "the index of the shapes"), (".dbf", "the table of the attributes")]
)
def test_a_missing_file_of_a_shapefile_is_named(tmp_path, suffix, what):
    path = shapefile(tmp_path)
    path.with_suffix(suffix).unlink()
    assert f"p{suffix} ({what}) is missing" in refusal(path)
    assert "copy all of p.*" in refusal(path)


def test_all_missing_files_of_a_shapefile_are_named_at_once(tmp_path):
    path = shapefile(tmp_path)
    for suffix in (".shx", ".dbf"):
        path.with_suffix(suffix).unlink()
    assert "p.shx" in refusal(path)
    assert "p.dbf" in refusal(path)


def test_suffixes_in_upper_case_belong_to_the_shapefile(tmp_path):
    for member in (shapefile(tmp_path)).parent.iterdir():
        member.rename(member.with_suffix(member.suffix.upper()))
    assert read_vector(tmp_path / "p.SHP")["code"].tolist() == ["Forêt", "blé"]


@pytest.mark.parametrize("suffix", [".dbf", ".shx"])
def test_a_truncated_table_or_index_is_not_read_as_missing_labels(tmp_path, suffix):
    path = shapefile(tmp_path)
    with open(path.with_suffix(suffix), "r+b") as file:
        file.truncate(path.with_suffix(suffix).stat().st_size - 60 if suffix == ".dbf" else 104)
    assert f"p{suffix}" in refusal(path)
    assert "truncated" in refusal(path)


@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@given(st.sampled_from([".shp", ".shx", ".dbf"]), st.integers(0, 400), st.binary(max_size=12))
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damaged_files_of_a_shapefile_are_read_or_rejected(tmp_path, suffix, at, new):
    path = shapefile(tmp_path)
    content = path.with_suffix(suffix).read_bytes()
    path.with_suffix(suffix).write_bytes(content[:at] + new + content[at + len(new) + (at % 3 == 0) * 50 :])
    with suppress(InputError):
        read_reference(path, "code", LAMBERT)


@pytest.mark.parametrize("size", [4, 20, 27, 60])
def test_a_main_file_that_ends_in_its_header_is_truncated(tmp_path, size):
    path = shapefile(tmp_path)
    with open(path, "r+b") as file:
        file.truncate(size)
    assert "truncated" in refusal(path)


def test_a_table_of_another_shapefile_is_rejected(tmp_path):
    path = shapefile(tmp_path)
    pyogrio.write_dataframe(frame().iloc[:1], tmp_path / "other.shp")
    (tmp_path / "other.dbf").replace(tmp_path / "p.dbf")
    assert "2 shapes, but p.dbf has 1 rows" in refusal(path)


@pytest.mark.parametrize("suffix", [".shx", ".dbf", ".prj"])
def test_the_message_about_another_file_of_a_shapefile_names_the_main_file(tmp_path, suffix):
    assert "p.shp" in refusal(shapefile(tmp_path).with_suffix(suffix))


# -------------------------------------------------------------------------------------------- encodings


@pytest.mark.parametrize("stated", ["ISO-8859-1", "1252", None])
def test_utf_8_that_is_stated_to_be_something_else_is_recognised(tmp_path, stated):
    path = shapefile(tmp_path)
    if stated is None:
        path.with_suffix(".cpg").unlink()
    else:
        path.with_suffix(".cpg").write_text(stated)
    message = refusal(path)
    assert "'ForÃªt' looks like 'Forêt'" in message
    assert ("there is no p.cpg" if stated is None else f"p.cpg states '{stated}'") in message
    assert "Write UTF-8 into p.cpg" in message


def test_another_encoding_that_is_stated_to_be_utf_8_is_recognised(tmp_path):
    path = shapefile(tmp_path, "ISO-8859-1")
    path.with_suffix(".cpg").write_text("UTF-8")
    message = refusal(path)
    assert "p.cpg states 'UTF-8', but 'Forêt'" in message
    assert "write the correct encoding into p.cpg" in message


@pytest.mark.parametrize("stated", ["UTF8", "utf-8", "UTF-8\r\n"])
def test_utf_8_by_other_names_is_read(tmp_path, stated):
    path = shapefile(tmp_path)
    path.with_suffix(".cpg").write_bytes(stated.encode())
    assert set(read_reference(path, "code", LAMBERT).frame["label"]) == {"Forêt", "blé"}


@pytest.mark.parametrize("encoding", ["UTF-8", "ISO-8859-1", "CP1252"])
def test_text_with_the_stated_encoding_is_read(tmp_path, encoding):
    assert set(read_reference(shapefile(tmp_path, encoding), "code", LAMBERT).frame["label"]) == {"Forêt", "blé"}


def test_region_names_in_a_wrong_encoding_are_recognised(tmp_path):
    path = shapefile(tmp_path)
    path.with_suffix(".cpg").write_text("ISO-8859-1")
    with pytest.raises(InputError, match="'ForÃªt' looks like 'Forêt'"):
        read_regions(path, "code", LAMBERT)


def test_region_names_with_decomposed_accents_are_accepted(tmp_path):
    frame().assign(code=["Re\u0301gion", "autre"]).to_file(tmp_path / "p.gpkg")
    assert set(read_regions(tmp_path / "p.gpkg", "code", LAMBERT)["region"]) == {"R\u00e9gion", "autre"}


@pytest.mark.parametrize("read", [read_reference, read_regions])
def test_a_field_of_lists_is_rejected_with_its_name(tmp_path, read):
    path = geojson(tmp_path, "urn:ogc:def:crs:EPSG::2154")
    content = json.loads(path.read_text())
    for feature in content["features"]:
        feature["properties"]["code"] = [1, 2]
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"\[1,? 2\]"):
        read(path, "code", LAMBERT)


def test_a_geojson_field_of_numbers_and_text_is_text_without_a_warning(tmp_path, recwarn):
    path = geojson(tmp_path, "urn:ogc:def:crs:EPSG::2154")
    content = json.loads(path.read_text())
    content["features"][0]["properties"]["code"] = 7
    path.write_text(json.dumps(content))
    assert set(read_reference(path, "code", LAMBERT).frame["label"]) == {"7", "blé"}
    assert not recwarn.list


def test_a_field_name_with_decomposed_accents_is_found(tmp_path):
    frame().rename(columns={"code": "anne\u0301e"}).to_file(tmp_path / "p.gpkg")
    assert len(read_reference(tmp_path / "p.gpkg", "ann\u00e9e", LAMBERT).frame) == 2


# -------------------------------------------------------------------------------------------- coordinate systems


def geojson(folder: Path, crs: str | None) -> Path:
    """The polygons in metres, with or without a member ``crs``."""
    content = json.loads(frame().to_json())
    content.pop("crs", None)
    if crs:
        content["crs"] = {"type": "name", "properties": {"name": crs}}
    (folder / "p.geojson").write_text(json.dumps(content))
    return folder / "p.geojson"


@pytest.mark.parametrize("crs", [None, "urn:ogc:def:crs:OGC:1.3:CRS84"])
def test_geojson_in_metres_without_its_projection_is_rejected(tmp_path, crs):
    message = refusal(geojson(tmp_path, crs))
    assert "x 600000 to 600030, y 6300000 to 6300010 are not degrees, the unit of GeoJSON" in message


@pytest.mark.parametrize("crs", ["urn:ogc:def:crs:EPSG::2154", "EPSG:2154"])
def test_geojson_in_metres_that_states_its_projection_is_read(tmp_path, crs):
    found = read_reference(geojson(tmp_path, crs), "code", LAMBERT).frame
    assert found.geometry[0].equals_exact(frame().geometry[0].normalize(), 0.01, normalize=True)


def test_metres_stated_to_be_degrees_are_recognised(tmp_path):
    path = shapefile(tmp_path)
    path.with_suffix(".prj").write_text(CRS(4326).to_wkt("WKT1_ESRI"))
    assert "are not degrees, as the file states (WGS 84)" in refusal(path)


@pytest.mark.parametrize("crs", ["EPSG:2154", "EPSG:32631"])
def test_degrees_stated_to_be_metres_are_recognised(tmp_path, crs):
    path = tmp_path / "p.gpkg"
    frame().to_crs(4326).set_crs(crs, allow_override=True).to_file(path)
    assert "look like degrees, but the file states" in refusal(path)
    with pytest.raises(InputError, match="look like degrees"):
        read_regions(path, "code", LAMBERT)


def test_polygons_near_the_origin_of_a_projection_are_not_taken_for_degrees(tmp_path):
    gpd.GeoDataFrame({"code": [1]}, geometry=[box(0, 0, 50, 50)], crs="EPSG:3857").to_file(tmp_path / "p.gpkg")
    assert len(read_reference(tmp_path / "p.gpkg", "code", "EPSG:3857").frame) == 1


def test_a_missing_prj_is_named(tmp_path):
    path = shapefile(tmp_path)
    path.with_suffix(".prj").unlink()
    assert "or restore p.prj, which is missing" in refusal(path)
    path.with_suffix(".qpj").write_text(CRS(2154).to_wkt("WKT1_GDAL"))
    assert "p.qpj (of older QGIS, it states 'RGF93 v1 / Lambert-93') is correct, copy it to p.prj" in refusal(path)


def test_an_invalid_prj_is_named(tmp_path):
    path = shapefile(tmp_path)
    path.with_suffix(".prj").write_text("<html>404</html>")
    assert "replace p.prj: it does not contain a coordinate reference system" in refusal(path)


def test_a_local_coordinate_system_is_rejected(tmp_path):
    path = shapefile(tmp_path)
    path.with_suffix(".prj").write_text('LOCAL_CS["plan",UNIT["metre",1]]')
    assert "'plan' (Engineering CRS) is not georeferenced" in refusal(path)


def test_two_coordinate_systems_of_one_shapefile_are_rejected(tmp_path):
    path = shapefile(tmp_path)
    path.with_suffix(".qpj").write_text(CRS(27572).to_wkt("WKT1_GDAL"))
    message = refusal(path)
    assert "p.prj states 'RGF93 v1 / Lambert-93', but p.qpj 'NTF (Paris) / Lambert zone II'" in message
    assert "Delete the wrong one" in message


@pytest.mark.parametrize("version", ["WKT1_GDAL", "WKT1_ESRI", "WKT2_2019"])
def test_two_definitions_of_the_same_coordinate_system_are_accepted(tmp_path, version):
    path = shapefile(tmp_path)
    path.with_suffix(".qpj").write_text(CRS(2154).to_wkt(version))
    path.with_suffix(".prj").write_text(
        CRS(2154).to_wkt("WKT1_ESRI").replace("RGF93_v1_Lambert-93", "Mien").replace("RGF_1993_Lambert_93", "Mien")
    )
    found = read_reference(path, "code", LAMBERT).frame
    assert shapely.hausdorff_distance(found.geometry[0], frame().geometry[0]) < 0.01


def test_one_distant_polygon_does_not_reject_the_others(tmp_path):
    geometry = [box(2, 45, 2.1, 45.1), box(2.2, 45, 2.3, 45.1), box(X, Y, X + 10, Y + 10)]
    gpd.GeoDataFrame({"code": [1, 2, 3]}, geometry=geometry, crs=4326).to_file(tmp_path / "p.gpkg")
    data = read_reference(tmp_path / "p.gpkg", "code", LAMBERT)
    assert data.frame["originfid"].tolist() == [0, 1]
    assert data.warnings == (
        "p.gpkg: class 3 is lost: none of its 1 polygon is left (1 without geometry, or with no place in the "
        "projection)",
    )
