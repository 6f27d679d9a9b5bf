"""Strips of the mosaic: which parts of which tiles each of them needs."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox

from iota2.core.graph import Artifact, JobContext, Step
from iota2.core.grid import PART_ROWS, part_count, part_rows
from iota2.core.scene import Scene
from iota2.io.rasters.files import nearest_pixels
from iota2.io.rasters.ownership import product_grid
from iota2.io.tables.point_areas import outline
from iota2.runs.plan.jobs import make_plan
from iota2.runs.survey.strips import map_strips


def tile(name: str, crs: str, left: float, top: float, shape: tuple[int, int]) -> Scene:
    return Scene(name, GeoBox(shape, Affine(10, 0, left, 0, -10, top), crs), ())


TILES = [
    tile("T30TYP", "EPSG:32630", 700_000, 4_900_020, (3000, 1500)),
    tile("T31TBJ", "EPSG:32631", 230_000, 4_890_000, (2500, 1100)),
    tile("T31TCG", "EPSG:32631", 300_000, 4_800_000, (1500, 900)),
]
"""Two tiles of two zones, and one 70 km south of them."""
SCENES = {scene.tile: scene for scene in TILES}


def grid_of(proj: str, size: float) -> GeoBox:
    """The grid that covers all tiles."""
    outlines = {name: gpd.GeoSeries([outline(scene.geobox, proj)]) for name, scene in SCENES.items()}
    return product_grid(outlines, TILES[0].geobox, proj, (size, size))


@pytest.mark.parametrize(("proj", "size"), [("EPSG:2154", 10.0), ("EPSG:4326", 0.0001), ("EPSG:3035", 30.0)])
def test_a_strip_has_all_parts_that_its_pixels_lie_in_and_few_others(proj: str, size: float) -> None:
    grid = grid_of(proj, size)
    rows = map_strips(grid, SCENES).rows
    found = {(row["strip"], row["tile"], row["part"]) for row in rows}
    assert len(found) == len(rows)
    assert [row["strip"] for row in rows] == sorted(row["strip"] for row in rows)
    needed = set()
    for strip in range(part_count(grid.shape.y)):
        top, bottom = part_rows(strip, grid.shape.y)
        edges = sorted({top, top + 1, *range(top, bottom, 97), bottom - 2, bottom - 1})
        for name, scene in SCENES.items():
            for row in edges:
                inside, _ = nearest_pixels(scene.geobox, grid, (row, row + 1), (0, grid.shape.x))
                needed |= {(strip, name, int(one) // PART_ROWS) for one in np.unique(inside[inside >= 0])}
    assert needed <= found
    assert len(found) <= len(needed) + 3


def test_the_pixels_of_a_strip_are_those_of_its_tiles() -> None:
    grid = grid_of("EPSG:2154", 10.0)
    strips = map_strips(grid, SCENES)
    empty = set(range(part_count(grid.shape.y))) - set(strips.pixels)
    assert len(empty) >= 3, "between the tiles"
    total = sum(scene.geobox.shape.y * scene.geobox.shape.x for scene in TILES)
    overlap = outline(TILES[0].geobox, "EPSG:2154").intersection(outline(TILES[1].geobox, "EPSG:2154")).area / 100
    assert sum(strips.pixels.values()) == pytest.approx(total - overlap, rel=0.002)
    assert all(0 < count <= PART_ROWS * grid.shape.x for count in strips.pixels.values())


def nothing(job: JobContext) -> None:
    """A step that does nothing."""


def test_a_job_over_strips_gets_the_parts_of_its_strip(tmp_path: Path) -> None:
    """Other steps get the combinations of all rows, which have other axes."""
    part, strip = Artifact("{tile}_{part}.tif", "One per part."), Artifact("{strip}.tif", "One per strip.")
    seed = Artifact("{tile}_{seed}.txt", "One per tile and seed.")
    steps = [
        Step("parts", "init", "", "p_{tile}_{part}", nothing, ("tile", "part"), {}, {"part": part}),
        Step("seeds", "init", "", "s_{tile}_{seed}", nothing, ("tile", "seed"), {}, {"seed": seed}),
        Step("strips", "init", "", "t_{strip}", nothing, ("strip",), {"parts": part}, {"strip": strip}),
        Step("all", "init", "", "all", nothing, (), {"strips": strip}, {"whole": Artifact("all.tif", "One.")}),
    ]
    images = [{"tile": name, "part": k, "sensor": "S2", "seed": 0} for name in "AB" for k in range(3)]
    strips = [{"tile": "A", "part": 0, "strip": 0}, {"tile": "A", "part": 1, "strip": 1}]
    strips += [{"tile": "B", "part": 0, "strip": 1}]
    plan = make_plan(steps, images + strips, None, root=tmp_path, constants={})
    jobs = plan.by_id
    assert [job.id for job in plan.jobs if job.step.name == "strips"] == ["strips/t_0", "strips/t_1"]
    assert jobs["strips/t_0"].reads == ("A_0.tif",)
    assert jobs["strips/t_1"].reads == ("A_1.tif", "B_0.tif")
    assert jobs["strips/t_1"].needs == ("parts/p_A_1", "parts/p_B_0")
    assert jobs["all/all"].reads == ("0.tif", "1.tif")
    assert sum(job.step.name == "parts" for job in plan.jobs) == 6
    assert [job.id for job in plan.jobs if job.step.name == "seeds"] == ["seeds/s_A_0", "seeds/s_B_0"]
