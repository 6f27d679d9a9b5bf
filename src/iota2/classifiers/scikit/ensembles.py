"""Conversion of scikit-learn's forests, boosting and bagging, and of classifiers around other classifiers."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.model_selection import FixedThresholdClassifier, TunedThresholdClassifierCV
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier, _ConstantPredictor
from sklearn.pipeline import Pipeline
from sklearn.semi_supervised import SelfTrainingClassifier
from sklearn.tree import DecisionTreeClassifier, ExtraTreeClassifier

from iota2.classifiers.base import ModelError
from iota2.classifiers.flatten import flatten, flatten_members
from iota2.classifiers.scikit.roles import (
    PROBABILITIES,
    SCORES,
    converts,
    floats,
    labels,
    on_classes,
    on_features,
    probabilities,
    response,
    scores,
    second,
    transform,
)
from iota2.compute.predictors.simple import Affine, Elementwise, Linear, Link, Steps
from iota2.compute.predictors.stage import Chain, Columns, Concatenation, Constant, Mean, Placement, Stage
from iota2.compute.predictors.trees import Trees, TreeScores
from iota2.compute.predictors.vectors import PairVotes
from iota2.compute.trees import Forest

TREES = (DecisionTreeClassifier, ExtraTreeClassifier)
BOOSTED = (GradientBoostingClassifier, HistGradientBoostingClassifier)


@converts(PROBABILITIES, RandomForestClassifier, ExtraTreesClassifier, *BOOSTED)
def forest(estimator: Any) -> Stage | None:
    """Trees of a forest or of boosting."""
    try:
        return Trees(flatten(estimator))
    except ModelError:
        return None


@converts(PROBABILITIES, *TREES)
def tree(estimator: Any) -> Stage:
    """A single tree."""
    return Trees(flatten_members([estimator], [None], len(estimator.classes_), estimator.n_features_in_))


@converts(SCORES, *BOOSTED)
def boosted_scores(estimator: Any) -> Stage | None:
    """Sums of the steps of boosting."""
    try:
        stage = TreeScores(flatten(estimator))
    except ModelError:
        return None
    if estimator.loss == "exponential":
        return Chain((stage, Affine(np.array([0.5]), np.zeros(1))))  # the arrays contain twice the score
    return stage


@converts(PROBABILITIES, AdaBoostClassifier)
def adaboost(estimator: Any) -> Stage | None:
    """Softmax of weighted votes."""
    stage = votes(estimator)
    if isinstance(stage, TreeScores):
        return Trees(stage.forest)
    return None if stage is None else Chain((stage, Link(stage.n_outputs, "softmax")))


@converts(SCORES, AdaBoostClassifier)
def adaboost_scores(estimator: Any) -> Stage | None:
    """Weighted votes; for two classes the second minus the first."""
    n = len(estimator.classes_)
    stage = votes(estimator) if n > 1 else Constant(int(estimator.n_features_in_), np.zeros(1))
    if stage is None or n == 1:
        return stage
    last = Linear(np.array([[-1.0, 1.0]]), np.zeros(1)) if n == 2 else Affine(np.full(n, n - 1.0), np.zeros(n))
    return Chain((stage, last))


def votes(estimator: Any) -> Stage | None:
    """Scores of the classes of adaptive boosting (SAMME): 1 / (classes - 1) for the label, less for other classes."""
    members, n = estimator.estimators_, len(estimator.classes_)
    weights = floats(estimator.estimator_weights_[: len(members)])
    weights = weights / estimator.estimator_weights_.sum()
    if any(not np.array_equal(member.classes_, estimator.classes_) for member in members):
        return None
    others = -1.0 / (n - 1)
    if all(type(member) in TREES for member in members):
        return TreeScores(flatten_votes(members, weights / (n - 1), others, n, estimator.n_features_in_))
    stages = [labels(member) for member in members]
    if not all(stages):
        return None
    mean = Mean(tuple(stage for stage in stages if stage), weights)
    total = float(weights.sum())
    scale = Affine(np.full(n, total * (1.0 - others) / (n - 1)), np.full(n, total * others / (n - 1)))
    return Chain((mean, scale))


def flatten_votes(members: Any, weights: np.ndarray, others: float, n_classes: int, n_features: int) -> Forest:
    """Forest whose leaves add a weight for the label and ``others`` times the weight for the other classes."""

    def leaves(number: int, values: np.ndarray) -> np.ndarray:
        votes = np.full(values.shape, others)
        votes[np.arange(len(values)), values.argmax(axis=1)] = 1.0
        return weights[number] * votes

    return flatten_members(members, [None] * len(members), n_classes, n_features, leaves=leaves, link="softmax")


@converts(PROBABILITIES, BaggingClassifier)
def bagging(estimator: Any) -> Stage | None:
    """Mean of members, each fitted to a subset of the features."""
    n, members = int(estimator.n_features_in_), estimator.estimators_
    selected = estimator.estimators_features_
    if all(type(member) in TREES for member in members):
        return Trees(flatten_members(members, selected, len(estimator.classes_), n))
    classes = np.arange(len(estimator.classes_))
    stages = []
    for member, features in zip(members, selected, strict=True):
        stage = probabilities(member) if hasattr(member, "predict_proba") else labels(member)
        if stage is None:
            return None
        stages.append(on_features(on_classes(stage, member.classes_, classes), n, features))
    return Mean(tuple(stages), np.ones(len(stages)))


@converts(SCORES, BaggingClassifier)
def bagging_scores(estimator: Any) -> Stage | None:
    """Mean of the scores of members."""
    n = int(estimator.n_features_in_)
    pairs = zip(estimator.estimators_, estimator.estimators_features_, strict=True)
    stages = tuple(on_features(scores(member), n, features) for member, features in pairs)
    return Mean(stages, np.ones(len(stages)))


@converts(PROBABILITIES, VotingClassifier)
def voting(estimator: Any) -> Stage | None:
    """Weighted mean of the probabilities of members."""
    if estimator.voting != "soft":
        return None
    weights = estimator._weights_not_none
    stages = tuple(probabilities(member) for member in estimator.estimators_)
    return Mean(stages, np.ones(len(stages)) if weights is None else floats(weights))


@converts(PROBABILITIES, StackingClassifier)
def stacking(estimator: Any) -> Stage | None:
    """A final classifier on the outputs of members."""
    inputs = stacked(estimator)
    return None if inputs is None else Chain((inputs, probabilities(estimator.final_estimator_)))


@converts(SCORES, StackingClassifier)
def stacking_scores(estimator: Any) -> Stage | None:
    """Scores of the final classifier."""
    inputs = stacked(estimator)
    return None if inputs is None else Chain((inputs, scores(estimator.final_estimator_)))


def stacked(estimator: Any) -> Stage | None:
    """Outputs of the members, and the features if they are passed on."""
    stages: list[Stage] = []
    for member, method in zip(estimator.estimators_, estimator.stack_method_, strict=True):
        if method == "predict_proba":
            stage = probabilities(member)
            stages.append(second(stage) if len(estimator.classes_) == 2 else stage)
        elif method == "decision_function":
            stages.append(scores(member))
        else:
            return None
    if estimator.passthrough:
        n = int(estimator.n_features_in_)
        stages.append(Columns(n, np.arange(n)))
    return Concatenation(tuple(stages))


@converts(PROBABILITIES, Pipeline)
def pipeline(estimator: Any) -> Stage:
    """Transforms, then a classifier."""
    return Chain((*steps(estimator), probabilities(estimator.steps[-1][1])))


@converts(SCORES, Pipeline)
def pipeline_scores(estimator: Any) -> Stage:
    """Transforms, then the scores of a classifier."""
    return Chain((*steps(estimator), scores(estimator.steps[-1][1])))


def steps(estimator: Any) -> list[Stage]:
    """Transforms of a pipeline."""
    return [transform(step) for _, step in estimator.steps[:-1] if step is not None and step != "passthrough"]


@converts(PROBABILITIES, SelfTrainingClassifier, FixedThresholdClassifier, TunedThresholdClassifierCV)
def wrapped(estimator: Any) -> Stage:
    """Probabilities of the fitted classifier inside."""
    return probabilities(estimator.estimator_)


@converts(PROBABILITIES, OneVsRestClassifier)
def one_versus_rest(estimator: Any) -> Stage | None:
    """Probabilities of each class against all others, divided by their sum."""
    if estimator.multilabel_:
        return None
    n = int(estimator.n_features_in_) if hasattr(estimator, "n_features_in_") else None
    stages = tuple(binary(member, n) for member in estimator.estimators_)
    if len(stages) == 1:
        return Chain((stages[0], Link(1, "pair")))
    return Chain((Concatenation(stages), Link(len(stages), "shares or zero")))


def binary(member: Any, n_features: int | None) -> Stage:
    """Probability of the second class."""
    if type(member) is _ConstantPredictor:
        return Constant(int(n_features or member.n_features_in_), floats(member.y_))
    return second(probabilities(member))


@converts(SCORES, OneVsRestClassifier)
def one_versus_rest_scores(estimator: Any) -> Stage | None:
    """Scores of each class against all others."""
    if estimator.multilabel_ or any(type(member) is _ConstantPredictor for member in estimator.estimators_):
        return None
    stages = tuple(scores(member) for member in estimator.estimators_)
    return stages[0] if len(stages) == 1 else Concatenation(stages)


@converts(SCORES, OneVsOneClassifier)
def one_versus_one(estimator: Any) -> Stage | None:
    """Votes of the classifiers of all pairs of classes."""
    members = estimator.estimators_
    scored = {hasattr(member, "decision_function") for member in members}
    if estimator.pairwise_indices_ is not None or len(scored) != 1:
        return None
    threshold = 0.0 if scored.pop() else 0.5
    values = Concatenation(tuple(response(member) for member in members))
    n = len(estimator.classes_)
    stage = Chain((values, PairVotes(n, threshold)))
    return second(stage) if n == 2 else stage


@converts(PROBABILITIES, CalibratedClassifierCV)
def calibrated(estimator: Any) -> Stage:
    """Mean of calibrated classifiers."""
    stages = tuple(calibrated_member(member, estimator.classes_) for member in estimator.calibrated_classifiers_)
    return Mean(stages, np.ones(len(stages)))


def calibrated_member(member: Any, classes: np.ndarray) -> Stage:
    """A classifier with its calibration."""
    inner, n = response(member.estimator), len(classes)
    if member.method == "temperature":
        return Chain((inner, *temperature(member, inner.n_outputs, n)))
    known = np.searchsorted(classes, member.estimator.classes_)
    count = min(inner.n_outputs, len(known), len(member.calibrators))
    if count < inner.n_outputs:
        inner = Chain((inner, Columns(inner.n_outputs, np.arange(count))))
    stages = [inner, *calibration(member.calibrators[:count], member.method)]
    if n == 2:
        stages.append(Link(1, "pair"))
    else:
        stages += [Placement(n, known[:count]), Link(n, "shares")]
    return Chain((*stages, Link(n, "at most 1")))


def calibration(calibrators: Any, method: str) -> list[Stage]:
    """Functions of the scores of each class."""
    if method == "sigmoid":
        slope, offset = ([getattr(c, name) for c in calibrators] for name in ("a_", "b_"))
        return [Affine(-floats(slope), -floats(offset)), Elementwise(len(calibrators), "logistic")]
    lengths = [len(calibrator.X_thresholds_) for calibrator in calibrators]
    x, y = (np.concatenate([getattr(c, name) for c in calibrators]) for name in ("X_thresholds_", "y_thresholds_"))
    return [Steps(np.cumsum([0, *lengths]), floats(x), floats(y))]


def temperature(member: Any, n_scores: int, n_classes: int) -> list[Stage]:
    """Softmax of scores, or of logarithms of probabilities, times the inverse temperature."""
    stages: list[Stage] = []
    if not hasattr(member.estimator, "decision_function"):
        if n_scores == 1:
            stages.append(Link(1, "pair"))
        stages.append(Elementwise(n_classes, "log"))
    elif n_scores == 1:
        stages.append(Linear(np.array([[-1.0], [1.0]]), np.zeros(2)))
    beta = float(member.calibrators[0].beta_)
    stages += [Affine(np.full(n_classes, beta), np.zeros(n_classes)), Link(n_classes, "softmax")]
    return [*stages, Link(n_classes, "at most 1")]
