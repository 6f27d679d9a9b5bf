"""Step: picture of the borders of segments over an image."""

from __future__ import annotations

from types import ModuleType

import numpy as np

from iota2 import layout
from iota2.compute.excerpt import excerpt
from iota2.config.options.schema import Config
from iota2.core.cost import READING_SECONDS, SECONDS_PER_JOB, Cost, JobFacts
from iota2.core.graph import JobContext, Step
from iota2.core.grid import block_of
from iota2.io.files.atomic import replacing, write_text
from iota2.io.rasters.files import RasterReader
from iota2.io.series.scene_file import read_shifted_scene
from iota2.io.tables.segment_sizes import read_segment_sizes
from iota2.io.tables.segments import LabelledParts
from iota2.report.results.segments import picture_caption
from iota2.steps.clear_image import clearest_image

EXCERPT = 300
"""Maximum number of rows and columns of the image in the picture."""


def run(job: JobContext) -> None:
    """Draw the borders in the tile with most segments, where many segments have labelled pixels."""
    sizes = read_segment_sizes(job.inp.sizes)
    tile = sizes.largest_tile
    scene = read_shifted_scene(job.inp, tile=tile)
    height, width = scene.geobox.shape
    place = LabelledParts.read(job.inp.at("parts", tile=tile)).place
    rows, cols = excerpt((height, width), *np.divmod(place, width), EXCERPT)
    block = block_of(tile, scene.geobox, rows, cols)
    with RasterReader(job.inp.at("segments", tile=tile)) as raster:
        numbers = raster.read(block.geobox)
    image = clearest_image(scene, block)
    with replacing(job.out.picture) as part:
        part.write_bytes(_picture_module().segments_picture([*image.bands], image.clear, numbers))
    write_text(job.out.caption, picture_caption(sizes, image.sensor, image.day, tile, block.shape) + "\n")


def _picture_module() -> ModuleType:
    """The module that draws; it is imported here because Pillow delays the start of every command."""
    from iota2.report.results import segment_picture  # noqa: PLC0415

    return segment_picture


def cost(config: Config, facts: JobFacts) -> Cost:
    """Cost of a job: the rows of the excerpt are decoded, of all masks and of one image."""
    pixels = EXCERPT * max(scene.geobox.shape[1] for scene in facts.run.scenes.values())
    layers = max(facts.layers, 1)
    return Cost(facts.allowed, SECONDS_PER_JOB + pixels * layers * READING_SECONDS, 10 * EXCERPT**2)


STEP = Step(
    name="segmentPicture",
    group="validation",
    about="Draw the borders of segments over an image.",
    task="segment_picture",
    run=run,
    over=(),
    needs={
        **layout.IMAGES,
        "sizes": layout.SEGMENT_SIZES,
        "segments": layout.SEGMENTS,
        "parts": layout.LABELLED_PARTS,
    },
    makes={"picture": layout.SEGMENT_PICTURE, "caption": layout.SEGMENT_CAPTION},
    cost=cost,
)
