"""Distances from validation polygons to learning polygons."""

from __future__ import annotations

import geopandas as gpd
import numpy as np

from iota2.compute.neighbours import nearest_learning_distances
from iota2.compute.sampling import BOTH
from iota2.core.tables import CODE, LEARN, ORIGIN, VALIDATION, seed_column
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


def distances_of_seed(reference: gpd.GeoDataFrame, seed: int) -> dict[int, float]:
    """Distance in metres from each validation polygon of a seed to the nearest learning polygon of its class.

    Keys are rows of the reference data. Polygons of a class without learning polygons are omitted.
    """
    side = reference[seed_column(seed)]
    learns, validates = (side.isin([own, BOTH]).to_numpy() for own in (LEARN, VALIDATION))
    return metres_to_learning(reference, learns, validates)
