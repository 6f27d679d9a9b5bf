"""Writing and reading of rasters, block by block."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import numpy as np
import rasterio
import rasterio.shutil
from odc.geo.geobox import GeoBox
from rasterio._err import CPLE_BaseError
from rasterio.enums import Resampling
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader, DatasetWriter
from rasterio.windows import Window

from iota2.compute.placement import Range, pixels_at, source_coordinates
from iota2.core.grid import Block, crs_name, resolution
from iota2.errors import InputError, OutputError
from iota2.io.files.atomic import part_name, replacing
from iota2.io.files.gdal import open_raster, raster_grid, without_sidecars

TILE = 256
"""Pixels along a side of the tiles in a file."""
_GDAL_ERRORS = (RasterioError, CPLE_BaseError)
"""Exceptions when GDAL fails: on closing and copying, rasterio passes on those of GDAL."""
SMALLEST_OVERVIEW = 256
"""Pixels along a side of the smallest overview, at most."""


@dataclass(frozen=True)
class RasterProfile:
    """The grid, type and metadata of a raster file."""

    geobox: GeoBox
    dtype: str
    count: int = 1
    nodata: float | None = None
    descriptions: tuple[str, ...] = ()
    """One per band."""
    colours: Mapping[int, tuple[int, int, int]] = field(default_factory=dict)
    """Colour table (red, green, blue from 0 to 255) of a one-band raster of type uint8 or uint16."""
    tags: Mapping[str, str] = field(default_factory=dict)
    overviews: Literal["mode", "nearest", "average", "none"] = "none"

    @property
    def pixel_bytes(self) -> int:
        """Bytes of one pixel, all bands."""
        return self.count * np.dtype(self.dtype).itemsize


class RasterWriter:
    """Writes one GeoTIFF block by block; a context manager.

    Blocks may come in any order and shape: the bytes of the file are the same, since pixels go to a scratch
    file first and are copied in the file's own order at the end. Pixels that are not written are nodata, or 0. The
    file appears under its name when the body has ended well, and not before. Both files need room on the disk
    for that moment; the scratch file is not compressed.
    """

    def __init__(self, path: str | Path, profile: RasterProfile) -> None:
        self.path = Path(path)
        self.profile = profile
        self._scratch = part_name(self.path.with_suffix(".tif"), "scratch")
        self._file: DatasetWriter | None = None

    def __enter__(self) -> Self:
        _check_colours(self.path, self.profile)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._scratch.unlink(missing_ok=True)
        with without_sidecars():
            self._file = rasterio.open(self._scratch, "w", **_creation(self.profile))
        _describe(self._file, self.profile)
        return self

    def write(self, block: Block, values: np.ndarray) -> None:
        """Write ``values`` (y, x), or (band, y, x), of a block of the profile's grid.

        ``block.rows`` and ``block.cols`` count from the upper-left corner of the tile; the profile's grid
        may be a part of the tile. ValueError for values of another shape, or that the file's type cannot
        hold.
        """
        self.write_at(block.geobox, values)

    def write_at(self, geobox: GeoBox, values: np.ndarray) -> None:
        """Write ``values`` (y, x), or (band, y, x), at the position of ``geobox`` on the profile's grid."""
        layers = values if values.ndim == 3 else values[None]
        top, left = _position(geobox, self.profile.geobox)
        if layers.shape != (self.profile.count, *geobox.shape):
            raise ValueError(f"{self.path.name}: values {values.shape} for {self.profile.count} x {geobox.shape}")
        if not np.can_cast(layers.dtype, self.profile.dtype):
            raise ValueError(f"{self.path.name}: {layers.dtype} values in a file of {self.profile.dtype}")
        window = Window(left, top, geobox.shape.x, geobox.shape.y)
        if self._file is None:
            raise ValueError(f"{self.path.name} is not open")
        try:
            self._file.write(layers.astype(self.profile.dtype, copy=False), window=window)
        except _GDAL_ERRORS as err:
            raise _unwritable(self.path, err) from err

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._finish(keep=error is None)
        except _GDAL_ERRORS as err:
            # the first error is the one to report
            if error is None:
                raise OutputError(
                    f"{self.path}: cannot be written ({str(err).rstrip('.')}). Is the disk full?"
                ) from err
        finally:
            self._scratch.unlink(missing_ok=True)

    def _finish(self, *, keep: bool) -> None:
        """Close the scratch file and, to ``keep`` it, copy it to its name."""
        if self._file is None:
            return
        file, self._file = self._file, None
        factors = _factors(self.profile.geobox) if self.profile.overviews != "none" else []
        with without_sidecars():
            file.close()
            if keep and factors:  # on the file opened again: before, GDAL does not see its colour table
                with rasterio.open(self._scratch, "r+") as scratch:
                    scratch.build_overviews(factors, Resampling[self.profile.overviews])
            if keep:
                with replacing(self.path) as part:
                    rasterio.shutil.copy(self._scratch, part, driver="GTiff", **_layout(self.profile))


