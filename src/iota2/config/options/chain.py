"""The options of section ``chain``: inputs, outputs, grid and steps of a run."""

from __future__ import annotations

import math
import os
import re
from collections import Counter
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, PrivateAttr, create_model, field_validator
from pyproj import CRS
from pyproj.exceptions import CRSError

from iota2.config.options.fields import (
    AnyPath,
    Day,
    InputFile,
    InputFolder,
    InputFolders,
    Section,
    Source,
    VectorFile,
    Words,
)
from iota2.config.s1_ini import RadarSettings, read_s1_ini
from iota2.core.builder import GROUPS, Group
from iota2.core.files import MAX_TILE_BYTES, is_folder_name
from iota2.core.user_raster import Resampling
from iota2.core.words import some
from iota2.io.archive.specs import folder_options
from iota2.options import About, Options, needed, no_effect, option, planned

MAX_TILES = 10_000
"""Maximum number of tiles in a run. The tiling grid of Sentinel-2 has 56,984 tiles."""
MAX_DATES = 10_000
"""Maximum of ``cloud_threshold``, larger than the number of dates of any real series."""
MAX_STEP_DAYS = 3660
"""Maximum number of days between interpolation dates: ten years."""
_GROUPS_NOT_YET = GROUPS[GROUPS.index("regularisation") :]
_NO_STACKS = "iota2 writes no stacks of images"


class UserSensor(Options):
    """One entry of ``user_sensors``: a user-defined sensor."""

    path: InputFolder | None = option(
        None, "Folder of the products, with one folder per tile; mandatory unless `stac_items` lists them."
    )
    description: InputFile = option(..., "YAML file that describes the sensor's products, bands and masks.")
    start_date: Day | None = option(None, "First interpolation date; needed when `auto_date` is False.")
    end_date: Day | None = option(None, "Last interpolation date; needed when `auto_date` is False.")
    temporal_resolution: int | None = option(
        None, "Days between interpolation dates; None uses the value of the description.", ge=1, le=MAX_STEP_DAYS
    )
    keep_bands: Words = option((), "Bands to use when `extract_bands` is True; [] uses all.")
    additional_features: str = option(
        "", "Expressions of bands, separated by commas, computed for each date if `use_additional_features` is True."
    )


class StacItems(Options):
    """Source of STAC items, and the sensor of each collection."""

    source: Source = option(
        ...,
        "Folder or file of items, catalog file, web address of one of these, or address of a STAC API.",
        about=About(form="a path or an address"),
    )
    collections: dict[str, str] = option(
        ...,
        "Sensor of each collection: section of a built-in sensor, or name of an entry of `user_sensors`.",
        about=About(form="a dictionary of collection names and sensors"),
    )
    start_date: Day | None = option(None, "First day of the items; mandatory for an API.")
    end_date: Day | None = option(None, "Last day of the items; mandatory for an API.")
    bbox: tuple[float, float, float, float] | None = option(
        None,
        "West, south, east and north of the area, in degrees; mandatory for an API.",
        about=About(form="a list of four numbers"),
    )
    remote: bool = option(False, "Read items and images from web servers; False rejects web addresses.")

    @field_validator("collections")
    @classmethod
    def _some(cls, collections: dict[str, str]) -> dict[str, str]:
        if not collections:
            raise ValueError("is empty; expected a dictionary such as {'sentinel-2-l2a' : 'Sentinel_2_S2C'}")
        return collections

    @field_validator("bbox", mode="before")
    @classmethod
    def _on_earth(cls, bbox: Any) -> Any:
        if bbox is None:
            return None
        whole = isinstance(bbox, list | tuple) and len(bbox) == 4
        if not (whole and all(isinstance(number, int | float) for number in bbox)):
            raise ValueError(f"expected west, south, east and north in degrees, got {bbox!r}")
        west, south, east, north = bbox
        if not (-180 <= west < east <= 180 and -90 <= south < north <= 90):
            raise ValueError(f"expected west < east and south < north in degrees, got {list(bbox)}")
        return bbox


def _resolution(value: Any) -> Any:
    """(x, y) from a number, a list or a text; None from an empty value."""
    pair = value
    if isinstance(pair, str):
        pair = pair.replace(",", " ").split()
    if isinstance(pair, list | tuple):
        pair = [_number(size) for size in pair]
    if isinstance(pair, list | tuple) and len(pair) == 1:
        pair = pair[0]
    if isinstance(pair, int | float):
        pair = [pair, pair]
    if pair is None or pair == []:
        return None
    if isinstance(pair, list | tuple) and len(pair) == 2 and all(_is_size(size) for size in pair):
        return pair
    raise ValueError(f"expected a number > 0, a list of two (x, y) or [] for the native resolution, got {value!r}")


