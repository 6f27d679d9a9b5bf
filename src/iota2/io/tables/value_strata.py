"""Reference polygons with values of a quantity, in groups of values that take the place of classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np

from iota2.compute.quantiles import GROUPS, group_of, joined_groups, quantile_edges
from iota2.core import palettes
from iota2.core.losses import ClassLosses, warnings
from iota2.core.nomenclature import Color, Nomenclature
from iota2.io.tables.reference import LABEL, Loss, ReferenceData

POLYGONS_PER_GROUP = 4
"""Number of polygons of a group in a region below which it is joined with a neighbouring group for the split: with the
default ratio, half of four polygons learn and half validate."""
ALL_VALUES = "all values"
"""Name of the only group."""


@dataclass(frozen=True, eq=False)
class Stratified:
    """Reference data, and the strata in which their polygons are split: classes, or groups of values."""

    data: ReferenceData
    """Labels are those of classes, or groups of values."""
    classes: Nomenclature
    """The classes; or the groups, whose names are ranges of values."""
    values: np.ndarray | None
    """(polygon,) float64: value of each polygon; None for classes."""
    strata: np.ndarray
    """(polygon,) int64: code of each polygon; of values, the lowest group of those of its region that are split
    together."""
    titles: Mapping[tuple[str, int], str]
    """Subject of a sentence about each stratum, by region and code."""


def stratified(data: ReferenceData, home: Sequence[str | None]) -> Stratified:
    """Reference data with values, in up to ``GROUPS`` groups of nearly equal numbers of used polygons.

    ``home``: region of each polygon; None for a polygon that is not used. Groups are the same in all regions; a group
    with fewer than ``POLYGONS_PER_GROUP`` polygons in a region is split together with neighbouring groups there.
    """
    values = data.frame[LABEL].to_numpy(float)
    used = np.array([region is not None for region in home], bool)
    known = values[used] if used.any() else values
    edges = quantile_edges(known, int(np.clip(len(known) // POLYGONS_PER_GROUP, 1, GROUPS)))
    codes = group_of(values, edges)
    frame = data.frame.assign(**{LABEL: codes})
    strata, titles = _strata(codes, home, edges)
    lost = replace(data, frame=frame, lost=_lost(data.lost, edges))
    return Stratified(lost, _groups(edges), values, strata, titles)


def _strata(
    codes: np.ndarray, home: Sequence[str | None], edges: np.ndarray
) -> tuple[np.ndarray, dict[tuple[str, int], str]]:
    """Strata (polygon,) of groups ``codes`` (polygon,), and their titles."""
    regions, strata = np.array([region or "" for region in home]), codes.copy()
    titles: dict[tuple[str, int], str] = {}
    for region in sorted({*regions.tolist()} - {""}):
        own = regions == region
        strata[own] = joined_groups(codes[own], POLYGONS_PER_GROUP)
        for first in np.unique(strata[own]).tolist():
            last = int(codes[own & (strata == first)].max())
            titles[region, first] = group_title(_range(edges, first, last), first, last)
    return strata, titles


def group_title(name: str, first: int, last: int | None = None) -> str:
    """Subject of a sentence about a group of values, or about several that follow one another."""
    numbers = f"{first}" if last in (None, first) else f"{first} to {last}"
    return f"The group of {name} ({numbers})" if name == ALL_VALUES else f"The group of values {name} ({numbers})"


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
    codes = tuple(range(1, len(edges) + 2))
    names = [_range(edges, code, code) for code in codes]
    ramp = [_rgb(palettes.PROBABILITY[round(k)]) for k in np.linspace(0, len(palettes.PROBABILITY) - 1, len(names))]
    return Nomenclature(codes=codes, names=tuple(names), colors=tuple(ramp), labels=codes, warnings=())


def _range(edges: np.ndarray, first: int, last: int) -> str:
    """The values of the groups from ``first`` to ``last``."""
    low = f"{edges[first - 2]:.6g}" if first > 1 else ""
    high = f"{edges[last - 1]:.6g}" if last <= len(edges) else ""
    if low and high:
        return f"{low} to {high}"
    return f"below {high}" if high else f"from {low}" if low else ALL_VALUES


def _rgb(color: str) -> Color:
    red, green, blue = (int(color[k : k + 2], 16) for k in (1, 3, 5))
    return red, green, blue


def value_warnings(losses_by_seed: Mapping[int, Sequence[ClassLosses]], groups: Nomenclature) -> tuple[str, ...]:
    """Warnings on groups of values that are nearly lost for a seed, and on seeds without validation pixels."""
    return warnings(
        losses_by_seed, lambda code: group_title(groups.name(code), code), enough="two polygons in each region"
    )
