"""Distances between labelled polygons, and groups of polygons by distance."""

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


def linked(polygons: np.ndarray, labels: np.ndarray, distance: float) -> np.ndarray:
    """(polygon,) int64: a number for each chain of polygons of one label in which each lies within ``distance`` (map
    units) of the next: single linkage. Polygons of two numbers and one label are further apart than that."""
    # Imported here: slow to import, and needed with an option only.
    from scipy.sparse import coo_array  # noqa: PLC0415
    from scipy.sparse.csgraph import connected_components  # noqa: PLC0415

    count = len(polygons)
    if count == 0:
        return np.zeros(0, np.int64)
    one, other = shapely.STRtree(polygons).query(polygons, predicate="dwithin", distance=distance)
    same = labels[one] == labels[other]
    near = coo_array((np.ones(int(same.sum()), bool), (one[same], other[same])), shape=(count, count))
    _, chain = connected_components(near, directed=False)
    return np.asarray(chain, dtype=np.int64)
