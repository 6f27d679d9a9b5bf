"""Weights of models near borders of regions, and changes of class across borders, on one block."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from benchmarks.figures import Figures
from iota2.compute.region_weights import Blending, scaled_weights
from iota2.compute.seams import Borders, count_seams

SHAPE = (1024, 2048)
"""Rows and columns of the block."""


def region() -> np.ndarray:
    """(y, x) bool: the part of a block to the west of a curved border."""
    row, col = np.mgrid[: SHAPE[0], : SHAPE[1]]
    return np.asarray(col < SHAPE[1] / 2 + 200 * np.sin(row / 100))


@pytest.mark.parametrize("metres", [100, 500, 2000])
def bench_weights(benchmark: Any, figures: Figures, rounds: int, metres: int) -> None:
    """Weights of one region in a block with a border, with pixels of 10 m."""
    inside, blending = region(), Blending(metres, metres)
    benchmark.pedantic(lambda: scaled_weights(inside, (10, 10), blending), rounds=rounds, warmup_rounds=1)
    figures.add("borders", f"weights, {metres} m on each side", benchmark.stats.stats.data, pixels=inside.size, cores=1)


def bench_seams(benchmark: Any, figures: Figures, rounds: int) -> None:
    """Pairs across and near one border in a block with a border, for one map."""
    zones = region() + 1
    labels = np.random.default_rng(0).integers(1, 8, (SHAPE[0] // 8, SHAPE[1] // 8)).repeat(8, 0).repeat(8, 1)
    labels, others = labels.astype(np.uint8), np.ones(SHAPE, np.int32)
    everywhere = (slice(None), slice(None))

    def count() -> None:
        count_seams(labels, Borders.of(zones, others, coinciding=True), everywhere, (0, 0))

    benchmark.pedantic(count, rounds=rounds, warmup_rounds=1)
    figures.add("borders", "pairs across and near a border", benchmark.stats.stats.data, pixels=labels.size, cores=1)
