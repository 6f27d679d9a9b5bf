"""Damage to image files, as it occurs in real archives."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine

Harm = Callable[[Path], object]


def rewritten(path: Path, values: np.ndarray | None = None, **changes: Any) -> None:
    """Write a raster again with other pixels or another header."""
    with rasterio.open(path) as source:
        profile, pixels = source.profile | changes, source.read() if values is None else values
    if profile["driver"] == "JP2OpenJPEG":
        kept = ("driver", "height", "width", "count", "dtype", "crs", "transform")
        profile = {key: profile[key] for key in kept} | {"QUALITY": 100, "REVERSIBLE": True}
    pixels = np.broadcast_to(pixels, (profile["count"], *pixels.shape[-2:])).astype(profile["dtype"])
    with rasterio.open(path, "w", **profile) as target:
        target.write(pixels)


def shortened(path: Path) -> None:
    """Truncate a file, like an interrupted transfer."""
    path.write_bytes(path.read_bytes()[:-60])


def beheaded(path: Path) -> None:
    """Truncate a file after its first bytes."""
    path.write_bytes(path.read_bytes()[:30])


def shifted(path: Path) -> None:
    """Move a raster by half a pixel."""
    with rasterio.open(path) as source:
        transform = source.transform @ Affine.translation(0.5, 0.5)
    rewritten(path, transform=transform)


def north_down(path: Path) -> None:
    """Write a raster upside down."""
    with rasterio.open(path) as source:
        t, values = source.transform, source.read()[:, ::-1]
        transform = Affine(t.a, 0, t.c, 0, -t.e, t.f + source.height * t.e)
    rewritten(path, values, transform=transform)


HARMS: dict[str, tuple[Harm, str]] = {
    "zero bytes": (lambda path: path.write_bytes(b""), "is empty (0 bytes)"),
    "a web page": (lambda path: path.write_text("<!DOCTYPE html><p>Please sign in"), "text: '<!DOCTYPE html>"),
    "a truncated header": (beheaded, "is damaged, its header cannot be read"),
    "a truncated end": (shortened, "is truncated"),
    "no CRS": (lambda path: rewritten(path, crs=None), "has no coordinate system"),
    "another CRS": (lambda path: rewritten(path, crs="EPSG:32630"), "EPSG:32630, not EPSG:32631"),
    "half a pixel off": (shifted, "shifted by 0.5 pixels to the right and 0.5 down"),
    "north down": (north_down, "is not north up"),
}
"""By name, what is done to a file, and what scanning must say of it."""
