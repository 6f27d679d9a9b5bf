"""Step: the products: all tiles on one lattice in ``proj``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from odc.geo.geobox import GeoBox

from iota2 import layout
from iota2.config.options.schema import Config
from iota2.core.cost import READING_SECONDS, Cost, JobFacts
from iota2.core.graph import JobContext, Resources, Step, only_for
from iota2.core.grid import Block, blocks
from iota2.core.nomenclature import Nomenclature
from iota2.io.files.atomic import write_text
from iota2.io.rasters.files import RasterProfile, RasterReader, RasterWriter, nearest_pixels, raster_geobox
from iota2.io.rasters.ownership import Ownership, product_lattice
from iota2.io.rasters.qgis import class_style, confidence_style, probability_style, validity_style
from iota2.io.tables.classes import read_classes
from iota2.io.tables.vectors import read_vector
from iota2.steps.blocks import COPY_SHAPE, copy_shape
from iota2.steps.profiles import probability_profile

_PLACING = 96
"""Bytes for each pixel of a block while its place on a tile is computed: coordinates in double precision. Then
its values are read, put together and laid out: four times what it takes in the product."""


@dataclass(frozen=True)
class MosaicParams:
    """The lattice of the products."""

    proj: str
    resolution: tuple[float, float] | None
    """Pixel size in units of ``proj``; None takes that of the tiles."""


def params(config: Config) -> MosaicParams:
    """The options about the grid of the products."""
    return MosaicParams(config.chain.proj, config.chain.spatial_resolution)


@dataclass(frozen=True)
class Product:
    """Rasters that hold the same pixels, and where these come from."""

    targets: Sequence[tuple[Path, RasterProfile]]
    sources: Mapping[str, Sequence[Path]]
    """Rasters of each tile, all on its lattice. Of several, the first with data at a pixel counts."""

    @property
    def profile(self) -> RasterProfile:
        """Type, bands and nodata of the pixels."""
        return self.targets[0][1]

    def pixels(self, places: Mapping[str, Place], shape: tuple[int, int]) -> np.ndarray:
        """(band, y, x): the pixel of the tile at each place; nodata where no tile has one."""
        nodata = self.profile.nodata or 0
        values = np.full((self.profile.count, *shape), nodata, self.profile.dtype)
        flat = values.reshape(len(values), -1)
        for tile, place in places.items():
            found = None
            for path in self.sources[tile]:
                with RasterReader(path) as reader:
                    layers = reader.at(place.row, place.col, fill=nodata)
                if found is None:
                    found = layers
                else:
                    np.copyto(found, layers, where=(found == nodata).all(axis=0))
            if found is not None:
                for target, layer in zip(flat, found, strict=True):
                    target[place.owned] = layer
        return values


@dataclass(frozen=True, eq=False)
class Place:
    """The pixels of one block that belong to one tile."""

    owned: np.ndarray
    """(pixel,) positions in the block, in scan order."""
    row: np.ndarray
    """(pixel,) rows of the tile's nearest pixels; -1 beyond the tile."""
    col: np.ndarray
    """(pixel,) their columns."""


def run(job: JobContext[MosaicParams]) -> None:
    """Write map, coloured map, style, confidence, validity and probabilities."""
    envelopes = {key.tile: read_vector(path).geometry for key, path in job.inp.each("envelopes")}
    validity = {key.tile: path for key, path in job.inp.each("validity")}
    lattices = {tile: raster_geobox(path) for tile, path in validity.items()}
    given = job.params
    lattice = product_lattice(envelopes, next(iter(lattices.values())), given.proj, given.resolution)
    ownership = Ownership(envelopes, lattice)
    classes = read_classes(job.inp.classes)
    products = [_validity(job, validity, ownership.geobox)]
    for key, _ in job.out.each("map"):
        products += _of_seed(job, key.seed, classes, ownership.geobox)
    _write(products, ownership, lattices, job.use)
    _write_styles(job, classes)


def _write_styles(job: JobContext, classes: Nomenclature) -> None:
    """How QGIS shows each product and the rasters of the tiles, under their names beside them."""
    named, confident = class_style(classes), confidence_style()
    observed = validity_style(_largest(job.out.validity))
    styles = {
        "style": named,
        "colors_style": named,
        "tile_labels_style": named,
        "confidence_style": confident,
        "tile_confidence_style": confident,
        "validity_style": observed,
        "tile_validity_style": observed,
        "probabilities_style": probability_style(),
    }
    for name, style in styles.items():
        for path in job.out.all(name).values() if name in job.out else ():
            write_text(path, style)


