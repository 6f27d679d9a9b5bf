"""Time of the forest kernel in µs per pixel and core, beside scikit-learn's own prediction in the same run.

python benchmarks/forest.py [--trees 100] [--samples 8000] [--pixels 16384] [--repeat 3]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
from sklearn.ensemble import RandomForestClassifier

from iota2.classifiers.forest import flatten

FEATURES, CLASSES = 481, 17


def series(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Smooth noisy profiles (sample, feature) of classes that overlap, so that trees grow deep."""
    rng = np.random.default_rng(seed)
    profiles = np.random.default_rng(0).normal(size=(CLASSES, FEATURES)).cumsum(axis=1) / 10
    labels = rng.integers(0, CLASSES, count)
    noise = rng.normal(0, 0.7, (count, 1)) + rng.normal(0, 2.5, (count, FEATURES))
    return (1000 * (profiles[labels] + noise)).astype(np.float32), labels


def best_of(repeat: int, work: Callable[[], np.ndarray], pixels: int) -> float:
    """Least CPU time of this thread, in µs per pixel."""
    times = []
    for _ in range(repeat):
        start = time.thread_time()
        work()
        times.append(time.thread_time() - start)
    return 1e6 * min(times) / pixels


def main() -> None:
    """Train, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("trees", 100), ("samples", 8000), ("pixels", 16384), ("repeat", 3)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    x, y = series(options.samples, 1)
    trainer = RandomForestClassifier(options.trees, max_depth=25, min_samples_split=5, n_jobs=-1, random_state=0).fit(
        x, y
    )
    trainer.n_jobs = 1
    forest = flatten(trainer)
    pixels = np.ascontiguousarray(series(options.pixels, 2)[0].T)
    rows = np.ascontiguousarray(pixels.T)
    exact = np.array_equal(forest.probabilities(pixels), trainer.predict_proba(rows))
    ours = best_of(options.repeat, lambda: forest.probabilities(pixels), options.pixels)
    theirs = best_of(options.repeat, lambda: trainer.predict_proba(rows), options.pixels)
    print(f"{options.trees} trees, {len(forest.feature)} nodes, depth {forest.depth}, {FEATURES} features")
    print(f"kernel        {ours:6.2f} µs per pixel and core")
    print(f"scikit-learn  {theirs:6.2f} µs per pixel and core: {theirs / ours:.1f} times as long")
    print(f"bit for bit the same: {'yes' if exact else 'no'}")


if __name__ == "__main__":
    main()
