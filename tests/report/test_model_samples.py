"""Samples of the models in the accuracy report."""

from __future__ import annotations

from iota2.core.nomenclature import Nomenclature
from iota2.report.results.page import ReportData, render_report
from iota2.report.results.samples import (
    ClassSamples,
    changed,
    class_samples,
    model_samples_json,
    model_samples_rows,
    model_samples_text,
)

CLASSES = Nomenclature((1, 2, 3), ("wheat", "<b>maize", "water"), ((9, 8, 7),) * 3, (1, 2, 3))


def found(weights: dict[int, float]) -> tuple[ClassSamples, ...]:
    return tuple(
        one
        for seed in (0, 1)
        for one in class_samples(
            "north", seed, {1: 1200, 2: 5, 3: 0}, copied={2: 7, 3: 0}, added={2: 30}, weights=weights
        )
    )


def test_classes_with_samples_have_their_numbers_and_weights() -> None:
    samples = found({1: 0.5, 2: 2.0})
    assert samples[:2] == (
        ClassSamples("north", 0, 1, 1200, 0, 0, 0.5),
        ClassSamples("north", 0, 2, 5, 7, 30, 2.0),
    )
    assert len(samples) == 4
    assert samples[1].learned == 42


def test_a_class_only_copied_is_listed() -> None:
    assert [*class_samples("1", 0, {}, copied={2: 3}, added={}, weights={})] == [ClassSamples("1", 0, 2, 0, 3, 0, 1.0)]


def test_text_and_page_show_the_models_of_the_first_seed() -> None:
    text = model_samples_text(found({1: 0.5}), CLASSES.name)
    assert "Samples of the models (seed 0)" in text
    assert "- region north, <b>maize (2): 5 extracted, 7 copied, 30 added; 42 learned, weight 1" in text.splitlines()
    assert text.count("wheat") == 1
    page = render_report(ReportData("run", CLASSES, samples=found({1: 0.5})))
    assert "Samples of the models" in page
    assert "&lt;b&gt;maize" in page
    assert "<td>1,200</td><td>0</td><td>0</td><td>1,200</td><td>0.5</td>" in page


def test_nothing_is_shown_if_samples_are_only_extracted() -> None:
    plain = tuple(class_samples("1", 0, {1: 4}, copied={}, added={}, weights={}))
    assert not changed(plain)
    assert model_samples_text(plain, CLASSES.name) == ""
    assert model_samples_rows(plain, CLASSES) == []
    assert "Samples of the models" not in render_report(ReportData("run", CLASSES, samples=plain))


def test_all_models_are_in_the_json() -> None:
    entries = model_samples_json(found({}))
    assert [entry["seed"] for entry in entries] == [0, 0, 1, 1]
    assert entries[1] == {
        "region": "north", "seed": 0, "code": 2, "extracted": 5, "copied": 7, "added": 30, "weight": 1.0, "learned": 42,
    }  # fmt: skip
