"""CSV file with the group of each reference polygon: polygons that stay on one side of the split."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from iota2.core.tables import ORIGIN

COLUMNS = (ORIGIN, "group")


def split_groups_csv(origins: np.ndarray, groups: np.ndarray) -> str:
    """CSV text: rows of the reference data (polygon,) and the number of the group of each polygon."""
    rows = (f"{origin},{group}" for origin, group in zip(origins.tolist(), groups.tolist(), strict=True))
    return "\n".join([",".join(COLUMNS), *rows]) + "\n"


def read_split_groups(path: Path) -> dict[int, int]:
    """Group by row of the reference data, from a file of ``split_groups_csv``; ValueError for another file."""
    head, *lines = path.read_text(encoding="utf-8").splitlines() or [""]
    try:
        if tuple(head.split(",")) != COLUMNS:
            raise ValueError(f"expected the columns {', '.join(COLUMNS)}, found {head!r}")
        pairs = [line.split(",") for line in lines]
        return {int(origin): int(group) for origin, group in pairs}
    except ValueError as err:
        raise ValueError(f"{path} is not a table of groups of polygons: {err}") from err
