"""Rasters of features maps."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from odc.geo.geobox import GeoBox

from iota2.compute.band_statistics import BandStatistics
from iota2.config.options.schema import Config
from iota2.core.feature_map import FeatureMap, MapBand
from iota2.core.graph import Paths
from iota2.core.grid import part_rows
from iota2.io.files.atomic import write_json
from iota2.io.rasters.files import RasterProfile, RasterReader
from iota2.io.rasters.ownership import OwnedPixels
from iota2.io.rasters.qgis import colours_style, ramp_style
from iota2.io.series.scene_file import geobox_from_json, read_scene

_STRETCH_STD = 2.0
"""Values that are this number of standard deviations from the mean are black and white in a style."""
_MIN_RANGE = 1e-6
"""Minimum range of the values of a style."""


def read_map(path: Path) -> FeatureMap:
    """The features map from a JSON file of a run."""
    return FeatureMap.from_json(json.loads(path.read_text(encoding="utf-8")))


def read_grid(path: Path) -> GeoBox:
    """The grid of the map from a JSON file of a run."""
    return geobox_from_json(json.loads(path.read_text(encoding="utf-8")))


def map_profile(geobox: GeoBox, layers: FeatureMap, *, overviews: bool = False) -> RasterProfile:
    """Profile of rasters of features: one band for each feature, with its name, date, sensor and series."""
    return RasterProfile(
        geobox,
        layers.dtype,
        count=len(layers.bands),
        nodata=layers.nodata,
        descriptions=layers.names,
        band_tags=tuple(_items(band) for band in layers.bands),
        overviews="average" if overviews else "none",
        quick=True,
    )


def _items(band: MapBand) -> dict[str, str]:
    """Metadata items of a band."""
    items = {"SENSOR": band.sensor, "SERIES": band.feature.series, "KIND": band.feature.kind}
    return {**items, "DATE": band.day} if band.day else items


@dataclass(frozen=True)
class MapGrid:
    """Grid of the map."""

    proj: str
    resolution: tuple[float, float] | None
    """Pixel size in units of ``proj``; None uses that of the tiles."""


def map_grid(config: Config) -> MapGrid:
    """The options of the grid."""
    return MapGrid(config.chain.proj, config.chain.spatial_resolution)


@dataclass(frozen=True)
class MapSums:
    """Statistics of the bands of a map, or of a strip of it."""

    bands: BandStatistics
    pixels: int
    """Number of pixels that belong to a tile."""

    def merged(self, other: MapSums) -> MapSums:
        """The statistics of both areas together."""
        return MapSums(self.bands.merged(other.bands), self.pixels + other.pixels)

    def write(self, path: Path) -> None:
        """Write the statistics as JSON, to the last bit."""
        write_json(path, {"pixels": self.pixels, **self.bands.to_json()})

    @staticmethod
    def read(path: Path) -> MapSums:
        """The statistics written by ``write``."""
        content = json.loads(path.read_text(encoding="utf-8"))
        return MapSums(BandStatistics.from_json(content), int(content["pixels"]))


def statistics_json(layers: FeatureMap, sums: MapSums) -> dict[str, Any]:
    """Statistics of the bands as values for JSON, None for a band without values, and the names of such bands."""
    found, pixels = sums.bands, sums.pixels
    columns = {
        "minimum": found.minimum,
        "maximum": found.maximum,
        "mean": found.mean,
        "std": found.std,
        "valid_percent": 100 * found.count / max(1, pixels),
    }
    bands = [
        {"name": band.name, "date": band.day or None, **{key: _number(values[k]) for key, values in columns.items()}}
        for k, band in enumerate(layers.bands)
    ]
    empty = [band["name"] for band in bands if not band["valid_percent"]]
    return {"nodata": layers.nodata, "pixels": pixels, "without_data": empty, "bands": bands}


def map_style(layers: FeatureMap, found: BandStatistics) -> str:
    """QGIS style of the map: natural colours, or else the first band in shades of grey.

    The colours are those of the middle date of the first sensor that has them.
    """
    spread = _STRETCH_STD * found.std
    least = np.nan_to_num(np.maximum(found.minimum, found.mean - spread))
    most = np.nan_to_num(np.minimum(found.maximum, found.mean + spread))
    colours = layers.colours
    of_first = [bands for (sensor, _), bands in colours.items() if sensor == next(iter(colours))[0]]
    if of_first:
        return colours_style([(k + 1, least[k], most[k]) for k in of_first[len(of_first) // 2]])
    return ramp_style(("#000000", "#ffffff"), least[0], max(most[0], least[0] + _MIN_RANGE))


def _number(value: float) -> float | None:
    """A number for JSON; None for NaN."""
    return None if np.isnan(value) else float(value)


@dataclass(frozen=True)
class TileFeatures:
    """The rasters of the strips of one tile."""

    parts: Mapping[int, Path]
    """By number of the strip."""
    grid: GeoBox
    """Grid of the tile."""
    open: Callable[[Path], AbstractContextManager[RasterReader]] = RasterReader
    """Opens the raster of a strip."""

    def at(
        self, pixels: OwnedPixels, fill: float, bands: Sequence[int] | None = None
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield positions (pixel,) in the block, and values (band, pixel), of the pixels in each strip.

        ``bands``: only these. Pixels outside the tile are not yielded. ValueError if a pixel is in a strip of the tile
        whose raster is missing.
        """
        found = 0
        for part, path in self.parts.items():
            top, bottom = part_rows(part, self.grid.shape[0])
            inside = (pixels.row >= top) & (pixels.row < bottom)
            if inside.any():
                found += int(np.count_nonzero(inside))
                row, col = pixels.row[inside] - top, pixels.col[inside]
                with self.open(path) as reader:
                    yield pixels.position[inside], reader.at(row, col, fill=fill, bands=bands)
        if found < np.count_nonzero(pixels.row >= 0):
            raise ValueError(f"pixels outside the parts {', '.join(map(str, self.parts))} of a tile")


