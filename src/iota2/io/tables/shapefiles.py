"""Checks of the files of a shapefile, and messages about their encoding."""

from __future__ import annotations

import struct
from pathlib import Path

from iota2.errors import InputError

SHAPEFILE_SIGNATURE = b"\0\0\x27\x0a"
"""First bytes of the main file and of its index."""
HEADER_BYTES = 100
"""Size of the header of the main file and of its index."""
_INDEX_RECORD_BYTES = 8
"""Size of the index for each shape."""
_NEEDED = {".shx": "the index of the shapes", ".dbf": "the table of the attributes"}


def require_whole(path: Path) -> None:
    """Raise InputError when a file of the shapefile ``path`` is missing, truncated or of another shapefile.

    GDAL reads missing shapes of a truncated file as null geometries, and missing rows of the table as empty: without
    this check they would count as polygons without geometry or label. Other formats are accepted.
    """
    with open(path, "rb") as file:
        head = file.read(28)
    if not head.startswith(SHAPEFILE_SIGNATURE):
        return
    if path.suffix.lower() == ".shx":
        raise InputError(f"{path}: is the index of a shapefile; expected {path.stem}.shp")
    expected = _length(head) if len(head) == 28 else HEADER_BYTES
    if path.stat().st_size < expected:
        raise InputError(f"{path}: is truncated: it has {path.stat().st_size} bytes, {expected} expected. Restore it")
    members = {suffix: member(path, suffix) for suffix in _NEEDED}
    missing = [f"{path.stem}{suffix} ({_NEEDED[suffix]})" for suffix, found in members.items() if found is None]
    if missing:
        raise InputError(
            f"{path}: {' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing in the same folder. A "
            f"shapefile consists of several files: copy all of {path.stem}.*"
        )
    try:
        _require_one_count(path, members[".shx"] or path, members[".dbf"] or path)
    except OSError as err:
        raise InputError(
            f"{path}: {err.filename} cannot be read ({err.strerror}). Restore it, or its permissions"
        ) from err


def member(path: Path, suffix: str) -> Path | None:
    """The file of a shapefile with this suffix, in lower or upper case; None when there is none."""
    beside = (path.with_name(f"{path.stem}{ending}") for ending in (suffix, suffix.upper()))
    return next((found for found in beside if found.is_file()), None)


def _length(head: bytes) -> int:
    """Size in bytes that the header of a main file or an index contains."""
    return 2 * int(struct.unpack(">i", head[24:28])[0])


def _require_one_count(path: Path, index: Path, table: Path) -> None:
    with open(index, "rb") as file:
        shapes = (_length(file.read(HEADER_BYTES).ljust(HEADER_BYTES, b"\0")) - HEADER_BYTES) // _INDEX_RECORD_BYTES
    with open(table, "rb") as file:
        rows, header, width = struct.unpack("<IHH", file.read(12).ljust(12, b"\0")[4:])
    if index.stat().st_size < HEADER_BYTES + shapes * _INDEX_RECORD_BYTES or shapes < 0:
        raise InputError(f"{path}: {index.name} is truncated. Restore it, or export the shapefile again")
    if table.stat().st_size < header + rows * width:
        raise InputError(
            f"{path}: {table.name}, its table of attributes, is truncated: it has {table.stat().st_size} bytes, "
            f"{header + rows * width} expected. Restore it"
        )
    if rows != shapes:
        raise InputError(
            f"{path}: has {shapes} shapes, but {table.name} has {rows} rows: the files belong to different "
            "shapefiles. Copy all of them from one source"
        )


def stated_encoding(path: Path) -> tuple[str, str]:
    """Name of the file that states the encoding of a shapefile, and the encoding; both empty without such a file."""
    found = member(path, ".cpg")
    if found is None:
        return "", ""
    return found.name, found.read_bytes()[:64].decode("ascii", "replace").strip()


def wrong_encoding(path: Path, err: UnicodeDecodeError) -> str:
    """Message about a text that could not be decoded."""
    name, stated = stated_encoding(path)
    shown = err.object[:40].decode("latin-1")
    cause = f"{name} states {stated!r}" if name else "UTF-8 is expected"
    remedy = (
        f"write the correct encoding into {path.stem}.cpg (ISO-8859-1, or windows-1252 of Windows programs)"
        if path.suffix.lower() == ".shp"
        else "save the file with the encoding UTF-8"
    )
    return (
        f"its texts have another encoding: {cause}, but {shown!r} (decoded as ISO-8859-1) is not valid. To fix this, "
        f"{remedy}"
    )


def misread_hint(path: Path, text: str, was: str) -> str:
    """Message about UTF-8 text ``was`` that was decoded as ``text`` with a single-byte encoding."""
    if path.suffix.lower() != ".shp":
        return f"{text!r} looks like {was!r} in a wrong encoding. Correct the texts, or export the file again"
    name, stated = stated_encoding(path)
    cause = f"{name} states {stated!r}" if name else f"there is no {path.stem}.cpg"
    return f"{text!r} looks like {was!r} in a wrong encoding: {cause}, but the texts are UTF-8. " + (
        f"Write UTF-8 into {path.stem}.cpg, or export the file again"
    )
