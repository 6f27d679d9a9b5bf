"""Step: values of the map in the validation polygons of one tile."""

from __future__ import annotations

import numpy as np

from iota2 import layout
from iota2.compute.value_accuracy import ValuePixels
from iota2.core.graph import JobContext, Step
from iota2.core.grid import blocks, grid_covering
from iota2.core.tables import ORIGIN, REGION
from iota2.io.rasters.files import RasterReader
from iota2.io.tables.target_values import read_target_values
from iota2.io.tables.value_pixels import write_value_pixels
from iota2.io.tables.vectors import read_sqlite, read_vector
from iota2.steps.blocks import COPY_SHAPE
from iota2.steps.reference_pixels import rasterize_positions


def run(job: JobContext) -> None:
    """Write the value of each map pixel with its centre in a validation polygon of the tile."""
    polygons, value_of = read_sqlite(job.inp.validation), read_target_values(job.inp.truth)
    origins = polygons[ORIGIN].to_numpy().astype(np.int64)
    regions = polygons[REGION].to_numpy().astype(str)
    rows: list[np.ndarray] = []
    found: list[np.ndarray] = []
    with RasterReader(job.inp.map) as values, RasterReader(job.inp.width) as widths:
        envelope = read_vector(job.inp.envelope)
        window = values.geobox[:1, :1] if envelope.empty else grid_covering(values.geobox, tuple(envelope.total_bounds))
        for block in blocks(job.key.tile, window, COPY_SHAPE):
            position = rasterize_positions(polygons, block)
            inside = position > 0
            rows.append(position[inside].astype(np.int64) - 1)
            layers = [reader.read(block.geobox, fill=np.nan)[inside] for reader in (values, widths)]
            found.append(np.stack(layers).astype(np.float64))
    row, (mapped, width) = np.concatenate(rows), np.concatenate(found, axis=1)
    true = np.array([value_of[origin] for origin in origins.tolist()], np.float64)
    pixels = ValuePixels(origins[row], regions[row], true[row], mapped, width)
    write_value_pixels(pixels, job.out.pixels)


STEP = Step(
    name="regressionValidation",
    group="validation",
    about="Read the values of the map in the validation polygons of each tile.",
    task="regression_validation_{tile}_seed_{seed}",
    run=run,
    over=("tile", "seed"),
    needs={
        "map": layout.VALUE_MAP,
        "width": layout.WIDTH_MAP,
        "envelope": layout.ENVELOPE,
        "validation": layout.VALIDATION_POLYGONS,
        "truth": layout.TARGET_VALUES,
    },
    makes={"pixels": layout.TILE_VALUE_PIXELS},
)
