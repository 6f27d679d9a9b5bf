"""Step: accuracy of a map of a quantity as text, figures, JSON, polygons and HTML page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import geopandas as gpd
import numpy as np

from iota2 import layout
from iota2.classifiers.base import LARGEST, SMALLEST
from iota2.classifiers.models import read_interval, read_training
from iota2.classifiers.registry import method_name
from iota2.compute.value_accuracy import ValueAccuracy, ValuePixels, residual_range, value_accuracy
from iota2.config.options.schema import Config
from iota2.core import palettes
from iota2.core.graph import Artifact, JobContext, Step
from iota2.core.random import generator
from iota2.core.tables import ORIGIN
from iota2.core.target import Quantity
from iota2.io.files.atomic import replacing, write_json, write_text
from iota2.io.rasters.qgis import graduated_style
from iota2.io.series.scene_file import read_scene
from iota2.io.tables.classes import read_classes
from iota2.io.tables.polygon_layers import write_small_geopackage
from iota2.io.tables.polygon_losses import read_losses_csv
from iota2.io.tables.value_pixels import read_value_pixels
from iota2.io.tables.value_strata import value_warnings
from iota2.io.tables.vectors import read_vector
from iota2.report.quantity.page import ModelText, QuantityReport, render_quantity
from iota2.report.quantity.tables import ALL, QuantityResults, extrapolation_note, metrics_json, results_text
from iota2.report.results.names import of_first_seed
from iota2.report.results.page import Picture, Series
from iota2.steps.drawing import value_figures_module
from iota2.steps.report_parts import NOTES, changed_options, input_notes, quicklook, series_of, versions

RESIDUAL_CLASSES = 5
"""Classes of the style of residuals."""
LAYER = "residuals"


@dataclass(frozen=True)
class ValueReportParams:
    """The part of the configuration that the report shows."""

    title: str
    quantity: Quantity
    options: Mapping[str, str]
    """Options that differ from their default, as text."""
    files: tuple[Artifact, ...]
    runs: int

    def by_user_name(self) -> Mapping[str, object]:
        """The parameters by option name of the configuration."""
        return {
            "title": self.title,
            "chain.data_field": self.quantity.name,
            "options": self.options,
            "files": self.files,
            "arg_train.runs": self.runs,
        }


def params(config: Config) -> ValueReportParams:
    """The options shown in the report."""
    return ValueReportParams(
        title=config.chain.output_path.name,
        quantity=Quantity(config.chain.data_field, ""),
        options=changed_options(config),
        files=layout.QUANTITY_PRODUCTS,
        runs=config.arg_train.runs,
    )


def run(job: JobContext[ValueReportParams]) -> None:
    """Write RESULTS.txt, metrics.json, the figures, the polygons with residuals, and the page."""
    pixels = _pixels(job)
    models, regions = _models(job), _regions(job)
    accuracy = {seed: _accuracy(one, seed, regions) for seed, one in pixels.items()}
    results = QuantityResults(job.params.quantity.name, accuracy, _without_interval(job))
    notes = (*_losses(job), *_extrapolated(job, pixels), *input_notes(job.inp))
    write_text(job.out.results, results_text(results, notes))
    series = series_of([read_scene(path) for path in job.inp.all("scenes").values()])
    write_json(job.out.metrics, metrics_json(results, notes, _provenance(job.params, series, models)))
    page = QuantityReport(
        title=job.params.title,
        results=results,
        pictures=(*_quicklooks(job, pixels), *_written_pictures(job, pixels, results)),
        models=models,
        series=series,
        notes=notes,
        files=_files(job),
        configuration=tuple(job.params.options.items()),
        versions=tuple(versions().items()),
    )
    write_text(job.out.page, render_quantity(page))


def _provenance(given: ValueReportParams, series: Sequence[Series], models: Sequence[ModelText]) -> dict[str, object]:
    """Origin of the results: images, models, options and versions."""
    return {
        "title": given.title,
        "series": [f"{one.tile}: {one.count} dates of {one.sensor}, {one.first} to {one.last}" for one in series],
        "models": [vars(model) for model in models],
        "configuration": dict(given.options),
        "versions": versions(),
    }


def _written_pictures(
    job: JobContext[ValueReportParams], pixels: Mapping[int, ValuePixels], results: QuantityResults
) -> tuple[Picture, Picture]:
    """Write scatters and residuals of all seeds; returns the pictures of those of the first one."""
    reference, first = read_vector(job.inp.reference), min(pixels)
    scatters = {seed: _write_scatter(job, seed, one, results) for seed, one in pixels.items()}
    residuals = {seed: _write_residuals(job, seed, one, reference) for seed, one in pixels.items()}
    return (
        Picture(of_first_seed("Map against truth", pixels), layout.SCATTER_FIGURE.about, scatters[first]),
        _residual_picture(residuals[first], job.params.quantity.name, of_first_seed("Residuals", pixels)),
    )


def _pixels(job: JobContext) -> dict[int, ValuePixels]:
    """Validation pixels of all tiles by seed."""
    paths: dict[int, list[Path]] = {}
    for key, path in sorted(job.inp.each("pixels")):
        paths.setdefault(key.seed, []).append(path)
    return {seed: read_value_pixels(some) for seed, some in paths.items()}


def _accuracy(found: ValuePixels, seed: int, regions: Set[str]) -> dict[str, ValueAccuracy]:
    """Accuracy of a seed in all regions, then in each of ``regions`` if there are several."""
    names = sorted({*regions, *found.region.tolist()})
    parts = {ALL: found}
    if len(names) > 1:
        parts |= {name: found.where(found.region == name) for name in names}
    return {name: value_accuracy(part, generator(seed, "value intervals", name)) for name, part in parts.items()}


def _regions(job: JobContext) -> set[str]:
    """Regions that have a model."""
    return {key.region for key, _ in job.inp.each("models")}


def _without_interval(job: JobContext) -> dict[int, dict[str, int]]:
    """Regions without intervals by seed, with the number of polygons whose residuals are known."""
    found: dict[int, dict[str, int]] = {}
    for key, path in sorted(job.inp.each("models")):
        interval = read_interval(path)
        if interval is not None and interval.factor is None:
            found.setdefault(key.seed, {})[key.region] = interval.polygons
    return found


def _extrapolated(job: JobContext, pixels: Mapping[int, ValuePixels]) -> Iterator[str]:
    """Notes on values of the map far outside those that the models of a seed learned, of all regions."""
    for seed, found in pixels.items():
        summaries = [read_training(path).summary for key, path in job.inp.each("models") if key.seed == seed]
        learned = [float(one[name]) for one in summaries for name in (SMALLEST, LARGEST) if name in one]
        if learned and (note := extrapolation_note(seed, found.mapped, (min(learned), max(learned)))):
            yield note


def _models(job: JobContext) -> tuple[ModelText, ...]:
    """The models, by region and seed."""
    found = []
    for key, path in sorted(job.inp.each("models")):
        training, interval = read_training(path), read_interval(path)
        method = method_name(training.kind, training.parameters)
        text = interval.sentence if interval else ""
        found.append(ModelText(key.model, key.seed, method, sum(training.samples.values()), text))
    return tuple(found)


def _losses(job: JobContext) -> tuple[str, ...]:
    """Warnings on groups of values that are nearly lost."""
    losses = {key.seed: read_losses_csv(path) for key, path in job.inp.each("losses")}
    return value_warnings(losses, read_classes(job.inp.groups))


def _write_scatter(job: JobContext, seed: int, found: ValuePixels, results: QuantityResults) -> bytes:
    """Write the scatter of a seed, and return it."""
    png: bytes = value_figures_module().scatter_figure(found, results.by_seed[seed][ALL], results.name)
    with replacing(job.out.at("scatter", seed=seed)) as part:
        part.write_bytes(png)
    return png


def _write_residuals(job: JobContext, seed: int, found: ValuePixels, reference: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Write the validation polygons of a seed with their residuals and a style, and return them."""
    frame = _residuals(found, reference)
    write_small_geopackage(frame, job.out.at("residuals", seed=seed), LAYER)
    limits = np.linspace(-1, 1, RESIDUAL_CLASSES + 1) * residual_range(frame["residual"].to_numpy())
    style = graduated_style("residual", limits.tolist(), palettes.DIFFERENCE)
    write_text(job.out.at("residuals_style", seed=seed), style)
    return frame


