"""Zarr stores of features maps: one store for the whole map, whose files are written independently of each other.

The library is imported on first use, because it takes most of a second.
"""

from __future__ import annotations

import base64
import math
import re
import shutil
import struct
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from odc.geo.geobox import GeoBox
from pyproj import CRS

from iota2.compute.placement import Range
from iota2.core.grid import PART_ROWS, crs_name
from iota2.core.map_axes import SHARD_DATES, MapAxes, Shard
from iota2.core.recipe import parse_day
from iota2.io.files.atomic import hard_link_or_copy

SQUARE = PART_ROWS
"""Rows and columns of the squares of pixels of a file: those of a strip of the map."""
CHUNK = 256
"""Rows and columns of the pixels of one date and band that are compressed together: the unit of reading."""
MEMBER = re.compile(r"zarr\.json|\w+/zarr\.json|\w+/c(/\d+)*")
"""Pattern of the files of a store, relative to its folder."""
FEATURES, UNDATED = "features", "undated"
"""Names of the variables: (time, band, y, x), and (feature, y, x) for features without date."""
_CRS = "spatial_ref"
"""Coordinate with the CRS and the affine transform, as rioxarray and odc-geo expect it."""
_EPOCH = date(1970, 1, 1)


def create_store(path: Path, axes: MapAxes, geobox: GeoBox) -> None:
    """Create a store without values in an existing empty folder: its metadata and coordinates.

    The bytes do not depend on time, machine or number of threads.
    """
    import zarr  # noqa: PLC0415

    root = zarr.create_group(path, zarr_format=3, attributes=_attributes(axes))
    for name, values in _variables(axes, geobox).items():
        _write_small(root, name, values)
    for variable in _cubes(axes):
        _create_cube(root, variable, axes, geobox)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Consolidated metadata is currently not part in the Zarr format 3")
        zarr.consolidate_metadata(path)


@contextmanager
def shard_writer(path: Path, threads: int) -> Iterator[ShardWriter]:
    """A writer of the values of a store, which compresses up to ``threads`` chunks at once."""
    import zarr  # noqa: PLC0415

    with zarr.config.set({"async.concurrency": threads}):
        root = zarr.open_group(path, mode="r+", use_consolidated=False)
        yield ShardWriter({name: root[name] for name in (FEATURES, UNDATED) if name in root})


@dataclass(frozen=True)
class ShardWriter:
    """Writes squares of pixels of an open store."""

    arrays: Mapping[str, Any]
    """By name of the variable."""

    def write(self, shard: Shard, rows: Range, cols: Range, values: np.ndarray) -> None:
        """Write the ``values`` (layer, y, x) of a square of the map; a square without data is not stored.

        ``rows`` and ``cols`` are half-open ranges that begin at multiples of ``SQUARE``.
        """
        pixels = slice(*rows), slice(*cols)
        if shard.dates is None:
            self.arrays[UNDATED][shard.position : shard.position + 1, *pixels] = values
        else:
            self.arrays[FEATURES][slice(*shard.dates), shard.position : shard.position + 1, *pixels] = values[:, None]


