"""Classifier ``trees``: extra trees and gradient boosting, averaged on calibrated probabilities."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np

from iota2.classifiers.base import FitTransform, ModelError
from iota2.classifiers.flatten import flatten
from iota2.classifiers.forest import MISSING_IN_TREES, growth_seconds, read_forest, write_forest
from iota2.classifiers.options import Params
from iota2.classifiers.scikit.cost import Size, binned_boosting_seconds, boosted_trees
from iota2.classifiers.scikit.training import limited_threads
from iota2.compute.calibration import Temperature, fit_temperature
from iota2.compute.folds import grouped_folds
from iota2.compute.tree_forms import SMALL_TREE_SECONDS, TREE_SECONDS
from iota2.compute.tree_growing import Growth, grow_forest
from iota2.compute.trees import Forest
from iota2.core.files import read_text
from iota2.core.random import generator
from iota2.core.words import json_text
from iota2.options import option

FILES = ("extra_trees.npz", "boosting.npz")
TEMPERATURES = "temperatures.json"
HELD_OUT = 3
"""One polygon in this number is held out, to fit the temperatures."""
MIN_HELD_OUT = 15
"""Minimum number of polygons held out; with fewer, temperatures are 1."""
L2 = 1.0
"""Regularisation of the boosting: without it, rare classes can make the steps of a few leaves arbitrarily large."""
NODE_BYTES = 100
"""Bytes of a node of a tree, during its growth."""


class TreesParams(Params):
    """Options of ``trees``."""

    extra: int = option(60, "Number of extra trees.", alias="classifier.trees.extra", ge=1, le=100_000)
    rounds: int = option(
        30,
        "Number of boosting rounds; each has one tree for each class (for two classes, one).",
        alias="classifier.trees.rounds",
        ge=1,
        le=100_000,
    )
    rate: float = option(0.15, "Learning rate of the boosting.", alias="classifier.trees.rate", gt=0, le=1)


class _Members(NamedTuple):
    """The two fitted members."""

    extra: Forest
    boosting: Forest

    def probabilities(self, values: np.ndarray, at: np.ndarray | None = None) -> list[np.ndarray]:
        """Probabilities (n, class) float64 of each member, for ``values`` (feature, pixel)."""
        return [member.probabilities(values, at) for member in self]


class Trees:
    """Mean of the probabilities of extra trees (Geurts et al., 2006) and histogram gradient boosting (Ke et al., 2017).

    Boosting is too confident where classes overlap, extra trees too little: before the mean, temperature scaling
    (Guo et al., 2017) is fitted to each on a third of the polygons, with members trained on the other two thirds.
    """

    Params: ClassVar[type[Params]] = TreesParams
    missing: ClassVar[str] = MISSING_IN_TREES
    needs_series: ClassVar[bool] = False
    weights: ClassVar[bool] = True
    loaded_share: ClassVar[float] = 2.0
    transforms: tuple[FitTransform, ...] = ()

    def __init__(self, parameters: Mapping[str, Any], *, threads: int = 1) -> None:
        """Unfitted; ``parameters`` are those of ``Params.parameters``. ``threads`` do not change the result."""
        self.parameters = dict(parameters)
        self.threads = threads
        self._members: _Members | None = None
        self._temperatures = (Temperature(1.0, 0.0), Temperature(1.0, 0.0))
        self._importances: np.ndarray | None = None

    def training_memory(self, samples: float, features: int, classes: int) -> int:
        """Estimated bytes that ``fit`` needs: samples, their bins in each member, and the nodes of extra trees."""
        values = samples * features * (4 + 4 + 1.5)
        return int(values + samples * self.parameters["extra"] * NODE_BYTES + 16 * samples * classes)

    def training_seconds(self, samples: float, features: int, classes: int) -> float:
        """Estimated seconds of ``fit`` on one core: both members, fitted again without the polygons held out."""
        boosting = binned_boosting_seconds(self._boosted_trees(classes), Size(samples, features, classes))
        extra = growth_seconds(self.parameters["extra"], math.sqrt(features), samples)
        return (2 - 1 / HELD_OUT) * (boosting + extra)

    def pixel_seconds(self, samples: float, features: int, classes: int) -> float:
        """Estimated seconds of prediction per pixel."""
        return TREE_SECONDS * self.parameters["extra"] + SMALL_TREE_SECONDS * self._boosted_trees(classes)

    def _boosted_trees(self, classes: int) -> float:
        """Number of trees of the boosting."""
        return boosted_trees(self.parameters["rounds"], classes)

    @property
    def members(self) -> _Members:
        """Extra trees and boosting; ``RuntimeError`` before ``fit``."""
        if self._members is None:
            raise RuntimeError("the classifier is not fitted; call fit first")
        return self._members

    @property
    def n_features(self) -> int:
        """Number of features of the training samples."""
        return self.members.extra.n_features

    @property
    def n_classes(self) -> int:
        """Number of classes of the training samples."""
        return self.members.extra.n_classes

    @property
    def importances(self) -> np.ndarray | None:
        """(feature,) float64: mean decrease of impurity in the extra trees, with sum 1."""
        return self._importances

    def fit(
        self, x: np.ndarray, y: np.ndarray, *, weight: np.ndarray | None, groups: np.ndarray | None, seed: int
    ) -> None:
        """Fit to ``x`` (sample, feature) float32, class codes ``y``, weights and polygons, all (sample,)."""
        codes, columns = np.unique(y, return_inverse=True)
        groups = np.arange(len(y)) if groups is None else groups
        if len(codes) > 1:
            self._temperatures = self._fitted_temperatures(x, columns, weight, groups, seed)
        self._members, self._importances = self._grown(x, columns, weight, seed)

    def _grown(
        self, x: np.ndarray, columns: np.ndarray, weight: np.ndarray | None, seed: int
    ) -> tuple[_Members, np.ndarray]:
        """Both members, fitted to classes ``columns`` (sample,) 0, 1 …; and the importances of the features."""
        growth = Growth(trees=self.parameters["extra"], bootstrap=False, random_thresholds=True)
        classes = int(columns.max()) + 1
        extra = grow_forest(x, columns, growth, n_classes=classes, weight=weight, seed=seed, threads=self.threads)
        return _Members(extra.forest, self._boosted(x, columns, weight, seed, extra.forest)), extra.importances

    def _boosted(
        self, x: np.ndarray, columns: np.ndarray, weight: np.ndarray | None, seed: int, single: Forest
    ) -> Forest:
        """Histogram gradient boosting; ``single`` for one class."""
        if len(np.unique(columns)) == 1:
            return single
        # Only training needs scikit-learn.
        from sklearn.ensemble import HistGradientBoostingClassifier  # noqa: PLC0415

        trainer = HistGradientBoostingClassifier(
            max_iter=self.parameters["rounds"],
            learning_rate=self.parameters["rate"],
            l2_regularization=L2,
            early_stopping=False,
            random_state=seed % 2**32,
        )
        with limited_threads(self.threads):
            return flatten(trainer.fit(x, columns, sample_weight=weight))

    def _fitted_temperatures(
        self, x: np.ndarray, columns: np.ndarray, weight: np.ndarray | None, groups: np.ndarray, seed: int
    ) -> tuple[Temperature, Temperature]:
        """Temperatures of both members, from the predictions of held-out polygons.

        Polygons are held out from classes that are learned from other polygons.
        """
        folds = grouped_folds(columns, groups, HELD_OUT, generator(seed, "polygons held out"))
        held = (folds == 0) & np.isin(columns, np.unique(columns[folds != 0]))
        learned = ~held
        if len(np.unique(groups[held])) < MIN_HELD_OUT or len(np.unique(columns[learned])) < len(np.unique(columns)):
            return self._temperatures
        members, _ = self._grown(x[learned], columns[learned], None if weight is None else weight[learned], seed)
        of_held = None if weight is None else weight[held]
        fit = partial(fit_temperature, columns=columns[held], weight=of_held, groups=groups[held])
        found = [fit(probabilities) for probabilities in members.probabilities(x[held].T)]
        return found[0], found[1]

    def predict_proba(self, x: np.ndarray) -> np.ndarray:
        """Probabilities (n, class) float64 of ``x`` (n, feature). ``ValueError`` for NaN."""
        return self._mean(self.members.probabilities(x.T))

    def predict_pixels(self, values: np.ndarray, at: np.ndarray) -> np.ndarray:
        """Probabilities (n, class) float64 of the pixels ``at`` of ``values`` (feature, pixel), without a copy."""
        return self._mean(self.members.probabilities(values, at))

    def _mean(self, found: list[np.ndarray]) -> np.ndarray:
        extra, boosting = (one.apply(p) for one, p in zip(self._temperatures, found, strict=True))
        return (extra + boosting) / 2

    def summary(self) -> dict[str, int | float | str]:
        """Size of both members, and their temperatures."""
        return {
            "extra trees": len(self.members.extra.roots),
            "nodes of extra trees": len(self.members.extra.feature),
            "trees of the boosting": len(self.members.boosting.roots),
            "temperature of extra trees": round(self._temperatures[0].temperature, 3),
            "temperature of the boosting": round(self._temperatures[1].temperature, 3),
        }

    def save(self, folder: Path) -> None:
        """Write the trees as arrays, and the temperatures."""
        for member, importances, name in zip(self.members, (self._importances, None), FILES, strict=True):
            write_forest(member, importances, folder / name)
        content = [one.parameters() for one in self._temperatures]
        (folder / TEMPERATURES).write_text(json_text(content, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The classifier that ``save`` wrote; ``ModelError`` if a file is missing, damaged or inconsistent."""
        loaded = cls({})
        (extra, loaded._importances), (boosting, _) = (read_forest(folder / name) for name in FILES)
        if (extra.n_features, extra.n_classes) != (boosting.n_features, boosting.n_classes):
            raise ModelError(f"{folder}: its two parts differ in their features or classes. Train the model again.")
        loaded._members = _Members(extra, boosting)
        loaded._temperatures = _read_temperatures(folder / TEMPERATURES)
        return loaded


def _read_temperatures(path: Path) -> tuple[Temperature, Temperature]:
    try:
        extra, boosting = (Temperature(**numbers) for numbers in json.loads(read_text(path)))
    except (OSError, ValueError, TypeError, RecursionError) as err:
        raise ModelError(f"{path}: missing or damaged ({err}). Copy the model again or train it again.") from err
    return extra, boosting
