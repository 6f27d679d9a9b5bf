"""A run with calibrated models: labels stay, confidence and probabilities change, files and reports say so."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely

from iota2.classifiers.models import load_model
from tests.chain.helpers import Case, copied, read, run, said, small

__all__ = ["small"]
MAP, CONFIDENCE = "final/Classif_Seed_0.tif", "final/Confidence_Seed_0.tif"
PROBABILITIES = "final/ProbabilityMap_seed_0.tif"


def cells(case: Case) -> Path:
    """The reference polygons, each cut in nine, so that there are enough for a calibration; some labels are wrong."""
    frame, parts, codes = case.reference(), [], sorted(set(case.reference()["code"]))
    for code, polygon in zip(frame["code"], frame.geometry, strict=True):
        x0, y0, x1, y1 = polygon.bounds
        for row, column in np.ndindex(3, 3):
            x, y = np.linspace(x0, x1, 4)[column : column + 2], np.linspace(y0, y1, 4)[row : row + 2]
            label = codes[len(parts) % 3] if len(parts) % 5 == 0 else code
            parts.append({"code": label, "geometry": polygon.intersection(shapely.box(x[0], y[0], x[1], y[1]))})
    path = case.files.ground_truth.with_name("cells.gpkg")
    gpd.GeoDataFrame([one for one in parts if one["geometry"].area > 300], crs=frame.crs).to_file(path, driver="GPKG")
    return path


@pytest.fixture(scope="module")
def mapped(small: Case, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Function that runs the chain with a calibration, once for each, on polygons cut in cells."""
    done: dict[str, Path] = {}

    def output(calibration: str) -> Path:
        if calibration not in done:
            case = copied(small, tmp_path_factory.mktemp(calibration) / "case")
            options = {"calibration": calibration, "enable_probability_map": True}
            forest = {"otb_classifier_options": {"classifier.rf.nbtrees": 20}, "ratio": 0.7}
            truth = {"ground_truth": str(cells(case))}
            run(case.configured(chain=truth, arg_train=forest, arg_classification=options))
            done[calibration] = case.output
        return done[calibration]

    return output


def test_labels_stay_and_confidence_is_the_calibrated_one(mapped: Callable[[str], Path]) -> None:
    plain, calibrated = mapped("none"), mapped("temperature")
    model = load_model(calibrated / "model/model_1_seed_0")
    assert model.calibration is not None
    assert model.calibration.calibration is not None
    np.testing.assert_array_equal(read(calibrated / MAP), read(plain / MAP))
    seen = read(plain / MAP) > 0
    before, after = (
        np.stack([read(root / PROBABILITIES, band)[seen] for band in range(1, 4)], axis=1) / 1000
        for root in (plain, calibrated)
    )
    np.testing.assert_allclose(after, model.calibration.calibration.apply(before), atol=0.02)
    assert (read(calibrated / CONFIDENCE)[seen] != read(plain / CONFIDENCE)[seen]).mean() > 0.5
    assert np.abs(after.max(axis=1) * 100 - read(calibrated / CONFIDENCE)[seen]).max() <= 0.6


def test_files_and_reports_say_whether_the_confidence_is_calibrated(mapped: Callable[[str], Path]) -> None:
    for calibration, kind in (
        ("none", "probability of the classifier, not calibrated"),
        ("temperature", "calibrated probability (temperature)"),
    ):
        root = mapped(calibration)
        with rasterio.open(root / CONFIDENCE) as file:
            assert file.tags()["CONFIDENCE"] == kind
        found = json.loads((root / "final/metrics.json").read_text(encoding="utf-8"))["reliability"]
        (seed,) = found["seeds"]
        assert 0 < seed["parts"]["all"]["error"]["value"] < 0.5
        assert seed["parts"]["all"]["error"]["low"] is not None
        for text in said(root).values():
            assert ("uniform share" in text) == (calibration == "temperature")
        assert "Reliability of the confidence" in said(root)["report.html"]
        assert (root / "final/Reliability_Seed_0.png").stat().st_size > 5000
    (model,) = found["models"]
    assert [one["about"].split(" and ")[-1] for one in model["samples"]][-1] == "calibrated"
