"""Distances from validation polygons to learning polygons."""

from __future__ import annotations

import geopandas as gpd
import numpy as np

from iota2.compute.neighbours import nearest_learning_distances
from iota2.core.tables import CODE, ORIGIN
from iota2.io.files.crs import isotropic


def metres_to_learning(reference: gpd.GeoDataFrame, learns: np.ndarray, validates: np.ndarray) -> dict[int, float]:
    """Distance in metres from each validation polygon to the nearest learning polygon of its class.

    ``learns`` and ``validates`` are (polygon,) bool. Keys are rows of the reference data. Polygons of a class without
    learning polygons are omitted.
    """
    polygons, units = isotropic(reference.geometry.to_numpy(), reference.crs)
    found = nearest_learning_distances(polygons, reference[CODE].to_numpy(), learns, validates)
    origin = reference[ORIGIN].to_numpy()
    return {int(origin[k]): float(distance / units[k]) for k, distance in found.items()}
