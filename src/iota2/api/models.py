"""Trained models whose predictions are xarray datasets."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr
from odc.geo.xr import xr_coords

from iota2 import layout
from iota2.api.scenes import Features
from iota2.classifiers import models
from iota2.classifiers.base import Model
from iota2.core.recipe import FeatureRecipe
from iota2.io.tables.classes import read_classes


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """A trained model with the names of its classes."""

    model: Model
    names: tuple[str, ...]
    """Of the classes, in ascending order of their codes."""

    @property
    def recipe(self) -> FeatureRecipe:
        """The features that the model was trained on."""
        return self.model.recipe

    def predict(self, features: Features) -> xr.Dataset:
        """``label`` (y, x) uint16, ``confidence`` (y, x) and ``probabilities`` (class, y, x) float32 in 0..1.

        All three are 0 in pixels without valid observations. Class codes are the coordinate ``class``, names
        ``class_name``. FeatureMismatch for features other than those of the training.
        """
        found = self.model.predict(features.block, np.ones(features.block.n_valid.shape, bool))
        y, x = features.geobox.dims
        return xr.Dataset(
            {
                "label": ((y, x), found.labels),
                "confidence": ((y, x), found.confidence),
                "probabilities": (("class", y, x), found.probabilities),
            },
            {
                "class": list(self.model.classes),
                "class_name": ("class", list(self.names)),
                **xr_coords(features.geobox),
            },
        )


def load_model(folder: str | Path) -> LoadedModel:
    """The model in a folder ``model/model_<region>_seed_<seed>`` of a run; ModelError if it cannot be used.

    Class names come from the run's output folder; elsewhere, codes stand for names.
    """
    path = Path(folder)
    model = models.load_model(path)
    classes = path.absolute().parent.parent / layout.CLASSES.path
    known = {}
    if classes.exists():
        nomenclature = read_classes(classes)
        known = dict(zip(nomenclature.codes, nomenclature.names, strict=True))
    return LoadedModel(model, tuple(known.get(code, str(code)) for code in model.classes))