def _largest(path: Path) -> int:
    """The largest pixel of a raster."""
    with RasterReader(path) as reader:
        return max(int(reader.read(block.geobox).max()) for block in blocks("", reader.geobox, COPY_SHAPE))


def _of_seed(job: JobContext, seed: int, classes: Nomenclature, geobox: GeoBox) -> list[Product]:
    """Map, confidence and, if asked for, probabilities of one seed."""
    labels = RasterProfile(geobox, classes.dtype, nodata=0, overviews="mode")
    colored = replace(labels, colours=dict(zip(classes.codes, classes.colors, strict=True)))
    confidence = RasterProfile(geobox, "uint8", nodata=0, overviews="average")
    maps = [(job.out.at("map", seed=seed), labels), (job.out.at("colors", seed=seed), colored)]
    products = [
        Product(maps, _sources(job, "labels", seed)),
        Product([(job.out.at("confidence", seed=seed), confidence)], _sources(job, "confidence", seed)),
    ]
    if "final_probabilities" in job.out:
        profile = replace(probability_profile(geobox, classes), overviews="average")
        target = (job.out.at("final_probabilities", seed=seed), profile)
        products.append(Product([target], _sources(job, "probabilities", seed)))
    return products


def _validity(job: JobContext, sources: Mapping[str, Path], geobox: GeoBox) -> Product:
    """The number of clear dates."""
    dtype = "uint16" if any(_dtype(path) == "uint16" for path in sources.values()) else "uint8"
    profile = RasterProfile(geobox, dtype, nodata=0, overviews="nearest")
    return Product([(job.out.validity, profile)], {tile: [path] for tile, path in sources.items()})


def _sources(job: JobContext, name: str, seed: int) -> dict[str, list[Path]]:
    """Paths by tile for one seed; probabilities have one file for each region, sorted by its name."""
    found: dict[str, list[Path]] = {}
    for key, path in sorted(job.inp.each(name)):
        if key.seed == seed:
            found.setdefault(key.tile, []).append(path)
    return found


def _write(products: Sequence[Product], ownership: Ownership, lattices: Mapping[str, GeoBox], use: Resources) -> None:
    """Write all products in one pass: each pixel is the nearest one of the tile that owns the ground.

    Whose ground a block is and where its pixels lie on the tiles is computed once for all products. Files of
    the tiles are opened anew for each block: of many tiles, runs and regions there may be thousands.
    """
    geobox = ownership.geobox
    shape = copy_shape(use, _PLACING + 4 * max(product.profile.pixel_bytes for product in products))
    with ExitStack() as stack:
        writers = [[stack.enter_context(RasterWriter(*target)) for target in p.targets] for p in products]
        for block in blocks("", geobox, shape):
            owned = ownership.of(block)
            places = {tile: _place(where, block, geobox, lattices[tile]) for tile, where in owned.items()}
            for product, targets in zip(products, writers, strict=True):
                values = product.pixels(places, block.shape)
                for writer in targets:
                    writer.write(block, values)


def _place(where: np.ndarray, block: Block, geobox: GeoBox, lattice: GeoBox) -> Place:
    """The pixels of ``block`` in ``where`` (y, x) bool on the lattice of their tile."""
    row, col = nearest_pixels(lattice, geobox, block.rows, block.cols)
    return Place(np.flatnonzero(where), row[where], col[where])


def _dtype(path: Path) -> str:
    with RasterReader(path) as reader:
        return reader.dtype.name


def cost(config: Config, facts: JobFacts) -> Cost:
    """Map, coloured map, confidence and, if asked for, probabilities for each seed, and validity."""
    run = facts.run
    probabilities = 2 * run.class_count if config.arg_classification.enable_probability_map else 0
    pixel = (2 * run.label_bytes + 1 + probabilities) * config.arg_train.runs + 1
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
        "probabilities": only_for(layout.FINAL_PROBABILITIES, layout.PROBABILITIES),
    },
    makes={
        "map": layout.MAP,
        "colors": layout.COLOR_MAP,
        "style": layout.MAP_STYLE,
        "colors_style": layout.COLOR_MAP_STYLE,
        "confidence": layout.FINAL_CONFIDENCE,
        "confidence_style": layout.CONFIDENCE_STYLE,
        "validity": layout.FINAL_VALIDITY,
        "validity_style": layout.VALIDITY_STYLE,
        "final_probabilities": layout.FINAL_PROBABILITIES,
        "probabilities_style": layout.PROBABILITIES_STYLE,
        "tile_labels_style": layout.TILE_LABELS_STYLE,
        "tile_confidence_style": layout.TILE_CONFIDENCE_STYLE,
        "tile_validity_style": layout.TILE_VALIDITY_STYLE,
    },
    params=params,
    version=3,
    cost=cost,
)
