"""Damaged or manipulated predictors are rejected with path and remedy, or predict without a crash."""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, PowerTransformer, SplineTransformer
from sklearn.svm import SVC

from iota2.classifiers.base import ModelError
from iota2.classifiers.scikit import load, predictor_of, predictor_of_values, save
from iota2.classifiers.scikit.nodes import KINDS
from iota2.classifiers.scikit.store import save_predictor
from iota2.compute.predictors import Predictor
from tests.classifiers.scikit_examples import COMPOSED, FEATURES, pixels, samples
from tests.classifiers.test_damaged_models import WRONG, places, with_value
from tests.special_files import SPECIAL_FILES, put

pytestmark = pytest.mark.filterwarnings("ignore")
QUANTITY = "forest of a quantity"
CASES = [
    "svc isotonic",
    "one against one calibrated",
    "bagging of svc",
    "neighbours, weighted, manhattan",
    "radius, weighted",
    "boosting calibrated",
    "quadratic, shrunk",
    "naive bayes isotonic",
    "stochastic gradient, huber",
    "bernoulli without threshold",
    "chance, uniform",
    "nystroem, others",
    "scalings",
    "selections",
    "stacking with features",
    "bagging of bayes, absent classes",
    "network, tanh, two layers",
    "trees and boosting",
    QUANTITY,
]
"""Cases that contain all kinds of stages."""


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folders = {}
    for case in CASES:
        folders[case] = tmp_path_factory.mktemp("kept")
        if case == QUANTITY:
            forest = RandomForestRegressor(3, random_state=0).fit(*samples())
            save_predictor(predictor_of_values(forest), folders[case])
        else:
            save(clone(COMPOSED[case]).fit(*samples()), folders[case])
    return folders


@pytest.fixture(scope="module")
def by_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("library")
    save(make_pipeline(PowerTransformer(), LogisticRegression()).fit(*samples()), folder)
    return folder


def arrays_of(folder: Path) -> dict[str, np.ndarray]:
    with np.load(folder / "predictor.npz") as arrays:
        return dict(arrays.items())


def rejected(folder: Path) -> bool:
    """Whether loading or prediction raises the errors of invalid files; otherwise the result consists of numbers."""
    try:
        predictor = load(folder)
    except ModelError as err:
        message = str(err)
    else:
        return not predicts(predictor)
    assert str(folder) in message
    assert "rain" in message  # the remedy: train the model again
    return True


def predicts(predictor: Predictor) -> bool:
    """Whether a prediction raises no error; its result consists of numbers."""
    if predictor.n_features > 100:
        return True  # the model rejects another number of features than that of its recipe
    try:
        found = predictor.probabilities(np.resize(pixels(), (25, predictor.n_features)))
    except ValueError:
        return False
    assert not np.isnan(found).any()
    return True


def test_the_cases_contain_all_kinds_of_stages(sound: dict[str, Path]) -> None:
    text = "".join((folder / "predictor.json").read_text(encoding="utf-8") for folder in sound.values())
    assert [kind for kind in KINDS if f'"stage": "{kind}"' not in text] == ["LibraryStage"]


DAMAGES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "small integers": lambda a: a.astype(np.int8),
    "single precision": lambda a: a.astype(">f4"),
    "text": lambda a: a.astype(str),
    "more axes": lambda a: a[None],
    "flat": lambda a: a.ravel(),
    "transposed": lambda a: np.ascontiguousarray(a.T),
    "shorter": lambda a: a[:-1],
    "empty": lambda a: a[:0],
    "longer": lambda a: np.concatenate([a, a[-1:]]),
    "a number": lambda a: np.array(3, a.dtype),
}


