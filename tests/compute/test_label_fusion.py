"""Fusion of labels: votes, Dempster's rule against all subsets of classes, two sources, confidences, probabilities."""

from __future__ import annotations

import math
from collections import Counter
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iota2.compute.label_fusion import (
    BOTH,
    NONE,
    OPTICAL,
    SAR,
    dempster_shafer,
    fuse_sensors,
    label_masses,
    majority_vote,
    mean_probabilities,
    resolve_undecided,
    vote_confidence,
)
from iota2.compute.predict import Prediction
from iota2.core.tables import Confusion

CODES = (3, 7, 11, 200, 300)
UNDECIDED = 255
mass = st.sampled_from((0.0, 0.1, 0.3, 0.5, 0.6, 0.8, 0.9, 1.0)) | st.floats(0, 1)
votes = st.lists(st.sampled_from((0, *CODES)), min_size=1, max_size=4)


def pixels(*columns: list[int]) -> np.ndarray:
    """Labels (source, 1, pixel) of pixels that are given as lists of votes."""
    return np.array(columns, np.uint16).T[:, None, :]


def one(labels: list[int], masses: np.ndarray) -> int:
    return int(dempster_shafer(pixels(labels), masses, CODES, undecided=UNDECIDED)[0, 0])


# ---- majority


@given(st.integers(0, 6).flatmap(lambda k: st.lists(st.lists(st.integers(0, 4), min_size=k, max_size=k), min_size=1)))
def test_majority_is_that_of_counted_votes(columns):
    found = majority_vote(pixels(*columns), undecided=UNDECIDED)
    assert found.dtype == np.uint16
    assert found.shape == (1, len(columns))
    for label, column in zip(found[0], columns, strict=True):
        ranked = Counter(vote for vote in column if vote).most_common()
        tie = len(ranked) > 1 and ranked[0][1] == ranked[1][1]
        assert label == (0 if not ranked else UNDECIDED if tie else ranked[0][0])


def test_labels_of_both_types_may_vote_in_a_block_of_any_shape():
    labels = np.random.default_rng(1).integers(0, 4, (5, 7, 3))
    found = [majority_vote(labels.astype(kind)) for kind in (np.uint8, np.uint16)]
    assert found[0].shape == (7, 3)
    np.testing.assert_array_equal(*found)
    assert majority_vote(np.zeros((3, 0, 4), np.uint8)).shape == (0, 4)


@pytest.mark.parametrize("kind", [np.int16, np.int64, np.float32])
def test_labels_of_other_types_are_rejected(kind):
    with pytest.raises(ValueError, match="expected uint8 or uint16"):
        majority_vote(np.zeros((2, 1, 1), kind))


@pytest.mark.parametrize("undecided", [-1, 65536])
def test_an_undecided_label_that_no_map_can_hold_is_rejected(undecided):
    with pytest.raises(ValueError, match="undecided label"):
        majority_vote(np.zeros((2, 1, 1), np.uint8), undecided=undecided)


# ---- Dempster-Shafer


def beliefs_of_all_subsets(labels: list[int], masses: np.ndarray) -> dict[int, float]:
    """Belief in each class by Dempster's rule over all subsets of the frame; empty for total conflict.

    Each voting source is a simple support function: its mass on its label, the rest on the whole frame.
    """
    whole = frozenset(CODES)
    combined = {whole: 1.0}
    for source, label in enumerate(labels):
        if label == 0:
            continue
        belief = float(masses[source, CODES.index(label)])
        support = {frozenset([label]): belief, whole: 1 - belief}
        found: dict[frozenset[int], float] = {}
        for (left, a), (right, b) in product(combined.items(), support.items()):
            found[left & right] = found.get(left & right, 0.0) + a * b
        combined = found
    conflict = combined.pop(frozenset(), 0.0)
    total = sum(combined.values())
    if total == 0:
        return {}
    assert total == pytest.approx(1 - conflict)
    return {c: sum(m for subset, m in combined.items() if subset and subset <= {c}) / total for c in CODES}


