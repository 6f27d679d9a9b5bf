"""Classifiers with the names and options of Orfeo ToolBox, trained by scikit-learn.

Each class states what every option becomes; the page on classifiers shows it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator

from iota2.classifiers.options import Params
from iota2.classifiers.scikit.classifier import ScikitClassifier
from iota2.classifiers.scikit.specification import Specification
from iota2.options import About, no_effect, option

OPTIMISED_C = (0.1, 1.0, 10.0, 100.0)
"""Values of ``C`` that the search for the parameters of a support vector machine tries."""


def _sizes(value: Any) -> Any:
    """Numbers from a number, a list, or a text such as ``100 50`` or ``[100, 50]``."""
    if isinstance(value, str):
        return tuple(value.strip("[]()").replace(",", " ").split())
    return (value,) if isinstance(value, int | float) else value


Sizes = Annotated[tuple[int, ...], BeforeValidator(_sizes)]


class ToolboxClassifier(ScikitClassifier):
    """A classifier whose options have the names of the toolbox."""

    estimator: ClassVar[str]
    """Name of the estimator of scikit-learn."""
    becomes: ClassVar[Mapping[str, str]]
    """What each option becomes, by name of its field."""


class LibSvmParams(Params):
    """Options of ``libsvm``."""

    k: Literal["linear", "rbf", "poly", "sigmoid"] = option(
        "rbf", "Kernel.", alias="classifier.libsvm.k", about=About(toolbox_default="linear")
    )
    m: Literal["csvc", "nusvc"] = option("csvc", "Type of the machine.", alias="classifier.libsvm.m")
    c: float = option(1.0, "Cost of samples on the wrong side.", alias="classifier.libsvm.c", gt=0, le=1e9)
    nu: float = option(
        0.5, "Greatest share of samples on the wrong side, for `nusvc`.", alias="classifier.libsvm.nu", gt=0, le=1
    )
    gamma: float | None = option(
        None,
        "Scale of the kernel; None is one divided by the number of features.",
        alias="classifier.libsvm.gamma",
        about=About(toolbox_default=1),
        gt=0,
        le=1e9,
    )
    coef0: float = option(
        0.0, "Constant of the kernels poly and sigmoid.", alias="classifier.libsvm.coef0", ge=-1e9, le=1e9
    )
    degree: int = option(3, "Degree of the kernel poly.", alias="classifier.libsvm.degree", ge=1, le=20)
    opt: bool = option(False, "Search for the best parameters.", alias="classifier.libsvm.opt")
    prob: bool = no_effect(
        True, "Estimate probabilities.", "probabilities are always estimated.", alias="classifier.libsvm.prob"
    )


class LibSvm(ToolboxClassifier):
    """Support vector machine of LIBSVM (Chang and Lin, 2011)."""

    Params: ClassVar[type[Params]] = LibSvmParams
    estimator = "SVC"
    becomes: ClassVar[Mapping[str, str]] = {
        "k": "`kernel`",
        "m": "`SVC` or `NuSVC`",
        "c": "`C` of `SVC`",
        "nu": "`nu` of `NuSVC`",
        "gamma": "`gamma`; `auto` if None",
        "coef0": "`coef0`",
        "degree": "`degree`",
        "opt": f"a grid search for `C` of `SVC` ({', '.join(f'{c:g}' for c in OPTIMISED_C)}), polygons kept together",
    }

    @classmethod
    def specify(cls, parameters: Mapping[str, Any]) -> Specification:
        """``SVC`` or ``NuSVC`` on standardised features."""
        is_nu = parameters["m"] == "nusvc"
        arguments = {
            "kernel": parameters["k"],
            "gamma": parameters["gamma"] or "auto",
            "coef0": parameters["coef0"],
            "degree": parameters["degree"],
            **({"nu": parameters["nu"]} if is_nu else {"C": parameters["c"]}),
        }
        grid = {} if is_nu or not parameters["opt"] else {"C": OPTIMISED_C}
        return Specification("NuSVC" if is_nu else "SVC", arguments, standardised=True, grid=grid)


class Svm(LibSvm):
    """Support vector machine, with the option names of the toolbox's other implementation, OpenCV."""

    Params = LibSvmParams.renamed("libsvm", "svm")


class BoostParams(Params):
    """Options of ``boost``."""

    t: Literal["discrete", "real", "logit", "gentle"] = no_effect(
        "real",
        "Type of boosting.",
        "SAMME (Zhu et al., 2009), the generalisation of discrete boosting to several classes, is used.",
        alias="classifier.boost.t",
    )
    w: int = option(100, "Number of trees.", alias="classifier.boost.w", ge=1, le=100_000)
    r: float = no_effect(
        0.95,
        "Share of the weight of samples that is used.",
        "all samples are used.",
        alias="classifier.boost.r",
        ge=0,
        le=1,
    )
    m: int = option(
        5,
        "Maximum depth of a tree. With depth 1, and many classes, boosting ends after the first trees.",
        alias="classifier.boost.m",
        about=About(toolbox_default=1),
        ge=1,
        le=100,
    )


