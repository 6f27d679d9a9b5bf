"""Notes of a step for the reports, as a JSON file."""

from __future__ import annotations

import json
from pathlib import Path

from iota2.core.files import read_text


def read_notes(path: Path) -> list[str]:
    """The sentences that a step wrote."""
    notes: list[str] = json.loads(read_text(path))
    return notes
