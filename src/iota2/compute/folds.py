"""Folds of samples: groups stay together, and classes are spread evenly."""

from __future__ import annotations

import numpy as np


def grouped_folds(classes: np.ndarray, groups: np.ndarray, folds: int, rng: np.random.Generator) -> np.ndarray:
    """(sample,) int64: fold of each sample, 0 to ``folds`` - 1; all samples of a group are in one fold.

    ``classes`` and ``groups`` are (sample,) integers. Classes are processed in ascending order of their number of
    groups; the groups of a class, from the largest to the smallest and at random among equals, are each assigned to the
    fold with the fewest samples of the class. A class whose groups are of this class only is thus in every fold if it
    has at least as many groups as there are folds; a class with fewer groups is absent from some folds. Folds can be
    empty. The result depends on the set of samples, not on their order. Raises ValueError for less than one fold.
    """
    if folds < 1:
        raise ValueError(f"{folds} folds; expected at least 1")
    if not len(classes):
        return np.zeros(0, np.int64)
    counts, member = _class_counts(classes, groups)
    draw = rng.permutation(len(counts))
    fold_of = np.full(len(counts), -1, np.int64)
    sizes = np.zeros((folds, counts.shape[1]), np.int64)
    for column in np.argsort((counts > 0).sum(axis=0), kind="stable"):
        undecided = np.flatnonzero((counts[:, column] > 0) & (fold_of < 0))
        for group in undecided[np.lexsort((draw[undecided], -counts[undecided, column]))]:
            fold = int(np.lexsort((sizes.sum(axis=1), sizes[:, column]))[0])
            fold_of[group] = fold
            sizes[fold] += counts[group]
    return fold_of[member]


def _class_counts(classes: np.ndarray, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(group, class) int64: number of samples, in ascending order of both; and the row of each sample's group."""
    _, member = np.unique(groups, return_inverse=True)
    _, column = np.unique(classes, return_inverse=True)
    member, column = member.reshape(-1), column.reshape(-1)
    shape = int(member.max()) + 1, int(column.max()) + 1
    return np.bincount(member * shape[1] + column, minlength=shape[0] * shape[1]).reshape(shape), member
