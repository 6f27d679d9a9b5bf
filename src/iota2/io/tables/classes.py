"""The classes of a run: reading of the user's nomenclature and colour file, storage as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from iota2.core.files import read_text
from iota2.core.nomenclature import (
    Color,
    Label,
    Listing,
    Nomenclature,
    build_nomenclature,
    parse_colors,
    parse_nomenclature,
)
from iota2.errors import InputError, remedy_of
from iota2.io.files.atomic import write_json


def read_nomenclature(names: Path, colors: Path, labels: Iterable[Label]) -> Nomenclature:
    """The classes with the given labels, with names and colours from two files; InputError with all problems."""
    return build_nomenclature(read_names(names), read_colors(colors), labels)


def read_names(path: Path) -> Listing[str]:
    """The entries and problems of a nomenclature; InputError when the file cannot be read."""
    return parse_nomenclature(_text(path), str(path))


def read_colors(path: Path) -> Listing[Color]:
    """The entries and problems of a colour file; InputError when the file cannot be read."""
    return parse_colors(_text(path), str(path))


def _text(path: Path) -> str:
    try:
        return read_text(path)
    except UnicodeDecodeError as err:
        raise InputError(f"{path}: is not UTF-8 text ({err}). Save it with the encoding UTF-8.") from err
    except OSError as err:
        raise InputError(f"{path}: cannot be read: {err.strerror}. {remedy_of(err)}.") from err


def write_classes(nomenclature: Nomenclature, path: Path) -> None:
    """Write the classes as JSON."""
    write_json(path, asdict(nomenclature))


def read_classes(path: Path) -> Nomenclature:
    """The classes written by ``write_classes``."""
    return nomenclature_from(json.loads(path.read_text(encoding="utf-8")))


def nomenclature_from(content: Any) -> Nomenclature:
    """The classes from the content of a JSON file."""
    return Nomenclature(
        codes=tuple(content["codes"]),
        names=tuple(content["names"]),
        colors=tuple((r, g, b) for r, g, b in content["colors"]),
        labels=tuple(content["labels"]),
        warnings=tuple(content["warnings"]),
    )
