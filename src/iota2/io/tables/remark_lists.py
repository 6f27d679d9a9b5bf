"""JSON files with remarks of steps, which reports show."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from iota2.core.files import read_text
from iota2.core.remarks import Remark, remarks_from_plain, remarks_to_plain
from iota2.io.files.atomic import write_json


def write_remarks(path: str | Path, remarks: Iterable[Remark]) -> None:
    """Write remarks as JSON."""
    write_json(path, remarks_to_plain(remarks))


def read_remarks(path: Path) -> tuple[Remark, ...]:
    """The remarks from a file of ``write_remarks``; ValueError or TypeError for other content."""
    return remarks_from_plain(json.loads(read_text(path)))
