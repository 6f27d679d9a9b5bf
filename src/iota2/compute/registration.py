"""Translation between two images by phase correlation, with its uncertainty.

Edges (gradient magnitudes) are compared, because field borders persist while the contrast of crops changes with the
season. Translations of several windows are combined by the median, so that unmasked clouds and land-cover change
affect single windows only (as in AROSICS: Scheffler et al., 2017, Remote Sensing 9(7), 676).

Phase correlation: Kuglin & Hines (1975). The highest frequencies are excluded: they contain noise, and aliasing
that does not move with the scene (Stone et al., 2001, IEEE Trans. Geosci. Remote Sens. 39(10)).
scikit-image locates the peak with subpixel accuracy, from an upsampled inverse transform around it (Guizar-Sicairos,
Thurman & Fienup, 2008, Optics Letters 33(2)).

scipy and scikit-image import their submodules on first use, so importing this module is fast.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import scipy
import skimage

MAX_WINDOW_SIDE, MIN_WINDOW_SIDE = 256, 64
"""Side of a window in pixels, and its minimum on small grids."""
MAX_WINDOWS_PER_SIDE = 10
"""Maximum number of windows along each side of the grid."""
MIN_CLEAR_SHARE = 0.6
"""Minimum share of a window that is clear in both images."""
MIN_WINDOWS = 3
"""Minimum number of windows that correlate."""
SUBPIXEL_STEP = 0.05
"""Pixels; smaller translations are ignored, because the blur of resampling would outweigh the correction."""
MIN_NEAR_SHARE, MAX_DEVIATION = 2 / 3, 1.0
"""Minimum share of the windows near the median translation, and their maximum deviation from it in pixels."""
MAX_STANDARD_ERROR = 0.2
"""Maximum standard error of a translation, in pixels."""
MIN_CORRELATION = 0.25
"""Minimum correlation of edges. For red and near infrared of real aligned images it was 0.2, with translation errors of
a third of a pixel."""
_MAX_CORRELATION_LOSS = 0.02
"""Maximum decrease of the correlation by rounding and resampling; a larger decrease means a wrong translation."""
_GRADIENT_SIGMA = 1.0
"""Standard deviation in pixels of the Gaussian derivatives that compute gradients."""
_GRADIENT_SIZE = 7
"""Side in pixels of the square around an invalid pixel in which gradients are invalid."""
_MAX_FREQUENCY = 0.35
"""Highest frequency used, in cycles per pixel."""
_UPSAMPLE_FACTOR = 250
"""Number of positions per pixel, along each axis, at which the correlation is evaluated."""
_MIN_PEAK_RATIO = 5.0
"""Minimum height of a peak, relative to the mean peak of unrelated images."""
_TAPER_FACTOR = 1.5
"""Factor on the peak height of unrelated images: a Hann window on both axes divides the number of independent
frequencies by its square."""

Range = tuple[int, int]


@dataclass(frozen=True, eq=False)
class View:
    """Edges of a window of an image."""

    edges: np.ndarray
    """(y, x) float32."""
    clear: np.ndarray
    """(y, x) bool: whether the edges are valid."""


@dataclass(frozen=True)
class Translation:
    """Translation of an image relative to the reference, in pixels to the right and down."""

    right: float = 0.0
    down: float = 0.0
    windows: int = 0
    """Number of windows with the same edges in both images."""
    compared: int = 0
    """Number of windows that are clear in both images."""
    spread: float = np.nan
    """Median absolute deviation of the windows' translations in pixels, the maximum of both axes."""
    before: float = np.nan
    """Correlation of the edges before the correction, in the windows with the same edges."""
    after: float = np.nan
    """Correlation of the edges after the correction."""
    rejected: str = ""
    """Reason why the translation must not be used; empty if it is valid."""


def too_small_to_align(shape: tuple[int, int]) -> str:
    """Message if images of a shape are too small to be compared; empty otherwise."""
    if len(window_grid(shape)) >= MIN_WINDOWS:
        return ""
    least = next(side for side in itertools.count(MIN_WINDOW_SIDE) if len(window_grid((side, side))) >= MIN_WINDOWS)
    rows, cols = shape
    return f"{cols} x {rows} pixels are too few to align; at least {least} x {least} are needed"


def window_grid(shape: tuple[int, int]) -> list[tuple[Range, Range]]:
    """Rows and columns of the windows in which images of a shape are compared, row by row; empty if it is too small.

    Windows are evenly spaced and overlap by at most half.
    """
    side = MAX_WINDOW_SIDE
    while side > MIN_WINDOW_SIDE and 2 * side > min(shape):
        side //= 2
    if side > min(shape):
        return []
    starts = [_starts(length, side) for length in shape]
    return [((top, top + side), (left, left + side)) for top, left in itertools.product(*starts)]


