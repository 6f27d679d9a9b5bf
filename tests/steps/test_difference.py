"""The raster of correct and wrong pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from iota2.core.graph import Key
from iota2.io.rasters.files import raster_geobox
from iota2.steps.validation import confusion, difference
from tests.steps.helpers import GRID, read_raster, run, several, write_raster


@pytest.mark.parametrize("split", [True, False])
def test_comparisons_of_tiles_are_placed_on_the_grid_of_the_map(tmp_path: Path, split: bool) -> None:
    north, south = np.full((2, 8), 2), np.array([[1, 0, 3], [4, 2, 4]])
    inp = {
        "map": write_raster(tmp_path / "map.tif", 1),
        "tiles": several(
            "tile",
            {
                "A": write_raster(tmp_path / "a.tif", north, geobox=GRID[:2]),
                "B": write_raster(tmp_path / "b.tif", south, geobox=GRID[3:5, 4:7]),
            },
        ),
    }
    out = {"difference": "diff.tif", "style": "diff.qml", "tile_styles": several("tile", {"A": "a.qml", "B": "b.qml"})}
    run(difference.STEP, tmp_path, inp, out, key=Key.of(seed=0), params=difference.DifferenceParams(split))
    expected = np.zeros(GRID.shape)
    expected[:2], expected[3:5, 4:7] = north, south
    np.testing.assert_array_equal(read_raster(tmp_path / "diff.tif"), expected)
    assert raster_geobox(tmp_path / "diff.tif") == GRID
    style = (tmp_path / "diff.qml").read_text()
    assert (tmp_path / "a.qml").read_text() == (tmp_path / "b.qml").read_text() == style
    assert ("learning and validation: wrong" in style) == (not split), "4 is the sum of 1 and 3 without a split"


def test_a_pixel_is_correct_or_wrong_for_each_side_of_the_split() -> None:
    produced = np.array([1, 1, 2, 2, 0, 1, 1])
    validation = np.array([1, 2, 0, 0, 1, 0, 1])
    learning = np.array([0, 0, 2, 1, 0, 0, 1])
    assert confusion.compare(produced, validation, learning).tolist() == [2, 1, 4, 3, 0, 0, 6]
