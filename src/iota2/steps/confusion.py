"""Step: the map against the reference polygons of one tile."""

from __future__ import annotations

import geopandas as gpd
import numpy as np

from iota2 import layout
from iota2.compute.accuracy import confusion_matrix
from iota2.core.graph import JobContext, Step
from iota2.core.grid import Block, blocks, place_in
from iota2.core.tables import CODE, Confusion
from iota2.io.atomic import write_text
from iota2.io.burn import burn
from iota2.io.classes import read_classes
from iota2.io.rasters import RasterProfile, RasterReader, RasterWriter
from iota2.io.vectors import read_sqlite, read_vector
from iota2.report.text import confusion_csv
from iota2.steps.blocks import COPY_SHAPE

VALIDATION_WRONG, VALIDATION_RIGHT, LEARNING_WRONG, LEARNING_RIGHT = 1, 2, 3, 4


def run(job: JobContext) -> None:
    """Count the map's pixels in the tile's validation polygons and mark right and wrong ones."""
    codes = read_classes(job.inp.classes).codes
    validation, learning = read_sqlite(job.inp.validation), read_sqlite(job.inp.learning)
    total = Confusion(codes, np.zeros((len(codes), len(codes)), np.int64), np.zeros(len(codes), np.int64))
    with RasterReader(job.inp.map) as reader:
        envelope = read_vector(job.inp.envelope)
        window = reader.geobox[:1, :1] if envelope.empty else place_in(reader.geobox, tuple(envelope.total_bounds))
        with RasterWriter(job.out.comparison, RasterProfile(window, "uint8", nodata=0)) as writer:
            for block in blocks(str(job.key["tile"]), window, COPY_SHAPE):
                produced = reader.read(block.geobox)
                to_validate, learned = _burn(validation, block), _burn(learning, block)
                inside = to_validate > 0
                total += confusion_matrix(to_validate[inside], produced[inside], codes)
                writer.write(block, compare(produced, to_validate, learned))
    write_text(job.out.confusion, confusion_csv(total))


def compare(produced: np.ndarray, validation: np.ndarray, learning: np.ndarray) -> np.ndarray:
    """Right and wrong pixels of both sides as uint8; 0 without reference or label, sums where both sides are."""
    mapped = produced > 0
    result = np.zeros(produced.shape, np.uint8)
    for codes, wrong, right in (
        (validation, VALIDATION_WRONG, VALIDATION_RIGHT),
        (learning, LEARNING_WRONG, LEARNING_RIGHT),
    ):
        result += np.where(mapped & (codes > 0), np.where(codes == produced, right, wrong), 0).astype(np.uint8)
    return result


def _burn(polygons: gpd.GeoDataFrame, block: Block) -> np.ndarray:
    """Codes of the polygons on the block, 0 elsewhere."""
    near = polygons.iloc[np.sort(polygons.sindex.query(block.geobox.extent.geom))]
    return burn(zip(near.geometry, near[CODE], strict=True), block.geobox, "uint16")


STEP = Step(
    name="confusionCmd",
    group="validation",
    about="Compare the map with the reference polygons of each tile.",
    task="confusion_{tile}_seed_{seed}",
    run=run,
    over=("tile", "seed"),
    needs={
        "map": layout.MAP,
        "classes": layout.CODES,
        "envelope": layout.ENVELOPE,
        "validation": layout.VALIDATION_POLYGONS,
        "learning": layout.LEARN_POLYGONS,
    },
    makes={"confusion": layout.TILE_CONFUSION, "comparison": layout.TILE_COMPARISON},
)
