"""Step: selection of the pixels from which one model learns, and on request of validation pixels."""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
from odc.geo.geobox import GeoBox

from iota2 import layout
from iota2.compute.sampling import (
    SelectionOptions,
)
from iota2.compute.submodels import model_names
from iota2.core.files import read_text
from iota2.core.graph import JobContext, Step, only_for, optional
from iota2.core.grid import pixel_centres
from iota2.core.nomenclature import Nomenclature
from iota2.core.tables import CODE, COLUMN, REGION, ROW
from iota2.errors import InputError
from iota2.io.files.atomic import write_text
from iota2.io.files.crs import to_crs
from iota2.io.rasters.rasterize import pixels_inside
from iota2.io.series.scene_file import read_scene
from iota2.io.tables.classes import read_classes
from iota2.io.tables.frames import concatenated
from iota2.io.tables.pixel_counts import PixelCounts, pixel_counts, read_statistics, total, write_statistics
from iota2.io.tables.rates import rates_csv
from iota2.io.tables.vectors import read_sqlite, write_sqlite
from iota2.steps.selection_targets import (
    Draw,
    SelectionParams,
    capped,
    left_out,
    requested_numbers,
    selection_options,
    selection_params,
)

log = logging.getLogger(__name__)


def run(job: JobContext[SelectionParams]) -> None:
    """Select pixels of each class over all tiles of the model and write them as points; also validation pixels."""
    options = selection_options(job.params.selection, job.key.model, job.key.region)
    classes = read_classes(job.inp.classes)
    tiles = _pixels_by_tile(job, "polygons", [job.key.model])
    counts = total(read_statistics(path) for path in job.inp.all("statistics").values())
    found = _learning_selection(job, tiles, counts, options, classes)
    if borrowed := found.selected.empty and bool(job.key.submodel):
        log.warning("model %s has no pixel of its own: it learns from all polygons of the region", job.key.model)
        tiles = _pixels_by_tile(job, "polygons", _models_of_region(job))
        counts = total(pixel_counts(tile.polygons, tile.polygon) for tile in tiles.values())
        found = _learning_selection(job, tiles, counts, options, classes)
    if found.selected.empty:
        raise InputError(nothing_selected(job.key.region, job.key.seed, counts.per_class, found.requested))
    write_statistics(counts, job.out.statistics)
    omitted = left_out(found.requested, found.targets)
    rates = rates_csv(found.targets, counts.per_class, found.selected, omitted, borrowed=borrowed)
    write_text(job.out.rates, rates)
    write_sqlite(found.selected, job.out.selection)
    for key, path in job.out.each("tile_selections"):
        write_sqlite(found.points[key.tile], path)
    for code, count in omitted.items():
        log.warning(
            "class %d: arg_train.max_samples_per_class leaves out %d of %d pixels", code, count, found.requested[code]
        )
    log.info("selected %d of %d pixels", len(found.selected), sum(len(pixels.polygon) for pixels in tiles.values()))
    if "validation_selections" in job.out:
        _select_validation(job, options, classes)


@dataclass(frozen=True, eq=False)
class _Selection:
    """Pixels selected for a model."""

    requested: Mapping[int, int]
    """Number of pixels by class code that the strategy requests."""
    targets: Mapping[int, int]
    """The same, at most the maximum for one model."""
    points: Mapping[str, gpd.GeoDataFrame]
    """Selected pixels by tile."""

    @cached_property
    def selected(self) -> gpd.GeoDataFrame:
        """The selected pixels of all tiles."""
        return concatenated(list(self.points.values()))


def _learning_selection(
    job: JobContext[SelectionParams],
    tiles: Mapping[str, TilePixels],
    counts: PixelCounts,
    options: SelectionOptions,
    classes: Nomenclature,
) -> _Selection:
    """Select from these pixels, of which there are ``counts``."""
    requested = requested_numbers(options, counts.per_class, classes)
    targets = capped(requested, job.params.most)
    draw = Draw(job.params.random_seed + job.key.seed, "selection", job.key.model)
    return _Selection(requested, targets, _selected(tiles, options, targets, draw, job.params.proj))


def _models_of_region(job: JobContext[SelectionParams]) -> tuple[str, ...]:
    """Names of all models of the region of the job."""
    return model_names(job.key.region, json.loads(read_text(job.inp.submodels)))


def _select_validation(job: JobContext[SelectionParams], options: SelectionOptions, classes: Nomenclature) -> None:
    """Select validation pixels by the same rules; the maximum per class, which limits memory, does not apply."""
    tiles = _pixels_by_tile(job, "validation", [job.key.model])
    codes, numbers = np.unique(np.concatenate([tile.codes for tile in tiles.values()]), return_counts=True)
    available = dict(zip(codes.astype(int).tolist(), numbers.tolist(), strict=True))
    targets = requested_numbers(options, available, classes)
    draw = Draw(job.params.random_seed + job.key.seed, "validation selection", job.key.model)
    points = _selected(tiles, options, targets, draw, job.params.proj)
    for key, path in job.out.each("validation_selections"):
        write_sqlite(points[key.tile], path)
    log.info("selected %d of %d validation pixels", sum(map(len, points.values())), sum(available.values()))


