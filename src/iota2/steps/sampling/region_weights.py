"""Step: weights of the models of one tile near borders of regions."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import shapely
from odc.geo.geobox import GeoBox

from iota2 import layout
from iota2.compute.region_weights import WEIGHT_SCALE, Blending, scaled_weights
from iota2.config.options.schema import Config
from iota2.core.cost import READING_SECONDS, Cost, JobFacts
from iota2.core.graph import JobContext, Step
from iota2.core.grid import Block, blocks
from iota2.core.tables import REGION
from iota2.io.files.crs import pixel_metres, to_crs
from iota2.io.rasters.files import RasterProfile, RasterReader, RasterWriter
from iota2.io.rasters.rasterize import rasterize
from iota2.io.tables.point_areas import outline
from iota2.io.tables.vectors import read_vector
from iota2.steps.blocks import WRITING_THREADS, copy_shape

_BYTES_PER_PIXEL = 40
"""Memory per pixel of a block and its halo while the weights of one region are computed."""
_BYTES_PER_REGION = 3
"""Memory per pixel of the mask and of the weights of a region."""
_SECONDS = 0.1e-6
"""Seconds per pixel and region, for widths of 500 m and pixels of 10 m, measured by ``make bench``."""


def params(config: Config) -> Blending:
    """Widths of the blending and minimum weight."""
    given = config.arg_classification
    return Blending(
        given.boundary_interior_buffer_size, given.boundary_exterior_buffer_size, given.boundary_fusion_epsilon
    )


def run(job: JobContext[Blending]) -> None:
    """Write the weight of each region's model in the classified area of the tile; 0 outside this area."""
    with ExitStack() as stack:
        masks = {key.region: stack.enter_context(RasterReader(path)) for key, path in job.inp.each("masks")}
        grid = next(iter(masks.values())).geobox
        sizes = PixelSizes.of(grid, job.params)
        halo = sizes.halo
        outlines = _outlines(read_vector(job.inp.regions), grid, halo)
        profile = RasterProfile(grid, "uint16", nodata=0)
        writers = {
            key.region: stack.enter_context(RasterWriter(path, profile)) for key, path in job.out.each("weights")
        }
        pixel_bytes = _BYTES_PER_PIXEL + _BYTES_PER_REGION * len(masks)
        for block in blocks(job.key.tile, grid, job.use.block_shape or copy_shape(job.use, pixel_bytes, halo)):
            applied = {region: mask.read(block.geobox) > 0 for region, mask in masks.items()}
            if any(mask.any() for mask in applied.values()):
                for region, weights in block_weights(outlines, applied, block, sizes, job.params).items():
                    writers[region].write(block, weights)


@dataclass(frozen=True, eq=False)
class PixelSizes:
    """Pixel sizes in metres on the grid of a tile, and the halo of blocks."""

    widths: np.ndarray
    """(row,) of the grid with the rows of the halo above and below it, so that they do not depend on blocks."""
    height: float
    halo: tuple[int, int]
    """Rows and columns."""

    @classmethod
    def of(cls, grid: GeoBox, blending: Blending) -> PixelSizes:
        """Sizes of the pixels of ``grid``."""
        own, height = pixel_metres(grid)
        rows, cols = blending.halo((float(own.min()), height))
        return cls(pixel_metres(grid.pad(0, rows))[0], height, (rows, cols))

    def around(self, block: Block) -> tuple[np.ndarray, float]:
        """Widths of the rows of a block with its halo, and the height."""
        return self.widths[block.rows[0] : block.rows[1] + 2 * self.halo[0]], self.height


def block_weights(
    outlines: Mapping[str, shapely.Geometry],
    applied: Mapping[str, np.ndarray],
    block: Block,
    sizes: PixelSizes,
    blending: Blending,
) -> dict[str, np.ndarray]:
    """Weights × 1000 (y, x) uint16 of each region on a block of a tile, not normalised.

    ``outlines``: regions in the CRS of the grid. ``applied``: (y, x) bool, the area in which each region's own model is
    applied; weights are 0 outside the union of these areas, and at least one region has a weight inside. Regions beyond
    the limits of the grid count.
    """
    rows, cols = sizes.halo
    size = sizes.around(block)
    around = block.geobox.pad(cols, rows)
    core = slice(rows, rows + block.shape[0]), slice(cols, cols + block.shape[1])
    classified = np.logical_or.reduce(list(applied.values()))
    found = {}
    for region in applied:
        inside = rasterize([(outlines[region], 1)], around, "uint8") > 0
        found[region] = np.where(classified, scaled_weights(inside, size, blending)[core], 0).astype(np.uint16)
    unweighted = classified & ~np.logical_or.reduce([weights > 0 for weights in found.values()])
    for region, own in applied.items():  # pixels that only the rounding of coordinates keeps out of all regions
        found[region][unweighted & own] = WEIGHT_SCALE
    return found


def _outlines(regions: gpd.GeoDataFrame, grid: GeoBox, halo: tuple[int, int]) -> dict[str, shapely.Geometry]:
    """Outlines of regions in the CRS of ``grid``, by name; parts that are further away than the halo are omitted."""
    rows, cols = halo
    near = outline(grid.pad(cols + 2, rows + 2), regions.crs)
    cut = regions.set_geometry(shapely.intersection(regions.geometry.to_numpy(), near), crs=regions.crs)
    return dict(zip(cut[REGION].astype(str), to_crs(cut.geometry, grid.crs), strict=True))


def cost(config: Config, facts: JobFacts) -> Cost:
    """Cost of a job: the weights of each region are written."""
    return facts.raster_cost(2 * facts.regions, (READING_SECONDS + _SECONDS) * facts.regions)


STEP = Step(
    name="regionWeights",
    group="sampling",
    about="Compute the weights of models near borders of regions.",
    task="region_weights_{tile}",
    run=run,
    over=("tile",),
    needs={"regions": layout.REGIONS, "masks": layout.REGION_MASK},
    makes={"weights": layout.REGION_WEIGHTS},
    params=params,
    version=2,
    when=layout.with_boundary_fusion,
    cost=cost,
    max_threads=WRITING_THREADS,
)
