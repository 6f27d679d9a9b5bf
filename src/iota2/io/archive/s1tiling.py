"""Search for images in the output folders of S1Tiling, and instructions when there are none."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from iota2.core.sensor import SensorSpec
from iota2.core.words import some
from iota2.errors import InputError

SECTION = "Sentinel_1"
"""Configuration section with the options of Sentinel-1."""

MAX_FOLDERS_SHOWN = 5
"""Maximum number of folders listed in a message."""

NO_ORTHORECTIFICATION = (
    "iota2 does not calibrate and orthorectify raw Sentinel-1 products (.SAFE): no product was available for "
    "validation. Use S1Tiling (s1-tiling.pages.orfeo-toolbox.org), and set [Paths] Output in the INI file of "
    "chain.s1_path to its output folder. Suitable settings of S1Tiling:\n"
    "  [DataSource] polarisation : VV-VH\n"
    "  [Processing] calibration : gamma, remove_thermal_noise : True, output_spatial_resolution : 10, tiles : …\n"
    "  [Mask] generate_border_mask : True\n"
    "  [Filtering] filter : none, since iota2 has its own multitemporal filter"
)
"""Message that ``s1-ortho`` is not supported, with instructions for S1Tiling."""


def series_found(spec: SensorSpec, root: Path, tiles: Iterable[str], raw: Path | None = None) -> tuple[str, ...]:
    """Names of the series that have images in some tile, in the order of the description.

    Raises InputError when there are none, with instructions if the folder ``raw`` contains products that S1Tiling has
    not processed.
    """
    missing, folders = list(spec.series), [spec.folder_of(tile) for tile in tiles]
    for folder in folders:
        names = os.listdir(root / folder) if (root / folder).is_dir() else []
        missing = [series for series in missing if not any(map(series.match, names))]
        if not missing:
            break
    if len(missing) == len(spec.series):
        where = f"{root}, folder {some(folders, MAX_FOLDERS_SHOWN)}"
        lacks = f"{spec.section}: no image of S1Tiling in {where}; expected names like {spec.example or spec.product}."
        waits = raw is not None and contains_raw_products(raw)
        raise InputError(lacks + f" {raw} contains raw products. {NO_ORTHORECTIFICATION}" * waits)
    return tuple(series.name for series in spec.series if series not in missing)


def contains_raw_products(folder: Path) -> bool:
    """Whether a folder or one of its subfolders contains a raw product; S1Tiling uses one subfolder per product."""
    return any(folder.glob("*.SAFE")) or any(folder.glob("*/*.SAFE"))
