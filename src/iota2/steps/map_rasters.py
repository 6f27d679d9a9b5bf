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


def map_raster(inp: Paths, name: str, seed: int) -> Path | None:
    """The path of a raster, ``classification``, ``confidence`` or ``validity``: that of the options, else of a run of
    this number; None if there is none.

    The step needs ``source`` and the raster of ``MAP_RASTERS``.
    """
    given = read_map_source(inp.source).get(name)
    if given is not None or name not in inp:
        return given
    paths = inp.all(name)
    return next((path for key, path in paths.items() if "seed" not in key.axes or key.seed == seed), None)
