"""Models with context: second models that learned mean probabilities around pixels."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from iota2.classifiers import ModelError, load_model, save_model, train_model, validate_options
from iota2.classifiers.base import Classifier, Model, Regressor
from iota2.classifiers.context import WindowContext
from iota2.classifiers.context_training import (
    CONTEXT_FOLDS,
    load_context_models,
    save_context_models,
    train_context_models,
)
from iota2.classifiers.models import read_context
from iota2.classifiers.samples import Samples
from iota2.compute.window_means import window_means
from iota2.core.cube import FeatureBlock
from iota2.core.recipe import FeatureRecipe, SensorRecipe

RECIPE = FeatureRecipe((SensorRecipe("S", ("A", "B"), {}, ("20200101",), indices=()),))
PARAMETERS, _ = validate_options("rf", {"classifier.rf.nbtrees": 10})
SHAPE = 24, 30


def trained(samples: Samples, found: Classifier | Regressor | None = None, **more: object) -> Model:
    given = {"recipe": RECIPE, "seed": 0, "region": "1", "threads": 1, "groups": samples.groups, **more}
    return train_model("rf", PARAMETERS, samples.x, samples.y, found=found, **given)  # type: ignore[arg-type]


def noisy_samples(count: int = 300, polygons: int = 30) -> Samples:
    """Samples of three classes that overlap; polygons have one class each."""
    rng = np.random.default_rng(0)
    polygon = np.arange(count) % polygons
    codes = np.array([3, 5, 9])[polygon % 3]
    x = (codes[:, None] / 3 + rng.normal(size=(count, 2))).astype(np.float32)
    return Samples(x, codes, None, polygon)


@pytest.fixture(scope="module")
def model() -> Model:
    """A model with context of 5 x 5 pixels, from made-up means around the samples."""
    samples = noisy_samples()
    first = trained(samples)
    means = np.eye(3)[np.searchsorted(first.classes, samples.y)] * 0.6 + 0.1
    extended = replace(samples, x=np.concatenate([samples.x, means], axis=1).astype(np.float32))
    return trained(extended, context=WindowContext(5, first))


def features(seed: int = 1) -> FeatureBlock:
    """Fields of the classes with noise, and pixels without a clear date, whose features are NaN."""
    rng = np.random.default_rng(seed)
    fields = np.kron(rng.integers(0, 3, (4, 5)), np.ones((6, 6), int))
    values = (np.array([1, 5 / 3, 3])[fields] + rng.normal(size=(2, *SHAPE))).astype(np.float32)
    n_valid = (rng.random(SHAPE) < 0.8).astype(np.uint16)
    return FeatureBlock(np.where(n_valid, values, np.float32(np.nan)), RECIPE.names, n_valid)


def part_of(whole: FeatureBlock, rows: tuple[int, int], cols: tuple[int, int], halo: int) -> FeatureBlock:
    """A block of the whole with margins."""
    (top, bottom), (left, right) = rows, cols
    first, last = max(0, top - halo), min(SHAPE[0], bottom + halo)
    west, east = max(0, left - halo), min(SHAPE[1], right + halo)
    place = np.s_[..., first:last, west:east]
    margins = top - first, last - bottom, left - west, east - right
    return FeatureBlock(whole.values[place], whole.names, whole.n_valid[place], margins=margins)


@pytest.mark.parametrize("size", [(1, 1), (5, 7), (24, 4), (24, 30)])
@pytest.mark.parametrize("threads", [1, 2])
def test_prediction_does_not_depend_on_blocks(model: Model, size: tuple[int, int], threads: int) -> None:
    whole, where = features(), np.random.default_rng(2).random(SHAPE) < 0.5
    expected = model.predict(whole, where)
    assert expected.labels[where & (whole.n_valid > 0)].all()
    assert not expected.labels[~where | (whole.n_valid == 0)].any()
    for top in range(0, SHAPE[0], size[0]):
        for left in range(0, SHAPE[1], size[1]):
            rows, cols = (top, min(top + size[0], SHAPE[0])), (left, min(left + size[1], SHAPE[1]))
            place = np.s_[..., rows[0] : rows[1], cols[0] : cols[1]]
            found = model.predict(part_of(whole, rows, cols, model.halo), where[place], threads=threads)
            for name in ("labels", "confidence", "probabilities"):
                np.testing.assert_array_equal(getattr(found, name), getattr(expected, name)[place])


def test_the_context_is_the_mean_probability_of_all_clear_pixels_around(model: Model) -> None:
    whole, where = features(), np.zeros(SHAPE, bool)
    where[3:5, 20:28] = True
    assert model.context is not None
    assert model.context.first is not None
    everywhere = model.context.first.predict(whole, np.ones(SHAPE, bool))
    means = window_means(everywhere.probabilities, whole.n_valid > 0, 2)
    selected = where & (whole.n_valid > 0)
    extended = model.context.extended(whole, selected)
    np.testing.assert_array_equal(extended[2:, selected], means[:, selected])
    expected = model.classifier.predict_proba(np.concatenate([whole.values, means])[:, selected].T)  # type: ignore[union-attr]
    np.testing.assert_allclose(model.predict(whole, where).probabilities[:, selected].T, expected, rtol=1e-6)


def test_margins_of_models_without_context_are_cropped(model: Model) -> None:
    whole, where = features(), np.ones((5, 6), bool)
    assert model.context is not None
    first = model.context.first
    assert isinstance(first, Model)
    assert (first.halo, model.halo) == (0, 2)
    expected = first.predict(whole, np.ones(SHAPE, bool)).labels[10:15, 10:16]
    np.testing.assert_array_equal(first.predict(part_of(whole, (10, 15), (10, 16), 3), where).labels, expected)


def test_a_saved_model_predicts_the_same(model: Model, tmp_path: Path) -> None:
    save_model(model, tmp_path / "model", tmp_path / "card.txt")
    loaded, where = load_model(tmp_path / "model"), np.ones(SHAPE, bool)
    np.testing.assert_array_equal(
        loaded.predict(features(), where).probabilities, model.predict(features(), where).probabilities
    )
    save_model(loaded, tmp_path / "again", tmp_path / "again.txt")
    files = sorted(path.relative_to(tmp_path / "model") for path in (tmp_path / "model").rglob("*") if path.is_file())
    assert {path.name for path in files} >= {"model.json", "forest.npz", "first.txt"}
    for file in files:
        assert (tmp_path / "again" / file).read_bytes() == (tmp_path / "model" / file).read_bytes()
    found = read_context(tmp_path / "model")
    assert found is not None
    assert found.window == 5
    card = (tmp_path / "card.txt").read_text(encoding="utf-8")
    assert "mean class probabilities of a first model in 5 x 5 pixels" in card
    assert "Share of the importance of all features" in card


@pytest.mark.parametrize("content", [{"window": 4}, {"window": "5"}, {"kind": "other"}, {"reason": None}])
def test_damaged_contexts_are_rejected(model: Model, tmp_path: Path, content: dict[str, object]) -> None:
    save_model(model, tmp_path / "model", tmp_path / "card.txt")
    file = tmp_path / "model" / "model.json"
    given = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps({**given, "context": {**given["context"], **content}}), encoding="utf-8")
    with pytest.raises(ModelError, match="damaged"):
        load_model(tmp_path / "model")


def test_a_missing_or_other_first_model_is_rejected(model: Model, tmp_path: Path) -> None:
    save_model(model, tmp_path / "model", tmp_path / "card.txt")
    (tmp_path / "model" / "first").rename(tmp_path / "elsewhere")
    with pytest.raises(ModelError, match="missing"):
        load_model(tmp_path / "model")
    other = replace(RECIPE, allow_missing=True)
    save_model(trained(noisy_samples(), recipe=other), tmp_path / "model" / "first", tmp_path / "first.txt")
    with pytest.raises(ModelError, match="other features"):
        load_model(tmp_path / "model")


def test_models_of_folds_have_not_learned_from_their_polygons(tmp_path: Path) -> None:
    samples = noisy_samples()
    assert samples.groups is not None
    learned: list[set[int]] = []

    def train(some: Samples, found: Classifier | Regressor | None) -> Model:
        assert some.groups is not None
        learned.append({*some.groups.tolist()})
        return trained(some, found)

    models = train_context_models(train, samples, samples.groups, seed=0, region="1")
    everything, *others = learned
    assert everything == {*range(30)}
    assert len(others) == len(models.folds) == CONTEXT_FOLDS
    for fold, polygons in enumerate(others):
        assert {polygon for polygon, number in models.fold_of.items() if number == fold} == everything - polygons
    save_context_models(models, tmp_path)
    loaded = load_context_models(tmp_path)
    assert loaded.fold_of == models.fold_of
    where = np.ones(SHAPE, bool)
    for fold in range(CONTEXT_FOLDS):
        expected = models.out_of_fold(fold, features(), where)
        np.testing.assert_array_equal(loaded.out_of_fold(fold, features(), where), expected)
    assert not load_context_models(tmp_path, folds=False).folds


def test_a_class_that_is_absent_from_a_fold_has_probability_0() -> None:
    samples = noisy_samples()
    assert samples.groups is not None
    few = samples.at(np.flatnonzero((samples.y != 9) | (samples.groups == samples.groups[samples.y == 9][0])))
    assert few.groups is not None
    models = train_context_models(trained, few, few.groups, seed=0, region="1")
    fold = models.fold_of[int(few.groups[few.y == 9][0])]
    found = models.out_of_fold(fold, features(), np.ones(SHAPE, bool))
    assert models.folds[fold].classes == (3, 5)
    assert not found[2].any()
    np.testing.assert_allclose(found.sum(axis=0)[features().n_valid > 0], 1, rtol=1e-5)


@pytest.mark.parametrize(("codes", "polygons", "reason"), [([3, 3], [1, 2], "one class"), ([3, 5], [4, 4], "polygon")])
def test_without_several_classes_and_polygons_there_is_no_context(
    tmp_path: Path, codes: list[int], polygons: list[int], reason: str
) -> None:
    samples = Samples(np.zeros((2, 2), np.float32), np.array(codes), None, np.array(polygons))
    models = train_context_models(trained, samples, np.array(polygons), seed=0, region="1")
    save_context_models(models, tmp_path)
    loaded = load_context_models(tmp_path)
    assert loaded.first is None
    assert reason in loaded.reason
    model = trained(samples, context=WindowContext(7, None, loaded.reason))
    assert model.halo == 0
    save_model(model, tmp_path / "model", tmp_path / "card.txt")
    again = load_model(tmp_path / "model")
    assert again.predict(features(), np.ones(SHAPE, bool)).labels.max() > 0
    assert "No context" in (tmp_path / "card.txt").read_text(encoding="utf-8")


def test_damaged_files_of_first_models_are_rejected(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="Train the models again"):
        load_context_models(tmp_path)
    (tmp_path / "folds.json").write_text('{"folds": "many"}', encoding="utf-8")
    with pytest.raises(ModelError, match="Train the models again"):
        load_context_models(tmp_path)
