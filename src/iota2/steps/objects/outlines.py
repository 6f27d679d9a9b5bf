"""Step: outlines in other tiles of the segments of a raster, so that their polygons are whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
from odc.geo.geobox import GeoBox

from iota2 import layout
from iota2.config.options.schema import Config
from iota2.core.cost import SECONDS_PER_JOB, Cost, JobFacts
from iota2.core.graph import JobContext, Step
from iota2.core.grid import crs_name
from iota2.io.files.crs import to_crs
from iota2.io.rasters.files import raster_geobox
from iota2.io.rasters.segment_polygons import segment_polygons
from iota2.io.tables.polygon_tables import group_rows, write_polygons
from iota2.io.tables.segment_labels import NUMBER
from iota2.io.tables.segments import Segments, SharedSegments
from iota2.io.user_segments import has_polygons

_PIXEL_SECONDS = 0.03e-6
"""Measured seconds to search a pixel for the rows of segments."""


@dataclass(frozen=True)
class OutlinesParams:
    """The user's file of segments."""

    source: str | Path | None

    def by_user_name(self) -> Mapping[str, object]:
        """The parameters by option name of the configuration."""
        return {"obia.obia_segmentation_path": self.source}


def params(config: Config) -> OutlinesParams:
    """Parameters of the step from the configuration."""
    return OutlinesParams(config.obia.obia_segmentation_path)


def run(job: JobContext[OutlinesParams]) -> None:
    """Write, for each tile, the outlines in other tiles of the segments whose home it is.

    They are in the CRS of the home tile; ``number`` is that of the segment there. A segment can have several rows.
    There are none for polygons of the user, which are whole in the file.
    """
    rasters = {key.tile: path for key, path in job.inp.each("segments")}
    grids = {tile: raster_geobox(path) for tile, path in rasters.items()}
    found = {tile: [_frame(np.zeros(0), gpd.GeoSeries(crs=crs_name(grid)))] for tile, grid in grids.items()}
    given = job.params.source
    if given is not None and not has_polygons(given):
        shared = SharedSegments.read(job.inp.shared)
        for tile, path in rasters.items():
            segments = len(Segments.read(job.inp.at("tables", tile=tile)))
            for home, outlines in _elsewhere(shared, tile, path, segments, grids):
                found[home].append(outlines)
    for key, path in job.out.each("outlines"):
        empty, *parts = found[key.tile]
        write_polygons(empty, parts, path)


def _elsewhere(
    shared: SharedSegments, tile: str, raster: Path, segments: int, grids: Mapping[str, GeoBox]
) -> Iterator[tuple[str, gpd.GeoDataFrame]]:
    """Yield home tiles and outlines of the segments of a tile whose home is another tile.

    ``segments``: number of segments of the tile.
    """
    homes, own = shared.take(shared.home), shared.of_tile(tile)
    at = np.searchsorted(homes.identifier, own.identifier)
    away = homes.tile[at] != tile
    if not away.any():
        return
    wanted, home = np.zeros(segments, bool), np.zeros(segments + 1, np.int64)
    wanted[own.number[away] - 1] = True
    home[own.number[away]] = at[away]
    for numbers, outlines in segment_polygons(raster, wanted, group_rows(0)):
        polygons, rows = gpd.GeoSeries(outlines, crs=crs_name(grids[tile])), homes.take(home[numbers])
        for name in np.unique(rows.tile):
            chosen = rows.tile == name
            yield str(name), _frame(rows.number[chosen], to_crs(polygons[chosen], crs_name(grids[str(name)])))


def _frame(numbers: np.ndarray, outlines: gpd.GeoSeries) -> gpd.GeoDataFrame:
    table = pd.DataFrame({NUMBER: numbers.astype(np.int64)})
    return gpd.GeoDataFrame(table, geometry=outlines.to_numpy(), crs=outlines.crs)


def cost(config: Config, facts: JobFacts) -> Cost:
    """Cost of a job: it searches the rasters of all tiles if the segments are those of a raster."""
    return Cost(facts.raster_cost().memory, SECONDS_PER_JOB + facts.pixels * _PIXEL_SECONDS)


STEP = Step(
    name="segmentOutlines",
    group="mosaic",
    about="Find the outlines in other tiles of the segments of a raster.",
    task="segment_outlines",
    run=run,
    over=(),
    needs={"segments": layout.SEGMENTS, "tables": layout.SEGMENT_TABLE, "shared": layout.SHARED_SEGMENTS},
    makes={"outlines": layout.SEGMENT_OUTLINES},
    when=layout.with_user_segments,
    params=params,
    cost=cost,
)