def expected_by_rule(labels: list[int], masses: np.ndarray) -> int | None:
    """The label by the beliefs of all subsets; None where two beliefs are so near that rounding decides."""
    if not any(labels):
        return 0
    beliefs = beliefs_of_all_subsets(labels, masses)
    if not beliefs or max(beliefs.values()) == 0:
        return UNDECIDED
    (best, first), (_, second) = sorted(beliefs.items(), key=lambda item: -item[1])[:2]
    if first == second:
        return UNDECIDED
    return best if first - second > 1e-6 and first > 1e-6 else None


@given(votes, st.lists(st.lists(mass, min_size=5, max_size=5), min_size=4, max_size=4))
def test_dempster_shafer_is_the_rule_over_all_subsets(labels, masses):
    given_masses = np.array(masses)[: len(labels)]
    expected = expected_by_rule(labels, given_masses)
    if expected is not None:
        assert one(labels, given_masses) == expected


@given(votes, st.lists(st.lists(mass, min_size=5, max_size=5), min_size=4, max_size=4), st.randoms())
def test_the_order_of_sources_does_not_change_the_result(labels, masses, random):
    order = list(range(len(labels)))
    random.shuffle(order)
    given_masses = np.array(masses)[: len(labels)]
    assert one([labels[k] for k in order], given_masses[order]) == one(labels, given_masses)


@given(st.sampled_from((0, *CODES)), st.sampled_from((0, *CODES)), mass, mass)
def test_two_sources_agree_or_the_one_with_the_greater_mass_has_the_label(first, second, a, b):
    voted = {first, second} - {0}
    masses = np.array([[a] * 5, [b] * 5])
    if not voted:
        expected = 0
    elif len(voted) == 1:
        used = [value for label, value in ((first, a), (second, b)) if label]
        expected = voted.pop() if max(used) > 0 else UNDECIDED
    elif a == b:
        expected = UNDECIDED
    elif math.isclose(1 - a, 1 - b, rel_tol=1e-6):
        return
    else:
        expected = first if a > b else second
    assert one([first, second], masses) == expected


def test_products_that_are_equal_but_for_rounding_tie():
    masses = np.array([[0.1, 0, 0, 0, 0], [0.6, 0, 0, 0, 0], [0, 0.2, 0, 0, 0], [0, 0.55, 0, 0, 0]])
    assert math.log1p(-0.1) + math.log1p(-0.6) != math.log1p(-0.2) + math.log1p(-0.55)
    assert one([3, 3, 7, 7], masses) == UNDECIDED


def test_certain_sources_win_and_contradict_each_other():
    masses = np.full((3, 5), 0.999)
    masses[0] = 1.0
    assert one([3, 7, 7], masses) == 3
    masses[1] = 1.0
    assert one([3, 7, 7], masses) == UNDECIDED
    assert one([3, 3, 7], masses) == 3


def test_many_sources_do_not_underflow():
    masses = np.full((200, 5), 0.99999)
    assert 0.00001**100 == 0.0  # the product of the doubts of half of the sources
    assert one([3] * 101 + [7] * 99, masses) == 3
    assert one([3] * 100 + [7] * 100, masses) == UNDECIDED


def test_sources_without_belief_leave_a_pixel_undecided():
    assert one([3, 3], np.zeros((2, 5))) == UNDECIDED
    assert one([3, 7], np.array([[0.0] * 5, [0.01] * 5])) == 7
    assert one([0, 0], np.ones((2, 5))) == 0
    assert dempster_shafer(np.zeros((0, 2, 2), np.uint8), np.zeros((0, 5)), CODES).tolist() == [[0, 0], [0, 0]]
    assert dempster_shafer(np.zeros((2, 0, 3), np.uint8), np.zeros((2, 5)), CODES).shape == (0, 3)


@pytest.mark.parametrize(
    ("masses", "codes", "message"),
    [
        (np.zeros((2, 4)), CODES, "masses"),
        (np.full((2, 5), 1.1), CODES, "masses"),
        (np.full((2, 5), np.nan), CODES, "masses"),
        (np.zeros((2, 5)), (3, 7, 7, 8, 9), "codes"),
        (np.zeros((2, 5)), (0, 1, 2, 3, 4), "codes"),
        (np.zeros((2, 5)), (4, 5, 6, 8, 9), "label 3 is not one of the codes"),
    ],
)
def test_invalid_masses_codes_and_labels_are_rejected(masses, codes, message):
    with pytest.raises(ValueError, match=message):
        dempster_shafer(pixels([0, 3]), masses, codes)


