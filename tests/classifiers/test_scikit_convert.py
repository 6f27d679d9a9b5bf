"""Every classifier of scikit-learn: fitted, stored, loaded, and equal to the library."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV, _TemperatureScaling
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.gaussian_process import GaussianProcessClassifier
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.multiclass import OutputCodeClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid, RadiusNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, SplineTransformer
from sklearn.semi_supervised import LabelPropagation
from sklearn.svm import SVC, LinearSVC
from sklearn.utils import all_estimators
from threadpoolctl import threadpool_limits

from iota2.classifiers.base import ModelError
from iota2.classifiers.scikit import load, predictor_of, require_keepable, save
from tests.classifiers.scikit_examples import (
    BY_LIBRARY,
    CODES,
    COMPOSED,
    COUNTS_NEEDED,
    NAMES,
    TWO_CLASSES_ONLY,
    WITHOUT_ONE_LABEL,
    named,
    pixels,
    samples,
)

pytestmark = pytest.mark.filterwarnings("ignore")  # of fits with few iterations, and of deprecated classifiers
ALL = {name: name for name in NAMES} | COMPOSED | BY_LIBRARY
KEPT_BY_SKOPS = {"GaussianProcessClassifier", "CategoricalNB", "columns", *BY_LIBRARY}


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    with threadpool_limits(1):
        yield


def estimator_of(case):
    return named(case) if case in NAMES else clone(ALL[case])


def fitted(case, codes=CODES, **options):
    estimator = estimator_of(case)
    require_keepable(estimator)
    return estimator.fit(*samples(codes, whole=case in COUNTS_NEEDED, **options))


def written(estimator, folder):
    folder.mkdir(parents=True)
    save(estimator, folder)
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def expected(estimator, x):
    """Probabilities of the library in double precision; equal ones where it returns NaN, far from all samples."""
    found = estimator.predict_proba(x.astype(np.float64))
    return np.where(np.isnan(found), 1 / found.shape[1], found)


@pytest.mark.parametrize("case", ALL)
def test_a_loaded_classifier_equals_the_library(case, tmp_path):
    codes = CODES[:2] if case in TWO_CLASSES_ONLY else CODES
    estimator = fitted(case, codes)
    files = written(estimator, tmp_path / "first")
    assert {name.rpartition(".")[2] for name in files} <= {"json", "npz", "skops"}
    assert any(name.endswith("skops") for name in files) == (case in KEPT_BY_SKOPS)
    predictor, x = load(tmp_path / "first"), pixels(whole=case in COUNTS_NEEDED)
    found = predictor.probabilities(x)
    assert (predictor.n_features, predictor.n_classes) == (x.shape[1], len(codes))
    np.testing.assert_allclose(found, expected(estimator, x), atol=1e-6, rtol=0)
    for first, last in [(0, 1), (7, 8), (3, 60)]:
        np.testing.assert_array_equal(predictor.probabilities(x[first:last]), found[first:last])
    assert predictor.seconds_per_pixel > 0
    assert written(fitted(case, codes), tmp_path / "again") == files


@pytest.mark.parametrize("case", ALL)
def test_a_classifier_of_two_classes_equals_the_library(case, tmp_path):
    estimator = fitted(case, CODES[1:])
    written(estimator, tmp_path / "two")
    x = pixels(whole=case in COUNTS_NEEDED)
    np.testing.assert_allclose(load(tmp_path / "two").probabilities(x), expected(estimator, x), atol=1e-6, rtol=0)


def test_one_class_has_probability_1_wherever_the_library_can_be_fitted(tmp_path):
    done = []
    for case in NAMES:
        try:
            estimator = fitted(case, (11,), count=6)
        except ValueError:
            continue
        written(estimator, tmp_path / case)
        found = load(tmp_path / case).probabilities(pixels(whole=case in COUNTS_NEEDED)[:5])
        np.testing.assert_array_equal(found, np.ones((5, 1)))
        done.append(case)
    assert {"RandomForestClassifier", "GaussianNB", "KNeighborsClassifier", "AdaBoostClassifier"} <= set(done)


def test_one_sample_is_enough_wherever_the_library_can_be_fitted(tmp_path):
    done = []
    for case in NAMES:
        try:
            estimator = fitted(case, (11,), count=1)
        except ValueError:
            continue
        written(estimator, tmp_path / case)
        np.testing.assert_array_equal(load(tmp_path / case).probabilities(np.ones((1, 6), np.float32)), [[1.0]])
        done.append(case)
    assert {"RandomForestClassifier", "GaussianNB", "DecisionTreeClassifier"} <= set(done)


def test_columns_follow_the_sorted_codes():
    x, y = samples()
    predictor = predictor_of(LogisticRegression().fit(x, y))
    assert (np.array(CODES)[predictor.probabilities(x).argmax(axis=1)] == y).mean() > 0.6


def test_a_class_absent_from_a_fold_keeps_its_column():
    x, y = samples()
    rare = y != 65535
    rare[2] = True  # one sample of the last class
    estimator = CalibratedClassifierCV(GaussianNB(), cv=[(np.arange(3, 40), np.arange(40)), (np.arange(40),) * 2])
    estimator.fit(x[rare], y[rare])
    assert [len(member.estimator.classes_) for member in estimator.calibrated_classifiers_] == [2, 3]
    np.testing.assert_allclose(predictor_of(estimator).probabilities(x), expected(estimator, x), atol=1e-6)


@pytest.mark.parametrize("codes", [CODES, CODES[1:]], ids=len)
@pytest.mark.parametrize("inner", [GaussianNB(), SVC()], ids=["probabilities", "scores"])
def test_temperatures_equal_the_library(inner, codes):
    estimator = CalibratedClassifierCV(clone(inner), cv=3).fit(*samples(codes))
    estimator.method = "temperature"
    for number, member in enumerate(estimator.calibrated_classifiers_):
        scaling = _TemperatureScaling()
        scaling.beta_ = 0.3 + number  # its own fit fails at times, with NaN
        member.method, member.calibrators = "temperature", [scaling]
    x = pixels()
    np.testing.assert_allclose(predictor_of(estimator).probabilities(x), expected(estimator, x), atol=1e-6)


def test_many_pixels_are_predicted_in_slices():
    estimator = fitted("svc isotonic")
    x = np.tile(pixels(), (40, 1))
    np.testing.assert_allclose(predictor_of(estimator).probabilities(x), expected(estimator, x), atol=1e-6)


def test_fewer_samples_than_neighbours_are_all_neighbours():
    x, y = samples(count=3)
    found = predictor_of(KNeighborsClassifier(5).fit(x, y)).probabilities(x)
    np.testing.assert_allclose(found, np.full((3, 3), 1 / 3))


def test_a_fitted_classifier_without_probabilities_is_an_error(tmp_path):
    x, y = samples()
    for estimator in (LinearSVC(), OutputCodeClassifier(LogisticRegression()), SGDClassifier()):
        with pytest.raises(ModelError, match=r"cannot be used.*Use another classifier"):
            save(estimator.fit(x, y), tmp_path)
    with pytest.raises(ModelError, match="LogisticRegression cannot be used"):
        predictor_of(LogisticRegression())


class Subclass(LogisticRegression):
    """A class of the user."""


REFUSED = {
    "SVC predicts no probabilities. Use CalibratedClassifierCV(SVC(...))": SVC(),
    "SGDClassifier predicts no probabilities": SGDClassifier(),
    "models with sklearn.multiclass.OutputCodeClassifier": OutputCodeClassifier(LogisticRegression()),
    "probability=True cannot be stored. Use CalibratedClassifierCV": SVC(probability=True),
    "CalibratedClassifierCV.estimator.kernel: functions": CalibratedClassifierCV(SVC(kernel=np.dot)),
    "metric 'cosine' (p=2) cannot be stored": KNeighborsClassifier(metric="cosine"),
    "metric 'minkowski' (p=3)": RadiusNeighborsClassifier(p=3),
    "weights": KNeighborsClassifier(weights=np.ones_like),
    "metric 'manhattan' gives no probabilities": NearestCentroid(metric="manhattan"),
    "LabelPropagation.kernel: functions": LabelPropagation(kernel=np.dot),
    "Pipeline.steps[0][1]: kernel 'cosine'": make_pipeline(Nystroem("cosine"), GaussianNB()),
    "Pipeline.steps[0][1]: models with sklearn.preprocessing._function_transformer.FunctionTransformer": make_pipeline(
        FunctionTransformer(np.log1p), GaussianNB()
    ),
    "models with sklearn.preprocessing._polynomial.SplineTransformer": make_pipeline(SplineTransformer(), GaussianNB()),
    "Subclass cannot be stored without pickle": Subclass(),
    "BaggingClassifier.estimator: models with": BaggingClassifier(Subclass()),
    "init cannot be stored": GradientBoostingClassifier(init=GaussianNB()),
    "categorical_features cannot be stored": HistGradientBoostingClassifier(categorical_features=[0]),
    "drawn by chance": DummyClassifier(strategy="stratified"),
    "voting 'hard' gives no probabilities": VotingClassifier([("a", GaussianNB())]),
    "stack_method 'predict'": StackingClassifier([("a", GaussianNB())], stack_method="predict"),
    "StackingClassifier.estimators[0][1]: voting": StackingClassifier([("a", VotingClassifier([("b", GaussianNB())]))]),
    "as a member": AdaBoostClassifier(GaussianProcessClassifier()),
    "multi_class gives no probabilities": GaussianProcessClassifier(multi_class="one_vs_one"),
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_could_not_be_stored_is_refused_before_training(message):
    with pytest.raises(ModelError) as caught:
        require_keepable(REFUSED[message])
    assert message in str(caught.value)


@pytest.mark.parametrize("name", sorted(WITHOUT_ONE_LABEL))
def test_classifiers_of_several_labels_are_refused(name):
    kind = dict(all_estimators(type_filter="classifier"))[name]
    with pytest.raises(ModelError):
        require_keepable(kind(LogisticRegression()))


def test_transformers_that_are_accepted_can_be_stored(tmp_path):
    x, y = samples()
    accepted = []
    for name, kind in all_estimators(type_filter="transformer"):
        try:
            estimator = make_pipeline(MinMaxScaler(clip=True), kind(), LogisticRegression())
            require_keepable(estimator)
            estimator.fit(x, y)
        except (TypeError, ValueError, ModelError):  # arguments needed, not for these samples, refused
            continue
        written(estimator, tmp_path / name)
        found = load(tmp_path / name).probabilities(pixels())
        np.testing.assert_allclose(found, expected(estimator, pixels()), atol=1e-6)
        accepted.append(name)
    assert len(accepted) >= 30
    assert {"StandardScaler", "PCA", "Nystroem", "QuantileTransformer", "SelectKBest"} <= set(accepted)


SCRIPT = """
import sys
from pathlib import Path
import numpy as np
from iota2.classifiers.scikit import load
folder = Path(sys.argv[1])
for path in sorted(folder.glob("*/predictor.json")):
    x, wanted = np.load(folder / "x.npy"), np.load(path.parent / "wanted.npy")
    np.testing.assert_array_equal(load(path.parent).probabilities(x), wanted)
