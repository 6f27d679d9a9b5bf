"""Layers: rasters of the user without dates, used as features (``userFeat``) or read by functions of the user."""

from __future__ import annotations

import glob
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Literal

import numpy as np
from odc.geo.geobox import GeoBox

from iota2.compute.placement import SeparablePlacement, placement
from iota2.compute.valid import kept_type, nodata_of
from iota2.core.files import first_listing_error
from iota2.core.scene import Acquisition, FileFormat, SensorScene
from iota2.core.sensor import BandSpec, SensorOptions, SensorSpec
from iota2.core.user_features import EXOGENOUS
from iota2.core.words import all_problems, some
from iota2.errors import InputError, system_text
from iota2.io.archive.folders import folder_of_tiles, folders_in, no_folder
from iota2.io.archive.headers import Header, HeaderReader
from iota2.io.archive.nodata import as_stored

SECTION, NAME = "userFeat", "userFeatures"
"""Configuration section and sensor name of the layers that are features."""
EXOGENOUS_SECTION = "external_features"
"""Configuration section of the layers that only functions of the user read, those of the sensor ``EXOGENOUS``."""
EXOGENOUS_DATA = "exogeneous_data"
"""The option with the paths of these layers."""
TILE_WORD = "$TILE"
"""Word in these paths that stands for the name of the tile."""
RESAMPLING_OPTIONS = {SECTION: f"{SECTION}.resampling", EXOGENOUS_SECTION: f"{EXOGENOUS_SECTION}.exogeneous_resampling"}
"""The option with the resampling of layers, by section."""
_FILE_OPTIONS = {SECTION: f"{SECTION}.patterns", EXOGENOUS_SECTION: f"{EXOGENOUS_SECTION}.{EXOGENOUS_DATA}"}
"""The option that selects the files of layers, by section."""
SUFFIXES = (".tif", ".tiff", ".jp2")
"""Lower-case file name extensions of rasters; other files in the folder are ignored."""
Resampling = Literal["cubic", "bilinear", "nearest"]
"""Resampling of layers to the grid of a tile."""


def layer_options(
    folder: Path,
    arbo: str,
    patterns: Sequence[str],
    resampling: Resampling,
    missing: Sequence[float] = (),
) -> SensorOptions:
    """The layers as a sensor without dates, with one band for each pattern.

    The name of the file of a layer must contain the pattern. ``arbo`` is a glob relative to the tile's folder. The
    number of bands of the files is only known after ``scan_layers``. ``missing``: no-data values of all layers, in
    addition to those that the files declare.
    """
    bands = tuple(BandSpec(pattern, arbo.strip("/")) for pattern in patterns)
    spec = SensorSpec(
        NAME, SECTION, "", bands, masks=(), spectral=False, static=True, resampling=resampling, missing=tuple(missing)
    )
    return SensorOptions(spec, folder, spec.temporal_resolution)


def exogenous_options(paths: Mapping[str, Path], resampling: Resampling) -> SensorOptions:
    """The layers that only functions of the user read, as a sensor without dates, with one band for each path.

    ``paths``: GeoTIFF or JPEG 2000 files by name; ``TILE_WORD`` stands for the name of the tile. The number of bands of
    the files is only known after ``scan_layers``.
    """
    bands = tuple(BandSpec(name, str(path)) for name, path in paths.items())
    spec = SensorSpec(
        EXOGENOUS, EXOGENOUS_SECTION, "", bands, masks=(), spectral=False, static=True, resampling=resampling
    )
    return SensorOptions(spec, ", ".join(map(str, paths.values())), spec.temporal_resolution)


def scan_layers(spec: SensorSpec, root: str | Path, tile: str) -> SensorScene:
    """The layers of one tile: all bands of the file of each pattern, named ``<pattern>_band_<k>`` with k from 0.

    ``spec`` is that of ``layer_options`` or ``exogenous_options``. A file named exactly like a pattern takes precedence
    over files with the pattern in their names. MissingTile when the tile has no folder; InputError with all problems:
    patterns without a file or with several files, and unusable files.
    """
    exogenous = spec.section == EXOGENOUS_SECTION
    folder = "" if exogenous else _tile_folder(root, tile)
    bands: list[BandSpec] = []
    files: dict[str, str] = {}
    grids: dict[str, GeoBox] = {}
    formats: dict[str, FileFormat] = {}
    hidden: dict[str, tuple[float, ...]] = {}
    problems: list[str] = []
    headers = HeaderReader()
    for wanted in spec.bands:
        try:
            path = _exogenous_file(wanted, tile) if exogenous else _only_file(folder, wanted)
            header, faults = headers.read(path, 1)
        except InputError as err:
            problems.append(str(err))
            continue
        option = _FILE_OPTIONS[spec.section]
        problems += [f"{fault}. Correct it with gdalwarp, or remove it from {option}" for fault in faults]
        if header is not None:
            found = _bands(wanted, header, spec.missing)
            bands += found
            hidden |= {band.name: _further_nodata(band, header, spec.missing) for band in found}
            files |= {band.name: path for band in found}
            grids |= {band.name: header.grid for band in found}
            formats |= {band.name: header.format_of(band.index) for band in found}
    if problems:
        raise InputError(all_problems(f"{spec.section}, tile {tile}", problems))
    further = {name: values for name, values in hidden.items() if values}
    product = tile if exogenous else os.path.basename(folder)
    acquisition = Acquisition(spec.name, date.min, "", product, files, {}, formats, hidden=further)
    return SensorScene(replace(spec, bands=tuple(bands)), (acquisition,), grids)


