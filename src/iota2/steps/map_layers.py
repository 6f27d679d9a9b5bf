"""Rasters of features maps."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from odc.geo.geobox import GeoBox

from iota2.compute.band_statistics import BandStatistics
from iota2.config.options.schema import Config
from iota2.core.feature_map import FeatureMap, MapBand
from iota2.core.graph import Paths
from iota2.core.grid import part_rows
from iota2.io.rasters.files import RasterProfile, RasterReader
from iota2.io.rasters.ownership import OwnedPixels
from iota2.io.rasters.qgis import colours_style, ramp_style
from iota2.io.series.scene_file import read_scene

_STRETCH_STD = 2.0
"""Values that are this number of standard deviations from the mean are black and white in a style."""
_MIN_RANGE = 1e-6
"""Minimum range of the values of a style."""


def read_map(path: Path) -> FeatureMap:
    """The features map from a JSON file of a run."""
    return FeatureMap.from_json(json.loads(path.read_text(encoding="utf-8")))


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


def statistics_json(layers: FeatureMap, found: BandStatistics, pixels: int) -> dict[str, Any]:
    """Statistics of the bands as values for JSON, None for a band without values.

    ``pixels``: number of pixels of the map that belong to a tile, of which the share of values with data is computed.
    """
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
    return {"nodata": layers.nodata, "pixels": pixels, "bands": bands}


def map_style(layers: FeatureMap, found: BandStatistics) -> str:
    """QGIS style of the map: natural colours of its middle date, or else the first band in shades of grey."""
    spread = _STRETCH_STD * found.std
    least = np.nan_to_num(np.maximum(found.minimum, found.mean - spread))
    most = np.nan_to_num(np.minimum(found.maximum, found.mean + spread))
    pictures = list(layers.colours.values())
    if pictures:
        return colours_style([(k + 1, least[k], most[k]) for k in pictures[len(pictures) // 2]])
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

    def at(self, pixels: OwnedPixels, fill: float) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield positions (pixel,) in the block, and values (band, pixel), of the pixels in each strip.

        Pixels outside the tile are ``fill``.
        """
        for part, path in self.parts.items():
            top, bottom = part_rows(part, self.grid.shape[0])
            inside = (pixels.row >= top) & (pixels.row < bottom)
            if inside.any():
                with RasterReader(path) as reader:
                    yield pixels.position[inside], reader.at(pixels.row[inside] - top, pixels.col[inside], fill=fill)


def tile_features(inp: Paths) -> dict[str, TileFeatures]:
    """The rasters of the tiles of a job with the inputs ``parts`` and ``scene``."""
    grids = {key.tile: read_scene(path).geobox for key, path in inp.each("scene")}
    parts: dict[str, dict[int, Path]] = {}
    for key, path in inp.each("parts"):
        parts.setdefault(key.tile, {})[key.part] = path
    return {tile: TileFeatures(parts[tile], grid) for tile, grid in grids.items()}


def map_values(
    tiles: Mapping[str, TileFeatures], owned: Mapping[str, OwnedPixels], shape: tuple[int, int], layers: FeatureMap
) -> np.ndarray:
    """(band, y, x) in the data type of the map: a block of it, each pixel from the tile that owns it."""
    values = np.full((len(layers.bands), *shape), layers.nodata, layers.dtype)
    flat = values.reshape(len(values), -1)
    for tile, pixels in owned.items():
        for positions, found in tiles[tile].at(pixels, layers.nodata):
            for target, band in zip(flat, found, strict=True):
                target[positions] = band
    return values
