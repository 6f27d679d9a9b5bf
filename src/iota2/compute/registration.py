"""How far one image lies from another: a translation by phase correlation, and how sure it is.

Compared are edges, that is magnitudes of gradients: the borders of fields stay where they are when a crop is darker
than its neighbour in spring and brighter in summer. Windows are compared one by one and combined by the median, so that
clouds that no mask shows, and ground that has changed, spoil their own window only (Scheffler et al., 2017, AROSICS,
Remote Sensing 9(7), 676, combines windows for the same reason).

Phase correlation: Kuglin & Hines (1975). The highest frequencies take no part, since they hold noise, and aliasing
that does not move with the ground (Stone et al., 2001, IEEE Trans. Geosci. Remote Sens. 39(10)).
scikit-image finds the peak, between the pixels by evaluating the inverse transform there (Guizar-Sicairos, Thurman &
Fienup, 2008, Optics Letters 33(2)).

scipy and scikit-image load their parts when these are first used, so importing this module is quick.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import scipy
import skimage

SIDE, SMALLEST = 256, 64
"""Rows and columns of a window; less on a lattice on which few would fit."""
MAX_WINDOWS_PER_SIDE = 10
"""Windows along each side of the lattice."""
MIN_CLEAR_SHARE = 0.6
"""Part of a window that must be clear in both images."""
MIN_WINDOWS = 3
"""Windows that must show the same edges in both images."""
SUBPIXEL_STEP = 0.05
"""Pixels; what is not further apart lies right. Resampling would blur more than it mends."""
AGREED, NEARBY = 2 / 3, 1.0
"""So large a part of the windows must be so near, in pixels, to their median."""
MAX_STANDARD_ERROR = 0.2
"""Pixels; a translation whose standard error is larger is none."""
MIN_CORRELATION = 0.25
"""Correlation below which edges have too little in common: red and infrared of real images that lie alike gave 0.2, and
translations wrong by a third of a pixel."""
_LOSS = 0.02
"""Correlation that rounding and resampling may cost; an image that is moved rightly agrees better, or as well."""
_SMOOTHED = 1.0
"""Standard deviation, in pixels, of the Gaussian whose derivatives make the gradients."""
_SPREAD = 7
"""Rows and columns in which a pixel without data spoils gradients."""
_FREQUENCIES = 0.35
"""Cycles per pixel: frequencies up to it take part."""
_PARTS = 250
"""Places in a pixel at which the correlation is evaluated, along each axis."""
_CHANCE = 5.0
"""A peak counts when it is so many times as high as what images that have nothing in common give on average."""
_TAPERED = 1.5
"""Square root of the factor by which a Hann window makes the independent frequencies fewer, both axes."""

Range = tuple[int, int]


@dataclass(frozen=True, eq=False)
class View:
    """What a window of an image shows of edges."""

    edges: np.ndarray
    """(y, x) float32."""
    clear: np.ndarray
    """(y, x) bool: there is an image, and nothing nearby spoils its edges."""


@dataclass(frozen=True)
class Translation:
    """How far an image lies right of, and below, the reference, in pixels."""

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
    """Why images of a shape can never be compared; empty when they can."""
    if len(window_grid(shape)) >= MIN_WINDOWS:
        return ""
    least = next(side for side in itertools.count(SMALLEST) if len(window_grid((side, side))) >= MIN_WINDOWS)
    rows, cols = shape
    return f"{cols} x {rows} pixels are too few to align: {least} x {least} are needed"


def window_grid(shape: tuple[int, int]) -> list[tuple[Range, Range]]:
    """Rows and columns of the windows in which images of a shape are compared, row by row; none when it is too small.

    They lie evenly, and overlap by half at most.
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
    """The edges of a window of an image (y, x), and where they can be trusted; ``clear`` (y, x) bool."""
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
        told = f"{len(pairs)} of {len(reference)} windows are clear in both images; {MIN_WINDOWS} are needed"
        return Translation(compared=len(pairs), refused=told)
    matches = [(pair, match) for pair in pairs if (match := _match(*pair, limit)) is not None]
    alike, found = [pair for pair, _ in matches], [match for _, match in matches]
    if len(found) < MIN_WINDOWS:
        told = (
            f"{len(found)} of {len(pairs)} clear windows show the same edges in both images; {MIN_WINDOWS} are needed"
        )
        return Translation(windows=len(found), compared=len(pairs), refused=told)
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
    """Why a translation must not be used, of which ``near`` windows lie near the median; empty when it can be."""
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
    """Pixels right and down at the peak of the phase correlation of two windows; None when it is no more than chance,
    or out of reach."""
    clear = reference.clear & image.clear
    weight = np.hanning(len(clear) + 2)[1:-1, None] * np.hanning(clear.shape[1] + 2)[1:-1] * clear
    first, second = (_phases(_centred(view.edges, weight)) for view in (reference, image))
    count = np.count_nonzero(first * second)
    if not count:
        return None
    (down, right), error, angle = skimage.registration.phase_cross_correlation(
        second, first, space="fourier", normalization=None, upsample_factor=_PARTS
    )
    # the function tells the height only as this error; peaks below zero, which it finds too, are half a turn off
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
    """Edges less their mean, weighted: what is not clear is 0, and where that is makes no step to be seen."""
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
