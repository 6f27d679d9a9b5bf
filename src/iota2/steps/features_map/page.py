"""Step: the page of the features map, with pictures by date and statistics."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from odc.geo.geobox import GeoBox

from iota2 import layout
from iota2.config.feature_maps import band_count, map_params
from iota2.config.options.schema import Config
from iota2.core.cost import READING_SECONDS, Cost, JobFacts
from iota2.core.feature_map import FeatureMap
from iota2.core.graph import JobContext, Step, optional
from iota2.core.grid import crs_name, resolution
from iota2.core.map_axes import MapAxes
from iota2.io.files.atomic import write_text
from iota2.io.files.crs import units_per_metre
from iota2.io.rasters.files import RasterReader
from iota2.io.rasters.zarr_store import store_reader
from iota2.report.features.page import FeaturesData, Grid, render_features
from iota2.report.features.series import series_of
from iota2.report.features.shows import selection_of
from iota2.steps.map_layers import read_grid, read_map
from iota2.steps.map_pictures import BandSource, shown_map, source_of

FILES = {
    "mosaic": layout.FEATURES_MAP,
    "store": layout.FEATURES_STORE,
    "style": layout.FEATURES_MAP_STYLE,
    "statistics": layout.MAP_STATISTICS,
    "tiles": layout.TILE_MAP,
    "bands": layout.MAP_BANDS,
}
"""Files that the page lists, by name of the input."""
PICTURES_SECONDS = 5.0
"""Seconds to draw the pictures of a year of Sentinel-2, measured by ``make bench``; their size is limited."""
MAX_LISTED = 10
"""Maximum number of listed files of one kind."""


def title(config: Config) -> str:
    """Name of the run."""
    return config.chain.output_path.name


def run(job: JobContext[str]) -> None:
    """Write the page."""
    layers = read_map(job.inp.bands)
    series = series_of(layers)
    selection = selection_of(layers, series)
    with _opened(job, layers) as (source, geobox):
        shown = shown_map(source, layers, selection, geobox.shape[0] * geobox.shape[1])
    content = json.loads(job.inp.statistics.read_text(encoding="utf-8"))
    page = FeaturesData(
        title=job.params,
        layers=layers,
        series=series,
        grid=_grid(geobox),
        tiles=len(job.inp.all("tiles")),
        disk=_size(job.inp.store if "store" in job.inp else job.inp.mosaic),
        colours=shown.colours,
        indices=shown.indices,
        undated=shown.undated,
        hidden=selection.hidden,
        statistics=content["bands"],
        without_data=content["without_data"],
        files=_files(job),
    )
    write_text(job.out.page, render_features(page))


@contextmanager
def _opened(job: JobContext[str], layers: FeatureMap) -> Iterator[tuple[BandSource, GeoBox]]:
    """The bands of the map, and its grid."""
    if "store" in job.inp:
        yield source_of(store_reader(job.inp.store, MapAxes(layers))), read_grid(job.inp.grid)
    else:
        with RasterReader(job.inp.mosaic) as reader:
            yield source_of(reader), reader.geobox


def _size(path: Path) -> int:
    """Bytes of a file, or of all files of a folder."""
    files = (one for one in path.rglob("*") if one.is_file()) if path.is_dir() else (path,)
    return sum(file.stat().st_size for file in files)


def _grid(geobox: GeoBox) -> Grid:
    """The grid of the map in words."""
    (rows, columns), (width, height), crs = geobox.shape, resolution(geobox), geobox.crs
    assert crs is not None, "maps have a projection"
    size = f"{width:g}" if width == height else f"{width:g} × {height:g}"
    unit = 1 / units_per_metre(crs) if crs.projected else None
    pixel = f"{size} {'m' if unit == 1 else crs.units[0]}"
    name = crs_name(geobox)
    projection = f"{name} ({crs.proj.name})" if name.startswith("EPSG:") else crs.proj.name
    return Grid(columns, rows, pixel, projection, columns * width * unit if unit else None)


def _files(job: JobContext[str]) -> tuple[tuple[str, str], ...]:
    """Paths of the files of the map, relative to the folder of the page, with their descriptions."""
    folder, found = job.out.page.parent, []
    for name, artifact in FILES.items():
        paths = [path for _, path in job.inp.each(name)] if name in job.inp else []
        more = f" {len(paths) - MAX_LISTED} more are in the same folder." if len(paths) > MAX_LISTED else ""
        found += [(_relative(path, folder), artifact.about) for path in paths[: MAX_LISTED - 1]]
        found += [(_relative(path, folder), artifact.about + more) for path in paths[MAX_LISTED - 1 : MAX_LISTED]]
    return tuple(found)


def _relative(path: Path, folder: Path) -> str:
    return Path(os.path.relpath(path, folder)).as_posix()


def cost(config: Config, facts: JobFacts) -> Cost:
    """Cost of the job: bands of a Zarr store are read twice, those of a GeoTIFF from its overviews."""
    run, given = facts.run, map_params(config)
    bands = 2 * band_count(run.recipe, given, run.dates) if layout.with_zarr(config) else 1
    reading = facts.raster_cost(0, READING_SECONDS * bands)
    return replace(reading, seconds=reading.seconds + PICTURES_SECONDS)


STEP = Step(
    name="featuresMapPage",
    group="mosaic",
    about="Write the page with pictures and statistics of the features map.",
    task="features_page",
    run=run,
    over=(),
    needs={
        "bands": layout.MAP_BANDS,
        "mosaic": optional(layout.FEATURES_MAP),
        "store": optional(layout.FEATURES_STORE),
        "grid": optional(layout.MAP_GRID),
        "style": optional(layout.FEATURES_MAP_STYLE),
        "statistics": layout.MAP_STATISTICS,
        "tiles": layout.TILE_MAP,
    },
    makes={"page": layout.FEATURES_MAP_PAGE},
    params=title,
    cost=cost,
)
