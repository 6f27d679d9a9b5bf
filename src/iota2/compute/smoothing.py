"""Spatial smoothing of class probabilities and of labels in a moving window.

Bayesian smoothing: Camara et al. (2024), Bayesian inference for post-processing of remote-sensing image classification,
Remote Sensing 16(23), 4572. The logit x of a class at a pixel is combined with mean m and variance s² of the highest
logits of the class in the window; the posterior mean is (s² x + σ² m) / (s² + σ²), where σ² is the smoothness.

Sums are whole numbers, so the result at a pixel depends only on the pixels in its window, and not on the block.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numba import njit

from iota2.compute.predict import PROBABILITY_SCALE

MIN_PROBABILITY = 0.5 / PROBABILITY_SCALE
"""Probabilities are clipped to half a step from 0 and 1, where the logit is infinite."""
MAX_WINDOW = 31
"""Largest side of the window, in pixels: sums of squared logits fit 64 bits."""
DEFAULT_SMOOTHNESS = 20.0
"""Smoothness of classes without another value."""
_LOGIT_SCALE = 1 << 16
"""Value of the logit 1 in whole numbers."""
_GROUP = 16
"""Consecutive probabilities that are counted together, to skip values that do not occur in the window."""
_NO_CLASS = -1
"""Value of pixels without label among levels of probability, and among positions of classes."""


@dataclass(frozen=True)
class BayesianSmoothing:
    """Parameters of Bayesian smoothing."""

    window: int
    """Side of the window in pixels, odd."""
    fraction: float
    """Share of the labelled pixels in the window that are used, those with the highest logits; above 0, at most 1."""
    smoothness: tuple[float, ...]
    """σ² of each class, at least 0. With 0, the logits of the class do not change."""

    @property
    def halo(self) -> int:
        """Pixels around a block that its result depends on."""
        return self.window // 2


def smoothed_probabilities(
    thousandths: np.ndarray, labelled: np.ndarray, given: BayesianSmoothing, *, threads: int = 1
) -> np.ndarray:
    """Smoothed probabilities (class, y, x) float32, with sum 1 at each labelled pixel; 0 at other pixels.

    ``thousandths``: (class, y, x) probabilities × 1000, whole numbers. ``labelled``: (y, x) bool; other pixels are not
    read. Windows are clipped at the edges of the arrays. Of n labelled pixels in a window, including the centre, the
    ⌈fraction · n⌉ highest logits of each class give its mean and its variance (divided by their number). If variance
    and smoothness are both 0, the logit does not change. Each of the ``threads`` smooths some classes.
    """
    if given.window % 2 == 0 or not 1 <= given.window <= MAX_WINDOW:
        raise ValueError(f"the window {given.window} is not an odd number from 1 to {MAX_WINDOW}")
    if len(given.smoothness) != len(thousandths):
        raise ValueError(f"{len(given.smoothness)} values of smoothness for {len(thousandths)} classes")
    levels = np.where(labelled, np.minimum(thousandths, PROBABILITY_SCALE), _NO_CLASS).astype(np.int16)
    out = np.zeros(levels.shape, np.float32)

    def smooth(k: int) -> None:
        _smooth_class(levels[k], given.halo, _Counts.of(given), float(given.smoothness[k]), out[k])

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(smooth, range(len(levels))))
    total = out.sum(axis=0)
    return np.divide(out, total, out=out, where=labelled)


class _Counts(NamedTuple):
    """Pixels of a window by probability."""

    counts: np.ndarray
    """(1001,) int64: labelled pixels by probability in thousandths."""
    groups: np.ndarray
    """(63,) int64: labelled pixels in groups of consecutive probabilities."""
    sums: np.ndarray
    """(4,) int64: labelled pixels; number, sum of logits and sum of their squares of the pixels above a probability."""
    logits: np.ndarray
    """(1001,) int64: logit of each probability."""
    wanted: np.ndarray
    """Number of the highest logits to use, by the number of labelled pixels in the window."""

    @staticmethod
    def of(given: BayesianSmoothing) -> _Counts:
        """Counts of an empty window."""
        logits = _logits()
        groups = np.zeros(len(logits) // _GROUP + 1, np.int64)
        return _Counts(np.zeros(len(logits), np.int64), groups, np.zeros(4, np.int64), logits, _wanted(given))


def _logits() -> np.ndarray:
    """(1001,) int64 logit × 2¹⁶ of each probability in thousandths."""
    shares = np.clip(np.arange(PROBABILITY_SCALE + 1) / PROBABILITY_SCALE, MIN_PROBABILITY, 1 - MIN_PROBABILITY)
    return np.rint(np.log(shares / (1 - shares)) * _LOGIT_SCALE).astype(np.int64)


def _wanted(given: BayesianSmoothing) -> np.ndarray:
    """Number of the highest logits to use, by the number of labelled pixels in the window."""
    counts = np.arange(given.window**2 + 1)
    # the share may be a decimal fraction without an exact binary form, such as 0.1
    return np.maximum(1, np.ceil(counts * given.fraction - 1e-9)).astype(np.int64)


def smoothness_of(given: float | Mapping[int, float], codes: Sequence[int]) -> tuple[float, ...]:
    """The smoothness of each class code, from a number or from values by code; the default for other codes."""
    if isinstance(given, Mapping):
        return tuple(given.get(code, DEFAULT_SMOOTHNESS) for code in codes)
    return (given,) * len(codes)


def smoothed_labels(labels: np.ndarray, window: int) -> np.ndarray:
    """The most frequent label (y, x) in the window of each pixel; 0, unlabelled pixels, stay 0 and do not vote.

    In a tie, a pixel keeps its label if it is among the most frequent ones; else it gets the smallest of these. Windows
    are clipped at the edges of the array. ``labels``: unsigned integers.
    """
    if window % 2 == 0 or window < 1:
        raise ValueError(f"the window {window} is not an odd number")
    codes = np.flatnonzero(np.bincount(labels.ravel(), minlength=1))
    codes = codes[codes > 0]
    position = np.full(int(codes.max(initial=0)) + 1, _NO_CLASS, np.int32)
    position[codes] = np.arange(len(codes))
    out = np.zeros_like(labels)
    _vote(position[labels], len(codes), window // 2, codes.astype(labels.dtype), out)
    return out


def mean_confidence(confidence: np.ndarray, labels: np.ndarray, smoothed: np.ndarray, window: int) -> np.ndarray:
    """Mean confidence (y, x) float32 of the pixels in the window that have the ``smoothed`` label of its centre.

    Pixels without a smoothed label are 0, and so are those whose smoothed label no pixel of the window has.

    ``confidence``: (y, x) from 0 to 1, of ``labels`` (y, x). Confidences are rounded to 2⁻²⁰, so that sums are exact.
    """
    weights = np.rint(confidence.astype(np.float64) * (1 << 20)).astype(np.int64)
    out = np.zeros(labels.shape, np.float32)
    _mean_of_label(weights, labels, smoothed, window // 2, out)
    return out / np.float32(1 << 20)


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _smooth_class(levels: np.ndarray, radius: int, window: _Counts, smoothness: float, out: np.ndarray) -> None:
    """Write the smoothed probability of one class, before normalisation, at labelled pixels.

    ``levels``: (y, x) probabilities in thousandths, negative without label. The window slides along each row.
    """
    height, width = levels.shape
    sums, logits = window.sums, window.logits
    for y in range(height):
        rows = levels[max(0, y - radius) : y + radius + 1]
        window.counts[:] = 0
        window.groups[:] = 0
        sums[:] = 0
        at = PROBABILITY_SCALE
        for x in range(-radius, width):
            if x + radius < width:
                _count(rows[:, x + radius], 1, at, window)
            if x > radius:
                _count(rows[:, x - radius - 1], -1, at, window)
            if x < 0 or levels[y, x] < 0:
                continue
            k = window.wanted[sums[0]]
            at = _highest(k, at, window)
            rest = k - sums[1]
            total = sums[2] + rest * logits[at]
            squares = sums[3] + rest * logits[at] * logits[at]
            mean = total / k / _LOGIT_SCALE
            variance = (k * squares - total * total) / (k * k) / (_LOGIT_SCALE * _LOGIT_SCALE)
            logit = logits[levels[y, x]] / _LOGIT_SCALE
            if variance + smoothness > 0:
                logit = (variance * logit + smoothness * mean) / (variance + smoothness)
            out[y, x] = 1 / (1 + np.exp(-logit))


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _count(column: np.ndarray, sign: int, at: int, window: _Counts) -> None:
    """Add the labelled pixels of a column of the window, or remove them (``sign`` -1)."""
    counts, groups, sums, logits, _ = window
    for row in range(len(column)):
        level = column[row]
        if level >= 0:
            counts[level] += sign
            groups[level // _GROUP] += sign
            sums[0] += sign
            if level > at:
                sums[1] += sign
                sums[2] += sign * logits[level]
                sums[3] += sign * logits[level] * logits[level]


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _highest(k: int, at: int, window: _Counts) -> int:
    """The k-th highest probability in the window; ``at`` is the former one. Moves the sums above it."""
    counts, groups, sums, logits, _ = window
    while sums[1] >= k:
        at += 1
        while at % _GROUP == 0 and groups[at // _GROUP] == 0:
            at += _GROUP
        sums[1] -= counts[at]
        sums[2] -= counts[at] * logits[at]
        sums[3] -= counts[at] * logits[at] * logits[at]
    while sums[1] + counts[at] < k:
        sums[1] += counts[at]
        sums[2] += counts[at] * logits[at]
        sums[3] += counts[at] * logits[at] * logits[at]
        at -= 1
        while at % _GROUP == _GROUP - 1 and groups[at // _GROUP] == 0:
            at -= _GROUP
    return at


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _vote(positions: np.ndarray, n_classes: int, radius: int, codes: np.ndarray, out: np.ndarray) -> None:
    """Write the most frequent label; ``positions`` (y, x) are those of labels in ``codes``, negative without label."""
    height, width = positions.shape
    votes = np.zeros(n_classes, np.int64)
    for y in range(height):
        top, bottom = max(0, y - radius), min(height, y + radius + 1)
        votes[:] = 0
        for x in range(-radius, width):
            entering, leaving = x + radius, x - radius - 1
            for row in range(top, bottom):
                if entering < width and positions[row, entering] >= 0:
                    votes[positions[row, entering]] += 1
                if leaving >= 0 and positions[row, leaving] >= 0:
                    votes[positions[row, leaving]] -= 1
            if x < 0 or positions[y, x] < 0:
                continue
            best = positions[y, x]
            for k in range(n_classes):
                if votes[k] > votes[best]:
                    best = k
            out[y, x] = codes[best]


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _mean_of_label(weights: np.ndarray, labels: np.ndarray, new: np.ndarray, radius: int, out: np.ndarray) -> None:
    """Write the mean weight of the pixels in the window whose label is the new label of the centre."""
    height, width = labels.shape
    for y in range(height):
        for x in range(width):
            if new[y, x] == 0:
                continue
            total = count = 0
            for row in range(max(0, y - radius), min(height, y + radius + 1)):
                for col in range(max(0, x - radius), min(width, x + radius + 1)):
                    if labels[row, col] == new[y, x]:
                        total += weights[row, col]
                        count += 1
            if count > 0:
                out[y, x] = total / count
