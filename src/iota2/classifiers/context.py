"""Context of a pixel as features of a second model: mean class probabilities of the pixels around it.

A first model predicts class probabilities from the features of each pixel alone. Their means in a window around the
pixel are appended to its features, and a second model learns from both: one iteration of auto-context (Tu & Bai 2010,
IEEE Trans. Pattern Anal. Mach. Intell. 32(10), 1744-1757).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from iota2.compute.predict import Prediction
from iota2.compute.window_means import near, window_means
from iota2.core.cube import FeatureBlock

MAX_CONTEXT_WINDOW = 51
"""Largest width of a window, in pixels."""


class FirstModel(Protocol):
    """A model of classes from the features of each pixel alone."""

    @property
    def classes(self) -> tuple[int, ...]:
        """Class codes, ascending."""

    def predict(self, features: FeatureBlock, where: np.ndarray, *, threads: int = 1) -> Prediction:
        """Probabilities of the pixels of ``where`` (y, x) bool with an observation; 0 elsewhere."""


@dataclass(frozen=True, eq=False)
class WindowContext:
    """Mean class probabilities in a window as further features of a model, or the reason why it uses none."""

    window: int
    """Width of the window in pixels, odd."""
    first: FirstModel | None = None
    """The model whose probabilities are averaged; None if the model uses no context, or it was not loaded."""
    reason: str = ""
    """Why there is no context; empty if there is."""

    @property
    def halo(self) -> int:
        """Number of pixels around a block on which its context depends."""
        return self.window // 2 if self.first else 0

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the features of the context: one for each class of the first model."""
        return context_names(self.first.classes if self.first else ())

    def extended(self, features: FeatureBlock, selected: np.ndarray, *, threads: int = 1) -> np.ndarray:
        """(feature + class, y, x) float32: features of the block, and mean probabilities around its pixels.

        ``selected`` (y, x) bool: pixels of the block whose context is needed; that of others may be wrong. The means
        are those of all pixels of the window with an observation, also outside the block and its region. Without
        margins of ``halo`` pixels, windows are clipped as at the edge of a tile.
        """
        assert self.first is not None, "the model has a context"
        wanted = np.zeros(features.n_valid.shape, bool)
        wanted[features.inner] = selected
        everywhere = FeatureBlock(features.values, features.names, features.n_valid)
        around = near(wanted, self.halo) & (features.n_valid > 0)
        found = self.first.predict(everywhere, around, threads=threads)
        means = window_means(found.probabilities, around, self.halo)
        return np.concatenate([features.values[:, *features.inner], means[:, *features.inner]])

    def to_json(self) -> dict[str, Any]:
        """As JSON values, without the first model."""
        return {"kind": "smooth", "window": self.window, "reason": self.reason}

    @property
    def short(self) -> str:
        """Number of passes and kind of context, for lists of models."""
        return "1 pass without context" if self.reason else f"2 passes with context of {self.window} x {self.window}"

    @property
    def sentence(self) -> str:
        """What the model uses, or why it uses no context."""
        if self.reason:
            return f"No context: {self.reason}."
        return (
            f"Second of 2 passes: it also learned the mean class probabilities of a first model in {self.window} x "
            f"{self.window} pixels around each pixel."
        )

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> WindowContext:
        """From the values of ``to_json``; KeyError, TypeError or ValueError for others."""
        window, reason = content["window"], content["reason"]
        valid = type(window) is int and 3 <= window <= MAX_CONTEXT_WINDOW and window % 2 == 1
        if content["kind"] != "smooth" or not valid or not isinstance(reason, str):
            raise ValueError(f"the context is {content!r}")
        return cls(window, None, reason)


def context_names(classes: tuple[int, ...]) -> tuple[str, ...]:
    """Names of the features of the context of a model of these classes."""
    return tuple(f"context_{code}" for code in classes)
