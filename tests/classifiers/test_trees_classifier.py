"""Classifier ``trees``: extra trees and boosting, averaged on calibrated probabilities."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier

from iota2.classifiers.base import ModelError
from iota2.classifiers.registry import untrained, validate_options
from iota2.classifiers.trees import FILES, TEMPERATURES, Trees
from iota2.compute.calibration import Temperature
from iota2.core.recipe import MISSING

OPTIONS = {"classifier.trees.extra": 15, "classifier.trees.rounds": 6}


def samples(polygons: int = 90, pixels: int = 5) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Overlapping classes whose polygons differ, and a feature that is missing at times."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(polygons), pixels)
    y = np.array([11, 2, 65535])[groups % 3]
    x = (rng.normal(size=(polygons, 6)) + 0.8 * (np.arange(polygons) % 3)[:, None])[groups]
    x += 0.3 * rng.normal(size=x.shape)
    x[rng.random(len(y)) < 0.1, 0] = MISSING
    return x.astype(np.float32), y, groups


def trained(threads: int = 1, weight: np.ndarray | None = None, rows: object = ()) -> Trees:
    x, y, groups = (one[rows] if rows != () else one for one in samples())
    found = untrained("trees", validate_options("trees", OPTIONS)[0], threads=threads)
    assert isinstance(found, Trees)
    found.fit(x, y, weight=weight, groups=groups, seed=4)
    return found


def test_probabilities_are_the_mean_of_both_members_after_their_temperatures() -> None:
    found, (x, y, _) = trained(), samples()
    extra, boosting = found.members.probabilities(x.T)
    tempered = [one.apply(p) for one, p in zip(found._temperatures, (extra, boosting), strict=True)]
    np.testing.assert_allclose(found.predict_proba(x), np.mean(tempered, axis=0), atol=1e-12)
    at = np.array([0, 3, 77])
    np.testing.assert_array_equal(found.predict_pixels(np.ascontiguousarray(x.T), at), found.predict_proba(x)[at])
    assert found._temperatures[0] != found._temperatures[1]
    assert (np.unique(y)[found.predict_proba(x).argmax(axis=1)] == y).mean() > 0.9


def test_the_boosting_is_that_of_scikit_learn() -> None:
    found, (x, y, _) = trained(), samples()
    options = {"max_iter": 6, "learning_rate": 0.15, "l2_regularization": 1.0}
    oracle = HistGradientBoostingClassifier(**options, early_stopping=False, random_state=4)
    np.testing.assert_allclose(found.members.boosting.probabilities(x.T), oracle.fit(x, y).predict_proba(x), atol=1e-6)


def test_members_are_tempered_where_polygons_are_noisy() -> None:
    """Boosting that memorises pixels is too confident on other polygons."""
    x, _, groups = samples()
    y = np.random.default_rng(1).integers(1, 4, groups.max() + 1)[groups]  # labels without relation to the features
    found = untrained("trees", validate_options("trees", OPTIONS)[0])
    assert isinstance(found, Trees)
    found.fit(x, y, weight=None, groups=groups, seed=0)
    assert found._temperatures[1].temperature > 1.5 or found._temperatures[1].uniform > 0.3
    assert found.predict_proba(x + 3).max(axis=1).mean() < 0.6


def test_the_number_of_threads_does_not_change_the_bytes(tmp_path: Path) -> None:
    for threads in (1, 2, 3):
        folder = tmp_path / str(threads)
        folder.mkdir()
        trained(threads).save(folder)
    for name in (*FILES, TEMPERATURES):
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "3" / name).read_bytes()


def test_a_stored_model_predicts_the_same(tmp_path: Path) -> None:
    found, (x, _, _) = trained(), samples()
    found.save(tmp_path)
    loaded = Trees.load(tmp_path)
    np.testing.assert_array_equal(loaded.predict_proba(x), found.predict_proba(x))
    assert (loaded.n_features, loaded.n_classes) == (6, 3)
    np.testing.assert_array_equal(loaded.importances, found.importances)


@pytest.mark.parametrize("rows", [[0], [0, 1], [0, 5], [0, 5, 10, 11], [0, 1, 5, 6, 10, 11, 15]])
def test_few_samples_are_enough(rows: list[int]) -> None:
    found, (x, y, _) = trained(rows=rows), samples()
    probabilities = found.predict_proba(x)
    assert probabilities.shape == (len(x), len(np.unique(y[rows])))
    assert probabilities.sum(axis=1) == pytest.approx(1)
    assert found._temperatures == (Temperature(1.0, 0.0), Temperature(1.0, 0.0)), "too few polygons to be held out"


def test_a_class_of_one_polygon_is_learned() -> None:
    x, y, groups = samples()
    y[groups == 7] = 5
    found = untrained("trees", validate_options("trees", OPTIONS)[0])
    found.fit(x, y, weight=None, groups=groups, seed=0)
    assert found.predict_proba(x[groups == 7]).shape[1] == 4  # type: ignore[union-attr]


def test_samples_without_weight_do_not_count() -> None:
    x, y, groups = samples()
    weight = np.where(y == 2, 0.0, 1.0)
    weight[np.flatnonzero(y == 2)[0]] = 1e-9
    assert (np.unique(y)[trained(weight=weight).predict_proba(x).argmax(axis=1)] == 2).mean() < 0.05
    assert len(groups) == len(x)


def test_nan_is_refused() -> None:
    x, _, _ = samples()
    x[3, 2] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        trained().predict_proba(x)


@pytest.mark.parametrize("damage", ["gone", "text", "range", "other shape"])
def test_damaged_files_are_refused(damage: str, tmp_path: Path) -> None:
    trained().save(tmp_path)
    path = tmp_path / TEMPERATURES
    if damage == "gone":
        path.unlink()
    elif damage == "text":
        path.write_text("[{}, {}]", encoding="utf-8")
    elif damage == "range":
        content = json.loads(path.read_text(encoding="utf-8"))
        path.write_text(json.dumps([content[0] | {"temperature": -1}, content[1]]), encoding="utf-8")
    else:
        small = untrained("trees", validate_options("trees", OPTIONS)[0])
        x, y, groups = samples()
        small.fit(x[:, :4], y, weight=None, groups=groups, seed=0)
        (tmp_path / "small").mkdir()
        small.save(tmp_path / "small")
        (tmp_path / "small" / FILES[1]).replace(tmp_path / FILES[1])
    with pytest.raises(ModelError):
        Trees.load(tmp_path)
