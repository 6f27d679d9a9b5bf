"""Estimated memory of training and time of prediction of estimators of scikit-learn, before anything is trained."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from math import log2
from typing import Any

from iota2.compute.tree_votes import MAX_LEAVES, SMALL_TREE_SECONDS, TREE_SECONDS

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


@dataclass(frozen=True)
class Size:
    """Numbers of samples, features and classes of a training."""

    samples: float
    features: int
    classes: int


def pixel_seconds(estimator: Any, size: Size) -> float:
    """Seconds of prediction per pixel of an estimator, nested ones included."""
    nested = sum(pixel_seconds(one, size) for one in _nested(estimator))
    own = _SECONDS.get(type(estimator).__name__)
    if own is not None:
        return own(estimator, size) + nested
    return nested * _repeats(estimator) if nested else OTHER_SECONDS


def training_memory(estimator: Any, size: Size) -> int:
    """Bytes of memory during training, samples included."""
    name = type(estimator).__name__
    values = COPY_BYTES * size.samples * size.features
    if name in ("SVC", "NuSVC"):
        values += CACHE_BYTES
    if name in ("GaussianProcessClassifier", "LabelPropagation", "LabelSpreading"):
        values += 8 * size.samples**2 * 2
    return int(values + sum(training_memory(one, size) for one in _nested(estimator)))


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
    rounds = getattr(estimator, "max_iter", None) or getattr(estimator, "n_estimators", None) or 100
    leaves = getattr(estimator, "max_leaf_nodes", None) or getattr(estimator, "num_leaves", None)
    depth = getattr(estimator, "max_depth", None) or -1
    small = (leaves or size.samples) <= MAX_LEAVES or 0 < depth <= log2(MAX_LEAVES)
    return (SMALL_TREE_SECONDS if small else TREE_SECONDS) * rounds * (1 if size.classes == 2 else size.classes)


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
