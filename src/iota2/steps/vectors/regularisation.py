"""Step: the map before it becomes polygons, resampled and without small patches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import shapely
from odc.geo.geobox import GeoBox

from iota2 import layout
from iota2.compute.majority import first_pixels, most_frequent
from iota2.compute.regularise import Groups
from iota2.config.class_levels import read_levels
from iota2.config.options.schema import Config
from iota2.core.class_levels import ClassLevels, named_classes, single_level, unnamed_classes
from iota2.core.cost import READING_SECONDS, Cost, Facts, JobFacts
from iota2.core.graph import Finding, JobContext, Paths, Step, optional
from iota2.core.grid import Block, block_of, blocks, crs_name, resolution
from iota2.core.nomenclature import Nomenclature
from iota2.core.remarks import Remark
from iota2.core.words import some
from iota2.errors import ConfigError, InputError, InputProblems, UserError
from iota2.io.files.atomic import remove, temporary_path, write_text
from iota2.io.files.crs import to_crs
from iota2.io.rasters.files import RasterProfile, RasterReader, RasterWriter
from iota2.io.rasters.map_codes import MAX_WRONG, read_values, wrong_values, wrong_values_text
from iota2.io.rasters.rasterize import rasterize
from iota2.io.rasters.regular_grid import regular_grid, unit_pixels
from iota2.io.tables.class_levels import write_class_levels
from iota2.io.tables.classes import read_classes, read_colors, read_names
from iota2.io.tables.reference import not_polygons
from iota2.io.tables.vector_source import vector_source, with_choice
from iota2.io.tables.vectors import read_vector
from iota2.steps.blocks import COPY_SHAPE, WRITING_THREADS
from iota2.steps.map_colours import colour_table, map_style
from iota2.steps.map_rasters import MAP_RASTERS, map_rasters, run_of_map
from iota2.steps.regular_blocks import PASS_SECONDS, MappingUnit, regularise_raster

_SEA_NAME, _SEA_COLOR = "Sea", (0, 60, 130)
"""Name and colour of the sea, if the classes have none with its code."""
_NOMENCLATURE = ("simplification", "nomenclature")
_OPTIONS = ("umc1", "umc2", "rssize", "mmu", "seed")


@dataclass(frozen=True)
class Sea:
    """How water outside the polygons of inland water is found."""

    inland: Path
    layer: str
    water: int
    code: int


@dataclass(frozen=True)
class VectorMapParams:
    """Sizes of patches and pixels, and files of the classes."""

    umc1: int | None
    umc2: int | None
    rssize: float
    mmu: float
    seed: int
    sea: Sea | None = None
    nomenclature: Path | None = None
    names: Path | None = None
    colors: Path | None = None
    """Files of names and colours, read without ``nomenclature`` if the run has no classes."""

    def by_user_name(self) -> Mapping[str, object]:
        """The parameters by option name of the configuration."""
        sea = self.sea or Sea(Path(), "", 0, 0)
        return {
            **{f"simplification.{name}": getattr(self, name) for name in (*_OPTIONS, "nomenclature")},
            "simplification.inland": self.sea and sea.inland,
            "simplification.inland (layer)": sea.layer,
            "simplification.water_class": sea.water,
            "simplification.sea_class": sea.code,
            "chain.nomenclature_path": self.names,
            "chain.color_table": self.colors,
        }


def params(config: Config) -> VectorMapParams:
    """Parameters of the step from the configuration."""
    given, chain = config.simplification, config.chain
    sea = None
    if given.inland is not None:
        source = vector_source(given.inland)
        assert given.water_class is not None, "required by a rule"
        sea = Sea(source.file, source.choice, given.water_class, given.sea_class)
    named = given.nomenclature is None and given.classification is not None
    return VectorMapParams(
        given.umc1,
        given.umc2,
        given.rssize,
        given.mmu,
        run_of_map(config),
        sea,
        given.nomenclature,
        *((chain.nomenclature_path, chain.color_table) if named else (None, None)),
    )


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
        levels = _class_levels(job.inp, given, codes)
        for unit in _first_units(given, levels):
            regularise_raster(fine, fine, _profile_of(fine), unit, job.use)
        grid = _resample(fine, coarse, given.rssize)
        for unit in _last_units(given, levels, grid):
            regularise_raster(coarse, coarse, _profile_of(coarse), unit, job.use)
        _finish(coarse, job.out.map, levels.classes)
    finally:
        remove(fine)
        remove(coarse)
    write_class_levels(levels, job.out.classes)
    write_text(job.out.style, map_style(levels.classes))


# ---------------------------------------------------------------------------------------------------- classes


def _class_levels(inp: Paths, given: VectorMapParams, codes: np.ndarray) -> ClassLevels:
    """The classes of the map. ``codes``: those in the map; InputError if some of them are no classes."""
    levels, source = _levels_of(given, codes.tolist(), read_classes(inp.classes) if "classes" in inp else None)
    if text := _missing_classes(codes.tolist(), levels, source):
        raise InputError.about(_NOMENCLATURE, text)
    return levels


def _levels_of(given: VectorMapParams, codes: Sequence[int], of_run: Nomenclature | None) -> tuple[ClassLevels, str]:
    """The classes of the nomenclature, the files of names and colours, or the run, else of the codes without names; and
    their origin, for messages.

    ``codes``: those in the map. InputError if they are not in the files of names and colours; ConfigError for an
    invalid nomenclature.
    """
    on_land = [code for code in codes if given.sea is None or code != given.sea.code]
    if given.nomenclature is not None:
        return read_levels(given.nomenclature), str(given.nomenclature)
    if given.names is not None or given.colors is not None:
        classes, source = _named(given, on_land), str(given.names or given.colors)
    elif of_run is not None:
        classes, source = of_run, "the run"
    else:
        classes, source = unnamed_classes(on_land), "the map"
    if given.sea is not None and given.sea.code not in classes.codes:
        classes = _with_sea(classes, given.sea.code)
    return single_level(classes), source


def _missing_classes(codes: Sequence[int], levels: ClassLevels, source: str, found: str = "the map has pixels") -> str:
    """A problem if some of the codes that were ``found`` are no classes; else empty."""
    missing = [str(code) for code in codes if code not in levels.classes.codes]
    if not missing:
        return ""
    text = f"{found} of the codes {some(missing, 20)}, which are no classes of {source}"
    return f"{text}. Add them, or give another nomenclature"


def _named(given: VectorMapParams, codes: Sequence[int]) -> Nomenclature:
    """The classes of these codes with names and colours of the files that are given; without codes, of no class."""
    names = None if given.names is None else read_names(given.names)
    colors = None if given.colors is None else read_colors(given.colors)
    found = (("nomenclature_path", names), ("color_table", colors))
    problems = [(("chain", key), text) for key, listing in found for text in (listing.problems if listing else ())]
    if problems and not codes:
        raise InputProblems(problems)
    return named_classes(codes, names, colors, origin="the map") if codes else unnamed_classes(())


def _with_sea(classes: Nomenclature, code: int) -> Nomenclature:
    """The classes and the sea, in the order of their codes."""
    rows = sorted(
        [*zip(classes.codes, classes.names, classes.colors, strict=True), (code, _SEA_NAME, _SEA_COLOR)],
        key=lambda row: row[0],
    )
    codes, names, colors = zip(*rows, strict=True)
    return Nomenclature(codes, names, colors, codes)


# ---------------------------------------------------------------------------------------------------- pixels


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
        inland = None if sea is None else _inland_polygons(sea, crs_name(grid))
        small = reader.dtype == np.uint8 and (sea is None or sea.code <= np.iinfo(np.uint8).max)
        profile = _scratch_profile(grid, "uint8" if small else "uint16")
        with RasterWriter(target, profile) as writer:
            for block in blocks("", grid, COPY_SHAPE):
                values = read_values(reader, block.geobox)
                wrong |= wrong_values(values)
                if len(wrong) > MAX_WRONG:
                    break
                labels = values.astype(profile.dtype)
                if sea is not None and inland is not None:
                    _mark_sea(labels, block.geobox, inland, sea)
                found.update(np.unique(labels).tolist())
                if labels.any():
                    writer.write(block, labels)
        if wrong:
            raise InputError(f"{source}: {wrong_values_text(wrong, reader.nodata)}")
    return np.array(sorted(found - {0}), np.int64)


def _inland_polygons(sea: Sea, crs: str) -> np.ndarray:
    """The polygons of inland water in the CRS of the map; InputError for other geometries."""
    path = with_choice(sea.inland, sea.layer)
    table = read_vector(path, columns=[])
    if problems := not_polygons(table.geometry):
        raise InputError("\n".join([f"{path}: cannot be used as inland water", *problems]))
    moved = to_crs(table, crs).geometry.to_numpy()
    parts: np.ndarray = shapely.get_parts(moved[~(shapely.is_missing(moved) | shapely.is_empty(moved))])
    return parts[np.isfinite(shapely.bounds(parts)).all(axis=1)]


def _mark_sea(labels: np.ndarray, geobox: GeoBox, inland: np.ndarray, sea: Sea) -> None:
    """Replace water outside the polygons of inland water by the code of the sea."""
    water = labels == sea.water
    if water.any():
        near = inland[shapely.intersects(inland, shapely.box(*geobox.boundingbox.bbox))]
        inside = rasterize(((polygon, 1) for polygon in near), geobox, np.uint8)
        labels[water & (inside == 0)] = sea.code


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


def _resample(source: Path, target: Path, metres: float) -> GeoBox:
    """Write the map with larger pixels, each of the most frequent class; returns its grid."""
    with RasterReader(source) as reader:
        grid = regular_grid(reader.geobox, metres)
        (width, height), (wide, high) = resolution(reader.geobox), resolution(grid)
        rows = first_pixels(int(reader.geobox.shape[0]), height, int(grid.shape[0]), high)
        cols = first_pixels(int(reader.geobox.shape[1]), width, int(grid.shape[1]), wide)
        shape = max(1, int(COPY_SHAPE[0] * height / high)), max(1, int(COPY_SHAPE[1] * width / wide))
        with RasterWriter(target, _scratch_profile(grid, reader.dtype.name)) as writer:
            for block in blocks("", grid, shape):
                labels = _resampled(reader, block, rows, cols)
                if labels.any():
                    writer.write(block, labels)
    return grid


def _resampled(reader: RasterReader, block: Block, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
    """The most frequent class of each pixel of a block; ``rows``, ``cols``: first pixels of all larger pixels."""
    within = [starts[first : end + 1] for starts, (first, end) in ((rows, block.rows), (cols, block.cols))]
    top, left, bottom, right = within[0][0], within[1][0], within[0][-1], within[1][-1]
    if top == bottom or left == right:
        return np.zeros(block.shape, reader.dtype)
    labels = reader.read(block_of("", reader.geobox, (top, bottom), (left, right)).geobox)
    return most_frequent(labels, within[0] - top, within[1] - left)


def _finish(source: Path, target: Path, classes: Nomenclature) -> None:
    """Write the final map, with colours and overviews."""
    with RasterReader(source) as reader:
        colours = colour_table(classes)
        profile = RasterProfile(reader.geobox, classes.dtype, nodata=0, colours=colours, overviews="mode")
        with RasterWriter(target, profile) as writer:
            for block in blocks("", reader.geobox, COPY_SHAPE):
                if (labels := reader.read(block.geobox)).any():
                    writer.write(block, labels.astype(classes.dtype))


def _scratch_profile(grid: GeoBox, dtype: str) -> RasterProfile:
    return RasterProfile(grid, dtype, nodata=0, scratch=True)


def _profile_of(path: Path) -> RasterProfile:
    """The profile of an existing scratch file."""
    with RasterReader(path) as reader:
        return _scratch_profile(reader.geobox, reader.dtype.name)


# ---------------------------------------------------------------------------------------------------- plan


def check(config: Config, facts: Facts) -> Iterator[Finding]:
    """Problems of the files of the classes, codes that are no classes, and files of the classes without effect."""
    given = params(config)
    of_run = facts.classes if config.simplification.classification is None else None
    codes = facts.map_codes if of_run is None else of_run.codes
    try:
        levels, source = _levels_of(given, codes, facts.classes)
    except ConfigError as err:
        yield from (Finding(f"{given.nomenclature}: {text}", _NOMENCLATURE) for text in err.problems)
        return
    except InputProblems as err:
        yield from (Finding(text, option) for option, text in err.found)
        return
    except UserError as err:
        yield Finding(err.text, err.option or _NOMENCLATURE)
        return
    found = "the map has pixels" if of_run is None else "the reference data have classes"
    if text := _missing_classes(codes, levels, source, found):
        yield Finding(text, _NOMENCLATURE)
    if given.nomenclature is not None and given.sea is not None:
        for name, code in (("water_class", given.sea.water), ("sea_class", given.sea.code)):
            if code not in levels.classes.codes:
                yield Finding(f"no class of {given.nomenclature} has the code {code}", ("simplification", name))
    yield from map(Finding.about, _class_remarks(config, given, facts))


def _class_remarks(config: Config, given: VectorMapParams, facts: Facts) -> Iterator[Remark]:
    """Names without colours, colours without names, and files of them that are not read."""
    chain = config.chain
    if given.names is not None and given.colors is None:
        text = f"chain.color_table is not given: the classes of {given.names} get evenly spaced hues"
        yield Remark(f"Vectorisation: {text}.", "options")
    if given.colors is not None and given.names is None:
        text = f"chain.nomenclature_path is not given: the names of the classes of {given.colors} are their codes"
        yield Remark(f"Vectorisation: {text}.", "options")
    for name in ("nomenclature_path", "color_table") if given.nomenclature and facts.classes is None else ():
        if getattr(chain, name):
            yield Remark(f"chain.{name}: has no effect: simplification.nomenclature is given.", "options")


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
    max_threads=WRITING_THREADS,
)
