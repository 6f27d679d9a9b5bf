"""Importance of dates, bands and sensors in the accuracy report: tables and sentences."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from iota2.core.importance import KINDS, GroupImportance, ModelImportance, combined, importance_json
from iota2.core.reduction import ReductionMode
from iota2.report.results.measures import measure


@dataclass(frozen=True)
class ImportanceView:
    """Importance of groups of features for the map, with its picture."""

    groups: Mapping[ReductionMode, tuple[GroupImportance, ...]]
    """The groups to show, by kind, in the order of presentation."""
    pixels: int
    """Number of validation pixels in which it was measured, of all models."""
    png: bytes = b""


def importance_view(models: Sequence[ModelImportance]) -> ImportanceView:
    """The importance for the map: dates in order, bands and sensors by decreasing loss; a single group is omitted."""
    found = {kind: _ordered(kind, groups) for kind, groups in combined(models).items() if len(groups) > 1}
    return ImportanceView(found, sum(model.pixels for model in models))


def _ordered(kind: ReductionMode, groups: Sequence[GroupImportance]) -> tuple[GroupImportance, ...]:
    if kind == "date":
        return tuple(sorted(groups, key=lambda group: group.name))
    return tuple(sorted(groups, key=lambda group: -group.loss))


def importance_tables(view: ImportanceView) -> list[dict[str, Any]]:
    """Values of the tables of the page, one for each kind of groups; losses in percentage points."""
    return [
        {
            "title": KINDS[kind],
            "rows": [
                {"name": one.name, "features": one.features, "loss": _points(one.loss), "error": _points(one.error)}
                for one in groups
            ],
        }
        for kind, groups in view.groups.items()
    ]


def _points(share: float) -> str:
    return measure(100 * share, 2)


def importances_json(models: Sequence[ModelImportance]) -> dict[str, Any]:
    """The content of the file of importances: the map, then each model."""
    map_groups = {
        kind: [
            {"name": one.name, "features": one.features, "loss": one.loss, "error": _known(one.error)} for one in groups
        ]
        for kind, groups in combined(models).items()
    }
    return {"version": 1, "map": map_groups, "models": [importance_json(model) for model in models]}


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value
