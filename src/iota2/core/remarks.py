"""Remarks on inputs and results for the user, each with its subject."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

RemarkKind = Literal[
    "images",
    "values",
    "alignment",
    "regions",
    "reference",
    "extent",
    "options",
    "resampling",
    "outside",
    "segments",
    "areas",
]
"""Subject of a remark: images and their files, values of images, alignment with the reference image, regions, reference
data and classes, extent of the map, options of the configuration, resampling of rasters to tiles, rasters outside all
tiles, segments, or areas to which polygons are cut."""


@dataclass(frozen=True, slots=True)
class Remark:
    """A sentence for the user, with its subject."""

    text: str
    """The sentence. It contains tile and sensor where they matter."""
    kind: RemarkKind
    tile: str = ""
    """The tile concerned; empty for none or several."""
    sensor: str = ""
    """The series concerned, or the section for all its series; empty for none."""

    @property
    def line(self) -> str:
        """The sentence as a note, or as a warning about a raster without any use."""
        return f"{'warning' if self.kind == 'outside' else 'note'}: {self.text}"


def remarks_about(texts: Iterable[str], kind: RemarkKind, *, tile: str = "", sensor: str = "") -> tuple[Remark, ...]:
    """One remark for each text, all on the same subject."""
    return tuple(Remark(text, kind, tile, sensor) for text in texts)


def texts_of(remarks: Iterable[Remark]) -> tuple[str, ...]:
    """Texts of the remarks."""
    return tuple(remark.text for remark in remarks)


def remarks_to_plain(remarks: Iterable[Remark]) -> list[dict[str, str]]:
    """The remarks as dictionaries for JSON, with text, kind, tile and sensor."""
    return [asdict(remark) for remark in remarks]


def remarks_from_plain(content: Sequence[Any]) -> tuple[Remark, ...]:
    """The remarks in a list of ``remarks_to_plain``; TypeError for other content."""
    return tuple(Remark(**entry) for entry in content)