def nothing_selected(region: str, seed: int, available: Mapping[int, int], requested: Mapping[int, int]) -> str:
    """Message on a region without any pixel to learn from, with the reason and the remedy."""
    where = f"Region {region}, seed {seed}: no pixel to learn from"
    if not available:
        return (
            f"{where}: no polygon is used for learning there. Draw more polygons, merge the region with another, or "
            "lower chain.cloud_threshold if it is above 1."
        )
    if not sum(available.values()):
        return (
            f"{where}: no pixel centre lies in its learning polygons (classes {', '.join(map(str, available))}). Draw "
            "larger polygons."
        )
    return (
        f"{where}: arg_train.sample_selection selects none of {sum(available.values()):,} pixels "
        f"(requested by class: {', '.join(f'{code}: {count}' for code, count in requested.items())}). Choose another "
        "strategy or larger numbers."
    )


@dataclass(frozen=True)
class TilePixels:
    """All pixels of the model's learning polygons on one tile, in scan order."""

    geobox: GeoBox
    polygons: gpd.GeoDataFrame
    polygon: np.ndarray
    """Position in ``polygons`` of the polygon that contains each pixel."""
    rows: np.ndarray
    cols: np.ndarray

    @property
    def codes(self) -> np.ndarray:
        """Class code of each pixel."""
        return self.polygons[CODE].to_numpy()[self.polygon]

    def points(self, chosen: np.ndarray, proj: str) -> gpd.GeoDataFrame:
        """The pixels at positions ``chosen`` as points in ``proj``, with the attributes of their polygon."""
        rows, cols = self.rows[chosen], self.cols[chosen]
        frame = pd.DataFrame(self.polygons.drop(columns=self.polygons.geometry.name))
        frame = frame.iloc[self.polygon[chosen]].assign(**{ROW: rows, COLUMN: cols})
        centres = gpd.points_from_xy(*pixel_centres(self.geobox, rows, cols), crs=self.geobox.crs)
        return gpd.GeoDataFrame(frame, geometry=gpd.GeoSeries(centres).to_crs(proj).to_numpy(), crs=proj)


def _tile_pixels(scene_path: Path, polygons_path: Path, models: Collection[str]) -> TilePixels:
    """Pixels on one tile of the polygons of some models, named by region and sub-model."""
    geobox, polygons = read_scene(scene_path).geobox, read_sqlite(polygons_path)
    polygons = polygons[polygons[REGION].isin(models)]
    return TilePixels(geobox, polygons, *pixels_inside(to_crs(polygons, geobox.crs), geobox))


def _pixels_by_tile(job: JobContext[SelectionParams], name: str, models: Collection[str]) -> dict[str, TilePixels]:
    """Pixels by tile of the polygons of the input ``name`` that belong to some models."""
    return {
        key.tile: _tile_pixels(job.inp.at("scenes", tile=key.tile), path, models) for key, path in job.inp.each(name)
    }


def _selected(
    tiles: Mapping[str, TilePixels], options: SelectionOptions, targets: Mapping[int, int], draw: Draw, proj: str
) -> dict[str, gpd.GeoDataFrame]:
    """The selected pixels of each tile as points in ``proj``; each class is drawn from all tiles together."""
    codes = np.concatenate([tile.codes for tile in tiles.values()])
    taken = draw.chosen(options, codes, targets)
    borders = np.cumsum([len(tile.polygon) for tile in tiles.values()])[:-1]
    return {
        name: tile.points(np.flatnonzero(part), proj)
        for (name, tile), part in zip(tiles.items(), np.split(taken, borders), strict=True)
    }


STEP = Step(
    name="samplingLearningPolygons",
    group="sampling",
    about="Select the learning pixels of each model.",
    task="s_sel_model_{region}{submodel}_seed_{seed}",
    run=run,
    over=("region", "submodel", "seed"),
    needs={
        "scenes": layout.SCENE,
        "polygons": layout.LEARN_POLYGONS,
        "statistics": layout.TILE_STATISTICS,
        "classes": layout.CODES,
        "submodels": optional(layout.SUBMODELS),
        "validation": only_for(layout.VALIDATION_SELECTION, layout.VALIDATION_POLYGONS),
    },
    makes={
        "selection": layout.SELECTION,
        "rates": layout.RATES,
        "statistics": layout.MODEL_STATISTICS,
        "tile_selections": layout.TILE_SELECTION,
        "validation_selections": layout.VALIDATION_SELECTION,
    },
    params=selection_params,
)
