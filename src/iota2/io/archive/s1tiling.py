"""Folders of S1Tiling: directions with images, and advice when there are none yet."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from iota2.core.sensor import SensorSpec
from iota2.core.words import some
from iota2.errors import InputError
from iota2.io.archive.radar_names import DIRECTION

SECTION = "Sentinel_1"
"""Section of the configuration with the options of Sentinel-1."""

DIRECTIONS = {"ASC": "ascending", "DES": "descending"}
"""Directions as in file names, in the order of the features, and in words."""

SHOWN = 5
"""Folders that a message names."""

NO_ORTHORECTIFICATION = (
    "Raw Sentinel-1 products (.SAFE) are not calibrated and orthorectified by iota2: nothing was at hand to show that "
    "it would be right. Use S1Tiling (s1-tiling.pages.orfeo-toolbox.org), and give its output folder as [Paths] Output "
    "in the INI file of chain.s1_path. Settings of S1Tiling that fit:\n"
    "  [DataSource] polarisation : VV-VH\n"
    "  [Processing] calibration : gamma, remove_thermal_noise : True, output_spatial_resolution : 10, tiles : …\n"
    "  [Mask] generate_border_mask : True\n"
    "  [Filtering] filter : none, since iota2 has a multitemporal filter of its own"
)
"""Message of ``s1-ortho``: it is not supported, with the alternative."""


def of_direction(spec: SensorSpec, direction: str) -> SensorSpec:
    """Series of one direction: ``sentinel1_asc``, ``sentinel1_des``.

    InputError when the description has no placeholder for the direction: both series would contain all images.
    """
    either, others = f"(?:{'|'.join(DIRECTIONS)})", [other for other in DIRECTIONS if other != direction]
    if either not in spec.product:
        raise InputError(f"{spec.section}: product must hold {either}, the direction in the names; got {spec.product}")
    return replace(
        spec,
        name=f"{spec.name}_{direction.lower()}",
        product=spec.product.replace(either, direction),
        ignore=(*spec.ignore, *(glob for other in others for glob in _globs_of(spec, other))),
    )


def _globs_of(spec: SensorSpec, direction: str) -> Iterator[str]:
    """Globs of the images and masks of a direction, as named by S1Tiling or by the user."""
    yield f"s1?_*_{direction}_*"
    files = [file for part in spec.parts for file in (part.file, *getattr(part, "alternatives", ()))]
    yield from dict.fromkeys(file.replace(DIRECTION, direction) for file in files if DIRECTION in file)


def directions_found(spec: SensorSpec, root: Path, tiles: Iterable[str], raw: Path | None = None) -> tuple[str, ...]:
    """Directions with images on some tile, in the order of ``DIRECTIONS``.

    Raises InputError when there is none; the message mentions raw products in the folder ``raw`` that have not been
    processed by S1Tiling.
    """
    patterns = {direction: re.compile(of_direction(spec, direction).product) for direction in DIRECTIONS}
    missing, folders = set(DIRECTIONS), [spec.folder_of(tile) for tile in tiles]
    for folder in folders:
        names = os.listdir(root / folder) if (root / folder).is_dir() else []
        missing -= {direction for direction in missing if any(map(patterns[direction].match, names))}
        if not missing:
            break
    if len(missing) == len(DIRECTIONS):
        where = f"{root}, folder {some(folders, SHOWN)}"
        lacks = f"{spec.section}: no image of S1Tiling in {where}; expected names like {spec.example or spec.product}."
        waits = raw is not None and holds_safe(raw)
        raise InputError(lacks + f" {raw} holds raw products. {NO_ORTHORECTIFICATION}" * waits)
    return tuple(direction for direction in DIRECTIONS if direction not in missing)


def holds_safe(folder: Path) -> bool:
    """Whether a folder, or one in it (S1Tiling keeps each product in a folder of its own), contains a raw product."""
    return any(folder.glob("*.SAFE")) or any(folder.glob("*/*.SAFE"))
