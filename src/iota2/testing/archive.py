"""Sentinel-2 L2A products in THEIA format: folder and file names, grids, nodata codes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox

NODATA = -10000
FINE_BANDS = ("B2", "B3", "B4", "B8")
"""Bands at 10 m; the others are at 20 m."""


@dataclass(frozen=True)
class Product:
    """One product: names, grid and masks at 10 m, from which the 20 m files are derived."""

    tile: str
    day: date
    platform: str
    """``SENTINEL2A``, ``SENTINEL2B``."""
    time: str
    """``105804-037``."""
    geobox: GeoBox
    clm: np.ndarray
    """(y, x) uint8 bits of the cloud mask."""
    sat: np.ndarray
    """(y, x) uint8 bits of the saturated 10 m bands; 20 m bands are never saturated."""
    edge: np.ndarray
    """(y, x) bool: outside the image; constant in each 20 m pixel."""

    @property
    def name(self) -> str:
        """Name of the product folder and prefix of its file names."""
        return f"{self.platform}_{self.day:%Y%m%d}-{self.time}_L2A_{self.tile}_D_V1-7"

    def folder(self, root: Path) -> Path:
        """Folder of the product in the archive ``root``."""
        return root / self.tile / self.name


def write_band(product: Product, root: Path, band: str, values: np.ndarray) -> None:
    """Write one band as int16 from reflectance x 10000 (y, x) at 10 m, with nodata outside the image."""
    fine = band in FINE_BANDS
    stored = np.rint(values if fine else mean_of_four(values)).astype(np.int16)
    stored[product.edge if fine else product.edge[::2, ::2]] = NODATA
    write_image(product.folder(root) / f"{product.name}_FRE_{band}.tif", stored, product.geobox, nodata=NODATA)


def write_masks(product: Product, root: Path) -> None:
    """Write CLM, EDG and SAT at 10 m (R1) and 20 m (R2)."""
    masks = {
        "CLM_R1": product.clm,
        "CLM_R2": _any_of_four(product.clm),
        "EDG_R1": product.edge.astype(np.uint8),
        "EDG_R2": product.edge[::2, ::2].astype(np.uint8),
        "SAT_R1": product.sat,
        "SAT_R2": np.zeros_like(product.sat[::2, ::2]),
    }
    for mask, values in masks.items():
        write_image(product.folder(root) / "MASKS" / f"{product.name}_{mask}.tif", values, product.geobox)


def mean_of_four(values: np.ndarray) -> np.ndarray:
    """Mean of 2 x 2 pixels, for 20 m pixels."""
    return values.reshape(values.shape[0] // 2, 2, values.shape[1] // 2, 2).mean(axis=(1, 3))


def _any_of_four(codes: np.ndarray) -> np.ndarray:
    """Bits set in any of 2 x 2 pixels."""
    return codes[::2, ::2] | codes[1::2, ::2] | codes[::2, 1::2] | codes[1::2, 1::2]


def write_image(path: Path, values: np.ndarray, geobox: GeoBox, nodata: int | None = None) -> None:
    """Write one band on the grid of ``geobox``, or on the 20 m grid with the same corner if it has half the rows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width = values.shape
    corner, step = geobox.affine, geobox.shape[0] // height
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        height=height,
        width=width,
        count=1,
        dtype=values.dtype,
        crs=str(geobox.crs),
        transform=Affine(corner.a * step, 0.0, corner.c, 0.0, corner.e * step, corner.f),
        nodata=nodata,
        compress="deflate",
        zlevel=1,
        tiled=False,
    ) as file:
        file.write(values, 1)
