"""Dimension reduction in the accuracy report: table, remark and JSON."""

from __future__ import annotations

import json

from iota2.core.nomenclature import Nomenclature
from iota2.report.results.page import ReportData, render_report
from iota2.report.results.reductions import (
    ReducedGroup,
    ReducedModel,
    reduction_remarks,
    reduction_table,
    reductions_json,
)

CLASSES = Nomenclature((1, 2), ("wheat", "maize"), ((255, 0, 0), (0, 255, 0)), (1, 2))
DATES = (ReducedGroup("20180101", 8, 2, 0.95), ReducedGroup("<20180111>", 8, 2, 0.71))
GOOD = (ReducedGroup("20180101", 8, 3, 0.97), ReducedGroup("<20180111>", 8, 4, 0.9))
MODELS = (ReducedModel("west", 0, DATES), ReducedModel("east", 0, GOOD))


def test_groups_with_little_explained_variance_are_remarked() -> None:
    (remark,) = reduction_remarks(MODELS)
    assert remark.startswith(
        "Region west, seed 0: the components explain less than 90 % of the variance of 1 of 2 groups of features, "
        "least of <20180111>: 71.0 % by 2 components."
    )
    assert [*reduction_remarks(MODELS[1:])] == []


def test_the_page_has_a_column_for_each_model_and_a_row_for_each_group() -> None:
    page = render_report(ReportData("Fields", CLASSES, reductions=MODELS))
    table = page.partition("Dimension reduction</summary>")[2].partition("</table>")[0]
    assert "Region west, seed 0: features" in table
    assert '<td class="left">20180101</td><td>8</td><td>2</td><td>95.0</td><td>8</td><td>3</td><td>97.0</td>' in table
    assert "&lt;20180111&gt;</td><td>8</td><td>2</td><td><b>71.0</b></td><td>8</td><td>4</td><td>90.0</td>" in table
    assert "All groups</td><td>16</td><td>4</td><td></td><td>16</td><td>7</td>" in table
    assert "Dimension reduction" not in render_report(ReportData("Fields", CLASSES))


def test_groups_of_optical_and_radar_models_are_matched_by_name() -> None:
    """Here both models have as many groups, and one of them has a name in common with other features."""
    optical = ReducedModel("1", 0, (ReducedGroup("20180101", 8, 2, 0.95), ReducedGroup("20180111", 8, 3, 0.96)))
    radar = ReducedModel("1_SAR", 0, (ReducedGroup("20180105", 4, 1, 0.97), ReducedGroup("20180111", 2, 1, 0.98)))
    table = reduction_table((optical, radar))
    cells = {
        row["name"]: [cell and (cell["features"], cell["components"]) for cell in row["cells"]] for row in table["rows"]
    }
    assert cells == {"20180101": [(8, 2), None], "20180111": [(8, 3), (2, 1)], "20180105": [None, (4, 1)]}
    assert [total["features"] for total in table["totals"]] == [16, 6]
    shorter = reduction_table((optical, ReducedModel("1_SAR", 0, radar.groups[:1])))
    assert [row["name"] for row in shorter["rows"]] == ["20180101", "20180111", "20180105"]
    page = render_report(ReportData("Fields", CLASSES, reductions=(optical, radar)))
    assert "20180105</td><td></td><td></td><td></td><td>4</td><td>1</td><td>97.0</td>" in page


def test_the_reductions_are_json_values() -> None:
    found = json.loads(json.dumps(reductions_json(MODELS)))
    assert found[0]["groups"][1] == {"name": "<20180111>", "features": 8, "components": 2, "explained": 0.71}
    assert [model["region"] for model in found] == ["west", "east"]
