"""A product of a sensor as found in an archive."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from iota2.io.archive.headers import Header
from iota2.io.archive.versions import Title


@dataclass(frozen=True)
class Product:
    """A product with its files and headers, and its problems."""

    name: str
    day: date
    files: Mapping[str, str]
    """Band or mask name to path."""
    headers: Mapping[str, Header]
    """Band or mask name to the header of its file."""
    problems: tuple[str, ...]
    damage: tuple[str, ...]
    """Files that cannot be read, with the reason."""
    missing: tuple[str, ...]
    """Patterns that match no file."""
    scaling: Mapping[str, tuple[float, float]]
    """(scale, offset) of each band, if the product's metadata contain them."""
    title: Title
    """Acquisition and version of the product."""
    kinds: frozenset[str] = frozenset()
    """Properties in the names of the images that must be equal in a series, such as the calibration."""
    unreached: tuple[str, ...] = ()
    """Files that a server does not deliver, with the reason; they do not count as damaged."""

    @property
    def complete(self) -> bool:
        """Whether nothing is missing, damaged or otherwise wrong."""
        return not (self.problems or self.damage or self.missing or self.unreached)
