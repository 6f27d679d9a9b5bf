"""Step: the features of one tile as one raster, which refers to its strips."""

from __future__ import annotations

from iota2 import layout
from iota2.core.graph import JobContext, Step
from iota2.io.rasters.virtual import write_virtual
from iota2.io.series.scene_file import read_scene
from iota2.steps.map_layers import map_profile, read_map


def run(job: JobContext) -> None:
    """Write a virtual raster of the strips."""
    profile = map_profile(read_scene(job.inp.scene).geobox, read_map(job.inp.bands))
    write_virtual(job.out.tile, profile, list(job.inp.all("parts").values()))


STEP = Step(
    name="featuresMapTiles",
    group="features",
    about="Assemble the strips of each tile.",
    task="features_{tile}",
    run=run,
    over=("tile",),
    needs={"scene": layout.SCENE, "bands": layout.MAP_BANDS, "parts": layout.PART_MAP},
    makes={"tile": layout.TILE_MAP},
    leaves_gap=True,
)
