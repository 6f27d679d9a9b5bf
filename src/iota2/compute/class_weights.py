"""Numbers of samples of the classes, and their weights in training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np

from iota2.core.labels import whole_number
from iota2.core.nomenclature import Label, code_of, unknown_label
from iota2.errors import InputError

Balanced = Literal["balanced"]


def counts_by_code(codes: np.ndarray) -> dict[int, int]:
    """Number of samples by class code, ascending, from the codes (sample,) of samples."""
    found, counts = np.unique(codes, return_counts=True)
    return dict(zip(found.tolist(), counts.tolist(), strict=True))


def weights_by_code(given: Mapping[str, float], classes: Mapping[Label, int]) -> dict[int, float]:
    """Weights by class code, ascending, from weights by label or code; ``classes`` are codes by label.

    A key is a label if a class has it, else a code. Raises InputError with all unknown and all repeated keys.
    """
    found: dict[int, float] = {}
    keys: dict[int, str] = {}
    problems = []
    for key, weight in given.items():
        code = code_of(key, classes)
        if code is None and (number := whole_number(key)) in classes.values():
            code = number
        if code is None:
            problems.append(unknown_label(key, classes))
        elif code in found:
            problems.append(f"{keys[code]!r} and {key!r} are the same class; keep one of them")
        else:
            found[code], keys[code] = weight, key
    if problems:
        raise InputError("\n".join(problems))
    return dict(sorted(found.items()))


def class_weights(given: Balanced | Mapping[int, float], counts: Mapping[int, int]) -> dict[int, float]:
    """Weight of each class with samples, by code.

    ``balanced``: n / (k n_c) for n samples of k classes, of which n_c have the class (King and Zeng, 2001), so that all
    classes have the same total weight, and the mean weight of the samples is 1. ``given`` by code: 1 for other classes.
    """
    present = {code: count for code, count in sorted(counts.items()) if count}
    if given != "balanced":
        return {code: given.get(code, 1.0) for code in present}
    total = sum(present.values())
    return {code: total / (len(present) * count) for code, count in present.items()}


def sample_weights(codes: np.ndarray, weights: Mapping[int, float]) -> np.ndarray:
    """(sample,) float64: weight of the class of each sample; ``KeyError`` for a class without a weight."""
    classes, place = np.unique(codes, return_inverse=True)
    return np.array([weights[code] for code in classes.tolist()], np.float64)[place.reshape(-1)]
