"""The clearest image of a part of a tile, and the picture of segments over it."""

from __future__ import annotations

import io
from datetime import date
from pathlib import Path

import numpy as np
from PIL import Image

from iota2.compute.segment_sizes import SegmentSizes
from iota2.core.grid import block_of
from iota2.core.sensor import SensorSpec
from iota2.io.archive.specs import parse_spec
from iota2.io.series.scene_file import read_scene
from iota2.io.tables.segment_sizes import write_segment_sizes
from iota2.io.tables.segments import LabelledParts
from iota2.report.results.segment_picture import BORDER_COLOR, ZOOM
from iota2.steps.clear_image import ClearImage, clearest_image
from iota2.steps.objects import picture
from tests.steps.helpers import DAYS, GRID, SPEC, TILE, run, scene_file, several, write_raster

COLOURS = parse_spec(
    """
name: Colours
section: Colours
product: '^COLOURS_(?P<date>\\d{8})'
bands:
  - {name: B, file: '*_b.tif', role: blue}
  - {name: G, file: '*_g.tif', role: green}
  - {name: R, file: '*_r.tif', role: red}
masks: [{name: CLOUD, file: '*_cloud.tif'}, {name: EDGE, file: '*_edge.tif', edge: true}]
nodata: -10000
""",
    source="colours.yaml",
)
CLOUDS = {DAYS[0]: (0, 6), DAYS[1]: (0, 3), DAYS[2]: (0, 1)}
"""Columns of clouds of each day."""


def cloudy(cols: tuple[int, int]) -> np.ndarray:
    found = np.zeros(GRID.shape, np.uint8)
    found[:, slice(*cols)] = 1
    return found


def clearest(folder: Path, series, cols: tuple[int, int] = (0, 8)) -> ClearImage:
    scene = read_scene(folder / scene_file(folder, series))
    return clearest_image(scene, block_of(TILE, GRID, (0, 6), cols))


def colours(blue: float) -> dict[date, dict[str, np.ndarray | float]]:
    return {
        day: {"R": 100 * k, "G": 100 * k + 1, "B": blue, "CLOUD": cloudy(cols)}
        for k, (day, cols) in enumerate(CLOUDS.items())
    }


def test_the_image_is_that_of_the_clearest_day_of_the_part(tmp_path: Path) -> None:
    found = clearest(tmp_path, [(COLOURS, colours(7))])
    assert (found.sensor, found.day) == ("Colours", DAYS[2])
    assert found.bands[:, 0, 0].tolist() == [200, 201, 7], "red, green, blue; clouds are shown"
    assert np.array_equal(found.clear, cloudy(CLOUDS[DAYS[2]]) == 0)


def test_other_parts_can_have_another_clearest_day(tmp_path: Path) -> None:
    images = colours(7)
    images[DAYS[2]]["CLOUD"] = cloudy((6, 8))
    assert clearest(tmp_path, [(COLOURS, images)], (4, 8)).day == DAYS[1]


def test_a_sensor_in_natural_colours_is_preferred_and_others_are_grey(tmp_path: Path) -> None:
    small: tuple[SensorSpec, dict] = (SPEC, {day: {"RED": 5, "NIR": 6} for day in DAYS})
    (tmp_path / "both").mkdir()
    assert clearest(tmp_path / "both", [small, (COLOURS, colours(7))]).sensor == "Colours"
    found = clearest(tmp_path, [small])
    assert (found.sensor, found.day, found.bands.shape) == ("Small", DAYS[0], (1, 6, 8))
    assert set(found.bands.ravel()) == {5}


def test_pixels_without_data_are_nan(tmp_path: Path) -> None:
    red = np.full(GRID.shape, 5)
    red[2, 3] = -10000
    found = clearest(tmp_path, [(SPEC, {DAYS[0]: {"RED": red, "NIR": 6}})])
    assert np.argwhere(np.isnan(found.bands[0])).tolist() == [[2, 3]]
    assert not found.clear[2, 3]


def test_the_picture_shows_the_tile_with_most_segments(tmp_path: Path) -> None:
    numbers = np.where(np.arange(8) < 4, 1, 2) + np.zeros((6, 8), int)
    write_raster(tmp_path / "segments.tif", numbers, "uint32")
    none = np.zeros(0, np.int64)
    LabelledParts(none, none, none, none).write(tmp_path / "parts.npz")
    write_segment_sizes(SegmentSizes({"other": 1, TILE: 2}, 24.0), tmp_path / "sizes.json")
    scene = scene_file(tmp_path, [(COLOURS, colours(7))])

    def each(name: str):
        return several("tile", {"other": "missing", TILE: name})

    inp = {"scene": each(scene), "sizes": "sizes.json", "segments": each("segments.tif"), "parts": each("parts.npz")}
    run(picture.STEP, tmp_path, inp, {"picture": "picture.png", "caption": "caption.txt"})
    assert (tmp_path / "caption.txt").read_text(encoding="utf-8") == (
        "Borders of segments over the image of Colours of 2018-01-21: 6 × 8 pixels of tile T31TCJ. The map has 3 "
        "segments, with a median size of 24 pixels.\n"
    )
    found = np.asarray(Image.open(io.BytesIO((tmp_path / "picture.png").read_bytes())))
    assert found.shape == (6 * ZOOM, 8 * ZOOM, 3)
    assert np.flatnonzero((found == BORDER_COLOR).all(axis=(0, 2))).tolist() == [4 * ZOOM - 1]
