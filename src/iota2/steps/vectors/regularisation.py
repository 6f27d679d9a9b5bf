"""Step: the map before it becomes polygons, resampled and without small patches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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
from iota2.core.class_levels import ClassLevels, single_level, unnamed_classes
from iota2.core.cost import READING_SECONDS, Cost, Facts, JobFacts
from iota2.core.graph import Finding, JobContext, Paths, Step, optional
from iota2.core.grid import Block, block_of, blocks, crs_name, resolution
from iota2.core.nomenclature import MAX_CODE, Nomenclature
from iota2.core.words import some
from iota2.errors import ConfigError, InputError, UserError
from iota2.io.files.atomic import remove, temporary_path, write_text
from iota2.io.files.crs import to_crs
from iota2.io.rasters.files import RasterProfile, RasterReader, RasterWriter
from iota2.io.rasters.rasterize import rasterize
from iota2.io.rasters.regular_grid import regular_grid, unit_pixels
from iota2.io.tables.class_levels import write_class_levels
from iota2.io.tables.classes import read_classes, read_names, read_nomenclature
from iota2.io.tables.reference import not_polygons
from iota2.io.tables.vector_source import vector_source, with_choice
from iota2.io.tables.vectors import read_vector
from iota2.steps.blocks import COPY_SHAPE
from iota2.steps.map_colours import colour_table, map_style
from iota2.steps.map_rasters import MAP_RASTERS, map_rasters, run_of_map
from iota2.steps.regular_blocks import PASS_SECONDS, REGULARISATION_THREADS, MappingUnit, regularise_raster

_SEA_NAME, _SEA_COLOR = "Sea", (0, 60, 130)
"""Name and colour of the sea, if the classes have none with its code."""
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
    """The classes of the map: of the nomenclature, the run or the files of names and colours, else without names.

    ``codes``: those in the map. InputError if some of them are no classes.
    """
    on_land = (codes if given.sea is None else codes[codes != given.sea.code]).tolist()
    if given.nomenclature is not None:
        levels, source = read_levels(given.nomenclature), str(given.nomenclature)
    elif given.names is not None and given.colors is not None:
        levels, source = single_level(read_nomenclature(given.names, given.colors, on_land)), str(given.names)
    elif "classes" in inp:
        levels, source = single_level(read_classes(inp.classes)), "the run"
    else:
        levels, source = single_level(unnamed_classes(on_land)), "the map"
    if given.sea is not None and given.sea.code not in levels.classes.codes and given.nomenclature is None:
        levels = single_level(_with_sea(levels.classes, given.sea.code))
    if missing := [str(code) for code in codes.tolist() if code not in levels.classes.codes]:
        text = f"the map has pixels of the codes {some(missing, 20)}, which are no classes of {source}"
        raise InputError.about(("simplification", "nomenclature"), f"{text}. Add them, or give another nomenclature")
    return levels


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
    with RasterReader(source) as reader:
        grid, nodata = reader.geobox, 0 if reader.nodata is None else reader.nodata
        inland = None if sea is None else _inland_polygons(sea, crs_name(grid))
        small = reader.dtype == np.uint8 and (sea is None or sea.code <= np.iinfo(np.uint8).max)
        profile = _scratch_profile(grid, "uint8" if small else "uint16")
        with RasterWriter(target, profile) as writer:
            for block in blocks("", grid, COPY_SHAPE):
                values = reader.read_data(block.geobox, nodata)[0]
                labels = _codes(values, nodata, source).astype(profile.dtype)
                if sea is not None and inland is not None:
                    _mark_sea(labels, block.geobox, inland, sea)
                found.update(np.unique(labels).tolist())
                if labels.any():
                    writer.write(block, labels)
    return np.array(sorted(found - {0}), np.int64)


def _codes(values: np.ndarray, nodata: float, source: Path) -> np.ndarray:
    """The values of a map with 0 for no data; InputError for values that are no codes."""
    values = np.where(values == nodata, 0, values)
    if values.dtype.kind not in "iu":
        raise InputError(f"{source}: pixels are {values.dtype}; expected class codes, which are whole numbers")
    least, most = int(values.min(initial=0)), int(values.max(initial=0))
    if least < 0 or most > MAX_CODE:
        wrong = least if least < 0 else most
        raise InputError(
            f"{source}: has the value {wrong}; expected class codes from 1 to {MAX_CODE}, and 0 or the no-data value "
            "of the file without class. Set the no-data value with gdal_edit.py -a_nodata"
        )
    return values


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
    """Problems of the files of the classes."""
    given, chain = config.simplification, config.chain
    option = ("simplification", "nomenclature")
    if given.nomenclature is not None:
        try:
            codes = read_levels(given.nomenclature).classes.codes
        except ConfigError as err:
            for problem in err.problems:
                yield Finding(f"{given.nomenclature}: {problem}", option)
            return
        for name in ("water_class", "sea_class") if given.inland else ():
            if (code := getattr(given, name)) not in codes:
                yield Finding(f"no class of {given.nomenclature} has the code {code}", ("simplification", name))
    elif given.classification is not None and chain.nomenclature_path:
        try:
            problems = read_names(chain.nomenclature_path).problems
        except UserError as err:
            problems = (str(err),)
        for problem in problems:
            yield Finding(problem, ("chain", "nomenclature_path"))


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
