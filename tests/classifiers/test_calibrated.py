"""Calibrated models: honest probabilities, unchanged labels, floors, files, and independence of threads and blocks."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from iota2.classifiers import ModelError, load_model, save_model, train_model, validate_options
from iota2.classifiers.base import Model
from iota2.classifiers.calibrated import (
    MIN_ISOTONIC_POLYGONS,
    MIN_POLYGONS,
    ModelCalibration,
    OutOfFold,
    calibrate,
    chosen,
)
from iota2.classifiers.fitting import Fitting
from iota2.classifiers.models import read_calibration
from iota2.classifiers.registry import SCIKIT
from iota2.classifiers.samples import Samples
from iota2.compute.calibration import METHODS, Isotonic, Temperature
from iota2.compute.reliability import brier_scores, expected_calibration_error
from iota2.core.cube import FeatureBlock
from iota2.core.random import generator
from tests.classifiers.polygon_worlds import RECIPE, Drawn, draw

LEARNING, VALIDATION = 150, 100
"""Numbers of polygons."""


def trained(samples: Drawn, calibration: str = "auto", trees: int = 20, **changes: object) -> Model:
    parameters, _ = validate_options("rf", {"classifier.rf.nbtrees": trees})
    how: dict = {"recipe": RECIPE, "seed": 0, "region": "1", "threads": 1, "groups": samples.polygons} | changes
    return train_model("rf", parameters, samples.x, samples.y, calibration=calibration, **how)


def block_of(x: np.ndarray, shape: tuple[int, int] | None = None) -> FeatureBlock:
    shape = shape or (1, len(x))
    return FeatureBlock(np.ascontiguousarray(x.T).reshape(-1, *shape), RECIPE.names, np.ones(shape, np.uint16))


def probabilities_of(model: Model, x: np.ndarray) -> np.ndarray:
    return model.predict(block_of(x), np.ones((1, len(x)), bool)).probabilities[:, 0].T.astype(float)


@pytest.fixture(scope="module")
def world() -> tuple[Drawn, Drawn]:
    """Samples of learning and of validation polygons."""
    drawn = draw(0, LEARNING + VALIDATION)
    learns = drawn.polygons < LEARNING
    return drawn.where(learns), drawn.where(~learns)


@pytest.fixture(scope="module")
def model(world: tuple[Drawn, Drawn]) -> Model:
    return trained(world[0])


def fake_method(samples: Drawn, sharpness: float):
    """A method whose probabilities are powers of the shares of classes near the truth; counts its fits."""
    codes, fits = np.unique(samples.y), []
    rng = np.random.default_rng(0)
    honest = rng.dirichlet(np.full(len(codes), 0.5), len(samples.y)) + 0.01
    honest /= honest.sum(axis=1, keepdims=True)

    def fit(learned):
        fits.append(learned)
        powers = honest[:, np.isin(codes, samples.y[learned])] ** sharpness
        return lambda at: (powers / powers.sum(axis=1, keepdims=True))[at]

    truth = (honest.cumsum(axis=1) > rng.random((len(honest), 1))).argmax(axis=1)
    return fit, codes[np.minimum(truth, len(codes) - 1)], fits


@pytest.mark.long
def test_over_ten_worlds_with_wrong_labels_the_error_is_halved_and_small():
    """The law of the option's default: forests on worlds with wrong labels, measured on polygons of their own."""
    before, after, worse = [], [], 0
    for seed in range(10):
        drawn = draw(seed, 2200)
        learns = drawn.polygons < 400
        fitted, other = trained(drawn.where(learns), trees=30, seed=seed), drawn.where(~learns)
        columns = np.searchsorted(fitted.classes, other.y)
        raw, calibrated = fitted.classifier.predict_proba(other.x), probabilities_of(fitted, other.x)
        assert (raw.argmax(axis=1) == calibrated.argmax(axis=1)).mean() > 0.999
        before.append(expected_calibration_error(raw, columns))
        after.append(expected_calibration_error(calibrated, columns))
        worse += brier_scores(calibrated, columns).mean() > brier_scores(raw, columns).mean()
    assert np.mean(after) < min(np.mean(before) / 2, 0.03)
    assert worse == 0


def test_labels_do_not_change_and_confidence_is_the_calibrated_probability_of_the_label(world, model):
    raw, x = trained(world[0], "none"), world[1].x
    assert isinstance(model.calibration.calibration, Temperature)
    found, plain = (one.predict(block_of(x), np.ones((1, len(x)), bool)) for one in (model, raw))
    np.testing.assert_array_equal(found.labels, plain.labels)
    expected = model.calibration.calibration.apply(raw.classifier.predict_proba(x)).astype(np.float32)
    np.testing.assert_array_equal(found.probabilities[:, 0].T, expected)
    np.testing.assert_array_equal(found.confidence[0], expected.max(axis=1))
    assert (found.confidence != plain.confidence).mean() > 0.9


