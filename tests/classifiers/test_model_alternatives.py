"""Models with alternatives for pixels that some sensors do not see."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iota2.classifiers import KINDS, load_model, save_model, train_model
from iota2.classifiers.base import Model, ModelError
from iota2.classifiers.models import model_bytes, read_trainings
from iota2.classifiers.registry import register
from iota2.core.cube import FeatureBlock, observations
from iota2.core.recipe import FeatureRecipe, SensorRecipe
from iota2.core.target import Quantity
from iota2.errors import FeatureMismatch
from tests.classifiers.test_quantities import LeastSquares

DATES = ("20180101", "20180111")
SENSORS = ("A", "B", "C")
RECIPE = FeatureRecipe(
    (
        *(SensorRecipe(name, ("b1",), {}, DATES, indices=()) for name in SENSORS),
        SensorRecipe("userFeatures", ("ALT",), {}, (), indices=(), static=True),
    ),
    partial=True,
)
OTHERS = (("A", "C"), ("A",), ("B", "C"), ("B",))
"""Models beside that of all sensors; none of C alone, and none of A and B."""


def learned(names: tuple[str, ...]) -> FeatureRecipe:
    return replace(RECIPE.of_sensors(names), partial=False)


def trained(names: tuple[str, ...], *, classes: tuple[int, ...] = (3, 11, 20), seed: int = 0) -> Model:
    """A forest of the features of some sensors, trained on samples in which every feature is useful."""
    rng = np.random.default_rng(seed + len(names))
    y = np.array(classes)[np.arange(90) % len(classes)]
    x = (rng.normal(size=(90, len(learned(names).names))) + y[:, None]).astype(np.float32)
    how = {"recipe": learned(names), "seed": seed, "region": "1", "threads": 1}
    return train_model("rf", {"n_estimators": 4}, x, y, **how)


@pytest.fixture(scope="module")
def model() -> Model:
    """Models of all sensors and of ``OTHERS``; that of B and C knows another class."""
    others = [trained(names, classes=(5, 11) if names == ("B", "C") else (3, 11, 20)) for names in OTHERS]
    return replace(trained(SENSORS), recipe=RECIPE, alternatives=tuple(others))


def block(seen: np.ndarray, seed: int = 0) -> FeatureBlock:
    """A block of random features, NaN where a sensor does not see a pixel; ``seen`` (sensor and layers, y, x) bool."""
    rng = np.random.default_rng(seed)
    values = rng.uniform(0, 25, (7, *seen.shape[1:])).astype(np.float32)
    for number in range(3):
        values[2 * number : 2 * number + 2][:, ~seen[number]] = np.nan
    clear = seen * rng.integers(1, 9, seen.shape).astype(np.uint16)
    sensors = tuple(sensor.sensor for sensor in RECIPE.sensors)
    return FeatureBlock(values, RECIPE.names, observations(clear, RECIPE), sensors, clear)


def expected_model(model: Model, seen: tuple[bool, ...]) -> Model | None:
    """The model with the most features of the sensors that see a pixel; of equal ones, the first."""
    names = {name for name, one in zip(SENSORS, seen, strict=False) if one}
    usable = [one for one in (model.alone, *model.alternatives) if set(one.recipe.dated) <= names]
    return max(usable, key=lambda one: len(one.recipe.names), default=None) if seen[3] else None


@settings(deadline=None, max_examples=25)
@given(flags=st.lists(st.tuples(*[st.booleans()] * 4), max_size=12), threads=st.sampled_from([1, 2]))
def test_each_pixel_is_predicted_by_the_largest_model_of_its_sensors(
    model: Model, flags: list[tuple[bool, ...]], threads: int
) -> None:
    seen = np.array(flags, bool).reshape(-1, 4).T[:, None]
    features, where = block(seen), np.ones(seen.shape[1:], bool)
    where[:, :1] = False
    found = model.predict(features, where, threads=threads)
    assert model.classes == (3, 5, 11, 20)
    assert found.probabilities.shape == (4, *where.shape)
    for k, pixel in enumerate(flags):
        used = expected_model(model, pixel) if k else None
        if used is None:
            assert (found.labels[0, k], found.confidence[0, k], found.probabilities[:, 0, k].sum()) == (0, 0, 0)
            continue
        rows = [RECIPE.names.index(name) for name in used.recipe.names]
        values = features.values[rows][:, :, k : k + 1]
        one = FeatureBlock(values, used.recipe.names, np.ones((1, 1), np.uint16))
        alone = used.predict(one, np.ones((1, 1), bool))
        assert found.labels[0, k] == alone.labels[0, 0]
        assert found.confidence[0, k] == alone.confidence[0, 0]
        columns = np.searchsorted(model.classes, used.classes)
        np.testing.assert_array_equal(found.probabilities[columns, 0, k], alone.probabilities[:, 0, 0])
        assert found.probabilities[:, 0, k].sum() == pytest.approx(1, abs=1e-5)


def test_where_all_sensors_see_the_pixels_the_prediction_is_that_of_the_model_of_all(model: Model) -> None:
    features, where = block(np.ones((4, 5, 6), bool)), np.ones((5, 6), bool)
    found, alone = model.predict(features, where), model.alone.predict(features, where)
    np.testing.assert_array_equal(found.labels, alone.labels)
    np.testing.assert_array_equal(found.confidence, alone.confidence)
    np.testing.assert_array_equal(found.probabilities[[0, 2, 3]], alone.probabilities)


def test_saved_models_predict_the_same_and_have_the_same_bytes(model: Model, tmp_path: Path) -> None:
    for name in ("one", "two"):
        save_model(model, tmp_path / name, tmp_path / f"{name}.txt")
    files = sorted(path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*") if path.is_file())
    assert all((tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes() for file in files)
    assert Path("sensors_A+C/forest.npz") in files
    assert Path("sensors_A+C/card.txt") in files
    again = load_model(tmp_path / "one")
    assert again.recipe == RECIPE
    seen = np.random.default_rng(2).random((4, 6, 7)) < 0.6
    found, expected = (one.predict(block(seen), np.ones((6, 7), bool)) for one in (again, model))
    np.testing.assert_array_equal(found.labels, expected.labels)
    np.testing.assert_array_equal(found.probabilities, expected.probabilities)
    assert model_bytes(tmp_path / "one") > 4 * model_bytes(tmp_path / "one" / "sensors_A")
    assert list(read_trainings(tmp_path / "one")) == [SENSORS, *OTHERS]
    assert read_trainings(tmp_path / "one")["B", "C"].samples == {5: 45, 11: 45}
    card = (tmp_path / "one.txt").read_text(encoding="utf-8")
    assert "A + B + C  90 samples" in card


def test_the_forest_of_all_sensors_has_the_bytes_that_it_has_without_others(model: Model, tmp_path: Path) -> None:
    save_model(model, tmp_path / "models", tmp_path / "models.txt")
    save_model(trained(SENSORS), tmp_path / "alone", tmp_path / "alone.txt")
    forest = "forest.npz"
    assert (tmp_path / "models" / forest).read_bytes() == (tmp_path / "alone" / forest).read_bytes()


def test_a_model_of_some_sensors_may_take_the_place_of_the_main_one(model: Model, tmp_path: Path) -> None:
    main, *others = model.alternatives
    some = replace(main, recipe=RECIPE, sensors=("A", "C"), alternatives=tuple(others))
    save_model(some, tmp_path / "model", tmp_path / "card.txt")
    found = load_model(tmp_path / "model")
    assert found.learned == learned(("A", "C"))
    features, where = block(np.ones((4, 3, 4), bool)), np.ones((3, 4), bool)
    expected = main.predict(features.of(main.recipe), where).labels
    np.testing.assert_array_equal(found.predict(features, where).labels, expected)


def test_features_of_another_recipe_are_rejected(model: Model) -> None:
    some = block(np.ones((4, 2, 2), bool)).of(RECIPE.of_sensors(("A", "B")))
    with pytest.raises(FeatureMismatch, match="feature 5 is 'ALT', expected 'C_b1_20180101'"):
        model.predict(some, np.ones((2, 2), bool))


@pytest.fixture
def least_squares() -> Iterator[None]:
    register("leastsquares", "Linear regression.", f"{LeastSquares.__module__}:LeastSquares")
    yield
    del KINDS["leastsquares"]


def test_estimates_of_a_quantity_come_from_the_model_of_the_sensors_that_see_a_pixel(least_squares: None) -> None:
    def regressor(names: tuple[str, ...]) -> Model:
        x = np.random.default_rng(1).normal(size=(60, len(learned(names).names))).astype(np.float32)
        how = {"recipe": learned(names), "seed": 0, "region": "1", "threads": 1, "quantity": Quantity("height", "m")}
        return train_model("leastsquares", {}, x, x.sum(axis=1).astype(np.float32), **how)

    both = replace(regressor(SENSORS), recipe=RECIPE, alternatives=(regressor(("A", "C")), regressor(("B",))))
    seen = np.array([[1, 1, 1, 1], [1, 0, 1, 1], [0, 1, 0, 1], [0, 0, 1, 1], [1, 1, 1, 0]], bool).T[:, None]
    features = block(seen)
    found = both.estimate(features, np.ones((1, 5), bool)).values[0]
    sums = np.nansum(features.values[:, 0], axis=0)
    np.testing.assert_allclose(found[:3], sums[:3], rtol=1e-4)
    assert np.isnan(found[3:]).all()


WRONG = [
    ("alternatives", [["A", "X"]], "no sensor 'X'"),
    ("alternatives", [["C", "A"]], "sensors"),
    ("alternatives", [[]], "sensors"),
    ("alternatives", [["userFeatures"]], "sensors"),
    ("alternatives", 5, "TypeError"),
    ("sensors", "A", "TypeError|sensors"),
    ("sensors", ["A", "A"], "sensors"),
]


@pytest.mark.parametrize(("key", "value", "message"), WRONG)
def test_damaged_lists_of_sensors_are_rejected(
    model: Model, key: str, value: object, message: str, tmp_path: Path
) -> None:
    save_model(model, tmp_path / "model", tmp_path / "card.txt")
    file = tmp_path / "model" / "model.json"
    content = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps(content | {key: value}), encoding="utf-8")
    with pytest.raises(ModelError, match=message):
        load_model(tmp_path / "model")


def test_an_alternative_of_other_features_is_rejected(model: Model, tmp_path: Path) -> None:
    save_model(model, tmp_path / "model", tmp_path / "card.txt")
    folder = tmp_path / "model"
    (folder / "sensors_A").rename(folder / "spare")
    with pytest.raises(ModelError, match=r"sensors_A/model\.json: missing"):
        load_model(folder)
    shutil.copytree(folder / "sensors_B", folder / "sensors_A")
    with pytest.raises(ModelError, match="not the features of"):
        load_model(folder)
