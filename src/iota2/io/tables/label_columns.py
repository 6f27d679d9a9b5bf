"""Class labels, which are whole numbers or text, from a column of a vector file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from iota2.core.labels import misread, normalised, plain_digits, quoted_with_code_points, whole_number
from iota2.core.nomenclature import MAX_CODE
from iota2.core.words import counted
from iota2.io.tables.shapefiles import misread_hint

MAX_SHOWN = 5
"""Maximum number of rows or values in a message."""
_TOO_LARGE = (
    "codes of the map have 16 bits. Use smaller codes, or a text field with the long ones: its classes get the codes "
    "1, 2, …, which final/Classif_table.csv lists"
)
_BELOW_ONE = "0 in the map means not classified"


@dataclass(frozen=True)
class LabelColumn:
    """The labels of all rows of a file, with notes and problems."""

    labels: pd.Series
    """int or str objects, or float for values of a quantity; None for a row without label."""
    kind: Literal["integer", "text", "number"]
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def read_labels(values: pd.Series, column: str, path: str | Path) -> LabelColumn:
    """The labels in the ``values`` of a column.

    Numbers must be whole and from 1 to 65535; a float column with whole numbers is accepted. Text is normalised by
    ``core.labels.normalised``.

    If all texts are whole numbers, they become numbers. Leading zeros, a sign and ``.0`` are then ignored; labels that
    differ only by leading zeros are a problem. If one of the numbers exceeds 65535, all labels stay text.
    """
    if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
        return _numbers(values, column)
    foreign = [value for value in values if not (isinstance(value, str) or is_missing(value))]
    if foreign:
        text = (
            f"field {column!r} contains neither whole numbers nor text but {kind_of(foreign[0])}. Use a field with "
            "whole numbers or text"
        )
        return LabelColumn(pd.Series([None] * len(values), dtype=object), "text", [text])
    return _texts(values, column, Path(path))


def is_missing(value: Any) -> bool:
    """Whether a value of a field is null; False for a list."""
    return bool(pd.api.types.is_scalar(value) and pd.isna(value))


def kind_of(value: object) -> str:
    """Type and value of an invalid label for a message: ``list ([1, 2])``."""
    plain = value.tolist() if isinstance(value, np.ndarray) else value
    return f"{type(plain).__name__} ({plain})"


def _numbers(values: pd.Series, column: str) -> LabelColumn:
    wrong = values.notna() & ((values % 1 != 0) | (values < 1) | (values > MAX_CODE))
    usable = values.notna() & ~wrong
    labels = pd.Series([int(v) if ok else None for v, ok in zip(values, usable, strict=True)], dtype=object)
    return LabelColumn(labels, "integer", _no_codes(values[wrong], wrong.to_numpy(), column))


def _no_codes(values: pd.Series, where: np.ndarray, column: str) -> list[str]:
    """A problem for values that are not valid codes, in the rows ``where``; empty without such values."""
    if not len(values):
        return []
    why = [_TOO_LARGE] if (values > MAX_CODE).any() else []
    why += [_BELOW_ONE] if (values == 0).any() else []
    reasons = f" ({'; '.join(why)})" if why else ""
    return [
        f"{counted(len(values), 'label')} of field {column!r} {'is' if len(values) == 1 else 'are'} not a whole number "
        f"from 1 to {MAX_CODE}: {some_values(values.unique())} (row {some_values(np.flatnonzero(where))}). "
        f"Correct these rows{reasons}"
    ]


def _texts(values: pd.Series, column: str, path: Path) -> LabelColumn:
    labels = [normalised(value) or None if isinstance(value, str) else None for value in values]
    spellings: dict[str, Counter[str]] = {}
    for raw, label in zip(values, labels, strict=True):
        if label is not None:
            spellings.setdefault(label, Counter())[raw] += 1
    notes = [*_merged(spellings, column), *_rewritten(spellings, column)]
    text = LabelColumn(pd.Series(labels, dtype=object), "text", _misread(spellings, column, path), notes)
    numbers = {label: whole_number(label) for label in spellings}
    known = {label: number for label, number in numbers.items() if number is not None}
    if not known:
        return text
    if len(known) < len(numbers):
        other = next(label for label, number in numbers.items() if number is None)
        text.notes.append(
            f"field {column!r} contains whole numbers, but also {other!r}: its labels are text. {_numbered()}"
        )
        return text
    if max(known.values()) > MAX_CODE:
        text.notes.append(
            f"field {column!r} contains whole numbers, but {max(known.values())} exceeds {MAX_CODE}, the largest code "
            f"of a map: its labels are text. {_numbered()}"
        )
        return text
    return _numerals(text, known, column)


def _numbered() -> str:
    return "Classes get the codes 1, 2, … of the map in the order of their labels (final/Classif_table.csv)"


def _numerals(text: LabelColumn, numbers: Mapping[str, int], column: str) -> LabelColumn:
    """The labels of a text column with whole numbers only, converted to numbers."""
    values = text.labels.map(lambda label: None if label is None else numbers[label])
    below = np.array([value is not None and value < 1 for value in values])
    problems = [*text.problems, *_ambiguous(numbers, column)]
    problems += _no_codes(pd.Series([value for value in values if value is not None and value < 1]), below, column)
    changed = {label: number for label, number in numbers.items() if label != str(number)}
    shown = some_values(f"{label!r} is {number}" for label, number in sorted(changed.items()))
    note = f"text field {column!r} contains whole numbers only: they are the codes of the map" + (
        f" ({shown})" if changed else ""
    )
    labels = pd.Series([value if value is not None and value >= 1 else None for value in values], dtype=object)
    return LabelColumn(labels, "integer", problems, [*text.notes, note])


def _ambiguous(numbers: Mapping[str, int], column: str) -> Iterable[str]:
    """A problem for each number that is written with different numbers of leading zeros."""
    written: dict[int, dict[str, str]] = {}
    for label, number in numbers.items():
        written.setdefault(number, {}).setdefault(plain_digits(label), label)
    for number, labels in sorted(written.items()):
        if len(labels) > 1:
            yield (
                f"labels {' and '.join(repr(label) for label in sorted(labels.values()))} of text field {column!r} are "
                f"all the number {number}. If they are one class, use one spelling; if not, use labels that are not "
                "numbers"
            )


def _merged(spellings: Mapping[str, Counter[str]], column: str) -> list[str]:
    """A note on each label with several spellings and their counts."""
    return [
        f"labels of field {column!r} that differ only by blanks, composed accents or invisible characters are one "
        f"class {label!r}: "
        + ", ".join(f"{quoted_with_code_points(raw)} ({counted(n, 'polygon')})" for raw, n in found.most_common())
        for label, found in spellings.items()
        if len(found) > 1
    ]


def _rewritten(spellings: Mapping[str, Counter[str]], column: str) -> list[str]:
    """A note on labels with a single spelling that differs from the normalised label."""
    found = [
        f"{quoted_with_code_points(raw)} is {label!r} ({counted(count, 'polygon')})"
        for label, by_raw in spellings.items()
        for raw, count in by_raw.items()
        if raw != label and len(by_raw) == 1
    ]
    what = "labels are compared without extra blanks and invisible characters, with composed accents"
    return [f"field {column!r}: {what}: {some_values(found)}"] if found else []


def _misread(spellings: Mapping[str, Counter[str]], column: str, path: Path) -> list[str]:
    for label in spellings:
        was = misread(label)
        if was is not None:
            return [f"field {column!r}: label {misread_hint(path, label, was)}"]
    return []


def some_values(values: Iterable[Any]) -> str:
    """The first values for a message, without trailing zeros, and "…" when there are more."""
    values = list(values)
    return ", ".join(f"{value:.12g}" if isinstance(value, float) else str(value) for value in values[:MAX_SHOWN]) + (
        " …" if len(values) > MAX_SHOWN else ""
    )
