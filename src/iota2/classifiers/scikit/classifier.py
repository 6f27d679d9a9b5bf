"""Classifiers of scikit-learn under the protocol of this program."""

from __future__ import annotations

from typing import Any

import numpy as np

from iota2.classifiers.samples import Samples
from iota2.classifiers.scikit import predictor_of
from iota2.classifiers.scikit.method import ScikitMethod
from iota2.classifiers.scikit.training import fitted, prepared, watched_convergence, with_pairs
from iota2.core.random import generator


class ScikitClassifier(ScikitMethod):
    """Any classifier of scikit-learn.

    Probabilities of a classifier that has none are fitted to its scores on folds that keep polygons together
    (Platt, 1999).
    """

    @property
    def n_classes(self) -> int:
        """Number of classes of the training samples."""
        return self.predictor.n_classes

    def fit(
        self, x: np.ndarray, y: np.ndarray, *, weight: np.ndarray | None, groups: np.ndarray | None, seed: int
    ) -> None:
        """Fit to ``x`` (sample, feature) float32, class codes ``y``, weights and polygons, all (sample,).

        A grid search comes first, on the same samples. Raises ``ModelError`` with the message of scikit-learn if it
        cannot learn from these samples.
        """
        samples = Samples(x, y, weight, groups)
        count = len(np.unique(y))
        estimator = prepared(self._unfitted_for(y), seed % 2**32, self.threads)
        if count > 1:
            estimator = estimator.set_params(**self._found)
        remedy = "Change its parameters, or leave out classes with few samples."
        with self._training(f"{len(y)} samples of {count} classes", remedy):
            if count > 1:
                samples = with_pairs(samples)
                estimator = self._searched(estimator, samples, seed)
            with watched_convergence() as unconverged:
                found = fitted(estimator, samples, generator(seed, "probabilities"))
        self._converged, self._predictor = not unconverged, predictor_of(found)

    def _unfitted_for(self, y: np.ndarray) -> Any:
        """A new estimator for these classes; one class needs no method."""
        if len(np.unique(y)) == 1:
            # Only training needs this import.
            from sklearn.dummy import DummyClassifier  # noqa: PLC0415

            return DummyClassifier(strategy="prior")
        return self._with_few_neighbours(self.specification.unfitted(), len(y))

    def predict_proba(self, x: np.ndarray) -> np.ndarray:
        """Probabilities (n, class) float64 of ``x`` (n, feature) float32. ``ValueError`` for NaN."""
        return self.predictor.probabilities(x)

    def predict_pixels(self, values: np.ndarray, at: np.ndarray) -> np.ndarray:
        """Probabilities (n, class) float64 of the pixels ``at`` of ``values`` (feature, pixel), in small blocks."""
        return self.predictor.pixel_probabilities(values, at)
