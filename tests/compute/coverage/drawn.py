"""Coverages that are drawn by hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from iota2.compute.coverage.lines import Lines

Place = tuple[float, float]


def lines_of(
    polygons: Sequence[Sequence[Sequence[Place]]], free: Sequence[Place], minimum: Sequence[float] | None = None
) -> Lines:
    """Lines of polygons, each with its rings; the first vertex of a ring is not repeated.

    Exteriors turn from x to y, holes back. ``minimum``: areas below which polygons must not fall, by default 0.
    """
    places = list(dict.fromkeys(place for polygon in polygons for ring in polygon for place in ring))
    rings = [ring for polygon in polygons for ring in polygon]
    return Lines(
        np.array(places, float),
        np.array([place in free for place in places]),
        np.array([places.index(place) for ring in rings for place in ring], np.int32),
        np.cumsum([0, *map(len, rings)]),
        np.cumsum([0, *map(len, polygons)]),
        np.array(minimum or [0] * len(polygons), float),
    )
