"""The classes of polygons in several levels, stored as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from iota2.core.class_levels import ClassLevels
from iota2.io.files.atomic import write_json
from iota2.io.tables.classes import nomenclature_from


def write_class_levels(levels: ClassLevels, path: Path) -> None:
    """Write the classes as JSON."""
    write_json(path, asdict(levels))


def read_class_levels(path: Path) -> ClassLevels:
    """The classes written by ``write_class_levels``."""
    content = json.loads(path.read_text(encoding="utf-8"))
    above = tuple(map(tuple, content["above"]))
    return ClassLevels(nomenclature_from(content["classes"]), tuple(content["aliases"]), above)
