"""The stages of the map that the report compares."""

from __future__ import annotations

from dataclasses import dataclass

from iota2 import layout
from iota2.config.options.schema import Config
from iota2.core.graph import Artifact, Need


@dataclass(frozen=True)
class MapStage:
    """A map in the projection of the products, before or after a part of the processing."""

    name: str
    """Name in files, and of the input of the step that compares the stages."""
    about: str
    """Name for the reader of the report."""
    artifacts: tuple[Artifact, ...]
    """The files that may contain it; the run makes at most one."""

    @property
    def need(self) -> Need:
        """The map as the input of a step; only the last stage always exists."""
        return Need(self.artifacts, may_be_absent=self != STAGES[-1])

    def made(self, config: Config) -> bool:
        """Whether a run with these options makes it."""
        return any(artifact.when(config) for artifact in self.artifacts)


STAGES = (
    MapStage("optical", "Optical images alone", (layout.OPTICAL_MAP,)),
    MapStage("radar", "Radar images alone", (layout.RADAR_MAP,)),
    MapStage("no_boundary_fusion", "Without boundary fusion", (layout.CUT_MAP, layout.HIDDEN_CUT_MAP)),
    MapStage("unsmoothed", "Before smoothing", (layout.UNSMOOTHED_MAP,)),
    MapStage("final", "Final map", (layout.MAP,)),
)
"""All stages, in the order of the processing, first the maps of single sources; the last one is the map of the run."""
