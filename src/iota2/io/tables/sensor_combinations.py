"""CSV file with the number of pixels of a tile by combination of the sensors that see them."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path

from iota2.core.files import read_text
from iota2.errors import InputError

COLUMNS = ("sensors", "pixels")
SEPARATOR = "+"
"""Separates the names of sensors."""


def combinations_csv(pixels: Mapping[tuple[str, ...], int]) -> str:
    """A line for each combination, in the given order; pixels that no sensor sees have an empty name."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows((SEPARATOR.join(names), count) for names, count in pixels.items())
    return text.getvalue()


def read_combinations(path: Path) -> dict[tuple[str, ...], int]:
    """The content of a file of ``combinations_csv``; InputError for a damaged file."""
    try:
        rows = list(csv.DictReader(io.StringIO(read_text(path)), strict=True))
        return {tuple(filter(None, row["sensors"].split(SEPARATOR))): int(row["pixels"]) for row in rows}
    except (KeyError, TypeError, AttributeError, ValueError, csv.Error) as err:
        raise InputError(f"{path}: cannot be read as a table of pixels by combination of sensors ({err}).") from err
