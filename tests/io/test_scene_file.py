"""Scenes are equal after conversion to a file and back."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from affine import Affine
from odc.geo.geobox import GeoBox

from iota2.core.scene import Scene, SensorScene
from iota2.core.sensor import LookAlike
from iota2.io.archive.products import native_geobox, scan_tile
from iota2.io.archive.specs import builtin_specs
from iota2.io.files.atomic import write_json
from iota2.io.series.scene_file import geobox_from_json, geobox_to_json, read_scene, scene_from_json, scene_to_json
from iota2.testing.products import write_series


def test_a_scene_is_equal_after_conversion_to_a_file_and_back(tmp_path: Path) -> None:
    spec = builtin_specs()["Sentinel_2"]
    grid = GeoBox((6, 8), Affine(10, 0, 300000.1, 0, -10, 4900000.3), "EPSG:32631")
    write_series(spec, tmp_path / "été", "T31TCJ", [date(2018, 5, 11)] * 2, {"": grid})
    sensor, _ = scan_tile(spec, tmp_path / "été", "T31TCJ")
    scene = Scene("T31TCJ", native_geobox(sensor), (sensor,))
    write_json(tmp_path / "scene.json", scene_to_json(scene))
    known = read_scene(tmp_path / "scene.json")
    assert known == replace(scene, sensors=(replace(sensor, spec=known.sensors[0].spec),))
    first = (tmp_path / "scene.json").read_bytes()
    write_json(tmp_path / "scene.json", scene_to_json(read_scene(tmp_path / "scene.json")))
    assert (tmp_path / "scene.json").read_bytes() == first


@pytest.mark.parametrize("section", sorted(builtin_specs()))
def test_the_file_of_a_scene_has_only_the_sensor_keys_that_reading_needs(section: str) -> None:
    spec, grid = builtin_specs()[section], GeoBox((6, 8), Affine(10, 0, 0, 0, -10, 0), "EPSG:32631")
    (known,) = scene_from_json(scene_to_json(Scene("T31TCJ", grid, (SensorScene(spec, (), {}),)))).sensors
    assert known.spec.roles == spec.roles
    assert known.spec.reference.name == spec.reference.name
    assert [(b.name, b.index, known.spec.nodata_of(b.name)) for b in known.spec.bands] == [
        (b.name, b.index, spec.nodata_of(b.name)) for b in spec.bands
    ]
    assert [(m.name, m.bits, m.values, m.edge) for m in known.spec.masks] == [
        (m.name, m.bits, m.values, m.edge) for m in spec.masks
    ]
    kept = ("name", "section", "scale", "offset", "resampling", "spectral", "static")
    assert [getattr(known.spec, key) for key in kept] == [getattr(spec, key) for key in kept]
    alike = (LookAlike("^raw", "not corrected"),)
    found_otherwise = replace(
        spec, product="^(?P<date>x)", ignore=("*.zip",), temporal_resolution=3, mistaken_for=alike
    )
    scenes = [Scene("T31TCJ", grid, (SensorScene(s, (), {}),)) for s in (spec, found_otherwise)]
    assert scene_to_json(scenes[0]) == scene_to_json(scenes[1])


def test_a_grid_without_an_epsg_code_is_equal_after_conversion_and_back() -> None:
    crs = "+proj=laea +lat_0=47.123 +lon_0=3.3 +datum=WGS84 +units=m"
    geobox = GeoBox((3, 4), Affine(1 / 3, 0, 0.1, 0, -1 / 3, 0.2), crs)
    assert geobox_from_json(geobox_to_json(geobox)) == geobox
