"""Rasters of a map that becomes polygons: those of the options, or of the run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from iota2 import layout
from iota2.config.options.schema import Config
from iota2.core.graph import Artifact, Need, Paths, optional
from iota2.io.rasters.map_source import read_map_source

MAP_RASTERS: Mapping[str, Artifact | Need] = {
    "source": layout.MAP_SOURCE,
    "classification": optional(layout.MAP),
    "confidence": optional(layout.FINAL_CONFIDENCE),
    "validity": optional(layout.FINAL_VALIDITY),
}
"""Inputs of a step that reads some of the rasters: ``source``, and those that it reads."""


def run_of_map(config: Config) -> int:
    """Number of the run whose map becomes polygons."""
    return config.simplification.seed or 0


def map_rasters(inp: Paths, seed: int) -> dict[str, Path | None]:
    """The paths of ``classification``, ``confidence`` and ``validity``; None for those that do not exist.

    With a classification of the options, they are those of the options; otherwise those of the options, and the others
    of the run with this number. The step needs ``source``, and those of ``MAP_RASTERS`` that it uses.
    """
    given = read_map_source(inp.source)
    found: dict[str, Path | None] = {}
    for name in ("classification", "confidence", "validity"):
        found[name] = given.get(name)
        if "classification" not in given and found[name] is None and name in inp:
            paths = inp.all(name).items()
            found[name] = next((path for key, path in paths if "seed" not in key.axes or key.seed == seed), None)
    return found
