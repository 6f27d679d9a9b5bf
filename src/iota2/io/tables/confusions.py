"""CSV file with the confusion matrix of a tile."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from iota2.core.tables import PRODUCED, REFERENCE, UNMAPPED, Confusion


def confusion_csv(confusion: Confusion) -> str:
    """CSV text of a matrix in pixels: two header lines with class codes, then one line for each reference class.

    A comment line at the end has the numbers of pixels with the value 0 in the map, if there are any.
    """
    labels = ",".join(str(label) for label in confusion.labels)
    lines = [REFERENCE + labels, PRODUCED + labels]
    lines += [",".join(str(int(count)) for count in row) for row in confusion.counts]
    if confusion.unmapped.any():
        lines.append(UNMAPPED + ",".join(str(int(count)) for count in confusion.unmapped))
    return "\n".join(lines) + "\n"


def parse_confusion_csv(text: str, source: str) -> Confusion:
    """The matrix from the text of ``confusion_csv``; ValueError, with the name ``source``, for another text."""
    lines = text.splitlines()
    try:
        reference, produced = (
            _integers(line.removeprefix(head)) for line, head in zip(lines[:2], (REFERENCE, PRODUCED), strict=True)
        )
        rows = [_integers(line) for line in lines[2:] if line and not line.startswith("#")]
        unmapped = [_integers(line.removeprefix(UNMAPPED)) for line in lines if line.startswith(UNMAPPED)]
        if reference != produced:
            raise ValueError("rows and columns have different labels")
        n = len(reference)
        return Confusion(
            tuple(reference),
            np.array(rows, dtype=np.int64).reshape(n, n),
            np.array(unmapped[0] if unmapped else [0] * n, dtype=np.int64),
        )
    except ValueError as err:
        raise ValueError(f"{source} is not a confusion matrix: {err}") from err


def _integers(line: str) -> list[int]:
    return [int(part) for part in line.split(",")]


def read_confusion(path: Path) -> Confusion:
    """The matrix from a file of ``confusion_csv``."""
    return parse_confusion_csv(path.read_text(encoding="utf-8"), str(path))
