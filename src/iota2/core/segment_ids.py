"""Ids of segments in the user's files: whole numbers from 0 to 2**63 - 1."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

MAX_ID = 2**63 - 1
MAX_FLOAT_ID = 2**53 - 1
"""Larger floating-point numbers may stand for several whole numbers."""


def id_problems(values: np.ndarray) -> Iterator[tuple[np.ndarray, str]]:
    """For each rule that some of the numbers break: which of them (bool, same shape), and what they are."""
    yield from ((wrong, what) for wrong, what in _rules(values) if wrong.any())


def _rules(values: np.ndarray) -> Iterator[tuple[np.ndarray, str]]:
    if values.dtype.kind == "f":
        yield np.floor(values) != values, "numbers that are not whole"
        yield values > MAX_FLOAT_ID, f"floating-point numbers above {MAX_FLOAT_ID}, which are not exact"
    yield values < 0, "negative numbers"
    if values.dtype == np.uint64:
        yield values > np.uint64(MAX_ID), f"numbers above {MAX_ID}"
