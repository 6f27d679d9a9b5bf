"""Reading of the user's rules of sample copies, and the file with the numbers of copied samples."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from iota2.compute.sample_copies import Copy, CopyCount, CopyRule, applicable, parse_copy_rules
from iota2.core.nomenclature import Nomenclature
from iota2.io.tables.user_tables import read_user_table

COLUMNS = ("source", "destination", "class", "requested", "available", "copied", "same_place")


def read_copies(
    path: Path, models: Mapping[str, Sequence[str]], classes: Nomenclature
) -> tuple[tuple[Copy, ...], list[str]]:
    """The applicable rules of a file, and warnings on its other lines. ``models``: models that each name means.

    Raises InputError for a file that cannot be read, and for malformed or repeated lines.
    """
    return applicable(read_rules(path), models, classes.code_by_label, str(path))


def read_rules(path: Path) -> tuple[CopyRule, ...]:
    """All rules of a file. Raises InputError for a file that cannot be read, and for malformed or repeated lines."""
    return parse_copy_rules(read_user_table(path), str(path))


def copies_csv(counts: Iterable[CopyCount]) -> str:
    """CSV text with the numbers of samples of each rule; classes are codes."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for one in counts:
        rule = one.rule
        writer.writerow(
            [rule.source, rule.destination, rule.code, rule.quantity, one.available, one.copied, one.same_place]
        )
    return text.getvalue()


def read_copy_counts(path: Path) -> tuple[CopyCount, ...]:
    """The numbers in a file of ``copies_csv``."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = [tuple(row[name] for name in COLUMNS) for row in csv.DictReader(file)]
    return tuple(
        CopyCount(Copy(source, destination, int(code), int(quantity)), *map(int, numbers))
        for source, destination, code, quantity, *numbers in rows
    )
