"""Regions with too few polygons for a map of a quantity, its intervals or its accuracy, with their consequences."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from iota2.compute.conformal import MIN_GROUPS
from iota2.compute.quantiles import GROUPS
from iota2.compute.sampling import BOTH
from iota2.core.tables import LEARN, VALIDATION
from iota2.core.words import counted


@dataclass(frozen=True)
class RegionPolygons:
    """Numbers of polygons of a region; of several seeds, the smallest number of each kind."""

    learning: int
    groups: int
    """Learning polygons, those that the split keeps together counted once."""
    values: int
    """Different values of the learning polygons."""
    validation: int

    @property
    def enough(self) -> bool:
        """Whether the values of the region have intervals and an accuracy."""
        return self.groups >= MIN_GROUPS and self.validation > 0


def polygons_by_region(
    inside: Mapping[str, np.ndarray],
    sides: Sequence[np.ndarray],
    values: np.ndarray,
    groups: np.ndarray | None = None,
) -> dict[str, RegionPolygons]:
    """Numbers of polygons of each region; ``inside``: which polygons are, at least partly, in it, (polygon,) bool.

    ``sides``: for each seed, the side of each polygon (polygon,). ``values`` (polygon,) are those of the quantity,
    ``groups`` (polygon,) the numbers of groups that the split keeps together; None if it divides all polygons.
    """
    together = np.arange(len(values)) if groups is None else groups
    found = {}
    for region, own in inside.items():
        learning = [own & np.isin(side, (LEARN, BOTH)) for side in sides]
        found[region] = RegionPolygons(
            learning=min(int(one.sum()) for one in learning),
            groups=min(len(np.unique(together[one])) for one in learning),
            values=min(len(np.unique(values[one])) for one in learning),
            validation=min(int((own & np.isin(side, (VALIDATION, BOTH))).sum()) for side in sides),
        )
    return found


def few_polygons_texts(found: Mapping[str, RegionPolygons], ratio: float) -> list[str]:
    """A remark on each region with too few polygons: their numbers, the consequences and a remedy.

    ``ratio``: share of the polygons that learn, 1 for all.
    """
    merged = ", or merge the region with another one" if len(found) > 1 else ""
    # each group of values may have half a learning polygon less than its share
    wanted = math.ceil((MIN_GROUPS + GROUPS / 2) / ratio)
    remedy = f"Draw at least {wanted} polygons there{merged}."
    return [
        f"Region {region} has few polygons, {one.learning} for learning and {one.validation} for validation: "
        f"{'; '.join(_consequences(one))}. {remedy}"
        for region, one in found.items()
        if not one.enough
    ]


def _consequences(found: RegionPolygons) -> list[str]:
    """What a lack of polygons means for the map, its intervals and its accuracy in a region."""
    texts = []
    if found.values <= 1:
        texts.append("the map has one value there")
    elif found.learning < MIN_GROUPS:
        texts.append(f"the map there is learned from the values of only {counted(found.learning, 'polygon')}")
    if found.groups < MIN_GROUPS:
        together = "" if found.groups == found.learning else f", not of {counted(found.groups, 'group')} kept together"
        texts.append(f"its values have no interval, which needs {MIN_GROUPS} learning polygons{together}")
    if not found.validation:
        texts.append("the accuracy of the map does not cover it")
    return texts
