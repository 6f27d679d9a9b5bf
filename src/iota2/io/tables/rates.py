"""CSV file with requested, available and selected pixels of each class of a model, and the resulting losses."""

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
    *,
    borrowed: bool = False,
) -> str:
    """CSV text with requested and available pixels of each class, and the share of the available that is selected.

    If ``max_samples_per_class`` leaves pixels out, a further column has their number. With ``borrowed``, the pixels are
    those of other models of the region, which a last column says.
    """
    found = selected[CODE].value_counts()
    lines = ["#className,requiredSamples,totalSamples,rate" + ",leftOut" * bool(left_out or borrowed)]
    lines[0] += ",borrowed" * borrowed
    for code in sorted(available):
        rate = found.get(code, 0) / available[code] if available[code] else 0.0
        line = f"{code},{targets.get(code, 0)},{available[code]},{rate:.6g}"
        if left_out or borrowed:
            line += f",{(left_out or {}).get(code, 0)}"
        lines.append(line + ",1" * borrowed)
    return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class Rate:
    """Numbers of pixels of one class in a selection."""

    wanted: int
    """Requested pixels, at most the available ones."""
    available: int
    left_out: int
    """Pixels that ``arg_train.max_samples_per_class`` leaves out."""
    borrowed: bool = False
    """Whether they are pixels of other models of the region, because the model has none of its own."""


def parse_rates(text: str) -> dict[int, Rate]:
    """The rates from the text of ``rates_csv``, by class code."""
    rows = [line.split(",") for line in text.splitlines() if not line.startswith("#")]
    return {
        int(row[0]): Rate(
            min(int(row[1]), int(row[2])), int(row[2]), int(row[4]) if len(row) > 4 else 0, borrowed=len(row) > 5
        )
        for row in rows
    }


def read_rates(path: Path) -> dict[int, Rate]:
    """The rates from the file of one model, by class code."""
    return parse_rates(path.read_text(encoding="utf-8"))


def borrows(rates: Mapping[int, Rate]) -> bool:
    """Whether a model with these rates learns from the polygons of other models of its region."""
    return any(rate.borrowed for rate in rates.values())


@dataclass(frozen=True)
class Losses:
    """Pixels and classes of the learning polygons that are not among the samples of one model."""

    reasons: Mapping[int, str]
    """By class code: the reason why a class with learning polygons has no sample."""
    unclear: int
    """Number of selected pixels without features, which are left out."""
    selected: int
    """Number of selected pixels."""
    left_out: Mapping[int, int]
    """By class code: number of pixels that ``arg_train.max_samples_per_class`` leaves out, if any."""


def losses(rates: str, learned: Mapping[int, int], unclear: str, sample: str = "pixel") -> Losses:
    """Losses between selection and samples. ``rates``: text of ``rates_csv``; ``learned``: samples by class code.

    ``unclear``: the reason why pixels have no features, as the predicate of a sentence. ``sample``: word for what is
    selected.
    """
    found = parse_rates(rates)
    left_out = {code: rate.left_out for code, rate in found.items() if rate.left_out}
    selected = {code: rate.wanted for code, rate in found.items()}
    reasons = {code: _reason(rate, unclear, sample) for code, rate in found.items() if not learned.get(code, 0)}
    kept = sum(learned.get(code, 0) for code in selected)
    return Losses(reasons, sum(selected.values()) - kept, sum(selected.values()), left_out)


def _reason(rate: Rate, unclear: str, sample: str) -> str:
    """The reason why a class has no sample."""
    if not rate.available:
        return "its learning polygons contain no pixel centre"
    if not rate.wanted:
        return f"arg_train.sample_selection selects no {sample} of its learning polygons"
    return f"its selected {sample}s {unclear}"
