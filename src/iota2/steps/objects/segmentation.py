"""Step: segments of one tile, from the user's file or computed, and their table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from odc.geo.geobox import GeoBox

from iota2 import layout
from iota2.compute.segments import DenseNumbers, SegmentCounts, dense, region_ranks
from iota2.compute.superpixels import MAX_CELL
from iota2.config.options.others import Obia
from iota2.config.options.schema import Config
from iota2.core.cost import READING_SECONDS, Cost, Facts, JobFacts
from iota2.core.graph import Finding, JobContext, Key, Step, optional
from iota2.core.grid import Block, blocks, short_crs
from iota2.core.remarks import Remark, remarks_about
from iota2.core.words import did_you_mean
from iota2.errors import InputError
from iota2.io.rasters.files import RasterProfile, RasterReader, RasterWriter
from iota2.io.tables.polygon_batches import Bounds, bounds_in
from iota2.io.tables.remark_lists import write_remarks
from iota2.io.tables.segments import Segments
from iota2.io.tables.vector_source import vector_source, with_choice
from iota2.io.user_segments import check_user_segments, write_user_segments
from iota2.steps.blocks import copy_shape
from iota2.steps.located_segments import expected_segments
from iota2.steps.region_order import read_region_order

SEGMENT_BYTES = 48
"""Bytes of memory of a segment in the tables of a job."""


@dataclass(frozen=True)
class SegmentationParams:
    """The user's file of segments, and the order of regions."""

    path: Path | None
    """None: segments are computed."""
    layer: str
    """Layer of the file; see ``io.tables.vector_source``."""
    id_field: str | None
    region_priority: tuple[str, ...]

    def by_user_name(self) -> Mapping[str, object]:
        """The parameters by option name of the configuration."""
        return {
            "obia.obia_segmentation_path": self.path,
            "layer of obia.obia_segmentation_path": self.layer,
            "obia.id_field": self.id_field,
            "obia.region_priority": self.region_priority,
        }


def params(config: Config) -> SegmentationParams:
    """Parameters of the segmentation from the configuration."""
    given = config.obia
    priority = given.region_priority or ()
    if given.obia_segmentation_path is None:
        return SegmentationParams(None, "", None, priority)
    source = vector_source(given.obia_segmentation_path)
    return SegmentationParams(source.file, source.choice, given.id_field, priority)


def run(job: JobContext[SegmentationParams]) -> None:
    """Write the numbers of the segments on the grid of the tile, and their table.

    Segments of the user cover the whole tile; of their pixels, those in the part of the map that the tile contributes
    count. Computed segments end at the border of this part, with a margin of some pixels.
    """
    given = job.params
    names = read_region_order(job.inp.regions, given.region_priority)
    with ExitStack() as stack:
        classified = _Area.opened(job.inp.all("masks"), names, stack)
        own = _Area.opened(job.inp.all("regions_of_tile"), names, stack)
        if given.path is None:
            identifier = _write_computed(job, classified)
            notes: tuple[str, ...] = ()
        else:
            source = with_choice(given.path, given.layer)
            found = write_user_segments(source, given.id_field, own.geobox, job.out.segments, job.use.memory)
            identifier = found.ids
            notes = tuple(f"{given.path.name}, tile {job.key.tile}: {note}" for note in found.notes)
        counts = _counts(job, len(identifier), classified, own)
    Segments.of(identifier, counts).write(job.out.table)
    write_remarks(job.out.notes, remarks_about(notes, "segments"))


@dataclass(frozen=True)
class _Area:
    """The part of a tile in each region, by masks on the grid of the tile."""

    masks: Mapping[int, RasterReader]
    """By position of the region among all regions."""
    geobox: GeoBox

    @classmethod
    def opened(cls, paths: Mapping[Key, Path], names: list[str], stack: ExitStack) -> _Area:
        """With the rasters by region, which ``stack`` closes."""
        found = {names.index(key.region): stack.enter_context(RasterReader(path)) for key, path in paths.items()}
        return cls(dict(sorted(found.items())), next(iter(found.values())).geobox)

    def ranks(self, block: Block) -> np.ndarray:
        """(y, x) int16: position of the first region that contains each pixel; -1 outside."""
        local = region_ranks([mask.read(block.geobox) > 0 for mask in self.masks.values()])
        return np.append(np.array([*self.masks], np.int16), np.int16(-1))[local]

    def blocks(self, job: JobContext[SegmentationParams]) -> Iterator[Block]:
        """Blocks that cover the tile."""
        return blocks(job.key.tile, self.geobox, copy_shape(job.use, SEGMENT_BYTES))


def _counts(job: JobContext[SegmentationParams], segments: int, classified: _Area, own: _Area) -> SegmentCounts:
    """Counts of the written segments: all pixels of computed ones, and those of the user's in the part of the map."""
    counts = SegmentCounts.empty(segments)
    with RasterReader(job.out.segments) as raster:
        for block in own.blocks(job):
            of_tile, of_map = classified.ranks(block), own.ranks(block)
            counts.add(
                raster.read(block.geobox),
                of_tile if job.params.path is None else of_map,
                of_tile >= 0,
                of_map >= 0,
                origin=(block.rows[0], block.cols[0]),
                width=own.geobox.shape[1],
            )
    return counts


