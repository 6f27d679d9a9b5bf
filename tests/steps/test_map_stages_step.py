"""Seams, changes and accuracy of small maps of two regions and two tiles."""

from __future__ import annotations

import json
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox

from iota2.compute.map_stages import FINAL_STAGE, REGULARISED_STAGE, UNSMOOTHED_STAGE, MapStages, map_stages_from_json
from iota2.core.graph import Key, Resources
from iota2.core.grid import blocks, pixel_centres
from iota2.io.files.crs import isotropic
from iota2.io.tables.vectors import write_shapefile, write_sqlite
from iota2.steps.reference_pixels import ValidationPixels
from iota2.steps.validation import map_stages
from tests.steps.helpers import area, frame, run, several, write_codes, write_raster

UNBLENDED = np.array([[1, 1, 1, 1, 1, 1, 1, 1]] * 3 + [[2, 2, 2, 2, 2, 2, 2, 2]] * 3)
FINAL = UNBLENDED.copy()
FINAL[3, :4] = 1
FINAL[0, 0] = 0
NORTH, SOUTH = area((0, 3), (0, 8)), area((3, 6), (0, 8))


def stages(
    folder: Path,
    *,
    unblended: bool = True,
    points: bool = False,
    widths: tuple[float, ...] = (),
    **use: tuple[int, int],
) -> MapStages:
    """The result for a region border below row 2 and a tile limit right of column 3; wheat is drawn in two polygons."""
    row = np.arange(6)[:, None] * np.ones(8, int)
    masks = {}
    for tile in "AB":
        for region, inside in {"north": row < 3, "south": row >= 3}.items():
            masks[tile, region] = write_raster(folder / f"{tile}_{region}.tif", inside)
    envelopes = {"A": area((0, 6), (0, 4)), "B": area((0, 6), (4, 8))}
    for tile, geometry in envelopes.items():
        write_shapefile(frame([geometry], tile=tile), folder / f"{tile}.shp")
    write_shapefile(frame([NORTH, SOUTH], region=["north", "south"]), folder / "regions.shp")
    fields = {"A": [area((0, 2), (0, 2)), area((3, 5), (0, 2))], "B": [area((0, 1), (6, 8))]}
    for tile, polygons in fields.items():
        columns = {"originfid": range(len(polygons)) if tile == "A" else [2], "i2label": 1}
        write_sqlite(frame(polygons, **columns), folder / f"{tile}.sqlite")
    inp = {
        "final": write_raster(folder / "final.tif", FINAL),
        "classes": write_codes(folder),
        "envelopes": several("tile", {tile: f"{tile}.shp" for tile in "AB"}),
        "masks": several("tile region", masks),
        "regions": "regions.shp",
        "validation": several("tile", {tile: f"{tile}.sqlite" for tile in "AB"}),
    }
    if unblended:
        inp["no_boundary_fusion"] = write_raster(folder / "unblended.tif", UNBLENDED)
    if points:
        centres = frame([area((1, 2), (1, 2)).centroid], originfid=0, i2label=1)
        write_sqlite(centres, folder / "points.sqlite")
        inp["selection"] = several("tile region", {("A", "north"): "points.sqlite"})
    params, given = map_stages.StageParams(widths), Resources(**use)
    run(map_stages.STEP, folder, inp, {"stages": "stages.json"}, key=Key.of(seed=0), params=params, use=given)
    return map_stages_from_json(json.loads((folder / "stages.json").read_text(encoding="utf-8")))


def test_pairs_across_borders_are_counted_for_each_stage(tmp_path: Path) -> None:
    unblended, final = stages(tmp_path).stages
    assert (unblended.name, final.name) == ("no_boundary_fusion", "final")
    assert (unblended.regions.pairs_across, unblended.regions.different_across) == (8, 8)
    assert (final.regions.pairs_across, final.regions.different_across) == (8, 4)
    assert (unblended.tiles.pairs_across, unblended.tiles.different_across) == (6, 0)
    assert (final.tiles.pairs_across, final.tiles.different_across) == (6, 1)
    assert unblended.regions.undefined.startswith("the class never changes near")
    near = final.regions  # 8 x 2 rows from the border on each side, without the pair across the limit of the tiles
    assert (near.pairs_near, near.different_near) == (12 + 8 + 12 + 8 - 2, 0)