@pytest.mark.parametrize("method", METHODS)
def test_labels_of_ties_and_of_nearly_equal_probabilities_do_not_change(world, method):
    """Differences in the last bit are lost by powers; the label is chosen before."""
    fitted = trained(world[0], method)
    row = np.full(7, 0.1)
    row[[2, 4]] = 0.25, np.nextafter(0.25, 1)

    def nearly_equal(values: np.ndarray, at: np.ndarray) -> np.ndarray:
        return np.tile(row, (len(at), 1))

    fitted.classifier.predict_pixels = nearly_equal
    assert fitted.predict(block_of(world[1].x[:3]), np.ones((1, 3), bool)).labels.tolist() == [[fitted.classes[4]] * 3]


def test_results_do_not_depend_on_threads_and_blocks(world, model, tmp_path):
    again = trained(world[0], threads=2)
    assert again.calibration == model.calibration
    x = world[1].x[:60]
    whole = model.predict(block_of(x, (6, 10)), np.ones((6, 10), bool), threads=2)
    for row in range(6):
        part = model.predict(block_of(x[10 * row : 10 * row + 10]), np.ones((1, 10), bool))
        np.testing.assert_array_equal(part.probabilities[:, 0], whole.probabilities[:, row])
        np.testing.assert_array_equal(part.confidence[0], whole.confidence[row])


def test_unselected_pixels_are_zero_in_calibrated_maps(world, model):
    where = np.arange(12).reshape(3, 4) % 3 > 0
    found = model.predict(block_of(world[1].x[:12], (3, 4)), where)
    assert not found.confidence[~where].any()
    assert not found.probabilities[:, ~where].any()
    np.testing.assert_allclose(found.probabilities[:, where].sum(axis=0), 1, atol=1e-6)


def test_a_loaded_model_is_calibrated_in_the_same_way(world, model, tmp_path):
    save_model(model, tmp_path / "model", tmp_path / "card.txt")
    loaded = load_model(tmp_path / "model")
    assert loaded.calibration == model.calibration == read_calibration(tmp_path / "model")
    np.testing.assert_array_equal(probabilities_of(loaded, world[1].x), probabilities_of(model, world[1].x))
    save_model(loaded, tmp_path / "again", tmp_path / "again.txt")
    for name in ("model.json", "forest.npz"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "model" / name).read_bytes()
    assert json.loads((tmp_path / "model/model.json").read_text(encoding="utf-8"))["version"] == 4


def test_the_card_describes_the_calibration(model, tmp_path):
    save_model(model, tmp_path / "model", tmp_path / "card.txt")
    card = (tmp_path / "card.txt").read_text(encoding="utf-8")
    assert "Calibration of the probabilities\n  Temperature 0." in card
    assert f"of {LEARNING} polygons." in card
    assert card.count("expected calibration error") == 3


def test_without_the_option_the_files_are_those_of_former_versions(world, tmp_path):
    save_model(trained(world[0], "none"), tmp_path / "model", tmp_path / "card.txt")
    content = json.loads((tmp_path / "model/model.json").read_text(encoding="utf-8"))
    assert content["version"] == 1
    assert "calibration" not in content
    assert "alibration" not in (tmp_path / "card.txt").read_text(encoding="utf-8")


def few_of(world: tuple[Drawn, Drawn], polygons: int) -> Drawn:
    return world[0].where(world[0].polygons < polygons)


def test_below_the_floor_nothing_is_fitted_and_the_card_says_so(world, tmp_path):
    fitted = trained(few_of(world, 30))
    assert fitted.calibration.calibration is None
    assert fitted.calibration.reliability == {}
    x = world[1].x[:50]
    np.testing.assert_array_equal(probabilities_of(fitted, x), fitted.classifier.predict_proba(x).astype(np.float32))
    save_model(fitted, tmp_path / "model", tmp_path / "card.txt")
    assert f"at least {MIN_POLYGONS} are needed." in (tmp_path / "card.txt").read_text(encoding="utf-8")
    assert json.loads((tmp_path / "model/model.json").read_text(encoding="utf-8"))["version"] == 1
    assert load_model(tmp_path / "model").calibration == fitted.calibration


