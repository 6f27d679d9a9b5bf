"""Types of option values: paths, dates, and lists of words or numbers; and the sections of the configuration."""

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
from iota2.io.tables.vector_source import FORM, vector_source
from iota2.options import Options, shortened

LONGEST_PATH = 4096
"""Maximum length of a path on Linux, in bytes."""
YEARS = (1970, 2100)
"""First and last year of dates; no satellite took images of land before the first."""
FROM_HERE = "to start all of them at the working directory, add --paths-from . (Iota2.py: -paths_from .)"
VECTORS = (".shp", ".gpkg", ".sqlite", ".geojson")
"""File name extensions of vector files, without those of their companions."""


class Section(Options):
    """One section of the configuration."""

    section_name: ClassVar[str]
    about_section: ClassVar[str]
    builders: ClassVar[str] = "C"


def _located(path: Path, info: ValidationInfo) -> Path:
    """The absolute path. Relative paths start at ``--paths-from``, or else at the folder of the configuration file."""
    folder = (info.context or {}).get("folder")
    path = usable_path(path)
    return without_dots(Path(folder, path) if folder else path)


def usable_path(path: Path) -> Path:
    """A path with ``~`` expanded; ValueError for a path that is invalid in any file system."""
    if "\0" in str(path):
        raise ValueError(f"{str(path)!r} has a character NUL, which no path can have; correct the path")
    longest = max((len(os.fsencode(part)) for part in path.parts), default=0)
    if longest > MAX_NAME_BYTES or len(os.fsencode(path)) > LONGEST_PATH:
        raise ValueError(f"{shortened(str(path))!r} is longer than file systems hold; correct the path")
    try:
        return path.expanduser()
    except RuntimeError:
        user = path.parts[0]
        raise ValueError(f"{str(path)!r}: there is no user {user!r} on this machine; write the path out") from None


def _existing_file(path: Path, info: ValidationInfo) -> Path:
    return _existing(path, info, "file", Path.is_file)


def _existing_vector(written: Path, info: ValidationInfo) -> Path:
    """The absolute path of an existing vector file, with its layer if given in the notation of QGIS."""
    path = _located(written, info)
    try:
        file = vector_source(path).file
    except InputError as err:
        raise ValueError(str(err)) from None
    if (info.context or {}).get("check_paths") and not _found(file, Path.is_file):
        there = _elsewhere(written, info, lambda found: vector_source(found).file.is_file())
        form = f". A layer is chosen by {FORM}" if "|" in path.name else ""
        raise ValueError(f"no file {file}{there or _why_not(file, Path.is_file)}{form}")
    return path


def _existing_folder(path: Path, info: ValidationInfo) -> Path:
    return _existing(path, info, "folder", Path.is_dir)


def _existing(written: Path, info: ValidationInfo, what: str, kind: Callable[[Path], bool]) -> Path:
    """The absolute path; ValueError when it does not exist, with a hint when the file or folder exists elsewhere."""
    path = _located(written, info)
    if (info.context or {}).get("check_paths") and not _found(path, kind):
        raise ValueError(f"no {what} {path}{_elsewhere(written, info, kind) or _why_not(path, kind)}")
    return path


def _found(path: Path, kind: Callable[[Path], bool]) -> bool:
    """Whether a path is of the given kind; ValueError when it cannot be inspected."""
    try:
        return kind(path)
    except OSError as err:
        raise ValueError(f"{path} cannot be looked at ({err.strerror}). {remedy_of(err)}") from None


def _elsewhere(written: Path, info: ValidationInfo, kind: Callable[[Path], bool]) -> str:
    """A hint when a relative path exists from another start; see ``elsewhere``."""
    context = info.context or {}
    return elsewhere(written, context.get("folder"), kind, home=context.get("home"))


def elsewhere(written: Path, start: Path | None, kind: Callable[[Path], bool], *, home: Path | None = None) -> str:
    """A hint on a relative path that does not exist from ``start`` but from the working directory, or from ``home``,
    the folder of the configuration file; empty otherwise."""
    if usable_path(written).is_absolute() or start is None:
        return ""
    if _visible(found := Path.cwd() / written, kind) and Path.cwd().resolve() != start.resolve():
        return f". {found} exists, but relative paths start at {start}: {FROM_HERE}"
    if home is not None and home.resolve() != start.resolve() and _visible(home / written, kind):
        return (
            f". {home / written} exists, but relative paths start at {start}, as --paths-from asks: give the whole "
            "path, or leave --paths-from out"
        )
    return ""


