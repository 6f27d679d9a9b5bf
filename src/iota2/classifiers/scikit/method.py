"""Methods of scikit-learn under the protocol of this program: what classifiers and regressors have in common."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from iota2.classifiers.base import CONVERGENCE, FitTransform, Misfit, ModelError
from iota2.classifiers.options import Params
from iota2.classifiers.samples import Samples
from iota2.classifiers.scikit.cost import Size, pixel_seconds, training_memory, training_seconds
from iota2.classifiers.scikit.options import ScikitParams, specification_of
from iota2.classifiers.scikit.rehearsal import rehearse
from iota2.classifiers.scikit.search import GridSearch, Measure, grid_search
from iota2.classifiers.scikit.specification import Specification
from iota2.classifiers.scikit.store import load_predictor, save_predictor
from iota2.classifiers.scikit.training import limited_threads, weight_argument
from iota2.classifiers.transforms import Standardisation
from iota2.compute.predictors.predictor import Predictor
from iota2.core.random import generator

UNCONVERGED = (
    "the training stopped at the maximum number of iterations before it converged; the result may be better with more"
)


class ScikitMethod:
    """An estimator of scikit-learn; after training it is kept as arrays wherever these give the same result."""

    Params: ClassVar[type[Params]] = ScikitParams
    missing: ClassVar[str] = (
        "The missing value counts as a number. Trees can separate it from measured values; other methods take it for a "
        "very low measurement: with them, mask such pixels."
    )
    needs_series: ClassVar[bool] = False
    loaded_share: ClassVar[float] = 2.0

    def __init__(self, parameters: Mapping[str, Any], *, threads: int = 1) -> None:
        """Unfitted; ``parameters`` are those of ``Params.parameters``."""
        self.specification = self.specify(parameters)
        self.threads = threads
        self.search_report: GridSearch | None = None
        """The grid search of the training; None without one."""
        self._found: Mapping[str, Any] = {}
        """Parameters that replace those of the specification."""
        self._converged = True
        self._predictor: Predictor | None = None

    @classmethod
    def specify(cls, parameters: Mapping[str, Any]) -> Specification:
        """The estimator that the parameters describe."""
        return specification_of(parameters)

    @property
    def transforms(self) -> Sequence[FitTransform]:
        """Standardisation, if requested."""
        return (Standardisation.fitted,) if self.specification.standardised else ()

    @property
    def searches(self) -> bool:
        """Whether parameters are searched."""
        return bool(self.specification.grid)

    def without_search(self, best: Mapping[str, Any] | None = None) -> Self:
        """An unfitted method with the parameters that the search found; with ``best``, those of an earlier one."""
        again = copy(self)
        again.specification, again._predictor = replace(self.specification, grid={}), None
        if best is None and self.search_report is not None:
            best = self.search_report.best.parameters
        again.search_report, again._found = None, self._found if best is None else best
        return again

    @property
    def weights(self) -> bool:
        """Whether ``fit`` uses weights of samples."""
        return bool(weight_argument(self._unfitted))

    @cached_property
    def _unfitted(self) -> Any:
        return self.specification.unfitted()

    def rehearse(self, *, features: int, classes: int, weighted: bool) -> Sequence[Misfit]:
        """Problems of the estimator that only its training would show; see ``rehearsal.rehearse``."""
        return rehearse(self.specification, self.transforms, features=features, classes=classes, weighted=weighted)

    def training_memory(self, samples: float, features: int, classes: int) -> int:
        """Estimated bytes of memory that ``fit`` needs, samples included."""
        memory = training_memory(self._unfitted, Size(samples, features, classes))
        share = 1 - 1 / self.specification.folds
        return memory + (int(4 * share * samples * features) if self.searches else 0)  # the samples of a fold

    def training_seconds(self, samples: float, features: int, classes: int) -> float:
        """Estimated seconds of ``fit`` on one core, with the grid search."""
        once, found = training_seconds(self._unfitted, Size(samples, features, classes)), self.specification
        if not found.grid:
            return once
        share = 1 - 1 / found.folds
        in_folds = training_seconds(self._unfitted, Size(share * samples, features, classes))
        # Each combination is trained on the folds, and the best one also on folds of the other kind.
        return once + in_folds * found.folds * (math.prod(map(len, found.tried.values())) + 1)

    def pixel_seconds(self, samples: float, features: int, classes: int) -> float:
        """Estimated seconds of prediction per pixel."""
        return pixel_seconds(self._unfitted, Size(samples, features, classes))

    @property
    def predictor(self) -> Predictor:
        """The fitted method as arrays; ``RuntimeError`` before ``fit``."""
        if self._predictor is None:
            raise RuntimeError("the method is not fitted; call fit first")
        return self._predictor

    @property
    def n_features(self) -> int:
        """Number of features of the training samples."""
        return self.predictor.n_features

    @property
    def importances(self) -> None:
        """None: methods differ in what they call importance."""

    @contextmanager
    def _training(self, samples: str, remedy: str) -> Iterator[None]:
        """Threads of a training; ``ModelError`` with the message of the library if it cannot learn from ``samples``."""
        with limited_threads(self.threads):
            try:
                yield
            except MemoryError:
                raise
            except Exception as err:  # libraries raise errors of many types for samples that do not suit a method
                raise ModelError(
                    f"{self.specification.model_type} cannot learn from {samples}: {str(err).rstrip('.')}. {remedy}"
                ) from err

    def _searched(
        self,
        estimator: Any,
        samples: Samples,
        seed: int,
        *,
        measure: Measure = "accuracy",
        strata: np.ndarray | None = None,
    ) -> Any:
        """The estimator with the best parameters of a grid search, which is kept; unchanged without a search.

        ``measure`` and ``strata`` (sample,) as in ``grid_search``.
        """
        if not self.searches:
            return estimator
        self.search_report = grid_search(
            estimator,
            self.specification.tried,
            samples,
            folds=self.specification.folds,
            grouped=self.specification.grouped,
            threads=self.threads,
            rng=generator(seed, "grid search"),
            measure=measure,
            strata=strata,
        )
        return estimator.set_params(**self.search_report.best.parameters)

    def _with_few_neighbours(self, estimator: Any, samples: int) -> Any:
        """The estimator, whose neighbours are at most as many as samples."""
        fewer = {
            name: samples
            for name, value in estimator.get_params(deep=True).items()
            if name.rpartition("__")[2] == "n_neighbors" and isinstance(value, int) and value > samples
        }
        return estimator.set_params(**fewer)

    def summary(self) -> dict[str, int | float | str]:
        """The estimator with the parameters of the grid search, the result of the search, and missing convergence."""
        searched = self.search_report.best.parameters if self.search_report is not None else {}
        found: dict[str, int | float | str] = {"estimator": self.specification.with_arguments(searched).text()}
        if self.search_report is not None:
            found["grid search"] = self.search_report.remark
        if not self._converged:
            unscaled = "" if self.specification.standardised else ", or with standardised features"
            found[CONVERGENCE] = f"{UNCONVERGED}{unscaled}"
        return found

    def save(self, folder: Path) -> None:
        """Write its arrays, without pickle."""
        save_predictor(self.predictor, folder)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The method that ``save`` wrote; ``ModelError`` if a file is missing, damaged or not permitted."""
        loaded = cls.__new__(cls)
        loaded.specification = Specification("")
        loaded.threads, loaded.search_report, loaded._found, loaded._converged = 1, None, {}, True
        loaded._predictor = load_predictor(folder)
        return loaded
