"""Samples of the models in the accuracy report: extracted, copied from other models, added, and their weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from iota2.core.nomenclature import Nomenclature


@dataclass(frozen=True)
class ClassSamples:
    """Numbers of samples of one class in one model."""

    region: str
    seed: int
    code: int
    extracted: int
    """Selected pixels, segments or parts of segments with a clear date."""
    copied: int
    """Samples of other models."""
    added: int
    """Samples made from other ones."""
    weight: float
    """Weight of each sample."""

    @property
    def learned(self) -> int:
        """Samples from which the model learns, if its sensors see them."""
        return self.extracted + self.copied + self.added


def class_samples(
    region: str,
    seed: int,
    extracted: Mapping[int, int],
    *,
    copied: Mapping[int, int],
    added: Mapping[int, int],
    weights: Mapping[int, float],
) -> Iterator[ClassSamples]:
    """The numbers of each class with samples in a model, from numbers by class code; weights default to 1."""
    for code in sorted({*extracted, *copied}):
        found = extracted.get(code, 0), copied.get(code, 0), added.get(code, 0)
        if any(found):
            yield ClassSamples(region, seed, code, *found, weights.get(code, 1.0))


def changed(samples: Sequence[ClassSamples]) -> bool:
    """Whether samples are copied, added or weighted in any model."""
    return any(one.copied or one.added or one.weight != 1 for one in samples)


def first_run(samples: Sequence[ClassSamples]) -> list[ClassSamples]:
    """The samples of the models of the first seed."""
    least = min((one.seed for one in samples), default=0)
    return [one for one in samples if one.seed == least]


def model_samples_text(samples: Sequence[ClassSamples], name: Callable[[int], str]) -> str:
    """Section of ``RESULTS.txt`` with the models of the first seed; empty if nothing is copied, added or weighted."""
    if not changed(samples):
        return ""
    shown = first_run(samples)
    lines = [
        f"- region {one.region}, {name(one.code)} ({one.code}): {one.extracted:,} extracted, {one.copied:,} copied, "
        f"{one.added:,} added; {one.learned:,} learned, weight {one.weight:.4g}"
        for one in shown
    ]
    return "\n".join(["", f"Samples of the models (seed {shown[0].seed})", *lines]) + "\n"


def model_samples_rows(samples: Sequence[ClassSamples], nomenclature: Nomenclature) -> list[dict[str, Any]]:
    """Rows of the table of the page, for the models of the first seed; empty as for ``model_samples_text``."""
    if not changed(samples):
        return []
    return [
        {
            "color": "rgb({}, {}, {})".format(*nomenclature.color(one.code)),
            "name": nomenclature.name(one.code),
            **asdict(one),
            "learned": one.learned,
            "weight": f"{one.weight:.4g}",
        }
        for one in first_run(samples)
    ]


def model_samples_json(samples: Sequence[ClassSamples]) -> list[Mapping[str, Any]]:
    """The samples of all models as JSON values."""
    return [asdict(one) | {"learned": one.learned} for one in samples]