def _residuals(found: ValuePixels, reference: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """The validation polygons with pixels that have a value, and their residuals."""
    of = found.by_polygon()
    columns = {
        ORIGIN: of.polygon,
        "true_value": of.true,
        "map_mean": of.mapped,
        "residual": of.residuals,
        "pixels": of.pixels,
    }
    geometry = reference.set_index(ORIGIN).geometry.loc[of.polygon].to_numpy()
    return gpd.GeoDataFrame(columns, geometry=geometry, crs=reference.crs)


def _residual_picture(frame: gpd.GeoDataFrame, quantity: str, title: str) -> Picture:
    """Where the map is too high and too low."""
    centres = frame.geometry.centroid
    png = value_figures_module().residual_figure(
        centres.x.to_numpy(), centres.y.to_numpy(), frame["residual"].to_numpy(), quantity
    )
    return Picture(title, "Mean of the map minus the true value, at the places of validation polygons.", png)


def _quicklooks(job: JobContext[ValueReportParams], pixels: Mapping[int, ValuePixels]) -> tuple[Picture, ...]:
    """Pictures of the map of the first seed, and of the widths of its intervals."""
    first, draw = min(pixels), value_figures_module()
    values, size = quicklook(job.inp.at("map", seed=first))
    widths, _ = quicklook(job.inp.at("width", seed=first))
    name = job.params.quantity.name
    return (
        Picture(of_first_seed("Map", pixels), layout.VALUE_MAP.about, draw.values_quicklook(values, name, size)),
        Picture(
            of_first_seed("Uncertainty", pixels),
            layout.WIDTH_MAP.about,
            draw.widths_quicklook(widths, "width", size),
        ),
    )


def _files(job: JobContext[ValueReportParams]) -> tuple[tuple[str, str], ...]:
    """Paths of the products, relative to the folder of the page, with their descriptions."""
    folder = PurePosixPath(layout.REPORT.path).parent
    paths = {one.path.format(seed=seed): one.about for one in job.params.files for seed in range(job.params.runs)}
    return tuple((str(PurePosixPath(path).relative_to(folder)), about) for path, about in paths.items())


STEP = Step(
    name="regressionReport",
    group="validation",
    about="Write the accuracy report of a quantity.",
    task="regression_report",
    run=run,
    over=(),
    needs={
        "scenes": layout.SCENE,
        **NOTES,
        "groups": layout.CLASSES,
        "losses": layout.LOSSES,
        "reference": layout.REFERENCE,
        "pixels": layout.TILE_VALUE_PIXELS,
        "models": layout.MODEL,
        "map": layout.VALUE_MAP,
        "width": layout.WIDTH_MAP,
    },
    makes={
        "results": layout.RESULTS,
        "metrics": layout.METRICS,
        "scatter": layout.SCATTER_FIGURE,
        "residuals": layout.RESIDUALS,
        "residuals_style": layout.RESIDUALS_STYLE,
        "page": layout.REPORT,
    },
    params=params,
    version=2,
)
