"""Classes and regions that the selection of pixels loses or does not know: reported before the run or after it."""

from __future__ import annotations

from pathlib import Path

import pytest

from iota2.chains.load import load_config
from iota2.classifiers import load_model
from iota2.runs.preview import survey_and_plan
from tests.chain.helpers import Case, case, command, refused, run, said, small

__all__ = ["case", "small"]
CODES = (11, 12, 31)


def by_table(case: Case, table: str) -> Path:
    path = case.files.folder / "counts.csv"
    path.write_text(table, encoding="utf-8")
    selection = {"strategy": "byclass", "strategy.byclass.in": str(path)}
    return case.configured(arg_train={"sample_selection": selection})


def test_a_count_of_no_class_is_refused_with_the_labels_there_are(
    case: Case, capsys: pytest.CaptureFixture[str]
) -> None:
    message = refused(capsys, by_table(case, "11,50\n12,50\n311,50\n7,1\n"))
    assert "counts.csv" in message
    assert "label '311' is not in the reference data; the labels are 11, 12, 31" in message
    assert "label '7' is not in the reference data; the labels are 11, 12, 31" in message


def test_a_class_without_count_is_reported_before_the_run_and_in_its_report(case: Case) -> None:
    config = by_table(case, "11,50\n12,50\n")
    found, _ = survey_and_plan(load_config(config))
    assert any("counts.csv: no count for label 31" in remark.text for remark in found.remarks)
    run(config)
    for name, text in said(case.output).items():
        assert "(31) has no sample to learn from in region 1 (seed 0): arg_train.sample_selection" in text, name


def test_a_class_without_polygon_is_reported_before_the_run_and_in_its_report(
    case: Case, capsys: pytest.CaptureFixture[str]
) -> None:
    with open(case.files.nomenclature, "a", encoding="utf-8") as file:
        file.write("eau:51\n")
    config = case.configured()
    note = "Class eau (51) of the nomenclature has no usable polygon: it will not be on the map."
    code, printed, error = command(capsys, "check", config)
    assert code == 0, error
    assert " ".join(printed.split()).count(note) == 1
    run(config)
    for name, text in said(case.output).items():
        assert text.count(note) == 1, name


def test_classes_that_a_small_total_leaves_nothing_are_reported(case: Case) -> None:
    run(case.configured(arg_train={"sample_selection": {"strategy": "total", "strategy.total.v": 2}}))
    learned = set(load_model(case.output / "model/model_1_seed_0").classes)
    for name, text in said(case.output).items():
        message = {code for code in CODES if f"({code}) has no sample to learn from in region 1" in text}
        assert message == set(CODES) - learned, name
        assert message, name


@pytest.mark.parametrize("regions", [True, False])
def test_a_selection_for_a_region_that_does_not_exist_is_refused(
    case: Case, capsys: pytest.CaptureFixture[str], regions: bool
) -> None:
    chain = {"region_path": str(case.files.regions)} if regions else {}
    entry = {"target_model": "22", "strategy": "smallest"}
    config = case.configured(
        chain=chain, arg_train={"sample_selection": {"strategy": "smallest", "per_model": [entry]}}
    )
    code, _, message = command(capsys, "check", config)
    assert code == 1
    assert "per_model.0: target_model '22' is not a region of" in message
    assert ("expected one of 1, 2" if regions else "expected one of 1") in message
