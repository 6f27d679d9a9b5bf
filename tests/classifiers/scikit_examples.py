"""Classifiers of scikit-learn and samples for tests of their conversion."""

from __future__ import annotations

from typing import Any

import numpy as np
from lightgbm import LGBMClassifier
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA, FactorAnalysis, FastICA, IncrementalPCA, KernelPCA, TruncatedSVD
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis, QuadraticDiscriminantAnalysis
from sklearn.dummy import DummyClassifier
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
from sklearn.feature_selection import SelectFromModel, SelectKBest, VarianceThreshold
from sklearn.gaussian_process import GaussianProcessClassifier
from sklearn.gaussian_process.kernels import RBF, WhiteKernel
from sklearn.impute import SimpleImputer
from sklearn.kernel_approximation import (
    AdditiveChi2Sampler,
    Nystroem,
    PolynomialCountSketch,
    RBFSampler,
    SkewedChi2Sampler,
)
from sklearn.linear_model import LogisticRegression, Perceptron, RidgeClassifier, SGDClassifier
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.naive_bayes import BernoulliNB, ComplementNB, GaussianNB, MultinomialNB
from sklearn.neighbors import (
    KNeighborsClassifier,
    NearestCentroid,
    NeighborhoodComponentsAnalysis,
    RadiusNeighborsClassifier,
)
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import (
    Binarizer,
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    PolynomialFeatures,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)
from sklearn.random_projection import GaussianRandomProjection, SparseRandomProjection
from sklearn.semi_supervised import LabelPropagation
from sklearn.svm import SVC, LinearSVC, NuSVC
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils import all_estimators

CODES = (2, 11, 65535)
FEATURES = 6
COUNTS_NEEDED = ("CategoricalNB", "ComplementNB", "MultinomialNB")
"""Classifiers of counts: features without negative values."""
WITHOUT_ONE_LABEL = {"ClassifierChain", "MultiOutputClassifier", "OutputCodeClassifier"}
"""Classifiers of several labels per sample, or without probabilities and scores."""
TWO_CLASSES_ONLY = {"FixedThresholdClassifier", "TunedThresholdClassifierCV", "exponential boosting calibrated"}
NAMES = [name for name, _ in all_estimators(type_filter="classifier") if name not in WITHOUT_ONE_LABEL]