def _unwritable(path: Path, err: Exception) -> OutputError:
    reason = str(err).rstrip(".")
    return OutputError(f"{path}: cannot be written ({reason}). Is the disk full?")


def _creation(profile: RasterProfile) -> dict[str, Any]:
    """Creation options of the scratch file: tiles that are not written take no space."""
    height, width = profile.geobox.shape
    return {
        "driver": "GTiff",
        "height": height,
        "width": width,
        "count": profile.count,
        "dtype": profile.dtype,
        "crs": crs_name(profile.geobox),
        "transform": profile.geobox.affine,
        "nodata": profile.nodata,
        "tiled": True,
        "blockxsize": TILE,
        "blockysize": TILE,
        "interleave": "band",
        "SPARSE_OK": "TRUE",
        "BIGTIFF": "IF_SAFER",
    }


def _layout(profile: RasterProfile) -> dict[str, str]:
    """Creation options of the file. Every GeoTIFF reader supports DEFLATE."""
    predictor = {"f": "3", "i": "2", "u": "2"}[np.dtype(profile.dtype).kind]
    labels = profile.overviews in ("mode", "nearest") or bool(profile.colours)
    return {
        "TILED": "YES",
        "BLOCKXSIZE": str(TILE),
        "BLOCKYSIZE": str(TILE),
        "COMPRESS": "DEFLATE",
        "PREDICTOR": "1" if labels else predictor,
        "INTERLEAVE": "BAND",
        "BIGTIFF": "IF_SAFER",
        "COPY_SRC_OVERVIEWS": "YES",
    }


def _describe(file: DatasetWriter, profile: RasterProfile) -> None:
    """Write the descriptions, the colour table and the tags."""
    for band, text in enumerate(profile.descriptions, start=1):
        file.set_band_description(band, text)
    if profile.colours:
        file.write_colormap(1, {code: (*rgb, 255) for code, rgb in profile.colours.items()})
    if profile.tags:
        file.update_tags(**profile.tags)


def _check_colours(path: Path, profile: RasterProfile) -> None:
    """OutputError if the colour table has codes beyond the range of the type."""
    beyond = [code for code in profile.colours if not 0 <= code <= min(np.iinfo(profile.dtype).max, 65535)]
    if beyond:
        raise OutputError(f"{path}: a colour table of {profile.dtype} has no entry {beyond[0]}")


def _factors(geobox: GeoBox) -> list[int]:
    """Overview factors 2, 4, 8 … until both sides are small."""
    factors = []
    factor = 1
    while max(geobox.shape) / factor > SMALLEST_OVERVIEW:
        factor *= 2
        factors.append(factor)
    return factors


def _position(geobox: GeoBox, destination: GeoBox) -> tuple[int, int]:
    """Row and column of the upper-left pixel of ``geobox`` on ``destination``; ValueError if they share no
    pixels."""
    width, height = resolution(destination)
    row = (destination.affine.f - geobox.affine.f) / height
    col = (geobox.affine.c - destination.affine.c) / width
    same = geobox.crs == destination.crs and np.allclose(resolution(geobox), (width, height), rtol=1e-9)
    if not same or max(abs(row - round(row)), abs(col - round(col))) > 1e-3:
        raise ValueError(f"{geobox} is no part of the grid {destination}")
    return round(row), round(col)


