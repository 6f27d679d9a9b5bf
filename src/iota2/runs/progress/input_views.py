"""Views for the pages of the inputs: the series of each tile, from the survey and from tables that steps write."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import date
from pathlib import Path

from iota2 import layout
from iota2.config.options.schema import Config
from iota2.config.sensors import path_key
from iota2.core.grid import crs_name, resolution
from iota2.core.remarks import Remark, texts_of
from iota2.core.scene import Acquisition, Scene, SensorScene
from iota2.core.sensor import SensorOptions
from iota2.io.files.crs import units_per_metre
from iota2.io.tables.alignments import Alignment, read_alignments
from iota2.io.tables.clear_dates import DateCoverage, read_clear_dates
from iota2.report.run.values import AlignedView, FunctionView, InputsView, JobView, ProductView, SeriesView
from iota2.runs.plan.jobs import Plan
from iota2.runs.survey.survey import Survey

DateViews = Mapping[tuple[str, str], DateCoverage]
"""Clear pixels by sensor and key of the date."""
ClearDates = Mapping[str, DateViews]
"""Clear pixels of the dates by tile."""
Alignments = Mapping[str, Mapping[tuple[str, str], Alignment]]
"""Alignments by tile, then by sensor and key of the date."""


def products_page(options: SensorOptions) -> str:
    """Page of the products of a sensor, such as ``s2_path_content.html``; with a digest for sensors of the user."""
    digest = hashlib.blake2b(options.spec.name.encode(), digest_size=6).hexdigest()
    name = path_key(options.spec) or f"user_sensor_{digest}"
    return f"{name}_content.html"


def products_page_title(sensors: Sequence[SensorOptions]) -> str:
    """Title of the page of some sensors."""
    names = " and ".join(one.spec.name for one in sensors)
    return f"The layers of {names}" if sensors[0].spec.static else f"Dates of {names} and their clear pixels"


def inputs_view(config: Config, found: Survey, clear: ClearDates, aligned: Alignments) -> InputsView:
    """View of all inputs: the series of each tile, paths, remarks, number of features, functions of the user."""
    series = []
    for tile, scene in found.scenes.items():
        rows, columns = scene.geobox.shape
        size = f"{columns} × {rows} pixels"
        if scene.geobox.crs is not None and scene.geobox.crs.projected:
            size += f" of {resolution(scene.geobox)[0] / units_per_metre(scene.geobox.crs):g} m"
        clear_dates, alignments, pixels = clear.get(tile, {}), aligned.get(tile, {}), rows * columns
        notes = _texts_by_sensor(scene, found.notes[tile])
        for number, sensor in enumerate(scene.sensors):
            name = sensor.spec.name
            products = tuple(
                replace(
                    _product_view(of_day, clear_dates.get((name, f"{day:%Y%m%d}")), pixels),
                    aligned=_aligned_view(
                        next(filter(None, (alignments.get((name, one.key)) for one in of_day)), None)
                    ),
                )
                for day, of_day in _by_day(sensor)
            )
            features = sum(len(recipe.names) for recipe in found.recipe.sensors if recipe.sensor == name)
            view = SeriesView(name, tile, size, products, notes[number], found.regions[tile], _images(sensor), features)
            layers = tuple((layer, path) for one in sensor.acquisitions for layer, path in one.bands.items())
            series.append(replace(view, products=(), layers=layers) if sensor.spec.static else view)
    chain = config.chain
    sources = [(f"Products of {options.spec.name}", str(options.source)) for options in found.sensors]
    sources += [
        (name, str(path))
        for name, path in (
            *(("Rasters", folder) for folder in chain.features_path),
            ("Grid of tiles", chain.grid or chain.rasters_grid_path),
            ("Reference data", chain.ground_truth),
            ("Regions", chain.region_path),
            ("Names of the classes", chain.nomenclature_path),
            ("Colours", chain.color_table),
            ("Reference image of the co-registration", config.coregistration.vhr_path),
            ("Python functions", config.external_features.module if found.recipe.functions else None),
        )
        if path
    ]
    functions = tuple(FunctionView(one.name, one.sensors, one.labels, one.whole_tile) for one in found.recipe.functions)
    return InputsView(tuple(series), tuple(sources), texts_of(found.remarks), len(found.recipe.names), functions)


def _texts_by_sensor(scene: Scene, remarks: Sequence[Remark]) -> list[tuple[str, ...]]:
    """Remarks on a tile by series; one on a section belongs to the first series of the section, others to the first."""
    others: list[str] = []
    found: list[list[str]] = [[] for _ in scene.sensors]
    for remark in remarks:
        names = [
            number for number, one in enumerate(scene.sensors) if remark.sensor in (one.spec.name, one.spec.section)
        ]
        (found[names[0]] if names else others).append(remark.text)
    return [tuple([*others, *own] if number == 0 else own) for number, own in enumerate(found)]


def _images(sensor: SensorScene) -> str:
    """Pixels and projection of the files of the bands: ``10 and 20 m, EPSG:32631``."""
    grids = sorted({sensor.grids[band] for band in sensor.spec.band_names}, key=resolution)
    sizes: dict[str, list[str]] = defaultdict(list)
    for grid in grids:
        metric = grid.crs is not None and grid.crs.projected
        size = f"{resolution(grid)[0] / units_per_metre(grid.crs):g}" if metric else f"{resolution(grid)[0]:g}"
        words = f"{'m' if metric else 'degrees'}, {crs_name(grid)}"
        sizes[words] += [size] if size not in sizes[words] else []
    return "; ".join(f"{' and '.join(each)} {words}" for words, each in sizes.items())


def _by_day(sensor: SensorScene) -> Iterator[tuple[date, list[Acquisition]]]:
    """The acquisitions of each day of a sensor."""
    for day, numbers in sensor.by_day.items():
        yield day, [sensor.acquisitions[number] for number in numbers]


def _product_view(of_day: Sequence[Acquisition], view: DateCoverage | None, pixels: int) -> ProductView:
    """One date with its products, and with the share of clear pixels if known."""
    day, names = of_day[0].day, ", ".join(one.product for one in of_day)
    if view is None:
        return ProductView(day, names)
    return ProductView(day, names, view.inside / pixels, view.clear_share)


def _aligned_view(one: Alignment | None) -> AlignedView | None:
    if one is None:
        return None
    found = one.found
    measures = found.windows, found.compared, found.spread, found.before, found.after
    return AlignedView(one.right, one.down, *measures, one.about, one.known)


def known_clear_dates(plan: Plan, views: Mapping[str, JobView], tiles: Iterable[str]) -> dict[str, DateViews]:
    """Clear pixels of the dates, by tile, for the tiles whose table is up to date."""
    unmade = {
        view.tile
        for view in views.values()
        if view.state != "fresh" and layout.CLEAR_DATES in plan.by_id[view.id].step.makes.values()
    }
    known: dict[str, DateViews] = {}
    for tile in tiles:
        if tile not in unmade:
            known |= clear_dates_of(plan.root, tile)
    return known


def clear_dates_of(root: Path, tile: str) -> dict[str, DateViews]:
    """Clear pixels of the dates, only of this tile; empty if its table is missing or damaged."""
    try:
        return {tile: read_clear_dates(root / layout.CLEAR_DATES.path.format(tile=tile))}
    except (OSError, ValueError, KeyError):
        return {}


def known_alignments(config: Config, root: Path, tiles: Iterable[str]) -> Alignments:
    """Alignment of the dates of these tiles with the reference image; empty without one or for damaged tables."""
    if not layout.with_coregistration(config):
        return {}
    known = {}
    for tile in tiles:
        with suppress(OSError, ValueError, KeyError):
            known[tile] = read_alignments(root / layout.SHIFTS_TABLE.path.format(tile=tile))
    return known
