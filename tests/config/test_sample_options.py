"""Options of copied and added samples, and of class weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from iota2.config.options.train import ArgTrain, SampleAugmentation
from iota2.errors import ConfigError
from tests.config.helpers import loaded

BALANCE = {"activate": True, "strategy": "smote", "samples.strategy": "balance"}


def arg_train(folder: Path, **options: Any) -> ArgTrain:
    (folder / "s2").mkdir(exist_ok=True)
    return loaded(folder, {"s2_path": "s2"}, {"arg_train": options}).arg_train


def refusal(folder: Path, **options: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        arg_train(folder, **options)
    return str(caught.value)


def test_additional_samples_are_for_all_models_unless_some_are_named(tmp_path: Path) -> None:
    given = arg_train(tmp_path, sample_augmentation=BALANCE).sample_augmentation
    assert given.targets("1", "1")
    some = arg_train(tmp_path, sample_augmentation=BALANCE | {"target_models": ["1", "3"]}).sample_augmentation
    models = (("1", "1"), ("2", "2"), ("3f1", "3"), ("3f1", "3f1"), ("f1", "f1"))
    assert [some.targets(*model) for model in models] == [True, False, True, False, False]


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"activate": True}, "'activate': True needs 'strategy' and 'samples.strategy'; add it"),
        (BALANCE | {"samples.strategy": "minNumber"}, "needs 'samples.strategy.minNumber'"),
        (BALANCE | {"samples.strategy": "byClass"}, "needs 'samples.strategy.byClass'"),
        (BALANCE | {"samples.strategy": "byClass", "samples.strategy.byClass": ""}, "needs 'samples.strategy.byClass'"),
        (BALANCE | {"target_models": []}, "'target_models' is empty, so no model would get samples; name regions"),
        (BALANCE | {"target_models": ""}, "'target_models' is empty"),
        (BALANCE | {"strategy": "smot"}, "got 'smot'; did you mean 'smote'?"),
        (BALANCE | {"samples.strategy": "byclass"}, "did you mean 'byClass'?"),
        (BALANCE | {"strategy.smote.neighbors": 0}, "expected a whole number or None ≥ 1"),
        (BALANCE | {"strategy.jitter.stdfactor": 0}, "expected a number or None > 0"),
        (BALANCE | {"samples.strategy.byClass": "gone.csv"}, "no file"),
        (BALANCE | {"stratgy": "smote"}, "unknown option; did you mean 'strategy'?"),
    ],
)  # fmt: skip
def test_invalid_options_of_additional_samples_are_refused(tmp_path: Path, given: dict[str, Any], text: str) -> None:
    assert text in refusal(tmp_path, sample_augmentation=given)


def test_weights_of_classes_are_balanced_or_by_label(tmp_path: Path) -> None:
    assert arg_train(tmp_path).class_weight is None
    assert arg_train(tmp_path, class_weight="None").class_weight is None
    assert arg_train(tmp_path, class_weight="balanced").class_weight == "balanced"
    assert arg_train(tmp_path, class_weight={11: 2, "12": 0.5}).class_weight == {"11": 2.0, "12": 0.5}


@pytest.mark.parametrize("value", ["balance", {"11": 0}, {"11": -1}, {"11": "much"}, 3, {"11": float("inf")}])
def test_invalid_weights_are_refused(tmp_path: Path, value: object) -> None:
    message = refusal(tmp_path, class_weight=value)
    assert "arg_train.class_weight" in message
    assert "expected 'balanced', a dictionary of labels and weights > 0, or None" in message


@pytest.mark.parametrize("name", ["", " "])
def test_an_empty_name_of_a_scikit_classifier_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "s2").mkdir()
    with pytest.raises(ConfigError, match=r"model_type: is empty; name a classifier of scikit-learn, or give None"):
        loaded(tmp_path, {"s2_path": "s2"}, {"scikit_models_parameters": {"model_type": name}})
    given = loaded(tmp_path, {"s2_path": "s2"}, {"scikit_models_parameters": {"model_type": "None"}})
    assert given.scikit_models_parameters.model_type is None


@pytest.mark.parametrize(
    ("given", "same"),
    [
        ({"activate": False, "strategy": "smote", "samples.strategy": "balance", "target_models": ["1"]}, {}),
        (BALANCE | {"strategy.smote.neighbors": 5, "strategy.jitter.stdfactor": 3}, BALANCE),
        (BALANCE | {"samples.strategy.minNumber": 9, "target_models": ["2", "all"]}, BALANCE),
        (BALANCE | {"target_models": ["2", "1", "2"]}, BALANCE | {"target_models": "1, 2"}),
    ],
)
def test_options_of_additional_samples_with_equal_effect_are_equal(
    tmp_path: Path, given: dict[str, Any], same: dict[str, Any]
) -> None:
    one, other = (arg_train(tmp_path, sample_augmentation=options).sample_augmentation for options in (given, same))
    assert one != other
    assert one.effective() == other.effective()
    assert one.effective() != SampleAugmentation.model_validate(BALANCE | {"strategy": "jitter"}).effective()


def test_weights_of_classes_without_effect_are_none(tmp_path: Path) -> None:
    assert arg_train(tmp_path, class_weight={}).class_weight is None
    assert [*arg_train(tmp_path, class_weight={"b": 2, "a": 3}).class_weight.items()] == [("a", 3.0), ("b", 2.0)]
