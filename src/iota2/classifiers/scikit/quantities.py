"""Conversion of scikit-learn regressors: linear models, networks, kernels, neighbours, trees and ensembles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn import linear_model
from sklearn.cross_decomposition import PLSRegression
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import (
    BaggingRegressor,
    ExtraTreesRegressor,
    GradientBoostingRegressor,
    HistGradientBoostingRegressor,
    RandomForestRegressor,
    StackingRegressor,
    VotingRegressor,
)
from sklearn.kernel_ridge import KernelRidge
from sklearn.neighbors import KNeighborsRegressor
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import Pipeline
from sklearn.svm import SVR, LinearSVR, NuSVR
from sklearn.tree import DecisionTreeRegressor, ExtraTreeRegressor

from iota2.classifiers.base import ModelError
from iota2.classifiers.flatten import flatten_mean, flatten_sum
from iota2.classifiers.scikit.ensembles import steps
from iota2.classifiers.scikit.roles import SPREADS, VALUES, converts, floats, on_features, values
from iota2.classifiers.scikit.single import kernel_of
from iota2.compute.predictors.nearest import Neighbours, Samples
from iota2.compute.predictors.simple import Elementwise, Linear, Moments
from iota2.compute.predictors.stage import Chain, Columns, Concatenation, Constant, Mean, Stage
from iota2.compute.predictors.trees import TreeScores
from iota2.compute.predictors.vectors import KernelValues

FORESTS = (RandomForestRegressor, ExtraTreesRegressor)
TREES = (DecisionTreeRegressor, ExtraTreeRegressor)
LINEAR = (
    LinearSVR,
    PLSRegression,
    linear_model.ARDRegression,
    linear_model.BayesianRidge,
    linear_model.ElasticNet,
    linear_model.ElasticNetCV,
    linear_model.HuberRegressor,
    linear_model.Lars,
    linear_model.LarsCV,
    linear_model.Lasso,
    linear_model.LassoCV,
    linear_model.LassoLars,
    linear_model.LassoLarsCV,
    linear_model.LassoLarsIC,
    linear_model.LinearRegression,
    linear_model.OrthogonalMatchingPursuit,
    linear_model.OrthogonalMatchingPursuitCV,
    linear_model.PassiveAggressiveRegressor,
    linear_model.QuantileRegressor,
    linear_model.Ridge,
    linear_model.RidgeCV,
    linear_model.SGDRegressor,
    linear_model.TheilSenRegressor,
)
"""Weighted sums of the features."""
FARTHEST = 1e-9
"""Smallest range of the values of neighbours, relative to which they are stored."""


@converts(VALUES, *LINEAR)
def linear(estimator: Any) -> Stage:
    """A weighted sum of the features."""
    weights = floats(np.reshape(estimator.coef_, (1, -1)))
    stage = Linear(weights, np.full(1, np.ravel(estimator.intercept_)[0], np.float64))
    if isinstance(estimator, PLSRegression):  # weights of features minus their mean
        offset = stage.intercept - weights @ floats(estimator._x_mean)
        return Linear(weights, offset)
    return stage


@converts(VALUES, linear_model.RANSACRegressor)
def consensus(estimator: Any) -> Stage:
    """The regressor that was fitted to the consensus set."""
    return values(estimator.estimator_)


@converts(VALUES, MLPRegressor)
def network(estimator: Any) -> Stage:
    """Layers of a multilayer perceptron."""
    stages: list[Stage] = []
    for weights, intercept in zip(estimator.coefs_, estimator.intercepts_, strict=True):
        if stages and estimator.activation != "identity":
            stages.append(Elementwise(len(weights), estimator.activation))
        stages.append(Linear(floats(weights.T), floats(intercept)))
    return Chain(tuple(stages))


@converts(VALUES, SVR, NuSVR)
def support_vectors(estimator: Any) -> Stage | None:
    """Weighted sum of kernel values."""
    kernel = kernel_of(estimator.kernel, estimator._gamma, estimator.coef0, estimator.degree)
    if kernel is None or estimator._sparse:
        return None
    if not len(estimator.support_vectors_):
        return Constant(int(estimator.n_features_in_), floats(estimator.intercept_))
    inner = KernelValues(floats(estimator.support_vectors_), kernel)
    return Chain((inner, Linear(floats(estimator.dual_coef_), floats(estimator.intercept_))))


@converts(VALUES, KernelRidge)
def kernel_ridge(estimator: Any) -> Stage | None:
    """Weighted sum of kernel values of all samples."""
    gamma = 1.0 / estimator.n_features_in_ if estimator.gamma is None else estimator.gamma
    name = "poly" if estimator.kernel == "polynomial" else estimator.kernel
    kernel = kernel_of(name, gamma, estimator.coef0, estimator.degree)
    if kernel is None:
        return None
    inner = KernelValues(floats(estimator.X_fit_), kernel)
    return Chain((inner, Linear(floats(np.reshape(estimator.dual_coef_, (1, -1))), np.zeros(1))))


@converts(VALUES, KNeighborsRegressor)
def nearest(estimator: Any) -> Stage | None:
    """Mean of the nearest samples: the share of the greatest value in a mixture of the greatest and the least."""
    powers = {"euclidean": 2, "manhattan": 1}
    if estimator.effective_metric_ not in powers or estimator.effective_metric_params_:
        return None
    if estimator.weights not in ("uniform", "distance", None):
        return None
    y = floats(np.ravel(estimator._y))
    least, extent = float(y.min()), max(float(np.ptp(y)), FARTHEST)
    share = (y - least) / extent
    samples = Samples(
        floats(estimator._fit_X), np.stack([share, 1.0 - share], axis=1), powers[estimator.effective_metric_]
    )
    found = Neighbours(samples, min(int(estimator.n_neighbors), len(y)), estimator.weights == "distance")
    return Chain((found, Linear(np.array([[extent, 0.0]]), np.full(1, least))))


@converts(VALUES, DummyRegressor)
def constant(estimator: Any) -> Stage:
    """The same value for all pixels."""
    return Constant(int(estimator.n_features_in_), floats(np.ravel(estimator.constant_)))


@converts(VALUES, *FORESTS)
def forest(estimator: Any) -> Stage:
    """Mean of trees."""
    return TreeScores(flatten_mean(estimator.estimators_, _all(estimator.estimators_), estimator.n_features_in_))


@converts(SPREADS, *FORESTS)
def forest_with_spread(estimator: Any) -> Stage:
    """Mean of trees, and the standard deviation of the samples of the leaves that a pixel reaches."""
    members = estimator.estimators_
    return Chain((TreeScores(flatten_mean(members, _all(members), estimator.n_features_in_, moments=True)), Moments()))


@converts(VALUES, *TREES)
def tree(estimator: Any) -> Stage:
    """A single tree."""
    return TreeScores(flatten_mean([estimator], [None], estimator.n_features_in_))


@converts(VALUES, GradientBoostingRegressor, HistGradientBoostingRegressor)
def boosting(estimator: Any) -> Stage | None:
    """Sum of the steps of boosting."""
    try:
        return TreeScores(flatten_sum(estimator))
    except ModelError:
        return None


@converts(VALUES, BaggingRegressor)
def bagging(estimator: Any) -> Stage:
    """Mean of members, each fitted to a subset of the features."""
    n, members, selected = int(estimator.n_features_in_), estimator.estimators_, estimator.estimators_features_
    if all(type(member) in TREES for member in members):
        return TreeScores(flatten_mean(members, selected, n))
    stages = [on_features(values(member), n, some) for member, some in zip(members, selected, strict=True)]
    return Mean(tuple(stages), np.ones(len(stages)))


@converts(VALUES, VotingRegressor)
def voting(estimator: Any) -> Stage:
    """Weighted mean of members."""
    weights = estimator._weights_not_none
    stages = tuple(values(member) for member in estimator.estimators_)
    return Mean(stages, np.ones(len(stages)) if weights is None else floats(weights))


@converts(VALUES, StackingRegressor)
def stacking(estimator: Any) -> Stage:
    """A final regressor on the values of members, and on the features if they are passed on."""
    stages = [values(member) for member in estimator.estimators_]
    if estimator.passthrough:
        n = int(estimator.n_features_in_)
        stages.append(Columns(n, np.arange(n)))
    return Chain((Concatenation(tuple(stages)), values(estimator.final_estimator_)))


@converts(VALUES, Pipeline)
def pipeline(estimator: Any) -> Stage:
    """Transforms, then a regressor."""
    return Chain((*steps(estimator), values(estimator.steps[-1][1])))


@converts(SPREADS, Pipeline)
def pipeline_with_spread(estimator: Any) -> Stage | None:
    """Transforms, then a regressor that knows its spread."""
    function = SPREADS.get(type(estimator.steps[-1][1]))
    last = None if function is None else function(estimator.steps[-1][1])
    return None if last is None else Chain((*steps(estimator), last))


def _all(members: Sequence[Any]) -> list[None]:
    """Each member was fitted to all features."""
    return [None] * len(members)
