"""Detection of lost pixels in TIFF files, by the tables with the offset and length of each strip or tile."""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from iota2.core.files import require_regular

_SIZES = {1: "u1", 2: "u1", 3: "u2", 4: "u4", 13: "u4", 16: "u8", 18: "u8"}
"""NumPy type by the number of a TIFF field type (TIFF 6.0, section 2; BigTIFF)."""
_OFFSET_TAGS, _LENGTH_TAGS = (273, 324), (279, 325)
"""TIFF tags of the offsets and lengths of strips and of tiles."""
_LOST_SHARE = 0.25
"""Unreferenced bytes are lost pixels when they exceed this share of the estimated size of the absent blocks."""
_MIN_LOST_BYTES = 64
"""Number of unreferenced bytes that any intact file may have."""
_MAX_FIELDS = 4096
"""Maximum number of fields of a valid image file directory."""
_MAX_IMAGES = 1000
"""Maximum number of images (such as overviews) of a file that are examined."""


@dataclass(frozen=True)
class Blocks:
    """Statistics of the blocks (strips or tiles) of the first image of a file."""

    count: int
    """Number of all blocks."""
    absent: int
    """Number of blocks that are not stored, as in sparse files."""
    broken: int
    """Number of blocks with an offset and no length, a length and no offset, or an end beyond the file."""
    lost: int
    """Number of bytes of the file to which no table refers."""
    expected: float
    """Estimated size of the absent blocks in bytes: their number times the mean of the stored blocks; the size of the
    file when no block is stored."""

    @property
    def damaged(self) -> bool:
        """Whether pixels are lost: some blocks are broken, or the bytes of absent blocks are still in the file."""
        return bool(self.broken or (self.absent and self.lost > max(_MIN_LOST_BYTES, _LOST_SHARE * self.expected)))


def read_blocks(path: str | Path) -> Blocks | None:
    """Block statistics of a TIFF file; None for another format or unreadable tables."""
    try:
        require_regular(path)
        with open(path, "rb") as file:
            return _blocks(file)
    except (OSError, struct.error, ValueError, KeyError):
        return None


@dataclass(frozen=True)
class _Encoding:
    """Byte order and size of the numbers in a file."""

    order: str
    """Byte order character of ``struct``."""
    big: bool
    """Whether offsets have 8 bytes (BigTIFF)."""

    @property
    def width(self) -> int:
        """Size in bytes of an offset, of a count, and of the values stored in a field itself."""
        return 8 if self.big else 4

    def number(self, content: bytes) -> int:
        """Decode an offset or a count."""
        (found,) = struct.unpack(f"{self.order}{'Q' if self.big else 'I'}", content)
        return int(found)


def _encoding_of(head: bytes) -> _Encoding | None:
    """The encoding of a file that begins with ``head``; None when it is not a TIFF file."""
    order = {b"II": "<", b"MM": ">"}.get(head[:2])
    if order is None:
        return None
    (magic,) = struct.unpack(f"{order}H", head[2:4])
    return _Encoding(order, magic == 43) if magic in (42, 43) else None


def _blocks(file: BinaryIO) -> Blocks | None:
    head = file.read(16)
    encoding = _encoding_of(head)
    if encoding is None:
        return None
    place = encoding.number(head[8:16] if encoding.big else head[4:8])
    used, seen = 16 if encoding.big else 8, set[int]()
    images: list[tuple[np.ndarray, np.ndarray]] = []
    while place and place not in seen and len(seen) < _MAX_IMAGES:
        seen.add(place)
        tables, length, place = _directory(file, place, encoding)
        offsets, counts = (
            next((tables[tag] for tag in tags if tag in tables), None) for tags in (_OFFSET_TAGS, _LENGTH_TAGS)
        )
        if offsets is None or counts is None or len(offsets) != len(counts):
            return None
        images.append((offsets, counts))
        used += length + int(counts.sum())
    return _block_statistics(*images[0], used, file.seek(0, os.SEEK_END)) if images else None


def _block_statistics(offsets: np.ndarray, counts: np.ndarray, used: int, size: int) -> Blocks:
    """Block statistics from the tables of the first image; ``used``: size in bytes of all tables and blocks."""
    absent = (offsets == 0) & (counts == 0)
    broken = ((offsets == 0) != (counts == 0)) | (offsets + counts > size)
    stored = counts[~absent]
    expected = float(absent.sum() * stored.mean()) if len(stored) else float(size)
    return Blocks(len(offsets), int(absent.sum()), int(broken.sum()), max(0, size - used), expected)


def _directory(file: BinaryIO, place: int, encoding: _Encoding) -> tuple[dict[int, np.ndarray], int, int]:
    """Offset and length tables of an image by tag, size of its directory in bytes, and offset of the next directory."""
    head, entry = (8, 20) if encoding.big else (2, 12)
    file.seek(place)
    (count,) = struct.unpack(f"{encoding.order}{'Q' if encoding.big else 'H'}", file.read(head))
    if count > _MAX_FIELDS:
        raise ValueError("no directory")
    content = file.read(count * entry + encoding.width)
    tables, length = {}, head + len(content)
    for start in range(0, count * entry, entry):
        field = content[start : start + entry]
        tag, kind = struct.unpack(f"{encoding.order}HH", field[:4])
        values = encoding.number(field[4 : 4 + encoding.width])
        size = values * (np.dtype(_SIZES[kind]).itemsize if kind in _SIZES else 8)
        length += size if size > encoding.width else 0
        if tag in (*_OFFSET_TAGS, *_LENGTH_TAGS):
            tables[tag] = _values(
                file, field[4 + encoding.width :], encoding, np.dtype(f"{encoding.order}{_SIZES[kind]}"), values
            )
    return tables, length, encoding.number(content[count * entry :])


def _values(file: BinaryIO, field: bytes, encoding: _Encoding, dtype: np.dtype, count: int) -> np.ndarray:
    """The values of a field; small ones are stored in the field itself."""
    if count * dtype.itemsize > encoding.width:
        file.seek(encoding.number(field))
        field = file.read(count * dtype.itemsize)
    return np.frombuffer(field, dtype, count).astype(np.int64)
