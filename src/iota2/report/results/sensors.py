"""Combinations of sensors in the accuracy report: their pixels, and the model that predicts them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from iota2.core.words import counted

TITLE = "Sensors that see a pixel, and the model that predicts it"


@dataclass(frozen=True)
class CombinationModel:
    """The model of one region and seed that predicts the pixels of a combination of sensors."""

    region: str
    """Name of the model: region, with the numbers of its sub-models and its source."""
    seed: int
    sensors: tuple[str, ...]
    """Sensors of the model; empty if no model predicts these pixels."""
    samples: int
    own: bool
    """Whether these are all sensors of the combination of which the model could know."""


@dataclass(frozen=True)
class SensorCombination:
    """Pixels that the same sensors see."""

    sensors: tuple[str, ...]
    pixels: int
    share: float
    """Share of the pixels that any sensor sees, 0 to 1, over all tiles; overlaps of tiles count twice."""
    models: tuple[CombinationModel, ...]
    """In the same order for all combinations of a run."""


def joined(sensors: Sequence[str]) -> str:
    """Names of sensors as text."""
    return " + ".join(sensors)


def combination_remarks(found: Sequence[SensorCombination], share: float) -> Iterator[str]:
    """Remarks on combinations without a model of their own in some regions or seeds.

    ``share``: that above which a combination gets its own model.
    """
    for one in found:
        pixels = f"{counted(one.pixels, 'pixel')} ({_percent(one.share)}) seen only by {joined(one.sensors)}"
        reason = (
            "they are rare" if one.share < share else "the samples that all of them see are too few, or lack classes"
        )
        others = [model for model in one.models if not model.own]
        for used in dict.fromkeys(model.sensors for model in others):
            same = [f"region {model.region}, seed {model.seed}" for model in others if model.sensors == used]
            what = (
                f"are predicted by the model of {joined(used)}: {reason}"
                if used
                else "have no label: no sample is seen by any of these sensors"
            )
            yield f"{pixels} {what} ({'; '.join(same)})."


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
