"""Colours of maps of classes, in which pixels can be undecided: colour table and QGIS style."""

from __future__ import annotations

from iota2.core.nomenclature import Color, Nomenclature
from iota2.io.rasters.qgis import class_style, undecided_entry

UNDECIDED_COLOR: Color = (128, 128, 128)
"""Colour of undecided pixels of a fusion of runs."""


def colour_table(classes: Nomenclature, undecided: int | None = None) -> dict[int, Color]:
    """Colour of each value of the map; ``undecided``: label of undecided pixels, None without."""
    colours = dict(zip(classes.codes, classes.colors, strict=True))
    return colours if undecided is None else {**colours, undecided: UNDECIDED_COLOR}


def map_style(classes: Nomenclature, undecided: int | None = None) -> str:
    """The QGIS style of the map; undecided pixels are named."""
    return class_style(classes, [] if undecided is None else [undecided_entry(undecided, UNDECIDED_COLOR)])
