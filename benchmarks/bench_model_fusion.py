"""Combination of the predictions of models for a block, per pixel and core."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from benchmarks.figures import Figures
from iota2.compute.label_fusion import fuse_sensors
from iota2.compute.model_fusion import Blend, ModelFusion, most_probable
from iota2.compute.predict import Prediction

GROUP = "model fusion"
CODES = tuple(range(1, 18))
SHAPE = (64, 256)
"""Rows and columns of a computed block."""
BLOCKS = 20
"""Blocks of a round."""


def predictions(count: int) -> list[Prediction]:
    """Predictions of models that agree in most pixels."""
    rng = np.random.default_rng(0)
    common = rng.dirichlet(np.full(len(CODES), 0.2), SHAPE).transpose(2, 0, 1)
    found = []
    for _ in range(count):
        shares = (0.8 * common + 0.2 * rng.dirichlet(np.ones(len(CODES)), SHAPE).transpose(2, 0, 1)).astype(np.float32)
        found.append(most_probable(shares, CODES, np.ones(SHAPE, bool)))
    return found


@pytest.mark.parametrize("method", ["majority", "Dempster-Shafer", "mean", "optical and radar", "blending"])
@pytest.mark.parametrize("models", [2, 5])
def bench_model_fusion(*, benchmark: Any, figures: Figures, rounds: int, models: int, method: str) -> None:
    """Fusion of the predictions of 17 classes on one thread."""
    if method == "optical and radar" and models != 2:
        pytest.skip("always two models")
    given = predictions(models)
    masses = np.random.default_rng(1).uniform(0.6, 0.99, (models, len(CODES)))
    weights = np.random.default_rng(2).random((models, *SHAPE)).astype(np.float32)

    def combined() -> None:
        if method == "blending":
            blend = Blend(CODES, SHAPE)
            for one, weight in zip(given, weights, strict=True):
                blend.add(one, weight)
            blend.result()
        elif method == "optical and radar":
            fuse_sensors(given[0], given[1], masses[0], masses[1], CODES)
        else:
            name = {"majority": "majorityvoting", "Dempster-Shafer": "dempstershafer"}.get(method, method)
            ModelFusion(CODES, name, "maxConfidence", masses).fused(given)

    def work() -> None:
        for _ in range(BLOCKS):
            combined()

    benchmark.pedantic(work, rounds=rounds, iterations=1, warmup_rounds=1)
    name = method if method == "optical and radar" else f"{method}, {models} models"
    figures.add(GROUP, name, benchmark.stats.stats.data, pixels=BLOCKS * SHAPE[0] * SHAPE[1])
