"""Conversion of scikit-learn transformers: scalings, projections, kernel approximations, selections."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA, FastICA, IncrementalPCA, TruncatedSVD
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.feature_selection import (
    RFE,
    RFECV,
    GenericUnivariateSelect,
    SelectFdr,
    SelectFpr,
    SelectFromModel,
    SelectFwe,
    SelectKBest,
    SelectPercentile,
    SequentialFeatureSelector,
    VarianceThreshold,
)
from sklearn.kernel_approximation import Nystroem, RBFSampler
from sklearn.neighbors import NeighborhoodComponentsAnalysis
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import (
    Binarizer,
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    RobustScaler,
    StandardScaler,
)
from sklearn.random_projection import GaussianRandomProjection, SparseRandomProjection

from iota2.classifiers.scikit.roles import TRANSFORMS, converts, floats, transform
from iota2.classifiers.scikit.single import kernel_of
from iota2.compute.predictors.simple import Affine, Elementwise, Limits, Linear, Threshold, UnitNorm
from iota2.compute.predictors.stage import Chain, Columns, Concatenation, Stage
from iota2.compute.predictors.vectors import KernelValues


@converts(TRANSFORMS, StandardScaler)
def standardisation(estimator: Any) -> Stage:
    """Features minus their mean, divided by their standard deviation."""
    return scaled(estimator.n_features_in_, estimator.mean_ if estimator.with_mean else None, estimator.scale_)


@converts(TRANSFORMS, RobustScaler)
def robust(estimator: Any) -> Stage:
    """Features minus their median, divided by a range of quantiles."""
    return scaled(estimator.n_features_in_, estimator.center_, estimator.scale_)


@converts(TRANSFORMS, MaxAbsScaler)
def greatest_absolute(estimator: Any) -> Stage:
    """Features divided by their greatest absolute value."""
    stage = scaled(estimator.n_features_in_, None, estimator.scale_)
    return Chain((stage, Limits(stage.n_outputs, -1.0, 1.0))) if getattr(estimator, "clip", False) else stage


@converts(TRANSFORMS, MinMaxScaler)
def interval(estimator: Any) -> Stage:
    """Features mapped to an interval."""
    stage = Affine(floats(estimator.scale_), floats(estimator.min_))
    if not estimator.clip:
        return stage
    low, high = estimator.feature_range
    return Chain((stage, Limits(stage.n_outputs, float(low), float(high))))


def scaled(n_features: Any, centre: Any, scale: Any) -> Affine:
    """Features minus ``centre`` (None: 0), divided by ``scale`` (None: 1)."""
    factor = np.ones(int(n_features)) if scale is None else 1.0 / floats(scale)
    return Affine(factor, np.zeros(len(factor)) if centre is None else -floats(centre) * factor)


@converts(TRANSFORMS, Normalizer)
def unit_norm(estimator: Any) -> Stage:
    """Samples divided by their norm."""
    return UnitNorm(int(estimator.n_features_in_), estimator.norm)


@converts(TRANSFORMS, Binarizer)
def binary(estimator: Any) -> Stage:
    """1 for values above a threshold."""
    return Threshold(int(estimator.n_features_in_), float(estimator.threshold))


@converts(TRANSFORMS, PCA, IncrementalPCA)
def principal_components(estimator: Any) -> Stage:
    """Projection onto principal components."""
    axes, mean = floats(estimator.components_), floats(estimator.mean_)
    if estimator.whiten:
        variance = np.asarray(estimator.explained_variance_)
        axes = axes / np.maximum(np.sqrt(variance), np.finfo(variance.dtype).eps).astype(np.float64)[:, None]
    return Chain((Affine(np.ones(len(mean)), -mean), Linear(axes, np.zeros(len(axes)))))


@converts(TRANSFORMS, TruncatedSVD, GaussianRandomProjection, SparseRandomProjection, NeighborhoodComponentsAnalysis)
def projection(estimator: Any) -> Stage:
    """Projection onto components."""
    axes = estimator.components_
    axes = floats(axes.toarray() if hasattr(axes, "toarray") else axes)
    return Linear(axes, np.zeros(len(axes)))


@converts(TRANSFORMS, FastICA)
def independent_components(estimator: Any) -> Stage:
    """Projection onto independent components."""
    stage = projection(estimator)
    return Chain((Affine(np.ones(stage.n_features), -floats(estimator.mean_)), stage)) if estimator.whiten else stage


@converts(TRANSFORMS, LinearDiscriminantAnalysis)
def discriminants(estimator: Any) -> Stage | None:
    """Projection onto the directions that separate the classes."""
    if estimator.solver == "lsqr":
        return None
    axes = floats(estimator.scalings_[:, : estimator._max_components].T)
    mean = floats(estimator.xbar_) if estimator.solver == "svd" else np.zeros(axes.shape[1])
    return Chain((Affine(np.ones(len(mean)), -mean), Linear(axes, np.zeros(len(axes)))))


@converts(TRANSFORMS, Nystroem)
def nystroem(estimator: Any) -> Stage | None:
    """Kernel values with a sample of the training data, normalised."""
    points = floats(estimator.components_)
    names = {"polynomial": "poly"}
    kernel = kernel_of(
        names.get(estimator.kernel, estimator.kernel) if isinstance(estimator.kernel, str) else None,
        1.0 / points.shape[1] if estimator.gamma is None else estimator.gamma,
        1.0 if estimator.coef0 is None else estimator.coef0,
        3.0 if estimator.degree is None else estimator.degree,
    )
    if kernel is None or estimator.kernel_params:
        return None
    weights = floats(estimator.normalization_)
    return Chain((KernelValues(points, kernel), Linear(weights, np.zeros(len(weights)))))


@converts(TRANSFORMS, RBFSampler)
def random_cosines(estimator: Any) -> Stage:
    """Cosines of random projections."""
    stage = Linear(floats(estimator.random_weights_.T), floats(estimator.random_offset_))
    n = stage.n_outputs
    return Chain((stage, Elementwise(n, "cosine"), Affine(np.full(n, np.sqrt(2.0 / n)), np.zeros(n))))


@converts(
    TRANSFORMS,
    RFE,
    RFECV,
    GenericUnivariateSelect,
    SelectFdr,
    SelectFpr,
    SelectFromModel,
    SelectFwe,
    SelectKBest,
    SelectPercentile,
    SequentialFeatureSelector,
    VarianceThreshold,
)
def selection(estimator: Any) -> Stage:
    """Selected features."""
    chosen = estimator.get_support()
    return Columns(len(chosen), np.flatnonzero(chosen).astype(np.int64))


@converts(TRANSFORMS, Pipeline)
def transforms(estimator: Any) -> Stage | None:
    """Transforms in sequence."""
    stages = [transform(step) for _, step in estimator.steps if step is not None and step != "passthrough"]
    return Chain(tuple(stages)) if stages else None


@converts(TRANSFORMS, FeatureUnion)
def union(estimator: Any) -> Stage | None:
    """Outputs of several transforms."""
    chosen = [step for _, step in estimator.transformer_list if step != "drop"]
    if not chosen or estimator.transformer_weights or any(step == "passthrough" for step in chosen):
        return None
    return Concatenation(tuple(transform(step) for step in chosen))


@converts(TRANSFORMS, ColumnTransformer)
def by_columns(estimator: Any) -> Stage | None:
    """Outputs of transforms of selected features."""
    n = int(estimator.n_features_in_)
    stages: list[Stage] = []
    for name, step, _ in estimator.transformers_:
        index = np.asarray(estimator._transformer_to_input_indices[name], np.int64)
        if step == "drop" or not len(index):
            continue
        columns = Columns(n, index)
        identity = type(step) is FunctionTransformer and step.func is None  # scikit-learn's form of "passthrough"
        stages.append(columns if step == "passthrough" or identity else Chain((columns, transform(step))))
    return Concatenation(tuple(stages)) if stages and not estimator.transformer_weights else None
