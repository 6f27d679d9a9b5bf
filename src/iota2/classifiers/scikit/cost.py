"""Estimates for estimators of scikit-learn before the training: its memory and time, and the time of prediction."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from math import log2
from typing import Any

from iota2.compute.tree_forms import MAX_LEAVES, SMALL_TREE_SECONDS, TREE_SECONDS

SUPPORT_SHARE = 0.4
"""Share of the samples that become support vectors, for classes that are difficult to separate."""
PRODUCT_SECONDS = 0.25e-9
"""Seconds of one multiplication and addition of a matrix product."""
DISTANCE_SECONDS = 0.6e-9
"""Seconds of one difference and its square, in the distance to a sample."""
KERNEL_SECONDS = 6e-9
"""Seconds of one value of an exponential kernel."""
OTHER_SECONDS = 2e-6
"""Seconds of one pixel for methods without an estimate of their own."""
COPY_BYTES = 12
"""Bytes of a value during training: float32 samples, and the float64 copy of most methods."""
CACHE_BYTES = 200 << 20
"""Bytes of the kernel cache of support vector machines."""


STACKING_FOLDS = 5
"""Folds of stacking by default."""
TWINS: Mapping[str, str] = {
    "GaussianProcessRegressor": "GaussianProcessClassifier",
    "KernelRidge": "SVC",
    "LinearRegression": "RidgeClassifier",
    "LinearSVR": "LinearSVC",
    "NuSVR": "NuSVC",
    "Ridge": "RidgeClassifier",
    "SVR": "SVC",
}
"""Classifiers with the estimates of regressors of another name; others differ only in the end of their names."""


def _kind(estimator: Any) -> str:
    """Name under which estimates of an estimator are found: that of the classifier for a regressor."""
    name = type(estimator).__name__
    return TWINS.get(name, name.replace("Regressor", "Classifier"))


@dataclass(frozen=True)
class Size:
    """Numbers of samples, features and classes of a training."""

    samples: float
    features: int
    classes: int


def pixel_seconds(estimator: Any, size: Size) -> float:
    """Seconds of prediction per pixel of an estimator, nested ones included."""
    nested = sum(pixel_seconds(one, size) for one in _nested(estimator))
    own = _SECONDS.get(_kind(estimator))
    if own is not None:
        return own(estimator, size) + nested
    return nested * _repeats(estimator) if nested else OTHER_SECONDS


def training_memory(estimator: Any, size: Size) -> int:
    """Bytes of memory during training, samples included."""
    name = _kind(estimator)
    values = COPY_BYTES * size.samples * size.features
    if name in ("SVC", "NuSVC"):
        values += CACHE_BYTES
    if name in ("GaussianProcessClassifier", "LabelPropagation", "LabelSpreading"):
        values += 8 * size.samples**2 * 2
    return int(values + sum(training_memory(one, size) for one in _nested(estimator)))


def training_seconds(estimator: Any, size: Size) -> float:
    """Seconds of the training of an estimator on one core, nested ones included; 0 for methods without an estimate.

    Constants were measured with 1,000 to 4,000 samples of 50 to 200 features, without missing values.
    """
    nested = sum(training_seconds(one, size) for one in _nested(estimator))
    own = _TRAINING.get(_kind(estimator))
    return (own(estimator, size) if own is not None else 0.0) + nested * _fits(estimator)


def _fits(estimator: Any) -> int:
    """How many times the nested estimators of an ensemble are trained."""
    folds = getattr(estimator, "cv", None)
    if _kind(estimator) == "StackingClassifier":
        return 1 + (folds if isinstance(folds, int) else STACKING_FOLDS)
    return _repeats(estimator)


def _nested(estimator: Any) -> Iterator[Any]:
    """The estimators that an estimator has as arguments."""
    for value in estimator.get_params(deep=False).values():
        for one in value if isinstance(value, list) else [value]:
            found = one[1] if isinstance(one, tuple) and len(one) == 2 else one
            if hasattr(found, "get_params") and not isinstance(found, type):
                yield found


def _repeats(estimator: Any) -> int:
    """How many times the nested estimators of an ensemble are evaluated."""
    return int(getattr(estimator, "n_estimators", 1) or 1)


def _forest(estimator: Any, size: Size) -> float:
    return TREE_SECONDS * estimator.n_estimators


def _boosting(estimator: Any, size: Size) -> float:
    leaves = getattr(estimator, "max_leaf_nodes", None) or getattr(estimator, "num_leaves", None)
    depth = getattr(estimator, "max_depth", None) or -1
    small = (leaves or size.samples) <= MAX_LEAVES or 0 < depth <= log2(MAX_LEAVES)
    return (SMALL_TREE_SECONDS if small else TREE_SECONDS) * _boosted_trees(estimator, size)


def _support_vectors(estimator: Any, size: Size) -> float:
    one = PRODUCT_SECONDS * size.features + (0 if estimator.kernel == "linear" else KERNEL_SECONDS)
    return SUPPORT_SHARE * size.samples * (one + PRODUCT_SECONDS * size.classes)


def _neighbours(estimator: Any, size: Size) -> float:
    return DISTANCE_SECONDS * size.samples * size.features


def _linear(estimator: Any, size: Size) -> float:
    return PRODUCT_SECONDS * size.features * size.classes + 0.1e-6


def _network(estimator: Any, size: Size) -> float:
    hidden = estimator.hidden_layer_sizes
    widths = [size.features, *(hidden if isinstance(hidden, tuple | list) else [hidden]), size.classes]
    return PRODUCT_SECONDS * sum(a * b for a, b in pairwise(widths)) + 1e-9 * sum(widths)


def _gaussians(estimator: Any, size: Size) -> float:
    return PRODUCT_SECONDS * size.features**2 * size.classes


def _components(estimator: Any, size: Size) -> float:
    count = estimator.n_components
    return PRODUCT_SECONDS * size.features * (count if isinstance(count, int) else size.features)


_SECONDS: Mapping[str, Callable[[Any, Size], float]] = {
    "AdaBoostClassifier": lambda estimator, size: TREE_SECONDS * estimator.n_estimators,
    "DecisionTreeClassifier": lambda estimator, size: TREE_SECONDS,
    "ExtraTreeClassifier": lambda estimator, size: TREE_SECONDS,
    "ExtraTreesClassifier": _forest,
    "GaussianNB": _linear,
    "GaussianProcessClassifier": _neighbours,
    "GradientBoostingClassifier": _boosting,
    "HistGradientBoostingClassifier": _boosting,
    "KNeighborsClassifier": _neighbours,
    "LGBMClassifier": _boosting,
    "LabelPropagation": _neighbours,
    "LabelSpreading": _neighbours,
    "LinearDiscriminantAnalysis": _linear,
    "LinearSVC": _linear,
    "LogisticRegression": _linear,
    "MLPClassifier": _network,
    "NuSVC": _support_vectors,
    "Nystroem": _components,
    "PCA": _components,
    "QuadraticDiscriminantAnalysis": _gaussians,
    "RBFSampler": _components,
    "RadiusNeighborsClassifier": _neighbours,
    "RandomForestClassifier": _forest,
    "RidgeClassifier": _linear,
    "SGDClassifier": _linear,
    "SVC": _support_vectors,
    "StandardScaler": lambda estimator, size: 1e-9 * size.features,
}
"""Seconds of one pixel by type of estimator."""


def _boosted_trees(estimator: Any, size: Size) -> float:
    """Number of trees of a boosting."""
    rounds = getattr(estimator, "max_iter", None) or getattr(estimator, "n_estimators", None) or 100
    return boosted_trees(rounds, size.classes)


def boosted_trees(rounds: int, classes: int) -> float:
    """Number of trees of ``rounds`` of boosting: one for each class, or one for two classes."""
    return float(rounds * (1 if classes == 2 else classes))


def binned_boosting_seconds(trees: float, size: Size) -> float:
    """Seconds on one core to grow the trees of a boosting on histograms."""
    return trees * size.features * (70e-6 + 5e-9 * size.samples)


def _binned_boosting_training(estimator: Any, size: Size) -> float:
    return binned_boosting_seconds(_boosted_trees(estimator, size), size)


def _exact_boosting_training(estimator: Any, size: Size) -> float:
    return _boosted_trees(estimator, size) * size.features * size.samples * 0.2e-6


def _forest_training(seconds_per_candidate: float) -> Callable[[Any, Size], float]:
    """Seconds for each sample and candidate feature of a node of a tree."""

    def seconds(estimator: Any, size: Size) -> float:
        return (
            seconds_per_candidate
            * estimator.n_estimators
            * size.features**0.5
            * size.samples
            * log2(max(2.0, size.samples))
        )

    return seconds


def _machine_training(estimator: Any, size: Size) -> float:
    return 0.6e-9 * size.samples**2 * size.features


def _linear_machine_training(estimator: Any, size: Size) -> float:
    return 1e-6 * size.samples * size.features * size.classes


def _network_training(estimator: Any, size: Size) -> float:
    return 150 * size.samples * _network(estimator, size)


_TRAINING: Mapping[str, Callable[[Any, Size], float]] = {
    "ExtraTreesClassifier": _forest_training(40e-9),
    "GaussianProcessClassifier": lambda estimator, size: 1e-9 * size.samples**3,
    "GradientBoostingClassifier": _exact_boosting_training,
    "HistGradientBoostingClassifier": _binned_boosting_training,
    "LGBMClassifier": _binned_boosting_training,
    "LinearSVC": _linear_machine_training,
    "LogisticRegression": lambda estimator, size: 0.05e-6 * size.samples * size.features * size.classes,
    "MLPClassifier": _network_training,
    "NuSVC": _machine_training,
    "RandomForestClassifier": _forest_training(60e-9),
    "SVC": _machine_training,
}
"""Seconds of the training by type of estimator; support vector machines with the folds for probabilities."""
