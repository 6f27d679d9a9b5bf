"""How near labelled polygons lie to each other."""

from __future__ import annotations

import numpy as np
import shapely


def nearest_of_class(
    polygons: np.ndarray, labels: np.ndarray, learns: np.ndarray, validates: np.ndarray
) -> dict[int, float]:
    """Distance, in map units, from each polygon that ``validates`` (bool) to the nearest one of its label that
    ``learns``, by position; polygons of a label that nothing learns are left out."""
    found: dict[int, float] = {}
    for label in np.unique(labels[validates]):
        learning, asked = (np.flatnonzero(side & (labels == label)) for side in (learns, validates))
        if not len(learning):
            continue
        (own, _), metres = shapely.STRtree(polygons[learning]).query_nearest(
            polygons[asked], return_distance=True, all_matches=False
        )
        found |= {int(asked[k]): float(d) for k, d in zip(own, metres, strict=True)}
    return found