def test_changed_pixels_are_counted_where_both_maps_are_classified(tmp_path: Path) -> None:
    (change,) = stages(tmp_path).changes
    assert (change.before, change.after, change.pixels) == ("no_boundary_fusion", "final", 47)
    assert change.classes == ((2, 1, 4),)


def test_the_accuracy_of_stages_near_borders_counts_pixels_on_both_sides(tmp_path: Path) -> None:
    found = stages(tmp_path, widths=(10.0, 20.0))
    assert [(one.accuracy.polygons, one.accuracy.pixels, one.accuracy.overall) for one in found.stages] == [
        (3, 9, 5 / 9),
        (3, 9, 7 / 9),
    ]
    near, wide = found.borders
    assert (near.metres, wide.metres) == (10, 20)
    unblended, final = (near.stages[name] for name in ("no_boundary_fusion", "final"))
    assert (unblended.polygons, unblended.pixels, unblended.overall) == (1, 2, 0), "row 3 of the southern polygon"
    assert (final.polygons, final.pixels, final.overall) == (1, 2, 1)
    assert (wide.stages["final"].polygons, wide.stages["final"].pixels) == (2, 6), "rows 1, 3 and 4"


def test_selected_pixels_are_counted_instead_of_whole_polygons(tmp_path: Path) -> None:
    (only,) = stages(tmp_path, unblended=False, points=True).stages
    assert (only.accuracy.polygons, only.accuracy.pixels, only.accuracy.overall) == (1, 1, 1)


@pytest.mark.parametrize("shape", [(1, 8), (4, 3), (2, 2)])
def test_stages_do_not_depend_on_the_shape_of_blocks(tmp_path: Path, shape: tuple[int, int]) -> None:
    whole = stages(tmp_path, widths=(25.0,))
    assert stages(tmp_path, widths=(25.0,), block_shape=shape) == whole


def test_a_map_without_other_stage_has_no_changes(tmp_path: Path) -> None:
    found = stages(tmp_path, unblended=False)
    assert [stage.name for stage in found.stages] == ["final"]
    assert found.changes == ()


def test_names_of_stages_are_those_that_the_report_looks_for() -> None:
    assert [stage.name for stage in map_stages.STAGES[-3:]] == [UNSMOOTHED_STAGE, FINAL_STAGE, REGULARISED_STAGE]


def test_pixels_near_borders_are_found_in_metres_at_their_latitude() -> None:
    """A border along a meridian; pixels 100 m to the east of it between 1° and 64° of latitude."""
    grid = GeoBox((64, 1), Affine(1e-4, 0, 0, 0, -1, 64.5), "EPSG:4326")
    block = next(blocks("", grid, grid.shape))
    rows, cols = np.arange(64), np.zeros(64, int)
    x, y = pixel_centres(grid, rows, cols)
    borders = x - 100 / (6_371_000 * np.pi / 180 * np.cos(np.radians(y)))
    line = [*zip(borders.tolist(), y.tolist(), strict=True)]
    outlines = [shapely.Polygon([*line, (end, 0.5), (end, 64.5)]) for end in (-3, 3)]
    regions, _ = isotropic(np.array(outlines), "EPSG:4326")
    nothing = gpd.GeoDataFrame(geometry=[], crs="EPSG:4326")
    reference = map_stages._Reference(nothing, None, tuple(regions), (90.0, 110.0))
    pixels = ValidationPixels(rows, cols, rows, rows)
    found = reference.near(pixels, block)
    assert (found[90.0].sum(), found[110.0].sum()) == (0, 64)
