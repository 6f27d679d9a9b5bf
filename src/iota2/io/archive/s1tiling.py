"""What S1Tiling leaves in its folders: which series have images, and what to do when there are none yet."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from iota2.core.sensor import SensorSpec
from iota2.core.words import some
from iota2.errors import InputError

SECTION = "Sentinel_1"
"""Section of the configuration with the options of Sentinel-1."""

SHOWN = 5
"""Folders that a message names."""

NO_ORTHORECTIFICATION = (
    "Raw Sentinel-1 products (.SAFE) are not calibrated and orthorectified by iota2: there was no product to "
    "validate it with. Use S1Tiling (s1-tiling.pages.orfeo-toolbox.org), and give its output folder as [Paths] Output "
    "in the INI file of chain.s1_path. Settings of S1Tiling that fit:\n"
    "  [DataSource] polarisation : VV-VH\n"
    "  [Processing] calibration : gamma, remove_thermal_noise : True, output_spatial_resolution : 10, tiles : …\n"
    "  [Mask] generate_border_mask : True\n"
    "  [Filtering] filter : none, since iota2 has a multitemporal filter of its own"
)
"""Message of ``s1-ortho``: it is not supported, with the alternative."""


def series_found(spec: SensorSpec, root: Path, tiles: Iterable[str], raw: Path | None = None) -> tuple[str, ...]:
    """The names of the series of which some tile has images, in their order.

    Raises InputError when there is none; the message mentions raw products in the folder ``raw`` that have not been
    processed by S1Tiling.
    """
    missing, folders = list(spec.series), [spec.folder_of(tile) for tile in tiles]
    for folder in folders:
        names = os.listdir(root / folder) if (root / folder).is_dir() else []
        missing = [series for series in missing if not any(map(series.match, names))]
        if not missing:
            break
    if len(missing) == len(spec.series):
        where = f"{root}, folder {some(folders, SHOWN)}"
        lacks = f"{spec.section}: no image of S1Tiling in {where}; expected names like {spec.example or spec.product}."
        waits = raw is not None and holds_safe(raw)
        raise InputError(lacks + f" {raw} holds raw products. {NO_ORTHORECTIFICATION}" * waits)
    return tuple(series.name for series in spec.series if series not in missing)


def holds_safe(folder: Path) -> bool:
    """Whether a folder, or one in it (S1Tiling keeps each product in a folder of its own), contains a raw product."""
    return any(folder.glob("*.SAFE")) or any(folder.glob("*/*.SAFE"))
