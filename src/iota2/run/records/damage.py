"""Products found damaged while their pixels were read: the next survey leaves them out while their files stay so."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from iota2 import layout
from iota2.errors import DamagedProduct
from iota2.io.files.atomic import write_json
from iota2.run.records.state import StateFile, make_way, require


@dataclass(frozen=True)
class Damage:
    """A file whose pixels could not be read, or cannot be right."""

    tile: str
    product: str
    path: str
    size: int
    modified: int
    """Nanoseconds. A file of another size or time is another file, which may be whole."""

    @property
    def reason(self) -> str:
        """What is wrong and the way back, the same whichever job found it."""
        remedy = "replace or touch the file to take the product in again"
        return f"{self.path}: its pixels could not be read, or cannot be right; {remedy}"


def damage_of(error: Exception) -> Damage | None:
    """What an exception says about a product; None when it says nothing of the kind."""
    if not isinstance(error, DamagedProduct):
        return None
    return Damage(error.tile, error.product, error.path, *_look(error.path))


def known_damage(root: Path) -> list[Damage]:
    """Damage noted in an output folder, of files that are still as they were."""
    return [damage for damage in NOTED.load(root) if _look(damage.path) == (damage.size, damage.modified)]


def _parsed(text: str) -> list[Damage]:
    content = json.loads(text)
    require(isinstance(content, list), "expected a list")
    noted = [Damage(**entry) for entry in content]
    require(all(map(_is_sound, noted)), "an entry is of another kind")
    return noted


def _is_sound(damage: Damage) -> bool:
    texts, numbers = (damage.tile, damage.product, damage.path), (damage.size, damage.modified)
    return all(type(text) is str and "\0" not in text for text in texts) and all(type(one) is int for one in numbers)


NOTED: StateFile[list[Damage]] = StateFile(
    layout.DAMAGED.path, _parsed, list, "It is made anew: products known to be damaged are tried again."
)
"""What runs keep of damaged products."""


def note_damage(root: Path, damage: Damage) -> None:
    """Add to what is known."""
    known = known_damage(root)
    if damage not in known:
        found = sorted([*known, damage], key=lambda one: (one.tile, one.product, one.path))
        make_way(root / layout.DAMAGED.path)
        write_json(root / layout.DAMAGED.path, [asdict(one) for one in found])


def _look(path: str) -> tuple[int, int]:
    try:
        seen = os.stat(path)
    except OSError:
        return 0, 0
    return seen.st_size, seen.st_mtime_ns
