"""Order of the regions, to one of which each segment belongs."""

from __future__ import annotations

from collections.abc import Collection, Sequence


def region_order(names: Collection[str], priority: Sequence[str]) -> list[str]:
    """The names of all regions: first those of ``priority``, then the others; numbers are sorted as numbers."""
    others = sorted((name for name in names if name not in priority), key=_number_first)
    return [*(name for name in priority if name in names), *others]


def _number_first(name: str) -> tuple[bool, int, str]:
    return (not name.isdecimal(), int(name) if name.isdecimal() else 0, name)
