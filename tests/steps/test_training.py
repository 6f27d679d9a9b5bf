"""Training from a file of samples: model, memory and errors, for each file format."""

from __future__ import annotations

import json
import tracemalloc
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from sklearn.utils.class_weight import compute_sample_weight

from iota2.classifiers import load_model, save_model, train_model, validate_options
from iota2.classifiers.base import Model
from iota2.classifiers.evidence import out_of_fold_confusion
from iota2.classifiers.fitting import Fitting, fit_seed
from iota2.classifiers.samples import Samples
from iota2.classifiers.scikit import method as scikit
from iota2.config.learner import Learner
from iota2.config.options.maps import ArgClassification
from iota2.config.options.schema import Config
from iota2.config.options.train import ArgTrain, ScikitModels
from iota2.core.cost import Facts
from iota2.core.graph import JobContext, Key, Paths, Resources
from iota2.core.recipe import FeatureRecipe, SensorRecipe
from iota2.core.tables import CODE, ORIGIN, Confusion, sample_columns
from iota2.errors import InputError
from iota2.io.tables.confusions import read_confusion
from iota2.io.tables.split_groups import split_groups_csv
from iota2.io.tables.vectors import read_samples, write_samples
from iota2.steps.learning import learned_confusion, training
from tests.steps.helpers import write_codes

DATES = tuple(f"{date(2018, 1, 1) + timedelta(days=5 * k):%Y%m%d}" for k in range(60))
RECIPE = FeatureRecipe((SensorRecipe("Sentinel2", ("B2", "B4"), {"red": "B4"}, DATES),))
FORMATS = (".sqlite", ".parquet")
WRITTEN = {"model", "search_scores"}
"""Outputs of the training from which the accuracy is measured."""
MASK = ArgClassification(missing_sensors="mask")


