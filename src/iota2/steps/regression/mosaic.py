"""Step: mosaic of a quantity and of the widths of its intervals on one grid in ``proj``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from iota2 import layout
from iota2.classifiers.models import read_interval
from iota2.config.options.schema import Config
from iota2.core import palettes
from iota2.core.cost import READING_SECONDS, Cost, JobFacts
from iota2.core.graph import JobContext, Step
from iota2.core.target import Quantity
from iota2.io.files.atomic import write_text
from iota2.io.rasters.files import decimated, raster_geobox
from iota2.io.rasters.ownership import TileOwnership, product_grid
from iota2.io.rasters.qgis import ramp_style, validity_style
from iota2.io.tables.vectors import read_vector
from iota2.steps.blocks import WRITING_THREADS
from iota2.steps.profiles import value_map_profile, width_map_profile
from iota2.steps.tile_mosaic import Product, maximum_of, validity_product, write_products

STYLE_PERCENTILES = (2.0, 98.0)
"""Percentiles of the values at the ends of the colour ramps."""
MAX_STYLE_PIXELS = 1_000_000


@dataclass(frozen=True)
class ValueMosaicParams:
    """Grid of the products, and the quantity that they contain."""

    proj: str
    resolution: tuple[float, float] | None
    """Pixel size in units of ``proj``; None uses that of the tiles."""
    quantity: Quantity

    def by_user_name(self) -> Mapping[str, object]:
        """The parameters by option name of the configuration."""
        return {
            "chain.proj": self.proj,
            "chain.spatial_resolution": self.resolution,
            "chain.data_field": self.quantity.name,
        }


def params(config: Config) -> ValueMosaicParams:
    """The options for the grid of the products and their metadata."""
    chain = config.chain
    return ValueMosaicParams(chain.proj, chain.spatial_resolution, Quantity(chain.data_field, ""))


def run(job: JobContext[ValueMosaicParams]) -> None:
    """Write values, widths of intervals, validity and styles."""
    envelopes = {key.tile: read_vector(path).geometry for key, path in job.inp.each("envelopes")}
    validity = {key.tile: path for key, path in job.inp.each("validity")}
    grids = {tile: raster_geobox(path) for tile, path in validity.items()}
    grid = product_grid(envelopes, next(iter(grids.values())), job.params.proj, job.params.resolution)
    ownership = TileOwnership(envelopes, grid)
    geobox, name = ownership.geobox, job.params.quantity.name
    products = [validity_product(job.out.validity, validity, geobox)]
    for key, path in job.out.each("map"):
        sources = {one.tile: [source] for one, source in job.inp.each("values") if one.seed == key.seed}
        products.append(Product([(path, value_map_profile(geobox, name))], sources, bands=(0,)))
        target = job.out.at("width", seed=key.seed)
        profile = width_map_profile(geobox, name, _interval_text(job, key.seed))
        products.append(Product([(target, profile)], sources, bands=(1,)))
    write_products(products, ownership, grids, job.use)
    write_text(job.out.validity_style, validity_style(maximum_of(job.out.validity)))
    for map_name, style, ramp in (("map", "style", palettes.PROBABILITY), ("width", "width_style", palettes.WIDTH)):
        for key, path in job.out.each(map_name):
            write_text(job.out.at(style, seed=key.seed), _style(path, ramp))
    for key, path in job.out.each("tile_style"):
        write_text(path, job.out.at("style", seed=key.seed).read_text(encoding="utf-8"))


def _interval_text(job: JobContext[ValueMosaicParams], seed: int) -> str:
    """How the intervals of a seed were measured, for each region if there are several."""
    found = {key.model: read_interval(path) for key, path in sorted(job.inp.each("models")) if key.seed == seed}
    texts = {model: interval.sentence if interval else "No interval." for model, interval in found.items()}
    if len(texts) == 1:
        return next(iter(texts.values()))
    return " ".join(f"Region {model}: {text}" for model, text in texts.items())


def _style(path: Path, ramp: tuple[str, ...]) -> str:
    """Style with a ramp over most values of a map; from 0 to 1 without values."""
    small = decimated(path, MAX_STYLE_PIXELS)
    known = small[np.isfinite(small)]
    least, most = np.percentile(known, STYLE_PERCENTILES).tolist() if len(known) else (0.0, 1.0)
    return ramp_style(ramp, least, most if most > least else least + 1.0)


def cost(config: Config, facts: JobFacts) -> Cost:
    """Cost of a job: values and widths of each seed, and validity."""
    return facts.raster_cost(8 * config.arg_train.runs + 1, 4 * READING_SECONDS)


STEP = Step(
    name="regressionMosaic",
    group="mosaic",
    about="Assemble all tiles in the projection of the products.",
    task="regression_mosaic",
    run=run,
    over=(),
    needs={
        "envelopes": layout.ENVELOPE,
        "values": layout.TILE_VALUES,
        "validity": layout.TILE_VALIDITY,
        "models": layout.MODEL,
    },
    makes={
        "map": layout.VALUE_MAP,
        "style": layout.VALUE_MAP_STYLE,
        "tile_style": layout.TILE_VALUES_STYLE,
        "width": layout.WIDTH_MAP,
        "width_style": layout.WIDTH_MAP_STYLE,
        "validity": layout.FINAL_VALIDITY,
        "validity_style": layout.VALIDITY_STYLE,
    },
    params=params,
    cost=cost,
    max_threads=WRITING_THREADS,
)
