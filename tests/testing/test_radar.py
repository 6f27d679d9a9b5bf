"""Synthetic Sentinel-1 images: reproducible, on the grid of the tile, with speckle, seasons and a limited swath."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import rasterio
from scipy import ndimage

from iota2.testing.classes import CLASSES
from iota2.testing.radar import BACKSCATTER, EQUIVALENT_LOOKS, Pass, backscatter, out_of_swath, passes, write_radar
from iota2.testing.world import World, WorldOptions, make_world

SMALL = WorldOptions(size=64, overlap=16, classes=3, dates=(date(2018, 3, 17), date(2018, 4, 28)))


@pytest.fixture(scope="module")
def small() -> World:
    return make_world(SMALL)


def digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_bytes_depend_on_the_seed_only(small: World, tmp_path: Path) -> None:
    write_radar(small, tmp_path / "one")
    write_radar(make_world(SMALL), tmp_path / "two")
    write_radar(make_world(replace(SMALL, seed=1)), tmp_path / "three")
    one, two, three = (digests(tmp_path / name) for name in ("one", "two", "three"))
    assert one == two
    assert one.keys() == three.keys()
    assert sum(one[name] == three[name] for name in one if "Mask" not in name) == 1, "the INI file alone"


def test_images_have_the_grid_of_their_tile_and_are_equal_in_overlaps(small: World, tmp_path: Path) -> None:
    write_radar(small, tmp_path, masks=False)
    assert not list(tmp_path.rglob("*Mask*"))
    for west in (tmp_path / "images" / "31TCJ").iterdir():
        shown = []
        for tile in ("T31TCJ", "T31TDJ"):
            with rasterio.open(str(west).replace("31TCJ", tile[1:])) as source:
                geobox = small.tile_geobox(tile)
                assert (source.transform, source.shape) == (geobox.affine, geobox.shape)
                assert (source.crs.to_epsg(), source.dtypes, source.nodata) == (32631, ("float32",), 0)
                shown.append(source.read(1))
        np.testing.assert_array_equal(shown[0][:, -16:], shown[1][:, :16])


def test_speckle_has_the_number_of_looks_and_preserves_the_mean(small: World) -> None:
    (passage, *_) = passes(small, 12)
    calm = backscatter(replace(small, options=replace(SMALL, constant=True)), passage, "vv")
    seen = backscatter(small, passage, "vv")
    fields = small.rasterized(np.repeat(np.arange(len(small.fields))[:, None], 2, axis=1))
    sizes = np.bincount(fields.ravel())
    chosen = np.flatnonzero(sizes > 150)
    assert len(chosen) > 5
    variation = ndimage.standard_deviation(seen, fields, chosen) / ndimage.mean(seen, fields, chosen)
    assert np.mean(variation) == pytest.approx(1 / np.sqrt(EQUIVALENT_LOOKS), rel=0.1)
    change = 10 * np.log10(ndimage.mean(seen, fields, chosen) / ndimage.mean(calm, fields, chosen))
    assert abs(change.mean()) < 1, "dB around the class"
    assert 1 < change.std() < 3, "no field is like another"


def test_backscatter_depends_on_class_polarisation_and_season(small: World) -> None:
    assert BACKSCATTER.keys() == {land_class.code for land_class in CLASSES}
    constant = make_world(replace(SMALL, constant=True))
    truth = constant.truth(constant.geobox)
    levels = {}
    for day in (date(2018, 2, 1), date(2018, 7, 27)):
        passage = Pass(0, day, "DES")
        vv, vh = (10 * np.log10(backscatter(constant, passage, name)) for name in ("vv", "vh"))
        assert (vv > vh).all()
        levels[day.month] = vh[truth == 11].mean()
    assert levels[7] > levels[2] + 2, "maize stands in July"


def test_one_pass_in_four_covers_a_part_of_the_world(small: World) -> None:
    shape = small.geobox.shape
    for direction in ("ASC", "DES"):
        shares = [out_of_swath(shape, Pass(number, date(2018, 5, 11), direction)).mean() for number in range(8)]
        assert [share > 0 for share in shares] == [False, True, False, False, False, True, False, False]
        assert all(share < 0.6 for share in shares)
