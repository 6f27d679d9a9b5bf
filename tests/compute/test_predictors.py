"""Stages of predictors compared with slow evaluations; invalid values are rejected by their constructors."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iota2.compute.predictors import kernels
from iota2.compute.predictors.fusion import fused
from iota2.compute.predictors.gaussians import Gaussians, IndependentGaussians
from iota2.compute.predictors.nearest import Neighbours, NeighboursWithin, Samples
from iota2.compute.predictors.predictor import Predictor, block_pixels
from iota2.compute.predictors.simple import (
    ACTIVATIONS,
    LINKS,
    Affine,
    Elementwise,
    Limits,
    Linear,
    Link,
    Steps,
    Threshold,
    UnitNorm,
    expit,
)
from iota2.compute.predictors.stage import Chain, Columns, Concatenation, Constant, Mean, Placement
from iota2.compute.predictors.trees import Trees, TreeScores
from iota2.compute.predictors.vectors import GROUP, Kernel, KernelValues, PairVotes, SupportVectors
from iota2.compute.trees import Forest


def random(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def stump(link="mean"):
    """A forest of one tree on feature 1 of 3: up to 0.5 class 0, above it class 1 (shares 0.25 and 0.75)."""
    return Forest(
        n_features=3,
        n_classes=2,
        roots=np.array([0], np.uint32),
        feature=np.array([1, 3, 3], np.uint32),
        threshold=np.array([0.5, 0, 1], np.float32),
        child=np.array([1, 1, 2], np.uint32),
        starts=np.array([0, 1, 3], np.uint32),
        column=np.array([0, 0, 1], np.uint32),
        share=np.array([1, 0.25, 0.75]),
        initial=np.zeros(0 if link == "mean" else 2),
        link=link,
    )


# ------------------------------------------------------------------------------------------------------- kernels


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 70), st.integers(1, 5), st.integers(1, 70), st.integers(0, 9))
def test_sums_over_features_equal_slow_ones(features, outputs, pixels, seed):
    x, w, v = random(features, pixels, seed=seed), random(outputs, features, seed=1), random(outputs, features, seed=2)
    start = random(outputs, pixels, seed=3)
    difference = x[None] - w[:, :, None]
    expected = {
        kernels.add_products: (w[:, :, None] * x[None]).sum(axis=1),
        kernels.add_squares: (difference**2).sum(axis=1),
        kernels.add_absolutes: np.abs(difference).sum(axis=1),
    }
    for kernel, sums in expected.items():
        out = start.copy()
        kernel(x, w, out)
        np.testing.assert_allclose(out, start + sums, atol=1e-12)
    out = start.copy()
    kernels.add_weighted_squares(x, w, v, out)
    np.testing.assert_allclose(out, start + (v[:, :, None] * difference**2).sum(axis=1), atol=1e-12)
    np.testing.assert_allclose(kernels.total(x), x.sum(axis=0), atol=1e-12)


@pytest.mark.parametrize("kernel", [kernels.add_products, kernels.add_squares, kernels.add_absolutes])
def test_sums_of_a_pixel_do_not_depend_on_its_block(kernel):
    x, w = random(75, 300), random(7, 75, seed=1)
    whole = np.zeros((7, 300))
    kernel(x, w, whole)
    for first, last in [(0, 1), (13, 14), (5, 12), (100, 300)]:
        part = np.zeros((7, last - first))
        kernel(np.ascontiguousarray(x[:, first:last]), w, part)
        np.testing.assert_array_equal(part, whole[:, first:last])


# --------------------------------------------------------------------------------------------------- single stages


def test_affine_linear_threshold_and_limits_equal_formulas():
    x, w, b = random(4, 9), random(3, 4, seed=1), random(3, seed=2)
    np.testing.assert_allclose(Linear(w, b).apply(x), w @ x + b[:, None], atol=1e-12)
    np.testing.assert_array_equal(Affine(w[0], w[1]).apply(x), x * w[0][:, None] + w[1][:, None])
    np.testing.assert_array_equal(Threshold(4, 0.3).apply(x), (x > 0.3).astype(float))
    np.testing.assert_array_equal(Limits(4, -0.5, 0.25).apply(x), np.minimum(np.maximum(x, -0.5), 0.25))


def test_activations_have_known_values():
    x = np.array([[-800.0, -1.0, 0.0, 2.0, 800.0]])
    known = {
        "logistic": [0, 1 / (1 + np.e), 0.5, 1 / (1 + np.exp(-2)), 1],
        "tanh": [-1, np.tanh(-1), 0, np.tanh(2), 1],
        "relu": [0, 0, 0, 2, 800],
        "cosine": np.cos(x[0]),
        "square": [640000, 1, 0, 4, 640000],
    }
    for name, values in known.items():
        np.testing.assert_allclose(Elementwise(1, name).apply(x)[0], values, atol=1e-15)
    assert Elementwise(1, "log").apply(np.zeros((1, 1)))[0, 0] == np.log(1e-12)
    assert set(known) | {"log"} == set(ACTIVATIONS)


def test_links_have_known_values():
    x = np.array([[0.0, 0, 1], [0, 3, 1], [0, 1, 1.000001]])
    shares = [[1 / 3, 0, 1 / 3.000001], [1 / 3, 0.75, 1 / 3.000001], [1 / 3, 0.25, 1.000001 / 3.000001]]
    known = {
        "softmax": np.exp(x) / np.exp(x).sum(axis=0),
        "shares": shares,
        "shares or zero": np.where([True, False, False], 0, shares),
        "one hot": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
        "at most 1": np.minimum(x, [9, 9, 1]),
    }
    for name, values in known.items():
        np.testing.assert_allclose(Link(3, name).apply(x), values, atol=1e-15)
    np.testing.assert_array_equal(Link(1, "pair").apply(np.array([[0.25, 1.0]])), [[0.75, 0], [0.25, 1]])
    assert Link(1, "pair").n_outputs == 2
    assert set(known) | {"pair"} == set(LINKS)
    assert np.isfinite(Link(2, "softmax").apply(np.array([[1e300], [-1e300]]))).all()


@pytest.mark.parametrize(("norm", "order"), [("l1", 1), ("l2", 2), ("max", np.inf)])
def test_unit_norm_is_one_except_for_zeros(norm, order):
    x = random(5, 8)
    x[:, 3] = 0
    lengths = np.linalg.norm(UnitNorm(5, norm).apply(x), ord=order, axis=0)
    np.testing.assert_allclose(lengths, np.where(np.arange(8) == 3, 0, 1), atol=1e-15)


def test_steps_interpolate_between_their_points():
    stage = Steps(np.array([0, 2, 3]), np.array([0.0, 1, 5]), np.array([0.2, 0.6, 0.9]))
    found = stage.apply(np.array([[-1.0, 0.5, 7], [-1, 0.5, 7]]))
    np.testing.assert_allclose(found, [[0.2, 0.4, 0.6], [0.9, 0.9, 0.9]])


def test_log_likelihoods_equal_the_density_of_normal_distributions():
    x, mean = random(3, 6), random(2, 3, seed=1)
    covariance = np.array([np.eye(3) + 0.4, np.diag([1.0, 2, 3])])
    axes = np.linalg.inv(np.linalg.cholesky(covariance))
    full = Gaussians(mean, axes, np.array([0.5, -1])).apply(x)
    for k in range(2):
        shifted = x - mean[k][:, None]
        distance = np.einsum("fp,fg,gp->p", shifted, np.linalg.inv(covariance[k]), shifted)
        np.testing.assert_allclose(full[k], [0.5, -1][k] - 0.5 * distance)
    precision = np.array([[1, 1, 1], [1, 1 / 2, 1 / 3]])
    independent = IndependentGaussians(mean, precision, np.array([0.5, -1])).apply(x)
    np.testing.assert_allclose(independent[1], full[1])


@pytest.mark.parametrize("name", ["linear", "rbf", "laplacian", "poly", "sigmoid"])
def test_kernel_values_equal_their_formulas(name):
    x, vectors = random(6, 5), random(4, 6, seed=1)
    dot, d = vectors @ x, vectors[:, :, None] - x[None]
    expected = {
        "linear": dot,
        "rbf": np.exp(-0.3 * (d**2).sum(axis=1)),
        "laplacian": np.exp(-0.3 * np.abs(d).sum(axis=1)),
        "poly": (0.3 * dot + 0.7) ** 2,
        "sigmoid": np.tanh(0.3 * dot + 0.7),
    }[name]
    np.testing.assert_allclose(KernelValues(vectors, Kernel(name, 0.3, 0.7, 2.0)).apply(x), expected, atol=1e-12)


def test_support_vectors_sum_kernel_values_of_each_pair_of_classes():
    counts = np.array([3, 0, GROUP + 5])
    n, x = int(counts.sum()), random(4, 6)
    vectors, coefficients, intercept = random(n, 4, seed=1), random(2, n, seed=2), random(3, seed=3)
    kernel = Kernel("rbf", 0.2, 0.0, 0.0)
    found = SupportVectors(vectors, counts, coefficients, intercept, kernel).apply(x)
    values, owner = KernelValues(vectors, kernel).apply(x), np.repeat([0, 1, 2], counts)
    for row, (i, j) in enumerate(combinations(range(3), 2)):
        total = np.full(6, intercept[row])
        for v in range(n):
            if owner[v] == i:
                total += coefficients[j - 1, v] * values[v]
            elif owner[v] == j:
                total += coefficients[i, v] * values[v]
        np.testing.assert_allclose(found[row], total, atol=1e-10)


def test_votes_of_pairs_count_and_their_sums_decide_between_equal_votes():
    x = np.array([[1.0, -1], [2, -2], [-3, 0]])  # pairs (0, 1), (0, 2), (1, 2)
    sums = np.array([[-3, 3], [1 + 3, -1 - 0], [2 - 3, -2 + 0]])
    votes = np.array([[0, 2], [2, 1], [1, 0]])
    np.testing.assert_array_equal(PairVotes(3, 0.0, sums=False).apply(x), votes)
    np.testing.assert_allclose(PairVotes(3, 0.0).apply(x), votes + sums / (3 * (np.abs(sums) + 1)))


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_neighbours_equal_a_sort_of_all_distances(data):
    n, features, pixels = (data.draw(st.integers(1, top)) for top in (40, 4, 12))
    count, power = data.draw(st.integers(1, n)), data.draw(st.sampled_from([1, 2]))
    weighted = data.draw(st.booleans())
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    x, samples = (rng.integers(0, 4, shape).astype(float) for shape in ((features, pixels), (n, features)))
    votes = np.eye(3)[rng.integers(0, 3, n)]
    found = Neighbours(Samples(samples, votes, power), count, weighted).apply(x)
    radius = 1.5
    outlier = np.array([0.0, 1, 0])
    near = NeighboursWithin(Samples(samples, votes, power), radius, weighted, outlier).apply(x)
    for k in range(pixels):
        distance = np.linalg.norm(samples - x[:, k], ord=power, axis=1)
        chosen = np.argsort(distance, kind="stable")[:count]
        np.testing.assert_allclose(found[:, k], shares(votes[chosen], distance[chosen], weighted))
        inside = np.flatnonzero(distance <= radius)
        expected = shares(votes[inside], distance[inside], weighted) if inside.size else outlier
        np.testing.assert_allclose(near[:, k], expected)


def shares(votes, distance, weighted):
    same = distance == 0
    weight = np.ones(len(votes))
    if weighted:
        weight = same.astype(float) if same.any() else 1 / distance
    return (weight[:, None] * votes).sum(axis=0) / weight.sum()


def test_a_pixel_without_neighbours_is_an_error_unless_it_has_shares():
    stage = NeighboursWithin(Samples(np.zeros((1, 1)), np.eye(2)[:1], 2), 0.5, False, np.zeros(2))
    np.testing.assert_array_equal(stage.apply(np.array([[0.5]])), [[1], [0]])
    with pytest.raises(ValueError, match=r"1 pixels have no sample within the radius 0\.5"):
        stage.apply(np.array([[0.0, 0.6]]))


def test_compositions_arrange_columns_and_weights():
    x = random(3, 5)
    np.testing.assert_array_equal(Columns(3, np.array([2, 0, 2])).apply(x), x[[2, 0, 2]])
    placed = Placement(4, np.array([3, 0, 1])).apply(x)
    np.testing.assert_array_equal(placed, np.stack([x[1], x[2], np.zeros(5), x[0]]))
    constant = Constant(3, np.array([1.0, 2, 3]))
    both = Concatenation((constant, Columns(3, np.array([1])))).apply(x)
    np.testing.assert_array_equal(both, np.stack([*np.repeat([[1.0], [2], [3]], 5, axis=1), x[1]]))
    mean = Mean((constant, Columns(3, np.arange(3))), np.array([3.0, 1])).apply(x)
    np.testing.assert_allclose(mean, (3 * constant.apply(x) + x) / 4)


def test_trees_and_their_scores_equal_the_forest():
    x = np.array([[0.0, 0], [0.4, 0.6], [0, 0]])
    np.testing.assert_array_equal(Trees(stump()).apply(x), [[1, 0.25], [0, 0.75]])
    np.testing.assert_array_equal(TreeScores(stump("softmax")).apply(x), [[1, 0.25], [0, 0.75]])


def test_linear_stages_in_sequence_become_one():
    scale, project = Affine(random(5), random(5, seed=1)), Linear(random(3, 5), random(3, seed=2))
    scores, half = Linear(random(4, 3, seed=3), random(4, seed=4)), Affine(np.full(4, 0.5), np.ones(4))
    chain = Chain((Chain((scale, scale)), project, Chain((scores, half)), Link(4, "softmax")))
    found, x = fused(chain), random(5, 30)
    assert [type(stage) for stage in found.stages] == [Linear, Link]
    np.testing.assert_allclose(found.apply(x), chain.apply(x), atol=1e-12)
    inside = fused(Mean((chain, chain), np.ones(2)))
    assert [len(member.stages) for member in inside.members] == [2, 2]
    np.testing.assert_allclose(inside.apply(x), chain.apply(x), atol=1e-12)


def test_stages_that_would_need_more_products_or_overflow_stay_apart():
    narrow, wide = Linear(random(2, 9), random(2)), Linear(random(9, 2), random(9))
    assert len(fused(Chain((narrow, wide))).stages) == 2
    assert type(fused(Chain((wide, narrow)))) is Linear
    large = Affine(np.full(3, 1e300), np.zeros(3))
    assert len(fused(Chain((large, large))).stages) == 2
    stage = Link(3, "softmax")
    assert fused(stage) is stage


# ------------------------------------------------------------------------------------------------------ predictors


PREDICTORS = {
    "trees": Predictor(Trees(stump())),
    "linear": Predictor(Chain((Linear(random(4, 3), random(4)), Link(4, "softmax")))),
    "mean of both": Predictor(Mean((Trees(stump()), Constant(3, np.array([0.5, 0.5]))), np.ones(2))),
}


@pytest.mark.parametrize("kind", PREDICTORS)
def test_results_depend_neither_on_blocks_nor_on_layout(kind):
    predictor, n = PREDICTORS[kind], 2 * block_pixels(3) + 7
    values = random(3, n).astype(np.float32)
    whole = predictor.probabilities(values.T)
    assert whole.shape == (n, predictor.n_classes)
    np.testing.assert_allclose(whole.sum(axis=1), 1)
    np.testing.assert_array_equal(predictor.probabilities(np.ascontiguousarray(values.T)), whole)
    for first, last in [(0, 1), (5, 6), (3, 1500), (n - 2, n), (4, 4)]:
        np.testing.assert_array_equal(predictor.probabilities(values[:, first:last].T), whole[first:last])
    at = np.array([0, 1, 5, n - 1])
    np.testing.assert_array_equal(predictor.pixel_probabilities(values, at), whole[at])


@pytest.mark.parametrize("kind", PREDICTORS)
def test_nan_other_features_and_positions_outside_are_errors(kind):
    predictor = PREDICTORS[kind]
    values = np.zeros((3, 5), np.float32)
    values[2, 4] = np.nan
    with pytest.raises(ValueError, match="feature 2 is NaN at 1 of 5 pixels"):
        predictor.probabilities(values.T)
    assert predictor.pixel_probabilities(values, np.arange(4)).shape == (4, predictor.n_classes)
    with pytest.raises(ValueError, match="expects"):
        predictor.probabilities(values[:2].T)
    for at in ([5], [-1]):
        with pytest.raises(ValueError, match="outside the 5 pixels"):
            predictor.pixel_probabilities(values, np.array(at))


def test_probabilities_that_are_no_numbers_are_an_error():
    with pytest.raises(ValueError, match="features are infinite or too large"):
        PREDICTORS["linear"].probabilities(np.full((1, 3), np.inf, np.float32))


def test_seconds_grow_with_arrays_and_trees():
    small, large = (Predictor(Linear(np.ones((n, 3)), np.ones(n))).seconds_per_pixel for n in (10, 1000))
    assert 50 * small < large < 200 * small
    assert PREDICTORS["trees"].seconds_per_pixel > 1e-8


# ------------------------------------------------------------------------------------------------------ constructors

KERNEL = Kernel("rbf", 1.0, 0.0, 0.0)
SAMPLES = Samples(np.zeros((4, 2)), np.ones((4, 3)), 2)
ONES = np.ones(2)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Linear(np.ones((2, 3)), np.ones(3)), "intercept"),
        (lambda: Linear(np.ones((2, 3), np.float32), ONES), "weights is float32"),
        (lambda: Linear(np.full((2, 3), np.nan), ONES), "not finite"),
        (lambda: Linear(np.ones((0, 3)), np.ones(0)), "weights"),
        (lambda: Affine(ONES, np.ones(3)), "offset"),
        (lambda: Elementwise(3, "exec"), "function 'exec'"),
        (lambda: Elementwise(True, "relu"), "number of inputs is True"),
        (lambda: Elementwise(2**40, "relu"), "number of inputs"),
        (lambda: Link(2, "pair"), "pair of 2 inputs"),
        (lambda: Link(2, "other"), "link 'other'"),
        (lambda: Limits(2, 1.0, 1.0), "interval"),
        (lambda: Threshold(2, np.nan), "threshold"),
        (lambda: UnitNorm(2, "l3"), "norm 'l3'"),
        (lambda: Columns(3, np.array([0, 3])), r"outside 0\.\.2"),
        (lambda: Columns(3, np.array([-1])), r"outside 0\.\.2"),
        (lambda: Columns(3, np.array([0], np.int32)), "int32"),
        (lambda: Placement(3, np.array([1, 1])), "twice"),
        (lambda: Placement(2, np.array([2])), "outside"),
        (lambda: Constant(0, ONES), "number of inputs is 0"),
        (lambda: Chain(()), "without stages"),
        (lambda: Chain((Affine(ONES, ONES), Threshold(3, 0.0))), "3 inputs after 2 outputs"),
        (lambda: Concatenation((Constant(1, ONES), Constant(2, ONES))), "different inputs"),
        (lambda: Mean((Constant(1, ONES), Constant(1, np.ones(3))), ONES), "different outputs"),
        (lambda: Mean((Constant(1, ONES),), np.zeros(1)), "weights of a mean"),
        (lambda: Mean((Constant(1, ONES),), -np.ones(1)), "weights of a mean"),
        (lambda: Mean((), np.ones(0)), "no members"),
        (lambda: Steps(np.array([0, 2]), np.array([1.0, 0]), ONES), "ascend"),
        (lambda: Steps(np.array([0, 0, 2]), np.array([0.0, 1]), ONES), "without points"),
        (lambda: Steps(np.array([0, 3]), np.array([0.0, 1]), ONES), "starts"),
        (lambda: Gaussians(np.ones((2, 3)), np.ones((2, 4, 2)), ONES), "axes"),
        (lambda: IndependentGaussians(np.ones((2, 3)), np.ones((3, 3)), ONES), "precision"),
        (lambda: Kernel("other", 1.0, 0.0, 0.0), "kernel 'other'"),
        (lambda: Kernel("rbf", np.inf, 0.0, 0.0), "parameters"),
        (lambda: KernelValues(np.ones((2, 2)), SAMPLES), "without a kernel"),
        (lambda: SupportVectors(np.ones((3, 2)), np.array([2, 2]), np.ones((1, 3)), np.ones(1), KERNEL), "counts"),
        (lambda: SupportVectors(np.ones((3, 2)), np.array([4, -1]), np.ones((1, 3)), np.ones(1), KERNEL), "negative"),
        (lambda: SupportVectors(np.ones((3, 2)), np.array([3]), np.ones((0, 3)), np.ones(0), KERNEL), "two classes"),
        (
            lambda: SupportVectors(np.ones((3, 2)), np.array([2, 1]), np.ones((2, 3)), np.ones(1), KERNEL),
            "coefficients",
        ),
        (lambda: PairVotes(1, 0.0), "1 classes"),
        (lambda: PairVotes(3, 0.0, sums=1), "sums is 1"),
        (lambda: Samples(np.zeros((4, 2)), np.ones((3, 3)), 2), "votes"),
        (lambda: Samples(np.zeros((4, 2)), -np.ones((4, 3)), 2), "negative"),
        (lambda: Samples(np.zeros((4, 2)), np.ones((4, 3)), 3), "power 3"),
        (lambda: Neighbours(SAMPLES, 5, False), "5 neighbours of 4 samples"),
        (lambda: Neighbours(SAMPLES, 0, False), "number of neighbours"),
        (lambda: Neighbours(SAMPLES, 1, 1), "weighted"),
        (lambda: NeighboursWithin(SAMPLES, -1.0, False, np.ones(3)), "radius"),
        (lambda: NeighboursWithin(SAMPLES, 1.0, False, ONES), "outlier"),
        (lambda: Trees(SAMPLES), "without a forest"),
        (lambda: Predictor(3), "no stage"),
    ],
)
def test_inconsistent_values_are_rejected(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_the_logistic_function_does_not_overflow():
    with np.errstate(over="raise", invalid="raise"):
        np.testing.assert_array_equal(expit(np.array([-700.0, 0, 1000])) > 0, [True, True, True])
