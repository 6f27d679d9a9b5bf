"""Optical and radar models of samples that only one of both sees."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest

from iota2.classifiers import load_model, save_model, train_model, validate_options
from iota2.classifiers.base import ModelError
from iota2.classifiers.models import read_trainings
from iota2.classifiers.transforms import Components
from iota2.compute.class_weights import class_weights, counts_by_code, sample_weights
from iota2.config.learner import Learner
from iota2.config.sources import recipe_of_source
from iota2.core.cube import FeatureBlock
from iota2.core.graph import JobContext, Key, Paths, Resources
from iota2.core.recipe import MISSING, FeatureRecipe, SensorRecipe
from iota2.core.reduction import feature_groups
from iota2.core.tables import AUGMENTED, CODE, ORIGIN, WEIGHT, sample_columns
from iota2.io.tables.confusions import read_confusion
from iota2.io.tables.sensor_combinations import combinations_csv
from iota2.io.tables.vectors import write_samples
from iota2.steps.classification import model_confusion
from iota2.steps.learning import learned_confusion, reduction, training
from tests.steps.helpers import several, write_codes

COUNT = 240
RADAR = ("sentinel1_asc", "sentinel1_des")


def sensor(name: str, *bands: str) -> SensorRecipe:
    return SensorRecipe(name, bands, {}, ("20180101", "20180111"), indices=())


RECIPE = FeatureRecipe(
    (sensor("Sentinel2", "B2", "B4"), sensor(RADAR[0], "vv"), sensor(RADAR[1], "vv", "vh")), allow_missing=True
)
RADAR_RECIPE = recipe_of_source(RECIPE, "SAR", RADAR)
SENSORS = {"Sentinel2": slice(0, 4), RADAR[0]: slice(4, 6), RADAR[1]: slice(6, 10)}
"""Features of each sensor."""


def table(folder: Path, seen: dict[str, np.ndarray], recipe: FeatureRecipe = RECIPE) -> tuple[np.ndarray, ...]:
    """Write samples whose features are missing where a sensor does not see them; returns features, codes, polygons."""
    rng = np.random.default_rng(0)
    codes, polygons = rng.integers(1, 3, COUNT), np.arange(COUNT) // 5
    x = (rng.normal(size=(COUNT, 10)) + 1.5 * codes[:, None]).astype(np.float32)
    for name, rows in seen.items():
        x[~rows, SENSORS[name]] = MISSING if recipe.allow_missing else np.nan
    attributes = {CODE: codes, ORIGIN: polygons, AUGMENTED: np.arange(COUNT) % 7 == 0, WEIGHT: np.full(COUNT, 2.0)}
    frame = pd.concat([pd.DataFrame(attributes), pd.DataFrame(x, columns=sample_columns(recipe))], axis=1)
    frame[AUGMENTED] = frame[AUGMENTED].astype(int)
    write_samples(
        gpd.GeoDataFrame(frame, geometry=gpd.points_from_xy(codes, polygons, crs="EPSG:2154")), folder / "s.parquet"
    )
    (folder / "recipe.json").write_text(json.dumps(recipe.to_json()), encoding="utf-8")
    return x, codes, polygons


def job_of(folder: Path, source: str, **inputs: str) -> JobContext:
    """The training of a model of one source."""
    parameters, _ = validate_options("rf", {"classifier.rf.nbtrees": 5, "classifier.rf.max": 4})
    return JobContext(
        Paths(folder, {"recipe": "recipe.json", "samples": "s.parquet", "classes": write_codes(folder)} | inputs),
        Paths(folder, {"model": "model", "card": "card.txt"}),
        Key.of(region="1", submodel="", seed=0, source=source),
        training.TrainingParams(Learner("rf", parameters), 0, class_weight="balanced", radar=RADAR),
        Resources(),
    )


def learned_matrix(job: JobContext) -> np.ndarray:
    """The confusion matrix of a trained model in its learning samples."""
    params = learned_confusion.LearnedConfusionParams(job.params.learner, job.params.class_weight)
    inp = Paths(job.inp.root, {**job.inp.bound, "model": "model"})
    learned_confusion.run(replace(job, inp=inp, out=Paths(job.inp.root, {"confusion": "learned.csv"}), params=params))
    return read_confusion(job.inp.root / "learned.csv").counts


def validated_matrix(job: JobContext) -> np.ndarray:
    """The confusion matrix of a trained model in validation pixels, which are here its samples."""
    bound = {"model": "model", "samples": several("tile", {"A": "s.parquet"}), "classes": job.inp.bound["classes"]}
    root = job.inp.root
    model_confusion.run(replace(job, inp=Paths(root, bound), out=Paths(root, {"confusion": "validated.csv"})))
    return read_confusion(root / "validated.csv").counts


def radar_gaps() -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Samples that each radar sensor sees, and those that any of both sees."""
    number = np.arange(COUNT)
    seen = {RADAR[0]: number % 3 == 0, RADAR[1]: number % 4 == 0}
    return seen, seen[RADAR[0]] | seen[RADAR[1]]


