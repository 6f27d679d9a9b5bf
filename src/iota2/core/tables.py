"""Column names of tables that steps exchange, and tables of validation counts."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, fields

import numpy as np

from iota2.core.recipe import FeatureRecipe

REGION = "region"
SINGLE_REGION = "1"
"""The region of a run without a file of regions."""
ORIGIN = "originfid"
"""Row number of the polygon in the user's reference data, from 0."""
TILE = "tile_o"
CODE = "i2label"
"""Class code in the map."""
LEARN, VALIDATION, UNUSED = "learn", "validation", "unused"
"""Values of the columns of ``seed_column``: sides of the split."""
FUSION = "fusion"
"""Side of polygons that validate the fusion of runs: they neither learn nor validate for any seed."""
OTHER_SEED = "XXXX"
"""Value of the columns of other seeds in a merged selection."""
COLUMN, ROW = "i2col", "i2row"
"""Pixel position of a sample on the working grid of its tile."""
AUGMENTED = "augmented"
"""Whether a sample was made from another one, 0 or 1, in tables with additional samples."""
WEIGHT = "i2weight"
"""Number of pixels for which a sample stands."""
_SEED = "seed_"
"""Prefix of the columns of ``seed_column``."""


RESERVED = (REGION, ORIGIN, TILE, CODE, COLUMN, ROW, AUGMENTED, WEIGHT, "ogc_fid", "geometry")
"""Column names that iota2 or the table format adds."""


def label_column(data_field: str) -> str:
    """Name of the column with the user's label: the field in lower case, with ``_`` appended to reserved names."""
    name = data_field.lower()
    return f"{name}_" if name in RESERVED or name.startswith(_SEED) else name


def seed_column(seed: int) -> str:
    """Name of the column with the side of the split for one seed."""
    return f"{_SEED}{seed}"


def seed_columns(columns: Iterable[str]) -> list[str]:
    """The columns named by ``seed_column``, in the order of the table."""
    return [name for name in columns if re.fullmatch(rf"{_SEED}\d+", name)]


def sample_columns(recipe: FeatureRecipe) -> list[str]:
    """Names of the feature columns of sample tables: the names of the recipe in lower case."""
    return [name.lower() for name in recipe.names]


def reduced_columns(count: int) -> list[str]:
    """Names of the columns of components in sample tables."""
    return [f"reduced_{number}" for number in range(count)]


@dataclass(frozen=True)
class Confusion:
    """A confusion matrix: rows are the reference, columns the map.

    ``counts[r, c]`` is the number of pixels of reference class ``labels[r]`` mapped as ``labels[c]``. Pixels with
    the value 0 in the map are counted only in ``unmapped``, by reference class.
    """

    labels: tuple[int, ...]
    counts: np.ndarray
    unmapped: np.ndarray

    def __post_init__(self) -> None:
        n = len(self.labels)
        if self.counts.shape != (n, n) or self.unmapped.shape != (n,):
            raise ValueError(f"{n} labels, counts {self.counts.shape}, unmapped {self.unmapped.shape}")

    def __add__(self, other: Confusion) -> Confusion:
        if self.labels != other.labels:
            raise ValueError("confusion matrices of different labels")
        return Confusion(self.labels, self.counts + other.counts, self.unmapped + other.unmapped)


@dataclass(frozen=True, eq=False)
class PolygonCounts:
    """Number of validation pixels by polygon, class in the map, and whether pixels touch the edge of the polygon.

    All arrays have the same length: one row for each combination that occurs, sorted by these keys.
    """

    polygon: np.ndarray
    """``originfid`` of the polygon, int64."""
    reference: np.ndarray
    """Class code of the polygon, int64."""
    produced: np.ndarray
    """Class code in the map, int64; 0 for pixels that are not classified."""
    edge: np.ndarray
    """Whether the pixel square intersects the edge of its polygon, bool."""
    pixels: np.ndarray
    """Number of pixels, int64."""
    distance: np.ndarray
    """Distance in metres from the polygon to the nearest learning polygon of its class, float64; infinite without
    one."""

    def __len__(self) -> int:
        return len(self.pixels)

    def where(self, chosen: np.ndarray) -> PolygonCounts:
        """The rows selected by ``chosen``: row numbers, or a bool for each row."""
        return PolygonCounts(**{one.name: getattr(self, one.name)[chosen] for one in fields(self)})


@dataclass(frozen=True, eq=False)
class ConfidenceCounts:
    """Number of classified validation pixels by polygon, class in the map and confidence.

    All arrays are int64 of the same length: one row for each combination that occurs, sorted by these keys.
    """

    polygon: np.ndarray
    """``originfid`` of the polygon."""
    reference: np.ndarray
    """Class code of the polygon."""
    produced: np.ndarray
    """Class code in the map, above 0."""
    confidence: np.ndarray
    """Confidence of the map, percent."""
    pixels: np.ndarray
    """Number of pixels."""

    def __len__(self) -> int:
        return len(self.pixels)


REFERENCE, PRODUCED, UNMAPPED = (
    "#Reference labels (rows):",
    "#Produced labels (columns):",
    "#Unmapped pixels (rows):",
)
"""Headers of the CSV files of confusion matrices."""