def _starts(length: int, side: int) -> list[int]:
    count = min(MAX_WINDOWS_PER_SIDE, 2 * (length - side) // side + 1)
    return [round(k * (length - side) / max(1, count - 1)) for k in range(count)]


def view_of(values: np.ndarray, clear: np.ndarray) -> View:
    """The edges of a window of an image (y, x); ``clear`` is (y, x) bool."""
    level = float(np.mean(values, where=clear, dtype=np.float64)) if clear.any() else 0.0
    filled = np.where(clear, values, level).astype(np.float32)
    edges = scipy.ndimage.gaussian_gradient_magnitude(filled, _GRADIENT_SIGMA)
    return View(edges, scipy.ndimage.minimum_filter(clear, size=_GRADIENT_SIZE))


def translation(reference: Sequence[View], image: Sequence[View], limit: float) -> Translation:
    """Translation between views of the same windows of two images, at most ``limit`` pixels along each axis.

    An invalid translation has the reason in ``rejected``; it is 0 if too few windows are clear or correlate.
    """
    pairs = [
        (one, other)
        for one, other in zip(reference, image, strict=True)
        if np.count_nonzero(one.clear & other.clear) >= MIN_CLEAR_SHARE * one.clear.size
    ]
    if len(pairs) < MIN_WINDOWS:
        reason = f"{len(pairs)} of {len(reference)} windows are clear in both images; at least {MIN_WINDOWS} are needed"
        return Translation(compared=len(pairs), rejected=reason)
    matches = [(pair, match) for pair in pairs if (match := _match(*pair, limit)) is not None]
    alike, found = [pair for pair, _ in matches], [match for _, match in matches]
    if len(found) < MIN_WINDOWS:
        reason = (
            f"{len(found)} of {len(pairs)} clear windows show the same edges in both images; "
            f"at least {MIN_WINDOWS} are needed"
        )
        return Translation(windows=len(found), compared=len(pairs), rejected=reason)
    median = np.median(found, axis=0)
    deviations = np.abs(np.subtract(found, median))
    # rounded, so that the result does not depend on the rounding errors of a platform
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
    near = int(np.count_nonzero(deviations.max(axis=1) <= MAX_DEVIATION))
    return replace(measured, rejected=_rejection(measured, near, limit))


def _rejection(found: Translation, near: int, limit: float) -> str:
    """The reason why a translation is rejected; empty if it is valid. ``near``: number of windows near the median."""
    # standard error of a median; normal errors have a standard deviation of 1.4826 x their median absolute deviation
    error = 1.2533 * 1.4826 * found.spread / np.sqrt(found.windows)
    if near < MIN_NEAR_SHARE * found.windows or error > MAX_STANDARD_ERROR:
        return f"the windows disagree: {near} of {found.windows} are within {MAX_DEVIATION:g} pixel of their median"
    if max(abs(found.right), abs(found.down)) > limit:
        return (
            f"the shift is {found.right:.1f} pixels to the right and {found.down:.1f} down, more than the maximum of "
            f"{limit:g}"
        )
    if found.after < found.before - _MAX_CORRELATION_LOSS:
        return (
            f"the correction would decrease the correlation of the edges from {found.before:.2f} to {found.after:.2f}"
        )
    if found.after < MIN_CORRELATION:
        return f"the correlation of the edges is {found.after:.2f}; at least {MIN_CORRELATION:g} is needed"
    return ""


def _match(reference: View, image: View, limit: float) -> tuple[float, float] | None:
    """Translation (right, down) in pixels at the peak of the phase correlation of two windows.

    None if the peak is too low or too far away.
    """
    clear = reference.clear & image.clear
    weight = np.hanning(len(clear) + 2)[1:-1, None] * np.hanning(clear.shape[1] + 2)[1:-1] * clear
    first, second = (_phases(_centred(view.edges, weight)) for view in (reference, image))
    count = np.count_nonzero(first * second)
    if not count:
        return None
    (down, right), error, angle = skimage.registration.phase_cross_correlation(
        second, first, space="fourier", normalization=None, upsample_factor=_UPSAMPLE_FACTOR
    )
    # the function returns the height of the peak only as this error; negative peaks have an angle of pi
    height = np.sqrt(max(0.0, 1 - float(error) ** 2)) * np.cos(angle)
    chance = _TAPER_FACTOR / np.sqrt(count * np.count_nonzero(clear) / clear.size)
    near = max(abs(right), abs(down)) <= limit + 1
    return (float(right), float(down)) if near and height > _MIN_PEAK_RATIO * chance else None


def _phases(values: np.ndarray) -> np.ndarray:
    """Fourier transform (y, x) with amplitude 1 for low frequencies and 0 for others."""
    spectrum = scipy.fft.fft2(values)
    rows, cols = (scipy.fft.fftfreq(length) for length in values.shape)
    distance, size = np.hypot(rows[:, None], cols), np.abs(spectrum)
    used = (distance > 0) & (distance < _MAX_FREQUENCY) & (size > 0)
    phases: np.ndarray = np.divide(spectrum, size, where=used, out=np.zeros_like(spectrum))
    return phases


def _centred(edges: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Edges minus their weighted mean, times the weight: 0 for unclear pixels, and tapered at the window edges."""
    values = edges.astype(np.float64)
    centred: np.ndarray = (values - np.average(values, weights=weight)) * weight
    return centred


def _correlation(pairs: Sequence[tuple[View, View]], moved: tuple[float, float], limit: float) -> float:
    """Correlation of the edges over the clear pixels of all windows, with the translation ``moved`` corrected.

    ``moved`` is in pixels (right, down). Margins, where a corrected image has no pixels, are excluded. NaN without
    contrast.
    """
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