imported = {name.partition(".")[0] for name in sys.modules} & {"sklearn", "skops", "lightgbm", "joblib"}
assert not imported, imported
print(len(list(folder.glob("*/predictor.json"))))
"""


def test_another_process_predicts_from_arrays_without_scikit_learn(tmp_path):
    np.save(tmp_path / "x.npy", pixels())
    cases = [case for case in (*NAMES, *COMPOSED) if case not in KEPT_BY_SKOPS | TWO_CLASSES_ONLY | {*COUNTS_NEEDED}]
    for number, case in enumerate(cases[::4]):
        estimator = fitted(case)
        written(estimator, tmp_path / str(number))
        np.save(tmp_path / str(number) / "wanted.npy", predictor_of(estimator).probabilities(pixels()))
    run = [sys.executable, "-c", SCRIPT, str(tmp_path)]
    result = subprocess.run(run, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert int(result.stdout) == len(cases[::4])


def test_files_have_no_dates_and_no_compression(tmp_path):
    for case in ("svc isotonic", "quantiles"):
        written(fitted(case), tmp_path / case)
        for path in Path(tmp_path / case).iterdir():
            if path.suffix == ".json":
                assert json.loads(path.read_text(encoding="utf-8"))["version"] == 1
                continue
            with zipfile.ZipFile(path) as archive:
                members = archive.infolist()
            assert members or case == "quantiles"
            assert all(m.date_time[0] == 1980 and m.compress_type == zipfile.ZIP_STORED for m in members)
