"""Names of the maps of a run in the accuracy report."""

from __future__ import annotations

from collections.abc import Collection

FUSION = "fusion of the runs"
"""Name of the fused map."""


def of_first_seed(title: str, seeds: Collection[int]) -> str:
    """The title of a section that shows the first of the ``seeds``: with the seed if there are several."""
    return f"{title}, seed {min(seeds)}" if len(seeds) > 1 else title
