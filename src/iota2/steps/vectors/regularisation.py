"""Step: the regularised map, which becomes polygons."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from odc.geo.geobox import GeoBox

from iota2 import layout
from iota2.compute.regularise import Groups
from iota2.config.options.schema import Config
from iota2.core.class_levels import ClassLevels
from iota2.core.cost import READING_SECONDS, Cost, Facts, JobFacts
from iota2.core.graph import Finding, JobContext, Paths, Step, optional
from iota2.core.grid import blocks, crs_name
from iota2.core.nomenclature import Nomenclature
from iota2.errors import ConfigError, InputError, InputProblems, UserError
from iota2.io.files.atomic import remove, temporary_path, write_text
from iota2.io.rasters.files import RasterProfile, RasterReader, RasterWriter
from iota2.io.rasters.map_codes import MAX_WRONG, read_values, wrong_values, wrong_values_text
from iota2.io.rasters.regular_grid import unit_pixels
from iota2.io.tables.class_levels import write_class_levels
from iota2.io.tables.classes import read_classes
from iota2.io.tables.vector_source import vector_source
from iota2.steps.blocks import COPY_SHAPE
from iota2.steps.inland_water import Sea, inland_polygons, mark_sea
from iota2.steps.map_colours import colour_table, map_style
from iota2.steps.map_rasters import MAP_RASTERS, map_rasters, run_of_map
from iota2.steps.map_resampling import resample_labels, scratch_profile
from iota2.steps.polygon_classes import ClassSources, class_remarks, levels_of, missing_classes
from iota2.steps.regular_blocks import PASS_SECONDS, REGULARISATION_THREADS, MappingUnit, regularise_raster

log = logging.getLogger(__name__)

_NOMENCLATURE = ("simplification", "nomenclature")
_OPTIONS = ("umc1", "umc2", "rssize", "mmu", "seed")


@dataclass(frozen=True)
class VectorMapParams:
    """Sizes of patches and pixels, and files of the classes."""

    umc1: int | None
    umc2: int | None
    rssize: float
    mmu: float
    seed: int
    sea: Sea | None = None
    classes: ClassSources = field(default_factory=ClassSources)

    def by_user_name(self) -> Mapping[str, object]:
        """The parameters by option name of the configuration."""
        sea = self.sea or Sea(Path(), "", 0, 0)
        return {
            **{f"simplification.{name}": getattr(self, name) for name in _OPTIONS},
            "simplification.nomenclature": self.classes.nomenclature,
            "simplification.inland": self.sea and sea.inland,
            "simplification.inland (layer)": sea.layer,
            "simplification.water_class": sea.water,
            "simplification.sea_class": sea.code,
            "chain.nomenclature_path": self.classes.names,
            "chain.color_table": self.classes.colors,
        }


def params(config: Config) -> VectorMapParams:
    """Parameters of the step from the configuration."""
    given, chain = config.simplification, config.chain
    sea = None
    if given.inland is not None:
        source = vector_source(given.inland)
        assert given.water_class is not None, "required by a rule"
        sea = Sea(source.file, source.choice, given.water_class, given.sea_class)
    of_files = given.nomenclature is None and given.classification is not None
    names, colors = (chain.nomenclature_path, chain.color_table) if of_files else (None, None)
    classes = ClassSources(given.nomenclature, names, colors, None if sea is None else sea.code)
    return VectorMapParams(given.umc1, given.umc2, given.rssize, given.mmu, run_of_map(config), sea, classes)


def run(job: JobContext[VectorMapParams]) -> None:
    """Write the regularised map, its style and its classes.

    The order is: the sea, patches below ``umc1`` inside groups and then in the whole map, resampling, patches below
    ``umc2``, patches below ``mmu``, for which neighbours of the same group are preferred.
    """
    given, source = job.params, map_rasters(job.inp, job.params.seed)["classification"]
    assert source is not None, "required by the survey"
    fine, coarse = (temporary_path(job.out.map, "scratch") for _ in range(2))
    try:
        codes = _copy_codes(source, fine, given.sea)
        if not len(codes):
            log.warning("%s: no pixel has a class: there are no polygons. Check the no-data value of the file", source)
        levels = _class_levels(job.inp, given.classes, codes.tolist())
        for unit in _first_units(given, levels):
            regularise_raster(fine, fine, _profile_of(fine), unit, job.use)
        grid = resample_labels(fine, coarse, given.rssize)
        for unit in _last_units(given, levels, grid):
            regularise_raster(coarse, coarse, _profile_of(coarse), unit, job.use)
        _finish(coarse, job.out.map, levels.classes)
    finally:
        remove(fine)
        remove(coarse)
    write_class_levels(levels, job.out.classes)
    write_text(job.out.style, map_style(levels.classes))


def _class_levels(inp: Paths, given: ClassSources, codes: Sequence[int]) -> ClassLevels:
    """The classes of the map. ``codes``: those in the map; InputError if some of them are no classes."""
    levels, source = levels_of(given, codes, read_classes(inp.classes) if "classes" in inp else None)
    if text := missing_classes(codes, levels, source):
        raise InputError.about(_NOMENCLATURE, text)
    return levels


def _copy_codes(source: Path, target: Path, sea: Sea | None) -> np.ndarray:
    """Write the codes of the map with 0 for no data, and with the sea; the codes that occur.

    InputError for values that are no codes.
    """
    found: set[int] = set()
    wrong: set[int] = set()
    with RasterReader(source) as reader:
        grid = reader.geobox
        if reader.dtype.kind not in "iu":
            raise InputError(f"{source}: pixels are {reader.dtype}; expected class codes, which are whole numbers")
        inland = None if sea is None else inland_polygons(sea, crs_name(grid))
        small = reader.dtype == np.uint8 and (sea is None or sea.code <= np.iinfo(np.uint8).max)
        profile = scratch_profile(grid, "uint8" if small else "uint16")
        with RasterWriter(target, profile) as writer:
            for block in blocks("", grid, COPY_SHAPE):
                values = read_values(reader, block.geobox)
                wrong |= wrong_values(values)
                if len(wrong) > MAX_WRONG:
                    break
                labels = values.astype(profile.dtype)
                if sea is not None and inland is not None:
                    mark_sea(labels, block.geobox, inland, sea)
                found.update(np.unique(labels).tolist())
                if labels.any():
                    writer.write(block, labels)
        if wrong:
            raise InputError(f"{source}: {wrong_values_text(wrong, reader.nodata)}")
    return np.array(sorted(found - {0}), np.int64)


def _first_units(given: VectorMapParams, levels: ClassLevels) -> Iterator[MappingUnit]:
    """Removals before the resampling."""
    if given.umc1 is None or given.umc1 == 1:
        return
    groups, option = levels.group_numbers, "simplification.umc1"
    if len({*groups.values()}) < len(groups):
        yield MappingUnit(given.umc1, option, Groups.of(groups, only=True))
    yield MappingUnit(given.umc1, option)


def _last_units(given: VectorMapParams, levels: ClassLevels, grid: GeoBox) -> Iterator[MappingUnit]:
    """Removals after the resampling."""
    if given.umc2 is not None and given.umc2 > 1:
        yield MappingUnit(given.umc2, "simplification.umc2")
    if (pixels := unit_pixels(grid, given.mmu)) > 1:
        yield MappingUnit(pixels, "simplification.mmu", Groups.of(levels.group_numbers, only=False))


def _finish(source: Path, target: Path, classes: Nomenclature) -> None:
    """Write the final map, with colours and overviews."""
    with RasterReader(source) as reader:
        colours = colour_table(classes)
        profile = RasterProfile(reader.geobox, classes.dtype, nodata=0, colours=colours, overviews="mode")
        with RasterWriter(target, profile) as writer:
            for block in blocks("", reader.geobox, COPY_SHAPE):
                if (labels := reader.read(block.geobox)).any():
                    writer.write(block, labels.astype(classes.dtype))


def _profile_of(path: Path) -> RasterProfile:
    """The profile of an existing scratch file."""
    with RasterReader(path) as reader:
        return scratch_profile(reader.geobox, reader.dtype.name)


def check(config: Config, facts: Facts) -> Iterator[Finding]:
    """Problems of the files of the classes, codes that are no classes, and files of the classes without effect."""
    given = params(config)
    of_run = facts.classes if config.simplification.classification is None else None
    codes = facts.map_codes if of_run is None else of_run.codes
    try:
        levels, source = levels_of(given.classes, codes, facts.classes)
    except ConfigError as err:
        yield from (Finding(f"{given.classes.nomenclature}: {text}", _NOMENCLATURE) for text in err.problems)
        return
    except InputProblems as err:
        yield from (Finding(text, option) for option, text in err.found)
        return
    except UserError as err:
        yield Finding(err.text, err.option or _NOMENCLATURE)
        return
    found = "the map has pixels" if of_run is None else "the reference data have classes"
    if text := missing_classes(codes, levels, source, found):
        yield Finding(text, _NOMENCLATURE)
    if given.classes.nomenclature is not None and given.sea is not None:
        for name, code in (("water_class", given.sea.water), ("sea_class", given.sea.code)):
            if code not in levels.classes.codes:
                yield Finding(f"no class of {given.classes.nomenclature} has the code {code}", ("simplification", name))
    remarks = class_remarks(given.classes, config.chain, of_run=facts.classes is not None)
    yield from map(Finding.about, remarks)


def cost(config: Config, facts: JobFacts) -> Cost:
    """Cost of a job: the map is read and written in some passes, of which most are on larger pixels."""
    pixels, given = facts.run.map_pixels, config.simplification
    coarse = sum(facts.run.squares.values())
    passes = 0 if given.umc1 is None else 1 if given.nomenclature is None else 2
    seconds = pixels * (3 * READING_SECONDS + passes * PASS_SECONDS) + coarse * 2 * PASS_SECONDS
    code_bytes = 2 if facts.run.classes is None else facts.run.label_bytes
    return Cost(facts.allowed, seconds, 0.25 * coarse * code_bytes, float(2 * pixels * code_bytes))


STEP = Step(
    name="regularisedMap",
    group="regularisation",
    about="Remove small patches from the map before it becomes polygons, and resample it.",
    task="regularised_map",
    run=run,
    over=(),
    needs={
        "source": MAP_RASTERS["source"],
        "classification": MAP_RASTERS["classification"],
        "classes": optional(layout.CLASSES),
    },
    makes={"map": layout.CLASSIF_REGUL, "style": layout.CLASSIF_REGUL_STYLE, "classes": layout.CLASS_LEVELS},
    params=params,
    cost=cost,
    check=check,
    max_threads=REGULARISATION_THREADS,
)
