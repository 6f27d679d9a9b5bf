"""Superpixels of an image of three bands, per pixel and core."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from benchmarks.figures import Figures
from iota2.compute.superpixels import SlicOptions, superpixels

GROUP = "superpixels"
SHAPE = (1000, 1000)


@pytest.mark.parametrize("iterations", [5, 10])
def bench_superpixels(*, benchmark: Any, figures: Figures, rounds: int, iterations: int) -> None:
    """Segmentation of a block on one thread."""
    rng = np.random.default_rng(0)
    smooth = np.stack([gaussian_filter(rng.normal(size=SHAPE), 8) for _ in range(3)])
    image = (smooth / smooth.std() + 0.2 * rng.normal(size=smooth.shape)).astype(np.float32)
    valid, options = np.ones(SHAPE, bool), SlicOptions(iterations=iterations)
    work = lambda: superpixels(image, valid, options)  # noqa: E731
    benchmark.pedantic(work, rounds=rounds, iterations=1, warmup_rounds=1)
    figures.add(GROUP, f"{iterations} iterations", benchmark.stats.stats.data, pixels=valid.size)
