"""Tables of the user: how many pixels of each class are wanted."""

from __future__ import annotations

from pathlib import Path

from iota2.compute.sampling import counts_of_labels, labels_without_count, parse_class_counts
from iota2.core.files import read_text
from iota2.core.nomenclature import Nomenclature
from iota2.errors import InputError, remedy_of


def read_class_counts(path: Path, classes: Nomenclature) -> tuple[dict[str, int], list[str]]:
    """Pixels wanted by user's label, and the labels of classes that the file does not name.

    Raises InputError for a file that is no table of counts, or names a label that no class has.
    """
    counts = counts_of_labels(read_counts(path), classes.labels, str(path))
    return counts, labels_without_count(counts, classes.labels, str(path))


def read_counts(path: Path) -> dict[str, int]:
    """Pixels wanted by what the file has as label; InputError for a file that is no table of counts."""
    try:
        text = read_text(path, "utf-8-sig")
    except OSError as err:
        raise InputError(f"{path}: cannot be read: {err.strerror}. {remedy_of(err)}.") from err
    except UnicodeDecodeError as err:
        raise InputError(f"{path}: not a UTF-8 text file ({err}). Save it again with the encoding UTF-8.") from err
    return parse_class_counts(text, str(path))