def _visible(path: Path, kind: Callable[[Path], bool]) -> bool:
    """Whether a path is of the given kind; False when it cannot be inspected."""
    try:
        return kind(path)
    except OSError:
        return False


def _found_source(text: str, info: ValidationInfo) -> str:
    """An address unchanged; else the path of an existing file or folder."""
    if is_remote(text):
        if secret := secret_in(text):
            raise ValueError(f"the address has {secret}, which may be secret and would stand in records; leave it out")
        return text
    if "://" in text:
        raise ValueError(f"expected a folder, a file or an address with http or https, got {text!r}")
    return str(_existing(Path(text), info, "file or folder", Path.exists))


def _why_not(path: Path, kind: Callable[[Path], bool]) -> str:
    """Reason why an expected path is missing, and advice."""
    if path.is_dir():
        return "; it is a folder, correct the path"
    if path.exists():
        try:
            require_regular(path)
        except OSError as err:
            return f"; it {err.strerror}, correct the path"
        return "; it is a file, correct the path"
    if path.is_symlink():
        return "; it is a symbolic link that leads nowhere, correct the link or the path"
    absent = next((p for p in reversed((path, *path.parents)) if not p.exists()), path)
    if absent == path:
        return _name_meant(path, kind) or "; correct the path"
    return f"; {absent.parent} has no '{absent.name}'" + (_name_meant(absent, Path.is_dir) or ", correct the path")


def _name_meant(absent: Path, kind: Callable[[Path], bool]) -> str:
    """A suggestion for a missing name: an entry of the folder with another extension, or with a similar name."""
    try:
        there = sorted(one.name for one in absent.parent.iterdir() if _visible(one, kind))
    except OSError:
        return ""
    endings = [name for name in there if Path(name).stem == absent.name or Path(name).stem == absent.stem]
    vectors = [name for name in endings if Path(name).suffix.lower() in VECTORS]
    if meant := next(iter(vectors or endings), None):
        return f"; did you mean '{meant}'?"
    return did_you_mean(absent.name, there)


def read_date(value: Any) -> Any:
    """A date from YYYYMMDD as text or number."""
    if not isinstance(value, str | int) or isinstance(value, bool):
        return value
    try:
        day = date.fromisoformat(str(value) if re.fullmatch(r"\d{8}", str(value)) else "")
    except ValueError:
        raise ValueError(f"expected a date YYYYMMDD, got {shortened(repr(value))}") from None
    if not YEARS[0] <= day.year <= YEARS[1]:
        raise ValueError(f"expected a date YYYYMMDD of the years {YEARS[0]} to {YEARS[1]}, got {value!r}")
    return day


def _listed(value: Any) -> Any:
    """A list of words; a text is split at blanks and commas."""
    return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value


def _numbers(value: Any) -> Any:
    """A list of finite numbers, also from a single number or a text."""
    listed = _listed(value) if isinstance(value, str | list | tuple) else (value,)
    for one in listed:
        try:
            fine = not isinstance(one, bool) and math.isfinite(float(one))
        except (TypeError, ValueError, OverflowError):
            fine = False
        if not fine:
            raise ValueError(f"expected a number or a list of numbers, such as -9999 or [-32768, -9999], got {one!r}")
    return tuple(float(one) for one in listed)


AnyPath = Annotated[Path, AfterValidator(_located)]
InputFile = Annotated[Path, AfterValidator(_existing_file)]
VectorFile = Annotated[Path, AfterValidator(_existing_vector)]
"""A vector file, or a layer of it in the notation of QGIS; see ``io.tables.vector_source``."""
InputFolder = Annotated[Path, AfterValidator(_existing_folder)]
Source = Annotated[str, AfterValidator(_found_source)]
"""An address on a web server, or the absolute path of a file or folder."""
Day = Annotated[date, BeforeValidator(read_date)]
Words = Annotated[tuple[str, ...], BeforeValidator(_listed)]
Numbers = Annotated[tuple[float, ...], BeforeValidator(_numbers)]
"""Finite numbers: one, a list of them, or a text with them."""