# ---- masses


MATRIX = Confusion((3, 7, 11), np.array([[8, 2, 0], [1, 4, 0], [0, 0, 0]]), np.array([5, 0, 1]))


@pytest.mark.parametrize(
    ("measure", "expected"),
    [
        ("precision", [8 / 9, 4 / 6, 0]),
        ("recall", [0.8, 0.8, 0]),
        ("accuracy", [0.8, 0.8, 0.8]),
        ("kappa", [(12 * 15 - 120) / (225 - 120)] * 3),
    ],
)
def test_masses_are_measures_of_the_confusion_matrix(measure, expected):
    np.testing.assert_allclose(label_masses(MATRIX, measure), expected)
    shown = [expected[1], 0, expected[0]]
    np.testing.assert_allclose(label_masses(MATRIX, measure, (7, 8, 3)), shown)


@pytest.mark.parametrize("measure", ["precision", "recall", "accuracy", "kappa"])
def test_masses_without_pixels_and_of_maps_worse_than_chance_are_zero(measure):
    empty = Confusion((3, 7), np.zeros((2, 2), np.int64), np.zeros(2, np.int64))
    assert label_masses(empty, measure).tolist() == [0, 0]
    wrong = Confusion((3, 7), np.array([[0, 4], [4, 0]]), np.zeros(2, np.int64))
    assert label_masses(wrong, measure).tolist() == [0, 0]


# ---- undecided pixels, confidence, probabilities


def block(rng: np.random.Generator, sources: int) -> tuple[np.ndarray, np.ndarray]:
    labels = rng.integers(0, 4, (sources, 6, 5)).astype(np.uint16)
    return labels, np.where(labels, rng.integers(1, 5, labels.shape) / 4, 0).astype(np.float32)


@pytest.mark.parametrize("sources", [0, 1, 2, 5])
@pytest.mark.parametrize("undecided", [0, UNDECIDED])
@pytest.mark.parametrize("rule", ["maxConfidence", "learningPriority"])
def test_undecided_pixels_get_the_label_of_one_source(sources, undecided, rule):
    labels, confidence = block(np.random.default_rng(sources), sources)
    fused = majority_vote(labels, undecided=undecided)
    found = resolve_undecided(fused, labels, confidence, rule, undecided=undecided)
    for at in np.ndindex(fused.shape):
        having = [k for k in range(sources) if labels[(k, *at)]]
        if fused[at] != undecided:
            expected = fused[at]
        elif not having:
            expected = 0
        elif rule == "learningPriority":
            expected = labels[(having[0], *at)]
        else:
            expected = labels[(max(having, key=lambda k: confidence[(k, *at)]), *at)]
        assert found[at] == expected


@pytest.mark.parametrize("sources", [0, 1, 4])
@pytest.mark.parametrize("undecided", [0, UNDECIDED])
def test_confidence_counts_sources_for_and_against_the_label(sources, undecided):
    labels, confidence = block(np.random.default_rng(sources), sources)
    fused = majority_vote(labels, undecided=undecided)
    found = vote_confidence(fused, labels, confidence, undecided=undecided)
    assert found.dtype == np.float32
    for at in np.ndindex(fused.shape):
        terms = []
        for k in range(sources):
            label, share = labels[(k, *at)], float(confidence[(k, *at)])
            terms.append(share if label == fused[at] else 1 - share if label else 0)
        decided = fused[at] not in (0, undecided)
        assert found[at] == pytest.approx(np.mean(terms) if decided else 0)


def test_sources_without_label_do_not_count_in_mean_probabilities():
    labels = np.array([[[3, 0, 0]], [[7, 7, 0]]], np.uint8)
    shares = np.array([[[[0.8, 0.9, 0.9]], [[0.2, 0.1, 0.1]]], [[[0.4, 0.3, 0.5]], [[0.6, 0.7, 0.5]]]], np.float32)
    found = mean_probabilities(labels, shares)
    np.testing.assert_allclose(found[:, 0], [[0.6, 0.3, 0], [0.4, 0.7, 0]], atol=1e-7)
    assert mean_probabilities(labels[:, :0], shares[:, :, :0]).shape == (2, 0, 3)


# ---- optical and radar


