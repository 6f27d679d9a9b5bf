"""Translation between two images by phase correlation, with its uncertainty.

Edges (gradient magnitudes) are compared, since the borders of fields persist while the contrast of crops changes with
the season. Windows are compared separately and combined by the median, so that
unmasked clouds and changed land cover affect single windows only (Scheffler et al., 2017, AROSICS,
Remote Sensing 9(7), 676, combines windows for the same reason).

Phase correlation: Kuglin & Hines (1975). The highest frequencies are excluded: they contain noise, and aliasing
that does not move with the scene (Stone et al., 2001, IEEE Trans. Geosci. Remote Sens. 39(10)).
scikit-image finds the peak, between the pixels by evaluating the inverse transform there (Guizar-Sicairos, Thurman &
Fienup, 2008, Optics Letters 33(2)).

scipy and scikit-image import their submodules on first use, so importing this module is fast.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import scipy
import skimage

SIDE, SMALLEST = 256, 64
"""Pixels along a side of a window, and the smallest side on grids with room for few windows."""
MAX_WINDOWS_PER_SIDE = 10
"""Windows along each side of the grid."""
MIN_CLEAR_SHARE = 0.6
"""Share of a window that must be clear in both images."""
MIN_WINDOWS = 3
"""Windows that must correlate."""
SUBPIXEL_STEP = 0.05
"""Pixels; smaller translations are ignored, since resampling would blur more than it corrects."""
AGREED, NEARBY = 2 / 3, 1.0
"""Share of the windows that must lie near the median translation, and how near, in pixels."""
MAX_STANDARD_ERROR = 0.2
"""Pixels; a translation with a larger standard error is rejected."""
MIN_CORRELATION = 0.25
"""Least correlation of edges. Red and near infrared of aligned real images gave 0.2, with translations that were wrong
by a third of a pixel."""
_LOSS = 0.02
"""Loss of correlation that rounding and resampling may cause; beyond it, moving the image has made it worse."""
_SMOOTHED = 1.0
"""Standard deviation, in pixels, of the Gaussian whose derivatives make the gradients."""
_SPREAD = 7
"""Rows and columns around a pixel without data whose gradients are invalid."""
_FREQUENCIES = 0.35
"""Cycles per pixel; the highest frequency that is used."""
_PARTS = 250
"""Positions per pixel at which the correlation is evaluated, along each axis."""
_CHANCE = 5.0
"""Least height of a peak, relative to the mean peak of unrelated images."""
_TAPERED = 1.5
"""Square root of the factor by which a Hann window makes the independent frequencies fewer, both axes."""

Range = tuple[int, int]


@dataclass(frozen=True, eq=False)
class View:
    """Edges of a window of an image."""

    edges: np.ndarray
    """(y, x) float32."""
    clear: np.ndarray
    """(y, x) bool: the edges are valid."""


@dataclass(frozen=True)
class Translation:
    """Translation of an image against the reference, in pixels to the right and down."""

    right: float = 0.0
    down: float = 0.0
    windows: int = 0
    """Windows that show the same edges in both images."""
    compared: int = 0
    """Windows that are clear in both."""
    spread: float = np.nan
    """Median absolute deviation of the windows' translations, in pixels, the larger of both axes."""
    before: float = np.nan
    """Correlation of the edges as the images lie, in the windows that show the same ones."""
    after: float = np.nan
    """Correlation once the image is moved back."""
    refused: str = ""
    """Why this must not be used; empty when it can be."""


def too_small(shape: tuple[int, int]) -> str:
    """The reason why images of a shape cannot be compared; empty when they can."""
    if len(window_grid(shape)) >= MIN_WINDOWS:
        return ""
    least = next(side for side in itertools.count(SMALLEST) if len(window_grid((side, side))) >= MIN_WINDOWS)
    rows, cols = shape
    return f"{cols} x {rows} pixels are too few to align: {least} x {least} are needed"


def window_grid(shape: tuple[int, int]) -> list[tuple[Range, Range]]:
    """Rows and columns of the windows in which images of a shape are compared, row by row; none when it is too small.

    Windows are evenly spaced and overlap by at most half.
    """
    side = SIDE
    while side > SMALLEST and 2 * side > min(shape):
        side //= 2
    if side > min(shape):
        return []
    starts = [_starts(length, side) for length in shape]
    return [((top, top + side), (left, left + side)) for top, left in itertools.product(*starts)]


