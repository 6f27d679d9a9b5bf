"""Features of segments in tables: their columns, missing values, and blocks for models."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import fields
from pathlib import Path

import numpy as np

from iota2.compute.segment_statistics import SegmentPieces, segment_values
from iota2.core.cube import FeatureBlock
from iota2.core.graph import Paths
from iota2.core.recipe import COUNT, MISSING, FeatureRecipe
from iota2.io.tables.segment_pieces import read_segment_pieces
from iota2.io.tables.segment_values import SegmentValues, read_segments, segment_values_writer

LARGEST_COUNT = np.iinfo(np.uint16).max
"""Largest number of pixels with a clear date that a block of segments gives."""


def missing_value(recipe: FeatureRecipe) -> float:
    """Value of a feature that no pixel of a segment has: as for pixels, NaN if there are models of fewer sensors."""
    return np.nan if recipe.partial else MISSING


def value_names(recipe: FeatureRecipe) -> list[str]:
    """Names of the columns of tables of segments: the features without the number of pixels, which is always there."""
    return list(recipe.names[: len(recipe.names) - (COUNT in recipe.statistics)])


def value_files(inputs: Paths, tile: str | None = None) -> Iterator[Path]:
    """The files with the features of the segments of a tile: inside its parts, in several parts, in several tiles.

    They are the ``inputs`` ``part_values``, ``values`` and ``shared_values`` of a job; ``tile``: None for a job over
    the tile.
    """
    for name in ("part_values", "values", "shared_values"):
        for key, path in inputs.each(name):
            if tile is None or key.tile == tile:
                yield path


def features_of(found: SegmentValues, recipe: FeatureRecipe) -> np.ndarray:
    """(segment, feature) float32: the features of segments in the order of their recipe."""
    if COUNT not in recipe.statistics:
        return found.values
    return np.concatenate([found.values, found.pixels[:, None].astype(np.float32)], axis=1)


def read_selected(paths: Iterable[Path], numbers: np.ndarray, recipe: FeatureRecipe) -> SegmentValues:
    """The segments of some ``numbers`` (segment,) from files of different segments, in ascending order.

    Segments that are in no file are omitted.
    """
    found = [read_segments(path, numbers, value_names(recipe)) for path in paths]
    whole = SegmentValues(*(np.concatenate([getattr(one, field.name) for one in found]) for field in fields(found[0])))
    return whole.take(np.argsort(whole.segment, kind="stable"))


def block_of_segments(found: SegmentValues, recipe: FeatureRecipe) -> FeatureBlock:
    """The segments as a block of one row, (feature, 1, segment), for models."""
    values = np.ascontiguousarray(features_of(found, recipe).T)[:, None]
    seen = np.minimum(found.seen, LARGEST_COUNT).astype(np.uint16)[None]
    sensors = tuple(sensor.sensor for sensor in recipe.sensors)
    clear = np.repeat(seen[None], len(sensors), axis=0)
    for sensor, positions in recipe.features_of.items():
        if positions and recipe.partial:
            observed = ~np.isnan(values[list(positions), 0]).all(axis=0)
            clear[sensors.index(sensor), 0] = np.where(observed, seen[0], 0)
    return FeatureBlock(values, recipe.names, seen, sensors, clear)


def read_pieces_of(recipe: FeatureRecipe, path: Path) -> SegmentPieces:
    """The statistics of pieces of segments, for the features of a recipe, from a file of ``write_segment_pieces``."""
    return read_segment_pieces(path, len(recipe.of_pixels.names), recipe.pixel_statistics)


def write_values(found: SegmentPieces, recipe: FeatureRecipe, path: Path) -> None:
    """Write the features of merged segments."""
    values = segment_values(found, recipe.pixel_statistics, missing_value(recipe))
    with segment_values_writer(path, value_names(recipe)) as writer:
        writer.add(SegmentValues(found.segment, found.pixels, found.seen, values))
