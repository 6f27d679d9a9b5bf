"""Segment ids in a raster of the user, on the grid of a tile."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from odc.geo.geobox import GeoBox

from iota2.core.grid import Block, share_pixels
from iota2.core.segment_ids import id_problems
from iota2.core.words import some
from iota2.errors import InputError
from iota2.io.files.gdal import grid_problems, open_raster
from iota2.io.rasters.files import RasterReader
from iota2.io.rasters.tiling import blocks_on_tile


@contextmanager
def segment_raster(path: str | Path) -> Iterator[SegmentRaster]:
    """The raster of segments at ``path``: one band, a CRS, north up, real numbers; InputError for others."""
    with open_raster(path) as source:
        problems = grid_problems(source)
        if source.count != 1:
            problems.append(f"has {source.count} bands; expected one, with the ids of the segments")
        if np.dtype(source.dtypes[0]).kind not in "iuf":
            problems.append(f"contains values of type {source.dtypes[0]}; expected whole numbers")
        nodata = source.nodata
    if problems:
        raise InputError(f"{path}: {'; '.join(problems)}. Export the segments again, as GeoTIFF")
    with RasterReader(path) as reader:
        yield SegmentRaster(reader, nodata)


class SegmentRaster:
    """An open raster of segments."""

    def __init__(self, reader: RasterReader, nodata: float | None) -> None:
        self.geobox = reader.geobox
        self._reader, self._nodata = reader, nodata

    def note(self, destination: GeoBox) -> str | None:
        """A note if pixels are not copied to ``destination`` but taken from the nearest one."""
        grid = self.geobox
        if grid.crs == destination.crs and share_pixels(grid, destination):
            return None
        return (
            f"the pixels of {self._reader.path.name} are not those of the tile (another projection, origin or "
            "resolution): each pixel is in the segment of the nearest one"
        )

    def blocks(self, destination: GeoBox) -> Iterator[tuple[Block, np.ndarray]]:
        """All blocks of a grid with their ids (y, x) int64; 0 outside, and for 0, no-data and NaN in the raster.

        InputError for values that are not ids, see ``core.segment_ids``.
        """
        # 0 outside, since that is a hole whatever the no-data value
        for block, values in blocks_on_tile(self._reader, destination, "nearest", 0):
            yield block, self._ids(values[0])

    def _ids(self, values: np.ndarray) -> np.ndarray:
        if self._nodata is not None:
            whole = values.dtype.kind in "iu" and float(self._nodata).is_integer()
            none = values == int(self._nodata) if whole else values.astype(float) == self._nodata
            values = np.where(none, values.dtype.type(0), values)
        for wrong, what in id_problems(values):
            shown = some(list(map(str, np.unique(values[wrong]))))
            raise InputError(
                f"{self._reader.path}: contains {what}: {shown}; expected whole numbers as ids of the "
                "segments, and 0 or the no-data value elsewhere. Export the segments again, as 32-bit integers"
            )
        return values.astype(np.int64)