def _write_computed(job: JobContext[SegmentationParams], area: _Area) -> np.ndarray:
    """Write the computed segments inside the area with consecutive numbers, and return these (segment,) int64."""
    found = DenseNumbers(_largest(area.geobox))
    with RasterReader(job.inp.computed) as source:

        def inside(block: Block) -> np.ndarray:
            return np.where(area.ranks(block) >= 0, source.read(block.geobox), 0)

        for block in area.blocks(job):
            found.add(inside(block))
        table = found.table()
        with RasterWriter(job.out.segments, RasterProfile(area.geobox, "uint32", nodata=0)) as out:
            for block in area.blocks(job):
                out.write(block, dense(inside(block), table))
    return np.arange(1, len(table) + 1)


def _largest(geobox: GeoBox) -> int:
    """Upper limit of the numbers of computed segments on a grid: cells may enlarge it at the top and left."""
    height, width = geobox.shape
    return int((height + MAX_CELL) * (width + MAX_CELL))


def check(config: Config, facts: Facts) -> Iterator[Finding]:
    """Problems with options that classify pixels, not segments, and with unknown regions."""
    train = config.arg_train
    neighbours = "depends on the neighbourhood of pixels"
    several = "combines several models of a pixel"
    refused = {
        ("arg_train", "enable_autocontext"): (train.enable_autocontext, neighbours),
        ("arg_train", "context"): (train.window is not None, neighbours),
        ("arg_classification", "smoothing"): (layout.with_smoothing(config), neighbours),
        ("arg_classification", "classif_mode"): (layout.with_submodels(config), several),
        ("arg_classification", "enable_boundary_fusion"): (layout.with_boundary_fusion(config), several),
        ("arg_train", "dempster_shafer_sar_opt_fusion"): (layout.with_sar_fusion(config), several),
        ("arg_train", "feature_importance"): (train.feature_importance, "is measured on pixels"),
        ("arg_train", "sampling_validation"): (layout.with_sampled_validation(config), "selects pixels"),
    }
    for option, (given, reason) in refused.items():
        if given:
            yield Finding(f"the option {reason}; the builder I2Obia classifies segments. Remove it", option)
    known = {name for names in facts.regions.values() for name in names}
    for name in config.obia.region_priority or ():
        if name not in known:
            hint = did_you_mean(name, sorted(known)) or f"; expected some of {', '.join(sorted(known))}"
            yield Finding(f"there is no region {name!r} on the tiles{hint}", ("obia", "region_priority"))
    if not config.obia.computed:
        yield from _check_file(config, facts)
    for name, reason in _unused_options(config.obia):
        yield Finding.about(Remark(f"obia.{name} is not used, since {reason}", "options"))


def _unused_options(given: Obia) -> Iterator[tuple[str, str]]:
    """Options that differ from their default and have no effect, with the reason."""
    of_file = "the segments are those of obia.obia_segmentation_path"
    reasons = {"segment_size": of_file, "compactness": of_file}
    for name, reason in {"id_field": "segments are computed"}.items() if given.computed else reasons.items():
        if getattr(given, name) != getattr(Obia(), name):
            yield name, reason


def _check_file(config: Config, facts: Facts) -> Iterator[Finding]:
    """Problems with the user's file, and a remark on tiles outside it."""
    given = config.obia
    try:
        header = check_user_segments(str(given.obia_segmentation_path), given.id_field)
    except InputError as err:
        yield Finding(str(err), ("obia", "obia_segmentation_path"))
        return
    if not any(header.meets(scene.geobox) for scene in facts.scenes.values()):
        tile, scene = next(iter(facts.scenes.items()))
        texts = [
            f"{header.file}: no segment on any tile",
            f"In {short_crs(header.crs.to_wkt())}, {_bounds_text('the segments', header.bounds)}, "
            f"{_bounds_text(f'tile {tile}', bounds_in(scene.geobox, header.crs))}",
            "Use the file of this area; if it is, correct the CRS that the file states",
        ]
        yield Finding(". ".join(texts), ("obia", "obia_segmentation_path"))
        return
    outside = [tile for tile, scene in facts.scenes.items() if not header.meets(scene.geobox)]
    texts = list(header.notes)
    if outside:
        tiles = f"no segment on tile{'s' * (len(outside) > 1)} {', '.join(outside)}: the map is empty there"
        texts.append(f"{header.file}: {tiles}")
    for text in texts:
        yield Finding.about(Remark(text, "segments"))


def _bounds_text(what: str, bounds: Bounds | None) -> str:
    """Bounds in a message."""
    if bounds is None:
        return f"the bounds of {what} are unknown"
    left, bottom, right, top = (f"{value:.7g}" for value in bounds)
    return f"{what} are between x {left} and {right}, y {bottom} and {top}"


def cost(config: Config, facts: JobFacts) -> Cost:
    """Cost of a job: a byte for each possible number of a segment, and the table of segments."""
    usual = facts.raster_cost(4, 4 * READING_SECONDS)
    return replace(
        usual, memory=usual.memory + facts.pixels + int(SEGMENT_BYTES * expected_segments(config, facts.pixels))
    )


STEP = Step(
    name="segmentation",
    version=2,
    group="sampling",
    about="Write the segments of each tile on its grid.",
    task="segmentation_{tile}",
    run=run,
    over=("tile",),
    needs={
        "regions": layout.REGIONS,
        "regions_of_tile": layout.REGION_RASTER,
        "masks": layout.REGION_MASK,
        "computed": optional(layout.SLIC),
    },
    makes={"segments": layout.SEGMENTS, "table": layout.SEGMENT_TABLE, "notes": layout.SEGMENT_NOTES},
    params=params,
    cost=cost,
    check=check,
)
