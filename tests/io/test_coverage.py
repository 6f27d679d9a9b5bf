"""Covered share of a tile, compared with known areas."""

from __future__ import annotations

import pytest
from affine import Affine
from odc.geo.geobox import GeoBox

from iota2.io.archive.coverage import bounds_in, covered_share

TILE = GeoBox((100, 200), Affine(10, 0, 500000, 0, -10, 5000000), "EPSG:32631")
"""On the central meridian, 3 degrees east, of zone 31, where map and parallel run alike."""


@pytest.mark.parametrize(
    ("right", "down", "share"), [(0, 0, 1.0), (100, 0, 0.5), (100, 50, 0.25), (-190, 0, 0.05), (200, 0, 0.0)]
)
def test_in_the_same_crs_the_share_is_that_of_the_overlap(right: int, down: int, share: float) -> None:
    images = GeoBox(TILE.shape, TILE.affine * Affine.translation(right, down), TILE.crs)
    assert covered_share(TILE, images) == pytest.approx(share)
    assert covered_share(images, TILE) == pytest.approx(share)


def test_in_another_crs_the_share_is_that_of_the_overlap() -> None:
    world = GeoBox((180, 360), Affine(1, 0, -180, 0, -1, 90), "EPSG:4326")
    east = GeoBox((10, 20), Affine(1, 0, 3 + 0.0126, 0, -1, 50), "EPSG:4326")
    assert covered_share(TILE, world) == 1
    assert covered_share(TILE, east) == pytest.approx(0.5, abs=0.01), "0.0126 degrees are 1000 m at 45 degrees north"
    beside = GeoBox(TILE.shape, TILE.affine, "EPSG:32633")
    assert covered_share(TILE, beside) == 0, "the same numbers in zone 33 are 12 degrees further east"


def test_outside_the_domain_of_a_crs_the_share_is_0() -> None:
    pole = GeoBox((10, 10), Affine(1000, 0, -5000, 0, -1000, 5000), "EPSG:3031")
    sphere = GeoBox((10, 10), Affine(1000, 0, -5000, 0, -1000, 5000), "+proj=ortho +lat_0=0 +lon_0=183")
    assert covered_share(TILE, pole) == 0
    assert covered_share(TILE, sphere) == 0
    assert bounds_in(TILE, "+proj=ortho +lat_0=0 +lon_0=183").startswith("no valid coordinates in ")


def test_bounds_are_described_in_metres_and_in_degrees() -> None:
    assert bounds_in(TILE, "EPSG:32631") == "x 500000 to 502000, y 4999000 to 5000000"
    assert bounds_in(TILE, "EPSG:4326") == "x 3.0000 to 3.0254, y 45.1445 to 45.1535"
