"""Common grids of the files of a series, and problems of files on other grids."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from affine import Affine
from odc.geo.geobox import GeoBox

from iota2.core.grid import MAX_SHIFT_PIXELS, _same_size, _shift, crs_name, resolution
from iota2.core.sensor import SensorSpec

Extent = tuple[int, int, int, int]
"""First row, row after the last, first column, column after the last."""


def common_grids(
    spec: SensorSpec, found: Mapping[str, Sequence[tuple[GeoBox, str]]]
) -> tuple[dict[str, GeoBox], list[str]]:
    """The common grid of all dates for each band and mask, and problems of files with another grid.

    ``found``: grid and path of each file, by band or mask. The common grid is that of most files. For a sensor with
    varying extents, it is the smallest grid that contains all files, and any file with aligned pixels is valid.
    """
    grids, problems = {}, []
    for item in spec.parts:
        files = found.get(item.name, ())
        if files:
            counts = Counter(grid for grid, _ in files)
            usual = max(counts, key=lambda grid: counts[grid])
            differences = [
                f"{path}: {difference} than the same file of the other dates"
                for grid, path in files
                if (difference := _difference(grid, usual, spec.varying_extent))
            ]
            problems += differences
            grids[item.name] = (
                usual if differences or not spec.varying_extent else _union([grid for grid, _ in files], usual)
            )
    return grids, list(dict.fromkeys(problems))


def extent_in(grid: GeoBox, common: GeoBox) -> Extent | None:
    """Position of a grid in the common grid; None when the two grids are equal."""
    right, down = (round(step) for step in _shift(grid, common))
    rows, cols = grid.shape
    extent = (down, down + rows, right, right + cols)
    return None if extent == (0, common.shape.y, 0, common.shape.x) else extent


def _union(grids: Sequence[GeoBox], usual: GeoBox) -> GeoBox:
    """Smallest grid with the pixels of ``usual`` that contains all ``grids``."""
    extents = [extent_in(grid, usual) or (0, usual.shape.y, 0, usual.shape.x) for grid in grids]
    top, left = min(extent[0] for extent in extents), min(extent[2] for extent in extents)
    bottom, right = max(extent[1] for extent in extents), max(extent[3] for extent in extents)
    return GeoBox((bottom - top, right - left), usual.affine * Affine.translation(left, top), usual.crs)


def _difference(grid: GeoBox, usual: GeoBox, varying: bool) -> str:
    """Description of the difference between two grids; empty when they are equal.

    With ``varying``, extents may differ if pixels are aligned and the grids overlap.
    """
    if grid == usual:
        return ""
    if grid.crs != usual.crs:
        return f"has another coordinate system ({crs_name(grid)}, not {crs_name(usual)})"
    (width, height), (usual_width, usual_height) = resolution(grid), resolution(usual)
    if not _same_size(grid, usual):
        return f"has another pixel size ({width:g} x {height:g}, not {usual_width:g} x {usual_height:g})"
    right, down = _shift(grid, usual)
    if varying and max(abs(right - round(right)), abs(down - round(down))) <= MAX_SHIFT_PIXELS:
        rows, cols = grid.shape
        apart = right >= usual.shape.x or down >= usual.shape.y or right + cols <= 0 or down + rows <= 0
        return "covers another area" * apart
    if max(abs(right), abs(down)) > MAX_SHIFT_PIXELS:
        return f"is on another grid (shifted by {right:g} pixels to the right and {down:g} down)"
    return f"has another size ({_size(grid)}; not {_size(usual)})" * (grid.shape != usual.shape)


def _size(grid: GeoBox) -> str:
    return f"{grid.shape.x} wide, {grid.shape.y} high"


def misfits(spec: SensorSpec, grids: Mapping[str, GeoBox], tile: str) -> list[str]:
    """Problems of bands and masks with grids that do not fit that of the reference band."""
    reference = grids.get(spec.reference.name)
    if reference is None:
        return []
    problems = []
    for item in spec.parts:
        misfit = _misfit(grids[item.name], reference) if item.name in grids else ""
        if misfit:
            problems.append(f"{item.name} ({item.file}) of {tile} {misfit} (reference: {spec.reference.file})")
    return problems


def _misfit(grid: GeoBox, reference: GeoBox) -> str:
    """Reason why a grid cannot be used with the reference grid; empty when it can.

    Grids of the same resolution must have aligned pixels. Grids of another resolution may be shifted by multiples of
    half the finer pixel, as the 20 m grids of some archives are. A grid may end one of its own pixels before the
    reference grid.
    """
    if grid.crs != reference.crs:
        return f"has another coordinate system ({crs_name(grid)}, not {crs_name(reference)})"
    finer = min(grid, reference, key=resolution)
    step = 1.0 if _same_size(grid, reference) else 0.5
    shifts = np.array(_shift(grid, reference)) * resolution(reference) / resolution(finer)
    if np.abs(shifts / step - np.round(shifts / step)).max() > MAX_SHIFT_PIXELS:
        return f"is on another grid (shifted by {shifts[0]:g} and {shifts[1]:g} pixels of {resolution(finer)[0]:g})"
    box, needed, (width, height) = grid.boundingbox, reference.boundingbox, resolution(grid)
    gaps = (
        (box.left - needed.left) / width,
        (needed.right - box.right) / width,
        (box.bottom - needed.bottom) / height,
        (needed.top - box.top) / height,
    )
    if max(gaps) > 1 + MAX_SHIFT_PIXELS:
        return f"does not cover the image: it ends {max(gaps):.0f} of its pixels inside the reference band"
    return ""
