"""Values of a map that becomes polygons: class codes, no data, and values that are neither."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from odc.geo.geobox import GeoBox

from iota2.core.grid import block_of
from iota2.core.nomenclature import MAX_CODE
from iota2.core.words import some
from iota2.io.rasters.files import RasterReader

MAX_SAMPLED_BLOCKS, MAX_SAMPLED_PIXELS = 256, 1 << 24
"""Blocks and pixels of a map that are read before a run; smaller maps are read completely."""
MAX_WRONG = 1000
"""Number of wrong values after which the reading of a map may stop, such as one of numbers of segments."""


def read_values(reader: RasterReader, geobox: GeoBox) -> np.ndarray:
    """(y, x) values of the map on a part of it, 0 for no data."""
    nodata = 0 if reader.nodata is None else reader.nodata
    values = reader.read_data(geobox, nodata)[0]
    return np.where(values == nodata, 0, values)


def wrong_values(values: np.ndarray) -> set[int]:
    """The values that are neither class codes nor 0."""
    if values.dtype in (np.uint8, np.uint16):
        return set()
    return {*np.unique(values[(values < 0) | (values > MAX_CODE)]).tolist()}


def wrong_values_text(wrong: Iterable[int], nodata: float | None) -> str:
    """The problem of a map with these values, and its remedy; ``nodata``: value of the file for no data."""
    values = sorted(wrong)
    found, one = ("the values", "one of them") if len(values) > 1 else ("the value", "it")
    declared = "no no-data value" if nodata is None else f"the no-data value {nodata:g}"
    return (
        f"has pixels of {found} {some([*map(str, values)], 20)}; expected class codes from 1 to {MAX_CODE}, or 0 for "
        f"no class (the file has {declared}). Renumber the classes, for example with gdal_calc.py; if {one} means no "
        "class, declare it with gdal_edit.py -a_nodata"
    )


def sampled_values(path: str | Path, stored: tuple[int, int]) -> set[int]:
    """The values, without 0, of blocks of the map that are distributed over it, or of the whole map if it is small.

    If there are more values than class codes, some of them are enough.
    ``stored``: rows and columns of the blocks in which the file is stored. The blocks of a file are always the same.
    """
    cols = min(stored[1], MAX_SAMPLED_PIXELS)
    shape = min(stored[0], MAX_SAMPLED_PIXELS // cols), cols
    found: set[int] = set()
    with RasterReader(path) as reader:
        height, width = (int(side) for side in reader.geobox.shape)
        across = math.ceil(width / shape[1])
        total = across * math.ceil(height / shape[0])
        count = min(total, MAX_SAMPLED_BLOCKS, max(1, MAX_SAMPLED_PIXELS // (shape[0] * shape[1])))
        for number in np.sort(np.random.default_rng(0).choice(total, count, replace=False)).tolist():
            top, left = number // across * shape[0], number % across * shape[1]
            part = block_of("", reader.geobox, (top, min(top + shape[0], height)), (left, min(left + shape[1], width)))
            found.update(np.unique(read_values(reader, part.geobox)).tolist())
            if len(found) > MAX_CODE + 1:
                break
    return found - {0}
