"""Order of the regions, to one of which each segment belongs."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from iota2.core.tables import REGION
from iota2.io.tables.vectors import read_vector


def read_region_order(path: Path, priority: Sequence[str]) -> list[str]:
    """The names of the regions in the file of ``REGIONS``, in the order of ``region_order``."""
    return region_order(read_vector(path)[REGION].astype(str).tolist(), priority)


def region_order(names: Collection[str], priority: Sequence[str]) -> list[str]:
    """The names of all regions: first those of ``priority``, then the others; numbers are sorted as numbers."""
    others = sorted((name for name in names if name not in priority), key=_number_first)
    return [*(name for name in priority if name in names), *others]


def _number_first(name: str) -> tuple[bool, int, str]:
    return (not name.isdecimal(), int(name) if name.isdecimal() else 0, name)