def _number(value: Any) -> Any:
    """The number in a text; other values unchanged."""
    if not isinstance(value, str):
        return value
    try:
        return float(value)
    except ValueError:
        return value


def _products(what: str) -> Any:
    """The option for the product folder of one sensor."""
    sentence = f"Folder of {what}, one folder per tile; enables the sensor."
    return option(None, sentence, about=About(builders="C F O R"))


def _is_size(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf


def _upper(value: Any) -> Any:
    return value.upper() if isinstance(value, str) else value


class _CommonOptions(Section):
    """Options of ``chain`` that precede the product folders of the sensors in the documentation."""

    section_name: ClassVar[str] = "chain"
    about_section: ClassVar[str] = "Inputs, outputs, grid and extent of a run."
    builders: ClassVar[str] = "C F O V R T"

    output_path: AnyPath = option(..., "Folder of all results; created if missing.")
    remove_output_path: bool = option(
        False,
        "Delete the results of earlier runs first; only output folders of iota2 are emptied.",
    )
    check_inputs: bool = option(True, "Check reference data, regions and products before anything is computed.")
    skip_damaged_products: bool = option(
        False,
        "Exclude and report damaged and incomplete products and STAC items; with False they are errors.",
        about=About(builders="C F O R"),
    )
    list_tile: Words = needed(
        "Tiles to process, separated by blanks. Without this option, the features tiler processes all tiles of its "
        "grid.",
        builders="C F O V R T",
        form="tile names separated by blanks",
        default=(),
    )
    proj: str = needed(
        "Projection of mosaics and vectors, and of the tiles of `grid`; not needed with `rasters_grid_path`.",
        builders="C F O V R T",
        form="text 'EPSG:<number>'",
    )
    spatial_resolution: Annotated[tuple[float, float] | None, BeforeValidator(_resolution)] = option(
        None,
        "Pixel size of the results in units of the projection, from a tenth of the smallest pixel size of the images "
        "to the size of a tile; [] keeps the native size. Mandatory with `grid`.",
        about=About(form="a number > 0, a list [x, y] or []", builders="C F O R T"),
    )
    working_grid: Literal["native", "proj"] = option(
        "native",
        "Grid of the classification: the grid of the images, or a grid in `proj`, to which inputs are warped.",
        about=About(builders="C F O R"),
    )
    ground_truth: VectorFile = needed(
        "Vector file of the labelled polygons; `file.gpkg|layername=NAME` selects one of several layers.",
        builders="C O R",
    )
    data_field: str = needed("Field of `ground_truth` that contains the class, or the value.", builders="C O R")
    points: Literal["pixel", "buffer"] | None = option(
        None,
        "Area that represents a point of `ground_truth`: the pixel that contains it, or a square of one pixel around "
        "it (half a pixel to each side); None accepts polygons only.",
        about=About(builders="C O R"),
    )
    nomenclature_path: InputFile = needed(
        "Text file of class names, one line `name:label` for each class.", builders="C O"
    )
    color_table: InputFile = needed(
        "Text file of class colours, one line `label R G B` for each class.", builders="C O"
    )
    region_path: VectorFile | None = option(
        None,
        "Vector file of regions, each with its own model; `file.gpkg|layername=NAME` selects one of several layers.",
        about=About(builders="C O R"),
    )
    region_field: str = option(
        "region", "Text field of `region_path` that contains the region name.", about=About(builders="C O R")
    )


_FOLDER_OPTIONS: dict[str, Any] = {one.key: (InputFolder | None, _products(one.holds)) for one in folder_options()}
_Folders: Any = create_model("_Folders", __base__=_CommonOptions, **_FOLDER_OPTIONS)
"""The common options, and one option for the product folder of each built-in sensor."""


class Chain(_Folders):
    """Inputs, outputs, grid and extent of a run."""

    s1_path: InputFile | None = option(
        None,
        "INI file with the folder of Sentinel-1 images of S1Tiling; enables the sensor.",
        about=About(builders="C F O R"),
    )
    user_feat_path: InputFolder | None = option(
        None,
        "Folder of rasters used directly as features, one folder per tile; section `userFeat` selects them.",
        about=About(builders="C F O R"),
    )
    reference_sensor: str | None = option(
        None,
        "Section or name of the sensor whose grid is the grid of the tile; None selects the smallest pixels.",
        about=About(builders="C F O R"),
    )
    allow_missing_sensor: bool = option(
        False,
        "Classify pixels without clear observation of a sensor, or without data of a layer, by one model that learns "
        "missing values; False leaves them to `arg_classification.missing_sensors`.",
        about=About(builders="C F O R"),
    )
    user_sensors: dict[str, UserSensor] = option(
        {},
        "User-defined sensors by name; the keys of an entry are listed below.",
        about=About(builders="C F O R", form="a dictionary of sensor names, each with a dictionary"),
    )
    stac_items: StacItems | None = option(
        None,
        "STAC items that list the images of sensors, instead of folders; the keys are listed below.",
        about=About(builders="C F O R", form="a dictionary"),
    )
    features_path: InputFolders = needed(
        "Folder of rasters to be cut to tiles, or a list of folders; their subfolders are not read.",
        builders="T",
        form="a path or a list of paths",
        default=(),
    )
    grid: VectorFile | None = option(
        None,
        "Vector file with one polygon for each tile, in any projection; `file.gpkg|layername=NAME` selects one of "
        "several layers. Tiles get pixels of `spatial_resolution` in `proj`, with edges at multiples of this size.",
        about=About(builders="T"),
    )
    tile_field: str | None = option(None, "Field of `grid` that contains the tile name.", about=About(builders="T"))
    rasters_grid_path: InputFolder | None = option(
        None,
        "Folder with a raster `<tile>.tif` for each tile, whose pixels are those of the tile; instead of `grid`.",
        about=About(builders="T"),
    )
    features_resampling: dict[str, Resampling] = option(
        {},
        "Resampling of rasters, by name of the file without extension: `continuous` (`bilinear`, or `average` to "
        "larger pixels), `categorical` (`nearest`, or `mode` to larger pixels), or one of these four methods. Without "
        "an entry, the kind of the raster follows from its file.",
        about=About(
            form="a dictionary of raster names, each with 'continuous', 'categorical', 'nearest', 'mode', 'bilinear' "
            "or 'average'",
            builders="T",
        ),
    )
    features_nodata: dict[str, float] = option(
        {},
        "No-data values of rasters, by name of the file without extension, instead of the value in the file.",
        about=About(form="a dictionary of raster names and numbers", builders="T"),
    )
    cloud_threshold: int = option(
        0,
        "Minimum number of clear dates of a sample pixel; pixels without clear dates are not used, even with 0.",
        ge=0,
        le=MAX_DATES,
        about=About(builders="C O R"),
    )
    first_step: Group = option("init", "First group of steps to run.", about=About(later=_GROUPS_NOT_YET))
    last_step: Group = option("validation", "Last group of steps to run.", about=About(later=_GROUPS_NOT_YET))
    logger_level: Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], BeforeValidator(_upper)] = option(
        "INFO", "Minimum severity of logged messages."
    )

    remove_tmp_files: bool = planned(False, "Keep only the folders `final` and `features` at the end.")
    output_statistics: bool = planned(False, "Add statistics of confidence and validity to the results.", builders="C")
    enable_cross_validation: bool = planned(False, "Cross-validate instead of splitting once.", builders="C")
    l8_usgs_path: AnyPath | None = planned(None, "Folder of Landsat 8 and 9 products of USGS, with all bands.")
    l8_usgs_thermal_path: AnyPath | None = planned(None, "Folder of Landsat 8 and 9 surface temperatures of USGS.")
    l8_usgs_infrared_path: AnyPath | None = planned(None, "Folder of Landsat 8 and 9 level 1 thermal bands of USGS.")
    s2_output_path: AnyPath | None = no_effect(None, "Folder of Sentinel-2 stacks.", _NO_STACKS, builders="C F O R")
    s2_s2c_output_path: AnyPath | None = no_effect(None, "Folder of Sen2Cor stacks.", _NO_STACKS, builders="C F O R")
    s2_l3a_output_path: AnyPath | None = no_effect(None, "Folder of level 3A stacks.", _NO_STACKS, builders="C F O R")
    l8_output_path: AnyPath | None = no_effect(None, "Folder of Landsat 8 stacks.", _NO_STACKS, builders="C F O R")
    compression_algorithm: str = no_effect(
        "ZSTD", "Compression of rasters.", "iota2 chooses a lossless compression for each kind of raster"
    )
    region_priority: Words | None = planned(
        None, "Priority of regions for segments that overlap several.", builders="O"
    )

    _paths_from: Path | None = PrivateAttr(default=None)

    def model_post_init(self, context: Any, /) -> None:
        """Store the folder of relative paths, for paths inside the files that options name."""
        self._paths_from = (context or {}).get("paths_from")

    @property
    def paths_from(self) -> Path | None:
        """Folder from which all relative paths are resolved; None for the folder of the file that contains the path."""
        return self._paths_from

    @cached_property
    def radar(self) -> RadarSettings | None:
        """The settings in the INI file of Sentinel-1, read on first access and cached; None without ``s1_path``.

        Raises ConfigError for an invalid INI file.
        """
        return None if self.s1_path is None else read_s1_ini(self.s1_path, self._paths_from)

    @field_validator("output_path", mode="before")
    @classmethod
    def _named_folder(cls, path: object) -> object:
        if isinstance(path, str) and path.strip() in ("", "/"):
            raise ValueError(f"expected a folder for results, got {path!r}")
        return path

    @field_validator("list_tile")
    @classmethod
    def _tile_names(cls, tiles: tuple[str, ...]) -> tuple[str, ...]:
        if not tiles:
            raise ValueError("is empty; expected tile names separated by blanks, such as 'T31TCJ T31TDJ'")
        if len(tiles) > MAX_TILES:
            raise ValueError(f"has {len(tiles):,} tiles; expected at most {MAX_TILES:,} in one run")
        twice = sorted(tile for tile, count in Counter(tiles).items() if count > 1)
        if twice:
            raise ValueError(f"{some(twice)} given twice; give each tile once")
        too_long = [tile for tile in tiles if len(os.fsencode(tile)) > MAX_TILE_BYTES]
        if too_long:
            raise ValueError(
                f"{too_long[0][:20]}… is no valid tile name; expected a name of at most {MAX_TILE_BYTES} bytes"
            )
        unsafe = [tile for tile in tiles if not is_folder_name(tile)]
        if unsafe:
            raise ValueError(f"{unsafe[0]!r} is no valid tile name; expected a folder name without '/' and '..'")
        return tiles

    @field_validator("proj", mode="before")
    @classmethod
    def _with_authority(cls, given: object) -> object:
        """``EPSG:n`` from a number; blanks are removed."""
        if isinstance(given, float) and given.is_integer():
            given = int(given)
        if isinstance(given, str):
            given = re.sub(r"\s*:\s*", ":", given.strip())
        alone = isinstance(given, int) and not isinstance(given, bool)
        return f"EPSG:{given}" if alone or (isinstance(given, str) and given.strip().isdecimal()) else given

    @field_validator("proj")
    @classmethod
    def _epsg(cls, text: str) -> str:
        if not re.fullmatch(r"(?i:epsg):\d{4,6}", text):
            raise ValueError(f"expected 'EPSG:<number>' such as 'EPSG:2154', got {text!r}")
        try:
            crs = CRS.from_user_input(text)
        except CRSError:
            known = f"{text.upper()} is not a known coordinate reference system"
            raise ValueError(f"{known}; expected such as EPSG:2154") from None
        if not (crs.is_projected or crs.is_geographic):
            raise ValueError(f"{text.upper()} ({crs.type_name}) has no map coordinates; expected such as EPSG:2154")
        return text.upper()

    @field_validator("features_path")
    @classmethod
    def _some_folders(cls, folders: tuple[Path, ...]) -> tuple[Path, ...]:
        if not folders:
            raise ValueError("is empty; give a folder of rasters")
        return folders

    @field_validator("data_field", "region_field", "tile_field")
    @classmethod
    def _named_field(cls, text: str | None) -> str | None:
        if text is not None and not text.strip():
            raise ValueError("is empty; give the name of the field")
        return text

    @field_validator("user_sensors")
    @classmethod
    def _sensor_names(cls, sensors: dict[str, UserSensor]) -> dict[str, UserSensor]:
        for name in sensors:
            if not re.fullmatch(r"[A-Za-z][A-Za-z0-9]*", name):
                raise ValueError(f"{name!r} is no valid sensor name; expected a letter, then letters and digits")
        return sensors