def test_a_radar_model_learns_from_the_samples_that_radar_sees(tmp_path: Path) -> None:
    seen, rows = radar_gaps()
    x, codes, polygons = table(tmp_path, seen)
    job = job_of(tmp_path, "SAR")
    training.run(job)
    weight = sample_weights(codes[rows], class_weights("balanced", counts_by_code(codes[rows])))
    expected = train_model(
        "rf", job.params.learner.parameters, x[rows][:, 4:], codes[rows], recipe=RADAR_RECIPE, seed=0, region="1SAR",
        threads=1, weight=weight, groups=polygons[rows],
    )  # fmt: skip
    save_model(expected, tmp_path / "expected", tmp_path / "expected.txt")
    found = load_model(tmp_path / "model")
    assert sum(found.meta.samples.values()) == rows.sum() < COUNT
    assert (tmp_path / "model" / "forest.npz").read_bytes() == (tmp_path / "expected" / "forest.npz").read_bytes()
    assert learned_matrix(job).sum() == np.sum(rows & (np.arange(COUNT) % 7 > 0)), "added samples do not count"
    assert validated_matrix(job).sum() == 2 * rows.sum()


def test_an_optical_model_learns_from_all_samples_that_it_sees(tmp_path: Path) -> None:
    table(tmp_path, radar_gaps()[0])
    training.run(job_of(tmp_path, ""))
    assert sum(load_model(tmp_path / "model").meta.samples.values()) == COUNT


def test_components_of_radar_are_those_of_the_samples_that_radar_sees(tmp_path: Path) -> None:
    seen, rows = radar_gaps()
    x, *_ = table(tmp_path, seen)
    job = job_of(tmp_path, "SAR", samples="reduced.parquet", reduction="reduction", features="s.parquet")
    out = {"before": "before.parquet", "samples": "reduced.parquet", "reduction": "reduction"}
    given = Paths(tmp_path, {"recipe": "recipe.json", "samples": "s.parquet"})
    params = reduction.ReductionParams("sensor", 2, RADAR)
    reduction.run(replace(job, inp=given, out=Paths(tmp_path, out), params=params))
    expected = Components.fitted(x[rows][:, 4:], feature_groups(RADAR_RECIPE, "sensor"), 2)
    found = Components.load(tmp_path / "reduction")
    np.testing.assert_array_equal(found.arrays.axes, expected.arrays.axes)
    training.run(job)
    assert sum(load_model(tmp_path / "model").meta.samples.values()) == rows.sum()
    assert learned_matrix(job).sum() == np.sum(rows & (np.arange(COUNT) % 7 > 0))


NOWHERE = dict.fromkeys(RADAR, np.zeros(COUNT, bool))
PARTIAL = replace(RECIPE, allow_missing=False, partial=True)


@pytest.mark.parametrize("recipe", [RECIPE, PARTIAL], ids=["one model", "models of fewer sensors"])
@pytest.mark.parametrize("classifier", ["rf", "svm"])
def test_a_radar_model_without_samples_gives_no_label(tmp_path: Path, recipe: FeatureRecipe, classifier: str) -> None:
    table(tmp_path, NOWHERE, recipe)
    (tmp_path / "seen.csv").write_text(combinations_csv({("Sentinel2",): 10}), encoding="utf-8")
    job = job_of(tmp_path, "SAR")
    inp = Paths(tmp_path, {**job.inp.bound, "combinations": several("tile", {"A": "seen.csv"})})
    files = dict.fromkeys(("statistics", "search", "search_scores"), "")
    out = Paths(tmp_path, {**job.out.bound, **{name: name for name in files}})
    learner = Learner(classifier, validate_options(classifier, {})[0])
    job = replace(job, inp=inp, out=out, params=replace(job.params, learner=learner, share=0.001))
    training.run(job)
    model = load_model(tmp_path / "model")
    assert model.without_samples
    assert read_trainings(tmp_path / "model") == {}
    assert "no sample is seen by sentinel1_asc or sentinel1_des" in (tmp_path / "card.txt").read_text()
    assert (tmp_path / "search").read_text() == "There are no samples: nothing was searched.\n"
    assert not learned_matrix(job).any()
    assert not validated_matrix(job).any()
    shape = 2, 3
    clear = np.ones((2, *shape), np.uint16)
    block = FeatureBlock(np.zeros((6, *shape), np.float32), model.recipe.names, clear[0], RADAR, clear)
    found = model.predict(block, np.ones(shape, bool))
    assert not found.labels.any()
    assert not found.confidence.any()
    assert found.probabilities.shape == (0, *shape)


def test_an_optical_model_without_samples_gives_no_label(tmp_path: Path) -> None:
    table(tmp_path, {"Sentinel2": np.zeros(COUNT, bool)})
    training.run(job_of(tmp_path, ""))
    assert load_model(tmp_path / "model").without_samples


def test_only_models_without_samples_lack_classes(tmp_path: Path) -> None:
    table(tmp_path, NOWHERE)
    training.run(job_of(tmp_path, "SAR"))
    path = tmp_path / "model" / "model.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(content | {"version": 1}), encoding="utf-8")
    with pytest.raises(ModelError, match="format version 1 with classes"):
        load_model(tmp_path / "model")


def test_a_reduction_without_samples(tmp_path: Path) -> None:
    table(tmp_path, NOWHERE)
    out = {"before": "before.parquet", "samples": "reduced.parquet", "reduction": "reduction"}
    given = Paths(tmp_path, {"recipe": "recipe.json", "samples": "s.parquet"})
    params = reduction.ReductionParams("sensor", 2, RADAR)
    job = job_of(tmp_path, "SAR", samples="reduced.parquet", reduction="reduction", features="s.parquet")
    reduction.run(replace(job, inp=given, out=Paths(tmp_path, out), params=params))
    training.run(job)
    assert load_model(tmp_path / "model").without_samples
    assert not learned_matrix(job).any()
