"""Predictors from plain arrays: fitted classifiers without the library that trained them."""

from __future__ import annotations

from iota2.compute.predictors.predictor import Predictor

__all__ = ["Predictor"]
