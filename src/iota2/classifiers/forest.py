"""Random forests: grown by the compiled trainer of this program, stored and evaluated as flat arrays."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from iota2.classifiers.arrays import read_arrays
from iota2.classifiers.base import FitTransform, ModelError
from iota2.classifiers.options import Params
from iota2.compute.tree_forms import TREE_SECONDS
from iota2.compute.tree_growing import Growth, grow_forest
from iota2.compute.trees import Forest
from iota2.options import About, no_effect, option

FILE = "forest.npz"
TRAINING_BYTES_PER_SAMPLE_BYTE = 1.3
"""Bytes of memory during training per byte of samples: the samples, their codes, and what is read at a time."""
SPLIT_SECONDS = 9e-9
"""Seconds for each sample and candidate feature of a node of a tree."""
SAMPLE_BYTES = 60
"""Further bytes per sample: class, weight, and the arrays of the tree that grows."""
NODES_PER_SAMPLE = 0.4
"""Number of nodes of a tree per sample, for classes that are difficult to separate."""
NODE_BYTES = 90
"""Bytes per node with its leaves while the trees are joined."""
MISSING_IN_TREES = (
    "Trees treat the missing value as a number below all measured values: a node can separate pixels without data, so "
    "that missing observations are used like any other property."
)


def growth_seconds(trees: int, candidates: float, samples: float) -> float:
    """Estimated seconds on one core to grow trees with a number of candidate features in each node."""
    return SPLIT_SECONDS * trees * candidates * samples * math.log2(max(2.0, samples))


_MAX_FEATURES_TEXT = (
    "Number of features drawn as candidates at each node; 0 is the square root of the number of features, and a number "
    "larger than that of the features means all."
)
_MIN_SPLIT_TEXT = "Nodes with fewer samples are not split; values below 2 mean 2."


class ForestParams(Params):
    """Options of a forest; fields have the names of the arguments of scikit-learn's ``RandomForestClassifier``."""

    def parameters(self) -> dict[str, Any]:
        """Parameters by scikit-learn's names: ``max_features`` may be a word, ``min_samples_split`` is at least 2."""
        found = super().parameters()
        return found | {
            "max_features": found["max_features"] or "sqrt",
            "min_samples_split": max(2, found["min_samples_split"]),
        }


class RandomForestParams(ForestParams):
    """Options of ``rf``."""

    max_depth: int = option(
        25,
        "Maximum depth of a tree: number of tests on a path.",
        alias="classifier.rf.max",
        about=About(toolbox_default=5),
        ge=1,
        le=1000,
    )
    min_samples_split: int = option(
        5, _MIN_SPLIT_TEXT, alias="classifier.rf.min", about=About(toolbox_default=10), ge=0, le=10**9
    )
    max_features: int = option(0, _MAX_FEATURES_TEXT, alias="classifier.rf.var", ge=0, le=10**6)
    n_estimators: int = option(100, "Number of trees.", alias="classifier.rf.nbtrees", ge=1, le=100_000)
    ra: float = no_effect(
        0.0,
        "Minimum spread of the values in a node.",
        "it ends the growth of regression trees; these are classification trees.",
        alias="classifier.rf.ra",
        ge=0,
    )
    cat: int = no_effect(
        10,
        "Number of groups of the values of a categorical feature.",
        "all features are numeric.",
        alias="classifier.rf.cat",
        ge=0,
        le=10**9,
    )
    acc: float = no_effect(
        0.01,
        "Out-of-bag error at which no more trees are added.",
        "the requested number of trees is always grown.",
        alias="classifier.rf.acc",
        ge=0,
    )


class SharkForestParams(ForestParams):
    """Options of ``sharkrf``."""

    n_estimators: int = option(100, "Number of trees.", alias="classifier.sharkrf.nbtrees", ge=1, le=100_000)
    min_samples_split: int = option(25, _MIN_SPLIT_TEXT, alias="classifier.sharkrf.nodesize", ge=1, le=10**9)
    max_features: int = option(0, _MAX_FEATURES_TEXT, alias="classifier.sharkrf.mtry", ge=0, le=10**6)
    max_samples: float = option(
        0.66,
        "Samples drawn (with replacement) for each tree, as a share of all samples. The toolbox calls it the "
        "out-of-bag ratio; its default is close to the share of samples that a bootstrap draws at least once, so it is "
        "interpreted as the share in the bag.",
        alias="classifier.sharkrf.oobr",
        ge=1e-6,
        le=1,
    )


