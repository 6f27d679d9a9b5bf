"""A scene comes back from its file as it was."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from affine import Affine
from odc.geo.geobox import GeoBox

from iota2.core.scene import Scene
from iota2.io.atomic import write_json
from iota2.io.products import native_geobox, scan_tile
from iota2.io.scenes import geobox_from_json, geobox_to_json, read_scene, scene_to_json
from iota2.io.specs import builtin_specs
from iota2.testing.products import write_series


def test_a_scene_survives_its_file(tmp_path: Path) -> None:
    spec = builtin_specs()["Sentinel_2"]
    grid = GeoBox((6, 8), Affine(10, 0, 300000.1, 0, -10, 4900000.3), "EPSG:32631")
    write_series(spec, tmp_path / "été", "T31TCJ", [date(2018, 5, 11)] * 2, {"": grid})
    sensor, _ = scan_tile(spec, tmp_path / "été", "T31TCJ")
    scene = Scene("T31TCJ", native_geobox(sensor), (sensor,))
    write_json(tmp_path / "scene.json", scene_to_json(scene))
    assert read_scene(tmp_path / "scene.json") == scene
    first = (tmp_path / "scene.json").read_bytes()
    write_json(tmp_path / "scene.json", scene_to_json(read_scene(tmp_path / "scene.json")))
    assert (tmp_path / "scene.json").read_bytes() == first


def test_a_lattice_without_an_epsg_number_survives() -> None:
    crs = "+proj=laea +lat_0=47.123 +lon_0=3.3 +datum=WGS84 +units=m"
    geobox = GeoBox((3, 4), Affine(1 / 3, 0, 0.1, 0, -1 / 3, 0.2), crs)
    assert geobox_from_json(geobox_to_json(geobox)) == geobox
