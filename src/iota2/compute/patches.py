"""Patches of a label raster: connected components of pixels with one label."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit


class Patches(NamedTuple):
    """Patches of a raster."""

    first: np.ndarray
    """(y, x) int32: position of the first pixel of the patch in the flattened array."""
    size: np.ndarray
    """(pixel,) int32: number of pixels of the patch that begins at the pixel, or 0."""


def patches_of(labels: np.ndarray, *, diagonal: bool = False) -> Patches:
    """The patches of labels (y, x), also over common corners if ``diagonal``.

    Pixels without label (0) are patches of their own.
    """
    first = np.empty(labels.shape, np.int32)
    size = np.zeros(labels.size, np.int32)
    _join(labels, diagonal, first.reshape(-1), size)
    return Patches(first, size)


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def unite(parent: np.ndarray, one: int, other: int) -> None:
    """Join two sets of a forest, which has the ``parent`` (element,) of each element; the first element is the root."""
    one, other = root_of(parent, one), root_of(parent, other)
    if one < other:
        parent[other] = one
    else:
        parent[one] = other


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def root_of(parent: np.ndarray, element: int) -> int:
    """The element that represents the set of an element; the path to it in ``parent`` is shortened."""
    while parent[element] != element:
        parent[element] = parent[parent[element]]
        element = parent[element]
    return element


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _join(labels: np.ndarray, diagonal: bool, parent: np.ndarray, size: np.ndarray) -> None:
    """Write the first pixel of the patch of each pixel to ``parent``, and the number of pixels of each patch to
    ``size``, which contains zeros."""
    height, width = labels.shape
    for y in range(height):
        for x in range(width):
            here, label = y * width + x, labels[y, x]
            parent[here] = here
            if label == 0:
                continue
            left, above = x > 0 and labels[y, x - 1] == label, y > 0 and labels[y - 1, x] == label
            if left:
                parent[here] = parent[here - 1]
            # Neighbours that are already joined, since they are neighbours of each other, are left out.
            if above and not (left and labels[y - 1, x - 1] == label):
                unite(parent, here - width, here)
            elif diagonal and not above and y > 0:
                if x > 0 and not left and labels[y - 1, x - 1] == label:
                    unite(parent, here - width - 1, here)
                if x + 1 < width and labels[y - 1, x + 1] == label:
                    unite(parent, here - width + 1, here)
    for here in range(height * width):
        parent[here] = parent[parent[here]]
        size[parent[here]] += 1
