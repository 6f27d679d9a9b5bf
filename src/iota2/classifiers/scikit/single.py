"""Conversion of single scikit-learn classifiers: linear models, networks, Bayes, support vectors, neighbours."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis, QuadraticDiscriminantAnalysis
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import (
    LogisticRegression,
    LogisticRegressionCV,
    PassiveAggressiveClassifier,
    Perceptron,
    RidgeClassifier,
    RidgeClassifierCV,
    SGDClassifier,
)
from sklearn.naive_bayes import BernoulliNB, ComplementNB, GaussianNB, MultinomialNB
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid, RadiusNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.semi_supervised import LabelPropagation, LabelSpreading
from sklearn.svm import SVC, LinearSVC, NuSVC

from iota2.classifiers.scikit.roles import PROBABILITIES, SCORES, VOTES, converts, floats
from iota2.compute.predictors.gaussians import Gaussians, IndependentGaussians
from iota2.compute.predictors.nearest import Neighbours, NeighboursWithin, Samples
from iota2.compute.predictors.simple import Affine, Elementwise, Limits, Linear, Link, Threshold
from iota2.compute.predictors.stage import Chain, Constant, Stage
from iota2.compute.predictors.vectors import Kernel, KernelValues, PairVotes, SupportVectors

SMALLEST_LOG = -1e300
"""Logarithm of a prior probability of 0; finite, and below all others."""
SCORED = (
    LinearSVC,
    PassiveAggressiveClassifier,
    Perceptron,
    RidgeClassifier,
    RidgeClassifierCV,
    SGDClassifier,
    LogisticRegression,
    LogisticRegressionCV,
    LinearDiscriminantAnalysis,
)
"""Linear classifiers."""


@converts(VOTES, *SCORED)
@converts(SCORES, *SCORED)
def linear(estimator: Any) -> Linear:
    """Weighted sums of the features: one for two classes, otherwise one for each class."""
    weights = floats(np.atleast_2d(estimator.coef_))
    return Linear(weights, np.full(len(weights), estimator.intercept_, np.float64))


@converts(PROBABILITIES, LogisticRegression, LogisticRegressionCV, LinearDiscriminantAnalysis)
def logistic(estimator: Any) -> Stage | None:
    """Softmax of linear scores, the logistic function for two classes."""
    if getattr(estimator, "multi_class", "deprecated") not in ("deprecated", "auto"):
        return None
    stage = linear(estimator)
    if stage.n_outputs == 1:
        return Chain((stage, Elementwise(1, "logistic"), Link(1, "pair")))
    if getattr(estimator, "solver", None) == "liblinear":
        return one_versus_rest(stage)
    return Chain((stage, Link(stage.n_outputs, "softmax")))


@converts(PROBABILITIES, SGDClassifier)
def stochastic_gradient(estimator: Any) -> Stage | None:
    """Probabilities of the losses that have them."""
    stage = linear(estimator)
    if estimator.loss == "log_loss":
        return one_versus_rest(stage)
    if estimator.loss == "modified_huber":
        n = stage.n_outputs
        half = Affine(np.full(n, 0.5), np.full(n, 0.5))
        return Chain((stage, Limits(n, -1.0, 1.0), half, Link(n, "pair" if n == 1 else "shares")))
    return None


def one_versus_rest(stage: Stage) -> Stage:
    """Logistic function of each score, divided by their sum."""
    n = stage.n_outputs
    return Chain((stage, Elementwise(n, "logistic"), Link(n, "pair" if n == 1 else "shares")))


@converts(PROBABILITIES, MLPClassifier)
def network(estimator: Any) -> Stage | None:
    """Layers of a multilayer perceptron."""
    stages: list[Stage] = []
    for weights, intercept in zip(estimator.coefs_, estimator.intercepts_, strict=True):
        if stages and estimator.activation != "identity":
            stages.append(Elementwise(len(weights), estimator.activation))
        stages.append(Linear(floats(weights.T), floats(intercept)))
    if estimator.out_activation_ == "softmax":
        return Chain((*stages, Link(estimator.n_outputs_, "softmax")))
    if estimator.out_activation_ == "logistic" and estimator.n_outputs_ == 1:
        return Chain((*stages, Elementwise(1, "logistic"), Link(1, "pair")))
    return None


@converts(PROBABILITIES, GaussianNB)
def independent_gaussians(estimator: Any) -> Stage:
    """Normal distributions with independent features."""
    logs = -0.5 * np.log(2.0 * np.pi * estimator.var_).sum(axis=1)  # in the precision of the library
    stage = IndependentGaussians(
        floats(estimator.theta_), 1.0 / floats(estimator.var_), log(estimator.class_prior_) + logs
    )
    return Chain((stage, Link(stage.n_outputs, "softmax")))


@converts(PROBABILITIES, MultinomialNB)
def multinomial(estimator: Any) -> Stage:
    """Log-likelihoods linear in the features."""
    stage = Linear(floats(estimator.feature_log_prob_), finite(estimator.class_log_prior_))
    return Chain((stage, Link(stage.n_outputs, "softmax")))


@converts(PROBABILITIES, ComplementNB)
def complement(estimator: Any) -> Stage:
    """Log-likelihoods linear in the features, without priors."""
    stage = Linear(floats(estimator.feature_log_prob_), np.zeros(len(estimator.classes_)))
    return Chain((stage, Link(stage.n_outputs, "softmax")))


@converts(PROBABILITIES, BernoulliNB)
def bernoulli(estimator: Any) -> Stage:
    """Log-likelihoods linear in features of 0 and 1."""
    logs = floats(estimator.feature_log_prob_)
    with np.errstate(divide="ignore"):
        otherwise = np.log(1.0 - np.exp(logs))
    stage = Linear(logs - otherwise, finite(estimator.class_log_prior_) + otherwise.sum(axis=1))
    stages: tuple[Stage, ...] = (stage, Link(stage.n_outputs, "softmax"))
    if estimator.binarize is not None:
        stages = (Threshold(stage.n_features, float(estimator.binarize)), *stages)
    return Chain(stages)


@converts(SCORES, QuadraticDiscriminantAnalysis)
def quadratic_scores(estimator: Any) -> Stage:
    """Log-posteriors, their difference for two classes."""
    return difference(gaussians(estimator))


@converts(PROBABILITIES, QuadraticDiscriminantAnalysis)
def quadratic(estimator: Any) -> Stage:
    """Normal distributions with the covariance of each class."""
    stage = gaussians(estimator)
    return Chain((stage, Link(stage.n_outputs, "softmax")))


def gaussians(estimator: Any) -> Gaussians:
    """Log-posteriors of a quadratic discriminant analysis."""
    variances = np.asarray(estimator.scalings_)  # in the precision of the library
    axes = np.asarray(estimator.rotations_) * (variances**-0.5)[:, None, :]
    logs = np.array([np.log(values).sum() for values in variances])
    return Gaussians(floats(estimator.means_), floats(axes.transpose(0, 2, 1)), log(estimator.priors_) - 0.5 * logs)


@converts(SCORES, NearestCentroid)
def centroid_scores(estimator: Any) -> Stage | None:
    """Discriminant scores, their difference for two classes."""
    return difference(centroids(estimator)) if estimator.metric == "euclidean" else None


@converts(PROBABILITIES, NearestCentroid)
def nearest_centroid(estimator: Any) -> Stage | None:
    """Softmax of the discriminant scores of the centroids."""
    stage = centroids(estimator)
    return Chain((stage, Link(stage.n_outputs, "softmax"))) if estimator.metric == "euclidean" else None


def centroids(estimator: Any) -> IndependentGaussians:
    """Minus squared distances to centroids, in units of the spread within classes, plus twice the log-prior."""
    spread = floats(estimator.within_class_std_dev_)
    precision = np.where(spread == 0, 2.0, 2.0 / np.square(np.where(spread == 0, 1.0, spread)))
    points = floats(estimator.centroids_)
    return IndependentGaussians(
        points, np.repeat(precision.reshape(1, -1), len(points), axis=0), 2.0 * log(estimator.class_prior_)
    )


def difference(stage: Stage) -> Stage:
    """Scores of the classes; for two classes the second minus the first."""
    return Chain((stage, Linear(np.array([[-1.0, 1.0]]), np.zeros(1)))) if stage.n_outputs == 2 else stage


@converts(SCORES, SVC, NuSVC)
def support_vectors(estimator: Any) -> Stage | None:
    """Decision values of a support vector machine: one for two classes, of classes, or of pairs of classes."""
    stage, n = pair_values(estimator), len(estimator.classes_)
    if stage is None or n == 2:
        return stage
    if estimator.decision_function_shape == "ovr":
        return Chain((stage, PairVotes(n, 0.0)))
    return Chain((stage, Affine(np.full(stage.n_outputs, -1.0), np.zeros(stage.n_outputs))))


@converts(VOTES, SVC, NuSVC)
def support_votes(estimator: Any) -> Stage | None:
    """Votes of the pairs of classes."""
    stage, n = pair_values(estimator), len(estimator.classes_)
    return stage if stage is None or n == 2 else Chain((stage, PairVotes(n, 0.0, estimator.break_ties)))


def pair_values(estimator: Any) -> SupportVectors | None:
    """Decision values of the pairs of classes; None for a kernel that is not computed from vectors."""
    kernel = kernel_of(estimator.kernel, estimator._gamma, estimator.coef0, estimator.degree)
    if kernel is None or estimator._sparse:
        return None
    n = len(estimator.classes_)
    sign = 1.0 if n == 2 else -1.0  # scikit-learn changes the signs of two classes
    return SupportVectors(
        vectors=floats(estimator.support_vectors_),
        counts=np.asarray(estimator.n_support_, np.int64),
        coefficients=sign * floats(estimator.dual_coef_),
        intercept=sign * floats(estimator.intercept_),
        kernel=kernel,
    )


def kernel_of(name: Any, gamma: Any, coef0: Any, degree: Any) -> Kernel | None:
    """The kernel; None if its values cannot be computed from two vectors."""
    if name not in ("linear", "rbf", "laplacian", "poly", "sigmoid"):
        return None
    return Kernel(name, float(gamma), float(coef0), float(degree))


@converts(PROBABILITIES, KNeighborsClassifier)
def nearest(estimator: Any) -> Stage | None:
    """Shares of the classes among the nearest training samples."""
    samples = samples_of(estimator)
    if samples is None:
        return None
    count = min(int(estimator.n_neighbors), len(samples.x))
    return Neighbours(samples, count, estimator.weights == "distance")


@converts(PROBABILITIES, RadiusNeighborsClassifier)
def nearest_within(estimator: Any) -> Stage | None:
    """Shares of the classes among the training samples within a radius."""
    samples = samples_of(estimator)
    if samples is None:
        return None
    outlier = np.zeros(len(estimator.classes_))
    if estimator.outlier_label_ is not None:
        outlier = (estimator.classes_ == estimator.outlier_label_[0]).astype(np.float64)
    return NeighboursWithin(samples, float(estimator.radius), estimator.weights == "distance", outlier)


def samples_of(estimator: Any) -> Samples | None:
    """Training samples of a classifier by neighbours; None for other distances or weights by a function."""
    powers = {"euclidean": 2, "manhattan": 1}
    if estimator.effective_metric_ not in powers or estimator.effective_metric_params_ or estimator.outputs_2d_:
        return None
    if estimator.weights not in ("uniform", "distance", None):
        return None
    votes = np.eye(len(estimator.classes_))[estimator._y]
    return Samples(floats(estimator._fit_X), votes, powers[estimator.effective_metric_])


@converts(PROBABILITIES, LabelPropagation, LabelSpreading)
def propagation(estimator: Any) -> Stage | None:
    """Label distributions of the training samples, weighted by a kernel or those of the nearest samples.

    Far from all samples, where scikit-learn returns NaN, all classes have equal probability.
    """
    x, shares = floats(estimator.X_), floats(estimator.label_distributions_)
    if estimator.kernel == "knn":
        return Neighbours(Samples(x, shares, 2), int(estimator.n_neighbors), False)
    if estimator.kernel != "rbf":
        return None
    values = KernelValues(x, Kernel("rbf", float(estimator.gamma), 0.0, 0.0))
    n = shares.shape[1]
    return Chain((values, Linear(floats(shares.T), np.zeros(n)), Link(n, "shares")))


@converts(PROBABILITIES, DummyClassifier)
def constant(estimator: Any) -> Stage | None:
    """The same probabilities for all pixels."""
    if estimator._strategy == "stratified":
        return None
    found = estimator.predict_proba(np.zeros((1, 1)))[0]
    return Constant(int(estimator.n_features_in_), floats(found))


def log(prior: Any) -> np.ndarray:
    """Logarithms of prior probabilities, finite also for 0."""
    with np.errstate(divide="ignore"):
        return finite(np.log(floats(prior)))


def finite(logs: Any) -> np.ndarray:
    """Logarithms with ``SMALLEST_LOG`` for minus infinity."""
    return np.maximum(floats(logs), SMALLEST_LOG)
