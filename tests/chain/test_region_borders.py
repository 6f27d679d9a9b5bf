"""Whole runs of two regions and two tiles with models that are blended near the border of the regions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
from shapely import box

from iota2 import layout
from iota2.chains.load import load_config
from iota2.core.graph import Resources
from iota2.io.rasters.files import raster_geobox
from iota2.io.tables.vectors import read_vector
from iota2.runs import runner
from tests.chain.helpers import EAST, IMAGES, WEST, Case, copied, read, run, said, small

__all__ = ["small"]
BLENDED = {
    "enable_boundary_fusion": True,
    "boundary_interior_buffer_size": 50,
    "boundary_exterior_buffer_size": 100,
}


def with_border(case: Case, beyond: float, **arg_classification: Any) -> Path:
    """A configuration of two tiles and two regions, whose border is ``beyond`` metres east of the western tile."""
    (x0, y0, _, y1), (_, _, x1, _) = (case.world.tile_geobox(tile).extent.boundingbox for tile in (WEST, EAST))
    border = case.world.tile_geobox(WEST).extent.boundingbox.right + beyond
    areas = [box(x0 - 50, y0 - 50, border, y1 + 50), box(border, y0 - 50, x1 + 50, y1 + 50)]
    frame = gpd.GeoDataFrame({"zone": ["near", "other"]}, geometry=areas, crs=IMAGES)
    frame.to_file(case.files.folder / "zones.gpkg", driver="GPKG")
    chain = {
        "list_tile": f"{WEST} {EAST}",
        "region_path": str(case.files.folder / "zones.gpkg"),
        "region_field": "zone",
    }
    return case.configured(chain=chain, arg_classification=arg_classification)


@pytest.fixture(scope="module")
def outside(small: Case, tmp_path_factory: pytest.TempPathFactory) -> Case:
    """A run in which the western tile uses a region that it does not meet."""
    found = copied(small, tmp_path_factory.mktemp("outside") / "case")
    run(with_border(found, 60, **BLENDED | {"boundary_exterior_buffer_size": 250}))
    return found


def test_a_near_region_without_pixel_or_sample_in_the_tile_has_weights_there(outside: Case) -> None:
    folder, name = outside.output, f"region_other_{WEST}"
    assert not read(folder / f"classif/MASK/MASK_{name}.tif").any()
    assert read_vector(folder / f"shapeRegion/zones_{name}.shp").empty
    weights = {
        region: read(folder / f"shapeRegion/zones_weights_region_{region}_{WEST}.tif") for region in ("near", "other")
    }
    applied = read(folder / f"classif/MASK/MASK_region_near_{WEST}.tif") > 0
    np.testing.assert_array_equal(weights["near"] > 0, applied)
    columns = np.flatnonzero(weights["other"].any(axis=0))
    assert columns.tolist() == [45, 46, 47, 48, 49, 50], "from 250 m before the border to the limit of the map"
    labels, validity = (read(folder / f"final/{name}.tif") for name in ("Classif_Seed_0", "PixelsValidity"))
    assert labels.any()
    np.testing.assert_array_equal(labels > 0, validity > 0)


def test_weights_of_two_tiles_agree_in_their_overlap(outside: Case) -> None:
    found = {}
    for tile in (WEST, EAST):
        values = read(outside.output / f"shapeRegion/zones_weights_region_other_{tile}.tif")
        masks = [read(outside.output / f"classif/MASK/MASK_region_{name}_{tile}.tif") for name in ("near", "other")]
        found[tile] = (values, (masks[0] | masks[1]) > 0)
    shared = 16
    (west, mapped), (east, also) = found[WEST], found[EAST]
    both = mapped[:, -shared:] & also[:, :shared]
    np.testing.assert_array_equal(west[:, -shared:][both], east[:, :shared][both])


@pytest.fixture(scope="module")
def compared(small: Case, tmp_path_factory: pytest.TempPathFactory) -> Case:
    """A run that compares the maps with and without blending, whose region border crosses both tiles."""
    found = copied(small, tmp_path_factory.mktemp("compared") / "case")
    given = {"boundary_comparison_mode": True, "boundary_buffer": [100, 30]}
    run(with_border(found, -80, **BLENDED, **given))
    return found


def test_the_report_compares_both_maps_at_borders(compared: Case) -> None:
    texts = said(compared.output)
    assert "borders</h2>" in texts["report.html"]
    assert "Without boundary fusion, borders of regions" in texts["report.html"]
    assert "Final map, limits of tiles" in texts["RESULTS.txt"]
    assert "Within 30 m of borders of regions, Final map: overall accuracy" in texts["RESULTS.txt"]
    borders = json.loads(texts["metrics.json"])["borders"]
    assert borders["blended"]
    (found,) = borders["seeds"]
    assert [stage["name"] for stage in found["stages"]] == ["no_boundary_fusion", "final"]
    assert [one["metres"] for one in found["borders"]] == [30, 100]
    assert (found["regions"], found["tiles"]) == (2, 2)


def test_numbers_of_the_stages_are_those_of_the_maps(compared: Case) -> None:
    content = json.loads((compared.output / "final/TMP/map_stages_seed_0.json").read_text(encoding="utf-8"))
    whole = json.loads(said(compared.output)["metrics.json"])["summary"]["overall_accuracy"]
    final, unblended = (read(compared.output / f"final/Classif_Seed_0{end}.tif") for end in ("", "_no_boundary_fusion"))
    last = content["stages"][-1]
    assert last["accuracy"]["overall"] == whole["mean"]
    assert last["accuracy"]["overall_bounds"] == [whole["low"], whole["high"]]
    (change,) = content["changes"]
    both = (final > 0) & (unblended > 0)
    assert change["pixels"] == both.sum()
    assert sum(count for _, _, count in change["classes"]) == (both & (final != unblended)).sum()
    grid = raster_geobox(compared.output / "final/Classif_Seed_0.tif")
    border = compared.world.tile_geobox(WEST).extent.boundingbox.right - 80
    column = round((border - grid.affine.c) / grid.affine.a)
    for stage, labels in zip(content["stages"], (unblended, final), strict=True):
        west, east = labels[:, column - 1], labels[:, column]
        known = (west > 0) & (east > 0)
        seam = stage["regions"]
        assert (seam["pairs_across"], seam["different_across"]) == (known.sum(), (known & (west != east)).sum())


def test_stages_do_not_depend_on_the_shape_of_blocks(compared: Case) -> None:
    path = compared.output / "final/TMP/map_stages_seed_0.json"
    expected = path.read_bytes()
    path.unlink()
    config = load_config(compared.files.folder / "case.yaml")
    use = Resources(block_shape=(17, 29))
    runner.run(config, runner.Options(workers=0, use=use), runner.Watcher())
    assert path.read_bytes() == expected


def test_without_a_region_file_nothing_is_weighted(small: Case, tmp_path: Path) -> None:
    case = copied(small, tmp_path / "case")
    config = load_config(case.configured(arg_classification=BLENDED))
    assert any("without chain.region_path there is a single region" in text for text in config.warnings)
    assert not layout.REGION_WEIGHTS.when(config)
    assert not layout.TMP_UNBLENDED_MAP.when(config)
    assert not layout.with_borders(config), "one region and one tile"
