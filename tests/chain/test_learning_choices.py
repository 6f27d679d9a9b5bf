"""Maps by other classifiers than the forest: their models, files and reports."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from iota2.classifiers import load_model
from tests.chain.helpers import Case, case, command, read, run, said, small

__all__ = ["case", "small"]

VOTE = {
    "model_type": "VotingClassifier",
    "keyword_arguments": {
        "estimators": {
            "boosting": {"model_type": "HistGradientBoostingClassifier", "max_iter": 10},
            "svc": {"model_type": "Pipeline", "steps": {"scale": "StandardScaler", "svc": "SVC"}},
        }
    },
}
SEARCHED = {
    "model_type": "SVC",
    "standardization": True,
    "cross_validation_parameters": {"C": [1, 10], "kernel": ["linear", "rbf"]},
    "cross_validation_folds": 3,
}


def configured(case: Case, *, scikit: dict[str, Any] | None = None, **arg_train: Any) -> Path:
    return case.configured(
        arg_train=arg_train,
        arg_classification={"enable_probability_map": True},
        **({"scikit_models_parameters": scikit} if scikit else {}),
    )


@pytest.mark.parametrize(
    ("scikit", "arg_train"),
    [
        (SEARCHED, {}),
        ({"model_type": "HistGradientBoostingClassifier", "max_iter": 20}, {}),
        ({"model_type": "LGBMClassifier", "n_estimators": 20}, {}),
        pytest.param(VOTE, {}, marks=pytest.mark.long),
        pytest.param(
            None, {"classifier": "knn", "otb_classifier_options": {"classifier.knn.k": 5}}, marks=pytest.mark.long
        ),
        pytest.param(
            None,
            {"classifier": "libsvm", "otb_classifier_options": {"classifier.libsvm.k": "linear"}},
            marks=pytest.mark.long,
        ),
    ],
    ids=["SVC", "boosting", "lightgbm", "vote", "knn", "libsvm"],
)
def test_a_map_by_another_classifier(case: Case, scikit: dict[str, Any] | None, arg_train: dict[str, Any]) -> None:
    run(configured(case, scikit=scikit, **arg_train))
    labels = read(case.output / "final/Classif_Seed_0.tif")
    (measures,) = json.loads(said(case.output)["metrics.json"])["seeds"]
    assert set(np.unique(labels)) > {0}
    assert measures["overall_accuracy"] > 0.9
    model = load_model(case.output / "model/model_1_seed_0")
    probabilities = read(case.output / "final/ProbabilityMap_seed_0.tif")
    assert (probabilities[labels > 0] >= 0).all()
    assert len(model.classes) == 3
    statistics = case.output / "stats/Model_1_seed_0.xml"
    assert statistics.is_file() == (scikit is SEARCHED or arg_train.get("classifier") == "libsvm")
    assert not list(case.output.rglob("*.pkl"))


def test_a_grid_search_is_reported_with_both_scores(case: Case) -> None:
    run(configured(case, scikit=SEARCHED))
    folder = case.output / "model"
    scores = json.loads((folder / "model_1_seed_0_cross_val_param.json").read_text(encoding="utf-8"))
    assert len(scores["candidates"]) == 4
    assert scores["polygons_kept_together"] is False
    assert all(len(one["scores"]) == 3 for one in scores["candidates"])
    text = (folder / "model_1_seed_0_cross_val_param.cv").read_text(encoding="utf-8")
    assert text.count(" for C = ") == 4
    texts = said(case.output)
    for name in ("RESULTS.txt", "report.html"):
        assert "the grid search chose" in texts[name]
        assert "polygons kept together" in texts[name]
    assert "Grid search: Region 1, seed 0" in texts["report.html"]
    assert "scikit_models_parameters.model_type" in texts["report.html"]
    assert "Land-cover map by SVC: products" in texts["report.html"]
    card = (folder / "model_1_seed_0.txt").read_text(encoding="utf-8")
    assert card.startswith("Model of region 1, random seed 1: SVC\n")
    assert "cross_validation_folds       3" in card
    assert f"estimator    SVC(C={scores['best']['C']}, kernel='{scores['best']['kernel']}')" in card


def test_only_training_runs_again_when_an_argument_changes(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    boosting = {"model_type": "HistGradientBoostingClassifier", "max_iter": 5}
    run(configured(case, scikit=boosting))
    path = configured(case, scikit=boosting | {"max_iter": 6})
    code, out, _ = command(capsys, "plan", path)
    assert code == 0
    assert "learnModel" in out
    assert "keyword_arguments" in command(capsys, "why", path, "learnModel")[1]
    assert not command(capsys, "why", path, "samplesExtraction")[1].count("will run")


def test_a_training_that_did_not_converge_is_remarked(case: Case) -> None:
    run(configured(case, scikit={"model_type": "LogisticRegression", "max_iter": 2}))
    texts = said(case.output)
    for name in ("RESULTS.txt", "report.html"):
        assert "Region 1, seed 0, LogisticRegression: the training stopped at the maximum number" in texts[name]
        assert "with more, or with standardised features." in texts[name]
    card = (case.output / "model/model_1_seed_0.txt").read_text(encoding="utf-8")
    assert "convergence  the training stopped" in card
    assert "cross_validation" not in card, "there is no grid search"
    assert "cross_validation" not in texts["report.html"]
