"""Step: the page of the features map, with pictures by date and statistics."""

from __future__ import annotations

import json
import os
from pathlib import Path

from odc.geo.geobox import GeoBox

from iota2 import layout
from iota2.config.options.schema import Config
from iota2.core.graph import JobContext, Step, optional
from iota2.core.grid import crs_name, resolution
from iota2.io.files.atomic import write_text
from iota2.io.files.crs import units_per_metre
from iota2.io.rasters.files import RasterReader
from iota2.report.features.page import FeaturesData, Grid, render_features
from iota2.report.features.series import series_of
from iota2.report.features.shows import selection_of
from iota2.steps.map_layers import read_map
from iota2.steps.map_pictures import file_source, shown_map

FILES = {
    "mosaic": layout.FEATURES_MAP,
    "style": layout.FEATURES_MAP_STYLE,
    "statistics": layout.MAP_STATISTICS,
    "tiles": layout.TILE_MAP,
    "bands": layout.MAP_BANDS,
}
"""Files that the page lists, by name of the input."""
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
    with RasterReader(job.inp.mosaic) as reader:
        geobox = reader.geobox
        shown = shown_map(file_source(reader), layers, selection, geobox.shape[0] * geobox.shape[1])
    content = json.loads(job.inp.statistics.read_text(encoding="utf-8"))
    page = FeaturesData(
        title=job.params,
        layers=layers,
        series=series,
        grid=_grid(geobox),
        tiles=len(job.inp.all("tiles")),
        disk=job.inp.mosaic.stat().st_size,
        colours=shown.colours,
        indices=shown.indices,
        undated=shown.undated,
        hidden=selection.hidden,
        statistics=content["bands"],
        files=_files(job),
    )
    write_text(job.out.page, render_features(page))


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


STEP = Step(
    name="featuresMapPage",
    group="mosaic",
    about="Write the page with pictures and statistics of the features map.",
    task="features_page",
    run=run,
    over=(),
    needs={
        "bands": layout.MAP_BANDS,
        "mosaic": layout.FEATURES_MAP,
        "style": optional(layout.FEATURES_MAP_STYLE),
        "statistics": layout.MAP_STATISTICS,
        "tiles": layout.TILE_MAP,
    },
    makes={"page": layout.FEATURES_MAP_PAGE},
    params=title,
    when=layout.with_geotiff,
)
