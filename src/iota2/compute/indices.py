"""Spectral indices of one date of one sensor: the formulas, and the registry by name.

NDVI follows Rouse et al. (1974); NDWI follows Gao (1996, Remote Sens. Env. 58), with the sign of (swir - nir);
Brightness is the length of the spectrum. All arrays are float32. A new index is one function and one call of
``register``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numba
import numpy as np

from iota2.core.words import normalised_name

ATMOSPHERIC_CONSTANT = 0.05
"""Constant of the option ``acor_feat``, in the units of the stored values."""

_CHUNK_PIXELS = 4096


@dataclass(frozen=True)
class Spectra:
    """Series from which indices are computed, with the positions of its bands by role."""

    values: np.ndarray
    """(date, band, pixel) float32, contiguous."""
    roles: Mapping[str, int]
    """Position of the band of each role (red, nir, swir)."""
    atmospheric_correction: bool = False
    """Whether normalised differences are (a - b - 0.05) / (a + b + 0.05)."""


IndexFunction = Callable[[Spectra, np.ndarray], None]
"""Computes an index of all dates into an array (date, pixel) float32."""


def ndvi(spectra: Spectra, out: np.ndarray) -> None:
    """1000 (nir - red) / (nir + red)."""
    _role_difference(spectra, "nir", "red", out)


def ndwi(spectra: Spectra, out: np.ndarray) -> None:
    """1000 (swir - nir) / (swir + nir)."""
    _role_difference(spectra, "swir", "nir", out)


def brightness(spectra: Spectra, out: np.ndarray) -> None:
    """Square root of the sum of the squares of all bands."""
    for bands, target in zip(spectra.values, out, strict=True):
        _norm(bands, target)


@dataclass(frozen=True)
class Index:
    """A spectral index that configurations can name."""

    name: str
    """Part of the feature names."""
    function: IndexFunction
    roles: tuple[str, ...] = ()
    """Roles of the bands that the index needs."""


INDICES: dict[str, Index] = {}
"""Registered indices by name, in feature order."""


def register(index: Index) -> None:
    """Add an index; ``ValueError`` for an existing name. Configurations that are read afterwards may use the name."""
    if not re.fullmatch(r"[A-Za-z]\w*", index.name):
        raise ValueError(f"index {index.name!r}: expected a name of letters, digits and _, a letter first")
    if normalised_name(index.name) in map(normalised_name, INDICES):
        raise ValueError(f"index {index.name!r} is already registered")
    INDICES[index.name] = index


register(Index("NDVI", ndvi, ("red", "nir")))
register(Index("NDWI", ndwi, ("nir", "swir")))
register(Index("Brightness", brightness))


def make_relative(spectra: Spectra, reference: int) -> None:
    """Replace each band except ``reference``, in place, by 1000 x its normalised difference to ``reference``."""
    for bands in spectra.values:
        for band in range(len(bands)):
            if band != reference:
                normalised_difference(
                    bands[band], bands[reference], bands[band], correct=spectra.atmospheric_correction
                )


def normalised_difference(a: np.ndarray, b: np.ndarray, out: np.ndarray, *, correct: bool) -> None:
    """1000 (a - b) / (a + b) of float32 rows (pixel,), 0 where |denominator| < 1e-5; NaN stays NaN.

    With ``correct``: 1000 (a - b - 0.05) / (a + b + 0.05). ``out`` may be ``a``.
    """
    _difference(a, b, np.float32(ATMOSPHERIC_CONSTANT if correct else 0.0), out)


MIN_INTENSITY = 1e-6
"""Minimum intensity, -60 dB, below the noise of any radar; lower values, also 0 and below, are replaced by it."""


def to_decibel(values: np.ndarray) -> None:
    """Convert linear intensities to decibels, in place; NaN stays NaN."""
    np.maximum(values, np.float32(MIN_INTENSITY), out=values)
    np.log10(values, out=values)
    values *= np.float32(10.0)


def dates_without_data(values: np.ndarray, nodata: float | None) -> np.ndarray:
    """(date, pixel) bool from values (date, band, pixel): whether any band of the date is NaN or ``nodata``."""
    missing = np.zeros((values.shape[0], values.shape[2]), np.bool_)
    marker = np.float32(np.nan if nodata is None else nodata)
    for bands, target in zip(values, missing, strict=True):
        target[:] = ((bands == marker) | np.isnan(bands)).any(axis=0)
    return missing


def _role_difference(spectra: Spectra, plus: str, minus: str, out: np.ndarray) -> None:
    a, b = spectra.roles[plus], spectra.roles[minus]
    for bands, target in zip(spectra.values, out, strict=True):
        normalised_difference(bands[a], bands[b], target, correct=spectra.atmospheric_correction)


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _difference(a: np.ndarray, b: np.ndarray, constant: np.float32, out: np.ndarray) -> None:
    small, zero, thousand = np.float32(1e-5), np.float32(0.0), np.float32(1000.0)
    for p in range(len(out)):
        above, below = a[p] - b[p] - constant, a[p] + b[p] + constant
        ratio = thousand * above / below
        out[p] = zero if abs(below) < small else ratio


@numba.njit(nogil=True, cache=True)
def _norm(bands: np.ndarray, out: np.ndarray) -> None:
    for start in range(0, len(out), _CHUNK_PIXELS):
        total = out[start : start + _CHUNK_PIXELS]
        total[:] = np.float32(0.0)
        for band in range(len(bands)):
            row = bands[band][start : start + _CHUNK_PIXELS]
            for p in range(len(total)):
                total[p] += row[p] * row[p]
        for p in range(len(total)):
            total[p] = np.sqrt(total[p])
