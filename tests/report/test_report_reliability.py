"""Reliability of the confidence in the accuracy report: remarks on models without calibration, signs of zero."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from iota2.compute.map_reliability import map_reliability
from iota2.core.nomenclature import Nomenclature
from iota2.core.tables import ConfidenceCounts
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
    few = model(calibrated=False, samples=(), sentence="Not calibrated: 3 polygons; at least 50 are needed.")
    worse = model(calibrated=False, samples=(MEASURED,), sentence="Not calibrated: it makes them worse.")
    fitted = model(calibrated=True, samples=(MEASURED,), sentence="Temperature 0.5.")
    assert [*calibration_remarks(ReliabilityData({}, (few, worse, fitted)))] == [
        "Region 1, seed 0: the confidence ranks pixels only. Not calibrated: 3 polygons; at least 50 are needed.",
        "Region 1, seed 0: the confidence is the probability of the classifier. Not calibrated: it makes them worse.",
    ]


def test_optical_and_radar_models_are_named_by_their_images() -> None:
    few = model(calibrated=False, samples=(), sentence="Not calibrated.")
    data = ReliabilityData({}, tuple(replace(few, images=images) for images in ("optical", "radar")))
    assert [text.partition(":")[0] for text in calibration_remarks(data)] == [
        "Region 1, optical, seed 0",
        "Region 1, radar, seed 0",
    ]
    assert "Region 1, radar, seed 0: Not calibrated." in reliability_text(data, CLASSES)


def test_probabilities_without_calibration_are_remarked() -> None:
    assert [*calibration_remarks(ReliabilityData({}, ()))] == [
        "The confidence is not calibrated, as requested by arg_classification.calibration: it ranks pixels only."
    ]


def test_a_confidence_far_from_the_share_of_correct_pixels_is_remarked() -> None:
    polygons = np.arange(40)
    counts = ConfidenceCounts(polygons, np.ones(40, int), np.ones(40, int), np.full(40, 30), np.full(40, 9))
    found = map_reliability(counts, (1,), {}, seed=0)
    models = (model(calibrated=True, samples=(MEASURED,), sentence="Temperature 0.5."),)
    (remark,) = calibration_remarks(ReliabilityData({0: found}, models))
    assert remark.startswith("Seed 0: the confidence differs from the share of correct pixels by 0.70 on average")
    honest = map_reliability(replace(counts, confidence=np.full(40, 99)), (1,), {}, seed=0)
    assert not [*calibration_remarks(ReliabilityData({0: honest}, models))]


def test_a_difference_that_rounds_to_zero_is_not_negative() -> None:
    data = ReliabilityData({}, (model(calibrated=True, samples=(MEASURED,), sentence="Temperature 0.5."),))
    text = reliability_text(data, CLASSES)
    assert "+0.000" in text
    assert "-0.000" not in text
