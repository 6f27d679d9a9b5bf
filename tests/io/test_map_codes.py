"""Values of a map that becomes polygons: codes, no data, and others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox

from iota2.io.rasters import map_codes
from iota2.io.rasters.files import RasterReader
from iota2.io.rasters.map_codes import read_values, sampled_values, wrong_values, wrong_values_text
from tests.steps.helpers import write_raster

GRID = GeoBox((90, 121), Affine(10, 0, 300_000, 0, -10, 4_900_000), "EPSG:32631")


def written(folder: Path) -> Path:
    """A map whose rows have different values, with no data in the first row."""
    rows = np.repeat(np.arange(90)[:, None], 121, axis=1).astype(np.int32)
    rows[0] = -9
    write_raster(folder / "map.tif", rows, "int32", GRID, nodata=-9)
    return folder / "map.tif"


def test_no_data_are_zero(tmp_path: Path) -> None:
    with RasterReader(written(tmp_path)) as reader:
        values = read_values(reader, GRID)
    assert not values[0].any()
    assert (values[1:, 0] == range(1, 90)).all()


def test_small_maps_are_read_completely_and_others_in_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path)
    for stored in ((1, 121), (16, 16), (90, 121), (4096, 4096)):
        assert sampled_values(path, stored) == {*range(1, 90)}
    monkeypatch.setattr(map_codes, "MAX_SAMPLED_BLOCKS", 10)
    found = sampled_values(path, (1, 121))
    assert 9 <= len(found) <= 10
    assert max(found) - min(found) > 40, "blocks are distributed"
    assert sampled_values(path, (1, 121)) == found
    monkeypatch.setattr(map_codes, "MAX_SAMPLED_PIXELS", 121)
    assert len(sampled_values(path, (1, 121))) <= 1
    assert len(sampled_values(path, (90, 121))) <= 1, "a part of a large block"
    monkeypatch.setattr(map_codes, "MAX_CODE", 3)
    monkeypatch.setattr(map_codes, "MAX_SAMPLED_PIXELS", 1 << 24)
    assert len(sampled_values(path, (1, 121))) <= 5, "more values than codes are enough"


def test_values_that_are_no_codes(tmp_path: Path) -> None:
    assert wrong_values(np.array([[0, 65_535], [-1, 65_536]])) == {-1, 65_536}
    assert wrong_values(np.array([0, 255], np.uint8)) == set()
    text = wrong_values_text([65_536, -1], None)
    assert text.startswith("has pixels of the values -1, 65536; expected class codes from 1 to 65535")
    assert "the file has no no-data value" in text
    assert "the file has the no-data value -9)" in wrong_values_text([-1], -9.0)
