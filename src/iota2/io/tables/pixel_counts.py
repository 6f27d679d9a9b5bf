"""XML file with pixel counts per class and per polygon, in the format of Orfeo ToolBox."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
from defusedxml.ElementTree import parse

from iota2.core.tables import CODE, ORIGIN
from iota2.io.files.atomic import write_text


@dataclass(frozen=True)
class PixelCounts:
    """Number of pixels by class code and by polygon (``originfid``)."""

    per_class: Counter[int]
    per_polygon: Counter[int]

    def __add__(self, other: PixelCounts) -> PixelCounts:
        return PixelCounts(_added(self.per_class, other.per_class), _added(self.per_polygon, other.per_polygon))


def _added(a: Counter[int], b: Counter[int]) -> Counter[int]:
    """The sum; unlike ``+`` of counters, it keeps classes and polygons without pixels."""
    total = Counter(a)
    total.update(b)
    return total


def pixel_counts(polygons: pd.DataFrame, polygon_of_pixel: np.ndarray) -> PixelCounts:
    """The counts of pixels (pixel,) by their position in ``polygons``; 0 for classes and polygons without pixels."""
    return PixelCounts(*(_by_value(polygons[name], polygon_of_pixel) for name in (CODE, ORIGIN)))


def _by_value(values: pd.Series, polygon_of_pixel: np.ndarray) -> Counter[int]:
    counts = Counter(dict.fromkeys(values.tolist(), 0))
    counts.update(values.to_numpy()[polygon_of_pixel].tolist())
    return counts


def total(counts: Iterable[PixelCounts]) -> PixelCounts:
    """The sum of several counts; empty when there are none."""
    return sum(counts, PixelCounts(Counter(), Counter()))


def write_statistics(counts: PixelCounts, path: Path) -> None:
    """Write the counts as ``samplesPerClass`` and ``samplesPerVector``, sorted by class and by polygon."""
    root = ElementTree.Element("GeneralStatistics")
    for name, found in (("samplesPerClass", counts.per_class), ("samplesPerVector", counts.per_polygon)):
        statistic = ElementTree.SubElement(root, "Statistic", name=name)
        for key in sorted(found):
            ElementTree.SubElement(statistic, "StatisticMap", key=str(key), value=str(found[key]))
    ElementTree.indent(root)
    write_text(path, '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, "unicode") + "\n")


def read_statistics(path: Path) -> PixelCounts:
    """The counts from a file of ``write_statistics``."""
    maps = {
        statistic.get("name"): Counter({int(entry.attrib["key"]): int(entry.attrib["value"]) for entry in statistic})
        for statistic in parse(path).iterfind("Statistic")
    }
    return PixelCounts(maps["samplesPerClass"], maps["samplesPerVector"])
