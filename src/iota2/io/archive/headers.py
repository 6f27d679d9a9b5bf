"""Image headers, and detection of truncated files."""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass, field
from typing import BinaryIO

from odc.geo.geobox import GeoBox
from rasterio.io import DatasetReader

from iota2.core.scene import FileFormat
from iota2.errors import InputError
from iota2.io.files.addresses import is_remote
from iota2.io.files.gdal import band_count_problems, grid_problems, open_image, raster_grid

_END_OF_CODESTREAM = b"\xff\xd9"
"""The marker that ends the pixels of a JPEG 2000 file (ISO/IEC 15444-1, A.4.4)."""


@dataclass(frozen=True)
class Header:
    """The parts of an image header that a scan needs."""

    grid: GeoBox
    block: tuple[int, int]
    """Rows and columns of the tiles or strips in which the image is stored."""
    types: tuple[str, ...]
    """Data type of each band."""
    nodata: tuple[float | None, ...]
    """No-data value of each band that the file declares, or None."""
    scaling: tuple[tuple[float, float], ...] = ()
    """(scale, offset) of each band that the file declares; (1, 0) when it declares none."""

    def format_of(self, index: int) -> FileFormat:
        """Storage format of band ``index``, from 1."""
        rows, cols = self.grid.shape
        return FileFormat(self.types[index - 1], (rows, cols), self.block, len(self.types))


@dataclass(frozen=True)
class _OpenResult:
    """Result of opening an image."""

    header: Header | None = None
    bands: int = 0
    faults: tuple[str, ...] = ()
    """Reasons why no band of the image can be used."""
    damage: str = ""
    """Message about a damaged file; empty for an intact one."""


@dataclass
class HeaderReader:
    """Cache of image headers: each image is opened once. Safe for use by several threads."""

    _found: dict[str, _OpenResult] = field(default_factory=dict, init=False, repr=False)

    def read(self, path: str, index: int) -> tuple[Header | None, list[str]]:
        """Header of an image that must have band ``index``, else None and the reasons why it is unusable.

        Raises InputError when the file is damaged. A truncated file on a web server is detected only when its pixels
        are read.
        """
        found = self._found.get(path)
        if found is None:
            found = self._found[path] = _opened(path)
        if found.damage:
            raise InputError(found.damage)
        lacking = band_count_problems(found.bands, index)
        faults = [f"{path}: {fault}" for fault in (*lacking, *found.faults)]
        return (None if faults else found.header), faults


def read_header(path: str, index: int) -> tuple[Header | None, list[str]]:
    """Header of one image, see ``HeaderReader.read``."""
    return HeaderReader().read(path, index)


def _opened(path: str) -> _OpenResult:
    try:
        with open_image(path) as source:
            faults = grid_problems(source)
            if not is_remote(path) and _ends_early(source):
                return _OpenResult(
                    damage=f"{path}: is truncated: its last pixels are missing. Download or copy it again"
                )
            scaling = tuple(zip(map(float, source.scales), map(float, source.offsets), strict=True))
            said = source.block_shapes[0], tuple(source.dtypes), tuple(source.nodatavals), scaling
            header = None if faults else Header(raster_grid(source), *said)
            return _OpenResult(header, source.count, tuple(faults))
    except InputError as err:
        return _OpenResult(damage=str(err))


def _ends_early(source: DatasetReader) -> bool:
    """Whether a file is truncated before its last pixels."""
    if source.driver != "GTiff":
        with open(source.name, "rb") as file:
            return jpeg_2000_ends_early(file)
    rows, cols = source.block_shapes[-1]
    last = f"{(source.width - 1) // cols}_{(source.height - 1) // rows}"
    found = [source.get_tag_item(f"BLOCK_{what}_{last}", "TIFF", bidx=source.count) for what in ("OFFSET", "SIZE")]
    return None not in found and int(found[0]) + int(found[1]) > os.path.getsize(source.name)


def jpeg_2000_ends_early(file: BinaryIO) -> bool:
    """Whether a JPEG 2000 file, with boxes or as a bare codestream, is truncated before the end of its codestream.

    A box (ISO/IEC 15444-1, I.4) begins with its length of 4 bytes and its type. Length 1 means that a length of 8 bytes
    follows the type. Length 0 means that the box extends to the end of the file.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    if file.read(2) == b"\xff\x4f":
        return not _ends_with_marker(file, size)
    at = 0
    while at < size:
        file.seek(at)
        head = file.read(16)
        length = int.from_bytes(head[:4]) if len(head) >= 8 else size
        if length == 1 and len(head) == 16:
            (length,) = struct.unpack(">Q", head[8:])
        if head[4:8] == b"jp2c":
            return not _ends_with_marker(file, size) if length == 0 else at + length > size
        if length < 8:
            return False  # not a box: the file is damaged, but not truncated
        at += length
    return True


def _ends_with_marker(file: BinaryIO, size: int) -> bool:
    file.seek(max(0, size - 2))
    return file.read(2) == _END_OF_CODESTREAM
