"""Attributes of the polygons of a map: class, names, area, and statistics of their pixels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
from odc.geo.geobox import GeoBox

from iota2.compute.geodesic import geodesic_areas
from iota2.compute.polygon_statistics import PolygonSums, Spread, sums_bytes
from iota2.compute.scan_lines import PixelRuns, pixel_runs
from iota2.core.class_levels import ClassLevels
from iota2.core.cost import JobFacts
from iota2.core.grid import block_of, pixel_centres
from iota2.core.nomenclature import MAX_CODE, Nomenclature
from iota2.io.rasters.files import RasterReader, position_on

CODE = "code"
"""Column of the class code in tables between steps."""
CLASS, NAME, LEVEL, AREA, PIXELS, CLIP = "Classe", "name", "level", "Area", "Pixels", "clip"
"""Columns of the code and the name of the class, of classes above (with the number of the level), of the area in m², of
the number of pixels of the map, and of the clip area."""
SPREAD_COLUMNS: Mapping[str, tuple[str, str, str, str]] = {
    "2": ("Confidence", "Confstd", "Confmin", "Confmax"),
    "3": ("Validmean", "Validstd", "Validmin", "Validmax"),
}
"""Columns of mean, standard deviation, minimum and maximum, by number of the raster in ``simplification.statslist``."""
SHARES = "1"
"""Number of the raster whose statistics are the shares of classes."""
_RASTERS: Mapping[str, str] = {"2": "confidence", "3": "validity"}
_BLOCK = 1024
"""Rows and columns of the blocks of the map that are read; results do not depend on them, but for rounding of values
that are not whole numbers."""
_SUMS_BYTES = 64 << 20
"""Memory of the sums of the polygons that are counted together."""
_PIXELS_PER_POLYGON = 30
"""Pixels of the regularised map per polygon, in estimates: of a map with many small patches."""
FIXED_COLUMNS = 15
"""Number of columns besides the shares, in estimates."""


def expected_polygons(facts: JobFacts) -> float:
    """Estimated number of polygons of the map."""
    return sum(facts.run.squares.values()) / _PIXELS_PER_POLYGON


Statistics = tuple[tuple[str, str], ...]
"""Number of a raster (1 classification, 2 confidence, 3 validity) and its statistics, as in
``simplification.statslist``."""


@dataclass(frozen=True, eq=False)
class MapReaders:
    """The open rasters whose pixels are counted."""

    classification: RasterReader
    values: Mapping[str, RasterReader]
    """Confidence and validity, by number of the raster."""
    positions: np.ndarray
    """(code,) int32: position of the class among the classes, -1 for codes of no class."""

    @staticmethod
    @contextmanager
    def open(paths: Mapping[str, Path | None], classes: Nomenclature, given: Statistics) -> Iterator[MapReaders]:
        """The rasters that the statistics need.

        ``paths``: those of ``classification``, ``confidence`` and ``validity``, of which the last two may be None.
        """
        positions = np.full(MAX_CODE + 1, -1, np.int32)
        positions[list(classes.codes)] = np.arange(len(classes.codes))
        wanted = {raster: path for raster, name in _RASTERS.items() if (path := paths[name]) is not None}
        with ExitStack() as stack:
            readers = {
                raster: stack.enter_context(RasterReader(wanted[raster])) for raster, _ in given if raster in wanted
            }
            main = paths["classification"]
            if main is None:
                raise ValueError("the run has no classification; expected the map of the options or of the run")
            yield MapReaders(stack.enter_context(RasterReader(main)), readers, positions)

    def sums(self, polygons: np.ndarray) -> PolygonSums:
        """Sums over the pixels of polygons in the CRS of the rasters."""
        geobox = self.classification.geobox
        sums = PolygonSums.zeros(len(polygons), int(self.positions.max()) + 1, len(self.values))
        runs = pixel_runs(polygons, *_centres(geobox))
        for rows, cols in _blocks(runs, (int(geobox.shape[0]), int(geobox.shape[1]))):
            part = block_of("", geobox, rows, cols).geobox
            classes = self._positions(self.classification.read(part))
            values = [_known(reader, part) for reader in self.values.values()]
            sums.add(runs, (rows[0], cols[0]), classes, np.array(values).reshape(len(values), *classes.shape))
        return sums

    def _positions(self, codes: np.ndarray) -> np.ndarray:
        """Positions of the classes of pixels, -1 for no class."""
        nodata = self.classification.nodata
        unknown = (codes < 0) | (codes > MAX_CODE) | (False if nodata is None else codes == nodata)
        return self.positions[np.where(unknown, 0, codes)]


def _centres(geobox: GeoBox) -> tuple[np.ndarray, np.ndarray]:
    """x of the columns, and y of the rows."""
    height, width = geobox.shape
    x, _ = pixel_centres(geobox, np.zeros(width, np.int64), np.arange(width))
    _, y = pixel_centres(geobox, np.arange(height), np.zeros(height, np.int64))
    return x, y


def _blocks(runs: PixelRuns, shape: tuple[int, int]) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """Rows and columns of the blocks with pixels of ``runs``, of the fixed blocks of a raster of this ``shape``."""
    for top in range(0, shape[0], _BLOCK):
        start, end = np.searchsorted(runs.row, [top, top + _BLOCK])
        first, last = runs.first[start:end] // _BLOCK, (runs.end[start:end] - 1) // _BLOCK
        occupied = np.zeros(-(-shape[1] // _BLOCK) + 1, np.int64)
        np.add.at(occupied, first, 1)
        np.add.at(occupied, last + 1, -1)
        for column in np.flatnonzero(np.cumsum(occupied)[:-1]).tolist():
            left = column * _BLOCK
            yield (top, min(top + _BLOCK, shape[0])), (left, min(left + _BLOCK, shape[1]))


def _known(reader: RasterReader, part: GeoBox) -> np.ndarray:
    """(y, x) float64 values of a raster; NaN without data and outside the raster."""
    values = reader.read(part).astype(np.float64)
    if reader.nodata is not None:
        values[values == reader.nodata] = np.nan
    top, left = position_on(part, reader.geobox)
    height, width = reader.geobox.shape
    values[: max(0, -top)], values[max(0, height - top) :] = np.nan, np.nan
    values[:, : max(0, -left)], values[:, max(0, width - left) :] = np.nan, np.nan
    return values


@dataclass(frozen=True, eq=False)
class Attributes:
    """Attributes of the polygons of an area."""

    levels: ClassLevels
    given: Statistics
    readers: MapReaders
    crs: str
    area: str | None
    """Name of the clip area; None without clip areas."""

    @property
    def empty(self) -> gpd.GeoDataFrame:
        """A table without rows, with all columns."""
        return self._frame(np.zeros(0, object), np.zeros(0, np.int64))

    def frames(self, polygons: np.ndarray, codes: np.ndarray) -> Iterator[gpd.GeoDataFrame]:
        """Yield the polygons with their attributes, some at a time; ``codes``: their classes."""
        size = max(1, _SUMS_BYTES // sums_bytes(len(self.levels.classes.codes), len(self.readers.values)))
        for start in range(0, len(polygons), size):
            yield self._frame(polygons[start : start + size], codes[start : start + size])

    def _frame(self, polygons: np.ndarray, codes: np.ndarray) -> gpd.GeoDataFrame:
        sums = self.readers.sums(polygons)
        own = self.readers.positions[codes]
        columns = {
            **self._class_columns(codes, own),
            AREA: geodesic_areas(polygons, self.crs),
            PIXELS: sums.pixels.astype(np.int32),
            **self._spread_columns(sums, sums.majority(own)),
            **self._share_columns(sums),
        }
        return gpd.GeoDataFrame(pd.DataFrame(columns), geometry=polygons, crs=self.crs)

    def _class_columns(self, codes: np.ndarray, own: np.ndarray) -> dict[str, object]:
        """The clip area, the code and name of the class, and those of the classes above."""
        texts = {NAME: self.levels.classes.names}
        texts |= {f"{LEVEL}{number}": names for number, names in enumerate(self.levels.above, start=1)}
        columns = {name: pd.array(np.array(values, object)[own], "string") for name, values in texts.items()}
        clip = {} if self.area is None else {CLIP: pd.array([self.area] * len(codes), "string")}
        return {**clip, CLASS: codes.astype(np.int32), **columns}

    def _spread_columns(self, sums: PolygonSums, majority: np.ndarray) -> dict[str, np.ndarray]:
        """Statistics of confidence and validity."""
        kinds = dict(self.given)
        columns: dict[str, np.ndarray] = {}
        for place, raster in enumerate(self.readers.values):
            found: Spread = sums.spread(place, majority) if kinds[raster] == "statsmaj" else sums.whole_spread(place)
            columns |= dict(zip(SPREAD_COLUMNS[raster], (one.astype(np.float32) for one in found), strict=True))
        return columns

    def _share_columns(self, sums: PolygonSums) -> dict[str, np.ndarray]:
        """Percent of the pixels of each class."""
        if SHARES not in dict(self.given):
            return {}
        taken = [CLIP, CLASS, NAME, AREA, PIXELS, *sum(SPREAD_COLUMNS.values(), ())]
        taken += [f"{LEVEL}{number}" for number in range(1, len(self.levels.above) + 1)]
        names = share_names(self.levels.aliases, taken)
        return dict(zip(names, sums.shares().T.astype(np.float32), strict=True))


_RESERVED = ("fid", "geom", "geometry", "ogc_fid")
"""Columns that formats of vector files have in any case."""


def share_names(aliases: Sequence[str], taken: Sequence[str]) -> list[str]:
    """Names of the columns of the shares: the aliases of the classes, with _1, _2 … if the name is taken, or if every
    vector file has it.

    Names that differ only in upper and lower case are the same in a GeoPackage and a shapefile.
    """
    known, names = {*_RESERVED, *(name.lower() for name in taken)}, []
    for alias in aliases:
        name, number = alias, 0
        while name.lower() in known:
            number += 1
            name = f"{alias}_{number}"
        known.add(name.lower())
        names.append(name)
    return names
