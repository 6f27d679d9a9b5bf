"""Accuracy of a map of a quantity as text, as rows of a table, and as JSON values."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from textwrap import wrap

import numpy as np

from iota2.compute.conformal import LEVEL, MIN_GROUPS
from iota2.compute.value_accuracy import MEASURES, ValueAccuracy, far_outside
from iota2.core.words import counted, printable, some
from iota2.report.results.measures import UNDEFINED

ALL = "(all regions)"
"""Name of all regions together; no name of a region begins with a parenthesis."""
SHARES = ("coverage", "coverage_pixels")
"""Measures that are shown in percent."""
SHOWN = tuple(name for name in MEASURES if name != "coverage_pixels")
"""Measures of the tables."""
MAX_REGIONS = 10
"""Maximum number of regions that a sentence lists."""
MEANING = (
    "Errors are map minus truth, in the unit of the quantity, in all pixels of the validation polygons. R² is 1 minus "
    "the mean square of errors divided by the variance of the true values; slope is that of the line of map values "
    "over true values, 1 if the map has their full range. In brackets: 95 % intervals, with polygons as sampling units."
)
NOT_A_SAMPLE = (
    "Validation polygons are the reference polygons that were not used for learning. They are not a random sample of "
    "the map, so the accuracy elsewhere can differ."
)


@dataclass(frozen=True)
class QuantityResults:
    """Accuracy of the maps of a quantity."""

    name: str
    """Name of the quantity: the field of the reference data."""
    by_seed: Mapping[int, Mapping[str, ValueAccuracy]]
    """By seed, then by region; ``ALL`` first, and alone if there is one region. Regions without validation pixels are
    included."""
    without_interval: Mapping[int, Mapping[str, int]] = field(default_factory=dict)
    """Regions without intervals, with the number of polygons whose residuals are known, by seed."""

    @property
    def first(self) -> ValueAccuracy:
        """Accuracy of the first seed in all regions."""
        return self.by_seed[min(self.by_seed)][ALL]

    def unvalidated(self, seed: int) -> list[str]:
        """Regions of which no validation pixel has a value, if there are several regions."""
        return [name for name, found in self.by_seed[seed].items() if name != ALL and not found.pixels]

    def means(self) -> Iterator[tuple[str, float, tuple[float, float]]]:
        """Mean and range over the seeds of each measure; none for a single seed."""
        if len(self.by_seed) < 2:
            return
        for name in SHOWN:
            values = [found[ALL].measures[name] for found in self.by_seed.values()]
            known = [value for value in values if not math.isnan(value)]
            if known:
                yield name, sum(known) / len(known), (min(known), max(known))


def coverage_sentence(found: ValueAccuracy) -> str:
    """Stated and observed share of true values inside the intervals."""
    share = found.measures["coverage"]
    if math.isnan(share):
        return "The models have no intervals, or no validation pixel has one."
    return (
        f"Intervals of {100 * LEVEL:.0f} % contain the true value in {100 * share:.1f} % of the pixels of a validation "
        f"polygon, on average over polygons{_bounds_text(found, 'coverage', words=True)}; their mean width is "
        f"{_number(found.width)}."
    )


def scope_sentences(results: QuantityResults, seed: int) -> list[str]:
    """Which regions the accuracy of a seed does not cover, and which have no intervals; none if it covers all."""
    sentences, by_region, missing = [], results.by_seed[seed], results.unvalidated(seed)
    if not by_region[ALL].pixels:
        sentences.append("The map is not validated: no validation pixel has a value.")
    elif missing:
        covered = [name for name in by_region if name != ALL and name not in missing]
        sentences.append(
            f"The accuracy covers {_regions(covered)} only. {_regions(missing).capitalize()} "
            f"{'has' if len(missing) == 1 else 'have'} no validation pixel with a value: the accuracy there is unknown."
        )
    for name, polygons in results.without_interval.get(seed, {}).items():
        sentences.append(
            f"Region {name} has no intervals: they need the residuals of {MIN_GROUPS} learning polygons, and "
            f"{polygons or 'none'} {'is' if polygons == 1 else 'are'} known."
        )
    return sentences


def extrapolation_note(seed: int, values: np.ndarray, learned: tuple[float, float]) -> str:
    """A note if map ``values`` (pixel,) of a seed are far outside those that its models ``learned``; empty if none."""
    outside = far_outside(values, *learned)
    if not len(outside):
        return ""
    farthest = outside[np.abs(outside - sum(learned) / 2).argmax()]
    return (
        f"Seed {seed}: {counted(len(outside), 'validation pixel')} of {len(values)} "
        f"{'has a value' if len(outside) == 1 else 'have values'} far outside those of the samples "
        f"({_number(learned[0])} to {_number(learned[1])}), up to {_number(float(farthest))}. The method extrapolates "
        "from unusual features, such as indices of very dark pixels. Forests do not."
    )


def _regions(names: Sequence[str]) -> str:
    return f"region{'' if len(names) == 1 else 's'} {some(names, MAX_REGIONS)}"


def rows_of(by_region: Mapping[str, ValueAccuracy]) -> list[list[str]]:
    """A row for each region: name, polygons, pixels, measures with intervals, mean width."""
    return [
        [
            region,
            f"{found.polygons:,}",
            f"{found.pixels:,}",
            *(value_text(found, name) for name in SHOWN),
            _number(found.width),
        ]
        for region, found in by_region.items()
    ]


def head() -> list[str]:
    """Head of the rows."""
    shown = [MEASURES[one] + (" of intervals, %" if one in SHARES else "") for one in SHOWN]
    return ["region", "polygons", "pixels", *shown, "mean width"]


def value_text(found: ValueAccuracy, name: str) -> str:
    """A measure with its interval: ``1.23 [1.1, 1.4]``."""
    return _text(found.measures[name], name) + _bounds_text(found, name)


def _bounds_text(found: ValueAccuracy, name: str, *, words: bool = False) -> str:
    if name not in found.bounds:
        return ""
    low, high = (_text(value, name) for value in found.bounds[name])
    return f" (95 % interval {low} to {high} %)" if words else f" [{low}, {high}]"


def _text(value: float, name: str) -> str:
    if math.isnan(value):
        return UNDEFINED
    if name in SHARES:
        return f"{100 * value:.1f}"
    return f"{value:z.3f}" if name in ("r2", "slope") else _number(value)


def _number(value: float) -> str:
    return UNDEFINED if math.isnan(value) else f"{value:z.4g}"


def results_text(results: QuantityResults, notes: Sequence[str]) -> str:
    """The report as text, with ``notes``."""
    lines = [f"Accuracy of the map of {results.name}", "", *_wrapped(MEANING), "", *_wrapped(NOT_A_SAMPLE)]
    for seed, by_region in results.by_seed.items():
        found = by_region[ALL]
        unmapped = f", and {counted(found.unmapped, 'pixel')} without value" if found.unmapped else ""
        lines += ["", f"Seed {seed}: {counted(found.polygons, 'validation polygon')}{unmapped}", ""]
        lines += _table([head(), *rows_of(by_region)])
        lines += ["", *_wrapped(coverage_sentence(found))]
        for sentence in scope_sentences(results, seed):
            lines += _wrapped(sentence)
    if means := [*results.means()]:
        lines += ["", f"Mean over {len(results.by_seed)} seeds, and range", ""]
        for name, mean, (low, high) in means:
            lines.append(f"  {MEASURES[name]}: {_text(mean, name)} ({_text(low, name)} - {_text(high, name)})")
    if notes:
        lines += ["", "Remarks", "", *(f"- {note}" for note in notes)]
    return printable("\n".join(lines) + "\n")


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    return ["  " + "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]


def _wrapped(text: str) -> list[str]:
    return wrap(text, 100, break_long_words=False, break_on_hyphens=False)


def metrics_json(results: QuantityResults, notes: Sequence[str], provenance: Mapping[str, object]) -> dict[str, object]:
    """The values of ``metrics.json``."""
    return {
        "quantity": results.name,
        "interval_level": LEVEL,
        "seeds": {
            str(seed): {
                "all": _accuracy_json(by_region[ALL]),
                "regions": {name: _accuracy_json(found) for name, found in by_region.items() if name != ALL},
            }
            for seed, by_region in results.by_seed.items()
        },
        "regions_without_validation": {str(seed): results.unvalidated(seed) for seed in results.by_seed},
        "regions_without_interval": {str(seed): [*found] for seed, found in results.without_interval.items()},
        "mean_over_seeds": {name: {"mean": mean, "range": list(limits)} for name, mean, limits in results.means()},
        "notes": list(notes),
        "provenance": dict(provenance),
    }


def _accuracy_json(found: ValueAccuracy) -> dict[str, object]:
    return {
        "polygons": found.polygons,
        "pixels": found.pixels,
        "pixels_without_value": found.unmapped,
        **{name: _json_number(value) for name, value in found.measures.items()},
        "interval_width": _json_number(found.width),
        "true_mean": _json_number(found.true_mean),
        "true_std": _json_number(found.true_std),
        "intervals_95": {name: list(bounds) for name, bounds in found.bounds.items()},
    }


def _json_number(value: float) -> float | None:
    return None if math.isnan(value) else value
