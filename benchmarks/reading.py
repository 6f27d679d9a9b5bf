"""Decoding of the files of a scene and nothing else: the lower limit of every step that reads images."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass

import rasterio.io
from rasterio.windows import Window

from iota2.compute.placement import placement
from iota2.core.grid import Block, resolution
from iota2.core.scene import Scene
from iota2.io.files.gdal import open_raster


@dataclass(frozen=True)
class FileWindow:
    """A window of one band of a file."""

    path: str
    index: int
    window: Window


def windows(
    scene: Scene, bands: Mapping[str, Sequence[str]], block: Block, *, exact: bool = False
) -> list[list[FileWindow]]:
    """The windows of masks and bands that a block needs, by acquisition.

    The windows are those of the steps, with the margin for resampling. With ``exact`` they have no margin, so that the
    blocks of a tile together contain every pixel once.
    """
    found = []
    for sensor in scene.sensors:
        spec = sensor.spec
        index = {band.name: band.index for band in spec.bands}
        places = {
            name: _window_without_margin(scene, grid, block) if exact else placement(
                grid, scene.geobox, block.rows, block.cols, spec.resampling
            ).window
            for name, grid in sensor.grids.items()
        }  # fmt: skip
        for acquisition in sensor.acquisitions:
            masks = [(path, 1, places[name]) for name, path in acquisition.masks.items()]
            wanted = [(acquisition.bands[name], index[name], places[name]) for name in bands[spec.name]]
            found.append([FileWindow(path, number, _window(place)) for path, number, place in masks + wanted])
    return found


def _window_without_margin(scene: Scene, grid, block: Block) -> tuple[tuple[int, int], tuple[int, int]]:
    """Rows and columns of the same area on a grid with the same upper left corner."""
    own, other = resolution(scene.geobox), resolution(grid)
    ratio = own[0] / other[0]
    rows, cols = ((round(first * ratio), round(last * ratio)) for first, last in (block.rows, block.cols))
    return rows, cols


def _window(place: tuple[tuple[int, int], tuple[int, int]]) -> Window:
    (top, bottom), (left, right) = place
    return Window(left, top, right - left, bottom - top)


def decode(pieces: Iterable[list[list[FileWindow]]], *, threads: int = 1) -> int:
    """Decode all windows block by block; returns the decoded bytes. Files stay open; threads share the acquisitions."""
    with ExitStack() as stack, ThreadPoolExecutor(threads) as pool:
        open_files: dict[str, rasterio.io.DatasetReader] = {}

        def read(wanted: list[FileWindow]) -> int:
            total = 0
            for piece in wanted:
                if piece.path not in open_files:
                    open_files[piece.path] = source = open_raster(piece.path)
                    stack.callback(source.close)
                total += open_files[piece.path].read(piece.index, window=piece.window).nbytes
            return total

        each = map if threads == 1 else pool.map
        return sum(sum(each(read, block)) for block in pieces)
