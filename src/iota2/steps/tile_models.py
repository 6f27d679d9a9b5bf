"""The models of a tile, and the fusion of their predictions for a block."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from iota2.classifiers.base import Model, Prediction
from iota2.classifiers.models import load_model
from iota2.compute.label_fusion import Measure, UndecidedRule, fuse_sensors, label_masses
from iota2.compute.model_fusion import Blend, ModelFusion, in_all_classes, inside, mean_of_sensors
from iota2.config.fusion_options import FusionMethod
from iota2.core.cube import FeatureBlock
from iota2.core.graph import SOURCES, Key, Paths
from iota2.core.nomenclature import Nomenclature
from iota2.core.recipe import FeatureRecipe
from iota2.errors import FeatureMismatch, InputError
from iota2.io.tables.confusions import read_confusion
from iota2.io.tables.recipes import read_recipe

MODEL, FUSED, DS, BLENDED = "model", "models of a region", "optical and radar models", "regions"
"""Kinds of results: the prediction of one model, or the fusion of the sub-models of a region, of its optical and radar
models (by Dempster-Shafer or the mean), or of regions near their borders."""
_OTHER_FEATURES = "The models of this tile were trained on different features. Train them again."


@dataclass(frozen=True)
class RegionFusion:
    """Fusion of the models of a region; all None if each region has one model."""

    method: FusionMethod | None = None
    measure: Measure | None = None
    """Accuracy measure of the masses of Dempster-Shafer."""
    undecided: UndecidedRule | None = None
    """Label of pixels that votes do not decide."""

    def by_user_name(self) -> Mapping[str, Any]:
        """The parameters by option name of the configuration."""
        options = {"method": self.method, "measure": self.measure}
        undecided = {"arg_classification.no_label_management": self.undecided}
        return {"arg_classification.fusion_options": options, **undecided}


@dataclass(frozen=True)
class Area:
    """Where the models of one region are applied in a block."""

    own: np.ndarray
    """(y, x) bool: pixels of the region."""
    weights: np.ndarray | None = None
    """(y, x) float32, 0 to 1: weights near borders of regions; None without blending."""

    @property
    def used(self) -> np.ndarray:
        """(y, x) bool: pixels that the models of the region predict."""
        return self.own if self.weights is None else self.weights > 0


@dataclass(frozen=True, eq=False)
class Result:
    """The prediction of a model or fusion for a block, with probabilities of all classes."""

    kind: str
    """``MODEL``, or one of the kinds of fusions."""
    key: Key
    """Region, sub-model, seed and source of a model; region and seed of a fusion of its models; seed of the tile."""
    prediction: Prediction
    choice: np.ndarray | None = None
    """(y, x) uint8 of the kind ``DS``: which model gave the label (``SensorFusion.choice``)."""

    def inside(self, area: Area) -> Result:
        """The result in the region's own pixels."""
        if area.weights is None:
            return self
        choice = None if self.choice is None else np.where(area.own, self.choice, 0).astype(np.uint8)
        return Result(self.kind, self.key, inside(self.prediction, area.own), choice)


