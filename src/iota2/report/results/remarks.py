"""Remarks on the measures: classes without validation, excluded pixels, undefined measures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from iota2.compute.accuracy import not_validated, scores
from iota2.core.nomenclature import Nomenclature
from iota2.core.tables import Confusion

Matrices = Mapping[int, Confusion] | Mapping[str, Confusion]
"""Confusion matrices by seed, or by the name of a map."""


def reasons_not_validated(confusions: Matrices) -> dict[int, str]:
    """Reasons why classes are not validated for at least one seed, by class code. ``confusions``: matrices by seed."""
    seeds: dict[int, list[int | str]] = {}
    for seed, confusion in confusions.items():
        for code in not_validated(confusion):
            seeds.setdefault(code, []).append(seed)
    return {code: _reason(code, missing, confusions) for code, missing in sorted(seeds.items())}


def remarks(confusions: Matrices, nomenclature: Nomenclature) -> tuple[str, ...]:
    """Remarks on the measures for the reader of the accuracy report; empty if there are none."""
    return (
        *_not_validated(confusions, nomenclature),
        *_never_mapped(confusions, nomenclature),
        *_unmapped(confusions, nomenclature),
    )


def _reason(code: int, missing: list[int | str], confusions: Matrices) -> str:
    when = "" if len(missing) == len(confusions) else f" for {_seeds(missing)}"
    matrices = [confusion for seed, confusion in confusions.items() if seed in missing]
    left = sum(int(confusion.unmapped[confusion.labels.index(code)]) for confusion in matrices)
    if left:
        return f"none of its {left:,} validation pixels is classified (0 in the map){when}"
    return f"no classified validation pixel{when}"


def _not_validated(confusions: Matrices, nomenclature: Nomenclature) -> Iterator[str]:
    for code, reason in reasons_not_validated(confusions).items():
        yield f"{nomenclature.title(code)} is not validated: {reason}."


def _never_mapped(confusions: Matrices, nomenclature: Nomenclature) -> Iterator[str]:
    """Remarks on classes that are mapped on no validation pixel: precision undefined, F-score 0."""
    missing: dict[int, list[int | str]] = {}
    for seed, confusion in confusions.items():
        found = scores(confusion)
        for code, precision, support in zip(found.labels, found.precision, found.support, strict=True):
            if support > 0 and np.isnan(precision):
                missing.setdefault(code, []).append(seed)
    for code, seeds in sorted(missing.items()):
        yield (
            f"{nomenclature.title(code)} is mapped on no validation pixel ({_seeds(seeds)}): its "
            "precision is undefined, and its F-score is 0."
        )


def _unmapped(confusions: Matrices, nomenclature: Nomenclature) -> Iterator[str]:
    for seed, confusion in confusions.items():
        if confusion.unmapped.any():
            counts = dict(zip(confusion.labels, confusion.unmapped.tolist(), strict=True))
            yield f"{_seeds([seed]).capitalize()}: {excluded_pixels(counts, 'not classified', nomenclature)}"


def excluded_pixels(counts: Mapping[int, int], what: str, nomenclature: Nomenclature) -> str:
    """Sentence on validation pixels that are ``what``, and therefore excluded; ``counts`` by class code."""
    total = sum(counts.values())
    parts = ", ".join(f"{nomenclature.name(code)} {count:,}" for code, count in counts.items() if count)
    pixels, verb = (f"{total:,} validation pixels", "are") if total != 1 else ("1 validation pixel", "is")
    return f"{pixels} {verb} {what} and {verb} excluded from all measures ({parts})."


def _seeds(seeds: list[int | str]) -> str:
    """Seeds, or names of maps, as text: ``seeds 0, 1``."""
    if any(isinstance(seed, str) for seed in seeds):
        return ", ".join(map(str, seeds))
    return f"seed{'s' if len(seeds) > 1 else ''} {', '.join(str(seed) for seed in seeds)}"
