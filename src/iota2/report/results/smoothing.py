"""Effect of smoothing and of the minimum mapping unit on each class, in the accuracy report: table and remarks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

from iota2.compute.map_stages import FINAL_STAGE, REGULARISED_STAGE, UNSMOOTHED_STAGE, MapStages, Stage
from iota2.core.nomenclature import Nomenclature
from iota2.report.results.measures import measure
from iota2.report.results.names import of_first_seed

MAX_PIXEL_LOSS, MAX_F_LOSS = 0.2, 0.02
"""Share of its pixels, and F-score, that a class may lose without a remark."""
ABOUT = (
    "Pixels and F-score of each class in the maps before and after smoothing and the removal of small patches. The "
    "accuracy is that of validation polygons, which seldom contain borders and narrow objects."
)
_CAUSES = {
    FINAL_STAGE: (
        "Smoothing",
        "A smaller smoothing_window keeps more of it.",
    ),
    REGULARISED_STAGE: ("The minimum mapping unit", "A smaller minimum_mapping_unit keeps more of it."),
}
"""What changes the map to a stage, and what reduces the effect, by name of the stage."""
_BAYESIAN = "A smaller smoothing_window, or a smaller smoothness of this class, keeps more of it."
"""What reduces the effect of Bayesian smoothing."""


def compared_stages(found: MapStages) -> list[Stage]:
    """The stages before and after smoothing, and without small patches; empty if there is only the map."""
    names = (UNSMOOTHED_STAGE, FINAL_STAGE, REGULARISED_STAGE)
    stages = [stage for stage in found.stages if stage.name in names]
    return stages if len(stages) > 1 else []


def smoothing_tables(maps: Mapping[int, MapStages], nomenclature: Nomenclature) -> dict[str, Any] | None:
    """Values of the section of the page, for the first seed; None without smoothing and minimum mapping unit."""
    if not maps or not (stages := compared_stages(maps[min(maps)])):
        return None
    return {
        "title": of_first_seed("Smoothing", maps),
        "about": ABOUT,
        "heads": [f"{stage.about}: {what}" for stage in stages for what in ("pixels", "F-score")],
        "classes": [
            {"name": name, "cells": [cell for stage in stages for cell in _cells(stage, code)]}
            for code, name in zip(nomenclature.codes, nomenclature.names, strict=True)
        ],
    }


def smoothing_text(maps: Mapping[int, MapStages], nomenclature: Nomenclature) -> str:
    """Lines of ``RESULTS.txt``; empty without smoothing and minimum mapping unit."""
    tables = smoothing_tables(maps, nomenclature)
    if tables is None:
        return ""
    lines = [tables["title"], tables["about"], ""]
    for row in tables["classes"]:
        cells = "; ".join(f"{head} {cell}" for head, cell in zip(tables["heads"], row["cells"], strict=True))
        lines.append(f"{row['name']}: {cells}")
    return "\n".join(lines) + "\n\n"


def smoothing_remarks(
    maps: Mapping[int, MapStages], nomenclature: Nomenclature, *, bayesian: bool = False
) -> tuple[str, ...]:
    """A remark on each class that loses more than a fifth of its pixels, or more than 0.02 of its F-score.

    ``bayesian``: whether the smoothing is Bayesian, so that each class has a smoothness.
    """
    return tuple(
        f"{text} {_BAYESIAN if bayesian and after.name == FINAL_STAGE else _CAUSES[after.name][1]}"
        for seed, found in sorted(maps.items())
        for before, after in pairwise(compared_stages(found))
        for text in _losses(before, after, nomenclature, f" (seed {seed})" if len(maps) > 1 else "")
    )


def _cells(stage: Stage, code: int) -> tuple[str, str]:
    """Pixels and F-score of a class."""
    score = stage.accuracy.f_scores.get(code)
    return f"{stage.pixels.get(code, 0):,}", measure(float("nan") if score is None else score)


def _losses(before: Stage, after: Stage, nomenclature: Nomenclature, where: str) -> Iterator[str]:
    """Sentences on the classes that lose pixels or accuracy between two stages."""
    cause, _ = _CAUSES[after.name]
    for code, pixels in before.pixels.items():
        left = after.pixels.get(code, 0)
        first, second = before.accuracy.f_scores.get(code), after.accuracy.f_scores.get(code)
        parts = []
        if left < (1 - MAX_PIXEL_LOSS) * pixels:
            share = 100 * (1 - left / pixels)
            parts.append(f"from {pixels:,} to {left:,} pixels (−{share:.0f} %)")
        if first is not None and second is not None and second < first - MAX_F_LOSS:
            parts.append(f"its F-score from {first:.3f} to {second:.3f}")
        if parts:
            name = f"{nomenclature.name(code)} ({code})"
            yield f"{cause} reduces class {name}{where}: {', and '.join(parts)}."
