"""The builder of polygons of a map of classes."""

from __future__ import annotations

from iota2.core.builder import Builder
from iota2.steps.vectors import all_polygons, clipped, joining, lines, polygons, regularisation, summary

VECTORIZATION = Builder(
    name="I2Vectorization",
    about="Polygons of the classes of a map, made by the run or given as GeoTIFF.",
    steps=(regularisation.STEP, lines.STEP, joining.STEP, polygons.STEP, clipped.STEP, all_polygons.STEP, summary.STEP),
    asks=frozenset({"map"}),
    aliases=("i2_vectorization",),
    letter="V",
    folders={
        "final/simplification": "The map before it becomes polygons.",
        "final/simplification/mosaic": "Polygons of squares of the map.",
        "final/simplification/tiles": "Polygons of squares of the map, before they are joined.",
        "final/simplification/tmp": "Squares, classes and sources of the map that becomes polygons.",
        "final/simplification/vectors": "The polygons.",
    },
)
