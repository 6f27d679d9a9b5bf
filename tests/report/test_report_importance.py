"""Importance of dates, bands and sensors: combination of models, JSON, picture and tables."""

from __future__ import annotations

import io
import json
import math
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.image import imread

from iota2.core.importance import GroupImportance, ModelImportance, combined, importance_from_json, importance_json
from iota2.core.nomenclature import Nomenclature
from iota2.report.results.figures import BAR_COLOR, BARS_INCHES, QUICKLOOK_DPI, importance_figure
from iota2.report.results.importance import importance_tables, importance_view, importances_json
from iota2.report.results.page import ReportData, render_report

CLASSES = Nomenclature((1, 2), ("wheat", "maize"), ((255, 0, 0), (0, 255, 0)), (1, 2))


def model(region: str, seed: int, losses: tuple[float, float], *, represented: float = 100.0) -> ModelImportance:
    dates = tuple(
        GroupImportance(name, 3, loss, 0.01) for name, loss in zip(("20180201", "20180101"), losses, strict=True)
    )
    bands = (GroupImportance("S <B4>", 2, losses[0] / 2, math.nan), GroupImportance("S $B8$", 2, losses[0], 0.02))
    sensors = (GroupImportance("S", 6, 0.5, 0.03),)
    groups = {"date": dates, "sensor_band": bands, "sensor": sensors}
    return ModelImportance(region, seed, int(represented > 0) * 50, represented, 7, 0.9, groups)  # type: ignore[arg-type]


def test_regions_are_weighted_by_their_validation_pixels_and_seeds_are_averaged() -> None:
    models = [
        model("a", 0, (0.1, 0.0)), model("b", 0, (0.3, 0.2), represented=300), model("a", 1, (0.05, 0.05)),
        model("c", 1, (9, 9), represented=0),
    ]  # fmt: skip
    first, second = combined(models)["date"]
    assert first.loss == pytest.approx(((0.1 * 100 + 0.3 * 300) / 400 + 0.05) / 2)
    assert second.loss == pytest.approx((0.2 * 300 / 400 + 0.05) / 2)
    assert first.error == pytest.approx((math.hypot(0.25 * 0.01, 0.75 * 0.01) + 0.01) / 2)


def test_models_with_other_features_are_matched_by_the_names_of_groups() -> None:
    """Such as a region in which one of the sensors has no image."""
    both, alone = model("a", 0, (0.1, 0.0)), model("b", 0, (0.3, 0.2), represented=300)
    other = (GroupImportance("S", 4, 0.1, 0.01), GroupImportance("L", 2, 0.4, 0.02))
    mixed = [replace(both, groups={**both.groups, "sensor": other}), alone]
    first, second = combined(mixed)["sensor"]
    assert (first.name, first.features) == ("S", 6)
    assert first.loss == pytest.approx((0.1 * 100 + 0.5 * 300) / 400)
    assert (second.name, second.features) == ("L", 2)
    assert second.loss == pytest.approx(0.4 * 100 / 400), "the other model loses nothing without it"
    assert combined(mixed[::-1])["sensor"][0].loss == pytest.approx(first.loss)


def test_the_importance_of_a_model_is_the_same_after_reading() -> None:
    found = importance_from_json(json.loads(json.dumps(importance_json(model("a", 0, (0.1, 0.2))))))
    assert importance_json(found) == importance_json(model("a", 0, (0.1, 0.2)))
    assert math.isnan(found.groups["sensor_band"][0].error)


def test_dates_are_in_order_and_bands_by_importance_and_a_single_sensor_is_omitted() -> None:
    view = importance_view([model("a", 0, (0.1, 0.2))])
    assert [one.name for one in view.groups["date"]] == ["20180101", "20180201"]
    assert [one.name for one in view.groups["sensor_band"]] == ["S $B8$", "S <B4>"]
    assert "sensor" not in view.groups
    dates, bands = importance_tables(view)
    assert dates["rows"][0] == {"name": "20180101", "features": 3, "loss": "20.00", "error": "1.00"}
    assert bands["rows"][1]["error"] == "–"
    content = importances_json([model("a", 0, (0.1, 0.2))])
    assert json.loads(json.dumps(content, allow_nan=False))["map"]["sensor"][0]["loss"] == 0.5


def test_the_page_shows_picture_and_tables() -> None:
    view = importance_view([model("a", 0, (0.1, 0.2))])
    assert importance_figure(view).startswith(b"\x89PNG")
    assert importance_figure(view) == importance_figure(view)
    page = render_report(ReportData("Fields", CLASSES, importance=view))
    assert "Importance of dates, bands and sensors" in page
    assert "measured in 50 of them" in page
    assert '<td class="left">S &lt;B4&gt;</td><td>2</td><td>5.00</td><td>–</td>' in page
    assert "Importance of dates" not in render_report(ReportData("Fields", CLASSES))


def test_small_losses_of_dates_are_visible_beside_large_ones_of_bands() -> None:
    found = model("a", 0, (0.02, 0.01))
    bands = tuple(GroupImportance(name, 2, 0.5, 0.0) for name in ("S B4", "S B8"))
    view = importance_view([replace(found, groups={**found.groups, "sensor_band": bands})])
    image = imread(io.BytesIO(importance_figure(view)))[..., :3]
    bars = np.abs(image - to_rgb(BAR_COLOR)).max(axis=-1) < 0.02
    dates = bars[:, : bars.shape[1] // 2]
    assert dates.sum(axis=1).max() > 0.3 * BARS_INCHES * QUICKLOOK_DPI


def test_a_loss_that_rounds_to_zero_is_not_negative() -> None:
    (dates, _) = importance_tables(importance_view([model("a", 0, (-0.00001, 0.1))]))
    assert [row["loss"] for row in dates["rows"]] == ["10.00", "0.00"]


def test_without_validation_pixels_the_page_says_so() -> None:
    view = importance_view([model("a", 0, (math.nan, math.nan), represented=0)])
    assert not view.groups
    assert "not measured, because there are no validation pixels" in render_report(
        ReportData("Fields", CLASSES, importance=view)
    )