def test_groups_are_counted_not_samples(world):
    """Cells of parcels: many polygons in few groups are few independent observations."""
    samples = world[0]
    assert "30 polygons" in trained(samples, groups=samples.polygons % 30).calibration.sentences[0]
    assert "unknown" in trained(samples, groups=None).calibration.sentences[0]


def test_one_class_is_not_calibrated(world):
    samples = Drawn(world[0].x, np.full(len(world[0].y), 5), world[0].polygons)
    fitted = trained(samples)
    assert fitted.calibration.reason == "the model has one class"
    assert (probabilities_of(fitted, samples.x[:4]) == 1).all()


def test_classes_with_few_polygons_are_left_out_and_named(world):
    samples = world[0]
    y = np.where(np.isin(samples.polygons, (3, 8)), 9, samples.y)
    fitted = trained(Drawn(samples.x, y, samples.polygons))
    assert fitted.calibration.left_out == (9,)
    assert fitted.calibration.polygons == LEARNING - 2
    assert fitted.calibration.calibration is not None
    assert "class 9 are not used" in fitted.calibration.sentences[1]


@pytest.mark.parametrize("choice", ["auto", "temperature"])
def test_honest_probabilities_hardly_change(world, choice):
    fit, truth, fits = fake_method(world[0], 1.0)
    found = calibrate(choice, fit, truth, world[0].polygons, seed=3, region="1")
    assert found.calibration.temperature == pytest.approx(1, abs=0.1)
    assert found.calibration.uniform < 0.1
    assert set(found.reliability) == {"mixed", "apart", "calibrated"}
    assert len(fits) == 4


def test_auto_takes_the_better_method_and_none_if_both_are_clearly_worse():
    groups, rng = np.repeat(np.arange(50), 4), np.random.default_rng(0)
    noise = np.repeat(rng.normal(0, 0.1, 50), 4)
    level = np.full(200, 0.5)
    assert chosen({"none": level, "temperature": level + noise - 0.1, "isotonic": level}, groups) == "temperature"
    assert chosen({"none": level, "temperature": level, "isotonic": level - 0.01}, groups) == "isotonic"
    error = noise.std() / np.sqrt(50)
    centred = level + noise - noise.mean()
    assert chosen({"none": level, "temperature": centred + 0.8 * error}, groups) == "temperature"
    assert chosen({"none": level, "temperature": centred + 1.2 * error}, groups) == "none"


def test_the_floor_rises_with_the_number_of_classes(world):
    samples = world[0].where(world[0].polygons < 66)
    found = trained(samples).calibration
    assert found.polygons > MIN_POLYGONS
    assert found.calibration is None
    assert f"at least {10 * len(np.unique(samples.y))}" in found.reason


@pytest.mark.parametrize("choice", ["auto", *METHODS])
def test_the_requested_method_is_fitted(world, choice):
    fit, truth, _ = fake_method(world[0], 3.0)
    found = calibrate(choice, fit, truth, world[0].polygons, seed=0, region="1")
    assert found.calibration.name == ("temperature" if choice == "auto" else choice)
    assert found.reliability["calibrated"].brier < found.reliability["apart"].brier
    assert found.reliability["calibrated"].error < found.reliability["apart"].error / 2


def test_auto_considers_isotonic_with_many_polygons():
    samples = draw(1, MIN_ISOTONIC_POLYGONS + 200, pixels=3)
    rng = generator(0, "test")
    share = rng.random(len(samples.y))
    truth = np.where(rng.random(len(share)) < np.where(share < 0.5, 0.2, 0.7), 2, 1)  # a step

    def fit(learned):
        return lambda at: np.stack([1 - share, share], axis=1)[at]

    found = calibrate("auto", fit, truth, samples.polygons, seed=0, region="1")
    assert isinstance(found.calibration, Isotonic)


def test_calibrations_do_not_see_predictions_of_models_that_learned_from_the_polygon(world):
    samples, learned_from = world[0], []

    def fit(learned):
        learned_from.append(learned)
        return lambda at: np.full((len(at), len(np.unique(samples.y[learned]))), 1 / 7)

    calibrate("temperature", fit, samples.y, samples.polygons, seed=0, region="1")
    held_out = [np.setdiff1d(np.arange(len(samples.y)), learned) for learned in learned_from]
    for learned, other in zip(learned_from[:3], held_out[:3], strict=True):
        assert not np.intersect1d(samples.polygons[learned], samples.polygons[other]).size
    assert np.sort(np.concatenate(held_out[:3])).tolist() == list(range(len(samples.y)))
    mixed = np.intersect1d(samples.polygons[learned_from[3]], samples.polygons[held_out[3]])
    assert len(mixed) > LEARNING / 2