def samples(codes: tuple[int, ...] = CODES, *, count: int = 90, whole: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Samples (sample, feature) float32 and codes; with ``whole``, small integers from 0."""
    rng = np.random.default_rng(8)
    rank = np.arange(count) % len(codes)
    x = rng.normal(size=(count, FEATURES))
    x[:, 0] += 1.5 * rank
    x[:, 1] -= rank
    return (np.rint(np.abs(x)).clip(0, 4) if whole else x).astype(np.float32), np.array(codes)[rank]


def pixels(*, whole: bool = False) -> np.ndarray:
    """The samples, and values beyond them: (n, feature) float32."""
    x, _ = samples(whole=whole)
    return x if whole else np.concatenate([x, 2 * np.random.default_rng(9).normal(size=(150, FEATURES))]).astype("f4")


def fast(estimator: Any) -> Any:
    """The estimator with a fixed seed and few members or iterations."""
    wanted = {"random_state": 0, "n_estimators": 8, "max_iter": 30 if isinstance(estimator, MLPClassifier) else 100}
    if isinstance(estimator, HistGradientBoostingClassifier):
        wanted["max_iter"] = 5
    given = estimator.get_params(deep=False)
    return estimator.set_params(**{name: value for name, value in wanted.items() if name in given})


def named(name: str) -> Any:
    """The classifier of scikit-learn with this name; calibrated if it has no probabilities of its own."""
    kind = dict(all_estimators(type_filter="classifier"))[name]
    inner = LogisticRegression()
    pair = [("a", LogisticRegression()), ("b", DecisionTreeClassifier(max_depth=3, random_state=0))]
    special = {
        "VotingClassifier": lambda: kind(pair, voting="soft"),
        "StackingClassifier": lambda: kind(pair, cv=3),
        "RadiusNeighborsClassifier": lambda: kind(3.0, outlier_label="most_frequent"),
        "SelfTrainingClassifier": lambda: kind(inner),
        "TunedThresholdClassifierCV": lambda: kind(inner, cv=2),
        "LogisticRegressionCV": lambda: kind(Cs=2, cv=2),
        "GaussianProcessClassifier": kind,
        "CategoricalNB": lambda: kind(min_categories=5),
    }
    if name in special:
        return special[name]()
    try:
        estimator = kind()
    except TypeError:
        estimator = kind(inner)
    return calibrated(fast(estimator)) if not hasattr(estimator, "predict_proba") else fast(estimator)


def calibrated(estimator: Any, **options: Any) -> CalibratedClassifierCV:
    return CalibratedClassifierCV(estimator, **{"cv": 3, **options})


def before_logistic(*transformers: Any) -> Any:
    return make_pipeline(*transformers, LogisticRegression(max_iter=300))


TREE = DecisionTreeClassifier(max_depth=3, random_state=0)
COMPOSED = {
    "svc isotonic": calibrated(SVC(), method="isotonic", ensemble=False),
    "svc poly, scores of pairs": calibrated(SVC(kernel="poly", coef0=1, decision_function_shape="ovo")),
    "svc sigmoid": calibrated(SVC(kernel="sigmoid")),
    "nusvc linear": calibrated(NuSVC(kernel="linear", nu=0.2)),
    "naive bayes isotonic": calibrated(GaussianNB(), method="isotonic"),
    "boosting calibrated": calibrated(GradientBoostingClassifier(n_estimators=5, random_state=0)),
    "exponential boosting calibrated": calibrated(
        GradientBoostingClassifier(n_estimators=5, loss="exponential", random_state=0)
    ),
    "histogram boosting calibrated": calibrated(HistGradientBoostingClassifier(max_iter=5)),
    "adaboost calibrated": calibrated(AdaBoostClassifier(n_estimators=5, random_state=0)),
    "adaboost of linear calibrated": calibrated(AdaBoostClassifier(LogisticRegression(), n_estimators=5)),
    "quadratic calibrated": calibrated(QuadraticDiscriminantAnalysis()),
    "centroids calibrated": calibrated(NearestCentroid()),
    "bagging calibrated": calibrated(BaggingClassifier(LinearSVC(), 4, max_features=0.5, random_state=0)),
    "stacking calibrated": calibrated(StackingClassifier([("a", GaussianNB())], LinearSVC(), cv=3)),
    "pipeline calibrated": calibrated(make_pipeline(StandardScaler(), SVC())),
    "one against one calibrated": calibrated(OneVsOneClassifier(LinearSVC())),
    "one against one of bayes": calibrated(OneVsOneClassifier(GaussianNB())),
    "one against rest calibrated": calibrated(OneVsRestClassifier(LinearSVC())),
    "one against rest of bayes": OneVsRestClassifier(GaussianNB()),
    "bagging of svc": BaggingClassifier(SVC(), 4, random_state=0),
    "bagging of trees, few features": BaggingClassifier(n_estimators=8, max_features=0.5, random_state=0),
    "bagging of trees, absent classes": BaggingClassifier(n_estimators=8, max_samples=3, random_state=1),
    "bagging of bayes, absent classes": BaggingClassifier(BernoulliNB(), 8, max_samples=3, random_state=1),
    "adaboost of deeper trees": AdaBoostClassifier(DecisionTreeClassifier(max_depth=2), n_estimators=5, random_state=0),
    "adaboost of svc": AdaBoostClassifier(SVC(), n_estimators=3),
    "adaboost of a perceptron": AdaBoostClassifier(Perceptron(), n_estimators=3, random_state=0),
    "stochastic gradient, log": SGDClassifier(loss="log_loss", random_state=0),
    "stochastic gradient, huber": SGDClassifier(loss="modified_huber", random_state=0),
    "network, tanh, two layers": MLPClassifier((8, 5), "tanh", max_iter=30, random_state=0),
    "network, identity": MLPClassifier((4,), "identity", max_iter=30, random_state=0),
    "network, logistic": MLPClassifier((4,), "logistic", max_iter=30, random_state=0),
    "quadratic, shrunk": QuadraticDiscriminantAnalysis(solver="eigen", shrinkage=0.1),
    "discriminants, shrunk": LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto"),
    "neighbours, weighted, manhattan": KNeighborsClassifier(7, weights="distance", p=1),
    "neighbours, brute": KNeighborsClassifier(3, algorithm="brute"),
    "radius, weighted": RadiusNeighborsClassifier(2.0, weights="distance", outlier_label="most_frequent"),
    "propagation, nearest": LabelPropagation(kernel="knn"),
    "bernoulli without threshold": make_pipeline(Binarizer(threshold=0.2), BernoulliNB(binarize=None)),
    "multinomial": make_pipeline(MinMaxScaler(clip=True), MultinomialNB()),
    "complement": make_pipeline(MinMaxScaler(clip=True), ComplementNB()),
    "chance, uniform": DummyClassifier(strategy="uniform"),
    "voting, weighted": VotingClassifier(
        [("a", GaussianNB()), ("b", KNeighborsClassifier()), ("c", "drop")], voting="soft", weights=[1, 3, 2]
    ),
    "trees and boosting": VotingClassifier(
        [("a", ExtraTreesClassifier(5, random_state=0)), ("b", HistGradientBoostingClassifier(max_iter=3))],
        voting="soft",
    ),
    "stacking with features": StackingClassifier(
        [("a", RidgeClassifier()), ("b", GaussianNB()), ("c", "drop")], passthrough=True, cv=3
    ),
    "components": before_logistic(StandardScaler(), PCA(3, whiten=True)),
    "components, other": before_logistic(RobustScaler(), IncrementalPCA(4), None, TruncatedSVD(2, random_state=0)),
    "scalings": make_pipeline(
        MinMaxScaler(), Normalizer("l1"), MaxAbsScaler(), Normalizer(), Normalizer("max"), KNeighborsClassifier()
    ),
    "random projection": before_logistic(GaussianRandomProjection(4, random_state=0)),
    "sparse random projection": before_logistic(SparseRandomProjection(4, dense_output=True, random_state=0)),
    "independent components": before_logistic(FastICA(2, random_state=0)),
    "independent components, not whitened": before_logistic(FastICA(whiten=False, random_state=0)),
    "neighbourhood components": before_logistic(NeighborhoodComponentsAnalysis(2, max_iter=5, random_state=0)),
    "nystroem": before_logistic(StandardScaler(), Nystroem(gamma=0.2, n_components=20, random_state=0)),
    "nystroem, others": before_logistic(
        FeatureUnion(
            [
                ("a", Nystroem("polynomial", n_components=5, random_state=0)),
                ("b", Nystroem("laplacian", n_components=5, random_state=0)),
                ("c", make_pipeline(RBFSampler(n_components=5, random_state=0), StandardScaler())),
            ]
        )
    ),
    "selections": before_logistic(VarianceThreshold(), SelectKBest(k=4), SelectFromModel(TREE, threshold=-np.inf)),
    "discriminants as features": make_pipeline(LinearDiscriminantAnalysis(), GaussianNB()),
    "columns": before_logistic(
        ColumnTransformer(
            [("a", StandardScaler(), [0, 2]), ("b", PolynomialFeatures(), slice(3, 5))], remainder="passthrough"
        )
    ),
    "lightgbm": LGBMClassifier(n_estimators=8, verbose=-1),
    "lightgbm in voting": VotingClassifier(
        [("a", LGBMClassifier(n_estimators=3, verbose=-1)), ("b", GaussianNB())], voting="soft"
    ),
}
"""Classifiers around others, with transformers, or with particular options; kept as arrays, apart from "columns"."""

BY_LIBRARY = {
    "gaussian process": GaussianProcessClassifier(1.0 * RBF() + WhiteKernel()),
    "quantiles": before_logistic(QuantileTransformer(n_quantiles=20)),
    "powers": before_logistic(PowerTransformer()),
    "polynomials": before_logistic(PolynomialFeatures()),
    "bins": before_logistic(KBinsDiscretizer(3)),
    "ordinal bins": before_logistic(KBinsDiscretizer(3, encode="ordinal")),
    "factors": before_logistic(FactorAnalysis(2)),
    "kernel components": before_logistic(KernelPCA(3, kernel="rbf")),
    "imputer": before_logistic(SimpleImputer()),
    "chi2": before_logistic(MinMaxScaler(clip=True), AdditiveChi2Sampler()),
    "skewed chi2": before_logistic(MinMaxScaler(clip=True), SkewedChi2Sampler(random_state=0)),
    "count sketch": before_logistic(PolynomialCountSketch(n_components=9, random_state=0)),
    "quantiles before a forest": make_pipeline(
        QuantileTransformer(n_quantiles=20), RandomForestClassifier(5, random_state=0)
    ),
}
"""Classifiers of which a part is kept by skops."""
