"""Reliability of the confidence in the accuracy report: remarks on models without calibration, signs of zero."""

from __future__ import annotations

from iota2.core.nomenclature import Nomenclature
from iota2.report.results.reliability import (
    CalibratedModel,
    ReliabilityData,
    SampleReliability,
    calibration_remarks,
    reliability_text,
)

CLASSES = Nomenclature((1, 2), ("wheat", "maize"), ((255, 0, 0), (0, 255, 0)), (1, 2))
MEASURED = SampleReliability("predicted apart", 0.009, -0.0004, 0.002, 0.034)


def model(*, calibrated: bool, samples: tuple[SampleReliability, ...], sentence: str) -> CalibratedModel:
    return CalibratedModel("1", 0, calibrated, (sentence,), samples)


def test_probabilities_that_a_calibration_would_make_worse_are_not_called_ranks() -> None:
    few = model(calibrated=False, samples=(), sentence="Not calibrated: 3 polygons; expected 50.")
    worse = model(calibrated=False, samples=(MEASURED,), sentence="Not calibrated: it makes them worse.")
    fitted = model(calibrated=True, samples=(MEASURED,), sentence="Temperature 0.5.")
    assert [*calibration_remarks(ReliabilityData({}, (few, worse, fitted)))] == [
        "Region 1, seed 0: the confidence ranks pixels only. Not calibrated: 3 polygons; expected 50.",
        "Region 1, seed 0: the confidence is the probability of the classifier. Not calibrated: it makes them worse.",
    ]


def test_a_difference_that_rounds_to_zero_is_not_negative() -> None:
    data = ReliabilityData({}, (model(calibrated=True, samples=(MEASURED,), sentence="Temperature 0.5."),))
    text = reliability_text(data, CLASSES)
    assert "+0.000" in text
    assert "-0.000" not in text
