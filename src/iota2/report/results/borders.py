"""Borders of regions and tiles, and the stages of the map, in the accuracy report: tables and sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from iota2.compute.intervals import Bounds
from iota2.compute.map_stages import FINAL_STAGE, Change, MapStages, Stage, StageAccuracy
from iota2.compute.seams import NEAR_PIXELS, Seam
from iota2.core.nomenclature import Nomenclature
from iota2.report.results.measures import UNDEFINED
from iota2.report.results.names import of_first_seed

VISIBLE_SCORE = 1.2
"""Seam score above which a border is visible in the map, if its whole interval is above it."""
MOST_CHANGES = 3
"""Number of changes of class that are named."""
ABOUT = (
    "Share of pairs of adjacent pixels with different classes: across borders, and in rows "
    f"{NEAR_PIXELS[0]} to {NEAR_PIXELS[1]} of pixels beside them, where the land is alike. Seam score: the first share "
    "divided by the second, with its 95 % interval over squares of the map. About 1: the border is not visible in the "
    "map; 2: classes change twice as often at the border as beside it."
)
ACCURACY_ABOUT = "Accuracy in the validation pixels that all of these maps classify:"
HEADS = ("Pairs across", "Different across", "Different beside", "Seam score", "Difference")


@dataclass(frozen=True)
class BordersData:
    """The stages of the map by seed, and whether the models of regions are blended near borders."""

    maps: Mapping[int, MapStages]
    blended: bool

    @property
    def shown(self) -> MapStages | None:
        """The map of the first seed, which the report shows; None if it has no border and no earlier stage."""
        found = self.maps[min(self.maps)] if self.maps else None
        return found if found is not None and (_has_borders(found) or len(found.stages) > 1) else None


def border_tables(data: BordersData, nomenclature: Nomenclature) -> dict[str, Any] | None:
    """Values of the section of the page; None if the map has no border and no earlier stage."""
    found = data.shown
    if found is None:
        return None
    return {
        "title": of_first_seed(_title(found), data.maps),
        "about": ABOUT if _has_borders(found) else "",
        "heads": HEADS,
        "seams": [
            {"name": _where(stage, kind, found), "cells": _seam_cells(one)} for stage, kind, one in _seams(found)
        ],
        "undefined": [*_undefined(found)],
        "accuracy_about": ACCURACY_ABOUT,
        "accuracy": [_accuracy_row(stage.about, stage.accuracy) for stage in found.stages] if found.changes else [],
        "changes": [_change_sentence(change, found, nomenclature) for change in found.changes],
        "distances": [
            {"metres": f"{one.metres:g}", **_accuracy_row(stage.about, one.stages[stage.name])}
            for one in found.borders
            for stage in found.stages
        ],
    }


def borders_text(data: BordersData, nomenclature: Nomenclature) -> str:
    """Lines of ``RESULTS.txt``; empty if the map has no border and no earlier stage."""
    tables = border_tables(data, nomenclature)
    if tables is None:
        return ""
    lines = [tables["title"], *([tables["about"], ""] if tables["about"] else [])]
    for row in tables["seams"]:
        cells = "; ".join(f"{head.lower()} {cell}" for head, cell in zip(HEADS, row["cells"], strict=True))
        lines.append(f"{row['name']}: {cells}")
    lines += tables["undefined"]
    lines += [tables["accuracy_about"]] if tables["accuracy"] else []
    lines += [_accuracy_line(row["name"], row) for row in tables["accuracy"]]
    lines += tables["changes"]
    for row in tables["distances"]:
        lines.append(_accuracy_line(f"Within {row['metres']} m of borders of regions, {row['name']}", row))
    return "\n".join(lines) + "\n\n"


def border_remarks(data: BordersData) -> tuple[str, ...]:
    """A remark if borders of regions are visible in the map and models are not blended there."""
    found = data.shown
    if found is None or data.blended:
        return ()
    seam = next(stage.regions for stage in found.stages if stage.name == FINAL_STAGE)
    if seam.score is None or seam.score_bounds is None or seam.score_bounds[0] <= VISIBLE_SCORE:
        return ()
    low, high = seam.score_bounds
    visible = of_first_seed("the borders are visible in the map", data.maps)
    return (
        f"Classes change {seam.score:.1f} times as often across borders of regions as beside them (95 % interval "
        f"{low:.1f} to {high:.1f}): {visible}. arg_classification.enable_boundary_fusion "
        "blends the models of neighbouring regions there.",
    )


def borders_json(data: BordersData) -> dict[str, Any]:
    """The stages as JSON values, for all seeds.

    Keys: blended; seeds [{seed, regions, tiles, stages, changes, borders}]. stages [{name, about, regions, tiles,
    accuracy, pixels by class code}], the one named ``final`` is the map; regions and tiles are seams at borders of
    regions and tiles: {pairs_across, different_across, pairs_near, different_near, score, score_bounds, difference,
    difference_bounds, undefined}. accuracy {polygons, pixels, overall, overall_bounds, f_scores by class code}. changes
    [{before, after, pixels, classes [[code before, code after, pixels]]}]. borders [{metres, stages by name:
    accuracy}]. Undefined values are None.
    """
    return {
        "blended": data.blended,
        "seeds": [{"seed": seed, **found.to_json()} for seed, found in data.maps.items()],
    }


def _has_borders(found: MapStages) -> bool:
    return found.regions > 1 or found.tiles > 1


def _title(found: MapStages) -> str:
    """Title of the section."""
    if len(found.stages) == 1:
        return "Borders"
    return "Stages of the map, and borders" if _has_borders(found) else "Stages of the map"


def _seams(found: MapStages) -> Iterator[tuple[Stage, str, Seam]]:
    """Stages with each kind of border of the map."""
    for stage in found.stages:
        if found.regions > 1:
            yield stage, "borders of regions", stage.regions
        if found.tiles > 1:
            yield stage, "limits of tiles", stage.tiles


def _where(stage: Stage, kind: str, found: MapStages) -> str:
    """Name of a row: the stage, if there are several, and the kind of border."""
    return f"{stage.about}, {kind}" if len(found.stages) > 1 else f"{kind[0].upper()}{kind[1:]}"


def _undefined(found: MapStages) -> Iterator[str]:
    """A sentence for each reason why there is no score or no interval, with the rows concerned."""
    rows: dict[str, list[str]] = {}
    for stage, kind, seam in _seams(found):
        if seam.score is None:
            rows.setdefault(f"No seam score, because {seam.undefined}", []).append(_where(stage, kind, found))
        elif seam.score_bounds is None:
            reason = "No interval, because the border lies in too few parts of the map"
            rows.setdefault(reason, []).append(_where(stage, kind, found))
    total = sum(1 for _ in _seams(found))
    for reason, names in rows.items():
        yield f"{reason}." if len(names) == total else f"{reason}: {'; '.join(names)}."


def _seam_cells(seam: Seam) -> tuple[str, ...]:
    return (
        f"{seam.pairs_across:,}",
        _percent(seam.share_across),
        _percent(seam.share_near),
        _bounded(seam.score, seam.score_bounds, "{:.2f}"),
        _bounded(seam.difference, seam.difference_bounds, "{:z.1f}", 100, " points"),
    )


def _bounded(value: float | None, bounds: Bounds | None, form: str, scale: float = 1.0, unit: str = "") -> str:
    """A value with its interval."""
    if value is None:
        return UNDEFINED
    first, *others = (form.format(scale * one).replace("-", "−") for one in (value, *(bounds or ())))
    return f"{first}{unit} [{', '.join(others)}]" if others else f"{first}{unit}"


def _percent(share: float | None) -> str:
    return UNDEFINED if share is None else f"{100 * share:.1f} %"


def _accuracy_row(name: str, found: StageAccuracy) -> dict[str, str]:
    return {
        "name": name,
        "polygons": f"{found.polygons:,}",
        "pixels": f"{found.pixels:,}",
        "accuracy": _bounded(found.overall, found.overall_bounds, "{:.3f}"),
    }


def _accuracy_line(name: str, row: Mapping[str, str]) -> str:
    return f"{name}: overall accuracy {row['accuracy']} ({row['pixels']} pixels of {row['polygons']} polygons)"


def _change_sentence(change: Change, found: MapStages, nomenclature: Nomenclature) -> str:
    """The share of changed pixels, and the most frequent changes of class."""
    names = {stage.name: stage.about for stage in found.stages}
    after = names[change.after]
    if not change.pixels:
        return f"{names[change.before]} to {after}: no pixel is classified in both."
    share = f"{100 * change.changed / change.pixels:.2f} % of {change.pixels:,} pixels have another class"
    listed = [
        f"{nomenclature.name(a)} to {nomenclature.name(b)} {100 * n / change.pixels:.2f} %"
        for a, b, n in change.classes[:MOST_CHANGES]
    ]
    most = f"; most: {', '.join(listed)}" if listed else ""
    return f"{names[change.before]} to {after[0].lower()}{after[1:]}: {share}{most}."
