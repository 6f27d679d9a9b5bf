"""Selection of a layer of a vector file, by a path in the form of QGIS or by default."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import pyogrio
from pyogrio.errors import DataSourceError

from iota2.core.labels import normalised
from iota2.errors import InputError

PATH_FORM = "file.gpkg|layername=NAME"
"""Form of a path that selects a layer."""
_NAME, _NUMBER = "layername", "layerid"
_PART = re.compile(
    rf"\s*\|\s*({_NAME}|{_NUMBER}|subset|geometrytype|uniquegeometrytype|option:[^=|]*)\s*=", re.IGNORECASE
)
"""Start of a part of a path in the form of QGIS."""


@dataclass(frozen=True)
class VectorSource:
    """A vector file and one of its layers."""

    file: Path
    layer: str | None = None
    """Name of the layer; None if it is not given."""
    number: int | None = None
    """Number of the layer, from 0; None if it is not given."""

    @property
    def choice(self) -> str:
        """The layer as text after ``|`` in a path; empty if it is not given."""
        if self.layer is not None:
            return f"{_NAME}={self.layer}"
        return "" if self.number is None else f"{_NUMBER}={self.number}"


def with_choice(file: Path, choice: str) -> str:
    """A path in the form of ``vector_source``, from a file and ``VectorSource.choice``."""
    return f"{file}|{choice}" if choice else str(file)


def vector_source(path: str | Path) -> VectorSource:
    """The file and layer that a path names: ``file.gpkg``, ``file.gpkg|layername=NAME`` or ``file.gpkg|layerid=0``.

    An existing file with ``|`` in its name is that file. Raises InputError for any other text after a ``|``.
    """
    text = str(path)
    file, *parts = _PART.split(text)
    if not parts or Path(text).exists():
        return VectorSource(Path(text))
    found = VectorSource(Path(file))
    for key, value in zip(parts[::2], parts[1::2], strict=True):
        found = _with(found, key.lower(), value.strip(), text)
    return found


def _with(source: VectorSource, key: str, value: str, text: str) -> VectorSource:
    """The source with the choice ``key=value`` of a path ``text``; InputError for an unsupported choice."""
    value = value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"" else value
    if key == _NAME and value and source.layer is None:
        return VectorSource(source.file, value, source.number)
    if key == _NUMBER and value.isdecimal() and source.number is None:
        return VectorSource(source.file, source.layer, int(value))
    what = "filters are not supported: export the features" if key == "subset" else f"expected {PATH_FORM}"
    raise InputError(f"{text}: {key}={value} cannot be used; {what}, or only the path of a file with one layer")


def chosen_layer(opened: str, source: VectorSource, shown: str | Path) -> str:
    """The name of the layer to read from ``opened``, a data source of GDAL; ``shown`` is its name in messages.

    Tables without geometry, such as styles and projects of QGIS, are ignored unless ``source`` selects them. Raises
    InputError with the names of the layers when there is no layer or more than one.
    """
    try:
        listed = pyogrio.list_layers(opened)
    except DataSourceError as err:
        raise InputError(f"{shown}: cannot be read as a vector file ({err})") from err
    kinds = {str(name): None if kind is None else str(kind) for name, kind in listed}
    if source.layer is not None or source.number is not None:
        return _named_layer(list(kinds), source, shown)
    spatial = [name for name, kind in kinds.items() if kind is not None]
    if len(spatial) == 1:
        return spatial[0]
    if not spatial:
        tables = ", ".join(kinds)
        raise InputError(
            f"{shown}: " + (f"contains only tables without geometry ({tables}); " if tables else "contains no layer; ")
            + "expected a layer of polygons"
        )  # fmt: skip
    types = list(dict.fromkeys(str(kinds[name]) for name in spatial))
    layers = f"{', '.join(spatial)}" + (f"; of types {', '.join(types)}" if len(types) > 1 else "")
    raise InputError(
        f"{shown}: expected one layer, found {len(spatial)} ({layers}). Choose one in the form of QGIS: "
        f"'{shown}|{_NAME}={spatial[0]}'"
    )


def _named_layer(names: Sequence[str], source: VectorSource, shown: str | Path) -> str:
    """Name of the layer with the number or name of ``source``; case is ignored if the result is unique."""
    there = f"the layers are {', '.join(names) or 'none'}"
    if source.layer is None:
        number = source.number or 0
        if number >= len(names):
            raise InputError(f"{shown}: no layer number {number}; they are counted from 0, and {there}")
        return names[number]
    if source.layer in names:
        return source.layer
    wanted = normalised(source.layer).casefold()
    alike = [name for name in names if normalised(name).casefold() == wanted]
    if len(names) == 1 and wanted == normalised(source.file.stem).casefold():
        alike = list(names)  # GDAL names the only layer after the file in formats without layer names
    if len(alike) == 1:
        return alike[0]
    near = get_close_matches(source.layer, names, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise InputError(f"{shown}: no layer {source.layer!r}; {there}{hint}")
