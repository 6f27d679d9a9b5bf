"""Picture of the borders of segments over an image."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

from iota2.report.features.pictures import colour_image
from iota2.report.features.scales import limits

ZOOM = 3
"""Pixels of the picture along a side of a pixel of the image, so that borders are thin."""
BORDER_COLOR = (255, 221, 0)
NO_DATA_COLOR = (127, 127, 127)


def segments_picture(bands: Sequence[np.ndarray], clear: np.ndarray, numbers: np.ndarray) -> bytes:
    """PNG of bands (y, x) as red, green and blue, or one as shades of grey, with the borders of segments.

    Bands are NaN without data, which is grey; their scales are those of the ``clear`` pixels (y, x) bool, or without
    these of all. ``numbers`` (y, x): number of the segment of each pixel.
    """
    scales = [limits([band[clear] if clear.any() else band], np.nan) for band in bands]
    colours = np.empty((*numbers.shape, 3), np.uint8)
    colours[:] = NO_DATA_COLOR
    known = [scale for scale in scales if scale is not None]
    if len(known) == len(scales):
        valid = ~np.isnan(np.stack(bands)).any(axis=0)
        colours[valid] = colour_image(bands, known)[valid]
    large = colours.repeat(ZOOM, axis=0).repeat(ZOOM, axis=1)
    large[borders(numbers.repeat(ZOOM, axis=0).repeat(ZOOM, axis=1))] = BORDER_COLOR
    out = io.BytesIO()
    Image.fromarray(large, "RGB").save(out, "PNG", optimize=True)
    return out.getvalue()


def borders(numbers: np.ndarray) -> np.ndarray:
    """(y, x) bool: pixels whose right or lower neighbour has another number."""
    found = np.zeros(numbers.shape, bool)
    found[:, :-1] |= numbers[:, :-1] != numbers[:, 1:]
    found[:-1] |= numbers[:-1] != numbers[1:]
    return found
