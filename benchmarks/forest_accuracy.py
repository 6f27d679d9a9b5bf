"""Accuracy of the program's forests against those of scikit-learn, paired over random splits of several data sets.

``python -m benchmarks.forest_accuracy --series FOLDER`` prints a table in Markdown. Each ``.npz`` file of the folder is
a data set, with ``X`` (sample, date, band) or (sample, feature) and ``y`` (sample,).
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
from sklearn.metrics import accuracy_score, f1_score

from benchmarks.table import table
from benchmarks.training_data import mixture, seasons
from iota2.compute.tree_growing import Growth, grow_forest

TREES = 100
SPLITS = 10


def data_sets(folder: Path | None) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Name, samples (sample, feature) and classes 0, 1 … of each data set."""
    yield "synthetic, mixture", *mixture(4000, 200, 17, seed=0)
    yield "synthetic, seasons", *seasons(4000, 24, 9, seed=0)
    for path in sorted(folder.glob("*.npz")) if folder else ():
        with np.load(path, allow_pickle=False) as arrays:
            x, y = arrays["X"].astype(np.float32), np.unique(arrays["y"], return_inverse=True)[1]
        yield path.stem, x.reshape(len(x), -1), y


def predictions(
    kind: str, learned: tuple[np.ndarray, np.ndarray], validated: np.ndarray, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Classes that the program and scikit-learn predict for the validated samples."""
    x, y = learned
    extra = kind == "extra trees"
    growth = Growth(TREES, max_depth=25, min_samples_split=5, bootstrap=not extra, random_thresholds=extra)
    ours = grow_forest(x, y, growth, n_classes=int(y.max()) + 1, seed=seed).forest
    trainer = (ExtraTreesClassifier if extra else RandomForestClassifier)(
        TREES, max_depth=25, min_samples_split=5, random_state=seed
    )
    trainer.fit(x, y)
    return ours.probabilities(validated.T).argmax(axis=1), trainer.predict(validated)


def row(kind: str, name: str, x: np.ndarray, y: np.ndarray) -> Sequence[str]:
    """A line of the table: means over the splits, and differences with their standard error."""
    measures = []
    for split in range(SPLITS):
        order = np.random.default_rng(split).permutation(len(x))
        learned, validated = order[: len(x) // 2], order[len(x) // 2 :]
        truth = y[validated]
        found = predictions(kind, (x[learned], y[learned]), x[validated], split)
        scores = [(accuracy_score(truth, one), f1_score(truth, one, average="macro")) for one in found]
        measures.append(scores)
    values = np.array(measures)  # (split, trainer, measure)
    difference = 100 * (values[:, 0] - values[:, 1])
    error = difference.std(axis=0, ddof=1) / np.sqrt(SPLITS)
    mean = values.mean(axis=0)
    paired = [f"{d:+.2f} ± {e:.2f}" for d, e in zip(difference.mean(axis=0), error, strict=True)]
    scores = [f"{100 * mean[one, measure]:.2f}" for measure in (0, 1) for one in (0, 1)]
    return (kind, name, f"{len(x) // 2} × {x.shape[1]}", *scores[:2], paired[0], *scores[2:], paired[1])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--series", type=Path, help="folder of .npz files")
    parser.add_argument("--kind", choices=("random forest", "extra trees"), default="random forest")
    given = parser.parse_args()
    head = (
        "trees",
        "data",
        "learned",
        "accuracy",
        "scikit-learn",
        "difference",
        "macro-F1",
        "scikit-learn",
        "difference",
    )
    print(table(head, (row(given.kind, *one) for one in data_sets(given.series))))


if __name__ == "__main__":
    main()