class Boost(ToolboxClassifier):
    """Boosting of decision trees (Freund and Schapire, 1997) for any number of classes."""

    Params = BoostParams
    estimator = "AdaBoostClassifier"
    becomes: ClassVar[Mapping[str, str]] = {"w": "`n_estimators`", "m": "`max_depth` of `DecisionTreeClassifier`"}

    @classmethod
    def specify(cls, parameters: Mapping[str, Any]) -> Specification:
        """``AdaBoostClassifier`` of decision trees."""
        tree = {"model_type": "DecisionTreeClassifier", "max_depth": parameters["m"]}
        return Specification("AdaBoostClassifier", {"n_estimators": parameters["w"], "estimator": tree})


class GbtParams(Params):
    """Options of ``gbt``."""

    t: Literal["reg", "sqr", "abs", "huber", "deviance"] = no_effect(
        "deviance", "Loss function.", "the loss of classes, the deviance, is used.", alias="classifier.gbt.t"
    )
    w: int = option(200, "Number of boosting iterations.", alias="classifier.gbt.w", ge=1, le=100_000)
    s: float = option(
        0.1,
        "Shrinkage of each tree.",
        alias="classifier.gbt.s",
        about=About(toolbox_default=0.01),
        gt=0,
        le=1,
    )
    p: float = option(0.8, "Share of the samples drawn for each tree.", alias="classifier.gbt.p", gt=0, le=1)
    max: int = option(3, "Maximum depth of a tree.", alias="classifier.gbt.max", ge=1, le=100)


class Gbt(ToolboxClassifier):
    """Gradient boosting (Friedman, 2001; stochastic, 2002)."""

    Params = GbtParams
    estimator = "GradientBoostingClassifier"
    becomes: ClassVar[Mapping[str, str]] = {
        "w": "`n_estimators`",
        "s": "`learning_rate`",
        "p": "`subsample`",
        "max": "`max_depth`",
    }

    @classmethod
    def specify(cls, parameters: Mapping[str, Any]) -> Specification:
        """``GradientBoostingClassifier``."""
        names = {"w": "n_estimators", "s": "learning_rate", "p": "subsample", "max": "max_depth"}
        arguments = {name: parameters[key] for key, name in names.items()}
        return Specification("GradientBoostingClassifier", {**arguments, "max_features": "sqrt"})


class DtParams(Params):
    """Options of ``dt``."""

    max: int = option(
        25,
        "Maximum depth of the tree.",
        alias="classifier.dt.max",
        about=About(toolbox_default=10),
        ge=1,
        le=1000,
    )
    min: int = option(
        10, "Nodes with fewer samples are not split; values below 2 mean 2.", alias="classifier.dt.min", ge=0, le=10**9
    )
    ra: float = no_effect(
        0.01,
        "Minimum spread of the values in a node.",
        "it ends the growth of regression trees; this is a classification tree.",
        alias="classifier.dt.ra",
        ge=0,
    )
    cat: int = no_effect(
        10,
        "Number of groups of the values of a categorical feature.",
        "all features are numeric.",
        alias="classifier.dt.cat",
        ge=0,
        le=10**9,
    )
    f: int = no_effect(
        0,
        "Number of folds with which the tree is pruned.",
        "the tree is not pruned; limit its depth.",
        alias="classifier.dt.f",
        ge=0,
        le=10**9,
    )
    r: bool = no_effect(False, "Prune less.", "the tree is not pruned; limit its depth.", alias="classifier.dt.r")
    t: bool = no_effect(
        False, "Remove pruned branches.", "the tree is not pruned; limit its depth.", alias="classifier.dt.t"
    )


class Dt(ToolboxClassifier):
    """Decision tree (Breiman et al., 1984)."""

    Params = DtParams
    estimator = "DecisionTreeClassifier"
    becomes: ClassVar[Mapping[str, str]] = {"max": "`max_depth`", "min": "`min_samples_split`"}

    @classmethod
    def specify(cls, parameters: Mapping[str, Any]) -> Specification:
        """``DecisionTreeClassifier``."""
        arguments = {"max_depth": parameters["max"], "min_samples_split": max(2, parameters["min"])}
        return Specification("DecisionTreeClassifier", arguments)


