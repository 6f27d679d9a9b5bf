"""Names of the maps and models of a run in the accuracy report."""

from __future__ import annotations

from collections.abc import Collection

FUSION = "fusion of the runs"
"""Name of the fused map."""


def model_title(region: str, seed: int, images: str = "") -> str:
    """A model in texts: ``Region 1, radar, seed 0``; ``images`` is empty if a model learns from all images."""
    return ", ".join([f"Region {region}", *([images] if images else []), f"seed {seed}"])


def of_first_seed(title: str, seeds: Collection[int]) -> str:
    """The title of a section that shows the first of the ``seeds``: with the seed if there are several."""
    return f"{title}, seed {min(seeds)}" if len(seeds) > 1 else title
