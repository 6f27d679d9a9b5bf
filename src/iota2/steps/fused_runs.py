"""The fusion of runs, read for the report."""

from __future__ import annotations

from collections.abc import Mapping
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


def undecided_by_user_name(label: int | None) -> Mapping[str, object]:
    """The label of undecided pixels, None if the method decides all pixels, by option name of the configuration."""
    return {"multi_run_fusion.merge_run_undecidedlabel": "not used" if label is None else label}


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

    def by_user_name(self) -> Mapping[str, object]:
        """The parameters by option name of the configuration."""
        return {
            "multi_run_fusion.merge_run_method": self.method,
            "multi_run_fusion.dempstershafer_mob": self.measure,
            **undecided_by_user_name(self.undecided),
            "multi_run_fusion.fusion_of_classification_all_samples_validation": not self.reserved,
        }


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