class AnnParams(Params):
    """Options of ``ann``."""

    sizes: Sizes = option(
        (100,),
        "Number of neurons of each hidden layer, such as `100 50`.",
        alias="classifier.ann.sizes",
        about=About(form="a number, or numbers separated by blanks"),
        min_length=1,
    )
    t: Literal["back", "reg"] = no_effect(
        "reg", "Training method.", "adam (Kingma and Ba, 2015) is used.", alias="classifier.ann.t"
    )
    f: Literal["ident", "sig", "gau"] = option(
        "sig",
        "Activation of neurons: identity, sigmoid or Gaussian.",
        alias="classifier.ann.f",
        about=About(later=("gau",)),
    )
    a: float = no_effect(1.0, "Parameter of the activation.", "the activation has none.", alias="classifier.ann.a")
    b: float = no_effect(1.0, "Parameter of the activation.", "the activation has none.", alias="classifier.ann.b")
    bpdw: float = no_effect(
        0.1, "Strength of the gradient.", "the training method adapts it.", alias="classifier.ann.bpdw"
    )
    bpms: float = no_effect(0.1, "Momentum.", "the training method adapts it.", alias="classifier.ann.bpms")
    rdw: float = no_effect(0.1, "Initial step.", "the training method adapts it.", alias="classifier.ann.rdw")
    rdwm: float = no_effect(1e-7, "Smallest step.", "the training method adapts it.", alias="classifier.ann.rdwm")
    term: Literal["iter", "eps", "all"] = option(
        "all", "End of the training: number of iterations, change of the loss, or either.", alias="classifier.ann.term"
    )
    eps: float = option(
        1e-4,
        "Change of the loss at which the training ends.",
        alias="classifier.ann.eps",
        about=About(toolbox_default=0.01),
        ge=0,
        le=1,
    )
    iter: int = option(
        1000, "Maximum number of passes over the samples.", alias="classifier.ann.iter", ge=1, le=1_000_000
    )


class Ann(ToolboxClassifier):
    """Neural network: a multilayer perceptron on standardised features."""

    Params = AnnParams
    estimator = "MLPClassifier"
    becomes: ClassVar[Mapping[str, str]] = {
        "sizes": "`hidden_layer_sizes`",
        "f": "`activation`: `identity` or `tanh`, the symmetric sigmoid",
        "term": "`tol` 0 for `iter`",
        "eps": "`tol`",
        "iter": "`max_iter`",
    }

    @classmethod
    def specify(cls, parameters: Mapping[str, Any]) -> Specification:
        """``MLPClassifier``."""
        arguments = {
            "hidden_layer_sizes": tuple(parameters["sizes"]),
            "activation": {"ident": "identity", "sig": "tanh"}[parameters["f"]],
            "tol": 0.0 if parameters["term"] == "iter" else parameters["eps"],
            "max_iter": parameters["iter"],
        }
        return Specification("MLPClassifier", arguments, standardised=True)


class NormalBayesParams(Params):
    """Options of ``normalbayes``: none."""


class NormalBayes(ToolboxClassifier):
    """One normal distribution for each class, with its own covariance.

    The covariance is mixed with 1 % of a diagonal one, so that more features than samples of a class are possible.
    """

    Params = NormalBayesParams
    estimator = "QuadraticDiscriminantAnalysis"
    becomes: ClassVar[Mapping[str, str]] = {}

    @classmethod
    def specify(cls, parameters: Mapping[str, Any]) -> Specification:
        """``QuadraticDiscriminantAnalysis`` on standardised features."""
        arguments = {"solver": "eigen", "shrinkage": 0.01}
        return Specification("QuadraticDiscriminantAnalysis", arguments, standardised=True)


class KnnParams(Params):
    """Options of ``knn``."""

    k: int = option(
        32, "Number of neighbours; at most the number of samples.", alias="classifier.knn.k", ge=1, le=10**6
    )
    rule: Literal["mean", "median"] = no_effect(
        "mean", "Value of several neighbours.", "it belongs to regression.", alias="classifier.knn.rule"
    )

    def warnings(self) -> tuple[str, ...]:
        """Options without effect, and that features are compared in their units."""
        arguments = f"keyword_arguments : {{n_neighbors : {self.k}}}"
        return (
            *super().warnings(),
            "knn does not standardise the features, as in Orfeo ToolBox: those with large values dominate the "
            "distances. To standardise them, give scikit_models_parameters : {model_type : 'KNeighborsClassifier', "
            f"standardization : True, {arguments}}}",
        )


class Knn(ToolboxClassifier):
    """Nearest neighbours, in the units of the features."""

    Params = KnnParams
    estimator = "KNeighborsClassifier"
    becomes: ClassVar[Mapping[str, str]] = {"k": "`n_neighbors`; features are not standardised"}

    @classmethod
    def specify(cls, parameters: Mapping[str, Any]) -> Specification:
        """``KNeighborsClassifier``."""
        return Specification("KNeighborsClassifier", {"n_neighbors": parameters["k"]})
