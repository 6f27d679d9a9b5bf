"""The fusion of runs, read for the report."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from iota2.compute.run_fusion import fusion_accuracy
from iota2.config.options.schema import Config
from iota2.core.graph import Paths
from iota2.core.grid import blocks
from iota2.core.nomenclature import Nomenclature
from iota2.io.rasters.files import RasterReader
from iota2.io.tables.polygon_counts import read_polygon_counts
from iota2.report.results.fusion import FusionReport
from iota2.steps.blocks import COPY_SHAPE


@dataclass(frozen=True)
class FusionParams:
    """The options of the fusion that the report shows."""

    method: str
    measure: str | None
    """Accuracy measure that is the mass of a run; None for methods without masses."""
    undecided: int | None
    """Label of undecided pixels; None if the method decides all."""
    reserved: bool
    """Whether polygons are reserved to validate the fusion."""


def fusion_params(config: Config) -> FusionParams | None:
    """The options of the fusion; None without a fusion."""
    given = config.multi_run_fusion
    if not given.merge_run:
        return None
    return FusionParams(given.merge_run_method, given.measure, given.undecided_label, given.reserved_share is not None)


def read_fusion(inp: Paths, given: FusionParams, classes: Nomenclature) -> FusionReport:
    """Accuracy of the fusion and of the runs on the same polygons, and the undecided pixels of the fused map."""
    counts = {key.seed: read_polygon_counts(path) for key, path in inp.each("run_validation")}
    fused = read_polygon_counts(inp.fused_validation)
    labelled, undecided = _pixels(inp.fused_map, given.undecided)
    return FusionReport(
        accuracy=fusion_accuracy(fused, counts, classes.codes, given.undecided),
        method=given.method,
        measure=given.measure,
        undecided_label=given.undecided,
        reserved=given.reserved,
        map_pixels=labelled,
        undecided_pixels=undecided,
    )


def _pixels(path: Path, undecided: int | None) -> tuple[int, int]:
    """Numbers of pixels of the map with a label, and of undecided ones."""
    labelled = doubtful = 0
    with RasterReader(path) as reader:
        for block in blocks("", reader.geobox, COPY_SHAPE):
            values = reader.read(block.geobox)
            labelled += int(np.count_nonzero(values))
            doubtful += 0 if undecided is None else int(np.count_nonzero(values == undecided))
    return labelled, doubtful
