"""A raster of labels with larger pixels, each of the most frequent label."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from odc.geo.geobox import GeoBox

from iota2.compute.majority import first_pixels, most_frequent
from iota2.core.grid import Block, block_of, blocks, resolution
from iota2.io.rasters.files import RasterProfile, RasterReader, RasterWriter
from iota2.io.rasters.regular_grid import regular_grid
from iota2.steps.blocks import COPY_SHAPE


def scratch_profile(grid: GeoBox, dtype: str) -> RasterProfile:
    """The profile of rasters of labels between the passes of a step."""
    return RasterProfile(grid, dtype, nodata=0, scratch=True)


def resample_labels(source: Path, target: Path, metres: float) -> GeoBox:
    """Write the labels with pixels of ``metres``, never smaller than before; returns their grid.

    Each pixel has the most frequent label of those that it contains; see ``compute.majority.most_frequent``.
    """
    with RasterReader(source) as reader:
        grid = regular_grid(reader.geobox, metres)
        (width, height), (wide, high) = resolution(reader.geobox), resolution(grid)
        rows = first_pixels(int(reader.geobox.shape[0]), height, int(grid.shape[0]), high)
        cols = first_pixels(int(reader.geobox.shape[1]), width, int(grid.shape[1]), wide)
        shape = max(1, int(COPY_SHAPE[0] * height / high)), max(1, int(COPY_SHAPE[1] * width / wide))
        with RasterWriter(target, scratch_profile(grid, reader.dtype.name)) as writer:
            for block in blocks("", grid, shape):
                labels = _resampled(reader, block, rows, cols)
                if labels.any():
                    writer.write(block, labels)
    return grid


def _resampled(reader: RasterReader, block: Block, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
    """The most frequent class of each pixel of a block; ``rows``, ``cols``: first pixels of all larger pixels."""
    within = [starts[first : end + 1] for starts, (first, end) in ((rows, block.rows), (cols, block.cols))]
    top, left, bottom, right = within[0][0], within[1][0], within[0][-1], within[1][-1]
    if top == bottom or left == right:
        return np.zeros(block.shape, reader.dtype)
    labels = reader.read(block_of("", reader.geobox, (top, bottom), (left, right)).geobox)
    return most_frequent(labels, within[0] - top, within[1] - left)