def _starts(length: int, side: int) -> list[int]:
    count = min(MAX_WINDOWS_PER_SIDE, 2 * (length - side) // side + 1)
    return [round(k * (length - side) / max(1, count - 1)) for k in range(count)]


def view_of(values: np.ndarray, clear: np.ndarray) -> View:
    """The edges of a window of an image (y, x), and where they are valid; ``clear`` (y, x) bool."""
    level = float(np.mean(values, where=clear, dtype=np.float64)) if clear.any() else 0.0
    filled = np.where(clear, values, level).astype(np.float32)
    edges = scipy.ndimage.gaussian_gradient_magnitude(filled, _SMOOTHED)
    return View(edges, scipy.ndimage.minimum_filter(clear, size=_SPREAD))


def translation(reference: Sequence[View], image: Sequence[View], limit: float) -> Translation:
    """How far the image lies from the reference, at most ``limit`` pixels along each axis, from views of the same
    windows. A translation that is ``refused`` says why, and is 0 when there is no measure at all."""
    pairs = [
        (one, other)
        for one, other in zip(reference, image, strict=True)
        if np.count_nonzero(one.clear & other.clear) >= MIN_CLEAR_SHARE * one.clear.size
    ]
    if len(pairs) < MIN_WINDOWS:
        reason = f"{len(pairs)} of {len(reference)} windows are clear in both images; {MIN_WINDOWS} are needed"
        return Translation(compared=len(pairs), refused=reason)
    matches = [(pair, match) for pair in pairs if (match := _match(*pair, limit)) is not None]
    alike, found = [pair for pair, _ in matches], [match for _, match in matches]
    if len(found) < MIN_WINDOWS:
        reason = (
            f"{len(found)} of {len(pairs)} clear windows show the same edges in both images; {MIN_WINDOWS} are needed"
        )
        return Translation(windows=len(found), compared=len(pairs), refused=reason)
    median = np.median(found, axis=0)
    deviations = np.abs(np.subtract(found, median))
    # thousandths, so that no way of computing the same differs
    right, down = (round(float(value), 3) for value in median)
    measured = Translation(
        right,
        down,
        len(found),
        len(pairs),
        spread=float(np.median(deviations, axis=0).max()),
        before=_correlation(alike, (0.0, 0.0), limit),
        after=_correlation(alike, (right, down), limit),
    )
    near = int(np.count_nonzero(deviations.max(axis=1) <= NEARBY))
    return replace(measured, refused=_doubt(measured, near, limit))


def _doubt(found: Translation, near: int, limit: float) -> str:
    """The reason why a translation is rejected; empty when it is accepted. ``near``: windows near the median."""
    # of a median of values with normal errors, whose standard deviation is 1.4826 times their median deviation
    error = 1.2533 * 1.4826 * found.spread / np.sqrt(found.windows)
    if near < AGREED * found.windows or error > MAX_STANDARD_ERROR:
        return f"the windows disagree: {near} of {found.windows} lie within {NEARBY:g} pixel of their median"
    if max(abs(found.right), abs(found.down)) > limit:
        return f"{found.right:.1f} pixels right and {found.down:.1f} down are more than {limit:g}"
    if found.after < found.before - _LOSS:
        return f"the edges agree less once the image is moved ({found.after:.2f}, not {found.before:.2f})"
    if found.after < MIN_CORRELATION:
        return f"the edges agree too little: their correlation is {found.after:.2f}, {MIN_CORRELATION:g} is needed"
    return ""


def _match(reference: View, image: View, limit: float) -> tuple[float, float] | None:
    """Pixels right and down at the peak of the phase correlation of two windows; None when the peak is
    too low, or too far away."""
    clear = reference.clear & image.clear
    weight = np.hanning(len(clear) + 2)[1:-1, None] * np.hanning(clear.shape[1] + 2)[1:-1] * clear
    first, second = (_phases(_centred(view.edges, weight)) for view in (reference, image))
    count = np.count_nonzero(first * second)
    if not count:
        return None
    (down, right), error, angle = skimage.registration.phase_cross_correlation(
        second, first, space="fourier", normalization=None, upsample_factor=_PARTS
    )
    # the function reports the height only as this error; peaks below zero, which it also finds, have an angle of pi
    height = np.sqrt(max(0.0, 1 - float(error) ** 2)) * np.cos(angle)
    chance = _TAPERED / np.sqrt(count * np.count_nonzero(clear) / clear.size)
    near = max(abs(right), abs(down)) <= limit + 1
    return (float(right), float(down)) if near and height > _CHANCE * chance else None


def _phases(values: np.ndarray) -> np.ndarray:
    """Fourier transform (y, x) in which the low frequencies have the size 1, and all others 0."""
    spectrum = scipy.fft.fft2(values)
    rows, cols = (scipy.fft.fftfreq(length) for length in values.shape)
    distance, size = np.hypot(rows[:, None], cols), np.abs(spectrum)
    used = (distance > 0) & (distance < _FREQUENCIES) & (size > 0)
    phases: np.ndarray = np.divide(spectrum, size, where=used, out=np.zeros_like(spectrum))
    return phases


def _centred(edges: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Edges minus their weighted mean, tapered, so that pixels that are not clear are 0 and leave no step."""
    values = edges.astype(np.float64)
    centred: np.ndarray = (values - np.average(values, weights=weight)) * weight
    return centred


def _correlation(pairs: Sequence[tuple[View, View]], moved: tuple[float, float], limit: float) -> float:
    """Correlation of the edges over all windows where both are clear, once the images are moved back by ``moved``
    (pixels right, down); without the margins, where an image that is moved shows nothing. NaN without contrast."""
    margin = int(np.ceil(limit)) + 1
    inner = slice(margin, -margin), slice(margin, -margin)
    ones, others = [], []
    for reference, image in pairs:
        back = -moved[1], -moved[0]
        edges = scipy.ndimage.shift(image.edges, back, order=3, mode="nearest") if any(moved) else image.edges
        clear = (reference.clear & image.clear)[inner]
        ones.append(reference.edges[inner][clear])
        others.append(edges[inner][clear])
    one, other = np.concatenate(ones).astype(np.float64), np.concatenate(others).astype(np.float64)
    if one.size < 2 or not one.std() or not other.std():
        return float("nan")
    return float(np.corrcoef(one, other)[0, 1])
