"""Statistics of segments: of the features of a block, per pixel and core, and of a whole tile."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchmarks.figures import Figures
from iota2.compute.open_segments import OpenSegments
from iota2.compute.segment_statistics import block_pieces, merged_pieces, segment_values
from iota2.core.recipe import FEATURE_STATISTICS, MISSING
from iota2.io.tables.segment_values import SegmentValues, segment_values_writer
from iota2.runs.workers.peak_memory import peak_mib, reset_peak

GROUP = "statistics of segments"
FEATURES = 100
SHAPE = (64, 256)
SEGMENT = (10, 6)
"""Rows and columns of the segments: 60 pixels."""
CHOICES = {"mean": ("mean",), "mean and std": ("mean", "std"), "all statistics": FEATURE_STATISTICS}
TILE_SIDE = 10980
TILE_FEATURES = 4
"""Features of the whole tile, which has 2 million segments."""


def segments_of(origin: tuple[int, int], shape: tuple[int, int], width: int) -> np.ndarray:
    """(y, x) uint32: numbers from 1 of the segments of a block of a tile of ``width`` columns. Every second row of
    segments is shifted by half a segment, as many of them are not rectangles of whole cells."""
    rows, cols = np.arange(shape[0]) + origin[0], np.arange(shape[1]) + origin[1]
    row = rows // SEGMENT[0]
    across = -(-width // SEGMENT[1]) + 1
    return (1 + row[:, None] * across + (cols + row[:, None] % 2 * (SEGMENT[1] // 2)) // SEGMENT[1]).astype(np.uint32)


def block_of_features(features: int) -> np.ndarray:
    """(feature, y, x) float32 of a block."""
    return np.random.default_rng(0).normal(1000, 300, (features, *SHAPE)).astype(np.float32)


@pytest.mark.parametrize("name", CHOICES)
def bench_block_of_segments(*, benchmark: Any, figures: Figures, rounds: int, name: str) -> None:
    """Values of the segments of a block of features."""
    values, segments, used = block_of_features(FEATURES), segments_of((0, 0), SHAPE, SHAPE[1]), np.ones(SHAPE, bool)
    statistics = CHOICES[name]

    def work() -> np.ndarray:
        pieces = block_pieces(values, segments, used, origin=(0, 0), width=SHAPE[1], statistics=statistics)
        return segment_values(merged_pieces([pieces]), statistics, MISSING)

    benchmark.pedantic(work, rounds=10 * rounds, iterations=1, warmup_rounds=1)
    _add(figures, name, benchmark.stats.stats.data, reference=f"{name}, pandas")


@pytest.mark.parametrize("name", CHOICES)
def bench_block_with_pandas(*, benchmark: Any, figures: Figures, rounds: int, name: str) -> None:
    """The same values by ``groupby`` of pandas, of features of a block in its memory order."""
    values, segments = block_of_features(FEATURES), segments_of((0, 0), SHAPE, SHAPE[1])

    def work() -> list[pd.DataFrame]:
        frame = pd.DataFrame(values.reshape(FEATURES, -1).T, copy=False)
        groups = frame.groupby(segments.ravel())
        return [groups.std(ddof=0) if one == "std" else groups.agg(one) for one in CHOICES[name]]

    benchmark.pedantic(work, rounds=rounds, iterations=1, warmup_rounds=1)
    _add(figures, f"{name}, pandas", benchmark.stats.stats.data)


def bench_tile_of_segments(figures: Figures, tmp_path: Path) -> None:
    """Two million segments of a tile, block by block, and their file; peak memory of the process."""
    values, names = block_of_features(TILE_FEATURES), [f"feature_{k}_mean" for k in range(TILE_FEATURES)]
    clock = time.process_time if figures.processor_time else time.perf_counter
    pixels = _pixels_of_tile()
    reset_peak()
    before, started, most = peak_mib(), clock(), 0
    found = OpenSegments(pixels, TILE_FEATURES, ("mean",))
    with segment_values_writer(tmp_path / "values.parquet", names) as writer:
        for origin, shape in _blocks_of_tile():
            block, segments = values[:, : shape[0], : shape[1]], segments_of(origin, shape, TILE_SIDE)
            used = np.ones(shape, bool)
            pieces = block_pieces(block, segments, used, origin=origin, width=TILE_SIDE, statistics=("mean",))
            done = found.add(pieces)
            writer.add(SegmentValues(done.segment, done.pixels, done.seen, segment_values(done, ("mean",), MISSING)))
            most = max(most, len(found))
        accumulated = clock() - started
    written, memory = clock() - started - accumulated, peak_mib()
    count = int((pixels > 0).sum())
    name = f"tile with {count / 1e6:.1f} million segments, {TILE_FEATURES} features, mean"
    figures.add(GROUP, name, [accumulated], pixels=TILE_SIDE**2, memory=memory)
    figures.add(GROUP, f"{name}: file", [written])
    figures.remarks.append(
        f"Statistics of segments: at most {most} pieces of segments of the tile were in memory; the process had "
        f"{before} MiB before."
    )


def _pixels_of_tile() -> np.ndarray:
    """(segment,) pixels of the segments of the tile, of numbers from 1."""
    last = int(segments_of((TILE_SIDE - 1, TILE_SIDE - 1), (1, 1), TILE_SIDE)[0, 0])
    pixels = np.zeros(last, np.int64)
    for row in range(0, TILE_SIDE, SEGMENT[0]):
        number, count = np.unique(segments_of((row, 0), (1, TILE_SIDE), TILE_SIDE), return_counts=True)
        pixels[number - 1] = SEGMENT[0] * count
    return pixels


def _blocks_of_tile() -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """Upper-left pixels and shapes of the blocks of the tile."""
    for row in range(0, TILE_SIDE, SHAPE[0]):
        for col in range(0, TILE_SIDE, SHAPE[1]):
            yield (row, col), (min(SHAPE[0], TILE_SIDE - row), min(SHAPE[1], TILE_SIDE - col))


def _add(figures: Figures, name: str, seconds: Sequence[float], **more: Any) -> None:
    note = f"{FEATURES} features, segments of {SEGMENT[0] * SEGMENT[1]} pixels"
    figures.add(GROUP, name, seconds, pixels=SHAPE[0] * SHAPE[1], note=note, **more)
