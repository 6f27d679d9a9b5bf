"""Rasters of the user that are cut to tiles: their files, kinds and no-data values."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from rasterio.enums import ColorInterp
from rasterio.io import DatasetReader

from iota2.compute.valid import nodata_of
from iota2.core.files import is_folder_name, read_text
from iota2.core.user_raster import RasterSource, Resampling, UserRaster
from iota2.core.words import all_problems, numbered_bands, some
from iota2.errors import InputError
from iota2.io.archive.headers import Header, read_header
from iota2.io.archive.layers import SUFFIXES
from iota2.io.archive.nodata import as_stored
from iota2.io.files.gdal import alpha_bands, has_mask, open_raster

ASSUMED = "whole numbers without colour table, .qml style or category names"
"""Reason of the kind of whole numbers that nothing identifies as categories."""
_PALETTED = re.compile(r"<rasterrenderer\b[^>]*\btype=[\"']paletted[\"']")
_CATEGORIES = re.compile(r"<CategoryNames\b|<GDALRasterAttributeTable\b[^>]*\btableType=[\"']thematic[\"']")
_SIGNS = ((".qml", _PALETTED), (".aux.xml", _CATEGORIES))
"""Files beside a raster, by the end of their names, with the text that identifies categories."""


def rasters_in(folders: Iterable[Path]) -> tuple[dict[str, Path], list[str]]:
    """The rasters in some folders by name without extension, sorted, and problems of their names.

    Hidden files and subfolders are ignored. Problems are folders without raster, names that cannot be those of outputs,
    and names that differ only in case; of equal names, only the first raster is returned.
    """
    found: dict[str, Path] = {}
    problems = []
    for folder in folders:
        names = sorted(name for name in os.listdir(folder) if _is_raster(name))
        if not names:
            problems.append(f"{folder}: no raster ({', '.join(SUFFIXES)}); expected the rasters in this folder itself")
        for name in names:
            path = folder / name
            if not is_folder_name(path.stem):
                problems.append(f"{path}: the name cannot be used for outputs; rename the file")
            other = next((one for known, one in found.items() if known.lower() == path.stem.lower()), None)
            if other is not None:
                problems.append(f"{other} and {path} would have the same name, {path.stem}.tif; rename one of them")
            found.setdefault(path.stem, path)
    return found, problems


def _is_raster(name: str) -> bool:
    return name.lower().endswith(SUFFIXES) and not name.startswith(".")


def read_user_raster(path: Path, resampling: Mapping[str, Resampling], nodata: Mapping[str, float]) -> UserRaster:
    """The properties of a raster, from its header and the files beside it; no pixel is read.

    ``resampling`` and ``nodata``: kinds or methods and no-data values by raster name, which have precedence over the
    file. InputError with all reasons why the raster cannot be used.
    """
    header, faults = read_header(str(path), 1)
    problems = [f"{fault.removeprefix(f'{path}: ')}. Correct it with gdalwarp, or move it away" for fault in faults]
    if header is None:
        raise InputError(all_problems(str(path), problems))
    dtype = np.dtype(header.types[0])
    if dtype.kind not in "iuf":
        problems.append(
            f"pixels are {dtype}; expected whole or real numbers. Convert it with gdal_translate -ot Float32"
        )
    given = nodata.get(path.stem)
    if given is not None and dtype.kind in "iuf" and nodata_of(dtype, as_stored(dtype, given)) is None:
        text = f"pixels of {path} are {dtype}, which cannot be {given:g}; give a value of this type"
        raise InputError.about(("chain", "features_nodata"), text)
    missing = _nodata(header, dtype, given) if dtype.kind in "iuf" else None
    with open_raster(path) as source:
        alpha = alpha_bands(source)
        problems += _mask_problems(path, source, given, missing)
        kind, reason = _kind_of(path, source, dtype)
    if problems:
        raise InputError(all_problems(str(path), problems))
    if path.stem in resampling:
        kind, reason = resampling[path.stem], "chain.features_resampling"
    source_of_tiles, bands = RasterSource(str(path), kind, missing), len(header.types) - len(alpha)
    return UserRaster(path.stem, source_of_tiles, header.grid, dtype.name, bands, reason, alpha)


def _mask_problems(path: Path, source: DatasetReader, given: float | None, missing: float | None) -> Iterator[str]:
    """Problems of a raster whose pixels without data are marked otherwise than by a value.

    ``given``: value of the options; ``missing``: value of the pixels without data. The last band of a file of four
    bands of type uint8 is often marked as transparency although it contains data, so that the user has to decide.
    """
    value = 0 if missing is None or np.isnan(missing) else missing
    example = f"for example chain.features_nodata : {{'{path.stem}' : {value:.10g}}}"
    undecided = alpha_bands(source) if given is None else ()
    if undecided:
        marks = " ".join(f"-colorinterp_{band} undefined" for band in undecided)
        yield (
            f"marked as transparency (alpha): {numbered_bands(undecided)}. If this marks pixels without data, give a "
            f"value for them that does not occur in the other bands, {example}; transparency is then left out. If it "
            f"is data, remove the mark: gdal_edit.py {marks} {path}"
        )
    if (beside := path.with_name(f"{path.name}.msk")).exists():
        yield (
            f"{beside.name} beside it may mark pixels without data, and is not read. Move it away if it is not needed; "
            "or copy the raster with gdal_translate --config GDAL_TIFF_INTERNAL_MASK YES"
        )
    if missing is None and not undecided and has_mask(source):
        yield f"a mask marks pixels without data. Give a value for them that does not occur in the raster, {example}"


def _nodata(header: Header, dtype: np.dtype, given: float | None) -> float | None:
    """The no-data value in the type of the pixels; NaN for floating-point pixels without one."""
    value = header.nodata[0] if given is None else given
    return nodata_of(dtype, None if value is None else as_stored(dtype, value))


def _kind_of(path: Path, source: DatasetReader, dtype: np.dtype) -> tuple[Resampling, str]:
    """Whether the values of a raster are categories, and the reason."""
    if source.colorinterp[0] == ColorInterp.palette:
        return "categorical", "colour table"
    if sign := _file_with_categories(path):
        return "categorical", sign
    return "continuous", "real numbers" if dtype.kind == "f" else ASSUMED


def _file_with_categories(path: Path) -> str:
    """Name of the first file beside a raster that identifies its values as categories; empty without one."""
    for end, sign in _SIGNS:
        for beside in dict.fromkeys((path.with_suffix(end), path.with_name(path.name + end))):
            if beside.is_file() and sign.search(read_text(beside, errors="replace")):
                return beside.name
    return ""


def unknown_names(given: Iterable[str], known: Sequence[str]) -> list[str]:
    """Names in an option that are no rasters, one sentence each."""
    return [
        f"{name!r} is not a raster of chain.features_path; expected {some(known, 10)}"
        for name in given
        if name not in known
    ]