def interpolated_integer_notes(layers: SensorScene, geobox: GeoBox, tile: str) -> Iterator[str]:
    """A note on integer layers that are interpolated onto ``geobox``, since codes must not be interpolated."""
    kernel, formats = layers.spec.resampling, layers.acquisitions[0].formats
    if kernel == "nearest":
        return
    names = []
    for band in layers.spec.bands:
        place = placement(layers.grids[band.name], geobox, (0, 1), (0, 1), kernel)
        whole = np.dtype(formats[band.name].dtype).kind in "iu"
        if whole and not (isinstance(place, SeparablePlacement) and place.same):
            names.append(band.name)
    if names:
        yield (
            f"{layers.spec.section}, tile {tile}: layers of whole numbers are interpolated ({kernel}) to the grid of "
            f"the tile: {', '.join(names)}. If the numbers are codes, such as soil types, set "
            f"{RESAMPLING_OPTIONS[layers.spec.section]} to 'nearest'"
        )


def _bands(wanted: BandSpec, header: Header, missing: Sequence[float]) -> list[BandSpec]:
    """One ``BandSpec`` for each band of a file.

    The no-data value of a band is that of the file, else the first of ``missing`` that its data type can represent.
    """
    markers = [_representable(dtype, said) for dtype, said in _declared_nodata(header, missing)]
    return [
        replace(wanted, name=f"{wanted.name}_band_{k}", index=k + 1, nodata=representable[0] if representable else None)
        for k, representable in enumerate(markers)
    ]


def _further_nodata(band: BandSpec, header: Header, missing: Sequence[float]) -> tuple[float, ...]:
    """No-data values of a band in addition to that of its ``BandSpec``."""
    return tuple(_representable(*_declared_nodata(header, missing)[band.index - 1])[1:])


def _declared_nodata(header: Header, missing: Sequence[float]) -> list[tuple[np.dtype, list[float | None]]]:
    """For each band of a file: the data type in which it is read, and all its no-data values."""
    dtypes = [kept_type(np.dtype(dtype)) for dtype in header.types]
    return [(dtype, [tag, *missing]) for dtype, tag in zip(dtypes, header.nodata, strict=True)]


def _representable(dtype: np.dtype, said: Sequence[float | None]) -> list[float]:
    """Distinct values that a data type can represent, converted to that type; without NaN, which is always no data."""
    representable = [as_stored(dtype, value) for value in said if value is not None and not math.isnan(value)]
    return [value for value in dict.fromkeys(representable) if nodata_of(dtype, value) is not None]


def _tile_folder(root: str | Path, tile: str) -> str:
    """The folder with the name of the tile, else the only folder with this name in its own."""
    base = folder_of_tiles(SECTION, root, tile)
    named = [name for name in folders_in(base) if tile in name]
    if tile in named or len(named) == 1:
        return os.path.join(base, tile if tile in named else named[0])
    if named:
        raise InputError(
            f"{SECTION}: several folders in {base} have {tile} in their names: {some(named, 10)}. Rename one to {tile}."
        )
    raise no_folder(SECTION, base, tile, " (its name must contain that of the tile)")


def _exogenous_file(wanted: BandSpec, tile: str) -> str:
    """The file of a layer that functions of the user read."""
    path = wanted.file.replace(TILE_WORD, tile)
    if not os.path.isfile(path):
        named = f"{TILE_WORD} stands for the name of the tile: add" if TILE_WORD in wanted.file else "Add"
        raise InputError(f"there is no file {path} ({wanted.name}). {named} the file, or correct the path")
    return path


def _only_file(folder: str, wanted: BandSpec) -> str:
    """The only raster that matches a pattern."""
    names = [
        name
        for name in sorted(glob.glob(wanted.file, root_dir=folder, recursive=True))
        if wanted.name in os.path.basename(name) and name.lower().endswith(SUFFIXES)
    ]
    exact = [name for name in names if os.path.splitext(os.path.basename(name))[0] == wanted.name]
    found = exact if len(exact) == 1 else names
    if len(found) > 1:
        raise InputError(
            f"{folder}: {len(found)} rasters have {wanted.name!r} in their names: {', '.join(found)}. Use longer "
            f"{SECTION}.patterns, or rename one of them to {wanted.name}"
        )
    if not found and (blocked := first_listing_error(folder)):
        raise InputError(f"{SECTION}: {system_text(blocked)}")
    if not found:
        raise InputError(
            f"{folder}: no raster ({', '.join(SUFFIXES)}) that matches {wanted.file} has {wanted.name!r} in its name. "
            f"Correct {SECTION}.patterns or {SECTION}.arbo, or add the file"
        )
    return os.path.join(folder, found[0])
