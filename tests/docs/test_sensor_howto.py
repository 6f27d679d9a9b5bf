"""The sensor descriptions on the page on new sensors fit the archives shown there."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox

from iota2.core.grid import blocks as cells
from iota2.core.scene import Scene
from iota2.io.archive.products import native_geobox, scan_tile
from iota2.io.archive.specs import parse_spec
from iota2.io.series.reader import CubeReader
from iota2.testing.products import Layer, write_raster
from tests.docs.helpers import ROOT, blocks

PAGE = ROOT / "docs/howto/add-a-sensor.md"
ARCHIVES = [body for body in blocks(PAGE, "text") if body.startswith("images/")]
DESCRIPTIONS = [body for body in blocks(PAGE, "yaml") if "product:" in body]
GRID = GeoBox((6, 8), Affine(5, 0, 300000, 0, -5, 4900020), "EPSG:32631")


def written(archive: str, root: Path, bands: int) -> None:
    """Write the files shown on the page: images of 1000, and masks with the clear value of their comment."""
    folder, *lines = archive.splitlines()
    for line in lines:
        name = line[4:].split()[0]
        path = root / folder / name
        clear = re.search(r"(\d) clear", line)
        value = int(clear[1]) if clear else 0 if "quality" in name else 1000
        layer = Layer(np.full(GRID.shape, value, np.uint16), GRID)
        write_raster(path, dict.fromkeys(range(1, bands + 1) if "bands" in name else (1,), layer))
        if path.suffix == ".png":
            path.write_bytes(b"\x89PNG")


def test_the_page_shows_an_archive_for_each_description() -> None:
    assert len(ARCHIVES) == len(DESCRIPTIONS) == 2


@pytest.mark.parametrize("number", range(len(DESCRIPTIONS)))
def test_a_description_reads_the_archive_above_it(number: int, tmp_path: Path) -> None:
    spec = parse_spec(DESCRIPTIONS[number], source="page")
    written(ARCHIVES[number], tmp_path, len(spec.bands))
    sensor, notes = scan_tile(spec, tmp_path / "images", "T31TCJ")
    assert notes == ()
    assert sensor.keys == (("20180511",), ("20180511", "20180521"))[number]
    scene = Scene("T31TCJ", native_geobox(sensor), (sensor,))
    with CubeReader(scene, {spec.name: spec.band_names}) as reader:
        cube = reader.read(next(cells("T31TCJ", GRID, GRID.shape)))[spec.name]
    assert cube.valid.all()
    assert (cube.values == 1000 * spec.scale + spec.offset).all()
