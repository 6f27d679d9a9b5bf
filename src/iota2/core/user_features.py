"""Features that Python functions of the user compute: their names and origins, without the functions themselves."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any, Literal, cast, get_args

from iota2.core.feature import Feature

Access = Literal["gapfilled", "raw", "both"]
"""Series that a function with a Dataset gets: interpolated, as acquired, or both."""
EXOGENOUS = "exogenous"
"""Name of the sensor without dates that consists of rasters of the user which only functions read. Its bands are
``<name>_band_<k>``, with the names of the rasters and k from 0."""
MAX_PADDING = 512
"""Largest number of pixels around a block that a function can ask for."""


@dataclass(frozen=True)
class UserFunction:
    """A function of the user, and its features, which are found by calling it once on synthetic values."""

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """Keyword arguments: values of JSON."""
    number: int = 1
    """Position among the functions of the configuration, from 1, for default labels."""
    labels: tuple[str, ...] = ()
    """Names of its features, in order."""
    dates: tuple[str, ...] = ()
    """Date key of each feature; empty for a feature without date."""
    sensors: tuple[str, ...] = ()
    """Sensors whose series it reads, in the order of the recipe."""
    raw: tuple[str, ...] = ()
    """Those of these sensors whose raw series or masks it reads."""
    values_read: int = 0
    """Number of values of each pixel that it reads."""
    whole_tile: bool = False
    """Whether it is called once for each tile, with the series of all pixels, and not block by block."""

    @property
    def features(self) -> tuple[Feature, ...]:
        """Its features: the function is their series."""
        return tuple(Feature(label, self.name, date) for label, date in zip(self.labels, self.dates, strict=True))

    @property
    def origin(self) -> str:
        """The sensors from which it computes, as one name; ``user`` if it reads none."""
        return " + ".join(self.sensors) or "user"


@dataclass(frozen=True)
class UserFeatures:
    """The functions of a Python file that compute features, after those of the sensors."""

    file: str
    """Name of the file, for messages."""
    source: str
    """Content of the file. It is code: it is executed only if the configuration of the run names the same file."""
    functions: tuple[UserFunction, ...]
    padding: tuple[int, int] = (0, 0)
    """Rows and columns around a block that functions of blocks also get, cropped at the edges of the tile."""
    no_data: float = -10000.0
    """Value of missing data: dates without image, and results that are not finite."""
    access: Access = "gapfilled"
    raw_dates: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Date keys of the raw series by sensor. A date that a tile lacks is ``no_data``."""

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the content of the file, hexadecimal."""
        return hashlib.sha256(self.source.encode()).hexdigest()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all features, in order."""
        return tuple(label for function in self.functions for label in function.labels)

    @property
    def of_whole_tiles(self) -> tuple[str, ...]:
        """Names of the features of functions that need the whole tile, in order."""
        return tuple(label for function in self.functions if function.whole_tile for label in function.labels)

    @property
    def reach(self) -> tuple[int, int]:
        """Rows and columns around a block that the functions read: ``padding``, if any function is called by block."""
        return (0, 0) if all(function.whole_tile for function in self.functions) else self.padding

    @property
    def halo(self) -> int:
        """Number of pixels around a block on which the features depend."""
        return max(self.reach)

    def of_sensors(self, names: frozenset[str]) -> UserFeatures | None:
        """The functions that read no other sensors than these; None if there are none."""
        kept = tuple(function for function in self.functions if names.issuperset(function.sensors))
        if not kept:
            return None
        return replace(self, functions=kept)

    def to_json(self) -> dict[str, Any]:
        """The description as values for JSON, with the digest of the file for readers.

        ``whole_tile`` only for functions that need the whole tile.
        """
        content = {**asdict(self), "digest": self.digest}
        for function in content["functions"]:
            if not function["whole_tile"]:
                del function["whole_tile"]
        return content

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> UserFeatures:
        """The description written by ``to_json``; KeyError, TypeError or ValueError for other content."""
        functions = tuple(_function(one) for one in content["functions"])
        rows, columns = content["padding"]
        dates = {str(name): tuple(map(str, keys)) for name, keys in content["raw_dates"].items()}
        file, source, access = (_text(content[name]) for name in ("file", "source", "access"))
        if access not in get_args(Access):
            raise ValueError(f"access is {access!r}")
        no_data = float(content["no_data"])
        found = cls(file, source, functions, (rows, columns), no_data, cast(Access, access), dates)
        if not all(type(one) is int and 0 <= one <= MAX_PADDING for one in found.padding):
            raise ValueError(f"padding is {found.padding}")
        if content["digest"] != found.digest:
            raise ValueError(f"the content of {found.file} does not have the digest {content['digest']}")
        return found


def _function(content: Mapping[str, Any]) -> UserFunction:
    labels, dates, sensors, raw = (tuple(map(_text, content[name])) for name in ("labels", "dates", "sensors", "raw"))
    if len(dates) != len(labels):
        raise ValueError(f"{len(labels)} labels, but {len(dates)} dates")
    if not _text(content["name"]).isidentifier():
        raise ValueError(f"{content['name']!r} is not the name of a function")
    if type(whole_tile := content.get("whole_tile", False)) is not bool:
        raise TypeError(f"whole_tile is {whole_tile!r}")
    return UserFunction(
        content["name"],
        dict(content["arguments"]),
        int(content["number"]),
        labels,
        dates,
        sensors,
        raw,
        int(content["values_read"]),
        whole_tile,
    )


def _text(value: object) -> str:
    """The value, if it is text; TypeError otherwise."""
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not text")
    return value
