"""Reading of the user's table with the number of pixels to select for each class."""

from __future__ import annotations

from pathlib import Path

from iota2.compute.sampling import counts_of_labels, labels_without_count, parse_class_counts
from iota2.core.nomenclature import Nomenclature
from iota2.io.tables.user_tables import read_user_table


def read_class_counts(path: Path, classes: Nomenclature) -> tuple[dict[str, int], list[str]]:
    """Requested number of pixels by the user's label, and the labels of classes that the file lacks.

    Raises InputError for a file that is not a table of counts, or contains a label that no class has.
    """
    counts = counts_of_labels(read_counts(path), classes.labels, str(path))
    return counts, labels_without_count(counts, classes.labels, str(path))


def read_counts(path: Path) -> dict[str, int]:
    """Requested number of pixels by label, as written in the file; InputError for a file that is not such a table."""
    return parse_class_counts(read_user_table(path), str(path))
