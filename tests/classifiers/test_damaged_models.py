"""Damaged or manipulated model folders are rejected with path and remedy, without a crash or a hang."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from iota2.classifiers.base import Model, ModelError
from iota2.classifiers.models import load_model, read_training, save_model, train_model
from iota2.core.random import generator
from iota2.core.recipe import FeatureRecipe, SensorRecipe
from tests.special_files import SPECIAL_FILES, put

RECIPE = FeatureRecipe(
    (
        SensorRecipe(
            "Sentinel2",
            bands=("B4", "B8"),
            roles={"red": "B4", "nir": "B8"},
            dates=("20180101", "20180111"),
            indices=("NDVI",),
            expressions=("B8 - B4",),
        ),
    )
)
WRONG: tuple[Any, ...] = (None, True, 7, -1, 1.5, 10**30, "x", "", [], [1], ["x", []], {}, {"a": []}, [[["x"]]])
"""A value of each JSON type, and some that are too large or too deep."""


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model") / "model_1_seed_0"
    x = generator(1).random((200, len(RECIPE.names))).astype(np.float32)
    y = np.where(x[:, 0] > 0.5, 12, 7)
    model = train_model("rf", {"n_estimators": 5}, x, y, recipe=RECIPE, seed=0, region="1", threads=1)
    save_model(model, folder, folder.with_suffix(".txt"))
    return folder


@pytest.fixture
def folder(sound: Path, tmp_path: Path) -> Path:
    return shutil.copytree(sound, tmp_path / sound.name)


def places(content: Any, at: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Paths of all values in a JSON document."""
    if at:
        yield at
    items = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, value in items:
        yield from places(value, (*at, key))


def with_value(content: Any, at: tuple[str | int, ...], value: Any) -> Any:
    changed = json.loads(json.dumps(content))
    place = changed
    for key in at[:-1]:
        place = place[key]
    place[at[-1]] = value
    return changed


def attempt(folder: Path) -> tuple[Model | None, str]:
    """The model, or None and the error message."""
    try:
        return load_model(folder), ""
    except ModelError as err:
        return None, str(err)


def answers(model: Model) -> np.ndarray:
    x = generator(2).random((64, model.classifier.n_features)).astype(np.float32)
    return model.classifier.predict_proba(x)


def test_every_field_with_a_wrong_type_is_rejected_or_harmless(folder: Path) -> None:
    path = folder / "model.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    rejected = 0
    for at in places(content):
        for value in WRONG:
            path.write_text(json.dumps(with_value(content, at, value)), encoding="utf-8")
            model, message = attempt(folder)
            if model is None:
                rejected += 1
                assert str(path) in message or "Train the model again" in message
            else:
                assert np.isfinite(answers(model)).all()
                assert all(isinstance(name, str) for name in model.recipe.names)
                assert isinstance(model.title, str)
    assert rejected > 300


@pytest.mark.parametrize("kind", [["rf"], {"rf": 1}, None, 3, "RF"], ids=str)
def test_an_unknown_classifier_is_rejected(kind: Any, folder: Path) -> None:
    path = folder / "model.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(content | {"kind": kind}), encoding="utf-8")
    for read in (load_model, read_training):
        with pytest.raises(ModelError, match=r"model\.json: classifier .* is unknown; expected one of rf"):
            read(folder)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("dates", ["2018-13-45"], "ValueError"),
        ("dates", [20180101], "dates is"),
        ("bands", "B4", "bands is"),
        ("roles", {"red": 4}, "roles is"),
        ("speckle_radius", -1, "speckle_radius is -1"),
        ("speckle_radius", True, "speckle_radius is True"),
        ("gapfilling", 1, "gapfilling is 1"),
        ("expressions", ["__import__('os')"], "expression 1"),
        ("expressions", ["B99 + 1"], "expression 1"),
    ],
)
def test_an_invalid_recipe_is_rejected_with_its_field(field: str, value: Any, message: str, folder: Path) -> None:
    path = folder / "model.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    content["recipe"]["sensors"][0][field] = value
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(ModelError, match=message) as caught:
        load_model(folder)
    assert f"{path}: damaged" in str(caught.value)
    assert "train it again" in str(caught.value)


@pytest.mark.parametrize("name", ["model.json", "forest.npz"])
@pytest.mark.parametrize("kind", SPECIAL_FILES)
def test_what_is_no_regular_file_is_refused_at_once(kind: str, name: str, folder: Path) -> None:
    put(kind, folder / name)
    with pytest.raises(ModelError, match=name):
        load_model(folder)


# --------------------------------------------------------------------------------------------------- the arrays


def rewritten(folder: Path, **changes: Any) -> None:
    with np.load(folder / "forest.npz") as arrays:
        content = dict(arrays.items())
    np.savez(folder / "forest.npz", **(content | changes))


def arrays_of(folder: Path) -> dict[str, np.ndarray]:
    with np.load(folder / "forest.npz") as arrays:
        return dict(arrays.items())


def test_every_array_of_a_wrong_type_shape_or_length_is_rejected(folder: Path) -> None:
    sound = arrays_of(folder)
    for name, array in sound.items():
        wrong = [
            array.astype(np.int8),
            array.astype(">f2"),
            array.astype(str),
            array[None],
            array[:-1],
            array[:0],
            np.append(array, array[-1:]),
            np.array(3),
        ]
        for value in wrong:
            if np.array_equal(value, array) and value.dtype == array.dtype:
                continue
            np.savez(folder / "forest.npz", **(sound | {name: value}))
            model, message = attempt(folder)
            if model is None:
                assert "rain" in message
            else:
                assert name in ("counts", "starts"), (name, value.dtype, value.shape)
                assert np.isfinite(answers(model)).all()


def test_indices_out_of_range_and_cycles_are_rejected_before_prediction(folder: Path) -> None:
    sound = arrays_of(folder)
    random = generator(3)
    tried = 0
    for name in ("roots", "feature", "child", "starts", "column", "threshold", "share", "counts"):
        for value in (0, 1, 2, 3, 1000, 2**31, 2**32 - 1, -1.0, np.nan, np.inf):
            array = sound[name].copy()
            k = int(random.integers(array.size))
            with np.errstate(all="ignore"):
                array[k] = np.array(value).astype(array.dtype)
            np.savez(folder / "forest.npz", **(sound | {name: array}))
            tried += 1
            model, _ = attempt(folder)
            if model is None:
                continue
            found = answers(model)
            assert np.isfinite(found).all(), (name, k, value)
            assert ((found >= 0) & (found <= 1 + 1e-9)).all(), (name, k, value)
    assert tried == 80


def test_any_changed_byte_is_rejected_or_harmless(folder: Path) -> None:
    """The model is rejected, or its predictions are probabilities."""
    random = generator(4)
    for name in ("model.json", "forest.npz"):
        whole = (folder / name).read_bytes()
        for _ in range(150):
            content = bytearray(whole)
            for place in random.integers(len(content), size=int(random.integers(1, 4))):
                content[place] = int(random.integers(256))
            (folder / name).write_bytes(bytes(content))
            model, _ = attempt(folder)
            assert model is None or np.isfinite(answers(model)).all()
        for length in (0, 1, 10, len(whole) // 2, len(whole) - 1):
            (folder / name).write_bytes(whole[:length])
            model, _ = attempt(folder)
            assert model is None or (name, length) == ("model.json", len(whole) - 1)
        (folder / name).write_bytes(whole)
    assert answers(load_model(folder)).shape == (64, 2)
