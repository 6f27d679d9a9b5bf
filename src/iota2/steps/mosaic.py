"""Step: the products: all tiles on one lattice in ``proj``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import geopandas as gpd
import numpy as np
from odc.geo.geobox import GeoBox

from iota2 import layout
from iota2.config.schema import Config
from iota2.core.graph import JobContext, Step
from iota2.core.grid import Block, aligned, blocks, resolution
from iota2.errors import InputError
from iota2.io.atomic import write_text
from iota2.io.burn import burn
from iota2.io.classes import read_classes
from iota2.io.rasters import RasterProfile, RasterReader, RasterWriter
from iota2.io.vectors import read_vector
from iota2.report.style import qgis_style
from iota2.steps.blocks import COPY_SHAPE
from iota2.steps.classification import probability_profile


@dataclass(frozen=True)
class MosaicParams:
    """The lattice of the products."""

    proj: str
    resolution: tuple[float, float] | None
    """Pixel size in units of ``proj``; None takes that of the tiles."""


def params(config: Config) -> MosaicParams:
    """The options about the products' lattice."""
    return MosaicParams(config.chain.proj, config.chain.spatial_resolution)


@dataclass(frozen=True)
class Ownership:
    """Which tile each pixel of the products' lattice belongs to."""

    envelopes: Mapping[str, gpd.GeoSeries]
    geobox: GeoBox

    @cached_property
    def _outlines(self) -> gpd.GeoSeries:
        return gpd.GeoSeries({tile: parts.union_all() for tile, parts in self.envelopes.items()})

    def of(self, block: Block) -> dict[str, np.ndarray]:
        """Tile to (y, x) bool for the tiles that own pixels of the block."""
        near = [tile for tile, outline in self._outlines.items() if outline.intersects(block.geobox.extent.geom)]
        owner = burn([(self._outlines[tile], k + 1) for k, tile in enumerate(near)], block.geobox, "uint16")
        owned = {tile: owner == k + 1 for k, tile in enumerate(near)}
        return {tile: where for tile, where in owned.items() if where.any()}


def run(job: JobContext) -> None:
    """Write map, coloured map, style, confidence, validity and probabilities."""
    envelopes = {str(tile): read_vector(path).geometry for (tile,), path in job.inp.all("envelopes").items()}
    validity = {str(tile): path for (tile,), path in job.inp.all("validity").items()}
    ownership = Ownership(envelopes, product_lattice(envelopes, next(iter(validity.values())), job.params))
    classes = read_classes(job.inp.classes)
    base = RasterProfile(ownership.geobox, classes.dtype, nodata=0, overviews="mode")
    colored = replace(base, colours=dict(zip(classes.codes, classes.colors, strict=True)))
    confidence = replace(base, dtype="uint8", overviews="average")
    for (seed,), path in job.out.all("map").items():
        labels = _of_seed(job, "labels", seed)
        _write([(path, base), (job.out.all("colors")[(seed,)], colored)], labels, ownership)
        write_text(job.out.all("style")[(seed,)], qgis_style(classes))
        _write([(job.out.all("confidence")[(seed,)], confidence)], _of_seed(job, "confidence", seed), ownership)
        if "final_probabilities" in job.out:
            profile = replace(probability_profile(ownership.geobox, classes), overviews="average")
            target = job.out.all("final_probabilities")[(seed,)]
            _write([(target, profile)], _of_seed(job, "probabilities", seed), ownership)
    dtype = "uint16" if any(_dtype(path) == "uint16" for path in validity.values()) else "uint8"
    counts = replace(base, dtype=dtype, overviews="nearest")
    _write([(job.out.validity, counts)], {tile: [path] for tile, path in validity.items()}, ownership)


def product_lattice(envelopes: Mapping[str, gpd.GeoSeries], tile_raster: Path, given: MosaicParams) -> GeoBox:
    """The lattice whose pixel edges are multiples of the pixel size and that covers all envelopes."""
    with RasterReader(tile_raster) as reader:
        size = given.resolution or resolution(reader.geobox)
    bounds = np.array([parts.total_bounds for parts in envelopes.values() if len(parts)])
    if not len(bounds):
        raise InputError("No tile has any image: every pixel of every date is outside of its orbit.")
    (x0, y0), (x1, y1) = bounds[:, :2].min(axis=0), bounds[:, 2:].max(axis=0)
    return aligned((float(x0), float(y0), float(x1), float(y1)), size, given.proj)


def _of_seed(job: JobContext, name: str, seed: object) -> dict[str, list[Path]]:
    """Paths by tile for one seed; probabilities have one file for each region."""
    found: dict[str, list[Path]] = {}
    for (tile, *_, of), path in job.inp.all(name).items():
        if of == seed:
            found.setdefault(str(tile), []).append(path)
    return found


def _write(
    targets: Sequence[tuple[Path, RasterProfile]], sources: Mapping[str, Sequence[Path]], ownership: Ownership
) -> None:
    """Write the same pixels to each target: the nearest pixel of the tile that owns the ground, 0 elsewhere.

    Several sources of one tile are disjoint and are added up.
    """
    geobox, bands = ownership.geobox, targets[0][1].count
    with ExitStack() as stack:
        readers = {t: [stack.enter_context(RasterReader(path)) for path in paths] for t, paths in sources.items()}
        writers = [stack.enter_context(RasterWriter(path, profile)) for path, profile in targets]
        for block in blocks("", geobox, COPY_SHAPE):
            values = np.zeros((bands, *block.shape), targets[0][1].dtype)
            for tile, where in ownership.of(block).items():
                for reader in readers[tile]:
                    for band in range(bands):
                        nearest = reader.nearest(geobox, block.rows, block.cols, band=band + 1)
                        values[band][where] += nearest[where].astype(values.dtype)
            for writer in writers:
                writer.write(block, values)


def _dtype(path: Path) -> str:
    with RasterReader(path) as reader:
        return reader.dtype.name


STEP = Step(
    name="mosaic",
    group="mosaic",
    about="Put all tiles together in the projection of the products.",
    task="mosaic",
    run=run,
    over=(),
    needs={
        "envelopes": layout.ENVELOPE,
        "classes": layout.CLASSES,
        "labels": layout.TILE_LABELS,
        "confidence": layout.TILE_CONFIDENCE,
        "validity": layout.TILE_VALIDITY,
        "probabilities": layout.PROBABILITIES,
    },
    makes={
        "map": layout.MAP,
        "colors": layout.COLOR_MAP,
        "style": layout.MAP_STYLE,
        "confidence": layout.FINAL_CONFIDENCE,
        "validity": layout.FINAL_VALIDITY,
        "final_probabilities": layout.FINAL_PROBABILITIES,
    },
    params=params,
)
