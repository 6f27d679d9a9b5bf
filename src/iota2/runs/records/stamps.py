"""Stamps of outputs (size, time and checksum of files), and the detection of changes."""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass, replace
from pathlib import Path
from sys import intern

from iota2.io.files.atomic import SHAPEFILE_SUFFIXES

MISSING_STAMP = (0, 0)
"""Size and time of a missing output."""
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Stamp:
    """State of an output when it was made: a file, a shapefile with its companions, or a folder."""

    size: int
    """Bytes of all files of the output."""
    modified: int
    """Latest modification time of its files, nanoseconds."""
    checksum: str
    """Digest of the names and bytes of its files, which downstream jobs compare."""


def members(path: Path) -> list[Path]:
    """The files of one output, sorted; empty for a missing output."""
    if path.is_dir():
        return sorted(member for member in path.rglob("*") if member.is_file())
    if not path.is_file():
        return []
    if path.suffix == ".shp":
        stem = str(path).removesuffix(".shp")
        return sorted(Path(stem + suffix) for suffix in SHAPEFILE_SUFFIXES if os.path.isfile(stem + suffix))
    return [path]


def stat_stamp(path: str | Path) -> tuple[int, int]:
    """Size and time of an output, as in ``Stamp``; (0, 0) for a missing output."""
    text = str(path)
    if not text.endswith(".shp"):
        try:
            seen = os.stat(text)
        except OSError:
            return MISSING_STAMP
        if stat.S_ISREG(seen.st_mode):
            return seen.st_size, seen.st_mtime_ns
    found = [os.stat(member) for member in members(Path(path))]
    return sum(one.st_size for one in found), max((one.st_mtime_ns for one in found), default=0)


def checksum(path: Path) -> str:
    """Digest of the names (relative to the output) and bytes of its files."""
    total = hashlib.blake2b(digest_size=16)
    for member in members(path):
        name = member.relative_to(path) if path.is_dir() else member.suffix
        total.update(f"{name}\0".encode())
        with open(member, "rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                total.update(chunk)
    return total.hexdigest()


def checksum_of_text(path: Path, text: str) -> str:
    """The checksum of a file ``path`` with the content ``text``."""
    return hashlib.blake2b(f"{path.suffix}\0{text}".encode(), digest_size=16).hexdigest()


def stamp_of(path: Path) -> Stamp:
    """The current stamp of an output."""
    return Stamp(*stat_stamp(path), checksum(path))


def unchanged_stamp(path: Path, stamp: Stamp, *, deep: bool = False) -> Stamp | None:
    """The stamp with the current time if the output's content is unchanged, else None.

    Bytes are compared if the time differs, or with ``deep``.
    """
    size, modified = stat_stamp(path)
    if size != stamp.size or ((deep or modified != stamp.modified) and checksum(path) != stamp.checksum):
        return None
    return replace(stamp, modified=modified)


def relative(path: Path, root: Path) -> str:
    """A path of the output tree in the form of records."""
    text, base = str(path), f"{root}{os.sep}"
    return intern(text[len(base) :] if text.startswith(base) else path.relative_to(root).as_posix())
