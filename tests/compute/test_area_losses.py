"""Areas that polygons lose before pixels are selected, by reason."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from shapely import box

from iota2.compute.area_losses import area_losses

TILES, IMAGED, CLEAR, REGIONS = box(0, 0, 100, 100), box(0, 0, 90, 100), box(0, 0, 80, 100), box(0, 0, 70, 100)


def lost(*polygons):
    given = np.array(polygons, dtype=object)
    usable = shapely.intersection(given, CLEAR)
    areas = {"tiles": TILES, "imaged": IMAGED, "regions": REGIONS}
    found = area_losses(given, usable, **areas, smallest=1e-6, unclear="cloud_threshold")
    return {reason: (loss.area.tolist(), loss.whole.tolist()) for reason, loss in found.items() if loss.area.any()}


def test_usable_polygons_have_no_losses():
    assert lost(box(0, 0, 10, 10), box(60, 90, 70, 100)) == {}


@pytest.mark.parametrize(
    ("left", "reason"),
    [(200, "outside_tiles"), (91, "no_image"), (81, "cloud_threshold"), (71, "outside_regions")],
)
def test_whole_loss_is_assigned_to_the_first_reason_that_leaves_no_area(left, reason):
    assert lost(box(left, 0, left + 9, 10), box(0, 0, 1, 1)) == {reason: ([90, 0], [True, False])}


def test_losses_by_reason_sum_to_the_total_loss():
    found = lost(box(65, 0, 105, 10))
    assert {reason: area for reason, (area, _) in found.items()} == {
        "outside_tiles": [50],
        "no_image": [100],
        "cloud_threshold": [100],
        "outside_regions": [100],
    }
    assert not any(whole[0] for _, whole in found.values())


def test_without_polygons_there_are_no_losses():
    assert lost() == {}
