"""Models: training, prediction, folders and errors."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.ensemble import ExtraTreesClassifier, GradientBoostingClassifier, HistGradientBoostingClassifier
from threadpoolctl import threadpool_limits

from iota2.classifiers import KINDS, ModelError, load_model, save_model, train_model, validate_options
from iota2.classifiers.base import ReadsBlocks
from iota2.classifiers.card import feature_origins
from iota2.classifiers.flatten import flatten
from iota2.classifiers.forest import ForestClassifier, read_forest, write_forest
from iota2.core.cube import FeatureBlock
from iota2.core.recipe import MISSING, TEMPORAL_FEATURES, FeatureRecipe, SensorRecipe
from iota2.errors import FeatureMismatch, InputError, UserError

SENSOR = SensorRecipe("Sentinel2", ("B2", "B4"), {"red": "B4"}, ("20180511", "20180521"), indices=("NDVI",))
RECIPE = FeatureRecipe((SENSOR,))
CLASSES = (3, 11, 500)


def samples(classes=CLASSES, count=60, features=6):
    """Samples of classes that differ only by the first feature, which is 10 times the rank of the class."""
    rng = np.random.default_rng(4)
    rank = np.arange(count) % len(classes)
    x = rng.normal(size=(count, features)).astype(np.float32)
    x[:, 0] += 10 * rank
    return x, np.array(classes)[rank]


def model_of(x, y, *, name="rf", options=None, **changes):
    candidates = "classifier.sharkrf.mtry" if name == "sharkrf" else "classifier.rf.var"
    given = {f"classifier.{name}.nbtrees": 10, candidates: 6, **(options or {})}
    parameters, _ = validate_options(name, given)
    how = {"recipe": RECIPE, "seed": 0, "region": "1", "threads": 1, **changes}
    return train_model(name, parameters, x, y, **how)


def block_of(x, shape, n_valid=None):
    """A block from pixels (pixel, feature) in row order."""
    values = np.ascontiguousarray(x.T).reshape(x.shape[1], *shape)
    n_valid = np.ones(shape, np.uint16) if n_valid is None else n_valid
    return FeatureBlock(values, RECIPE.names, n_valid)


def saved(model, folder):
    save_model(model, folder / "model", folder / "card.txt")
    return folder / "model"


def contents(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def model():
    return model_of(*samples())


@pytest.mark.parametrize("name", ["rf", "sharkrf"])
def test_a_model_predicts_the_classes_of_its_samples(name):
    x, y = samples(count=120)
    found = model_of(x, y, name=name).predict(block_of(x, (10, 12)), np.ones((10, 12), bool))
    assert (found.labels.dtype, found.confidence.dtype, found.probabilities.dtype) == (
        np.uint16,
        np.float32,
        np.float32,
    )
    assert (found.labels.ravel() == y).mean() > 0.95
    assert found.probabilities.shape == (3, 10, 12)
    np.testing.assert_allclose(found.probabilities.sum(axis=0), 1, atol=1e-6)
    np.testing.assert_array_equal(found.probabilities.max(axis=0), found.confidence)
    np.testing.assert_array_equal(np.array(CLASSES)[found.probabilities.argmax(axis=0)], found.labels)


def test_unselected_pixels_and_pixels_without_observations_get_zero(model):
    x, _ = samples(count=12)
    where = np.ones((3, 4), bool)
    where[0, 1] = False
    n_valid = np.full((3, 4), 5, np.uint16)
    n_valid[2, 3] = 0
    features = block_of(x, (3, 4), n_valid)
    full = model.predict(block_of(x, (3, 4)), np.ones((3, 4), bool))
    features.values[:, 0, 1] = features.values[:, 2, 3] = np.nan
    found = model.predict(features, where)
    out = ~where | (n_valid == 0)
    assert (found.labels[out] == 0).all()
    assert (found.confidence[out] == 0).all()
    assert (found.probabilities[:, out] == 0).all()
    np.testing.assert_array_equal(found.labels[~out], full.labels[~out])
    np.testing.assert_array_equal(found.probabilities[:, ~out], full.probabilities[:, ~out])


@pytest.mark.parametrize("shape", [(3, 4), (0, 4)])
def test_without_selected_pixels_all_values_are_zero(model, shape):
    x, _ = samples(count=shape[0] * shape[1])
    found = model.predict(block_of(x, shape), np.zeros(shape, bool))
    assert found.labels.shape == shape
    assert found.probabilities.shape == (3, *shape)
    assert not found.labels.any()
    assert not found.probabilities.any()


def test_nan_in_a_classified_pixel_is_an_error_with_the_feature_name(model):
    x, _ = samples(count=4)
    x[2, 3] = np.nan
    with pytest.raises(InputError, match=r"region 1, random seed 0: feature Sentinel2_B4_20180521 .* 1 of 4 pixels"):
        model.predict(block_of(x, (2, 2)), np.ones((2, 2), bool))


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (
            lambda n: (*n[:2], "Sentinel2_B9_20180521", *n[3:]),
            "feature 3 is 'Sentinel2_B9_20180521', expected",
        ),
        (lambda n: (n[1], n[0], *n[2:]), "feature 1 is 'Sentinel2_B4_20180511', expected 'Sentinel2_B2_2018"),
        (lambda n: n[:-1], "feature 6 is nothing, expected 'Sentinel2_NDVI_20180521'"),
        (lambda n: (*n, "more"), "feature 7 is 'more', expected nothing"),
    ],
    ids=["another", "order", "fewer", "more"],
)
def test_other_features_are_rejected_with_the_first_difference(model, names, said):
    given = names(RECIPE.names)
    features = FeatureBlock(np.zeros((len(given), 2, 2), np.float32), given, np.ones((2, 2), np.uint16))
    with pytest.raises(FeatureMismatch, match=said):
        model.predict(features, np.ones((2, 2), bool))


def test_of_equal_probabilities_the_smallest_code_is_chosen():
    x = np.zeros((4, 6), np.float32)
    model = model_of(x, np.array([900, 20, 900, 20]), options={"classifier.rf.nbtrees": 1})
    model.classifier._forest = replace(model.classifier.forest, share=np.array([0.5, 0.5]))
    found = model.predict(block_of(x, (2, 2)), np.ones((2, 2), bool))
    assert (found.labels == 20).all()
    assert (found.confidence == 0.5).all()


def test_one_class_and_one_sample_are_sufficient(tmp_path):
    model = model_of(np.ones((1, 6)), np.array([77]))
    again = load_model(saved(model, tmp_path))
    found = again.predict(block_of(np.zeros((4, 6), np.float32), (2, 2)), np.ones((2, 2), bool))
    assert (found.labels == 77).all()
    assert (found.confidence == 1).all()
    assert model.meta.samples == {77: 1}


def test_a_loaded_model_predicts_the_same_and_saves_the_same_bytes(model, tmp_path):
    folder = saved(model, tmp_path)
    again = load_model(folder)
    assert (again.classes, again.recipe, again.meta) == (model.classes, model.recipe, model.meta)
    x, _ = samples(count=30)
    expected, found = (m.predict(block_of(x, (5, 6)), np.ones((5, 6), bool)) for m in (model, again))
    np.testing.assert_array_equal(found.probabilities, expected.probabilities)
    np.testing.assert_array_equal(again.classifier.importances, model.classifier.importances)
    save_model(again, tmp_path / "again", tmp_path / "again.txt")
    assert contents(tmp_path / "again") == contents(folder)
    assert (tmp_path / "again.txt").read_bytes() == (tmp_path / "card.txt").read_bytes()


@pytest.mark.parametrize("name", ["rf", "sharkrf"])
def test_the_number_of_threads_does_not_change_the_bytes(name, tmp_path):
    x, y = samples()
    one, two, other = (
        contents(saved(model_of(x, y, name=name, threads=threads, seed=seed), tmp_path / f"{threads}_{seed}"))
        for threads, seed in ((1, 5), (2, 5), (1, 6))
    )
    assert one == two
    assert one["forest.npz"] != other["forest.npz"]


def test_trees_depend_on_the_region(tmp_path):
    x, y = samples()
    one, two = (contents(saved(model_of(x, y, region=r), tmp_path / r))["forest.npz"] for r in "12")
    assert one != two


def test_weights_change_the_model():
    x = np.zeros((4, 6), np.float32)
    model = model_of(x, np.array([1, 1, 1, 2]), weight=np.array([1, 1, 1, 300.0]))
    found = model.predict(block_of(x, (2, 2)), np.ones((2, 2), bool))
    assert found.probabilities[1].min() > 0.5


def test_weights_of_the_classes_are_kept_and_on_the_card(tmp_path):
    x, y = samples()
    weighted = model_of(x, y, weight=np.where(y == 11, 2.5, 0.5))
    folder = saved(weighted, tmp_path)
    assert load_model(folder).meta.weights == {3: 0.5, 11: 2.5, 500: 0.5}
    card = (tmp_path / "card.txt").read_text(encoding="utf-8")
    assert "Weights of the classes\n  3    0.5\n  11   2.5" in card
    assert b"weights" not in contents(saved(model_of(x, y), tmp_path / "plain"))["model.json"]


def test_more_candidate_features_than_features_means_all():
    x, y = samples()
    all_, more = (model_of(x, y, options={"classifier.rf.var": n}) for n in (6, 60))
    np.testing.assert_array_equal(more.classifier.forest.threshold, all_.classifier.forest.threshold)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda x, y: (x[:0], y[:0]), "no samples"),
        (lambda x, y: (x[:, :5], y), "6 features"),
        (lambda x, y: (x, y[:-1]), "6 features"),
        (lambda x, y: (x, y - 3), "1 to 65535"),
        (lambda x, y: (x, y + 65500), "1 to 65535"),
        (lambda x, y: (x, y + 0.5), "1 to 65535"),
        (lambda x, y: (np.where(np.arange(6) == 2, np.nan, x), y), "Sentinel2_B2_20180521"),
        (lambda x, y: (np.where(np.arange(6) == 2, np.inf, x), y), "60 of 60 samples"),
    ],
    ids=["none", "features", "labels", "zero", "large", "fraction", "nan", "infinite"],
)
def test_unusable_samples_are_rejected(change, said):
    with pytest.raises(InputError, match=said):
        model_of(*change(*samples()))


def test_the_card_describes_the_model(model, tmp_path):
    saved(model, tmp_path)
    card = (tmp_path / "card.txt").read_text(encoding="utf-8")
    assert card.startswith("Model of region 1, random seed 0: rf\n")
    for line in (
        "  max_depth          25",
        "  3    20 samples  ####",
        "  trees             10",
        "out-of-bag score",
    ):
        assert line in card, line
    for name in ("Sentinel2_B2", "Sentinel2_B4", "Sentinel2_NDVI", "20180511", "20180521", "scikit-learn"):
        assert f"\n  {name}" in card
    assert f"nodes             {len(model.classifier.forest.feature)}\n" in card


@pytest.mark.parametrize("name", ["rf", "sharkrf"])
def test_the_card_explains_missing_values_if_they_are_allowed(name, tmp_path):
    for allowed in (False, True):
        saved(model_of(*samples(), name=name, recipe=replace(RECIPE, allow_missing=allowed)), tmp_path / str(allowed))
        card = (tmp_path / str(allowed) / "card.txt").read_text(encoding="utf-8")
        assert ("Missing values (-10000 where a sensor has no observation)" in card) == allowed
        assert (KINDS[name].implementation.missing in card) == allowed


def test_missing_values_are_treated_as_a_number_below_all_others():
    """One of two classes is distinguished by a sensor that is missing for half of its samples."""
    x, y = samples((3, 11))
    x[y == 11, 0] = np.where(np.arange((y == 11).sum()) % 2, MISSING, 10)
    model = model_of(x, y, recipe=replace(RECIPE, allow_missing=True))
    pixels = np.zeros((3, 6), np.float32)
    pixels[:, 0] = 10, MISSING, 0
    assert model.predict(block_of(pixels, (1, 3)), np.ones((1, 3), bool)).labels.tolist() == [[11, 11, 3]]


def test_importances_are_summed_by_band_and_by_date(model, tmp_path):
    saved(model, tmp_path)
    card = (tmp_path / "card.txt").read_text(encoding="utf-8").splitlines()
    rows = [line.split() for line in card if line.startswith(("  Sentinel2", "  2018"))]
    shares = {name: float(share) for name, share, *_ in rows}
    importances = 100 * model.classifier.importances
    assert shares["Sentinel2_B2"] == pytest.approx(importances[[0, 2]].sum(), abs=0.006)
    assert shares["20180511"] == pytest.approx(importances[[0, 1, 4]].sum(), abs=0.006)
    assert shares["Sentinel2_B2"] > 95


def test_feature_origins_do_not_depend_on_standard_labels():
    raw = replace(SENSOR, dates=("20180511", "20180511.1"), gapfilling=False)
    origins = feature_origins(FeatureRecipe((raw,), standard_labels=True))
    assert origins[2] == ("Sentinel2_B2", "20180511")


def test_the_origin_of_a_difference_is_its_later_date_and_a_statistic_has_no_date():
    sensor = replace(SENSOR, temporal=TEMPORAL_FEATURES)
    origins = dict(zip(sensor.names, feature_origins(FeatureRecipe((sensor,))), strict=True))
    first, last = SENSOR.dates
    assert origins[f"Sentinel2_B2_{first}"] == ("Sentinel2_B2", first)
    assert origins[f"Sentinel2_B2_diff_{last}"] == ("Sentinel2_B2", last)
    assert origins["Sentinel2_NDVI_maxdate"] == ("Sentinel2_NDVI", "(no date)")
    assert {band for band, _ in origins.values()} == {"Sentinel2_B2", "Sentinel2_B4", "Sentinel2_NDVI"}


class Trap:
    """An object that executes code when it is unpickled."""

    def __reduce__(self):
        return (pytest.fail, ("code of the model ran",))


def rewrite(folder, **arrays):
    """Replace arrays of the forest in a model folder."""
    with np.load(folder / "forest.npz") as old:
        kept = {name: old[name] for name in old.files}
    np.savez(folder / "forest.npz", **{**kept, **arrays})


def test_pickled_content_is_rejected_without_execution(model, tmp_path):
    folder = saved(model, tmp_path)
    rewrite(folder, share=np.array([Trap()], object))
    with pytest.raises(ModelError, match=r"forest\.npz: damaged"):
        load_model(folder)
    (folder / "forest.npz").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(ModelError, match=r"forest\.npz: damaged"):
        load_model(folder)


@pytest.mark.parametrize(
    "arrays",
    [
        {"child": np.array([2**31], np.uint32)},
        {"importances": np.zeros(3)},
        {"counts": np.array([6, 2])},
        {"counts": np.array([6])},
        {"counts": np.array([7, 3])},
        {"extra": np.zeros(3)},
    ],
    ids=["child", "importances", "classes", "counts", "features", "extra"],
)
def test_inconsistent_arrays_are_rejected(model, tmp_path, arrays):
    folder = saved(model, tmp_path)
    rewrite(folder, **arrays)
    with pytest.raises(ModelError):
        load_model(folder)


def test_a_compressed_archive_is_rejected(model, tmp_path):
    folder = saved(model, tmp_path)
    with zipfile.ZipFile(folder / "forest.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("share.npy", b"0" * 100)
    with pytest.raises(ModelError, match="compressed"):
        load_model(folder)


def test_an_array_with_a_huge_declared_size_is_rejected(model, tmp_path):
    folder = saved(model, tmp_path)
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (2**50,)})
    with zipfile.ZipFile(folder / "forest.npz", "w") as archive:
        archive.writestr("share.npy", header.getvalue())
    with pytest.raises(ModelError, match="damaged"):
        load_model(folder)


BOOSTED = [
    GradientBoostingClassifier(n_estimators=3, random_state=0),
    HistGradientBoostingClassifier(max_iter=3, early_stopping=False, random_state=0),
]


@pytest.mark.parametrize("classes", [CLASSES[:2], CLASSES], ids=["two classes", "three"])
@pytest.mark.parametrize("trainer", [ExtraTreesClassifier(3, random_state=0), *BOOSTED], ids=lambda t: type(t).__name__)
def test_every_kind_of_forest_is_written_and_read(tmp_path, trainer, classes):
    x, y = samples(classes)
    with threadpool_limits(1):
        forest = flatten(trainer.fit(x, y))
        write_forest(forest, None, tmp_path / "forest.npz")
        again, importances = read_forest(tmp_path / "forest.npz")
        expected = trainer.predict_proba(x)
    np.testing.assert_allclose(again.probabilities(x.T), expected, rtol=0, atol=1e-12)
    assert again.link == forest.link
    assert not importances.any()


def test_a_file_without_a_link_has_the_link_mean(model, tmp_path):
    with np.load(saved(model, tmp_path) / "forest.npz") as arrays:
        assert not {"link", "initial"} & set(arrays.files)
    assert model.classifier.forest.link == "mean"


@pytest.mark.parametrize(
    "arrays",
    [
        {"link": np.array("square")},
        {"link": np.array("mean")},
        {"initial": np.zeros(2)},
        {"initial": np.array([0, 0, np.inf])},
        {"initial": np.zeros(3, np.float32)},
        {"share": np.array([1.0])},
    ],
    ids=["another link", "mean", "fewer scores", "infinite", "type", "shares"],
)
def test_an_inconsistent_boosting_file_is_rejected(tmp_path, arrays):
    write_forest(flatten(BOOSTED[0].fit(*samples())), None, tmp_path / "forest.npz")
    rewrite(tmp_path, **arrays)
    with pytest.raises(ModelError, match=r"forest\.npz: not a forest"):
        read_forest(tmp_path / "forest.npz")


class OfRows:
    """A classifier with the mandatory interface only, which wraps a forest."""

    needs_series = False

    def __init__(self, classifier):
        self.n_features, self.n_classes = classifier.n_features, classifier.n_classes
        self.predict_proba = classifier.predict_proba


def test_prediction_with_and_without_copies_is_equal(model):
    x, _ = samples(count=120)
    x[::2] += np.random.default_rng(1).normal(size=(60, 6)).astype(np.float32) * 9
    where = np.random.default_rng(2).random((10, 12)) < 0.6
    of_rows = replace(model, classifier=OfRows(model.classifier))
    assert not isinstance(of_rows.classifier, ReadsBlocks)
    assert isinstance(model.classifier, ReadsBlocks)
    one, other = (m.predict(block_of(x, (10, 12)), where) for m in (model, of_rows))
    for name in ("labels", "confidence", "probabilities"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


@pytest.mark.parametrize("name", ["forest.npz", "model.json"])
def test_a_missing_or_truncated_file_is_rejected(model, tmp_path, name):
    folder = saved(model, tmp_path)
    whole = (folder / name).read_bytes()
    for size in (0, 10, len(whole) // 2, len(whole) - 3):
        (folder / name).write_bytes(whole[:size])
        with pytest.raises(ModelError, match=name):
            load_model(folder)
    (folder / name).unlink()
    with pytest.raises(ModelError, match=f"{name}: missing"):
        load_model(folder)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from(["forest.npz", "model.json"]), where=st.floats(0, 1), byte=st.integers(0, 255))
def test_a_changed_byte_is_rejected_or_harmless(model, tmp_path, name, where, byte):
    """A damaged folder gives a ModelError or a working model, never another exception."""
    folder = saved(model, tmp_path)
    content = bytearray((folder / name).read_bytes())
    content[int(where * (len(content) - 1))] = byte
    (folder / name).write_bytes(content)
    try:
        loaded = load_model(folder)
    except UserError:
        return
    x, _ = samples(count=4)
    features = replace(block_of(x, (2, 2)), names=loaded.recipe.names)
    assert np.isin(loaded.predict(features, np.ones((2, 2), bool)).labels, loaded.classes).all()


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("format", "another", "not a model"),
        ("version", 7, "format version 7"),
        ("kind", "svms", "'svms' is unknown"),
        ("classes", [3, 11], "but samples of"),
        ("classes", [11, 3, 500], "damaged"),
        ("classes", [0, 3, 500], "damaged"),
        ("classes", [3, 11, 70000], "damaged"),
        ("classes", [3, True, 500], "damaged"),
        ("classes", 3, "damaged"),
        ("recipe", {}, "damaged"),
        ("recipe", {"sensors": [{"sensor": "S"}], "standard_labels": False}, "damaged"),
        ("recipe", {"sensors": [], "standard_labels": False}, "6 features"),
        ("region", 1, "damaged"),
        ("seed", "0", "damaged"),
        ("samples", {"three": 1}, "damaged"),
        ("samples", [], "damaged"),
        ("weights", {"3": "much"}, "damaged"),
        ("weights", {"3": 0.0}, "damaged"),
        ("weights", [1.0], "damaged"),
    ],
)
def test_an_inconsistent_model_file_is_rejected(model, tmp_path, key, value, said):
    folder = saved(model, tmp_path)
    content = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    (folder / "model.json").write_text(json.dumps({**content, key: value}), encoding="utf-8")
    with pytest.raises(ModelError, match=said):
        load_model(folder)


def test_a_repeated_key_of_a_model_file_is_rejected(model, tmp_path):
    folder = saved(model, tmp_path)
    text = (folder / "model.json").read_text(encoding="utf-8")
    (folder / "model.json").write_text(text.replace("{", '{"classes": [1, 2, 3],', 1), encoding="utf-8")
    with pytest.raises(ModelError, match="the key 'classes' occurs twice"):
        load_model(folder)


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda sensor: sensor.update(dates=sensor["dates"][::-1]), "do not ascend"),
        (lambda sensor: sensor.update(dates=[sensor["dates"][0]] * len(sensor["dates"])), "do not ascend"),
        (lambda sensor: sensor.update(speckle_radius=10**9), "pixels around each pixel"),
    ],
)
def test_a_model_file_with_an_impossible_recipe_is_rejected(model, tmp_path, edit, said):
    folder = saved(model, tmp_path)
    content = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    edit(content["recipe"]["sensors"][0])
    (folder / "model.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(ModelError, match=said):
        load_model(folder)


def test_many_acquisitions_of_one_day_are_in_the_order_of_their_numbers(tmp_path):
    dates = ("20180511", *(f"20180511.{number}" for number in range(1, 12)))
    recipe = replace(RECIPE, sensors=(replace(RECIPE.sensors[0], dates=dates, gapfilling=False),))
    rng = np.random.default_rng(0)
    x = rng.normal(size=(20, len(recipe.names))).astype(np.float32)
    folder = saved(model_of(x, np.repeat([3, 11], 10), recipe=recipe), tmp_path)
    assert load_model(folder).recipe == recipe


def test_a_classifier_of_classes_is_no_model_of_a_quantity(model, tmp_path):
    folder = saved(model, tmp_path)
    content = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    content |= {"quantity": {"name": "height", "unit": "m"}, "version": 3}
    (folder / "model.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(ModelError, match="rf does not predict a quantity"):
        load_model(folder)


@pytest.mark.parametrize("text", ["[]", "3", "{", "[" * 100_000])
def test_json_that_is_not_a_model_is_rejected(model, tmp_path, text):
    folder = saved(model, tmp_path)
    (folder / "model.json").write_text(text, encoding="utf-8")
    with pytest.raises(ModelError, match=r"model\.json"):
        load_model(folder)


def test_an_unfitted_classifier_raises_an_error():
    with pytest.raises(RuntimeError, match="not fitted"):
        ForestClassifier({}).predict_proba(np.zeros((1, 6), np.float32))