def prediction(labels: list[int], shares: list[list[float]]) -> Prediction:
    """A prediction of one row of pixels from the probabilities of classes 3 and 7 in each pixel."""
    values = np.array(shares, np.float32).T[:, None, :]
    seen = np.array([labels], np.uint16)
    return Prediction(seen, np.where(seen, values.max(axis=0), 0).astype(np.float32), values * (seen > 0))


def test_sensors_are_fused_by_their_masses():
    optical = prediction(
        [3, 3, 3, 0, 0, 3, 7], [[0.9, 0.1], [0.6, 0.4], [0.9, 0.1], [1, 0], [1, 0], [0.7, 0.3], [0, 1]]
    )
    sar = prediction([3, 3, 7, 7, 0, 0, 3], [[0.8, 0.2], [0.8, 0.2], [0.4, 0.6], [0.3, 0.7], [1, 0], [1, 0], [1, 0]])
    found = fuse_sensors(optical, sar, np.array([0.5, 0.9]), np.array([0.6, 0.6]), (3, 7))
    assert found.prediction.labels.tolist() == [[3, 3, 7, 7, 0, 3, 7]]
    assert found.choice.tolist() == [[BOTH, BOTH, SAR, SAR, NONE, OPTICAL, OPTICAL]]
    np.testing.assert_allclose(found.prediction.confidence, [[0.9, 0.8, 0.6, 0.7, 0, 0.7, 1]], atol=1e-7)
    np.testing.assert_allclose(found.prediction.probabilities[0], [[0.9, 0.8, 0.4, 0.3, 0, 0.7, 0]], atol=1e-7)


@pytest.mark.parametrize("mass", [0.0, 0.4, 1.0])
def test_sensors_with_equal_masses_are_chosen_by_confidence(mass):
    optical = prediction([3, 3, 3, 0], [[0.6, 0.4], [0.9, 0.1], [0.8, 0.2], [1, 0]])
    sar = prediction([7, 7, 7, 7], [[0.3, 0.7], [0.3, 0.7], [0.2, 0.8], [0.4, 0.6]])
    equal = np.full(2, mass)
    found = fuse_sensors(optical, sar, equal, equal, (3, 7))
    assert found.prediction.labels.tolist() == [[7, 3, 3, 7]]
    assert found.choice.tolist() == [[SAR, OPTICAL, OPTICAL, SAR]]


@given(st.integers(0, 2**32 - 1), mass, mass, mass, mass)
def test_fused_sensors_have_a_label_wherever_one_of_them_has(seed, a, b, c, d):
    rng = np.random.default_rng(seed)

    def drawn() -> Prediction:
        labels = rng.choice([0, 3, 7], 20).tolist()
        return prediction(labels, [[0.75, 0.25] if label == 3 else [0.25, 0.75] for label in labels])

    optical, sar = drawn(), drawn()
    found = fuse_sensors(optical, sar, np.array([a, b]), np.array([c, d]), (3, 7))
    seen = (optical.labels > 0) | (sar.labels > 0)
    np.testing.assert_array_equal(found.prediction.labels > 0, seen)
    np.testing.assert_array_equal(found.choice > 0, seen)
    np.testing.assert_array_equal(found.prediction.confidence > 0, seen)
    winner = np.array([3, 7])[found.prediction.probabilities.argmax(axis=0)]
    np.testing.assert_array_equal(np.where(seen, winner, 0), found.prediction.labels)
    np.testing.assert_allclose(found.prediction.confidence, found.prediction.probabilities.max(axis=0))


def test_a_class_without_reference_pixels_has_the_mass_of_the_whole_model() -> None:
    """Such as one with a single learning polygon, which no model of other polygons can predict."""
    matrix = Confusion((1, 2, 3), np.array([[8, 2, 0], [1, 9, 0], [0, 0, 0]]), np.zeros(3, int))
    np.testing.assert_allclose(label_masses(matrix, "precision", unmeasured=True), [8 / 9, 9 / 11, 17 / 20])
    np.testing.assert_allclose(label_masses(matrix, "precision"), [8 / 9, 9 / 11, 0])
    votes = np.array([[[3]], [[3]], [[1]]], np.uint16)
    masses = np.stack([label_masses(matrix, "precision", unmeasured=True)] * 3)
    assert dempster_shafer(votes, masses, (1, 2, 3)).item() == 3, "two votes count more than one"