def tile_features(inp: Paths) -> dict[str, TileFeatures]:
    """The rasters of the tiles of a job with the inputs ``parts`` and ``scene``."""
    grids = {key.tile: read_scene(path).geobox for key, path in inp.each("scene")}
    parts: dict[str, dict[int, Path]] = {}
    for key, path in inp.each("parts"):
        parts.setdefault(key.tile, {})[key.part] = path
    return {tile: TileFeatures(parts[tile], grid) for tile, grid in grids.items()}


@contextmanager
def kept_open(tiles: Mapping[str, TileFeatures]) -> Iterator[dict[str, TileFeatures]]:
    """The same tiles, whose rasters are opened on first use and stay open within the context.

    To open a raster of hundreds of bands takes longer than to read some of them.
    """
    with ExitStack() as stack:
        reader = cache(lambda path: stack.enter_context(RasterReader(path)))
        yield {tile: replace(one, open=lambda path: nullcontext(reader(path))) for tile, one in tiles.items()}


def map_values(
    tiles: Mapping[str, TileFeatures],
    owned: Mapping[str, OwnedPixels],
    shape: tuple[int, int],
    layers: FeatureMap,
    bands: Sequence[int] | None = None,
) -> np.ndarray:
    """(band, y, x) in the data type of the map: a block of it, each pixel from the tile that owns it.

    ``bands``: only these.
    """
    count = len(layers.bands) if bands is None else len(bands)
    values = np.full((count, *shape), layers.nodata, layers.dtype)
    flat = values.reshape(count, -1)
    for tile, pixels in owned.items():
        for positions, found in tiles[tile].at(pixels, layers.nodata, bands):
            for target, band in zip(flat, found, strict=True):
                target[positions] = band
    return values
