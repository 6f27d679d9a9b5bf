"""Fusion of the labels of several maps, per pixel and core."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from benchmarks.figures import Figures
from iota2.compute.label_fusion import dempster_shafer, majority_vote, mean_probabilities

GROUP = "label fusion"
CODES = range(1, 18)
SHAPE = (1000, 1000)
DIFFERING = 0.2
"""Share of the pixels in which a map has a random label instead of the common one."""


def maps(sources: int) -> np.ndarray:
    """Labels (source, y, x) uint8 of maps that differ in some pixels."""
    rng = np.random.default_rng(0)
    common = rng.choice(CODES, SHAPE).astype(np.uint8)
    others = rng.choice(CODES, (sources, *SHAPE)).astype(np.uint8)
    return np.where(rng.random(others.shape) < DIFFERING, others, common)


@pytest.mark.parametrize("sources", [2, 5, 10])
@pytest.mark.parametrize("method", ["majority", "Dempster-Shafer", "mean"])
def bench_label_fusion(*, benchmark: Any, figures: Figures, rounds: int, sources: int, method: str) -> None:
    """Fusion of the labels of a block on one thread; ``mean`` averages the probabilities of 17 classes."""
    labels = maps(sources) if method != "mean" else maps(sources)[:, :200]
    masses = np.random.default_rng(1).uniform(0.6, 0.99, (sources, len(CODES)))
    shares = np.full((sources, len(CODES), 200, SHAPE[1]), 1 / len(CODES), np.float32) if method == "mean" else None
    work: dict[str, Callable[[], np.ndarray]] = {
        "majority": lambda: majority_vote(labels),
        "Dempster-Shafer": lambda: dempster_shafer(labels, masses, CODES),
        "mean": lambda: mean_probabilities(labels, shares),
    }
    benchmark.pedantic(work[method], rounds=rounds, iterations=1, warmup_rounds=1)
    figures.add(GROUP, f"{method}, {sources} maps", benchmark.stats.stats.data, pixels=labels[0].size)