class RasterReader:
    """Reads blocks of a raster; a context manager."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._source: DatasetReader = open_raster(path)
        if self._source.crs is None:
            self._source.close()
            raise InputError(f"{path}: has no coordinate system.")
        self.geobox: GeoBox = raster_grid(self._source)
        self.count: int = self._source.count
        self.dtype: np.dtype[Any] = np.dtype(self._source.dtypes[0])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._source.close()

    def read(self, geobox: GeoBox, *, band: int = 1, fill: float = 0) -> np.ndarray:
        """(y, x) of one band on ``geobox``; ``fill`` outside the file.

        InputError if ``geobox`` does not share the pixels of the raster.
        """
        return self._window(geobox, [band], fill)[0]

    def read_bands(self, geobox: GeoBox, *, fill: float = 0) -> np.ndarray:
        """(band, y, x) of all bands; see ``read``."""
        return self._window(geobox, list(range(1, self.count + 1)), fill)

    def at(self, row: np.ndarray, col: np.ndarray, *, fill: float = 0) -> np.ndarray:
        """(band, …) of all bands at pixels of the raster, ``row`` and ``col`` of any shape.

        ``fill`` where ``row`` is negative; see ``nearest_pixels``. Only the needed window is read.
        """
        within = row >= 0
        out = np.full((self.count, *row.shape), fill, self.dtype)
        if within.any():
            row, col = row[within], col[within]
            (top, left), width = (row.min(), col.min()), np.ptp(col) + 1
            values = self._pixels(list(range(1, self.count + 1)), Window(left, top, width, np.ptp(row) + 1))
            place = (row - top) * width + (col - left)
            for band, layer in zip(out, values, strict=True):
                band[within] = layer.ravel()[place]
        return out

    def _window(self, geobox: GeoBox, bands: list[int], fill: float) -> np.ndarray:
        try:
            top, left = _position(geobox, self.geobox)
        except ValueError as err:
            raise InputError(f"{self.path}: has another grid than the requested pixels.") from err
        out = np.full((len(bands), *geobox.shape), fill, self.dtype)
        rows = max(top, 0), min(top + geobox.shape.y, self.geobox.shape.y)
        cols = max(left, 0), min(left + geobox.shape.x, self.geobox.shape.x)
        if rows[0] < rows[1] and cols[0] < cols[1]:
            window = Window(cols[0], rows[0], cols[1] - cols[0], rows[1] - rows[0])
            place = slice(rows[0] - top, rows[1] - top), slice(cols[0] - left, cols[1] - left)
            out[:, *place] = self._pixels(bands, window)
        return out

    def _pixels(self, bands: list[int], window: Window) -> np.ndarray:
        try:
            return self._source.read(bands, window=window)
        except RasterioError as err:
            raise InputError(f"{self.path}: cannot be read: {err}. The file is damaged.") from err


def read_block(path: str | Path, block: Block, *, fill: float = 0) -> np.ndarray:
    """(y, x) of the first band of a raster on ``block``, ``fill`` beyond the file; see
    ``RasterReader.read``."""
    with RasterReader(path) as reader:
        return reader.read(block.geobox, fill=fill)


def nearest_pixels(source: GeoBox, destination: GeoBox, rows: Range, cols: Range) -> tuple[np.ndarray, np.ndarray]:
    """Row and column (y, x) of the pixel of ``source`` at each centre of a block of ``destination``, in any CRS.

    Both are -1 beyond ``source``. Positions are accurate to 0.01 pixel and do not depend on how blocks are
    cut.
    """
    return pixels_at(*source_coordinates(source, destination, rows, cols), (source.shape.y, source.shape.x))


def raster_geobox(path: str | Path) -> GeoBox:
    """The grid of a raster file; InputError if it cannot be opened or has no CRS."""
    with RasterReader(path) as reader:
        return reader.geobox


def decimated(path: str | Path, max_pixels: int, *, band: int = 1) -> np.ndarray:
    """(y, x) of one band, thinned to at most ``max_pixels`` by taking every n-th pixel or an overview of the
    file."""
    with open_raster(path) as source:
        step = max(1.0, float(np.sqrt(source.height * source.width / max_pixels)))
        shape = (max(1, int(source.height / step)), max(1, int(source.width / step)))
        return source.read(band, out_shape=shape, resampling=Resampling.nearest)
