"""Option fields: types, limits, descriptions, builders and availability."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ValidationInfo,
)

from iota2.core.files import MAX_NAME_BYTES, require_regular, without_dots
from iota2.core.words import did_you_mean
from iota2.errors import InputError, remedy_of
from iota2.io.files.addresses import is_remote, secret_in
from iota2.io.tables.vector_source import PATH_FORM, vector_source
from iota2.options import Options, shortened

MAX_PATH_BYTES = 4096
"""Maximum length of a path on Linux, in bytes."""
DATE_YEARS = (1970, 2100)
"""First and last valid year of dates; Earth observation began after the first."""
PATHS_FROM_ADVICE = "to start all of them at the working directory, add --paths-from . (Iota2.py: -paths_from .)"
VECTOR_SUFFIXES = (".shp", ".gpkg", ".sqlite", ".geojson")
"""Extensions of vector files, without sidecar files such as ``.dbf``."""


class Section(Options):
    """One section of the configuration."""

    section_name: ClassVar[str]
    about_section: ClassVar[str]
    builders: ClassVar[str] = "C"


def _absolute(path: Path, info: ValidationInfo) -> Path:
    """The absolute path, resolved from ``--paths-from`` or else from the folder of the configuration file."""
    folder = (info.context or {}).get("folder")
    path = expanded_path(path)
    return without_dots(Path(folder, path) if folder else path)


def expanded_path(path: Path) -> Path:
    """A path with expanded ``~``; ValueError for a path that no file system accepts."""
    if "\0" in str(path):
        raise ValueError(f"{str(path)!r} contains a NUL character, which is invalid in paths; correct the path")
    longest = max((len(os.fsencode(part)) for part in path.parts), default=0)
    if longest > MAX_NAME_BYTES or len(os.fsencode(path)) > MAX_PATH_BYTES:
        raise ValueError(f"{shortened(str(path))!r} is longer than file systems allow; correct the path")
    try:
        return path.expanduser()
    except RuntimeError:
        user = path.parts[0]
        raise ValueError(f"{str(path)!r}: there is no user {user!r} on this machine; write the full path") from None


def _existing_file(path: Path, info: ValidationInfo) -> Path:
    return _existing(path, info, "file", Path.is_file)


def _existing_vector(written: Path, info: ValidationInfo) -> Path:
    """The absolute path of an existing vector file, with its layer if given in the notation of QGIS."""
    path = _absolute(written, info)
    try:
        file = vector_source(path).file
    except InputError as err:
        raise ValueError(str(err)) from None
    if (info.context or {}).get("check_paths") and not _has_kind(file, Path.is_file):
        there = _elsewhere(written, info, lambda found: vector_source(found).file.is_file())
        form = f". To select a layer, write {PATH_FORM}" if "|" in path.name else ""
        raise ValueError(f"no file {file}{there or _why_missing(file, Path.is_file)}{form}")
    return path


def _existing_folder(path: Path, info: ValidationInfo) -> Path:
    return _existing(path, info, "folder", Path.is_dir)


def _existing(written: Path, info: ValidationInfo, what: str, kind: Callable[[Path], bool]) -> Path:
    """The absolute path of an existing file or folder; ValueError, with a hint, for a missing one."""
    path = _absolute(written, info)
    if (info.context or {}).get("check_paths") and not _has_kind(path, kind):
        raise ValueError(f"no {what} {path}{_elsewhere(written, info, kind) or _why_missing(path, kind)}")
    return path


def _has_kind(path: Path, kind: Callable[[Path], bool]) -> bool:
    """Whether ``kind(path)`` is true; ValueError if the path cannot be accessed."""
    try:
        return kind(path)
    except OSError as err:
        raise ValueError(f"{path} cannot be accessed ({err.strerror}). {remedy_of(err)}") from None


def _elsewhere(written: Path, info: ValidationInfo, kind: Callable[[Path], bool]) -> str:
    """A hint if a relative path exists in another folder; see ``elsewhere``."""
    context = info.context or {}
    return elsewhere(written, context.get("folder"), kind, home=context.get("home"))


def elsewhere(written: Path, start: Path | None, kind: Callable[[Path], bool], *, home: Path | None = None) -> str:
    """A hint on a relative path that is missing in the folder ``start``, but exists in the working directory or in
    ``home``, the folder of the configuration file; empty without such a path."""
    if expanded_path(written).is_absolute() or start is None:
        return ""
    if _has_kind_quietly(found := Path.cwd() / written, kind) and Path.cwd().resolve() != start.resolve():
        return f". {found} exists, but relative paths start at {start}: {PATHS_FROM_ADVICE}"
    if home is not None and home.resolve() != start.resolve() and _has_kind_quietly(home / written, kind):
        return (
            f". {home / written} exists, but relative paths start at {start} because of --paths-from: give the "
            "absolute path, or omit --paths-from"
        )
    return ""


def _has_kind_quietly(path: Path, kind: Callable[[Path], bool]) -> bool:
    """Whether ``kind(path)`` is true; False if the path cannot be accessed."""
    try:
        return kind(path)
    except OSError:
        return False


def _existing_source(text: str, info: ValidationInfo) -> str:
    """A web address, unchanged, or the absolute path of an existing file or folder."""
    if is_remote(text):
        if secret := secret_in(text):
            raise ValueError(f"the address has {secret}, which may be secret and would be stored in records; remove it")
        return text
    if "://" in text:
        raise ValueError(f"expected a folder, a file or an http(s) address, got {text!r}")
    return str(_existing(Path(text), info, "file or folder", Path.exists))


def _why_missing(path: Path, kind: Callable[[Path], bool]) -> str:
    """The reason why a file or folder is missing, and advice."""
    if path.is_dir():
        return "; it is a folder, correct the path"
    if path.exists():
        try:
            require_regular(path)
        except OSError as err:
            return f"; it {err.strerror}, correct the path"
        return "; it is a file, correct the path"
    if path.is_symlink():
        return "; it is a broken symbolic link, correct the link or the path"
    absent = next((p for p in reversed((path, *path.parents)) if not p.exists()), path)
    if absent == path:
        return _suggested_name(path, kind) or "; correct the path"
    return f"; {absent.parent} has no '{absent.name}'" + (_suggested_name(absent, Path.is_dir) or ", correct the path")


def _suggested_name(absent: Path, kind: Callable[[Path], bool]) -> str:
    """A suggestion for a missing name: an existing one with another extension, or a similar one; empty without one."""
    try:
        there = sorted(one.name for one in absent.parent.iterdir() if _has_kind_quietly(one, kind))
    except OSError:
        return ""
    endings = [name for name in there if Path(name).stem == absent.name or Path(name).stem == absent.stem]
    vectors = [name for name in endings if Path(name).suffix.lower() in VECTOR_SUFFIXES]
    if meant := next(iter(vectors or endings), None):
        return f"; did you mean '{meant}'?"
    return did_you_mean(absent.name, there)


def read_date(value: Any) -> Any:
    """The date from YYYYMMDD as text or number. Values of other types are returned unchanged."""
    if not isinstance(value, str | int) or isinstance(value, bool):
        return value
    try:
        day = date.fromisoformat(str(value) if re.fullmatch(r"\d{8}", str(value)) else "")
    except ValueError:
        raise ValueError(f"expected a date YYYYMMDD, got {shortened(repr(value))}") from None
    if not DATE_YEARS[0] <= day.year <= DATE_YEARS[1]:
        raise ValueError(f"expected a date YYYYMMDD with a year from {DATE_YEARS[0]} to {DATE_YEARS[1]}, got {value!r}")
    return day


def read_none(value: Any) -> Any:
    """``none`` for None in every spelling, which would otherwise mean the default; other values unchanged."""
    return "none" if value is None or (isinstance(value, str) and value.strip().lower() == "none") else value


def require_odd(value: int) -> int:
    """The width of a window; ValueError for an even number, since the window is centred on a pixel."""
    if value % 2 == 0:
        raise ValueError(f"expected an odd number, got {value}; choose {value - 1} or {value + 1}")
    return value


def as_list(value: Any) -> Any:
    """A list with the text; other values unchanged."""
    return [value] if isinstance(value, str) and value.strip() else value


def split_words(value: Any) -> Any:
    """A text split at blanks and commas; other values unchanged."""
    return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value


def _finite_numbers(value: Any) -> Any:
    """Finite numbers from a number, a list or a text; ValueError for anything else."""
    listed = split_words(value) if isinstance(value, str | list | tuple) else (value,)
    for one in listed:
        try:
            fine = not isinstance(one, bool) and math.isfinite(float(one))
        except (TypeError, ValueError, OverflowError):
            fine = False
        if not fine:
            raise ValueError(f"expected a number or a list of numbers, such as -9999 or [-32768, -9999], got {one!r}")
    return tuple(float(one) for one in listed)


AnyPath = Annotated[Path, AfterValidator(_absolute)]
InputFile = Annotated[Path, AfterValidator(_existing_file)]
VectorFile = Annotated[Path, AfterValidator(_existing_vector)]
"""A vector file, or one of its layers in the notation of QGIS; see ``io.tables.vector_source``."""
InputFolder = Annotated[Path, AfterValidator(_existing_folder)]
InputFolders = Annotated[tuple[InputFolder, ...], BeforeValidator(as_list)]
"""Existing folders, from a path or a list of paths."""
Source = Annotated[str, AfterValidator(_existing_source)]
"""A web address, or the absolute path of a file or folder."""
Day = Annotated[date, BeforeValidator(read_date)]
Words = Annotated[tuple[str, ...], BeforeValidator(split_words)]
Numbers = Annotated[tuple[float, ...], BeforeValidator(_finite_numbers)]
"""Finite numbers, from a number, a list or a text."""
