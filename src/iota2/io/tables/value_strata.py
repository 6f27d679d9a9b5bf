"""Reference polygons with values of a quantity, in groups of values that take the place of classes; their storage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import groupby, pairwise
from pathlib import Path

import numpy as np

from iota2.compute.quantiles import GROUPS, group_of, quantile_edges
from iota2.core import palettes
from iota2.core.nomenclature import Color, Nomenclature
from iota2.core.tables import ORIGIN
from iota2.io.files.atomic import write_text
from iota2.io.tables.reference import LABEL, Loss, ReferenceData

POLYGONS_PER_GROUP = 4
"""Mean number of used polygons of a group in a region below which there are fewer groups: with the default ratio, a
group can then be learned and validated."""
_HEADER = f"{ORIGIN},value"


@dataclass(frozen=True, eq=False)
class Stratified:
    """Reference data whose labels are groups of values."""

    data: ReferenceData
    classes: Nomenclature
    """The groups: their names are ranges of values."""
    values: np.ndarray
    """(polygon,) float64: value of each polygon."""


def stratified(data: ReferenceData, used: np.ndarray, regions: int) -> Stratified:
    """Reference data with values, in up to ``GROUPS`` groups of nearly equal numbers of ``used`` (polygon,) polygons.

    ``regions``: number of regions among which the polygons are divided.
    """
    values = data.frame[LABEL].to_numpy(float)
    known = values[used] if used.any() else values
    count = int(np.clip(len(known) // (POLYGONS_PER_GROUP * max(1, regions)), 1, GROUPS))
    edges = quantile_edges(known, count)
    codes = group_of(values, edges)
    frame = data.frame.assign(**{LABEL: codes})
    return Stratified(replace(data, frame=frame, lost=_lost(data.lost, edges)), _groups(edges), values)


def _lost(lost: tuple[Loss, ...], edges: np.ndarray) -> tuple[Loss, ...]:
    """The losses by group."""

    def key(one: Loss) -> tuple[int, str]:
        return int(group_of(np.array([float(one.label)]), edges)[0]), one.reason

    return tuple(
        Loss(code, reason, sum(one.polygons for one in same), sum(one.area for one in same))
        for (code, reason), found in groupby(sorted(lost, key=key), key)
        for same in [list(found)]
    )


def _groups(edges: np.ndarray) -> Nomenclature:
    """Names and colours of the groups."""
    limits = [f"{edge:.6g}" for edge in edges]
    names = ["all values"]
    if limits:
        names = [f"below {limits[0]}", *(f"{a} to {b}" for a, b in pairwise(limits)), f"from {limits[-1]}"]
    codes = tuple(range(1, len(names) + 1))
    ramp = [_rgb(palettes.PROBABILITY[round(k)]) for k in np.linspace(0, len(palettes.PROBABILITY) - 1, len(names))]
    return Nomenclature(codes=codes, names=tuple(names), colors=tuple(ramp), labels=codes, warnings=())


def _rgb(color: str) -> Color:
    red, green, blue = (int(color[k : k + 2], 16) for k in (1, 3, 5))
    return red, green, blue


def write_values(origins: np.ndarray, values: np.ndarray, path: Path) -> None:
    """Write the value of each polygon, by row of the reference data, without loss of digits."""
    lines = [f"{origin},{value!r}" for origin, value in zip(origins.tolist(), values.tolist(), strict=True)]
    write_text(path, "\n".join([_HEADER, *lines]) + "\n")


def read_target_values(path: Path) -> Mapping[int, float]:
    """The values of polygons from a file of ``write_values``."""
    head, *lines = path.read_text(encoding="utf-8").splitlines()
    if head != _HEADER:
        raise ValueError(f"{path}: expected {_HEADER}")
    return {int(origin): float(value) for origin, value in (line.split(",") for line in lines)}
