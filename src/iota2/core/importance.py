"""Importance of dates, bands and sensors: the loss in overall accuracy of a model without their values."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from iota2.core.reduction import ReductionMode

KINDS: Mapping[ReductionMode, str] = {"date": "Date", "sensor_band": "Band or index", "sensor": "Sensor"}
"""Groupings of features whose importance is measured, with their titles."""


@dataclass(frozen=True)
class GroupImportance:
    """Importance of one group of features."""

    name: str
    features: int
    loss: float
    """Overall accuracy minus the accuracy without the group, 0 to 1; negative by chance, or if the group misleads."""
    error: float
    """Standard error of the loss over polygons; NaN if unknown."""


@dataclass(frozen=True)
class ModelImportance:
    """Importance of all groups for one model."""

    region: str
    seed: int
    pixels: int
    """Number of validation pixels in which it was measured."""
    represented: float
    """Number of validation pixels for which they stand."""
    polygons: int
    accuracy: float
    """Overall accuracy of the model in these pixels, 0 to 1; NaN without pixels."""
    groups: Mapping[ReductionMode, tuple[GroupImportance, ...]]
    """The groups by kind, in the order of the features."""


def importance_json(model: ModelImportance) -> dict[str, Any]:
    """The importance of a model as JSON values; unknown values are None."""
    return {
        "region": model.region,
        "seed": model.seed,
        "pixels": model.pixels,
        "represented": model.represented,
        "polygons": model.polygons,
        "overall_accuracy": _plain(model.accuracy),
        **{
            kind: [
                {"name": one.name, "features": one.features, "loss": _plain(one.loss), "error": _plain(one.error)}
                for one in groups
            ]
            for kind, groups in model.groups.items()
        },
    }


def importance_from_json(content: Mapping[str, Any]) -> ModelImportance:
    """The importance written by ``importance_json``; KeyError or TypeError for other content."""
    groups: dict[ReductionMode, tuple[GroupImportance, ...]] = {}
    for kind in KINDS:
        rows = content[kind]
        groups[kind] = tuple(
            GroupImportance(row["name"], row["features"], _number(row["loss"]), _number(row["error"])) for row in rows
        )
    sizes = content["pixels"], content["represented"], content["polygons"]
    return ModelImportance(content["region"], content["seed"], *sizes, _number(content["overall_accuracy"]), groups)


def _plain(value: float) -> float | None:
    return None if math.isnan(value) else value


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def combined(models: Sequence[ModelImportance]) -> dict[ReductionMode, tuple[GroupImportance, ...]]:
    """Importance of the groups for the whole map. A model that does not use a group loses nothing without it.

    Within a seed, the losses of regions are averaged with the numbers of validation pixels that they represent. The
    result is the mean over seeds; so is the standard error, since the seeds share polygons. Models without validation
    pixels are excluded; without any other, there are no groups.
    """
    measured = [model for model in models if model.pixels]
    seeds = sorted({model.seed for model in measured})
    if not seeds:
        return dict.fromkeys(KINDS, ())
    found: dict[ReductionMode, tuple[GroupImportance, ...]] = {}
    for kind in KINDS:
        by_seed = [_of_regions([model for model in measured if model.seed == seed], kind) for seed in seeds]
        found[kind] = tuple(
            GroupImportance(same[0].name, same[0].features, _mean(same, "loss"), _mean(same, "error"))
            for same in _aligned(by_seed)
        )
    return found


def _aligned(models: Sequence[Sequence[GroupImportance]]) -> Iterator[tuple[GroupImportance, ...]]:
    """For each group of any model: its importance in all models, 0 in models that do not use it."""
    sizes: dict[str, int] = {}
    for groups in models:
        for group in groups:
            sizes[group.name] = max(group.features, sizes.get(group.name, 0))
    by_name = [{group.name: replace(group, features=sizes[group.name]) for group in groups} for groups in models]
    for name, features in sizes.items():
        yield tuple(groups.get(name, GroupImportance(name, features, 0.0, 0.0)) for groups in by_name)


def _mean(groups: Sequence[GroupImportance], what: str) -> float:
    return math.fsum(getattr(group, what) for group in groups) / len(groups)


def _of_regions(models: Sequence[ModelImportance], kind: ReductionMode) -> list[GroupImportance]:
    """Importance of the groups over the regions of one seed."""
    total = math.fsum(model.represented for model in models)
    shares = [model.represented / total for model in models]
    rows = []
    for same in _aligned([model.groups[kind] for model in models]):
        loss = math.fsum(share * one.loss for share, one in zip(shares, same, strict=True))
        error = math.sqrt(math.fsum((share * one.error) ** 2 for share, one in zip(shares, same, strict=True)))
        rows.append(GroupImportance(same[0].name, same[0].features, loss, error))
    return rows
