"""Options of Orfeo ToolBox set parameters of scikit-learn; all problems are reported at once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from sklearn.ensemble import RandomForestClassifier

from iota2.classifiers import KINDS, validate_options
from iota2.errors import ConfigError
from iota2.options import about, default_of

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "classifiers.md"


def test_defaults_are_those_of_the_legacy_forest():
    parameters, warnings = validate_options("rf", {})
    assert parameters == {
        "max_depth": 25,
        "min_samples_split": 5,
        "max_features": "sqrt",
        "n_estimators": 100,
    }
    assert warnings == ()


@pytest.mark.parametrize(
    ("option", "value", "parameter", "expected"),
    [
        ("classifier.rf.max", 12, "max_depth", 12),
        ("classifier.rf.min", "7", "min_samples_split", 7),
        ("classifier.rf.min", 0, "min_samples_split", 2),
        ("classifier.rf.var", 0, "max_features", "sqrt"),
        ("classifier.rf.var", 9, "max_features", 9),
        ("classifier.rf.nbtrees", 30.0, "n_estimators", 30),
        ("classifier.rf.nbtrees", "30.0", "n_estimators", 30),
        ("classifier.sharkrf.nbtrees", 30, "n_estimators", 30),
        ("classifier.sharkrf.nodesize", 25, "min_samples_split", 25),
        ("classifier.sharkrf.mtry", 4, "max_features", 4),
        ("classifier.sharkrf.oobr", "0.5", "max_samples", 0.5),
    ],
)
def test_an_option_sets_its_parameter(option, value, parameter, expected):
    parameters, warnings = validate_options(option.split(".")[1], {option: value})
    assert parameters[parameter] == expected
    assert type(parameters[parameter]) is type(expected)
    assert warnings == ()


@pytest.mark.parametrize("option", ["classifier.rf.ra", "classifier.rf.cat", "classifier.rf.acc"])
def test_an_option_without_effect_is_accepted_with_a_reason(option):
    parameters, warnings = validate_options("rf", {option: 1})
    assert parameters == validate_options("rf", {})[0]
    assert len(warnings) == 1
    assert warnings[0].startswith(f"{option} has no effect: ")


def test_all_problems_are_reported_with_the_nearest_name():
    given = {
        "classifier.rf.mx": 3,
        "classifier.rf.max": 0,
        "classifier.rf.min": "few",
        "classifier.rf.nbtrees": 2.5,
        "classifier.rf.var": True,
        "classifier.rf.acc": float("nan"),
    }
    with pytest.raises(ConfigError) as caught:
        validate_options("rf", given)
    assert len(caught.value.problems) == len(given)
    text = str(caught.value)
    assert "classifier.rf.mx: unknown option; did you mean 'classifier.rf.max'?" in text
    assert "classifier.rf.max: expected a whole number ≥ 1 and ≤ 1000, got 0" in text
    assert "classifier.rf.min: expected a whole number ≥ 0 and ≤ 1000000000, got 'few'" in text
    assert "classifier.rf.nbtrees: expected a whole number ≥ 1 and ≤ 100000, got 2.5" in text
    assert "classifier.rf.var: expected a whole number ≥ 0 and ≤ 1000000, got True" in text
    assert "classifier.rf.acc: expected a number ≥ 0, got nan" in text


def test_options_of_another_classifier_are_rejected():
    with pytest.raises(ConfigError, match=r"classifier\.rf\.max: unknown option"):
        validate_options("sharkrf", {"classifier.rf.max": 3})


def test_the_legacy_text_is_parsed():
    given = " -classifier.rf.min 5 -classifier.rf.max 12 "
    assert validate_options("rf", given)[0]["max_depth"] == 12
    assert validate_options("rf", "")[0] == validate_options("rf", {})[0]


def test_negative_numbers_in_a_text_are_values():
    with pytest.raises(ConfigError, match=r"classifier\.rf\.max: expected .*, got '-3'"):
        validate_options("rf", "-classifier.rf.max -3")


@pytest.mark.parametrize("text", ["-classifier.rf.min", "5", "classifier.rf.min 5", "-classifier.rf.min 5 6", "'open"])
def test_a_text_that_is_not_pairs_is_rejected(text):
    with pytest.raises(ConfigError, match="otb_classifier_options"):
        validate_options("rf", text)


@pytest.mark.parametrize(("name", "hint"), [("sharkfr", "did you mean sharkrf"), ("xyz", "rf, sharkrf, trees")])
def test_an_unknown_classifier_is_rejected(name, hint):
    with pytest.raises(ConfigError, match=hint):
        validate_options(name, {})


@pytest.mark.parametrize("kind", [KINDS["rf"], KINDS["sharkrf"]], ids=lambda kind: kind.name)
def test_every_default_is_within_its_limits_and_a_parameter_of_scikit_learn(kind):
    params = kind.implementation.Params
    for name, field in params.model_fields.items():
        assert params.read({field.alias: default_of(field)}).parameters() == params().parameters()
        assert about(field).status == "no effect" or name in RandomForestClassifier().get_params()


def test_the_page_lists_all_options_with_parameters_and_defaults():
    page = PAGE.read_text(encoding="utf-8")
    for kind in filter(lambda kind: kind.selectable, KINDS.values()):
        assert all(f"| `{field.alias}` |" in page for field in kind.implementation.Params.model_fields.values())
    assert "| `classifier.rf.max` | a whole number | ≥ 1 and ≤ 1000 | `25` (toolbox: `5`) | `max_depth` | yes |" in page
    assert "| `classifier.rf.acc` | a number | ≥ 0 | `0.01` | – | no effect: " in page


def test_the_registry_imports_no_classifier_and_options_no_trainer():
    """The import of scikit-learn takes longer than the rest of a configuration check."""
    script = (
        "import sys; from iota2.classifiers.registry import validate_options; import iota2.config.load; "
        "assert 'iota2.classifiers.forest' not in sys.modules; validate_options('rf', {}); "
        "assert 'iota2.classifiers.forest' in sys.modules; print('sklearn' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("False\n", "")
