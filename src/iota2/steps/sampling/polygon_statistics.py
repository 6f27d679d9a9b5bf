"""Step: number of pixels by class and polygon, for one model on one tile."""

from __future__ import annotations

from iota2 import layout
from iota2.core.graph import JobContext, Step
from iota2.core.tables import REGION
from iota2.io.files.crs import to_crs
from iota2.io.rasters.rasterize import pixels_inside
from iota2.io.series.scene_file import read_scene
from iota2.io.tables.pixel_counts import pixel_counts, write_statistics
from iota2.io.tables.vectors import read_sqlite


def run(job: JobContext) -> None:
    """Count the pixels whose centre is in a learning polygon of the model."""
    scene, polygons = read_scene(job.inp.scene), read_sqlite(job.inp.polygons)
    polygons = polygons[polygons[REGION] == job.key.model]
    polygon_of_pixel, _, _ = pixels_inside(to_crs(polygons, scene.geobox.crs), scene.geobox)
    write_statistics(pixel_counts(polygons, polygon_of_pixel), job.out.statistics)


STEP = Step(
    name="statsSamplesModel",
    group="sampling",
    about="Count the pixels of each class and polygon.",
    task="stats_{region}{submodel}_S_{seed}_T_{tile}",
    run=run,
    over=("tile", "region", "submodel", "seed"),
    needs={"scene": layout.SCENE, "polygons": layout.LEARN_POLYGONS},
    makes={"statistics": layout.TILE_STATISTICS},
)
