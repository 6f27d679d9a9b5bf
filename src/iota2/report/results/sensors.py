"""Combinations of sensors in the accuracy report: their pixels, and the model that predicts them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from iota2.compute.sensor_combinations import Combination
from iota2.core.words import counted

TITLE = "Sensors that see a pixel, and the model that predicts it"


@dataclass(frozen=True)
class CombinationModel:
    """The model of one region and seed that predicts the pixels of a combination of sensors."""

    region: str
    """Name of the model: region, with the numbers of its sub-models and its source."""
    seed: int
    sensors: Combination
    """Sensors of the model; empty if no model predicts these pixels."""
    samples: int
    own: bool
    """Whether these are all sensors of the combination of which the model could know."""
    seen: Combination
    """Sensors of the combination of which the model could know."""
    pixels: int
    """Pixels on the tiles of the region that exactly these sensors see."""
    share: float
    """Share of the pixels on these tiles that any sensor sees, 0 to 1."""
    rare: bool
    """Whether the combination gets no model of its own, because of its share."""


@dataclass(frozen=True)
class SensorCombination:
    """Pixels that the same sensors see."""

    sensors: Combination
    pixels: int
    share: float
    """Share of the pixels that any sensor sees, 0 to 1, over all tiles; overlaps of tiles count twice."""
    models: tuple[CombinationModel, ...]
    """In the same order for all combinations of a run."""


def joined(sensors: Sequence[str]) -> str:
    """Names of sensors as text."""
    return " + ".join(sensors)


def combination_remarks(found: Sequence[SensorCombination], share: float) -> Iterator[str]:
    """Remarks on combinations without a model of their own in some regions or seeds, with pixels on their tiles.

    ``share``: ``arg_classification.missing_sensors_share``.
    """
    same: dict[CombinationModel, dict[str, None]] = {}
    for model in (model for one in found for model in one.models if model.pixels and not model.own):
        kind = replace(model, region="", seed=0, samples=0)
        same.setdefault(kind, {})[f"region {model.region}, seed {model.seed}"] = None
    for kind, models in same.items():
        predicts = f"the model of {joined(kind.sensors)} predicts" if kind.sensors else "no model predicts"
        pixels = (
            f"{counted(kind.pixels, 'pixel')} on its tiles ({_percent(kind.share)}) seen only by {joined(kind.seen)}"
        )
        where = "; ".join(models)
        yield f"{where[0].upper()}{where[1:]}: {predicts} {pixels}, because {_reason(kind, share)}."


def _reason(model: CombinationModel, share: float) -> str:
    """Why there is no model of a combination, and a remedy."""
    if not model.sensors:
        return "no sample is seen by any of these sensors. Add reference polygons there"
    if model.rare:
        return (
            f"their share is less than arg_classification.missing_sensors_share ({100 * share:g} %). A smaller value "
            "gives them a model of their own, if enough samples are seen by all of these sensors"
        )
    return (
        "the samples that all of these sensors see are too few, or lack classes. Add reference polygons there, for a "
        "model of their own"
    )


def combination_table(found: Sequence[SensorCombination]) -> dict[str, Any]:
    """Values of the section of the page: models as columns, combinations as rows."""
    rows = [
        {
            "sensors": joined(one.sensors),
            "pixels": one.pixels,
            "share": _percent(one.share),
            "cells": [{"model": _model(model), "samples": model.samples, "own": model.own} for model in one.models],
        }
        for one in found
    ]
    return {"title": TITLE, "models": found[0].models, "rows": rows}


def combinations_text(found: Sequence[SensorCombination]) -> str:
    """The table for RESULTS.txt, after an empty line; empty without models of fewer sensors."""
    if not found:
        return ""
    lines = ["", TITLE, ""]
    width = max(len(joined(one.sensors)) for one in found)
    for one in found:
        lines.append(f"  {joined(one.sensors):<{width}}  {one.pixels:>12,} pixels  {_percent(one.share):>8}")
        lines += [
            f"    region {model.region}, seed {model.seed}: {_model(model)}, {counted(model.samples, 'sample')}"
            for model in one.models
        ]
    return "\n".join(lines) + "\n"


def combinations_json(found: Sequence[SensorCombination]) -> list[Mapping[str, Any]]:
    """The combinations as JSON values."""
    return [
        {
            "sensors": list(one.sensors),
            "pixels": one.pixels,
            "share": one.share,
            "models": [
                {"region": model.region, "seed": model.seed, "sensors": list(model.sensors), "samples": model.samples}
                for model in one.models
            ],
        }
        for one in found
    ]


def _model(model: CombinationModel) -> str:
    if model.own and model.sensors:
        return "own model"
    return f"model of {joined(model.sensors)}" if model.sensors else "no model"


def _percent(share: float) -> str:
    """A share in percent; shares below the last digit are not written as 0."""
    return "< 0.01 %" if 0 < share < 0.0001 else f"{100 * share:.2f} %"
