"""Step: mosaic of all tiles on one grid in ``proj``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from odc.geo.geobox import GeoBox

from iota2 import layout
from iota2.classifiers.calibrated import ModelCalibration
from iota2.classifiers.models import read_calibration, read_training
from iota2.config.options.schema import Config
from iota2.core.cost import READING_SECONDS, Cost, JobFacts
from iota2.core.graph import SOURCES, JobContext, Step, only_for, optional
from iota2.core.nomenclature import Nomenclature
from iota2.io.files.atomic import write_text
from iota2.io.rasters.files import RasterProfile, raster_geobox
from iota2.io.rasters.ownership import TileOwnership, product_grid
from iota2.io.rasters.qgis import (
    choice_style,
    class_style,
    confidence_style,
    entropy_style,
    likely_classes_style,
    margin_style,
    probability_style,
    validity_style,
)
from iota2.io.tables.classes import read_classes
from iota2.io.tables.vectors import read_vector
from iota2.steps.blocks import WRITING_THREADS
from iota2.steps.profiles import (
    entropy_profile,
    likely_classes_profile,
    margin_profile,
    percent_confidence_profile,
    probability_profile,
)
from iota2.steps.tile_mosaic import Product, maximum_of, validity_product, write_products

PROBABILITY, AGREEMENT = "probability of the label", "agreement of the models of a region"
"""Descriptions of the confidence of labels, and of labels for which models voted."""
_SMOOTHED = {
    "none": "",
    "bayesian": ", smoothed (bayesian)",
    "majority": ", of the smoothed label (majority)",
}
"""Addition to the metadata item, by method of smoothing."""


@dataclass(frozen=True)
class MosaicParams:
    """Grid of the products, and options that their metadata name."""

    proj: str
    resolution: tuple[float, float] | None
    """Pixel size in units of ``proj``; None uses that of the tiles."""
    smoothing: str = "none"
    """Method of the smoothing, which changes the confidence."""
    votes: bool = False
    """Whether the confidence is the agreement of several models of a region, not a probability."""
    likely_share: float | None = None
    """Probability of the sets of likely classes; None if they are not mapped."""

    def by_user_name(self) -> Mapping[str, object]:
        """The parameters by option name of the configuration."""
        return {
            "chain.proj": self.proj,
            "chain.spatial_resolution": self.resolution,
            "arg_classification.smoothing": self.smoothing,
            "meaning of the confidence": AGREEMENT if self.votes else PROBABILITY,
            "arg_classification.likely_classes_share": "not used" if self.likely_share is None else self.likely_share,
        }


def params(config: Config) -> MosaicParams:
    """The options for the grid of the products and their metadata."""
    given = config.arg_classification
    share = given.likely_classes_share if layout.with_likely_classes(config) else None
    votes = layout.with_voted_confidence(config)
    return MosaicParams(config.chain.proj, config.chain.spatial_resolution, given.smoothing, votes, share)


def run(job: JobContext[MosaicParams]) -> None:
    """Write map, coloured map, styles, confidence, validity and probabilities."""
    envelopes = {key.tile: read_vector(path).geometry for key, path in job.inp.each("envelopes")}
    validity = {key.tile: path for key, path in job.inp.each("validity")}
    grids = {tile: raster_geobox(path) for tile, path in validity.items()}
    given = job.params
    grid = product_grid(envelopes, next(iter(grids.values())), given.proj, given.resolution)
    ownership = TileOwnership(envelopes, grid)
    classes = read_classes(job.inp.classes)
    products = [validity_product(job.out.validity, validity, ownership.geobox)]
    for key, _ in job.out.each("map"):
        products += _seed_products(job, key.seed, classes, ownership.geobox)
    write_products(products, ownership, grids, job.use)
    _write_styles(job, classes)


def _write_styles(job: JobContext, classes: Nomenclature) -> None:
    """Write the QGIS styles of the products and of the tiles' rasters, each next to its raster."""
    classified, confident = class_style(classes), confidence_style()
    observed = validity_style(maximum_of(job.out.validity))
    styles = {
        "style": classified,
        "colors_style": classified,
        "unblended_style": classified,
        "tmp_unblended_style": classified,
        "optical_style": classified,
        "radar_style": classified,
        "tile_labels_style": classified,
        "confidence_style": confident,
        "tile_confidence_style": confident,
        "validity_style": observed,
        "tile_validity_style": observed,
        "probabilities_style": probability_style(),
        "choice_style": choice_style(),
        "unsmoothed_style": classified,
        "entropy_style": entropy_style(),
        "tile_entropy_style": entropy_style(),
        "margin_style": margin_style(),
        "tile_margin_style": margin_style(),
        "likely_classes_style": likely_classes_style(classes),
        "tile_likely_classes_style": likely_classes_style(classes),
    }
    for name, style in styles.items():
        for path in job.out.all(name).values() if name in job.out else ():
            write_text(path, style)


