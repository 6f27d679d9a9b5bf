"""Remarks: what a user should know of inputs and results, with what each is about."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

RemarkKind = Literal["images", "values", "alignment", "regions", "reference", "extent", "options"]
"""What a remark is about: images and their files, their values, their place beside the reference image, regions,
reference data and classes, the size of the map, or options of the configuration."""


@dataclass(frozen=True, slots=True)
class Remark:
    """One sentence for the user, and what it is about."""

    text: str
    """Complete in itself: it names tile and sensor where that matters."""
    kind: RemarkKind
    tile: str = ""
    """Empty when it is about no tile, or about several."""
    sensor: str = ""
    """Name of the series, or of the section when it is about all series of a section; empty when about no sensor."""


def remarks_about(texts: Iterable[str], kind: RemarkKind, *, tile: str = "", sensor: str = "") -> tuple[Remark, ...]:
    """Remarks on one subject, one for each text."""
    return tuple(Remark(text, kind, tile, sensor) for text in texts)


def texts_of(remarks: Iterable[Remark]) -> tuple[str, ...]:
    """What the remarks say."""
    return tuple(remark.text for remark in remarks)


def remarks_to_plain(remarks: Iterable[Remark]) -> list[dict[str, str]]:
    """Remarks as JSON has them: an object with text, kind, tile and sensor for each."""
    return [asdict(remark) for remark in remarks]


def remarks_from_plain(content: Sequence[Any]) -> tuple[Remark, ...]:
    """The remarks written by ``remarks_to_plain``; TypeError for anything else."""
    return tuple(Remark(**entry) for entry in content)