@pytest.mark.parametrize("case", CASES)
def test_arrays_of_another_type_or_shape_are_rejected(case: str, sound: dict[str, Path], tmp_path: Path) -> None:
    folder = shutil.copytree(sound[case], tmp_path / "copy")
    whole = arrays_of(folder)
    assert not rejected(folder)
    harmless = 0
    for name, array in list(whole.items())[:: max(1, len(whole) // 10)]:
        for damage in DAMAGES.values():
            changed = damage(array)
            if changed.dtype == array.dtype and np.array_equal(changed, array):
                continue
            np.savez(folder / "predictor.npz", **(whole | {name: changed}))
            harmless += not rejected(folder)
    assert harmless <= max(2, len(whole) / 3)  # lists of which the length is free, such as selected features or samples


@settings(deadline=None, max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_value_of_an_array_is_rejected_or_harmless(data: Any, sound: dict[str, Path], tmp_path: Path) -> None:
    case = data.draw(st.sampled_from(CASES))
    folder = shutil.copytree(sound[case], tmp_path / case, dirs_exist_ok=True)
    whole = arrays_of(sound[case])
    name = data.draw(st.sampled_from(sorted(name for name in whole if whole[name].size)))
    array = whole[name].copy()
    values = [0, 1, 2, 7, 1000, -1, -(2**40), 2**31, 2**32 - 1, 2**63 - 1, 1e300, -1e300, np.nan, np.inf]
    value = data.draw(st.sampled_from(values))
    with np.errstate(all="ignore"):
        array.flat[data.draw(st.integers(0, array.size - 1))] = np.array(value).astype(array.dtype)
    np.savez(folder / "predictor.npz", **(whole | {name: array}))
    rejected(folder)


@pytest.mark.parametrize("case", CASES)
def test_any_value_of_the_tree_is_rejected_or_harmless(case: str, sound: dict[str, Path], tmp_path: Path) -> None:
    folder = shutil.copytree(sound[case], tmp_path / "copy")
    path = folder / "predictor.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    at = list(places(content))
    for number, place in enumerate(at[:: max(1, len(at) // 25)]):
        for value in (*WRONG, "Trees", "LibraryStage", float("nan"), 10**400)[number % 4 :: 4]:
            path.write_text(json.dumps(with_value(content, place, value)), encoding="utf-8")
            rejected(folder)


def test_any_changed_byte_is_rejected_or_harmless(sound: dict[str, Path], tmp_path: Path) -> None:
    folder = shutil.copytree(sound["svc isotonic"], tmp_path / "copy")
    rng = np.random.default_rng(4)
    for name in ("predictor.json", "predictor.npz"):
        whole = (folder / name).read_bytes()
        for _ in range(150):
            content = bytearray(whole)
            for place in rng.integers(len(content), size=int(rng.integers(1, 4))):
                content[place] = int(rng.integers(256))
            (folder / name).write_bytes(bytes(content))
            rejected(folder)
        for length in (0, 1, 10, len(whole) // 2, len(whole) - 30):
            (folder / name).write_bytes(whole[:length])
            assert rejected(folder)
        (folder / name).write_bytes(whole)
    assert not rejected(folder)


@pytest.mark.parametrize("name", ["predictor.json", "predictor.npz", "estimator_0.skops"])
def test_missing_and_special_files_are_rejected(name: str, by_library: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(by_library, tmp_path / "copy")
    (folder / name).unlink()
    with pytest.raises(ModelError, match=rf"{name}: missing.*Train it again"):
        load(folder)
    for kind in SPECIAL_FILES:
        put(kind, folder / name)
        with pytest.raises(ModelError, match=name):
            load(folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": "other"}, "not a classifier of this program"),
        ({"version": 2}, "format version 2, this program reads 1"),
        ({"predictor": {}}, "damaged"),
        ({"predictor": {"stage": "os.system"}}, r"damaged \(a stage is"),
        ({"scikit-learn": "0.9.1"}, "written by scikit-learn 0.9.1"),
    ],
)
def test_other_formats_and_versions_are_rejected(
    changes: dict[str, Any], message: str, by_library: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(by_library, tmp_path / "copy")
    content = json.loads((folder / "predictor.json").read_text(encoding="utf-8"))
    (folder / "predictor.json").write_text(json.dumps(content | changes), encoding="utf-8")
    with pytest.raises(ModelError, match=message):
        load(folder)


def test_missing_and_unknown_fields_of_a_stage_are_rejected(sound: dict[str, Path], tmp_path: Path) -> None:
    folder = shutil.copytree(sound["chance, uniform"], tmp_path / "copy")
    path = folder / "predictor.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    for changed in (content["predictor"] | {"more": 1}, {"stage": "Constant", "n_features": 6}):
        path.write_text(json.dumps(content | {"predictor": changed}), encoding="utf-8")
        with pytest.raises(ModelError, match="Constant has the fields"):
            load(folder)


def test_deeply_nested_stages_and_unused_arrays_are_rejected(sound: dict[str, Path], tmp_path: Path) -> None:
    folder = shutil.copytree(sound["chance, uniform"], tmp_path / "copy")
    path = folder / "predictor.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    np.savez(folder / "predictor.npz", **arrays_of(folder), more=np.ones(1))
    with pytest.raises(ModelError, match="1 arrays belong to no stage"):
        load(folder)
    for depth in (100, 100_000):
        start, end = '{"stage": "Chain", "stages": [' * depth, "]}" * depth
        text = json.dumps(content | {"predictor": "X"}).replace('"X"', start + json.dumps(content["predictor"]) + end)
        path.write_text(text, encoding="utf-8")
        with pytest.raises(ModelError, match="damaged"):
            load(folder)


def test_compressed_arrays_are_rejected(sound: dict[str, Path], tmp_path: Path) -> None:
    folder = shutil.copytree(sound["svc isotonic"], tmp_path / "copy")
    np.savez_compressed(folder / "predictor.npz", **arrays_of(folder))
    with pytest.raises(ModelError, match=r"predictor\.npz: damaged \(compressed content\)"):
        load(folder)


def test_a_pickle_is_not_read(sound: dict[str, Path], tmp_path: Path) -> None:
    folder = shutil.copytree(sound["svc isotonic"], tmp_path / "copy")
    whole = arrays_of(folder)
    np.savez(folder / "predictor.npz", **(whole | {min(whole): np.array([print, {}], object)}))
    with pytest.raises(ModelError, match="pickle"):
        load(folder)


# ----------------------------------------------------------------------------------------------- parts by scikit-learn


def with_schema(folder: Path, change: Callable[[Any], Any], *, compression: int = zipfile.ZIP_STORED) -> None:
    path = folder / "estimator_0.skops"
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    schema = json.loads(files["schema.json"])
    files["schema.json"] = json.dumps(change(schema) or schema).encode()
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(name, content)


FOREIGN: dict[str, dict[str, Any]] = {
    "os.system": {"__class__": "system", "__module__": "os", "__loader__": "FunctionNode", "content": {}},
    "builtins.eval": {"__class__": "eval", "__module__": "builtins", "__loader__": "TypeNode"},
    "operator.methodcaller": {"__class__": "methodcaller", "__module__": "operator", "__loader__": "OperatorFuncNode"},
    "sklearn.tree._tree.Tree": {"__class__": "Tree", "__module__": "sklearn.tree._tree", "__loader__": "TreeNode"},
    "sklearn.svm._classes.SVC": {"__class__": "SVC", "__module__": "sklearn.svm._classes", "__loader__": "ObjectNode"},
    "numpy.ufunc": {"__class__": "exp", "__module__": "numpy", "__loader__": "FunctionNode"},
    "without loader": {"__class__": "system", "__module__": "os"},
    "loader of another type": {"__class__": "system", "__module__": "os", "__loader__": ["JsonNode"]},
    "object as text": {"__class__": "system", "__module__": "os", "__loader__": "JsonNode", "content": "1"},
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_types_that_are_not_permitted_are_rejected_before_skops_reads_them(
    kind: str, by_library: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(by_library, tmp_path / "copy")
    with_schema(folder, lambda schema: schema["content"]["content"].update(verbose=FOREIGN[kind]))
    with pytest.raises(ModelError, match=r"estimator_0\.skops: damaged \(objects of type .* are not permitted"):
        load(folder)


def test_compressed_estimators_are_rejected(by_library: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(by_library, tmp_path / "copy")
    with_schema(folder, lambda schema: schema, compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(ModelError, match="compressed content"):
        load(folder)


def test_any_value_of_an_estimator_is_rejected_or_harmless(by_library: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(by_library, tmp_path / "copy")
    whole = (folder / "estimator_0.skops").read_bytes()
    with zipfile.ZipFile(folder / "estimator_0.skops") as archive:
        schema = json.loads(archive.read("schema.json"))
    for place in list(places(schema))[::9]:
        for value in (None, 3, "x", [], {}):
            (folder / "estimator_0.skops").write_bytes(whole)
            with_schema(folder, lambda schema, at=place, value=value: with_value(schema, at, value))
            rejected(folder)


def test_any_array_of_an_estimator_is_rejected_or_harmless(by_library: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(by_library, tmp_path / "copy")
    path = folder / "estimator_0.skops"
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    arrays = {name: np.load(io.BytesIO(content)) for name, content in files.items() if name.endswith(".npy")}
    assert len(arrays) > 2
    for name, array in arrays.items():
        for damage in (*DAMAGES.values(), lambda a: np.full_like(a, np.nan, float), lambda a: a * -(10**6)):
            content = io.BytesIO()
            np.save(content, damage(np.atleast_1d(array)))
            with zipfile.ZipFile(path, "w") as archive:
                for member, whole in files.items():
                    archive.writestr(member, content.getvalue() if member == name else whole)
            rejected(folder)


def test_a_file_outside_the_folder_is_rejected(by_library: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(by_library, tmp_path / "copy")
    path = folder / "predictor.json"
    path.write_text(path.read_text(encoding="utf-8").replace("estimator_0.skops", "../estimator_0.skops"), "utf-8")
    with pytest.raises(ModelError, match="damaged"):
        load(folder)


@pytest.mark.parametrize(
    "estimator",
    [
        make_pipeline(FunctionTransformer(np.abs), LogisticRegression()),
        make_pipeline(SplineTransformer(), LogisticRegression()),
        SVC(probability=True),
    ],
    ids=["function", "spline", "svc with probabilities"],
)
def test_what_is_not_permitted_is_not_written(estimator: Any, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"cannot be stored without pickle.*Use another classifier"):
        save(estimator.fit(*samples()), tmp_path)


def test_a_forest_has_its_own_arrays() -> None:
    predictor = predictor_of(RandomForestClassifier(3, random_state=0).fit(*samples()))
    assert predictor.n_features == FEATURES
