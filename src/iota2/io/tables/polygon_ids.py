"""Ids of the user's polygons: their column, and its values as whole numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from iota2.core.labels import plain_digits, whole_number
from iota2.core.segment_ids import id_problems
from iota2.errors import InputError
from iota2.io.tables.label_columns import some_values
from iota2.io.tables.reference import matching_name

NUMBERS, TEXT = "numbers", "text"
"""Contents of columns that may be ids."""
_PLAIN = "^[0-9]{1,18}$"
"""Texts that pyarrow reads as ``whole_number`` does: it also reads hexadecimal numbers, and more digits."""


def id_column(field: str | None, contents: Mapping[str, str], file: Path) -> tuple[str | None, tuple[str, ...]]:
    """Name of the column ``field``, and notes; None without ``field``.

    ``contents``: NUMBERS, TEXT, or a description of other contents, by name of the column. Raises MissingField if there
    is no such column, InputError if it has other contents.
    """
    if field is None:
        return None, ()
    name, notes = matching_name(field, list(contents), file)
    if contents[name] not in (NUMBERS, TEXT):
        raise _unsuitable_field(file, name, contents[name])
    if contents[name] == TEXT:
        notes = [*notes, f"{file}: the whole numbers in the text field {name!r} are the ids of the segments"]
    return name, tuple(notes)


def whole_ids(values: pa.Array, rows: np.ndarray, column: str, file: Path) -> np.ndarray:
    """(polygon,) int64: the ids of polygons from the values of their column, numbers or text.

    Raises InputError for nulls, and for other numbers than ids. ``rows``: numbers of the rows, for messages.
    """
    null = np.asarray(values.is_null(nan_is_null=True))
    if null.any():
        raise _unsuitable(file, column, "has no value", rows[null])
    numbers = _numbers_in_text(values, rows, column, file) if _is_text(values) else _numbers(values, column, file)
    for wrong, what in id_problems(numbers):
        raise _unsuitable(file, column, f"contains {what}: {some_values(numbers[wrong].tolist())}", rows[wrong])
    return numbers.astype(np.int64)


def require_one_spelling(values: Sequence[pa.Array], ids: np.ndarray, column: str, file: Path) -> None:
    """Raise InputError if the texts of equal ``ids`` differ by leading zeros.

    ``values``: batches of the column, numbers or text, with the ids ``ids`` (polygon,).
    """
    if not values or not _is_text(values[0]):
        return
    texts = pa.chunked_array(values)
    order = np.argsort(ids, kind="stable")
    same = np.flatnonzero(np.diff(ids[order]) == 0)
    some, others = texts.take(pa.array(order[same])), texts.take(pa.array(order[same + 1]))
    for at in np.flatnonzero(pc.not_equal(some, others).to_numpy()):
        one, other = some[int(at)].as_py(), others[int(at)].as_py()
        if plain_digits(one) != plain_digits(other):
            raise InputError(
                f"{file}: ids {one!r} and {other!r} of the text field {column!r} are the same number. If they are one "
                "segment, use one spelling; if not, use another field"
            )


def _numbers(values: pa.Array, column: str, file: Path) -> np.ndarray:
    if pa.types.is_binary(values.type) or pa.types.is_large_binary(values.type):  # GDAL states no type of its own
        raise _unsuitable_field(file, column, "binary values")
    found: np.ndarray = values.to_numpy(zero_copy_only=False)
    return found


def _numbers_in_text(values: pa.Array, rows: np.ndarray, column: str, file: Path) -> np.ndarray:
    """The values of whole numbers of up to 18 digits; InputError for other text."""
    if pc.all(pc.match_substring_regex(values, _PLAIN), min_count=0).as_py():
        found: np.ndarray = pc.cast(values, pa.int64()).to_numpy(zero_copy_only=False)
        return found
    texts = values.to_pylist()
    numbers = [whole_number(text) for text in texts]
    wrong = [k for k, number in enumerate(numbers) if number is None]
    if wrong:
        problem = f"contains text: {some_values(repr(texts[k]) for k in wrong)}"
        raise _unsuitable(file, column, problem, rows[wrong], "of up to 18 digits ")
    return np.array(numbers, np.int64)


def _is_text(values: pa.Array) -> bool:
    return bool(pa.types.is_string(values.type) or pa.types.is_large_string(values.type))


def _unsuitable(file: Path, column: str, problem: str, rows: np.ndarray, limit: str = "") -> InputError:
    return InputError(
        f"{file}: field {column!r} {problem} (row {some_values(rows.tolist())}); expected whole numbers {limit}from 0 "
        "as ids of the segments. Correct these rows, or use another field"
    )


def _unsuitable_field(file: Path, column: str, content: str) -> InputError:
    return InputError(
        f"{file}: field {column!r} contains {content}; expected whole numbers as ids of the segments. Use another "
        "field, or convert it with the field calculator of QGIS"
    )
