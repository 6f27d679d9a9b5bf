"""Samples from which a model learns, read from the inputs of the steps that train models; training of first models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from iota2 import layout
from iota2.classifiers.autocontext import load_autocontext
from iota2.classifiers.base import Classifier, Model, Regressor
from iota2.classifiers.context import WindowContext
from iota2.classifiers.models import train_model
from iota2.classifiers.samples import Samples
from iota2.classifiers.superpixel_context import SuperpixelContext
from iota2.classifiers.transforms import Components
from iota2.compute.class_weights import Balanced, class_weights, counts_by_code, sample_weights, weights_by_code
from iota2.compute.sensor_combinations import seen_by_any
from iota2.config.learner import Learner, options_of_learner
from iota2.core.graph import Artifact, Key, Need, Paths, optional
from iota2.core.nomenclature import Nomenclature
from iota2.core.recipe import FeatureRecipe
from iota2.core.tables import AUGMENTED, CODE, ORIGIN, reduced_columns, sample_columns
from iota2.errors import InputError
from iota2.io.tables.classes import read_classes
from iota2.io.tables.pixel_features import read_clear_pixels
from iota2.io.tables.samples import column_names, read_columns
from iota2.io.tables.split_groups import read_split_groups
from iota2.io.tables.target_values import read_target_values

INPUTS: Mapping[str, Artifact | Need] = {
    "recipe": layout.LEARNED_RECIPE,
    "groups": optional(layout.SPLIT_GROUPS),
    "classes": layout.CODES,
}
"""Inputs of steps that train models, in addition to the samples."""
MAX_THREADS = 64
"""Maximum number of threads of a training."""


@dataclass(frozen=True)
class FirstModelParams:
    """Parameters of the models whose predictions are features of the last model."""

    learner: Learner
    random_seed: int
    class_weight: Balanced | Mapping[str, float] | None

    def by_user_name(self) -> Mapping[str, object]:
        """The parameters by option name of the configuration."""
        others = {"arg_train.random_seed": self.random_seed, "arg_train.class_weight": self.class_weight}
        return {**options_of_learner(self.learner), **others}

    def train(
        self,
        recipe: FeatureRecipe,
        key: Key,
        samples: Samples,
        threads: int,
        *,
        found: Classifier | Regressor | None = None,
        context: SuperpixelContext | None = None,
    ) -> Model:
        """Train the model ``key`` on its samples.

        ``found`` is the result of an earlier search for its parameters, ``context`` the models before it.
        """
        return train_model(
            self.learner.classifier,
            self.learner.parameters,
            samples.x,
            samples.y,
            recipe=recipe,
            seed=self.random_seed + key.seed,
            region=key.model,
            threads=threads,
            weight=samples.weight,
            groups=samples.groups,
            found=found,
            context=context,
        )


@dataclass(frozen=True, eq=False)
class LabelledSamples:
    """Samples of a model without their features; all arrays are (sample,)."""

    codes: np.ndarray
    groups: np.ndarray
    augmented: np.ndarray | None
    values: np.ndarray | None = None
    """float64: values of a quantity, whose groups are the ``codes``; None for classes."""

    @property
    def targets(self) -> np.ndarray:
        """What the model predicts."""
        return self.codes if self.values is None else self.values

    def where(self, rows: np.ndarray) -> LabelledSamples:
        """The samples of some rows (sample,) bool."""
        augmented, values = (None if one is None else one[rows] for one in (self.augmented, self.values))
        return LabelledSamples(self.codes[rows], self.groups[rows], augmented, values)


def read_labelled(inp: Paths, key: Key) -> LabelledSamples:
    """Class codes and groups of the samples, and whether they were made from others; InputError without samples."""
    codes, polygons = read_labels(inp, key)
    values = None
    if "target_values" in inp:
        value_of = read_target_values(inp.target_values)
        values = np.array([value_of[polygon] for polygon in polygons.tolist()])
    return LabelledSamples(codes, groups_of(inp, polygons), read_augmented(inp.samples), values)


def read_features(inp: Paths, recipe: FeatureRecipe) -> tuple[np.ndarray, Components | None]:
    """Features of all samples, (sample, feature) float32; or their components, with the reduction."""
    reduction = Components.load(inp.reduction) if "reduction" in inp else None
    columns = sample_columns(recipe) if reduction is None else reduced_columns(reduction.n_outputs)
    return read_columns(inp.samples, columns), reduction


def read_learned(inp: Paths, key: Key, recipe: FeatureRecipe) -> tuple[LabelledSamples, np.ndarray, Components | None]:
    """The samples from which a model of ``recipe`` learns, and their features or components as ``read_features``.

    Samples that none of its sensors sees are left out, as the model does not predict such pixels. InputError without
    samples.
    """
    samples, (x, reduction) = read_labelled(inp, key), read_features(inp, recipe)
    if not recipe.allow_missing:
        return samples, x, reduction
    rows = seen_by_any(x if reduction is None else read_columns(inp.features, sample_columns(recipe)), recipe)
    return (samples, x, reduction) if rows.all() else (samples.where(rows), x[rows], reduction)


def with_context(inp: Paths, key: Key, x: np.ndarray, context: WindowContext | SuperpixelContext | None) -> np.ndarray:
    """The features (sample, feature) followed by those of the context of a model."""
    if context is None or context.reason:
        return x
    if isinstance(context, SuperpixelContext):
        return np.concatenate([x, load_autocontext(inp.chain).shares], axis=1)
    parts: dict[str, list[Path]] = {}
    for part, path in inp.each("context"):
        parts.setdefault(part.tile, []).append(path)
    found = np.concatenate([read_clear_pixels(paths, len(context.names)) for paths in parts.values()])
    if len(found) != len(x):
        raise InputError(
            f"Region {key.model}, seed {key.seed}: {len(x)} samples, but the context of {len(found)}. Run the "
            "step contextExtraction again."
        )
    return np.concatenate([x, found], axis=1)


def read_labels(inp: Paths, key: Key) -> tuple[np.ndarray, np.ndarray]:
    """Class codes and polygons of the samples, (sample,) int64; InputError without samples."""
    codes, polygons = read_columns(inp.samples, [CODE, ORIGIN], int).T
    if not len(codes):
        raise InputError(
            f"Region {key.model}, seed {key.seed}: no pixel to learn from. Its polygons may lie under permanent cloud "
            "or where a layer has no data, be thinner than a pixel or all be used for validation. Draw more polygons "
            "there, merge the region with another, or lower chain.cloud_threshold if it is above 1."
        )
    return codes, polygons


def read_samples(
    inp: Paths, key: Key, columns: list[str], class_weight: Balanced | Mapping[str, float] | None
) -> tuple[Samples, np.ndarray]:
    """Features, class codes, weights and groups of the samples, and their polygons (sample,) int64.

    InputError without samples.
    """
    codes, polygons = read_labels(inp, key)
    weight = weights_of(codes, class_weight, read_classes(inp.classes))
    return Samples(read_columns(inp.samples, columns), codes, weight, groups_of(inp, polygons)), polygons


def groups_of(inp: Paths, polygons: np.ndarray) -> np.ndarray:
    """(sample,) int64: the polygon of each sample, or its group if groups of polygons are split as a whole."""
    if "groups" not in inp:
        return polygons
    group_of = read_split_groups(inp.groups)
    return np.array([group_of[polygon] for polygon in polygons.tolist()], np.int64)


def read_augmented(path: Path) -> np.ndarray | None:
    """(sample,) bool: whether each sample was made from another one; None without such samples."""
    return read_columns(path, [AUGMENTED], int)[:, 0] > 0 if AUGMENTED in column_names(path) else None


def effective_weights(given: Balanced | Mapping[str, float] | None) -> Balanced | Mapping[str, float] | None:
    """The weights of classes without those of 1, which other classes also have; None without any."""
    if given is None or isinstance(given, str):
        return given
    return {label: weight for label, weight in given.items() if weight != 1} or None


def weights_of(
    codes: np.ndarray, given: Balanced | Mapping[str, float] | None, classes: Nomenclature
) -> np.ndarray | None:
    """(sample,) float64: weights of samples from the option `class_weight`; None without it."""
    if given is None:
        return None
    by_code = given if isinstance(given, str) else weights_by_code(given, classes.code_by_label)
    return sample_weights(codes, class_weights(by_code, counts_by_code(codes)))
