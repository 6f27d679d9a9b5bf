"""Block-wise writing and reading of rasters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import numpy as np
import rasterio
import rasterio.shutil
from odc.geo.geobox import GeoBox
from rasterio._err import CPLE_BaseError
from rasterio.enums import ColorInterp, Resampling
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader, DatasetWriter
from rasterio.windows import Window

from iota2.compute.placement import Range, pixels_at, source_coordinates
from iota2.core.grid import Block, crs_name, resolution
from iota2.errors import InputError, OutputError
from iota2.io.files.atomic import replacing, temporary_path
from iota2.io.files.gdal import alpha_bands, has_mask, open_raster, raster_grid, reason_of, without_sidecars

TILE_PIXELS = 256
"""Width and height of the internal tiles of a file."""
_GDAL_ERRORS = (RasterioError, CPLE_BaseError)
"""Exceptions when GDAL fails: in closing and copying, rasterio lets those of GDAL through."""
MAX_SMALLEST_OVERVIEW_PIXELS = 256
"""Maximum width and height of the smallest overview."""


@dataclass(frozen=True)
class RasterProfile:
    """The grid, type and metadata of a raster file."""

    geobox: GeoBox
    dtype: str
    count: int = 1
    nodata: float | None = None
    descriptions: tuple[str, ...] = ()
    """Description of each band."""
    units: tuple[str, ...] = ()
    """Unit of each band; empty for a band without one."""
    scaling: tuple[tuple[float, float], ...] = ()
    """(scale, offset) of each band, for readers of the file; (1, 0) for each if empty."""
    colours: Mapping[int, tuple[int, int, int]] = field(default_factory=dict)
    """Colour table (red, green, blue from 0 to 255) of a one-band raster of type uint8 or uint16."""
    tags: Mapping[str, str] = field(default_factory=dict)
    band_tags: tuple[Mapping[str, str], ...] = ()
    """Metadata items of each band."""
    overviews: Literal["mode", "nearest", "average", "none"] = "none"
    quick: bool = False
    """Compression at the lowest level: for floats nearly as small, and written in half the time."""
    scratch: bool = False
    """A file for its job alone: not compressed, without overviews, and its bytes depend on the order of the blocks."""

    @property
    def pixel_bytes(self) -> int:
        """Size of one pixel of all bands, in bytes."""
        return self.count * np.dtype(self.dtype).itemsize


class RasterWriter:
    """Context manager that writes one GeoTIFF block by block.

    The bytes of the file do not depend on the order and shape of the blocks: pixels are written to a scratch file first
    and copied in a fixed order at the end. Pixels that are not written are nodata, or 0 without a nodata value.

    The file gets its final name only when the body of the context succeeds. During the copy, both files need disk
    space; the scratch file is not compressed. If the profile is that of a scratch file, there is no copy.
    """

    def __init__(self, path: str | Path, profile: RasterProfile) -> None:
        self.path = Path(path)
        self.profile = profile
        self._scratch = temporary_path(self.path.with_suffix(".tif"), "scratch")
        self._file: DatasetWriter | None = None

    def __enter__(self) -> Self:
        _check_colours(self.path, self.profile)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._scratch.unlink(missing_ok=True)
        with without_sidecars():
            self._file = rasterio.open(self._scratch, "w", **_scratch_options(self.profile))
        _describe(self._file, self.profile)
        return self

    def write(self, block: Block, values: np.ndarray) -> None:
        """Write ``values`` (y, x), or (band, y, x), at the position of ``block.geobox`` on the profile's grid.

        ``block.rows`` and ``block.cols`` are not used: they count from the upper-left corner of the tile, and the
        profile's grid may be a part of the tile. ValueError for values of another shape, or of a type that cannot be
        cast safely to that of the file.
        """
        self.write_at(block.geobox, values)

    def write_at(self, geobox: GeoBox, values: np.ndarray, bands: Sequence[int] | None = None) -> None:
        """Write ``values`` (y, x), or (band, y, x), at the position of ``geobox`` on the profile's grid.

        ``bands``: only these, from 0; None for all.
        """
        layers = values if values.ndim == 3 else values[None]
        numbers = [band + 1 for band in (range(self.profile.count) if bands is None else bands)]
        top, left = position_on(geobox, self.profile.geobox)
        if layers.shape != (len(numbers), *geobox.shape):
            raise ValueError(f"{self.path.name}: values {values.shape} for {len(numbers)} x {geobox.shape}")
        if not np.can_cast(layers.dtype, self.profile.dtype):
            raise ValueError(f"{self.path.name}: {layers.dtype} values in a file of {self.profile.dtype}")
        window = Window(left, top, geobox.shape.x, geobox.shape.y)
        if self._file is None:
            raise ValueError(f"{self.path.name} is not open")
        try:
            self._file.write(layers.astype(self.profile.dtype, copy=False), numbers, window=window)
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
        """Close the scratch file; with ``keep``, copy it to the final file."""
        if self._file is None:
            return
        file, self._file = self._file, None
        factors = _overview_factors(self.profile.geobox) if self.profile.overviews != "none" else []
        with without_sidecars():
            file.close()
            if keep and self.profile.scratch:
                self._scratch.replace(self.path)
                return
            if keep and factors:  # the file is opened again, since GDAL does not see a colour table just written
                with rasterio.open(self._scratch, "r+") as scratch:
                    scratch.build_overviews(factors, Resampling[self.profile.overviews])
            if keep:
                with replacing(self.path) as part:
                    rasterio.shutil.copy(self._scratch, part, driver="GTiff", **_file_options(self.profile))


def _unwritable(path: Path, err: Exception) -> OutputError:
    reason = str(err).rstrip(".")
    return OutputError(f"{path}: cannot be written ({reason}). Is the disk full?")


_NO_COLOURS = {"PHOTOMETRIC": "MINISBLACK"}
"""Creation option of files without colour table: by default, GDAL marks 3 bands of type uint8 as red, green and blue,
and a fourth as transparency. Both files need it; otherwise the difference is stored as metadata."""


def _scratch_options(profile: RasterProfile) -> dict[str, Any]:
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
        "blockxsize": TILE_PIXELS,
        "blockysize": TILE_PIXELS,
        "interleave": "band",
        "SPARSE_OK": "TRUE",
        "BIGTIFF": "IF_SAFER",
        **({} if profile.colours else _NO_COLOURS),
    }


def _file_options(profile: RasterProfile) -> dict[str, str]:
    """Creation options of the final file; every GeoTIFF reader supports DEFLATE."""
    predictor = {"f": "3", "i": "2", "u": "2"}[np.dtype(profile.dtype).kind]
    labels = profile.overviews in ("mode", "nearest") or bool(profile.colours)
    return {
        "TILED": "YES",
        "BLOCKXSIZE": str(TILE_PIXELS),
        "BLOCKYSIZE": str(TILE_PIXELS),
        "COMPRESS": "DEFLATE",
        "PREDICTOR": "1" if labels else predictor,
        "INTERLEAVE": "BAND",
        "BIGTIFF": "IF_SAFER",
        "COPY_SRC_OVERVIEWS": "YES",
        **({} if profile.colours else _NO_COLOURS),
        **({"ZLEVEL": "1"} if profile.quick else {}),
    }


def _describe(file: DatasetWriter, profile: RasterProfile) -> None:
    """Write the band descriptions and units, the scaling, the colour table and the metadata items."""
    for band, text in enumerate(profile.descriptions, start=1):
        file.set_band_description(band, text)
    for band, unit in enumerate(profile.units, start=1):
        if unit:
            file.set_band_unit(band, unit)
    if profile.scaling:
        file.scales, file.offsets = zip(*profile.scaling, strict=True)
    if profile.colours:
        file.write_colormap(1, {code: (*rgb, 255) for code, rgb in profile.colours.items()})
    if profile.tags:
        file.update_tags(**profile.tags)
    for band, tags in enumerate(profile.band_tags, start=1):
        file.update_tags(band, **tags)


def _check_colours(path: Path, profile: RasterProfile) -> None:
    """Raise OutputError if the colour table has codes outside the range of the data type."""
    beyond = [code for code in profile.colours if not 0 <= code <= min(np.iinfo(profile.dtype).max, 65535)]
    if beyond:
        raise OutputError(f"{path}: code {beyond[0]} is outside the range of a colour table of {profile.dtype}")


def _overview_factors(geobox: GeoBox) -> list[int]:
    """Overview factors 2, 4, 8 … down to the smallest overview."""
    factors = []
    factor = 1
    while max(geobox.shape) / factor > MAX_SMALLEST_OVERVIEW_PIXELS:
        factor *= 2
        factors.append(factor)
    return factors


def position_on(geobox: GeoBox, destination: GeoBox) -> tuple[int, int]:
    """Row and column of the upper-left pixel of ``geobox`` on ``destination``.

    ValueError if the pixels of the two grids are not aligned.
    """
    width, height = resolution(destination)
    row = (destination.affine.f - geobox.affine.f) / height
    col = (geobox.affine.c - destination.affine.c) / width
    same = geobox.crs == destination.crs and np.allclose(resolution(geobox), (width, height), rtol=1e-9)
    if not same or max(abs(row - round(row)), abs(col - round(col))) > 1e-3:
        raise ValueError(f"the pixels of {geobox} are not aligned with the grid {destination}")
    return round(row), round(col)


class RasterReader:
    """Context manager that reads blocks of a raster; InputError if it cannot be opened or has no CRS."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._source: DatasetReader = open_raster(path)
        if self._source.crs is None:
            self._source.close()
            raise InputError(f"{path}: has no coordinate system.")
        self.geobox: GeoBox = raster_grid(self._source)
        self.count: int = self._source.count
        self.dtype: np.dtype[Any] = np.dtype(self._source.dtypes[0])
        self.descriptions: tuple[str, ...] = tuple(text or "" for text in self._source.descriptions)
        """Description of each band; empty for a band without one."""
        self.nodata: float | None = self._source.nodata
        """No-data value of the first band."""
        self._alpha_bands = alpha_bands(self._source)
        self.data_bands: list[int] = [band for band in range(1, self.count + 1) if band not in self._alpha_bands]
        """Numbers of the bands, from 1, apart from those of transparency."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._source.close()

    def profile_on(self, geobox: GeoBox, nodata: float | None) -> RasterProfile:
        """The profile of a file with the ``data_bands`` of the raster on another grid.

        Descriptions, units, scaling, colours and metadata items are kept, apart from those that describe the pixels.
        """
        source, places = self._source, [band - 1 for band in self.data_bands]
        palette = source.colormap(1) if source.colorinterp[0] == ColorInterp.palette else {}
        return RasterProfile(
            geobox,
            self.dtype.name,
            len(places),
            nodata,
            descriptions=tuple(self.descriptions[k] for k in places),
            units=tuple(source.units[k] or "" for k in places),
            scaling=tuple((source.scales[k], source.offsets[k]) for k in places),
            colours={code: (red, green, blue) for code, (red, green, blue, _) in palette.items()},
            tags=_kept_items(source.tags()),
            band_tags=tuple(_kept_items(source.tags(band)) for band in self.data_bands),
        )

    def read_data(self, geobox: GeoBox, nodata: float | None) -> np.ndarray:
        """(band, y, x) values of the ``data_bands`` on a part of the raster; see ``read``.

        The result is ``nodata`` where the mask of the file or a band of transparency has 0; other degrees of
        transparency are data. Without ``nodata``, these are ignored.
        """
        values = self.read_bands(geobox, self.data_bands)
        for band in self._alpha_bands if nodata is not None else ():
            values[:, self.read(geobox, band=band) == 0] = nodata
        if nodata is not None and has_mask(self._source):
            top, left = position_on(geobox, self.geobox)
            window = Window(left, top, geobox.shape.x, geobox.shape.y)
            values[:, self._source.read_masks(1, window=window) == 0] = nodata
        return values

    def read(self, geobox: GeoBox, *, band: int = 1, fill: float = 0) -> np.ndarray:
        """(y, x) values of one band on ``geobox``; ``fill`` outside the file.

        InputError if the pixels of ``geobox`` are not aligned with those of the raster.
        """
        return self._window(geobox, [band], fill)[0]

    def read_bands(self, geobox: GeoBox, bands: Sequence[int] | None = None, *, fill: float = 0) -> np.ndarray:
        """(band, y, x) values of the bands with these numbers, from 1, or of all bands; see ``read``."""
        return self._window(geobox, list(range(1, self.count + 1) if bands is None else bands), fill)

    def at(
        self, row: np.ndarray, col: np.ndarray, *, fill: float = 0, bands: Sequence[int] | None = None
    ) -> np.ndarray:
        """(band, …) values of all bands at the pixels ``row``, ``col`` (arrays of any shape) of the raster.

        ``bands``: only these, from 0. The result is ``fill`` where ``row`` is negative, as ``nearest_pixels`` returns
        outside the raster. Only the smallest window with these pixels is read.
        """
        within = row >= 0
        numbers = [band + 1 for band in (range(self.count) if bands is None else bands)]
        out = np.full((len(numbers), *row.shape), fill, self.dtype)
        if within.any():
            row, col = row[within], col[within]
            (top, left), width = (row.min(), col.min()), np.ptp(col) + 1
            values = self._pixels(numbers, Window(left, top, width, np.ptp(row) + 1))
            place = (row - top) * width + (col - left)
            for band, layer in zip(out, values, strict=True):
                band[within] = layer.ravel()[place]
        return out

    def decimated(self, max_pixels: int, *, band: int = 1) -> np.ndarray:
        """(y, x) values of one band at reduced resolution: about ``max_pixels``, more if the raster is very narrow.

        Pixels are chosen by nearest neighbour, from an overview if the file has a suitable one.
        """
        height, width = self.geobox.shape
        step = max(1.0, float(np.sqrt(height * width / max_pixels)))
        shape = (max(1, int(height / step)), max(1, int(width / step)))
        return self._source.read(band, out_shape=shape, resampling=Resampling.nearest)

    def _window(self, geobox: GeoBox, bands: list[int], fill: float) -> np.ndarray:
        try:
            top, left = position_on(geobox, self.geobox)
        except ValueError as err:
            raise InputError(f"{self.path}: its pixels are not aligned with the requested grid.") from err
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
            raise InputError(
                f"{self.path}: cannot be read: {reason_of(err)}. The file is damaged: create or copy it again."
            ) from err


def _kept_items(tags: Mapping[str, str]) -> dict[str, str]:
    """The metadata items that do not describe the pixels of a file, which another file lacks."""
    return {key: text for key, text in tags.items() if key != "AREA_OR_POINT" and not key.startswith("STATISTICS_")}


def read_block(path: str | Path, block: Block, *, fill: float = 0) -> np.ndarray:
    """(y, x) values of the first band of a raster on ``block``, ``fill`` outside; see ``RasterReader.read``."""
    with RasterReader(path) as reader:
        return reader.read(block.geobox, fill=fill)


def nearest_pixels(source: GeoBox, destination: GeoBox, rows: Range, cols: Range) -> tuple[np.ndarray, np.ndarray]:
    """Row and column, (y, x) each, of the ``source`` pixel at the centre of each pixel of a block of ``destination``.

    The grids may have different CRS. Row and column are -1 outside ``source``. Positions are accurate to 0.01 pixel and
    do not depend on the block shape.
    """
    return pixels_at(*source_coordinates(source, destination, rows, cols), (source.shape.y, source.shape.x))


def raster_geobox(path: str | Path) -> GeoBox:
    """The grid of a raster file; InputError if it cannot be opened or has no CRS."""
    with RasterReader(path) as reader:
        return reader.geobox


def decimated(path: str | Path, max_pixels: int, *, band: int = 1) -> np.ndarray:
    """(y, x) values of one band at reduced resolution; see ``RasterReader.decimated``."""
    with RasterReader(path) as reader:
        return reader.decimated(max_pixels, band=band)
