"""Values of descriptions that the data types of the files cannot represent."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox

from iota2.core.grid import block_of
from iota2.core.scene import Scene
from iota2.core.sensor import SensorSpec
from iota2.errors import InputError
from iota2.io.archive.headers import Header
from iota2.io.archive.products import native_geobox, scan_tile
from iota2.io.archive.recognition import recognize
from iota2.io.archive.specs import builtin_specs, parse_spec
from iota2.io.archive.value_range import out_of_range_values, unrepresentable_nodata
from iota2.io.series.reader import CubeReader
from iota2.testing.products import write_series

TILE = "T31TCJ"
GRID = GeoBox((16, 24), Affine(10, 0, 300000, 0, -10, 4900020), "EPSG:32631")
RIGHT = parse_spec(
    """
name: Small
section: Small
product: '^SMALL_(?P<date>\\d{8})_(?P<tile>[A-Z0-9]+)'
bands: [{name: RED, file: '*_red.tif', role: red}, {name: NIR, file: '*_nir.tif'}]
masks: [{name: CLM, file: 'MASKS/*_CLM_R2.tif', bits: [1]}, {name: SCL, file: '*_scl.tif', values: [0, 3]}]
nodata: -10000
""",
    source="small.yaml",
)
WRONG = replace(
    RIGHT,
    masks=(replace(RIGHT.masks[0], bits=(1, 9)), replace(RIGHT.masks[1], values=(3, 300, -1))),
)


def headers(spec: SensorSpec, bands: str, masks: str) -> dict[str, Header]:
    of_bands = {band.name: Header(GRID, (1, 64), (bands,) * 9, (None,) * 9) for band in spec.bands}
    return of_bands | {mask.name: Header(GRID, (1, 64), (masks,), (None,)) for mask in spec.masks}


def without_tags(root: Path) -> None:
    """Remove the nodata tags of all files below a folder."""
    for path in root.rglob("*.tif"):
        with rasterio.open(path, "r+") as file:
            file.nodata = None


def test_the_scan_rejects_values_that_the_data_type_cannot_represent(tmp_path: Path) -> None:
    write_series(RIGHT, tmp_path, TILE, (date(2018, 5, 11), date(2018, 6, 11)), {"": GRID})
    scan_tile(RIGHT, tmp_path, TILE)
    expected = [
        "mask CLM (MASKS/*_CLM_R2.tif): bit 9, but the file's values have 8 bits (0 to 7). ",
        "mask SCL (*_scl.tif): value 300, -1, but the file's values, of type uint8, are from 0 to 255. ",
    ]
    with pytest.raises(InputError) as caught:
        scan_tile(WRONG, tmp_path, TILE)
    first, *lines = str(caught.value).splitlines()
    assert "2 problems" in first
    remedy = "Correct the sensor description, or use files of another data type"
    assert [line.strip() for line in lines] == [text + remedy for text in expected]
    (tile,) = recognize(WRONG, tmp_path).tiles
    assert list(tile.problems) == [line.strip() for line in lines]
    assert not tile.usable


@pytest.mark.parametrize(
    ("bands", "nodata", "possible"),
    [
        ("float32", 99999.0, True),
        ("float32", np.nan, True),
        ("float64", -9999.5, True),
        ("int16", np.nan, False),
        ("int16", -9999.5, False),
        ("int16", -32768.0, True),
        ("uint16", -1.0, False),
        ("uint16", 65535.0, True),
        ("uint8", None, True),
    ],
)
def test_nodata_that_the_data_type_cannot_represent_is_noted(bands: str, nodata: float | None, possible: bool) -> None:
    spec = replace(RIGHT, nodata=nodata)
    found = [headers(spec, bands, "uint8")] * 2
    assert out_of_range_values(spec, found) == []
    message = unrepresentable_nodata(spec, found)
    assert len(message) == (0 if possible else 1)
    if nodata is not None and not possible:
        start = "no pixel of RED, NIR counts as no data by its value"
        assert message[0].startswith(f"{start}: {bands} cannot represent nodata {nodata:g} of the sensor description")


def test_a_nodata_value_that_no_file_can_represent_has_no_effect_and_is_noted(tmp_path: Path) -> None:
    """For example, Landsat 8 of THEIA converted to UInt16."""
    spec = builtin_specs()["Landsat8"]
    write_series(replace(spec, nodata=0), tmp_path, TILE, (date(2018, 5, 11), date(2018, 6, 11)), {"": GRID})
    without_tags(tmp_path)
    series, (note,) = scan_tile(spec, tmp_path, TILE)
    assert note.startswith(f"Landsat8, tile {TILE}: no pixel of B1, B2, B3, B4, B5, B6, B7 counts as no data")
    assert "uint16 cannot represent nodata -10000 of the sensor description" in note
    (tile,) = recognize(spec, tmp_path).tiles
    assert tile.usable
    scene = Scene(TILE, native_geobox(series), (series,))
    block = block_of(TILE, GRID, (0, 16), (0, 24))
    with CubeReader(scene, {spec.name: spec.band_names}) as reader:
        cube, sight = reader.read(block)[spec.name], reader.observed(block)[spec.name]
    np.testing.assert_array_equal(cube.valid, sight.valid)
    assert not np.isnan(cube.values).any()


def test_files_with_different_extents_need_a_nodata_value_of_their_data_type(tmp_path: Path) -> None:
    spec = replace(RIGHT, nodata=-10000, varying_extent=True, masks=())
    for day, grid in ((date(2018, 5, 11), GRID), (date(2018, 6, 11), GRID[:, :20])):
        write_series(replace(spec, nodata=0), tmp_path, TILE, (day,), {"": grid})
    scan_tile(spec, tmp_path, TILE)  # by the tag of the files
    without_tags(tmp_path)
    with pytest.raises(InputError, match="pixels of type uint16 need a nodata value"):
        scan_tile(spec, tmp_path, TILE)


@pytest.mark.parametrize(
    ("section", "bands", "masks"),
    [
        ("Sentinel_2", "int16", "uint8"),
        ("Sentinel_2_S2C", "uint16", "uint8"),
        ("Sentinel_2_L3A", "int16", "uint8"),
        ("Landsat8", "int16", "uint8"),
        ("Landsat8_old", "int16", "uint8"),
        ("Landsat5_old", "int16", "uint8"),
        ("Landsat8_usgs_optical", "uint16", "uint16"),
        ("Sentinel_1", "float32", "uint8"),
    ],
)
def test_files_of_built_in_sensors_can_represent_the_described_values(section: str, bands: str, masks: str) -> None:
    spec = builtin_specs()[section]
    assert out_of_range_values(spec, [headers(spec, bands, masks), {}]) == []


def test_one_file_of_another_data_type_is_found_among_others() -> None:
    wide, narrow = headers(RIGHT, "int16", "uint16"), headers(RIGHT, "int16", "uint8")
    spec = replace(RIGHT, masks=(replace(RIGHT.masks[0], bits=(9,)),))
    assert out_of_range_values(spec, [wide, wide]) == []
    assert len(out_of_range_values(spec, [wide, narrow, narrow])) == 1
