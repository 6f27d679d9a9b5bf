"""Auto-context: a chain of models that learn the shares of the classes in superpixels."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from iota2.classifiers import ModelError, load_model, save_model, train_model, validate_options
from iota2.classifiers.autocontext import (
    SuperpixelSamples,
    load_autocontext,
    save_autocontext,
    train_autocontext,
)
from iota2.classifiers.base import Model
from iota2.classifiers.samples import Samples
from iota2.classifiers.superpixel_context import SuperpixelContext, class_shares
from iota2.core.cube import FeatureBlock
from iota2.core.recipe import FeatureRecipe, SensorRecipe
from iota2.errors import InputError
from iota2.io.tables.superpixel_samples import SuperpixelPixels, merged, read_superpixels, write_superpixels

RECIPE = FeatureRecipe((SensorRecipe("S", ("A", "B"), {}, ("20200101",), indices=()),))
PARAMETERS, _ = validate_options("rf", {"classifier.rf.nbtrees": 10})
SIDE, SHAPE = 6, (24, 30)
NUMBERS = 1 + np.kron(np.arange(20).reshape(4, 5), np.ones((SIDE, SIDE), int)).astype(np.uint32)
"""Superpixels: squares with the numbers 1 to 20."""
CODES = np.array([3, 5, 9])


def features(seed: int = 1) -> FeatureBlock:
    """Each superpixel has one class, with noise; some pixels have no clear date, and their features are NaN."""
    rng = np.random.default_rng(seed)
    classes = (NUMBERS.astype(int) - 1) % 3
    values = (classes + 1.2 * rng.normal(size=(2, *SHAPE))).astype(np.float32)
    n_valid = (rng.random(SHAPE) < 0.8).astype(np.uint16)
    segments = np.where(n_valid > 0, NUMBERS, 0).astype(np.uint32)
    hidden = np.where(n_valid, values, np.float32(np.nan))
    return FeatureBlock(hidden, RECIPE.names, n_valid, segments=segments)


def trained(samples: Samples, context: SuperpixelContext | None) -> Model:
    return train_model(
        "rf",
        PARAMETERS,
        samples.x,
        samples.y,
        recipe=RECIPE,
        seed=0,
        region="1",
        threads=1,
        groups=samples.groups,
        context=context,
    )


def samples_in(block: FeatureBlock) -> tuple[Samples, SuperpixelSamples]:
    """Four pixels of each superpixel, which is one polygon, and all its pixels."""
    clear = np.flatnonzero(block.n_valid)
    segment = block.segments.ravel()[clear].astype(int) - 1
    x = np.ascontiguousarray(block.values.reshape(2, -1)[:, clear].T)
    chosen = np.concatenate([np.flatnonzero(segment == k)[:4] for k in range(20)])
    samples = Samples(x[chosen], CODES[segment[chosen] % 3], None, segment[chosen])
    return samples, SuperpixelSamples(segment[chosen], segment, x)


@pytest.fixture(scope="module")
def model() -> Model:
    samples, around = samples_in(features())
    chain = train_autocontext(trained, samples, around, extent=SIDE, iterations=2, seed=0, region="1")
    extended = Samples(np.concatenate([samples.x, chain.shares], axis=1), samples.y, None, samples.groups)
    return trained(extended, SuperpixelContext(SIDE, 2, chain.previous))


def test_shares_are_those_of_the_classes_in_each_segment() -> None:
    shares = class_shares(np.array([0, 0, 0, 0, 2]), np.array([1, 1, 0, 1, 2]), 4, 3)
    expected = [[0.25, 0.75, 0], [0, 0, 0], [0, 0, 1], [0, 0, 0]]
    np.testing.assert_array_equal(shares, np.float32(expected))
    assert class_shares(np.array([], int), np.array([], int), 0, 3).shape == (0, 3)


def test_shares_of_samples_are_predicted_by_models_without_their_polygon() -> None:
    samples, around = samples_in(features())
    learned: list[tuple[int, set[int]]] = []
    models: list[Model] = []

    def train(some: Samples, context: SuperpixelContext | None) -> Model:
        assert some.groups is not None
        learned.append((some.x.shape[1], {*some.groups.tolist()}))
        models.append(trained(some, context))
        return models[-1]

    chain = train_autocontext(train, samples, around, extent=SIDE, iterations=2, seed=0, region="1")
    assert [width for width, _ in learned] == [2] * 4 + [5] * 4
    (_, everything), *folds = learned[:4]
    assert [polygons for _, polygons in learned[4:]] == [polygons for _, polygons in learned[:4]]
    for number, (_, polygons) in enumerate(folds, start=1):
        for segment in everything - polygons:
            pixels = around.values[around.pixel_segment == segment]
            first = models[number].probabilities_of(pixels).argmax(axis=1)
            before = np.bincount(first, minlength=3) / len(pixels)
            given = np.concatenate([pixels, np.tile(np.float32(before), (len(pixels), 1))], axis=1)
            second = models[4 + number].probabilities_of(given).argmax(axis=1)
            shares = np.bincount(second, minlength=3) / len(pixels)
            own = chain.shares[around.sample_segment == segment]
            np.testing.assert_allclose(own, np.tile(shares, (len(own), 1)), rtol=1e-6)
    assert chain.previous is models[4]


def test_the_chain_predicts_superpixels_better_than_its_first_model(model: Model) -> None:
    block, where = features(seed=7), np.ones(SHAPE, bool)
    truth, clear = CODES[(NUMBERS.astype(int) - 1) % 3], block.n_valid > 0
    context = model.context
    assert isinstance(context, SuperpixelContext)
    assert isinstance(context.first, Model)
    assert isinstance(context.first.context, SuperpixelContext)
    (first,) = [context.first.context.first]
    assert isinstance(first, Model)
    assert first.context is None
    share = [float((one.predict(block, where).labels == truth)[clear].mean()) for one in (first, model)]
    assert share[1] > share[0] + 0.1
    assert not model.predict(block, where).labels[~clear].any()


@pytest.mark.parametrize("size", [(5, 7), (24, 4), (1, 30)])
def test_prediction_does_not_depend_on_blocks(model: Model, size: tuple[int, int]) -> None:
    whole, where = features(), np.random.default_rng(2).random(SHAPE) < 0.5
    expected = model.predict(whole, where)
    assert model.halo == SIDE - 1
    for top in range(0, SHAPE[0], size[0]):
        for left in range(0, SHAPE[1], size[1]):
            bottom, right = min(top + size[0], SHAPE[0]), min(left + size[1], SHAPE[1])
            first, last = max(0, top - model.halo), min(SHAPE[0], bottom + model.halo)
            west, east = max(0, left - model.halo), min(SHAPE[1], right + model.halo)
            place = np.s_[..., first:last, west:east]
            part = FeatureBlock(
                whole.values[place],
                whole.names,
                whole.n_valid[place],
                margins=(top - first, last - bottom, left - west, east - right),
                segments=whole.segments[place],
            )
            found = model.predict(part, where[top:bottom, left:right], threads=2)
            for name in ("labels", "confidence", "probabilities"):
                cut = getattr(expected, name)[..., top:bottom, left:right]
                np.testing.assert_array_equal(getattr(found, name), cut)


def test_without_superpixels_a_model_does_not_predict(model: Model) -> None:
    block = features()
    with pytest.raises(InputError, match="needs the superpixels"):
        model.predict(FeatureBlock(block.values, block.names, block.n_valid), np.ones(SHAPE, bool))


def test_a_saved_model_predicts_the_same(model: Model, tmp_path: Path) -> None:
    save_model(model, tmp_path / "model", tmp_path / "card.txt")
    assert (tmp_path / "model/first/first/model.json").exists()
    loaded, where = load_model(tmp_path / "model"), np.ones(SHAPE, bool)
    expected = model.predict(features(), where).probabilities
    np.testing.assert_array_equal(loaded.predict(features(), where).probabilities, expected)
    assert "Model 3 of auto-context" in (tmp_path / "card.txt").read_text(encoding="utf-8")
    file = tmp_path / "model/model.json"
    content = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps({**content, "context": {**content["context"], "iterations": 3}}), encoding="utf-8")
    with pytest.raises(ModelError, match="does not fit the context"):
        load_model(tmp_path / "model")
    file.write_text(json.dumps({**content, "context": {**content["context"], "extent": 0}}), encoding="utf-8")
    with pytest.raises(ModelError, match="damaged"):
        load_model(tmp_path / "model")


@pytest.mark.parametrize(("codes", "polygons", "reason"), [([3, 3], [1, 2], "one class"), ([3, 5], [4, 4], "polygon")])
def test_without_several_classes_and_polygons_there_is_no_context(
    tmp_path: Path, codes: list[int], polygons: list[int], reason: str
) -> None:
    samples = Samples(np.zeros((2, 2), np.float32), np.array(codes), None, np.array(polygons))
    around = SuperpixelSamples(np.array([0, 1]), np.array([0, 1]), samples.x)
    chain = train_autocontext(trained, samples, around, extent=SIDE, iterations=3, seed=0, region="1")
    save_autocontext(chain, tmp_path)
    loaded = load_autocontext(tmp_path)
    assert loaded.previous is None
    assert reason in loaded.reason
    assert loaded.shares.shape == (2, 0)
    assert trained(samples, SuperpixelContext(SIDE, 3, None, loaded.reason)).halo == 0


def test_a_damaged_chain_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="Train the models again"):
        load_autocontext(tmp_path)


def test_parts_are_merged_in_the_order_of_the_selection(tmp_path: Path) -> None:
    def part(position: list[int], segment: list[int], pixels: list[int]) -> SuperpixelPixels:
        values = np.array(pixels, np.float32)[:, None]
        return SuperpixelPixels(*(np.array(one, int) for one in (position, segment, pixels)), values)

    west = [part([2, 0], [70, 30], [30, 30, 70]), part([1, 3], [0, 70], [70, 70])]
    east = [part([0], [5], [5])]
    for number, one in enumerate(west):
        write_superpixels(one, tmp_path / f"{number}.npz")
    read = [read_superpixels(tmp_path / f"{number}.npz") for number in range(2)]
    samples, pixels, values = merged([read, east])
    np.testing.assert_array_equal(samples, [0, 1, 2, 3])  # positions 0, 2, 3 of the west without the unclear 1; east
    np.testing.assert_array_equal(pixels, [0, 0, 1, 2, 2, 3])
    np.testing.assert_array_equal(values[:, 0], [30, 30, 70, 70, 70, 5])
    with pytest.raises(InputError, match="Extract the samples again"):
        read_superpixels(tmp_path / "missing.npz")
