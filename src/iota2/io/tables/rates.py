"""Pixels wanted, available and selected of each class of a model, as a CSV file, and what is lost by that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from iota2.core.tables import CODE


def rates_csv(
    targets: Mapping[int, int],
    available: Mapping[int, int],
    selected: pd.DataFrame,
    left_out: Mapping[int, int] | None = None,
) -> str:
    """Wanted, available and selected pixels of each class, and the rate, as CSV.

    A column more where ``max_samples_per_class`` leaves pixels out: how many, of those that the strategy takes.
    """
    found = selected[CODE].value_counts()
    lines = ["#className,requiredSamples,totalSamples,rate" + ",leftOut" * bool(left_out)]
    for code in sorted(available):
        rate = found.get(code, 0) / available[code] if available[code] else 0.0
        line = f"{code},{targets.get(code, 0)},{available[code]},{rate:.6g}"
        lines.append(f"{line},{left_out.get(code, 0)}" if left_out else line)
    return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class Rate:
    """What is selected of the pixels of one class."""

    wanted: int
    """At most those that are available."""
    available: int
    left_out: int
    """What ``arg_train.max_samples_per_class`` leaves out."""


def parse_rates(text: str) -> dict[int, Rate]:
    """What ``rates_csv`` wrote, by class code."""
    rows = [line.split(",") for line in text.splitlines() if not line.startswith("#")]
    return {
        int(row[0]): Rate(min(int(row[1]), int(row[2])), int(row[2]), int(row[4]) if len(row) > 4 else 0)
        for row in rows
    }


def read_rates(path: Path) -> dict[int, Rate]:
    """The rates in a file of one model."""
    return parse_rates(path.read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Losses:
    """What one model does not learn from its learning polygons."""

    reasons: Mapping[int, str]
    """Why a class with learning polygons has no sample, by class code."""
    unclear: int
    """Selected pixels left out because no date is clear there."""
    selected: int
    left_out: Mapping[int, int]
    """Pixels that ``arg_train.max_samples_per_class`` leaves out, by code of the classes that have more."""


def losses(rates: str, learned: Mapping[int, int]) -> Losses:
    """What is lost from the learning polygons, described by the text of ``rates_csv``, to the samples ``learned``."""
    found = parse_rates(rates)
    left_out = {code: rate.left_out for code, rate in found.items() if rate.left_out}
    selected = {code: rate.wanted for code, rate in found.items()}
    reasons = {code: _reason(rate.available, rate.wanted) for code, rate in found.items() if not learned.get(code, 0)}
    kept = sum(learned.get(code, 0) for code in selected)
    return Losses(reasons, sum(selected.values()) - kept, sum(selected.values()), left_out)


def _reason(available: int, selected: int) -> str:
    """Why a class of so many pixels is not learned."""
    if not available:
        return "no centre of a pixel lies in its learning polygons"
    if not selected:
        return "arg_train.sample_selection takes no pixel of its learning polygons"
    return "none of its selected pixels has a clear date"
