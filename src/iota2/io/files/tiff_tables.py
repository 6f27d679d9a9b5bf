"""Offset tables of TIFF files: absent blocks and impossible ones."""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from iota2.core.files import require_regular

_SIZES = {1: "u1", 2: "u1", 3: "u2", 4: "u4", 13: "u4", 16: "u8", 18: "u8"}
"""Type of a field by its number (TIFF 6.0, section 2; BigTIFF)."""
_OFFSETS, _COUNTS = (273, 324), (279, 325)
_LOST = 0.25
"""Share of the bytes that absent blocks would take (estimated from the others, else from the file). From this number of
unreferenced bytes on, they are pixels that the tables have lost."""
_LEAST = 64
"""Unreferenced bytes that any file may have."""
_MOST_FIELDS = 4096
_MOST = 1000
"""Images of a file that are examined, at most."""


@dataclass(frozen=True)
class Blocks:
    """The strips or tiles of the first image of a file."""

    count: int
    absent: int
    """Blocks that are not stored, as in sparse files."""
    broken: int
    """Blocks with an offset and no length, a length and no offset, or an end beyond the file."""
    lost: int
    """Bytes of the file to which no table refers."""
    expected: float
    """Bytes that the absent blocks would take."""

    @property
    def damaged(self) -> bool:
        """Whether pixels are lost: impossible blocks, or absent ones whose bytes are still in the file."""
        return bool(self.broken or (self.absent and self.lost > max(_LEAST, _LOST * self.expected)))


def read_blocks(path: str | Path) -> Blocks | None:
    """The blocks of a TIFF file; None for another format or unreadable tables."""
    try:
        require_regular(path)
        with open(path, "rb") as file:
            return _blocks(file)
    except (OSError, struct.error, ValueError, KeyError):
        return None


@dataclass(frozen=True)
class _Form:
    """Byte order and sizes of numbers in a file."""

    order: str
    """Byte order, as in ``struct``."""
    big: bool
    """Whether offsets have 8 bytes (BigTIFF)."""

    @property
    def width(self) -> int:
        """Bytes of an offset, of a count, and of values stored in the field itself."""
        return 8 if self.big else 4

    def number(self, content: bytes) -> int:
        """An offset or a count."""
        (found,) = struct.unpack(f"{self.order}{'Q' if self.big else 'I'}", content)
        return int(found)


def _form_of(head: bytes) -> _Form | None:
    """The form of a file that begins with ``head``; None when it is no TIFF."""
    order = {b"II": "<", b"MM": ">"}.get(head[:2])
    if order is None:
        return None
    (magic,) = struct.unpack(f"{order}H", head[2:4])
    return _Form(order, magic == 43) if magic in (42, 43) else None


def _blocks(file: BinaryIO) -> Blocks | None:
    head = file.read(16)
    form = _form_of(head)
    if form is None:
        return None
    place = form.number(head[8:16] if form.big else head[4:8])
    used, seen = 16 if form.big else 8, set[int]()
    images: list[tuple[np.ndarray, np.ndarray]] = []
    while place and place not in seen and len(seen) < _MOST:
        seen.add(place)
        tables, length, place = _directory(file, place, form)
        offsets, counts = (next((tables[tag] for tag in tags if tag in tables), None) for tags in (_OFFSETS, _COUNTS))
        if offsets is None or counts is None or len(offsets) != len(counts):
            return None
        images.append((offsets, counts))
        used += length + int(counts.sum())
    return _judged(*images[0], used, file.seek(0, os.SEEK_END)) if images else None


def _judged(offsets: np.ndarray, counts: np.ndarray, used: int, size: int) -> Blocks:
    """The blocks of a file by its tables; ``used``: bytes of all tables and pixels."""
    absent = (offsets == 0) & (counts == 0)
    broken = ((offsets == 0) != (counts == 0)) | (offsets + counts > size)
    stored = counts[~absent]
    expected = float(absent.sum() * stored.mean()) if len(stored) else float(size)
    return Blocks(len(offsets), int(absent.sum()), int(broken.sum()), max(0, size - used), expected)


def _directory(file: BinaryIO, place: int, form: _Form) -> tuple[dict[int, np.ndarray], int, int]:
    """The tables of offsets and lengths of an image, the bytes of its directory, and the offset of the next one."""
    head, entry = (8, 20) if form.big else (2, 12)
    file.seek(place)
    (count,) = struct.unpack(f"{form.order}{'Q' if form.big else 'H'}", file.read(head))
    if count > _MOST_FIELDS:
        raise ValueError("no directory")
    content = file.read(count * entry + form.width)
    tables, length = {}, head + len(content)
    for start in range(0, count * entry, entry):
        field = content[start : start + entry]
        tag, kind = struct.unpack(f"{form.order}HH", field[:4])
        values = form.number(field[4 : 4 + form.width])
        size = values * (np.dtype(_SIZES[kind]).itemsize if kind in _SIZES else 8)
        length += size if size > form.width else 0
        if tag in (*_OFFSETS, *_COUNTS):
            tables[tag] = _values(file, field[4 + form.width :], form, np.dtype(f"{form.order}{_SIZES[kind]}"), values)
    return tables, length, form.number(content[count * entry :])


def _values(file: BinaryIO, field: bytes, form: _Form, dtype: np.dtype, count: int) -> np.ndarray:
    """The values of a field; small ones are stored in the field itself."""
    if count * dtype.itemsize > form.width:
        file.seek(form.number(field))
        field = file.read(count * dtype.itemsize)
    return np.frombuffer(field, dtype, count).astype(np.int64)
