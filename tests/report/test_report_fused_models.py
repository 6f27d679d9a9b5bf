"""The fusion of models in the accuracy report."""

from __future__ import annotations

from dataclasses import replace

import pytest

from iota2.compute.map_stages import MapStages, Stage, StageAccuracy
from iota2.compute.seams import Seam
from iota2.report.results.fused_models import single_source_remarks

SEAM = Seam(10, 4, 20, 7, 1.14, None, 0.05, None)


def stage(name: str, about: str, overall: float | None) -> Stage:
    return Stage(name, about, SEAM, SEAM, StageAccuracy(12, 3456, overall, None, {}))


FUSED = stage("unsmoothed", "Before smoothing", 0.946)
SMOOTHED = stage("final", "Final map", 0.97)


@pytest.mark.parametrize(("optical", "remarked"), [(0.963, True), (0.95, False), (None, False)])
def test_a_source_that_is_more_accurate_than_the_fusion_is_a_remark(optical: float | None, remarked: bool) -> None:
    sources = stage("optical", "Optical images alone", optical), stage("radar", "Radar images alone", 0.7)
    remarks = [*single_source_remarks({0: MapStages(1, 1, (*sources, FUSED, SMOOTHED))})]
    assert len(remarks) == remarked
    if remarked:
        assert remarks[0].startswith(
            "Optical images alone are more accurate than the fusion of both: overall accuracy 0.963 instead of 0.946. "
        )


def test_the_seed_is_named_if_there_are_several() -> None:
    better = MapStages(1, 1, (stage("radar", "Radar images alone", 0.99), FUSED))
    worse = replace(better, stages=(FUSED, SMOOTHED))
    (remark,) = single_source_remarks({0: worse, 3: better})
    assert "Radar images alone are more accurate than the fusion of both, seed 3:" in remark
