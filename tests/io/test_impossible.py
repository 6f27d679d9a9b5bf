"""Values of descriptions that the files of a product cannot hold."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox

from iota2.core.sensor import SensorSpec
from iota2.errors import InputError
from iota2.io.headers import Header
from iota2.io.impossible import impossible_values
from iota2.io.products import scan_tile
from iota2.io.recognition import recognize
from iota2.io.specs import builtin_specs, parse_spec
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
    of_bands = {band.name: Header(GRID, (bands,) * 9, (None,) * 9) for band in spec.bands}
    return of_bands | {mask.name: Header(GRID, (masks,), (None,)) for mask in spec.masks}


def test_the_scan_refuses_all_that_the_files_cannot_hold(tmp_path: Path) -> None:
    write_series(RIGHT, tmp_path, TILE, (date(2018, 5, 11), date(2018, 6, 11)), {"": GRID})
    scan_tile(RIGHT, tmp_path, TILE)
    expected = [
        "mask CLM (MASKS/*_CLM_R2.tif): bit 9, but the file's values have 8 bits (0 to 7). ",
        "mask SCL (*_scl.tif): value 300, -1, but the file's values, of uint8, lie from 0 to 255. ",
    ]
    with pytest.raises(InputError) as caught:
        scan_tile(WRONG, tmp_path, TILE)
    first, *lines = str(caught.value).splitlines()
    assert "2 problems" in first
    remedy = "Correct the description of the sensor, or give files of another type"
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
def test_nodata_must_be_a_value_of_the_type(bands: str, nodata: float | None, possible: bool) -> None:
    spec = replace(RIGHT, nodata=nodata)
    told = impossible_values(spec, [headers(spec, bands, "uint8")])
    assert len(told) == (0 if possible else 2)


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
def test_the_files_of_the_known_sensors_can_hold_what_is_described(section: str, bands: str, masks: str) -> None:
    spec = builtin_specs()[section]
    assert impossible_values(spec, [headers(spec, bands, masks), {}]) == []


def test_one_odd_file_is_seen_among_others() -> None:
    wide, narrow = headers(RIGHT, "int16", "uint16"), headers(RIGHT, "int16", "uint8")
    spec = replace(RIGHT, masks=(replace(RIGHT.masks[0], bits=(9,)),))
    assert impossible_values(spec, [wide, wide]) == []
    assert len(impossible_values(spec, [wide, narrow, narrow])) == 1
