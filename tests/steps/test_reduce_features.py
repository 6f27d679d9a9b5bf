"""Dimension reduction of the samples of a model, and training with them, for each file format."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from iota2.classifiers import load_model, validate_options
from iota2.classifiers.transforms import Components
from iota2.config.learner import Learner
from iota2.core.cube import FeatureBlock
from iota2.core.graph import Key
from iota2.core.reduction import feature_groups
from iota2.core.tables import CODE, ORIGIN, sample_columns
from iota2.errors import InputError
from iota2.io.tables.vectors import read_samples, write_samples
from iota2.steps.learning import reduction, training
from tests.steps.helpers import RECIPE, area, frame, run, write_codes, write_recipe

FORMATS = (".sqlite", ".parquet")
COUNT = 60
KEY = Key.of(region="1", submodel="", seed=0, source="")


def write_input(folder: Path, suffix: str, *, count: int = COUNT) -> tuple[np.ndarray, np.ndarray]:
    """Write samples of two classes, with columns in another order than the recipe; returns features and codes."""
    rng = np.random.default_rng(0)
    codes = np.arange(count) % 2 + 1
    x = (rng.normal(size=(count, 6)) @ rng.normal(size=(6, 6)) * 300 + 900 * codes[:, None]).astype(np.float32)
    features = pd.DataFrame(x, columns=sample_columns(RECIPE))[sample_columns(RECIPE)[::-1]]
    points = frame([area((0, 1), (0, 1)).centroid] * count, **{CODE: codes, ORIGIN: codes + 5, "crop": "wheat"})
    write_samples(points.join(features), folder / f"samples{suffix}")
    write_recipe(folder)
    return x, codes


def reduce(folder: Path, suffix: str, mode: str = "date", target: int = 1) -> None:
    run(
        reduction.STEP,
        folder,
        {"recipe": "recipe.json", "samples": f"samples{suffix}"},
        {"before": f"before{suffix}", "samples": f"reduced{suffix}", "reduction": "reduction"},
        key=KEY,
        params=reduction.ReductionParams(mode, target),  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("mode", ["global", "sensor_band", "sensor_date", "date", "band", "sensor"])
def test_reduced_samples_are_the_components_of_each_group(tmp_path: Path, suffix: str, mode: str) -> None:
    x, codes = write_input(tmp_path, suffix)
    reduce(tmp_path, suffix, mode, 2)
    found = read_samples(tmp_path / f"reduced{suffix}")
    expected = []
    for group in feature_groups(RECIPE, mode):  # type: ignore[arg-type]
        scaled = StandardScaler().fit_transform(x[:, group.features].astype(np.float64))
        pca = PCA(min(2, len(group.features)), svd_solver="full").fit(scaled)
        largest = pca.components_[np.arange(len(pca.components_)), np.abs(pca.components_).argmax(axis=1)]
        expected.append(pca.transform(scaled) * np.sign(largest))
    columns = [f"reduced_{k}" for k in range(sum(part.shape[1] for part in expected))]
    assert [name for name in found.columns if name not in (CODE, ORIGIN, "crop", "geometry")] == columns
    # groups of two features have two equal loadings, of which rounding determines the larger one in the oracle
    np.testing.assert_allclose(np.abs(found[columns]), np.abs(np.hstack(expected)), rtol=1e-4, atol=1e-4)
    assert found[CODE].tolist() == codes.tolist()
    assert found[ORIGIN].tolist() == (codes + 5).tolist()
    assert set(found["crop"]) == {"wheat"}
    assert (tmp_path / f"before{suffix}").read_bytes() == (tmp_path / f"samples{suffix}").read_bytes()


def test_the_files_describe_each_group(tmp_path: Path) -> None:
    x, _ = write_input(tmp_path, ".sqlite")
    reduce(tmp_path, ".sqlite")
    names = sorted(path.name for path in (tmp_path / "reduction").iterdir() if path.suffix != ".npy")
    assert names == ["model_0", "model_1", "model_2", "stats_0.xml", "stats_1.xml", "stats_2.xml"]
    lines = (tmp_path / "reduction/model_1").read_text(encoding="utf-8").splitlines()
    assert lines[0].endswith(": 20180111")
    assert [line.split("\t")[0] for line in lines[3:]] == ["Small_RED_20180111", "Small_NIR_20180111"]
    root = ElementTree.parse(tmp_path / "reduction/stats_1.xml").getroot()
    values = {one.get("name"): [float(v.get("value", "")) for v in one] for one in root}
    assert values["mean"] == pytest.approx(x[:, 2:4].mean(axis=0, dtype=np.float64))
    assert values["stddev"] == pytest.approx(x[:, 2:4].std(axis=0, dtype=np.float64))


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_model_learns_from_components_and_predicts_from_features(tmp_path: Path, suffix: str) -> None:
    x, codes = write_input(tmp_path, suffix)
    reduce(tmp_path, suffix)
    parameters, _ = validate_options("rf", {"classifier.rf.nbtrees": 20})
    inp = {"recipe": "recipe.json", "samples": f"reduced{suffix}", "reduction": "reduction"}
    inp["classes"] = write_codes(tmp_path)
    params = training.TrainingParams(Learner("rf", parameters), 0)
    run(training.STEP, tmp_path, inp, {"model": "model", "card": "card.txt"}, key=KEY, params=params)
    model = load_model(tmp_path / "model")
    assert model.recipe == RECIPE
    assert model.classifier.n_features == 3
    assert model.importances is None
    block = FeatureBlock(x.T.reshape(6, 6, 10), RECIPE.names, np.ones((6, 10), np.uint16))
    assert (model.predict(block, np.ones((6, 10), bool)).labels.ravel() == codes).mean() > 0.95
    components = Components.load(tmp_path / "reduction")
    expected = model.classifier.predict_proba(components.apply(x))  # type: ignore[union-attr]
    found = model.predict(block, np.ones((6, 10), bool)).probabilities.reshape(2, COUNT).T
    np.testing.assert_array_equal(found, expected.astype(np.float32))
    card = (tmp_path / "card.txt").read_text(encoding="utf-8")
    assert "components: 6 features to 3" in card
    assert "Variance explained by the components of each group of features, %\n  20180101" in card


def test_the_same_samples_give_the_same_bytes(tmp_path: Path) -> None:
    found = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        write_input(tmp_path / name, ".sqlite")
        reduce(tmp_path / name, ".sqlite")
        files = (path for path in (tmp_path / name).rglob("*") if path.is_file())
        found.append({str(path.relative_to(tmp_path / name)): path.read_bytes() for path in files})
    assert found[0] == found[1]


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_model_without_samples_has_its_message_in_the_training(tmp_path: Path, suffix: str) -> None:
    write_input(tmp_path, suffix, count=0)
    reduce(tmp_path, suffix)
    inp = {"recipe": "recipe.json", "samples": f"reduced{suffix}", "reduction": "reduction"}
    inp["classes"] = write_codes(tmp_path)
    params = training.TrainingParams(Learner("rf", validate_options("rf", {})[0]), 0)
    with pytest.raises(InputError, match="Region 1, seed 0: no pixel to learn from"):
        run(training.STEP, tmp_path, inp, {"model": "model", "card": "card.txt"}, key=KEY, params=params)


def test_values_that_are_not_finite_are_an_error_that_names_the_feature(tmp_path: Path) -> None:
    write_input(tmp_path, ".sqlite")
    samples = read_samples(tmp_path / "samples.sqlite")
    samples.loc[3, "small_nir_20180111"] = np.inf
    write_samples(samples, tmp_path / "samples.sqlite")
    with pytest.raises(InputError, match=r"region 1, seed 0: 1 of 60 samples .* first in feature Small_NIR_20180111"):
        reduce(tmp_path, ".sqlite")
