"""Options of the selection of samples, the numbers by class that they request, and the random draw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from iota2.compute.sampling import SelectionOptions, choose, class_targets
from iota2.config.options.schema import Config
from iota2.config.options.train import SampleSelection
from iota2.core.nomenclature import Label, Nomenclature
from iota2.core.random import generator
from iota2.io.tables.class_counts import read_class_counts


@dataclass(frozen=True)
class SelectionParams:
    """Sampling strategy, random seed of the run, projection of the points, and maximum number of samples."""

    selection: SampleSelection
    random_seed: int
    proj: str
    most: int | None
    """Maximum number of samples per class for one model."""

    def by_user_name(self) -> Mapping[str, object]:
        """The parameters by option name of the configuration."""
        return {
            "arg_train.sample_selection": self.selection,
            "arg_train.random_seed": self.random_seed,
            "chain.proj": self.proj,
            "arg_train.max_samples_per_class": self.most,
        }


def selection_params(config: Config) -> SelectionParams:
    """Parameters of the sample selection from the configuration."""
    given = config.arg_train
    return SelectionParams(given.sample_selection, given.seed, config.chain.proj, given.max_samples_per_class)


def selection_options(selection: SampleSelection, model: str, region: str) -> SelectionOptions:
    """Selection options for one model of a region."""
    given = selection.of_model(model, region)
    return SelectionOptions(
        sampler=given.sampler,
        jitter=given.jitter or 0,
        strategy=given.strategy,
        amount=given.percent or given.constant or given.total or 0.0,
        counts_file=str(given.byclass or ""),
    )


def requested_numbers(options: SelectionOptions, available: Mapping[int, int], classes: Nomenclature) -> dict[int, int]:
    """Number of requested samples by class code; a table of counts names classes by the user's labels."""
    label: dict[int, Label] = dict(zip(classes.codes, classes.labels, strict=True))
    requested = read_class_counts(Path(options.counts_file), classes)[0] if options.counts_file else None
    by_label = class_targets(options, {label[code]: count for code, count in available.items()}, requested)
    return {classes.code(name): count for name, count in by_label.items()}


def capped(requested: Mapping[int, int], most: int | None) -> dict[int, int]:
    """Numbers of samples by class code, at most ``most``; None means no limit."""
    return {code: count if most is None else min(count, most) for code, count in requested.items()}


def left_out(requested: Mapping[int, int], targets: Mapping[int, int]) -> dict[int, int]:
    """Number of samples above the maximum, by code, for the classes that exceed it."""
    return {code: requested[code] - targets[code] for code in sorted(requested) if requested[code] > targets[code]}


@dataclass(frozen=True)
class Draw:
    """Random stream of a selection: seed, name and region."""

    seed: int
    name: str
    region: str

    def chosen(self, options: SelectionOptions, codes: np.ndarray, targets: Mapping[int, int]) -> np.ndarray:
        """(sample,) bool: the selected ones of samples with class ``codes`` (sample,), drawn class by class."""
        taken = np.zeros(len(codes), bool)
        for code in sorted(targets):
            of_class = np.flatnonzero(codes == code)
            rng = generator(self.seed, self.name, self.region, code)
            taken[of_class[choose(options, len(of_class), targets[code], rng)]] = True
        return taken
