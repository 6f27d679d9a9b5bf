"""Dimension reduction in the accuracy report: the variance that components explain, by group of features and model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from iota2.core.words import counted
from iota2.report.results.names import model_title

LEAST_EXPLAINED = 0.9
"""Share of the variance of a group below which a remark advises more components."""


@dataclass(frozen=True)
class ReducedGroup:
    """Components of one group of features in one model."""

    name: str
    features: int
    components: int
    explained: float
    """Share of the variance of the standardised features, 0 to 1."""


@dataclass(frozen=True)
class ReducedModel:
    """The reduction of the features of one model."""

    region: str
    seed: int
    groups: tuple[ReducedGroup, ...]
    """In the order of the features. Optical and radar models have other groups, or groups of other features."""
    images: str = ""
    """``optical`` or ``radar`` if both have models of their own; otherwise empty."""

    @property
    def title(self) -> str:
        """Name of the model in texts."""
        return model_title(self.region, self.seed, self.images)


def reduction_remarks(models: Sequence[ReducedModel]) -> Iterator[str]:
    """A remark for each model with groups of whose variance the components explain less than ``LEAST_EXPLAINED``."""
    for model in models:
        low = [group for group in model.groups if group.explained < LEAST_EXPLAINED]
        if low:
            least = min(low, key=lambda group: group.explained)
            yield (
                f"{model.title}: the components explain less than "
                f"{100 * LEAST_EXPLAINED:.0f} % of the variance of {len(low)} of "
                f"{counted(len(model.groups), 'group')} of features, least of {least.name}: "
                f"{100 * least.explained:.1f} % by {counted(least.components, 'component')}. Increase "
                "dim_red.target_dimension, or choose another dim_red.reduction_mode."
            )


def reduction_table(models: Sequence[ReducedModel]) -> dict[str, Any]:
    """Values of the section of the page: models as columns, groups of any model as rows.

    The cell of a model without the group is None.
    """
    by_name = [{group.name: _cell(group) for group in model.groups} for model in models]
    names = dict.fromkeys(name for groups in by_name for name in groups)
    totals = [
        {
            "features": sum(group.features for group in model.groups),
            "components": sum(group.components for group in model.groups),
        }
        for model in models
    ]
    return {
        "models": models,
        "rows": [{"name": name, "cells": [groups.get(name) for groups in by_name]} for name in names],
        "totals": totals,
        "least": f"{100 * LEAST_EXPLAINED:.0f}",
    }


def _cell(group: ReducedGroup) -> dict[str, Any]:
    return {
        "features": group.features,
        "components": group.components,
        "explained": f"{100 * group.explained:.1f}",
        "low": group.explained < LEAST_EXPLAINED,
    }


def reductions_json(models: Sequence[ReducedModel]) -> list[Mapping[str, Any]]:
    """The reductions as JSON values."""
    return [asdict(model) for model in models]
