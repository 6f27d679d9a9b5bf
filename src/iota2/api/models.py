"""Trained models whose predictions are xarray datasets."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr

from iota2 import layout
from iota2.api.arrays import ClassCoordinates, estimates_dataset, prediction_dataset
from iota2.api.features import Features
from iota2.classifiers import models
from iota2.classifiers.base import Model, ModelError
from iota2.classifiers.registry import method_name
from iota2.core.arguments import require_kind, require_path
from iota2.core.recipe import FeatureRecipe
from iota2.core.target import Quantity
from iota2.core.words import counted, some
from iota2.io.tables.classes import read_classes

_IN_A_RUN = f"{layout.MODEL.path.format(region='*', submodel='', seed='*', source='')}/{models.FILE}"
"""Files of the models in the output folder of a run."""


@dataclass(frozen=True)
class ModelClass:
    """A class of a model."""

    code: int
    """Code in the map."""
    name: str
    """The code as text if the nomenclature is not available."""
    color: str = "#808080"
    """``#rrggbb``; grey if the nomenclature is not available."""


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """A trained model with its classes."""

    model: Model
    classes: tuple[ModelClass, ...]
    """In ascending order of their codes."""

    def __repr__(self) -> str:
        codes = some([str(one.code) for one in self.classes], 10)
        learned = f"{counted(len(self.recipe.names), 'feature')}; classes {codes}"
        meta = self.model.meta
        return f"LoadedModel({self.model.title}: {method_name(meta.kind, meta.parameters)}; {learned})"

    @property
    def recipe(self) -> FeatureRecipe:
        """The features that the model was trained on."""
        return self.model.recipe

    def predict(self, features: Features) -> xr.Dataset:
        """``label`` (y, x) uint16, ``confidence`` (y, x) and ``probabilities`` (class, y, x) float32 in 0..1.

        All three are 0 in pixels without clear observation. The coordinate ``class`` contains the class codes, the
        coordinates ``class_name`` and ``class_color`` (class) their names and colours. A model of a quantity gives
        ``estimate`` (y, x) float32 instead, and ``interval_width`` if known, NaN in these pixels. A model with context
        uses only the pixels of the window: at its edges, up to half the width of the context, results differ from those
        of a map. FeatureMismatch for features other than those of the training.
        """
        require_kind(features, Features, "predict: features", "the result of iota2.features(cube, model.recipe)")
        where = np.ones(features.block.n_valid.shape, bool)
        if isinstance(self.model.target, Quantity):
            return estimates_dataset(self.model.estimate(features.block, where), self.model.target, features.geobox)
        found = self.model.predict(features.block, where)
        described: ClassCoordinates = {
            "class": [one.code for one in self.classes],
            "class_name": [one.name for one in self.classes],
            "class_color": [one.color for one in self.classes],
        }
        return prediction_dataset(found, described, features.geobox)


def load_model(folder: str | Path) -> LoadedModel:
    """The model in a folder ``model/model_<region>_seed_<seed>`` of a run; ModelError if it cannot be used.

    Names and colours of classes come from the run's output folder. For a model outside such a folder, names are the
    codes and all colours are grey.
    """
    require_path(folder, "load_model: folder", "the path of a folder model/model_<region>_seed_<seed>")
    path = Path(folder)
    _require_model(path)
    model = models.load_model(path)
    classes = path.absolute().parent.parent / layout.CLASSES.path
    known = _classes(classes) if classes.is_file() else {}
    return LoadedModel(model, tuple(known.get(code, ModelClass(code, str(code))) for code in model.classes))


def _require_model(path: Path) -> None:
    """Raise ModelError, with the models that exist nearby, for no folder or one that contains the folders of models."""
    folder = path if path.is_dir() else path.parent
    near = [found.parent for found in sorted(folder.glob(f"*/{models.FILE}")) + sorted(folder.glob(_IN_A_RUN))]
    if path.is_dir() and ((path / models.FILE).exists() or not near):
        return
    what = "contains models, but is none" if path.is_dir() else "no such folder"
    there = f"; {folder} has {some([str(one.relative_to(folder)) for one in near], 10)}" if near else ""
    raise ModelError(f"{path}: {what}{there}. Give the folder of a model: model/model_<region>_seed_<seed>.")


def _classes(path: Path) -> dict[int, ModelClass]:
    """The classes of a run by code."""
    try:
        found = read_classes(path)
    except (ValueError, KeyError, TypeError) as err:
        raise ModelError(f"{path}: is damaged ({err}). Run the configuration again to write it again.") from err
    described = zip(found.codes, found.names, found.colors, strict=True)
    return {code: ModelClass(code, name, "#{:02x}{:02x}{:02x}".format(*color)) for code, name, color in described}