class ForestClassifier:
    """Random forest (Breiman, 2001) with soft votes: the mean over trees of a leaf's class shares."""

    Params: ClassVar[type[Params]] = Params
    missing: ClassVar[str] = MISSING_IN_TREES
    needs_series: ClassVar[bool] = False
    loaded_share: ClassVar[float] = 2.0
    transforms: tuple[FitTransform, ...] = ()
    weights = True

    def __init__(self, parameters: Mapping[str, Any], *, threads: int = 1) -> None:
        """Unfitted forest; ``parameters`` are those of ``Params.parameters``. ``threads`` do not change the result."""
        self.parameters = dict(parameters)
        self.threads = threads
        self._forest: Forest | None = None
        self._importances: np.ndarray | None = None

    def training_memory(self, samples: float, features: int, classes: int) -> int:
        """Estimated bytes of memory that ``fit`` needs: the samples, and fully grown trees."""
        values = TRAINING_BYTES_PER_SAMPLE_BYTE * 4 * features * samples
        return int(values + samples * (SAMPLE_BYTES + NODES_PER_SAMPLE * self._trees * NODE_BYTES))

    def training_seconds(self, samples: float, features: int, classes: int) -> float:
        """Estimated seconds of ``fit`` on one core."""
        candidates = self.parameters["max_features"]
        drawn = math.sqrt(features) if candidates == "sqrt" else min(features, candidates)
        return growth_seconds(self._trees, drawn, samples)

    def pixel_seconds(self, samples: float, features: int, classes: int) -> float:
        """Estimated seconds of prediction per pixel, from the number of trees."""
        return TREE_SECONDS * self._trees

    @property
    def _trees(self) -> int:
        return int(self.parameters["n_estimators"])

    @property
    def forest(self) -> Forest:
        """The trees; ``RuntimeError`` before ``fit``."""
        if self._forest is None:
            raise RuntimeError("the forest is not fitted; call fit first")
        return self._forest

    @property
    def n_features(self) -> int:
        """Number of features of the training samples."""
        return self.forest.n_features

    @property
    def n_classes(self) -> int:
        """Number of classes of the training samples."""
        return self.forest.n_classes

    @property
    def importances(self) -> np.ndarray | None:
        """(feature,) float64: mean decrease of impurity, with sum 1; all 0 if no tree has a split."""
        return self._importances

    def fit(
        self, x: np.ndarray, y: np.ndarray, *, weight: np.ndarray | None, groups: np.ndarray | None, seed: int
    ) -> None:
        """Fit to ``x`` (sample, feature) float32, class codes ``y`` and weights; ``seed`` in 0..2³²−1.

        ``groups`` are not used: bootstraps draw samples, not polygons.
        """
        codes, classes = np.unique(y, return_inverse=True)
        grown = grow_forest(
            x, classes, self._growth, n_classes=len(codes), weight=weight, seed=seed, threads=self.threads
        )
        self._forest, self._importances = grown

    @property
    def _growth(self) -> Growth:
        """Properties of the trees, from the parameters."""
        given, default = self.parameters, Growth()
        candidates = given.get("max_features", "sqrt")
        return Growth(
            trees=self._trees,
            max_depth=given.get("max_depth", default.max_depth),
            min_samples_split=given.get("min_samples_split", default.min_samples_split),
            max_features=None if candidates == "sqrt" else candidates,
            max_samples=given.get("max_samples", default.max_samples),
        )

    def predict_proba(self, x: np.ndarray) -> np.ndarray:
        """Probabilities (n, class) float64 of ``x`` (n, feature). ``ValueError`` for NaN."""
        return self.forest.probabilities(x.T)

    def predict_pixels(self, values: np.ndarray, at: np.ndarray) -> np.ndarray:
        """Probabilities (n, class) float64 of the pixels ``at`` of ``values`` (feature, pixel), without a copy."""
        return self.forest.probabilities(values, at)

    def summary(self) -> dict[str, int | float | str]:
        """Size and depth of the forest."""
        leaves = int((self.forest.feature == self.n_features).sum())
        return {
            "trees": len(self.forest.roots),
            "nodes": len(self.forest.feature),
            "leaves": leaves,
            "greatest depth": self.forest.depth,
            "out-of-bag score": "not computed (optimistic: pixels of one polygon are in and out of the bag)",
        }

    def save(self, folder: Path) -> None:
        """Write ``forest.npz``: arrays without compression, whose result differs between machines."""
        write_forest(self.forest, self._importances, folder / FILE)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The forest that ``save`` wrote; ``ModelError`` if the file is missing, damaged or not a forest."""
        loaded = cls({})
        loaded._forest, loaded._importances = read_forest(folder / FILE)
        return loaded


class RandomForest(ForestClassifier):
    """Classifier ``rf``."""

    Params = RandomForestParams


class SharkForest(ForestClassifier):
    """Classifier ``sharkrf``."""

    Params = SharkForestParams


def write_forest(forest: Forest, importances: np.ndarray | None, path: Path) -> None:
    """Write a forest and the importances of its features.

    The link and the initial scores are written for boosted forests only: without them the link is ``mean``.
    """
    arrays: dict[str, Any] = {
        "counts": np.array([forest.n_features, forest.n_classes], np.int64),
        "importances": np.zeros(forest.n_features) if importances is None else importances,
        **forest.arrays,
    }
    initial = arrays.pop("initial")
    if forest.link != "mean":
        arrays |= {"initial": initial, "link": np.array(forest.link)}
    with path.open("wb") as file:
        np.savez(file, **arrays)


def read_forest(path: Path) -> tuple[Forest, np.ndarray]:
    """Forest and importances from a file of ``write_forest``; ``ModelError`` if missing, damaged or not a forest."""
    arrays = read_arrays(path)
    try:
        n_features, n_classes = (int(count) for count in arrays.pop("counts"))
        importances, link = arrays.pop("importances"), str(arrays.pop("link", "mean"))
        forest = Forest(n_features=n_features, n_classes=n_classes, link=link, **arrays)
        if importances.shape != (n_features,) or importances.dtype != np.float64:
            raise ValueError(f"importances are {importances.dtype} {importances.shape}")
    except (KeyError, TypeError, ValueError) as err:
        raise ModelError(f"{path}: not a forest of this program ({err}). Train the model again.") from err
    return forest, importances
