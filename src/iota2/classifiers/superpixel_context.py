"""Auto-context: shares of the classes in the superpixel of a pixel as features of a further model.

A model predicts the label of each pixel. The shares of the classes in the pixel's superpixel are appended to its
features, and the next model learns from both (Tu & Bai 2010, IEEE Trans. Pattern Anal. Mach. Intell. 32(10), 1744-1757;
with superpixels: Derksen, Inglada & Michel 2020). Shares depend on the pixel's own superpixel only: for any number of
iterations, a block needs only the pixels of the superpixels that it touches.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from iota2.classifiers.context import FirstModel, context_names
from iota2.core.cube import FeatureBlock
from iota2.errors import InputError

MAX_EXTENT = 1000
"""Largest extent of superpixels, in pixels."""
MAX_ITERATIONS = 10
"""Largest number of iterations."""


@dataclass(frozen=True, eq=False)
class SuperpixelContext:
    """Shares of classes in superpixels as further features of a model, or the reason why it uses none."""

    extent: int
    """Maximum rows and columns of a superpixel."""
    iterations: int
    """Number of models before this one."""
    first: FirstModel | None = None
    """The previous model; None if there is no context, or it was not loaded."""
    reason: str = ""
    """Why there is no context; empty if there is."""

    @property
    def halo(self) -> int:
        """Number of pixels around a block on which its context depends."""
        return self.extent - 1 if self.first else 0

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the features of the context: one for each class of the previous model."""
        return context_names(self.first.classes if self.first else ())

    def extended(self, features: FeatureBlock, selected: np.ndarray, *, threads: int = 1) -> np.ndarray:
        """(feature + class, y, x) float32: features of the block, and shares of the classes in the superpixels.

        ``selected`` (y, x) bool: pixels of the block whose context is needed; that of others may be wrong.
        ``InputError`` if the superpixels are unknown.
        """
        assert self.first is not None, "the model has a context"
        if features.segments.shape != features.n_valid.shape:
            raise InputError("The model needs the superpixels of a run (enable_autocontext). Classify with iota2 run.")
        wanted = np.unique(features.segments[features.inner][selected])
        inside = np.isin(features.segments, wanted[wanted > 0]) & (features.n_valid > 0)
        whole = FeatureBlock(features.values, features.names, features.n_valid, segments=features.segments)
        labels = self.first.predict(whole, inside, threads=threads).labels
        ids, number = np.unique(features.segments[inside], return_inverse=True)
        shares = class_shares(number, np.searchsorted(self.first.classes, labels[inside]), len(ids), len(self.names))
        found = np.zeros((len(self.names), *features.n_valid.shape), np.float32)
        found[:, inside] = shares[number].T
        return np.concatenate([features.values[:, *features.inner], found[:, *features.inner]])

    def to_json(self) -> dict[str, Any]:
        """As JSON values, without the previous model."""
        return {"kind": "superpixels", "extent": self.extent, "iterations": self.iterations, "reason": self.reason}

    @property
    def short(self) -> str:
        """Number of passes and kind of context, for lists of models."""
        return "1 pass without context" if self.reason else f"{self.iterations + 1} passes with context of superpixels"

    @property
    def sentence(self) -> str:
        """What the model uses, or why it uses no context."""
        if self.reason:
            return f"No context: {self.reason}."
        return (
            f"Model {self.iterations + 1} of auto-context: it also learned the shares of the classes in the superpixel "
            "of each pixel, predicted by the model before."
        )

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> SuperpixelContext:
        """From the values of ``to_json``; KeyError, TypeError or ValueError for others."""
        extent, iterations, reason = content["extent"], content["iterations"], content["reason"]
        valid = type(extent) is int and 1 <= extent <= MAX_EXTENT and isinstance(reason, str)
        if not valid or type(iterations) is not int or not 1 <= iterations <= MAX_ITERATIONS:
            raise ValueError(f"the context is {content!r}")
        return cls(extent, iterations, None, reason)


def class_shares(segments: np.ndarray, columns: np.ndarray, count: int, classes: int) -> np.ndarray:
    """(segment, class) float32: share of the pixels of each segment in each class; 0 for a segment without pixels.

    ``segments`` and ``columns`` (pixel,) int: number of the segment, and of the class, of each pixel.
    """
    counts = np.bincount(segments * classes + columns, minlength=count * classes).reshape(count, classes)
    return (counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)).astype(np.float32)
