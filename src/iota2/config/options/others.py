"""The options of builders, execution, user code, co-registration and products other than the classification."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

from pydantic import AfterValidator, BeforeValidator, field_validator

from iota2.compute.regularise import MAX_UNIT_PIXELS
from iota2.compute.superpixels import SlicOptions
from iota2.config.options.fields import (
    AnyPath,
    Day,
    InputFile,
    InputFolders,
    Section,
    VectorFile,
    Words,
    as_list,
    read_date,
    split_words,
)
from iota2.core.nomenclature import MAX_CODE
from iota2.core.recipe import FEATURE_STATISTICS, SEGMENT_STATISTICS
from iota2.core.user_features import MAX_PADDING, Access
from iota2.core.words import did_you_mean
from iota2.options import About, no_effect, option

_NAME_PATTERN = r"^[\w.,:@+-]+$"
"""Pattern of names that are copied into the header of a job script."""
_NAME_FORM = About(form="a name of letters, digits and any of . , : @ + - _")
_RASTER_NAME = re.compile(r"(?!.*_band_\d+$)[A-Za-z]\w*", re.ASCII)
"""Pattern of names of rasters; endings are those of their bands."""
_NO_POINTS = "images are compared by phase correlation, not by tie points"
_NO_BLOCKS = "the features are not written block by block"
_BY_BUDGET = "the block shape is computed from the memory limit and does not change results"
_NO_TOOLS = "polygons are computed without other programs"
STATISTICS_OF_RASTERS: Mapping[str, tuple[str, ...]] = {
    "1": ("rate",),
    "2": ("stats", "statsmaj"),
    "3": ("stats", "statsmaj"),
}
"""Statistics of polygons by number of the raster: 1 classification, 2 confidence, 3 validity."""


def _as_dates(value: Any) -> Any:
    """Dates (or None) from a text or list; empty if all are None. ValueError for a word that is no date."""
    words = value.replace(",", " ").split() if isinstance(value, str) else value
    listed = words if isinstance(words, list | tuple) else [] if words is None else [words]
    days = tuple(None if str(word).lower() == "none" else read_date(word) for word in listed)
    return days if any(days) else ()


def _as_integer(value: Any) -> Any:
    """The mode 1, 2 or 3 from a text; other values unchanged."""
    return int(value) if isinstance(value, str) and value.strip() in ("1", "2", "3") else value


class Builders(Section):
    """Chains to run."""

    section_name: ClassVar[str] = "builders"
    about_section: ClassVar[str] = "Chains to run."
    builders: ClassVar[str] = "C F O V R T"

    builders_class_name: Annotated[tuple[str, ...], BeforeValidator(as_list)] = option(
        (),
        "Builders to run, as one chain of steps. Without a name: the builder of land-cover classification.",
        about=About(form="a list of builder names"),
    )
    builders_paths: InputFolders = option(
        (),
        "Folders with user-defined builders: Python files, which are imported and executed.",
        about=About(form="a list of paths"),
    )

    @field_validator("builders_class_name")
    @classmethod
    def _once_each(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(names)) < len(names):
            raise ValueError("contains a builder twice; give each once")
        return names


class TaskRetryLimits(Section):
    """Retries of failed jobs."""

    section_name: ClassVar[str] = "task_retry_limits"
    about_section: ClassVar[str] = "Retries of failed jobs."
    builders: ClassVar[str] = "C F O V R T"

    allowed_retry: int = option(
        0, "Maximum number of retries of a failed job, each with twice the memory and threads.", ge=0, le=100
    )
    maximum_ram: float = option(16.0, "Maximum memory for the arrays of a job, GB, including retries.", gt=0, le=1e6)
    maximum_cpu: int = option(4, "Maximum number of threads of a retry.", ge=1, le=65536)


class Slurm(Section):
    """Account and partition on a SLURM or PBS cluster."""

    section_name: ClassVar[str] = "slurm"
    about_section: ClassVar[str] = "Account and partition on a SLURM or PBS cluster."
    builders: ClassVar[str] = "C F O V R T"

    account: str | None = option(None, "Account of the jobs.", about=_NAME_FORM, pattern=_NAME_PATTERN)
    partition: str | None = option(
        None, "Partition (SLURM) or queue (PBS) of the jobs.", about=_NAME_FORM, pattern=_NAME_PATTERN
    )


class UserCall(NamedTuple):
    """A function of the user with its keyword arguments."""

    name: str
    arguments: dict[str, Any]


def _as_calls(value: Any) -> Any:
    """Functions with their keyword arguments, from a text, a list or a dictionary; ValueError for anything else.

    Elements of a list are names, or pairs of a name and a dictionary of arguments; functions without arguments may be
    separated by blanks or commas. Keys of a dictionary are names, its values dictionaries of arguments.
    """
    if isinstance(value, str):
        value = value.replace(",", " ").split()
    listed = list(value.items()) if isinstance(value, dict) else value
    if not isinstance(listed, list | tuple):
        return value
    calls = [_as_call(one) for one in listed]
    names = [call.name for call in calls]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ValueError(f"contains {twice} twice; write a second function that calls it with other arguments")
    return tuple(calls)


def _as_call(value: Any) -> UserCall:
    """One function; a pair may be a list, or a dictionary with one key."""
    if isinstance(value, dict) and len(value) == 1:
        value = next(iter(value.items()))
    if isinstance(value, str):
        value = value, {}
    if not _is_pair(value) or not isinstance(value[0], str) or not value[0].isidentifier():
        raise ValueError(f"expected the name of a function, or a name and a dictionary of arguments, got {value!r}")
    name, arguments = value
    if wrong := [key for key in arguments if not (isinstance(key, str) and key.isidentifier())]:
        raise ValueError(f"{name}: {wrong[0]!r} is not the name of an argument")
    return UserCall(name, dict(arguments))


def _is_pair(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) == 2 and isinstance(value[1], dict)


def _map_name(name: str) -> str:
    """The name of a file without the extension of a features map; ValueError for a path or an unusual name."""
    stem = re.sub(r"\.(tiff?|zarr)$", "", name, flags=re.IGNORECASE)
    if not re.fullmatch(r"\w[\w.+-]*", stem):
        raise ValueError(f"expected a file name of letters, digits and . + - _, got {name!r}")
    return stem


def _as_paths(value: Any) -> Any:
    """Paths of rasters by name, from a dictionary or a single path; other values unchanged."""
    named = {"data": value} if isinstance(value, str | Path) else value
    if isinstance(named, dict):
        names = [str(name) for name in named]
        if wrong := [name for name in names if not _RASTER_NAME.fullmatch(name)]:
            raise ValueError(f"{wrong[0]!r} is not a name of a raster; expected letters, digits and _, a letter first")
        if len({name.lower() for name in names}) < len(names):
            raise ValueError("contains a name twice, ignoring case; give each raster its own name")
    return named


class ExternalFeatures(Section):
    """Features computed by Python functions of the user."""

    section_name: ClassVar[str] = "external_features"
    about_section: ClassVar[str] = "Features computed by Python functions of the user."
    builders: ClassVar[str] = "C F O R"

    module: InputFile | None = option(None, "Python file with the functions. It is executed, so name only your own.")
    functions: Annotated[tuple[UserCall, ...], BeforeValidator(_as_calls)] = option(
        (),
        "Functions of `module` that compute features: names separated by blanks, or a list with their keyword "
        "arguments, such as `['get_ndvi', ['texture', {'size': 3}]]`.",
        about=About(form="names of functions, or a list of names and dictionaries of arguments"),
    )
    concat_mode: bool = option(
        True, "Add these features to those of the sensors; with False, these are the only features."
    )
    output_name: Annotated[str, AfterValidator(_map_name)] = option(
        "features_map",
        "File name of the features map, in `final`, with or without the extension.",
        about=About(form="a file name", builders="F"),
    )
    exogeneous_data: Annotated[dict[str, AnyPath] | None, BeforeValidator(_as_paths)] = option(
        None,
        "Raster that functions read as `get_exogeneous_data()`, GeoTIFF or JPEG 2000; `$TILE` stands for the name of "
        "the tile. Several rasters: a dictionary of names and paths, read as `get_exogenous_<name>()`.",
        about=About(form="a path, or a dictionary of names and paths"),
    )
    exogeneous_resampling: Literal["cubic", "bilinear", "nearest"] = option(
        "cubic", "Resampling of these rasters to the grid of the tile; use 'nearest' for codes, such as soil types."
    )
    custom_write_mode: bool = no_effect(False, "Write the features of each block.", _NO_BLOCKS)
    external_features_flag: bool | None = option(
        None, "False: `module` is not used. By default, and with True, it is used if it is given."
    )
    no_data_value: float = option(
        -10000,
        "Value of missing data: of dates without image in raw series, and of results that are not finite.",
    )
    whole_tiles: Annotated[tuple[str, ...] | bool, BeforeValidator(split_words)] = option(
        False,
        "Functions that are called once for each tile with all its pixels, such as those that use a mean of the tile: "
        "names of functions, or True for all. They need much memory.",
        about=About(form="True, False, or names of functions"),
    )
    fill_missing_dates: bool = option(
        False, "Give raw series the dates of all tiles; without it, functions can read raw series of equal dates only."
    )

    @property
    def enabled(self) -> bool:
        """Whether functions compute features."""
        return self.module is not None and self.external_features_flag is not False

    @property
    def exogenous(self) -> dict[str, Path]:
        """Paths of the rasters that only functions read, by name."""
        return dict(self.exogeneous_data or {}) if self.enabled else {}

    @property
    def whole_tile_functions(self) -> tuple[str, ...]:
        """Names of the functions that need the whole tile, in the order of ``functions``."""
        if not self.enabled or self.whole_tiles is False:
            return ()
        names = tuple(call.name for call in self.functions)
        return names if self.whole_tiles is True else tuple(name for name in names if name in self.whole_tiles)


class PythonDataManaging(Section):
    """Data for Python functions of the user."""

    section_name: ClassVar[str] = "python_data_managing"
    about_section: ClassVar[str] = "Data for Python functions of the user."
    builders: ClassVar[str] = "C F O R"

    chunk_size_mode: Literal["split_number", "user_fixed"] = no_effect(
        "split_number", "Division of a tile into parts.", _BY_BUDGET
    )
    number_of_chunks: int = no_effect(50, "Number of parts of a tile.", _BY_BUDGET)
    chunk_size_x: int = no_effect(50, "Columns of a part.", _BY_BUDGET)
    chunk_size_y: int = no_effect(50, "Rows of a part.", _BY_BUDGET)
    data_mode_access: Access = option(
        "gapfilled",
        "Series in the Dataset of functions that take one: at the interpolation dates, as acquired, or both.",
    )
    padding_size_x: int = option(0, "Columns on each side of a block that functions also get.", ge=0, le=MAX_PADDING)
    padding_size_y: int = option(0, "Rows above and below a block that functions also get.", ge=0, le=MAX_PADDING)


class FeaturesMap(Section):
    """Features written as rasters."""

    section_name: ClassVar[str] = "features_map"
    about_section: ClassVar[str] = "Features written as rasters: [how to](../howto/features-map.md)."
    builders: ClassVar[str] = "F"

    output_format: Literal["geotiff", "zarr"] = option(
        "geotiff",
        "`geotiff`: one file with a band for each feature. `zarr`: a Zarr store with the dimensions time, band, y and "
        "x, which `xarray.open_zarr` reads.",
    )
    sensors: Words = option(
        (),
        "Sensors whose features are written, such as `Sentinel2 sentinel1_asc`, or sections of the configuration, such "
        "as `Sentinel_1 userFeat`; by default all enabled ones.",
    )
    raw_series: bool = option(
        False,
        "Also write the bands and indices at the dates of the images, masked or not, beside the interpolated ones. "
        "With `use_gapfilling` False, all series are at the dates of the images.",
    )
    data_type: Literal["auto", "float32", "int16"] = option(
        "auto",
        "Data type of the values. `auto`: int16 if it can represent all of them exactly, otherwise float32. `int16`: a "
        "value that is not a whole number from -32768 to 32767 stops the run.",
    )


class Coregistration(Section):
    """Co-registration of dates with a reference image."""

    section_name: ClassVar[str] = "coregistration"
    about_section: ClassVar[str] = (
        "Co-registration of dates with a reference image: [how to](../howto/coregistration.md)."
    )
    builders: ClassVar[str] = "C F O R"

    vhr_path: InputFile | None = option(
        None, "Reference image, GeoTIFF or JPEG 2000, of any projection and pixel size; activates co-registration."
    )
    date_vhr: Day | None = option(
        None,
        "Date of the reference image: with `mode` 2 or 3 without `date_src`, the nearest date is used as `date_src`.",
    )
    date_src: Annotated[tuple[date | None, ...], BeforeValidator(_as_dates)] = option(
        (),
        "Date to compare with the reference image in `mode` 2 or 3; the nearest available date is used. Give one date "
        "for all tiles, or a date or None for each tile, in the order of `list_tile`.",
        about=About(form="a date YYYYMMDD, or a date or None for each tile, separated by blanks"),
    )
    band_ref: int = option(1, "Band of the reference image to compare, from 1.", ge=1, le=10_000)
    band_src: int = option(3, "Band of the series to compare: 3 is the third of each sensor.", ge=1, le=10_000)
    mode: Annotated[Literal[1, 2, 3], BeforeValidator(_as_integer)] = option(
        1,
        "Mode 1 compares each date with the reference image and corrects it separately. Mode 2 gives all dates the "
        "same correction. Mode 3 compares one date with the reference image, each other date with the adjacent one.",
    )
    prec: float = option(3, "Maximum displacement between the two compared images, in pixels.", gt=0, le=16)
    resample: bool = no_effect(
        True, "Resample the reference image to the series.", "it is always resampled to the series"
    )
    step: int = no_effect(256, "Initial distance between tie points, in pixels.", _NO_POINTS)
    minstep: int = no_effect(16, "Minimum distance between tie points, in pixels.", _NO_POINTS)
    minsiftpoints: int = no_effect(40, "Minimum number of tie points of a model.", _NO_POINTS)
    iterate: bool = no_effect(True, "Repeat with smaller distances.", _NO_POINTS)
    pattern: str | None = no_effect(
        None,
        "Part of the file names to align.",
        "all bands and masks of a date are corrected together, while they are read",
    )


class Obia(Section):
    """Classification of segments instead of pixels."""

    section_name: ClassVar[str] = "obia"
    about_section: ClassVar[str] = "Classification of segments instead of pixels."
    builders: ClassVar[str] = "O"

    obia_segmentation_path: VectorFile | None = option(
        None,
        "Raster or vector file of segments, such as the parcels of a farm register. Raster: the values are the numbers "
        "of segments, 0 and no-data for none. Without a file, segments (SLIC superpixels) are computed.",
    )
    id_field: str | None = option(
        None,
        "Field of the segmentation file with the numbers of segments. Without it, they are the numbers of the rows "
        "from 1.",
    )
    segment_size: int = option(
        10, "Distance between the centres of computed segments, in pixels; 10: about 100 pixels.", ge=2, le=100
    )
    compactness: float = option(
        0.5, "Shape of computed segments: large values give squares, small ones follow the image.", gt=0, le=1000
    )
    stats_used: Words = option(
        ("mean",),
        f"Statistics of the features of the pixels of a segment, which are its features: "
        f"{', '.join(SEGMENT_STATISTICS)}; std is that of the population, count the number of pixels.",
    )
    region_priority: Words | None = option(
        None,
        "Order of regions: a segment in several regions belongs to the first of them. Without it, regions "
        "with numbers as names in ascending order, then the others by name.",
    )
    full_learn_segment: bool = option(
        False,
        "Learn from whole segments. Otherwise from the part of each segment inside a learning polygon.",
    )
    buffer_size: int | None = no_effect(
        None,
        "Side of the squares that group segments, in pixels.",
        "the size of blocks follows from the memory, and does not change the result",
        ge=1,
    )

    @field_validator("stats_used")
    @classmethod
    def _known_statistics(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        """The statistics in their order, each once."""
        for name in names:
            if name not in SEGMENT_STATISTICS:
                hint = did_you_mean(name, SEGMENT_STATISTICS) or f"; expected some of {', '.join(SEGMENT_STATISTICS)}"
                raise ValueError(f"there is no statistic {name!r}{hint}")
        if not set(names) & set(FEATURE_STATISTICS):
            raise ValueError(f"expected at least one of {', '.join(FEATURE_STATISTICS)}")
        return tuple(name for name in SEGMENT_STATISTICS if name in names)

    @property
    def computed(self) -> bool:
        """Whether segments are computed, not read from a file."""
        return self.obia_segmentation_path is None

    @property
    def slic(self) -> SlicOptions:
        """Size and shape of computed segments."""
        return SlicOptions(self.segment_size, self.compactness)


class Simplification(Section):
    """Vectorisation of the map."""

    section_name: ClassVar[str] = "simplification"
    about_section: ClassVar[str] = "Vectorisation of the map: polygons of its classes."
    builders: ClassVar[str] = "V"

    classification: InputFile | None = option(
        None,
        "Map to vectorise: a GeoTIFF of class codes from 1 to 65535, 0 or its no-data value without class. Mandatory "
        "without a builder that makes a map; otherwise the map of the run is the default.",
    )
    confidence: InputFile | None = option(
        None, "Confidence of the map, with the same pixels; by default that of the map of the run."
    )
    validity: InputFile | None = option(
        None, "Number of clear dates of the map, with the same pixels; by default that of the map of the run."
    )
    seed: int | None = option(None, "Run whose map is vectorised; by default the first, 0.", ge=0)
    umc1: int | None = option(
        None,
        "Minimum size of patches before resampling, in pixels: first inside each group of the nomenclature, then in "
        "the whole map.",
        ge=1,
        le=MAX_UNIT_PIXELS,
    )
    umc2: int | None = option(None, "Minimum size of patches after resampling, in pixels.", ge=1, le=MAX_UNIT_PIXELS)
    inland: VectorFile | None = option(
        None, "Vector file of inland water: pixels of `water_class` outside its polygons become `sea_class`."
    )
    water_class: int | None = option(None, "Code of water in the map; for `inland`.", ge=1, le=MAX_CODE)
    sea_class: int = option(255, "Code of the sea in the polygons; for `inland`.", ge=1, le=MAX_CODE)
    rssize: float = option(
        20, "Pixel size to which the map is resampled, m; a map of this or larger pixels is not resampled.", gt=0
    )
    gridsize: int | None = option(
        None,
        "Number of rows and columns of jobs; by default a job for each cell of 1024 x 1024 pixels of the regularised "
        "map. The polygons do not depend on it.",
        ge=1,
        le=1000,
    )
    angle: bool = option(True, "Cut the corners of pixels.")
    douglas: float | None = option(
        None,
        "Tolerance of the simplification of lines, map units: root of the area of a removed triangle; 0: none. By "
        "default 10 m in map units, in degrees along the parallel in the middle of the map.",
        ge=0,
    )
    hermite: float | None = option(
        None,
        "Smoothing of lines: corners at segments longer than this, in map units, are rounded; 0: none. By default 10 m "
        "in map units, as `douglas`.",
        ge=0,
    )
    mmu: float = option(
        1000,
        "Minimum area of a patch of the regularised map, m²: smaller ones join the neighbour with the longest common "
        "border, of the same group of the nomenclature if there is one. Lines make no polygon smaller than this; clip "
        "areas do.",
        ge=0,
    )
    nomenclature: InputFile | None = option(
        None,
        "Classes in several levels: `.cfg` or YAML with the section `Classes`. The highest level defines the groups. "
        "By default, each class is a group, with names and colours of the run, or of `chain.nomenclature_path` and "
        "`chain.color_table`, or one of them.",
    )
    clipfile: VectorFile | None = option(None, "Vector file of areas to which the polygons are cut, with a file each.")
    clipfield: str | None = option(None, "Field of `clipfile` that names the area.")
    clipvalue: str | None = option(None, "Name of the only area; by default all areas.")
    outprefix: str = option("dept", "Prefix of the names of files of polygons.", about=About(form="a file name"))
    dozip: bool = option(True, "Also write the polygons as shapefiles in ZIP archives.")
    flatgeobuf: bool = option(False, "Also write the polygons as FlatGeobuf.")
    pmtiles: bool = option(False, "Also write the polygons as PMTiles, for web maps.")
    statslist: dict[str, str] = option(
        {"1": "rate", "2": "statsmaj", "3": "statsmaj"},
        "Statistics of polygons by raster: 1 the classification (`rate`: share of each class), 2 the confidence and 3 "
        "the validity (`stats`: of all pixels, `statsmaj`: of the pixels of the most frequent class).",
    )
    lcfield: str = no_effect("Class", "Field of the class between steps.", "the polygons have the field Classe")
    lib64bit: AnyPath | None = no_effect(None, "Folder of a 64-bit library.", _NO_TOOLS)
    grasslib: AnyPath | None = no_effect(None, "Folder of a GRASS installation.", _NO_TOOLS)
    bingdal: AnyPath | None = no_effect(None, "Folder of GDAL programs.", _NO_TOOLS)
    systemcall: bool = no_effect(False, "Call programs instead of functions.", _NO_TOOLS)
    blocksize: int = no_effect(2000, "Side of blocks, in pixels.", _BY_BUDGET)
    chunk: int = no_effect(10, "Parts in which statistics are computed.", "statistics need one pass over the rasters")

    @field_validator("outprefix")
    @classmethod
    def _file_name(cls, name: str) -> str:
        if not re.fullmatch(r"\w[\w.+-]*", name):
            raise ValueError(f"expected a file name of letters, digits and . + - _, got {name!r}")
        return name

    @field_validator("statslist")
    @classmethod
    def _known_kinds(cls, kinds: dict[str, str]) -> dict[str, str]:
        """The statistics by raster, in the order of the rasters."""
        for raster, kind in kinds.items():
            known = STATISTICS_OF_RASTERS.get(raster)
            if known is None:
                raise ValueError(f"there is no raster {raster!r}; expected some of {', '.join(STATISTICS_OF_RASTERS)}")
            if kind not in known:
                raise ValueError(f"raster {raster} has no statistics {kind!r}; expected {' or '.join(known)}")
        return {raster: kinds[raster] for raster in STATISTICS_OF_RASTERS if raster in kinds}