@dataclass(frozen=True, eq=False)
class TileModels:
    """The models of a tile, and how their predictions are combined."""

    models: Mapping[Key, Model]
    codes: tuple[int, ...]
    """Ascending codes of all classes."""
    recipe: FeatureRecipe
    """Recipe of all features that the models need."""
    fusion: RegionFusion
    masses: Mapping[Key, np.ndarray]
    """(class,) float64 by model: masses in all classes; empty if none are needed."""

    @cached_property
    def halo(self) -> int:
        """Number of pixels around a block on which predictions depend."""
        return max(model.halo for model in self.models.values())

    @cached_property
    def _columns(self) -> Mapping[Key, np.ndarray]:
        """Positions of the classes of each model among all classes."""
        return {key: np.searchsorted(self.codes, model.classes) for key, model in self.models.items()}

    @cached_property
    def _by_source(self) -> bool:
        """Whether optical and radar images have models of their own."""
        return any(key.source for key in self.models)

    @cached_property
    def _groups(self) -> Mapping[Key, list[Key]]:
        """Keys of the models of each region and seed, sorted by region, and by number of the sub-model."""
        found: dict[Key, list[Key]] = {}
        for key in sorted(self.models, key=lambda key: (key.region, key.seed)):
            found.setdefault(Key.of(region=key.region, seed=key.seed), []).append(key)
        order = [*SOURCES]
        return {
            group: sorted(keys, key=lambda key: (int(key.submodel.lstrip("f") or 0), order.index(key.source)))
            for group, keys in found.items()
        }

    def results(self, features: FeatureBlock, areas: Mapping[str, Area], threads: int) -> Iterator[Result]:
        """Predictions of all models, of the regions with several models, and of the blended tile, for one block.

        Those of models and regions are in the region's own pixels.
        """
        blends: dict[int, Blend] = {}
        for group, keys in self._groups.items():
            area = areas[group.region]
            found = [self._predicted(key, features, area, threads) for key in keys]
            for one in found:
                yield one.inside(area)
            region = found[0] if len(found) == 1 and not self._fuses else self._of_region(group, found)
            if region is not found[0]:
                yield region.inside(area)
            if area.weights is not None:
                blend = blends.setdefault(group.seed, Blend(self.codes, area.own.shape))
                blend.add(region.prediction, area.weights)
        for seed, blend in blends.items():
            yield Result(BLENDED, Key.of(seed=seed), blend.result())

    @property
    def _fuses(self) -> bool:
        """Whether maps of regions are written that combine their models, also of regions with one model."""
        return self._by_source or self.fusion.method is not None

    def _predicted(self, key: Key, features: FeatureBlock, area: Area, threads: int) -> Result:
        """Prediction of one model, where its region is used."""
        model = self.models[key]
        seen = features.of(model.recipe) if self._by_source else features
        found = model.predict(seen, area.used, threads=threads)
        return Result(MODEL, key, in_all_classes(found, self._columns[key], len(self.codes)))

    def _of_region(self, group: Key, found: Sequence[Result]) -> Result:
        """Fusion of the predictions of the models of a region."""
        predictions = [one.prediction for one in found]
        masses = [self.masses.get(one.key, np.zeros(len(self.codes))) for one in found]
        if self._by_source:
            (optical, sar), (optical_masses, sar_masses) = predictions, masses
            if self.fusion.method == "mean":
                fused = mean_of_sensors(optical, sar, self.codes)
            else:
                fused = fuse_sensors(optical, sar, optical_masses, sar_masses, self.codes)
            return Result(DS, group, fused.prediction, fused.choice)
        given = self.fusion
        assert given.method is not None, "regions may have several models"
        rule = given.undecided or "maxConfidence"
        return Result(FUSED, group, ModelFusion(self.codes, given.method, rule, np.stack(masses)).fused(predictions))


def read_tile_models(inp: Paths, classes: Nomenclature, fusion: RegionFusion) -> TileModels:
    """The models of a tile from the inputs of a job.

    InputError for a model that predicts classes of another run, FeatureMismatch for models of other features.
    """
    paths = inp.all("models")
    models = {key: load_model(path) for key, path in paths.items()}
    for key, model in models.items():
        _require_known_classes(model, classes, paths[key])
    whole = read_recipe(inp.recipe) if "recipe" in inp else None
    recipe = common_recipe(models) if whole is None else _whole_recipe(models, whole)
    codes, measure = tuple(classes.codes), fusion.measure or "precision"
    matrices = inp.each("confusions") if "confusions" in inp else ()
    masses = {key: label_masses(read_confusion(path), measure, codes, unmeasured=True) for key, path in matrices}
    return TileModels(models, codes, recipe, fusion, masses)


def _require_known_classes(model: Model, classes: Nomenclature, path: Path) -> None:
    """Raise InputError if a model predicts classes that are not classes of the run."""
    unknown = [str(code) for code in model.classes if code not in classes.codes]
    if unknown:
        raise InputError(
            f"{path}: predicts class {', '.join(unknown)}; expected only classes of the run: "
            f"{', '.join(map(str, classes.codes))}. Train the model again."
        )


def _whole_recipe(models: Mapping[Key, Model], whole: FeatureRecipe) -> FeatureRecipe:
    """The recipe of all features, if each model needs those of some sensors; FeatureMismatch otherwise."""
    for model in models.values():
        if model.recipe != whole.of_sensors([one.sensor for one in model.recipe.sensors if not one.static]):
            raise FeatureMismatch(_OTHER_FEATURES)
    return whole


def common_recipe(models: Mapping[Key, Model]) -> FeatureRecipe:
    """Feature recipe shared by all models; FeatureMismatch if they differ."""
    first, *others = (model.recipe for model in models.values())
    if any(other != first for other in others):
        raise FeatureMismatch(_OTHER_FEATURES)
    return first
