"""Products found damaged by a job; the next survey ignores them until their files change."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from iota2 import layout
from iota2.errors import DamagedProduct
from iota2.io.files.atomic import write_json
from iota2.runs.records.state import StateFile, remove_obstacle, require


@dataclass(frozen=True)
class Damage:
    """A file with unreadable or impossible pixels."""

    tile: str
    product: str
    path: str
    size: int
    modified: int
    """Nanoseconds. A file with another size or time is a different file, which may be intact."""

    @property
    def reason(self) -> str:
        """The problem and its remedy, the same for all jobs that find it."""
        remedy = "replace or touch the file to use the product again"
        return f"{self.path}: unreadable or impossible pixels; {remedy}"


def damage_of(error: Exception) -> Damage | None:
    """The damage that an exception reports; None for other exceptions."""
    if not isinstance(error, DamagedProduct):
        return None
    return Damage(error.tile, error.product, error.path, *_size_and_time(error.path))


def known_damage(root: Path) -> list[Damage]:
    """Damage noted in an output folder, of files that have not changed since."""
    return [
        damage for damage in DAMAGE_FILE.load(root) if _size_and_time(damage.path) == (damage.size, damage.modified)
    ]


def _parsed(text: str) -> list[Damage]:
    content = json.loads(text)
    require(isinstance(content, list), "expected a list")
    noted = [Damage(**entry) for entry in content]
    require(all(map(_is_sound, noted)), "expected texts, size and time in each entry")
    return noted


def _is_sound(damage: Damage) -> bool:
    texts, numbers = (damage.tile, damage.product, damage.path), (damage.size, damage.modified)
    return all(type(text) is str and "\0" not in text for text in texts) and all(type(one) is int for one in numbers)


DAMAGE_FILE: StateFile[list[Damage]] = StateFile(
    layout.DAMAGED.path, _parsed, list, "It is recreated; products known to be damaged are tried again."
)
"""State file of damaged products."""


def note_damage(root: Path, damage: Damage) -> None:
    """Add a damaged product to the state file."""
    known = known_damage(root)
    if damage not in known:
        found = sorted([*known, damage], key=lambda one: (one.tile, one.product, one.path))
        remove_obstacle(root / layout.DAMAGED.path)
        write_json(root / layout.DAMAGED.path, [asdict(one) for one in found])


def _size_and_time(path: str) -> tuple[int, int]:
    try:
        seen = os.stat(path)
    except OSError:
        return 0, 0
    return seen.st_size, seen.st_mtime_ns
