"""Sentinel-1 images of a synthetic world in S1Tiling format: names, grid, nodata, border masks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Literal

import numpy as np
from odc.geo.geobox import GeoBox

from iota2.core.random import generator
from iota2.testing.archive import write_image
from iota2.testing.world import World

Polarisation = Literal["vv", "vh"]
POLARISATIONS: tuple[Polarisation, ...] = ("vv", "vh")
ORBITS = {"ASC": "030", "DES": "110"}
"""Relative orbit by direction."""
FIRST_PASS_DELAY_DAYS = {"ASC": 5, "DES": 0}
"""Days from the first date of the world to the first pass."""
EQUIVALENT_LOOKS = 4.4
"""Equivalent number of looks of GRD images: speckle is gamma distributed with a variance of 1 / looks."""
FIELD_SPREAD, PASS_SPREAD, FIELD_PASS_SPREAD = 1.4, 0.5, 1.2
"""Standard deviations in dB of the fields of a class, of the passes, and of each field on each pass.

They represent soil moisture (passes) and ploughing, irrigation and wind (field on a pass). No filter removes them.
"""
SLICE_OVERLAP_ROWS = 8
"""Rows shared by two slices of one pass."""

# Backscatter (gamma nought, dB) in VV and VH of each class, bare and green, approximately as in published C-band
# series.
BACKSCATTER = {
    11: ((-10.5, -17.5), (-8.8, -14.3)),
    12: ((-10.5, -17.5), (-13.0, -17.5)),
    31: ((-8.8, -14.5), (-8.2, -13.2)),
    32: ((-9.2, -14.6), (-8.8, -13.9)),
    41: ((-4.5, -11.5), (-6.5, -12.5)),
    51: ((-19.0, -26.0), (-16.0, -22.0)),
    211: ((-11.3, -18.5), (-10.6, -16.6)),
    222: ((-9.8, -16.8), (-9.4, -15.0)),
    34: ((-12.0, -19.5), (-11.3, -17.8)),
    221: ((-9.8, -15.7), (-9.0, -14.2)),
}

INI = """\
; Sentinel-1 images of a synthetic world, calibrated and orthorectified like those of S1Tiling.
[Paths]
Output : images

[Processing]
TemporalResolution : 12
FilteringMode : multi

