"""Parts of reports that all kinds of maps have: notes, images, options, versions, small pictures."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path

import numpy as np
from odc.geo.geobox import GeoBox
from pydantic import BaseModel

from iota2 import __version__, layout
from iota2.config.options.schema import Config, describe
from iota2.core.graph import Artifact, Need, Paths, optional
from iota2.core.grid import resolution
from iota2.core.remarks import texts_of
from iota2.core.scene import Scene
from iota2.io.files.crs import units_per_metre
from iota2.io.rasters.files import RasterReader, decimated
from iota2.io.tables.alignments import unaligned_remarks
from iota2.io.tables.remark_lists import read_remarks
from iota2.options import Options
from iota2.report.results.page import Series

MAX_QUICKLOOK_PIXELS = 1_000_000
LIBRARIES = ("numpy", "scikit-learn", "rasterio", "numba")
"""Libraries whose versions are reported."""


NOTES: Mapping[str, Artifact | Need] = {
    "scan_notes": layout.SCAN_NOTES,
    "alignments": optional(layout.SHIFTS_TABLE),
    "value_notes": layout.VALUE_NOTES,
    "reference_notes": layout.REFERENCE_NOTES,
    "segment_notes": optional(layout.SEGMENT_NOTES),
}
"""Inputs of a report that ``input_notes`` reads."""


def input_notes(inp: Paths) -> tuple[str, ...]:
    """Notes of the previous steps: ignored, repaired and doubtful images, reference data and segments."""
    unaligned = [remark for tile, path in alignment_tables(inp) for remark in unaligned_remarks(path, tile)]
    segments = inp.all("segment_notes") if "segment_notes" in inp else {}
    return (
        *_texts(inp.all("scan_notes").values()),
        *texts_of(unaligned),
        *_texts(inp.all("value_notes").values()),
        *_texts([inp.reference_notes]),
        *_texts(segments.values()),
    )


def _texts(paths: Iterable[Path]) -> tuple[str, ...]:
    return texts_of(remark for path in paths for remark in read_remarks(path))


def alignment_tables(inp: Paths) -> list[tuple[str, Path]]:
    """Tiles with the alignment tables of their dates; empty without a reference image."""
    if "alignments" not in inp:
        return []
    return [(key.tile, path) for key, path in inp.each("alignments")]


def changed_options(config: Config) -> dict[str, str]:
    """Options that differ from their default, as text, by name."""
    effective = (one._replace(value=_effective(one.value)) for one in describe(config))
    return {f"{one.section}.{one.key}": _value_text(one.value) for one in effective if one.value != one.default}


def quicklook(path: Path) -> tuple[np.ndarray, float | None]:
    """Decimated raster and its pixel size in metres; the size is None if the map is in degrees."""
    small = decimated(path, MAX_QUICKLOOK_PIXELS)
    with RasterReader(path) as reader:
        geobox = reader.geobox
    size = metres_across(geobox)
    return small, None if size is None else size * geobox.shape[1] / small.shape[1]


def metres_across(geobox: GeoBox) -> float | None:
    """Width of a pixel in metres; None in degrees, or without projection."""
    return resolution(geobox)[0] / units_per_metre(geobox.crs) if in_metres(geobox) else None


def in_metres(geobox: GeoBox) -> bool:
    """Whether lengths on a grid can be given in metres: not in degrees, or without projection."""
    return geobox.crs is not None and bool(geobox.crs.projected)


def series_of(scenes: Iterable[Scene]) -> tuple[Series, ...]:
    return tuple(
        Series(
            sensor.spec.name,
            scene.tile,
            len(sensor.by_day),
            sensor.days[0].isoformat(),
            sensor.days[-1].isoformat(),
        )
        for scene in scenes
        for sensor in scene.series
    )


def versions() -> dict[str, str]:
    libraries = {name: version(name) for name in LIBRARIES}
    return {"iota2": __version__, "python": platform.python_version(), **libraries}


def _effective(value: object) -> object:
    """A value of the configuration without options that have no effect."""
    return value.effective() if isinstance(value, Options) else value


def _value_text(value: object) -> str:
    """A value of the configuration as text."""
    if isinstance(value, tuple):
        return ", ".join(str(item) for item in value)
    return value.model_dump_json(exclude_defaults=True, by_alias=True) if isinstance(value, BaseModel) else str(value)