def _seed_products(job: JobContext[MosaicParams], seed: int, classes: Nomenclature, geobox: GeoBox) -> list[Product]:
    """Map, confidence and, if requested, probabilities of one seed."""
    labels = RasterProfile(geobox, classes.dtype, nodata=0, overviews="mode")
    colored = replace(labels, colours=dict(zip(classes.codes, classes.colors, strict=True)))
    what = AGREEMENT if job.params.votes else PROBABILITY
    confidence = percent_confidence_profile(geobox, what, _confidence_origin(job, seed))
    maps = [(job.out.at("map", seed=seed), labels), (job.out.at("colors", seed=seed), colored)]
    products = [
        *_unblended_products(job, seed, colored),
        *_source_products(job, seed, colored),
        Product(maps, _sources(job, "labels", seed)),
        Product([(job.out.at("confidence", seed=seed), confidence)], _sources(job, "confidence", seed)),
    ]
    if "final_probabilities" in job.out:
        profile = replace(probability_profile(geobox, classes), overviews="average")
        target = (job.out.at("final_probabilities", seed=seed), profile)
        products.append(Product([target], _sources(job, "probabilities", seed)))
    if "unsmoothed" in job.out:
        profile = replace(colored, overviews="none")
        products.append(Product([(job.out.at("unsmoothed", seed=seed), profile)], _sources(job, "raw_labels", seed)))
    return [*products, *_uncertainty_products(job, seed, classes, geobox)]


def _unblended_products(job: JobContext[MosaicParams], seed: int, profile: RasterProfile) -> list[Product]:
    """The map in which each region keeps the labels of its own models, if models are blended near borders."""
    return [
        Product([(job.out.at(target, seed=seed), profile)], _sources(job, source, seed))
        for target, source in (("unblended_map", "unblended_labels"), ("tmp_unblended_map", "tmp_unblended_labels"))
        if target in job.out
    ]


def _source_products(job: JobContext[MosaicParams], seed: int, profile: RasterProfile) -> list[Product]:
    """The maps of the optical and of the radar models, if there are both."""
    return [
        Product([(job.out.at(target, seed=seed), profile)], _sources(job, "source_labels", seed, source))
        for target, source in zip(("optical_map", "radar_map"), SOURCES, strict=True)
        if target in job.out
    ]


def _uncertainty_products(
    job: JobContext[MosaicParams], seed: int, classes: Nomenclature, geobox: GeoBox
) -> Iterator[Product]:
    """The requested layers of the uncertainty of one seed."""
    if "entropy" in job.out:
        profile = replace(entropy_profile(geobox), overviews="average")
        yield Product([(job.out.at("entropy", seed=seed), profile)], _sources(job, "tile_entropy", seed))
    if "margin" in job.out:
        profile = replace(margin_profile(geobox), overviews="average")
        yield Product([(job.out.at("margin", seed=seed), profile)], _sources(job, "tile_margin", seed))
    if "likely_classes" in job.out and job.params.likely_share is not None:
        profile = replace(likely_classes_profile(geobox, classes, job.params.likely_share), overviews="nearest")
        yield Product([(job.out.at("likely_classes", seed=seed), profile)], _sources(job, "tile_likely_classes", seed))


def _confidence_origin(job: JobContext[MosaicParams], seed: int) -> str:
    """Origin of the confidence of one seed: whether it is calibrated, for each region if they differ.

    Empty if the models are unknown.
    """
    if job.params.votes:
        return f"{AGREEMENT}, not a probability{_SMOOTHED[job.params.smoothing]}"
    if "models" not in job.inp:
        return ""
    kinds: dict[str, list[str]] = {}
    for key, path in sorted(job.inp.each("models")):
        if key.seed == seed and read_training(path).samples:
            kind = _confidence_kind(read_calibration(path)) + _SMOOTHED[job.params.smoothing]
            kinds.setdefault(kind, []).append(key.model)
    if len(kinds) == 1:
        return next(iter(kinds))
    return "; ".join(f"region {', '.join(regions)}: {kind}" for kind, regions in kinds.items())


def _confidence_kind(found: ModelCalibration | None) -> str:
    """What the confidence of a model is."""
    if found is None or found.calibration is None:
        return "probability of the classifier, not calibrated"
    return f"calibrated probability ({found.calibration.name})"