@dataclass(frozen=True)
class StoreReader:
    """Reads bands of a store at reduced resolution."""

    places: tuple[tuple[Any, tuple[int, ...]], ...]
    """Array of each band of the map, and its position along the dimensions before y and x."""

    def decimated(self, max_pixels: int, *, band: int = 1) -> np.ndarray:
        """(y, x) values of one band at equal distances: about ``max_pixels`` pixels, more if the map is very narrow.

        Stores have no overviews: the band is read completely, file by file.
        """
        array, place = self.places[band - 1]
        height, width = array.shape[-2:]
        step = max(1, math.ceil(math.sqrt(height * width / max_pixels)))
        pixels = slice(min(step // 2, height - 1), None, step), slice(min(step // 2, width - 1), None, step)
        values: np.ndarray = array[(*place, *pixels)]
        return values


def store_reader(path: Path, axes: MapAxes) -> StoreReader:
    """A reader of the bands of a map."""
    import zarr  # noqa: PLC0415

    root = zarr.open_group(path, mode="r")
    places: dict[int, tuple[Any, tuple[int, ...]]] = {}
    for shard in axes.shards:
        for band, offset in zip(shard.bands, shard.offsets, strict=True):
            if shard.dates is None:
                places[band] = root[UNDATED], (shard.position,)
            else:
                places[band] = root[FEATURES], (shard.dates[0] + offset, shard.position)
    return StoreReader(tuple(places[band] for band in range(len(places))))


def assemble_store(path: Path, axes: MapAxes, geobox: GeoBox, pieces: Iterable[Path]) -> None:
    """Create a store in an existing empty folder, with the values of ``pieces``: stores of the same map, each with
    other squares. Their files are linked, or copied on file systems without hard links."""
    create_store(path, axes, geobox)
    for piece in pieces:
        for variable in _cubes(axes):
            if (piece / variable / "c").exists():
                shutil.copytree(
                    piece / variable / "c", path / variable / "c", copy_function=hard_link_or_copy, dirs_exist_ok=True
                )


def _cubes(axes: MapAxes) -> dict[str, tuple[str, ...]]:
    """The dimensions of each variable with features."""
    found: dict[str, tuple[str, ...]] = {}
    if axes.series:
        found[FEATURES] = "time", "band", "y", "x"
    if axes.undated:
        found[UNDATED] = "feature", "y", "x"
    return found


def _create_cube(root: Any, variable: str, axes: MapAxes, geobox: GeoBox) -> None:
    """Create a variable with features, without values."""
    from zarr.codecs import BloscCodec  # noqa: PLC0415

    layers, dimensions = axes.layers, _cubes(axes)[variable]
    dtype = np.dtype(layers.dtype)
    leading = (len(axes.dates), len(axes.series)) if variable == FEATURES else (len(axes.undated),)
    dates = (min(SHARD_DATES, len(axes.dates)),) if variable == FEATURES else ()
    root.create_array(
        variable,
        shape=(*leading, *geobox.shape),
        dtype=dtype,
        shards=(*dates, 1, SQUARE, SQUARE),
        chunks=(*(1 for _ in leading), CHUNK, CHUNK),
        compressors=[BloscCodec(cname="zstd", clevel=3, shuffle="shuffle", typesize=dtype.itemsize)],
        fill_value=dtype.type(layers.nodata).item(),
        dimension_names=dimensions,
        attributes={
            "long_name": "features" if variable == FEATURES else "features without date",
            "grid_mapping": _CRS,
            "coordinates": f"{_CRS} sensor key" if variable == FEATURES else f"{_CRS} feature_sensor",
            "_FillValue": _encoded(layers.nodata, dtype),
        },
    )


def _encoded(nodata: float, dtype: np.dtype[Any]) -> int | str:
    """A no-data value as xarray reads it from the attributes of format 3: floats as Base64 of their bytes."""
    return base64.b64encode(struct.pack("<d", nodata)).decode() if dtype.kind == "f" else int(nodata)


def _attributes(axes: MapAxes) -> dict[str, Any]:
    sensors = dict.fromkeys((*axes.series.values(), *axes.undated.values()))
    return {"Conventions": "CF-1.11", "title": "Features map", "source": ", ".join(sensors)}


Variable = tuple[tuple[str, ...], Any, Mapping[str, Any]]
"""Dimensions, values and attributes of a variable."""


def _variables(axes: MapAxes, geobox: GeoBox) -> dict[str, Variable]:
    """The coordinates of a map."""
    found: dict[str, Variable] = {_CRS: ((), np.int32(0), _crs_attributes(geobox)), **_positions(geobox)}
    if axes.series:
        days = np.array([(parse_day(key) - _EPOCH).days for key in axes.dates], np.int64)
        calendar = {"standard_name": "time", "axis": "T", "units": "days since 1970-01-01", "calendar": "standard"}
        found["time"] = ("time",), days, calendar
        found["key"] = ("time",), axes.dates, {"long_name": "date in the names of features"}
        found["band"] = ("band",), tuple(axes.series), {"long_name": "feature without its date"}
        found["sensor"] = ("band",), tuple(axes.series.values()), {"long_name": "sensor"}
    if axes.undated:
        found["feature"] = ("feature",), tuple(axes.undated), {"long_name": "feature without date"}
        found["feature_sensor"] = ("feature",), tuple(axes.undated.values()), {"long_name": "sensor"}
    return found


def _write_small(root: Any, name: str, variable: Variable) -> None:
    """Write a coordinate as one uncompressed file."""
    dimensions, values, attributes = variable
    text = isinstance(values, tuple)
    content = np.array(values, object) if text else np.asarray(values)
    array = root.create_array(
        name,
        shape=content.shape,
        dtype=str if text else content.dtype,
        chunks=content.shape,
        compressors=None,
        dimension_names=dimensions,
        attributes=dict(attributes),
        config={"write_empty_chunks": True},
    )
    array[...] = content


def _crs_attributes(geobox: GeoBox) -> dict[str, Any]:
    """The grid mapping of the CF conventions, with the WKT and the transform of GDAL."""
    found, affine = CRS(crs_name(geobox)).to_cf(), geobox.affine
    transform = " ".join(f"{value:.17g}" for value in (affine.c, affine.a, affine.b, affine.f, affine.d, affine.e))
    return {**found, _CRS: found["crs_wkt"], "GeoTransform": transform}


def _positions(geobox: GeoBox) -> dict[str, Variable]:
    """The coordinates ``y`` and ``x`` of the centres of the pixels."""
    named = {axis["axis"].lower(): axis for axis in CRS(crs_name(geobox)).cs_to_cf()}
    affine, (height, width) = geobox.affine, geobox.shape
    y, x = affine.f + (np.arange(height) + 0.5) * affine.e, affine.c + (np.arange(width) + 0.5) * affine.a
    return {"y": (("y",), y, named["y"]), "x": (("x",), x, named["x"])}