[Filtering]
Window_radius : 2
"""


@dataclass(frozen=True)
class Pass:
    """One satellite pass over the world."""

    number: int
    day: date
    direction: str

    @property
    def satellite(self) -> str:
        """``s1a``, ``s1b``."""
        return "s1" + "ab"[self.number % 2]

    def stem(self, tile: str, polarisation: Polarisation) -> str:
        """Prefix of its image names, up to the time of day."""
        orbit = ORBITS[self.direction]
        return f"{self.satellite}_{_mgrs(tile)}_{polarisation}_{self.direction}_{orbit}_{self.day:%Y%m%d}"


def write_radar(world: World, folder: Path, *, step: int = 12, masks: bool = True) -> Path:
    """Write images of ascending and descending passes, one every ``step`` days each, and return the INI file.

    ``folder`` is created if absent; images are in ``<folder>/images/<tile without T>/``. With an orbit edge, one pass
    in four does not cover a slanted part of the world: images and border ``masks`` are 0 there; masks are 1
    elsewhere. One pass in five has two slices of the same day that share some rows. A constant world has no speckle.
    """
    folder = Path(folder)
    height, width = world.geobox.shape
    for passage in passes(world, step):
        unseen = out_of_swath((height, width), passage) & world.options.orbit_edge
        for polarisation in POLARISATIONS:
            values = np.where(unseen, np.float32(0.0), backscatter(world, passage, polarisation))
            for tile in world.options.tiles:
                for time, rows in _slices(world.options.size, passage):
                    stored = np.zeros((world.options.size, world.options.size), np.float32)
                    stored[rows] = values[world.window(tile)][rows]
                    path = folder / "images" / _mgrs(tile) / f"{passage.stem(tile, polarisation)}{time}.tif"
                    _write_image(path, stored, world.tile_geobox(tile), mask=masks)
    ini = folder / "sentinel1.ini"
    ini.write_text(INI, encoding="utf-8")
    return ini


def passes(world: World, step: int) -> Iterator[Pass]:
    """Passes from the first to the last date of the world; ascending passes first."""
    first, last = world.options.dates[0], world.options.dates[-1]
    for direction, delay in FIRST_PASS_DELAY_DAYS.items():
        start = first + timedelta(days=delay)
        for number in range(max(1, (last - start).days // step + 1)):
            yield Pass(number, start + timedelta(days=step * number), direction)


def backscatter(world: World, passage: Pass, polarisation: Polarisation) -> np.ndarray:
    """Backscatter (y, x) float32 above 0: gamma nought of the world (linear) on one pass, with speckle."""
    options, day = world.options, passage.day.isoformat()
    values = world.rasterized(_of_fields(world, passage, polarisation))
    if options.constant:
        return values
    rng = generator(options.seed, "radar speckle", passage.direction, day, polarisation)
    speckle = rng.standard_gamma(EQUIVALENT_LOOKS, values.shape, np.float32) / np.float32(EQUIVALENT_LOOKS)
    return np.maximum(values * speckle, np.float32(1e-5))


def out_of_swath(shape: tuple[int, int], passage: Pass) -> np.ndarray:
    """(y, x) bool: pixels of a world of ``shape`` that a pass does not cover."""
    if passage.number % 4 != 1:
        return np.zeros(shape, bool)
    rows, cols = np.ogrid[: shape[0], : shape[1]]
    across = cols - (0.2 if passage.direction == "ASC" else -0.2) * rows
    return across > 0.75 * shape[1] if passage.number % 8 == 1 else across < 0.2 * shape[1]


def _of_fields(world: World, passage: Pass, polarisation: Polarisation) -> np.ndarray:
    """Gamma nought (field, 2) float32 of the visible fields, in regions 1 and 2, without speckle."""
    landscape, fields = world.landscape, world.fields
    green = landscape.greenness(fields, passage.day.timetuple().tm_yday)
    table = np.array([BACKSCATTER[land_class.code] for land_class in landscape.classes])[landscape.classes_of[fields]]
    bare, lush = 10.0 ** (table[:, :, POLARISATIONS.index(polarisation)].T / 10.0)
    values = (1.0 - green) * bare[:, None] + green * lush[:, None]
    if not world.options.constant:
        seed, day = world.options.seed, passage.day.isoformat()
        own = generator(seed, "radar fields", passage.direction, polarisation).normal(size=landscape.classes_of.size)
        work = generator(seed, "radar work", passage.direction, day, polarisation).normal(
            size=landscape.classes_of.size
        )
        wet = generator(seed, "radar passes", passage.direction, day).normal()
        change = FIELD_SPREAD * own[fields] + FIELD_PASS_SPREAD * work[fields] + PASS_SPREAD * wet
        values *= 10.0 ** (change / 10.0)[:, None]
    return values.astype(np.float32)


def _mgrs(tile: str) -> str:
    """Name of a tile in S1Tiling."""
    return tile.removeprefix("T")


def _write_image(path: Path, values: np.ndarray, geobox: GeoBox, *, mask: bool) -> None:
    """Write one image and, if requested, its border mask."""
    write_image(path, values, geobox, nodata=0)
    if mask:
        write_image(path.with_name(f"{path.stem}_BorderMask.tif"), (values > 0).astype(np.uint8), geobox)


def _slices(size: int, passage: Pass) -> list[tuple[str, slice]]:
    """Time in the names and rows of a tile for each image of a pass; the time of a merged image is x."""
    hour = "1740" if passage.direction == "ASC" else "0600"
    if passage.number % 5 == 3:
        middle = size // 2
        return [(f"t{hour}15", slice(0, middle + SLICE_OVERLAP_ROWS)), (f"t{hour}40", slice(middle, size))]
    return [(f"t{hour}15" if passage.number % 2 else "txxxxxx", slice(0, size))]
