"""What the report says of the options that models were trained with."""

from __future__ import annotations

from iota2.classifiers.registry import as_options, validate_options
from iota2.report.results.page import ModelView
from iota2.steps.validation.report import options_of_models


def model(kind: str, options: dict[str, object]) -> ModelView:
    return ModelView("1", 0, kind, as_options(kind, validate_options(kind, options)[0]), 100)


def test_options_of_the_classifier_that_differ_from_their_default_are_shown() -> None:
    options = {"classifier.rf.min": 7, "classifier.rf.nbtrees": 50}
    told = options_of_models([model("rf", options), model("rf", options)])
    assert [*told] == ["arg_train.otb_classifier_options"]
    (text,) = told.values()
    assert "'classifier.rf.min': 7" in text
    assert text.count("classifier.rf.nbtrees") == 1
    assert "classifier.rf.max" not in text


def test_defaults_are_not_shown_and_another_classifier_is() -> None:
    assert options_of_models([model("rf", {})]) == {}
    assert options_of_models([model("sharkrf", {})]) == {"arg_train.classifier": "sharkrf"}


def test_options_of_models_that_differ_stand_side_by_side() -> None:
    told = options_of_models([model("rf", {"classifier.rf.min": number}) for number in (7, 8)])
    assert told["arg_train.otb_classifier_options"] == "{'classifier.rf.min': 7} | {'classifier.rf.min': 8}"
