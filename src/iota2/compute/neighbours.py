"""Distances between labelled polygons, and groups of polygons by distance."""

from __future__ import annotations

import numpy as np
import shapely


def nearest_learning_distances(
    polygons: np.ndarray, labels: np.ndarray, learns: np.ndarray, validates: np.ndarray
) -> dict[int, float]:
    """Distance in map units from each validation polygon to the nearest learning polygon of its label, by position.

    ``learns`` and ``validates`` are (polygon,) bool. Validation polygons of labels without learning polygons are
    omitted.
    """
    found: dict[int, float] = {}
    for label in np.unique(labels[validates]):
        learning, validating = (np.flatnonzero(side & (labels == label)) for side in (learns, validates))
        if not len(learning):
            continue
        (own, _), distances = shapely.STRtree(polygons[learning]).query_nearest(
            polygons[validating], return_distance=True, all_matches=False
        )
        found |= {int(validating[k]): float(d) for k, d in zip(own, distances, strict=True)}
    return found


def linked_groups(polygons: np.ndarray, labels: np.ndarray, distance: float | np.ndarray) -> np.ndarray:
    """(polygon,) int64: group numbers by single linkage of polygons of one label within ``distance`` (map units).

    ``distance`` may be that of each polygon, (polygon,). Polygons of one label in different groups are further apart
    than the distance of either of them.
    """
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
