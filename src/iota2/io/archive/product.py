"""Products of a sensor found in an archive."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from iota2.io.archive.headers import Header
from iota2.io.archive.versions import ProductVersion


@dataclass(frozen=True)
class Product:
    """A product with its files, their headers and its problems."""

    name: str
    day: date
    files: Mapping[str, str]
    """Paths by band or mask."""
    headers: Mapping[str, Header]
    """Image headers by band or mask."""
    problems: tuple[str, ...]
    """Reasons why the product cannot be used, other than damaged and missing files."""
    damage: tuple[str, ...]
    """Messages about damaged files."""
    missing: tuple[str, ...]
    """Patterns of mandatory files that match no file."""
    scaling: Mapping[str, tuple[float, float]]
    """(scale, offset) by band, if the product's metadata contain them; else empty."""
    version: ProductVersion
    """Acquisition and version of the product."""
    kinds: frozenset[str] = frozenset()
    """Properties from file names that must be the same in a series, such as the calibration."""
    unreached: tuple[str, ...] = ()
    """Messages about files that a server does not deliver; they do not count as damaged."""

    @property
    def complete(self) -> bool:
        """Whether the product has no problem, and no damaged or missing file."""
        return not (self.problems or self.damage or self.missing or self.unreached)
