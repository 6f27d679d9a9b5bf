"""Registry of classifiers, and models: fitted classifiers with the recipe of their features and their classes."""

from __future__ import annotations

from iota2.classifiers.base import Classifier, Model, ModelError, Prediction, Training
from iota2.classifiers.models import load_model, save_model, train_model
from iota2.classifiers.registry import KINDS, validate_options

__all__ = [
    "KINDS",
    "Classifier",
    "Model",
    "ModelError",
    "Prediction",
    "Training",
    "load_model",
    "save_model",
    "train_model",
    "validate_options",
]
