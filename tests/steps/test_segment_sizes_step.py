"""Number and size of the segments of all tiles."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np

from iota2.compute.segment_sizes import SegmentSizes
from iota2.io.tables.segment_sizes import read_segment_sizes, write_segment_sizes
from iota2.io.tables.segments import Segments, SharedSegments
from iota2.steps.objects import sizes
from iota2.steps.objects.shared import shared_segments
from tests.steps.helpers import run, several


def segments(identifier: list[int], pixels: list[int]) -> Segments:
    present = np.array(pixels) > 0
    region, place = np.where(present, 0, -1).astype(np.int16), np.zeros(len(pixels), int)
    counted = np.array(pixels)
    return Segments(
        identifier=np.array(identifier), pixels=counted, region=region, place=place, present=present, mapped=counted
    )


def test_a_segment_in_several_tiles_counts_once_with_all_its_pixels(tmp_path: Path) -> None:
    tables = {
        "A": segments([7, 8, 9], [10, 3, 0]),
        "B": segments([5, 7, 9], [6, 20, 0]),
    }
    for tile, one in tables.items():
        one.write(tmp_path / f"{tile}.npz")
    shared_segments(tables).write(tmp_path / "shared.npz")
    inp = {"tables": several("tile", {tile: f"{tile}.npz" for tile in tables}), "shared": "shared.npz"}
    run(sizes.STEP, tmp_path, inp, {"sizes": "sizes.json"})
    found = read_segment_sizes(tmp_path / "sizes.json")
    assert dict(found.tiles) == {"A": 1, "B": 2}, "segment 7 is at home in B; 9 has no pixel"
    assert found.median == np.median([3, 6, 30])


def test_a_segment_that_is_only_in_the_margin_of_a_tile_does_not_count(tmp_path: Path) -> None:
    """Its pixels do not count either."""
    table = replace(segments([1, 2, 3], [4, 9, 6]), mapped=np.array([2, 0, 6]))
    table.write(tmp_path / "A.npz")
    shared_segments({}).write(tmp_path / "shared.npz")
    inp = {"tables": several("tile", {"A": "A.npz"}), "shared": "shared.npz"}
    run(sizes.STEP, tmp_path, inp, {"sizes": "sizes.json"})
    assert read_segment_sizes(tmp_path / "sizes.json") == SegmentSizes({"A": 2}, 4.0)


def test_the_median_of_no_segments_is_null(tmp_path: Path) -> None:
    write_segment_sizes(SegmentSizes({"A": 0}, math.nan), tmp_path / "sizes.json")
    assert json.loads((tmp_path / "sizes.json").read_text())["median_pixels"] is None
    assert math.isnan(read_segment_sizes(tmp_path / "sizes.json").median)


def test_shared_segments_of_no_tile_leave_the_tables_unchanged(tmp_path: Path) -> None:
    segments([1, 2], [4, 6]).write(tmp_path / "A.npz")
    shared: SharedSegments = shared_segments({})
    shared.write(tmp_path / "shared.npz")
    inp = {"tables": several("tile", {"A": "A.npz"}), "shared": "shared.npz"}
    run(sizes.STEP, tmp_path, inp, {"sizes": "sizes.json"})
    assert read_segment_sizes(tmp_path / "sizes.json") == SegmentSizes({"A": 2}, 5.0)
