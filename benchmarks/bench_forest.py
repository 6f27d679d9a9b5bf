"""The forest kernel against the prediction of scikit-learn: same forest, same pixels, same number of threads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier

from benchmarks.conftest import CORES
from benchmarks.figures import Figures
from benchmarks.stage_inputs import StageInputs
from iota2.classifiers.flatten import flatten
from iota2.core.tables import CODE, sample_columns
from iota2.io.files.gdal import limit_threads
from iota2.io.tables.vectors import read_samples

PREDICTED_PIXELS = 30_000
"""Not a power of two: with such a stride, all features would compete for the same few cache lines."""


@pytest.fixture(scope="session")
def trained(finished_run: Callable[[float], Any]) -> Callable[[float], RandomForestClassifier]:
    """A forest of scikit-learn, trained on the samples of a run."""
    known: dict[float, RandomForestClassifier] = {}

    def train(megapixels: float) -> RandomForestClassifier:
        if megapixels not in known:
            run = finished_run(megapixels)
            (path,) = (run.archive.output / "learningSamples").glob("Samples_region_*")
            samples = read_samples(path)
            forest = RandomForestClassifier(
                100, max_depth=25, min_samples_split=5, max_features="sqrt", n_jobs=CORES, random_state=0
            )
            x = samples[sample_columns(run.found.recipe)].to_numpy(np.float32)
            known[megapixels] = forest.fit(x, samples[CODE].to_numpy())
        return known[megapixels]

    return train


@pytest.mark.parametrize("threads", sorted({1, CORES}))
@pytest.mark.parametrize("which", ["scikit-learn", "kernel"])
def bench_forest(
    *,
    benchmark: Any,
    figures: Figures,
    rounds: int,
    trained: Callable[[float], RandomForestClassifier],
    stage_inputs: Callable[[float], StageInputs],
    megapixels: float,
    threads: int,
    which: str,
) -> None:
    """Probabilities of the pixels of a block. The kernel is measured on one thread: a run uses all cores by jobs."""
    if which == "kernel" and threads > 1:
        pytest.skip("the kernel is measured on one thread; a run uses all cores by several jobs")
    trainer, parts = trained(megapixels), stage_inputs(megapixels).features
    features = np.concatenate([part.values.reshape(len(part.names), -1) for part in parts], axis=1)
    columns = np.ascontiguousarray(features[:, :PREDICTED_PIXELS])
    rows = np.ascontiguousarray(columns.T)
    forest, trainer.n_jobs = flatten(trainer), threads
    work = {
        "scikit-learn": lambda: trainer.predict_proba(rows),
        "kernel": lambda: forest.probabilities(columns),
    }[which]
    with limit_threads(threads):
        benchmark.pedantic(work, rounds=rounds, iterations=1, warmup_rounds=1)
    note = f"{len(forest.feature)} nodes"
    name = f"scikit-learn's predict_proba, {threads} threads" if which == "scikit-learn" else "kernel, probabilities"
    more = {"reference": "scikit-learn's predict_proba, 1 threads"} if which == "kernel" else {}
    size = round(megapixels, 2)
    seconds = benchmark.stats.stats.data
    cores = 1 if figures.processor_time else threads
    figures.add("forest", name, seconds, pixels=len(rows), cores=cores, megapixels=size, note=note, **more)
