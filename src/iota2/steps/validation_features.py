"""Validation pixels with their features, and the classes that a model predicts for them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from iota2.classifiers.base import Model
from iota2.compute.permutation import ValidationSample
from iota2.compute.sensor_combinations import seen_by_any
from iota2.core.cube import FeatureBlock
from iota2.core.tables import CODE, ORIGIN, WEIGHT, sample_columns
from iota2.io.tables.samples import read_columns


def read_validation_samples(paths: Iterable[Path], model: Model) -> ValidationSample:
    """Validation pixels of all tiles that a model predicts, with its features, in the order of tiles.

    Pixels that some of its sensors do not see are omitted; with missing values, those that none of them sees. A model
    without samples predicts no pixel.
    """
    columns, files = [*sample_columns(model.recipe), WEIGHT], [*paths]
    tables = [read_columns(path, columns) for path in files]
    keys = np.concatenate([read_columns(path, [CODE, ORIGIN], int) for path in files])
    rows = np.concatenate(tables)
    complete = ~np.isnan(rows).any(axis=1)
    complete &= seen_by_any(rows[:, :-1], model.recipe) & (not model.without_samples)
    rows, keys = rows[complete], keys[complete]
    values = np.ascontiguousarray(rows[:, :-1].T)
    return ValidationSample(values, keys[:, 0], keys[:, 1], rows[:, -1].astype(np.float64))


def predicted(model: Model, values: np.ndarray, threads: int) -> np.ndarray:
    """Class codes (pixel,) that a model predicts from features (feature, pixel)."""
    shape = 1, values.shape[1]
    block = FeatureBlock(values.reshape(len(values), *shape), model.recipe.names, np.ones(shape, np.uint16))
    return model.predict(block, np.ones(shape, bool), threads=threads).labels[0]
