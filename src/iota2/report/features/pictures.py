"""Pictures of bands of a features map: colours and encoding."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

from iota2.report.features.scales import Limits, valid_values

QUALITY, EFFORT = 65, 2
"""Quality of the encoding, from 0 to 100, and effort, from 0 to 6; more of it saves nothing in these pictures."""


def colour_picture(bands: Sequence[np.ndarray], scales: Sequence[Limits], nodata: float) -> bytes:
    """WebP of bands (y, x) as red, green and blue, or of one band as shades of grey."""
    valid = np.logical_and.reduce([valid_values(band, nodata) for band in bands])
    return _webp(colour_image(bands, scales), valid)


def colour_image(bands: Sequence[np.ndarray], scales: Sequence[Limits]) -> np.ndarray:
    """(y, x, 3) uint8 of bands (y, x) as red, green and blue, or of one band as shades of grey."""
    levels = [_levels(band, scale) for band, scale in zip(bands, scales, strict=True)]
    colours = np.stack([levels[k % len(levels)] for k in range(3)], axis=-1)
    return (255 * colours).astype(np.uint8)


def ramp_picture(band: np.ndarray, scale: Limits, ramp: Sequence[str], nodata: float) -> bytes:
    """WebP of a band (y, x) in the colours of a ramp, from the lower to the upper end of the scale."""
    nodes = np.array([tuple(bytes.fromhex(colour.removeprefix("#"))) for colour in ramp])
    places = _levels(band, scale) * (len(nodes) - 1)
    colours = np.stack([np.interp(places, range(len(nodes)), nodes[:, k]) for k in range(3)], axis=-1)
    return _webp(colours.astype(np.uint8), valid_values(band, nodata))


def _levels(values: np.ndarray, scale: Limits) -> np.ndarray:
    """(y, x) from 0 at the lower to 1 at the upper end of the scale; 0 for NaN."""
    share = (values.astype(np.float32) - np.float32(scale.low)) / np.float32(scale.high - scale.low)
    return np.clip(np.nan_to_num(share), 0, 1)


def _webp(colours: np.ndarray, valid: np.ndarray) -> bytes:
    """Image (y, x, 3) uint8 that is transparent where it is not valid; the same pixels give the same bytes."""
    alpha = np.where(valid, 255, 0).astype(np.uint8)
    image = Image.fromarray(np.dstack([np.where(valid[..., None], colours, 0), alpha]).astype(np.uint8), "RGBA")
    out = io.BytesIO()
    image.save(out, "WEBP", quality=QUALITY, method=EFFORT)
    return out.getvalue()