def test_samples_made_from_others_count_neither_for_the_calibration_nor_for_its_measures(world):
    fit, truth, _ = fake_method(world[0], 3.0)
    augmented = np.random.default_rng(1).random(len(truth)) < 0.3

    def spoilt(learned):
        def predict(at):
            found = fit(learned)(at).copy()
            found[augmented[at]] = np.roll(found[augmented[at]], 1, axis=1)
            return found

        return predict

    given = {"seed": 0, "region": "1"}
    polygons = world[0].polygons
    one, other = (calibrate("temperature", m, truth, polygons, augmented=augmented, **given) for m in (fit, spoilt))
    assert one == other
    assert one.samples == np.count_nonzero(~augmented)
    assert calibrate("temperature", spoilt, truth, polygons, **given) != other


def record(calibration=None, **changes):
    reliability = {"apart": OutOfFold(0.1, -0.1, 0.05, 0.5)}
    given = {"choice": "auto", "reason": "", "polygons": 60, "samples": 500, "left_out": (3,)}
    return ModelCalibration(calibration=calibration, reliability=reliability, **{**given, **changes})


@pytest.mark.parametrize(
    "calibration", [None, Temperature(0.5, 0.1), Isotonic((0.0, 0.3, 1.0), (0.1, 0.2, 0.9))], ids=str
)
def test_a_record_equals_itself_after_json(calibration):
    one = record(calibration)
    assert ModelCalibration.from_json(json.loads(json.dumps(one.to_json()))) == one


TAMPERED = [
    ("calibration", {"method": "temperature", "temperature": 0.0, "uniform": 0.1}),
    ("calibration", {"method": "temperature", "temperature": float("nan"), "uniform": 0.1}),
    ("calibration", {"method": "temperature", "temperature": "1", "uniform": 0.1}),
    ("calibration", {"method": "temperature", "temperature": 1.0}),
    ("calibration", {"method": "temperature", "temperature": 1.0, "uniform": 0.1, "more": 1}),
    ("calibration", {"method": "pickle", "path": "x"}),
    ("calibration", {"method": "isotonic", "given": [0.2, 0.1], "found": [0.1, 0.2]}),
    ("calibration", {"method": "isotonic", "given": [0.1, 0.2], "found": [0.1, 7.0]}),
    ("calibration", {"method": "isotonic", "given": "01", "found": "01"}),
    ("calibration", ["temperature"]),
    ("calibration", 3),
    ("choice", "always"),
    ("choice", ["auto"]),
    ("reason", 3),
    ("polygons", -1),
    ("polygons", True),
    ("samples", 1.5),
    ("left_out", ["a"]),
    ("left_out", None),
    ("reliability", {"other": {"error": 0.1, "excess": 0.1, "classwise_error": 0.1, "brier": 0.1}}),
    ("reliability", {"apart": {"error": 0.1}}),
    ("reliability", {"apart": {"error": "0.1", "excess": 0.1, "classwise_error": 0.1, "brier": 0.1}}),
    ("reliability", []),
]


@pytest.mark.parametrize(("key", "value"), TAMPERED, ids=lambda value: str(value)[:40])
def test_a_tampered_calibration_is_rejected(model, tmp_path: Path, key, value):
    save_model(model, tmp_path / "model", tmp_path / "card.txt")
    path = tmp_path / "model/model.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    content["calibration"][key] = value
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(ModelError, match=r"model\.json: damaged"):
        load_model(tmp_path / "model")


def test_a_model_without_the_calibration_of_its_file_format_is_rejected(model, tmp_path):
    save_model(model, tmp_path / "model", tmp_path / "card.txt")
    path = tmp_path / "model/model.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    del content["calibration"]
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(ModelError, match="calibration"):
        load_model(tmp_path / "model")


def test_a_grid_search_is_not_repeated_for_the_folds(world):
    """The models of the folds have the parameters that the search on all samples found."""
    options = {
        "model_type": "DecisionTreeClassifier",
        "cross_validation_parameters": {"max_depth": [1, 6]},
        "cross_validation_grouped": True,
        "cross_validation_folds": 3,
    }
    fitting = Fitting(SCIKIT, validate_options(SCIKIT, options)[0], RECIPE, 0)
    samples = Samples(world[0].x, world[0].y, None, world[0].polygons)
    first = fitting.fit(samples)
    again = fitting.fit(samples.at(np.arange(0, len(samples.y), 2)), first.method)
    assert first.method.search_report.best.parameters == {"max_depth": 6}
    assert not again.method.searches
    assert again.method.search_report is None
    assert len(np.unique(again.predict_proba(samples.x), axis=0)) > 2, "deeper than the first candidate"
