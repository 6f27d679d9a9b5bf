"""Files of remarks, which steps leave for the reports."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from iota2.core.files import read_text
from iota2.core.remarks import Remark, remarks_from_plain, remarks_to_plain
from iota2.io.files.atomic import write_json


def write_remarks(path: str | Path, remarks: Iterable[Remark]) -> None:
    """Write remarks as readable JSON."""
    write_json(path, remarks_to_plain(remarks))


def read_remarks(path: Path) -> tuple[Remark, ...]:
    """The remarks of a file; ValueError or TypeError for a file that holds something else."""
    return remarks_from_plain(json.loads(read_text(path)))