def _sources(job: JobContext, name: str, seed: int, source: str | None = None) -> dict[str, list[Path]]:
    """Paths by tile for one seed, and one ``source`` unless it is None; files of regions are sorted by region name."""
    found: dict[str, list[Path]] = {}
    for key, path in sorted(job.inp.each(name)):
        if key.seed == seed and (source is None or key.source == source):
            found.setdefault(key.tile, []).append(path)
    return found


def cost(config: Config, facts: JobFacts) -> Cost:
    """Cost of a job: map, coloured map, confidence and, if requested, probabilities of each seed, and validity."""
    run = facts.run
    probabilities = 2 * run.class_count if layout.with_final_probabilities(config) else 0
    maps = 2 + 2 * layout.with_sar_fusion(config) + layout.with_boundary_fusion(config) + layout.with_smoothing(config)
    layers = 2 * len(config.arg_classification.uncertainty_layers)
    pixel = (maps * run.label_bytes + 1 + probabilities + layers) * config.arg_train.runs + 1
    return facts.raster_cost(pixel, 4 * READING_SECONDS)


STEP = Step(
    name="mosaic",
    group="mosaic",
    about="Assemble all tiles in the projection of the products.",
    task="mosaic",
    run=run,
    over=(),
    needs={
        "envelopes": layout.ENVELOPE,
        "classes": layout.CLASSES,
        "labels": layout.TILE_LABELS,
        "confidence": layout.TILE_CONFIDENCE,
        "validity": layout.TILE_VALIDITY,
        "models": optional(layout.MODEL),
        "probabilities": only_for(
            layout.FINAL_PROBABILITIES,
            layout.SMOOTHED_PROBABILITIES,
            layout.BLENDED_PROBABILITIES,
            *layout.REGION_PROBABILITIES.choices,
        ),
        "unblended_labels": only_for(layout.UNBLENDED_MAP, *layout.REGION_LABELS.choices),
        "tmp_unblended_labels": only_for(layout.TMP_UNBLENDED_MAP, *layout.REGION_LABELS.choices),
        "source_labels": only_for(layout.OPTICAL_MAP, layout.LABELS),
        "raw_labels": only_for(layout.UNSMOOTHED_MAP, layout.BLENDED_LABELS, *layout.REGION_LABELS.choices),
        "tile_entropy": only_for(layout.ENTROPY, layout.TILE_ENTROPY),
        "tile_margin": only_for(layout.MARGIN, layout.TILE_MARGIN),
        "tile_likely_classes": only_for(layout.LIKELY_CLASSES, layout.TILE_LIKELY_CLASSES),
    },
    makes={
        "map": layout.MAP,
        "colors": layout.COLOR_MAP,
        "style": layout.MAP_STYLE,
        "colors_style": layout.COLOR_MAP_STYLE,
        "unblended_map": layout.UNBLENDED_MAP,
        "unblended_style": layout.UNBLENDED_MAP_STYLE,
        "tmp_unblended_map": layout.TMP_UNBLENDED_MAP,
        "tmp_unblended_style": layout.TMP_UNBLENDED_MAP_STYLE,
        "optical_map": layout.OPTICAL_MAP,
        "radar_map": layout.RADAR_MAP,
        "optical_style": layout.OPTICAL_MAP_STYLE,
        "radar_style": layout.RADAR_MAP_STYLE,
        "confidence": layout.FINAL_CONFIDENCE,
        "confidence_style": layout.CONFIDENCE_STYLE,
        "validity": layout.FINAL_VALIDITY,
        "validity_style": layout.VALIDITY_STYLE,
        "final_probabilities": layout.FINAL_PROBABILITIES,
        "probabilities_style": layout.PROBABILITIES_STYLE,
        "unsmoothed": layout.UNSMOOTHED_MAP,
        "unsmoothed_style": layout.UNSMOOTHED_STYLE,
        "tile_entropy_style": layout.TILE_ENTROPY_STYLE,
        "tile_margin_style": layout.TILE_MARGIN_STYLE,
        "tile_likely_classes_style": layout.TILE_LIKELY_CLASSES_STYLE,
        "entropy": layout.ENTROPY,
        "entropy_style": layout.ENTROPY_STYLE,
        "margin": layout.MARGIN,
        "margin_style": layout.MARGIN_STYLE,
        "likely_classes": layout.LIKELY_CLASSES,
        "likely_classes_style": layout.LIKELY_CLASSES_STYLE,
        "choice_style": layout.DS_CHOICE_STYLE,
        "tile_labels_style": layout.TILE_LABELS_STYLE,
        "tile_confidence_style": layout.TILE_CONFIDENCE_STYLE,
        "tile_validity_style": layout.TILE_VALIDITY_STYLE,
    },
    params=params,
    version=4,
    cost=cost,
    max_threads=WRITING_THREADS,
)
