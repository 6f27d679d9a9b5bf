"""Conversion of the classifier and the regressor of LightGBM to forests.

Imported only for their objects: LightGBM is optional.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from lightgbm import LGBMClassifier, LGBMRegressor

from iota2.classifiers.base import ModelError
from iota2.classifiers.flatten import Tree, flatten_boosted
from iota2.classifiers.scikit.roles import PROBABILITIES, VALUES, converts
from iota2.compute.predictors.stage import Stage
from iota2.compute.predictors.trees import Trees, TreeScores

OBJECTIVES = (None, "binary", "multiclass", "softmax")
"""Objectives of classes that can be converted."""
VALUE_OBJECTIVES = (None, "regression", "regression_l1", "huber", "fair", "quantile")
"""Objectives of a quantity that can be converted."""


@converts(PROBABILITIES, LGBMClassifier)
def boosted_trees(estimator: Any) -> Stage:
    """Trees of a LightGBM classifier; ``ModelError`` for trees that arrays cannot represent."""
    best = estimator.best_iteration_
    content = estimator.booster_.dump_model(num_iteration=best if best and best > 0 else None)
    objective, *settings = str(content.get("objective")).split()
    if objective not in ("binary", "multiclass") or content["average_output"]:
        raise ModelError(f"LightGBM's objective {objective!r}, or averaged trees, cannot be converted.")
    # A score times this factor is the argument of the logistic function.
    factor = next((float(text.split(":")[1]) for text in settings if text.startswith("sigmoid:")), 1.0)
    trees, steps = zip(*map(_tree, content["tree_info"]), strict=True)
    sizes = int(estimator.n_features_in_), len(estimator.classes_)
    initial = np.zeros(content["num_tree_per_iteration"])
    return Trees(flatten_boosted(sizes, list(trees), [factor * step for step in steps], initial))


@converts(VALUES, LGBMRegressor)
def boosted_values(estimator: Any) -> Stage:
    """Trees of a LightGBM regressor; ``ModelError`` for trees that arrays cannot represent."""
    best = estimator.best_iteration_
    content = estimator.booster_.dump_model(num_iteration=best if best and best > 0 else None)
    objective = str(content.get("objective")).split()[0]
    if objective not in VALUE_OBJECTIVES or content["average_output"]:
        raise ModelError(f"LightGBM's objective {objective!r}, or averaged trees, cannot be converted.")
    trees, steps = zip(*map(_tree, content["tree_info"]), strict=True)
    sizes = int(estimator.n_features_in_), 1
    return TreeScores(flatten_boosted(sizes, list(trees), list(steps), np.zeros(1), "sum"))


def _tree(content: Mapping[str, Any]) -> tuple[Tree, np.ndarray]:
    """A tree, and the values of its leaves by node."""
    nodes = _nodes(content["tree_structure"])
    left = np.array([node.get("left", 0) for node in nodes], np.intp)
    right = np.array([node.get("right", 0) for node in nodes], np.intp)
    feature = np.array([node.get("split_feature", -2) for node in nodes], np.intp)
    threshold = np.array([node.get("threshold", 0.0) for node in nodes], np.float64)
    return Tree(left, right, feature, threshold), np.array([node.get("leaf_value", 0.0) for node in nodes], np.float64)


def _nodes(root: Mapping[str, Any]) -> list[dict[str, Any]]:
    """All nodes, the root first, with the places of their children."""
    nodes = [dict(root)]
    for node in nodes:  # the list grows
        if "left_child" not in node:
            if "leaf_coeff" in node:
                raise ModelError("LightGBM's linear trees cannot be converted; leave linear_tree out.")
            continue
        if node["decision_type"] != "<=" or node["missing_type"] == "Zero":
            raise ModelError("LightGBM's categorical features, and zeros as missing values, cannot be converted.")
        node["left"], node["right"] = len(nodes), len(nodes) + 1
        nodes += [dict(node.pop("left_child")), dict(node.pop("right_child"))]
    return nodes


def check_boosting(estimator: Any) -> str:
    """What prevents the conversion of an unfitted estimator, or an empty text."""
    given = estimator.get_params()
    if given.get("boosting_type") == "rf" or given.get("boosting") == "rf":
        return "boosting_type 'rf' cannot be stored; use gbdt, or a random forest of scikit-learn."
    if given.get("linear_tree") or given.get("zero_as_missing") or given.get("categorical_feature"):
        return "linear_tree, zero_as_missing and categorical_feature cannot be stored; leave them out."
    known = VALUE_OBJECTIVES if isinstance(estimator, LGBMRegressor) else OBJECTIVES
    if given.get("objective") not in known:
        return f"objective {given['objective']!r} cannot be stored; leave it out."
    return ""