def job_of(root: Path, suffix: str, count: int) -> JobContext:
    """The job that trains on ``count`` samples of two classes, in the file format ``suffix``."""
    rng = np.random.default_rng(0)
    codes = rng.integers(1, 3, count)
    x = (rng.normal(size=(count, len(RECIPE.names))) + codes[:, None]).astype(np.float32)
    attributes = pd.DataFrame({CODE: codes, ORIGIN: np.arange(count) // 5})
    frame = pd.concat([attributes, pd.DataFrame(x, columns=sample_columns(RECIPE)[::-1])], axis=1)
    points = gpd.points_from_xy(x[:, 0], x[:, 1], crs="EPSG:2154")
    write_samples(gpd.GeoDataFrame(frame, geometry=points), root / f"samples{suffix}")
    (root / "recipe.json").write_text(json.dumps(RECIPE.to_json()), encoding="utf-8")
    parameters, _ = validate_options("rf", {"classifier.rf.nbtrees": 3, "classifier.rf.max": 4})
    return JobContext(
        Paths(root, {"recipe": "recipe.json", "samples": f"samples{suffix}", "classes": write_codes(root)}),
        Paths(root, {"model": f"model{suffix}", "card": f"card{suffix}.txt"}),
        Key.of(region="1", submodel="", seed=0, source=""),
        training.TrainingParams(Learner("rf", parameters), 0),
        Resources(threads=2),
    )


@pytest.mark.parametrize("suffix", FORMATS)
def test_the_model_does_not_depend_on_the_format_of_the_samples(tmp_path: Path, suffix: str) -> None:
    job = job_of(tmp_path, suffix, 300)
    training.run(job)
    samples = read_samples(tmp_path / f"samples{suffix}")
    x, y = samples[sample_columns(RECIPE)].to_numpy(np.float32), samples[CODE].to_numpy()
    model = train_model("rf", job.params.learner.parameters, x, y, recipe=RECIPE, seed=0, region="1", threads=1)
    save_model(model, tmp_path / "expected", tmp_path / "expected.txt")
    for name in ("forest.npz", "model.json"):
        assert (tmp_path / f"model{suffix}" / name).read_bytes() == (tmp_path / "expected" / name).read_bytes()
    assert (tmp_path / f"card{suffix}.txt").read_bytes() == (tmp_path / "expected.txt").read_bytes()


@pytest.mark.parametrize("suffix", [pytest.param(FORMATS[0], marks=pytest.mark.long), *FORMATS[1:]])
def test_training_needs_memory_for_about_one_copy_of_the_samples(tmp_path: Path, suffix: str) -> None:
    job = job_of(tmp_path, suffix, 30_000)
    training.run(job)  # imports
    tracemalloc.start()
    training.run(job)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    values = 4 * 30_000 * len(RECIPE.names)
    assert values < peak < 1.5 * values


@pytest.mark.parametrize("suffix", FORMATS)
def test_training_without_samples_is_an_error(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(InputError, match="Region 1, seed 0: no pixel to learn from"):
        training.run(job_of(tmp_path, suffix, 0))


def calibrated(root: Path, groups: dict[int, int] | None = None) -> Model:
    """The model of a job with calibration; ``groups`` of polygons stay together."""
    job = job_of(root, ".parquet", 600)
    job = replace(job, params=replace(job.params, calibration="temperature"))
    if groups is not None:
        text = split_groups_csv(np.array(list(groups)), np.array(list(groups.values())))
        (root / "groups.csv").write_text(text, encoding="utf-8")
        job = replace(job, inp=Paths(root, {**job.inp.bound, "groups": "groups.csv"}))
    training.run(job)
    return load_model(root / "model.parquet")


def test_a_calibration_keeps_the_samples_of_a_polygon_together(tmp_path: Path) -> None:
    found = calibrated(tmp_path).calibration
    assert found is not None
    assert (found.polygons, found.samples, found.choice) == (120, 600, "temperature")
    assert found.calibration is not None


def test_a_calibration_keeps_groups_of_polygons_together(tmp_path: Path) -> None:
    found = calibrated(tmp_path, {polygon: polygon % 40 for polygon in range(120)}).calibration
    assert found is not None
    assert found.polygons == 40
    assert found.calibration is None


def test_the_options_of_training_are_named_as_in_the_configuration() -> None:
    named = training.TrainingParams(Learner("rf", {"n_estimators": 3}), 7, "isotonic").by_user_name()
    assert named == {
        "arg_train.classifier": "rf",
        "classifier.rf.nbtrees": 3,
        "arg_train.class_weight": None,
        "arg_train.dempster_shafer_sar_opt_fusion": False,
        "arg_train.context_window": None,
        "arg_train.autocontext_iterations": None,
        "arg_train.random_seed": 7,
        "arg_classification.calibration": "isotonic",
    }
    params = training.TrainingParams(Learner("rf", {}), 7, share=0.01, reduction=("global", 3))
    assert (
        params.by_user_name().items()
        >= {
            "arg_classification.missing_sensors_share": 0.01,
            "dim_red.reduction_mode": "global",
            "dim_red.target_dimension": 3,
        }.items()
    )


def confusion(job: JobContext) -> Confusion:
    """The confusion matrix of a trained model in its learning samples."""
    given = job.params
    learned = replace(
        job,
        inp=Paths(
            job.inp.root, {**job.inp.bound, **{name: job.out.bound[name] for name in WRITTEN & {*job.out.bound}}}
        ),
        out=Paths(job.out.root, {"confusion": "learned.csv"}),
        params=learned_confusion.LearnedConfusionParams(given.learner, given.class_weight),
    )
    learned_confusion.run(learned)
    return read_confusion(job.out.root / "learned.csv")


def test_a_model_is_measured_in_learning_samples_of_other_polygons(tmp_path: Path) -> None:
    job = job_of(tmp_path, ".parquet", 600)
    training.run(job)
    found = confusion(job).counts
    assert found.sum() == 600
    assert 0.6 < np.trace(found) / 600 < 1.0
    samples = read_samples(tmp_path / "samples.parquet")
    x, y = samples[sample_columns(RECIPE)].to_numpy(np.float32), samples[CODE].to_numpy()
    groups = samples[ORIGIN].to_numpy()
    fit = Fitting("rf", job.params.learner.parameters, RECIPE, fit_seed(0, "1")).to_some(Samples(x, y, None, groups))
    expected = out_of_fold_confusion(fit, y, groups, (1, 2), seed=0, name="1")
    np.testing.assert_array_equal(found, expected.counts)
    weighted = replace(job, params=replace(job.params, class_weight={"1": 50.0}))
    assert confusion(weighted).counts[:, 0].sum() > found[:, 0].sum()


def test_the_search_of_a_model_is_not_repeated_for_its_accuracy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    section = ScikitModels(model_type="SVC", C=1.0, cross_validation_parameters={"C": [1e-9, 10.0]})
    job = job_of(tmp_path, ".parquet", 90)
    out = {**job.out.bound, "search": "search.txt", "search_scores": "search.json"}
    params = training.params(Config(chain=None, scikit_models_parameters=section, arg_classification=MASK))
    job = replace(job, params=replace(params, calibration="none"), out=Paths(tmp_path, out))
    training.run(job)

    def again(*_: object, **__: object) -> None:
        raise AssertionError("searched again")

    monkeypatch.setattr(scikit, "grid_search", again)
    found = confusion(job).counts
    best = json.loads((tmp_path / "search.json").read_text(encoding="utf-8"))
    assert best["best"] == {"C": 10.0}
    assert np.trace(found) / found.sum() > 0.9
    best["best"] = {"C": 1e-9}
    (tmp_path / "search.json").write_text(json.dumps(best), encoding="utf-8")
    assert not np.array_equal(confusion(job).counts, found)


def test_training_does_not_depend_on_the_combination_of_models() -> None:
    given = ("-method majorityvoting", "-method dempstershafer", "mean")
    found = [
        training.params(
            Config(
                chain=None,
                arg_classification=ArgClassification(missing_sensors="mask", fusion_options=one, classif_mode="fusion"),
            )
        )
        for one in given
    ]
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("given", ["balanced", {"1": 5.0}])
def test_classes_are_weighted(tmp_path: Path, given: str | dict[str, float]) -> None:
    job = job_of(tmp_path, ".parquet", 300)
    plain = replace(job, out=Paths(tmp_path, {"model": "plain", "card": "plain.txt"}))
    training.run(plain)
    training.run(replace(job, params=replace(job.params, class_weight=given)))
    samples = read_samples(tmp_path / "samples.parquet")
    x, y = samples[sample_columns(RECIPE)].to_numpy(np.float32), samples[CODE].to_numpy()
    weight = compute_sample_weight(given if given == "balanced" else {1: 5.0, 2: 1.0}, y)
    parameters = job.params.learner.parameters
    model = train_model("rf", parameters, x, y, recipe=RECIPE, seed=0, region="1", threads=1, weight=weight)
    save_model(model, tmp_path / "expected", tmp_path / "expected.txt")
    found = (tmp_path / "model.parquet" / "forest.npz").read_bytes()
    assert found == (tmp_path / "expected" / "forest.npz").read_bytes()
    assert found != (tmp_path / "plain" / "forest.npz").read_bytes()


@pytest.mark.parametrize(("classifier", "weights"), [("rf", True), ("svm", True), ("knn", False)])
def test_a_classifier_without_weights_is_a_problem_of_the_option(classifier: str, weights: bool) -> None:
    facts = Facts({}, {})
    config = Config(chain=None, arg_train=ArgTrain(classifier=classifier, class_weight="balanced"))
    found = [*training.check(config, facts)]
    assert bool(found) != weights
    for finding in found:
        assert finding.option == ("arg_train", "class_weight")
        assert f"classifier '{classifier}' cannot use weights" in finding.text
    assert [*training.check(Config(chain=None, arg_train=ArgTrain(classifier=classifier)), facts)] == []


def test_weights_of_one_do_not_change_the_parameters() -> None:
    given = ({"1": 1, "2": 3}, {"2": 3.0}, {"1": 1.0}, None)
    found = [
        training.params(Config(chain=None, arg_train=ArgTrain(class_weight=one), arg_classification=MASK))
        for one in given
    ]
    assert found[0] == found[1] != found[2] == found[3]


def test_arguments_without_effect_do_not_change_the_parameters() -> None:
    members = {"a": {"model_type": "SVC", "C": 2}, "verbose": "GaussianNB"}
    same = ScikitModels(model_type="VotingClassifier", keyword_arguments={"estimators": members})
    members = {"a": {"model_type": "SVC", "keyword_arguments": {"C": 2, "probability": True}}, "verbose": "GaussianNB"}
    given = ScikitModels(
        model_type="VotingClassifier",
        keyword_arguments={"estimators": {**members, "a": members["a"]}, "n_jobs": 4},
        cross_validation_folds=3,
    )
    one, other = (
        training.params(Config(chain=None, scikit_models_parameters=section, arg_classification=MASK))
        for section in (given, same)
    )
    nested = one.learner.parameters["keyword_arguments"]["estimators"]
    assert nested == {"a": {"model_type": "SVC", "keyword_arguments": {"C": 2}}, "verbose": "GaussianNB"}
    assert one.learner.parameters | {"keyword_arguments": {}} == other.learner.parameters | {"keyword_arguments": {}}
    former = ScikitModels(model_type="SupportVectorClassification")
    assert (
        training.params(
            Config(chain=None, scikit_models_parameters=former, arg_classification=MASK)
        ).learner.parameters["model_type"]
        == "SVC"
    )
