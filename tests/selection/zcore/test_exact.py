"""Both kernels against the literal algorithm, draw for draw."""

from itertools import islice, permutations

import numpy as np
import pytest
from fiftyone_coreset.plugin.selection.methods.zcore.engine import SeededDraws, Workers
from fiftyone_coreset.plugin.selection.methods.zcore.params import LITERAL, SYMMETRIC, ZCoreParams
from fiftyone_coreset.plugin.selection.methods.zcore.scores import zcore_scores
from hypothesis import given, settings
from hypothesis import strategies as st
from tensors import on_tensors
from zcore_oracle import zcore_oracle

RTOL = {np.float64: 1e-9, np.float32: 1e-5}


@st.composite
def hard_embeddings(draw, min_dims=1):
    """Embeddings with what makes distances awkward: coincident and nearly coincident images, constants, tails."""
    n = draw(st.integers(2, 60))
    d = draw(st.integers(min_dims, 6))
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    kind = draw(st.sampled_from(["normal", "cauchy", "integers", "tiny", "far"]))
    if kind == "integers":
        x = rng.integers(0, 4, (n, d)).astype(dtype)
    else:
        x = (rng.standard_cauchy((n, d)) if kind == "cauchy" else rng.normal(size=(n, d))).astype(dtype)
        x = x * dtype(1e-12) if kind == "tiny" else x + dtype(1000) if kind == "far" else x
    if draw(st.booleans()):  # coincident images, then some one ulp apart
        some = rng.integers(0, n, (n // 2, 2))
        x[some[:, 0]] = x[some[:, 1]]
        ulp = rng.integers(0, n, n // 4)
        x[ulp, 0] = np.nextafter(x[ulp, 0], dtype(np.inf))
    if draw(st.booleans()):
        x[:, rng.integers(d)] = 1
    return x, rng


def triangular_draws(x, m, n_draws, rng):
    low, mode, high = x.min(axis=0), np.median(x, axis=0), x.max(axis=0)
    dims = np.array([rng.choice(x.shape[1], m, replace=False) for _ in range(n_draws)])
    targets = low[dims] + rng.random((n_draws, m)) * (high - low)[dims] * 0.99
    return dims, np.where(rng.random((n_draws, m)) < 0.2, mode[dims], targets).astype(np.float64)


@settings(max_examples=150, deadline=None)
@given(hard_embeddings(), st.sampled_from([1, 2, 3, 99]), st.sampled_from([1, 5, 1000]), st.booleans())
def test_given_draws_equal_the_literal_algorithm(case, m, n_neighbors, strict):
    x, rng = case
    draws = triangular_draws(x, min(m, x.shape[1]), 12, rng)
    result = zcore_scores(x, n_neighbors=n_neighbors, draws=draws, strict_reference=strict, num_workers=1)
    coverage, redundancy = zcore_oracle(x, *draws, n_neighbors, duplicates="first" if strict else "share")
    rtol = RTOL[x.dtype.type]
    np.testing.assert_array_equal(result.coverage, coverage)
    np.testing.assert_allclose(result.redundancy, redundancy, rtol=rtol, atol=rtol)
    np.testing.assert_allclose(result.score, coverage - redundancy, rtol=rtol, atol=12 * rtol)


@pytest.mark.parametrize("exponent", [1.0, 2.5, 4.0])
@pytest.mark.parametrize("n", [2, 3, 700, 3201, 5003])
def test_given_draws_with_selection_of_neighbours(n, exponent):
    rng = np.random.default_rng(n)
    x = rng.normal(size=(n, 8)) * rng.gamma(1, 1, (n, 1))
    draws = triangular_draws(x, 2, 40, rng)
    result = zcore_scores(x, n_neighbors=50, exponent=exponent, draws=draws)
    coverage, redundancy = zcore_oracle(x, *draws, 50, exponent)
    np.testing.assert_array_equal(result.coverage, coverage)
    np.testing.assert_allclose(result.redundancy, redundancy, rtol=1e-9, atol=1e-12)


@settings(max_examples=60, deadline=None)
@given(hard_embeddings(), st.sampled_from([1, 2, 3]), st.sampled_from([1, 5, 1000]), st.booleans())
def test_given_draws_on_a_gpu(case, m, n_neighbors, strict):
    x, rng = case
    draws = triangular_draws(x, min(m, x.shape[1]), 12, rng)
    options = {"n_neighbors": n_neighbors, "draws": draws, "strict_reference": strict, "num_workers": 1}
    expected = zcore_scores(x, **options)
    with on_tensors():
        found = zcore_scores(x, **options)
    rtol = RTOL[x.dtype.type]
    np.testing.assert_array_equal(found.coverage, expected.coverage)
    np.testing.assert_allclose(found.redundancy, expected.redundancy, rtol=rtol, atol=rtol)


@pytest.mark.parametrize("exponent", [2.5, 4.0])
def test_seeded_draws_in_three_dimensions_on_a_gpu(exponent):
    rng = np.random.default_rng(0)
    x = (rng.normal(size=(2000, 8)) * rng.gamma(1, 1, (2000, 1))).astype(np.float32)
    x[5:20] = x[4]  # coincident images share what they get
    options = {"n_draws": 500, "sample_dim": 3, "n_neighbors": 50, "exponent": exponent, "num_workers": 2}
    expected = zcore_scores(x, **options)
    with on_tensors():
        found = zcore_scores(x, **options)
    np.testing.assert_allclose(found.coverage, expected.coverage)
    np.testing.assert_allclose(found.redundancy, expected.redundancy, rtol=1e-5, atol=1e-7)
    assert found.reliability == pytest.approx(expected.reliability, rel=1e-4)


def seeded_draws(x, n_pairs, n_targets, n_neighbors=1000, literal=False, seed=0):
    """A plan of the engine, pairs of dimensions, and two sets of targets in them."""
    params = ZCoreParams(min(n_neighbors, len(x) - 1), 4.0, LITERAL if literal else SYMMETRIC)
    with Workers(1) as workers:
        plan = SeededDraws(np.ascontiguousarray(x.T), 2, None, seed, params, workers)
    dims = np.concatenate([chunk.plan[1] for chunk in islice(plan.chunks(), 1)])[:n_pairs]
    first, second = (plan.targets(number, dims, 4 * n_targets)[0] for number in (0, 1))
    return plan, dims, first, second


def oracle(x, dims, targets, *args, **rules):
    draws = np.repeat(dims, targets.shape[2], axis=0), targets.reshape(2, -1).T
    return np.array(zcore_oracle(x, *draws, *args, ties="share", **rules))


def heavy(rng, n, d):
    return rng.standard_cauchy((n, d))


def clusters(rng, n, d):
    centres = rng.normal(size=(12, d))
    label = rng.integers(0, 12, n)
    return centres[label] + rng.normal(size=(n, d)) * rng.uniform(0.01, 0.5, 12)[label][:, None]


def many_zeros(rng, n, d):
    return np.maximum(rng.normal(size=(n, d)), 0) + rng.random((n, d)) * 1e-3


def diagonal(rng, n, d):
    return rng.normal(size=(n, 1)) + rng.normal(size=(n, d)) * 1e-3


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("cloud", [heavy, clusters, many_zeros, diagonal])
@pytest.mark.parametrize(("n", "n_neighbors"), [(2, 1), (50, 7), (3000, 30), (3000, 1000), (20_000, 200)])
def test_seeded_draws_equal_the_literal_algorithm(cloud, n, n_neighbors, dtype):
    x = cloud(np.random.default_rng(n), n, 6).astype(dtype)
    plan, dims, first, second = seeded_draws(x, 4, 3 if n > 3000 else 15, n_neighbors)
    rtol = RTOL[dtype]
    expected = [oracle(x, dims, targets, n_neighbors) for targets in (first, second)]

    # targets that are their own auxiliary targets are plain draws
    np.testing.assert_allclose(plan.score_pairs(dims, first, first), expected[0], rtol=rtol, atol=rtol)

    # auxiliary targets alone say who is covered; what they take from the penalty comes back with the roles swapped
    there, back = plan.score_pairs(dims, first, second), plan.score_pairs(dims, second, first)
    np.testing.assert_array_equal(there[0], expected[1][0])
    np.testing.assert_allclose(there[1] + back[1], sum(expected)[1], rtol=rtol, atol=10 * rtol)


@settings(max_examples=60, deadline=None)
@given(hard_embeddings(min_dims=2))
def test_seeded_draws_with_the_literal_rule_on_hard_embeddings(case):
    x, _ = case
    if (np.ptp(x, axis=0) > 0).sum() < 2:
        return
    plan, dims, first, second = seeded_draws(x, 4, 6, literal=True)
    rtol = RTOL[x.dtype.type]
    expected = [oracle(x, dims, targets, duplicates="first") for targets in (first, second)]
    np.testing.assert_allclose(plan.score_pairs(dims, first, first), expected[0], rtol=rtol, atol=rtol)
    there, back = plan.score_pairs(dims, first, second), plan.score_pairs(dims, second, first)
    np.testing.assert_allclose(np.add(there, back), sum(expected), rtol=rtol, atol=10 * rtol)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("n_neighbors", [1, 2, 9])
def test_coincident_images_are_treated_as_on_average_over_all_orders(seed, n_neighbors):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(4, 3))[[0, 1, 1, 2, 0]]
    plan, dims, targets, _ = seeded_draws(x, 3, 8, n_neighbors, seed=seed)
    mean = np.zeros((2, 5))
    orders = [list(order) for order in permutations(range(5))]
    for order in orders:
        mean[:, order] += oracle(x[order], dims, targets, n_neighbors)
    np.testing.assert_allclose(plan.score_pairs(dims, targets, targets), mean / len(orders), atol=1e-12)


def test_penalty_of_one_draw_by_hand():
    x = np.array([[0.0], [1.0], [3.0], [9.0]])
    result = zcore_scores(x, n_neighbors=2, exponent=2, draws=([[0]], [[0.2]]))
    np.testing.assert_array_equal(result.coverage, [1, 0, 0, 0])
    np.testing.assert_allclose(result.redundancy, [0, 0.9, 0.1, 0])  # 1/1 and 1/9, made to sum to 1


def test_images_coincident_with_the_hit_by_hand():
    x = np.array([[0.0], [5.0], [0.0], [0.0]])
    shared = zcore_scores(x, draws=([[0]], [[0.2]]))
    np.testing.assert_array_equal(shared.coverage, [1, 0, 0, 0])
    np.testing.assert_array_equal(shared.redundancy, [0, 0, 0.5, 0.5])
    literal = zcore_scores(x, draws=([[0]], [[0.2]]), strict_reference=True)
    np.testing.assert_array_equal(literal.redundancy, [0, 0, 1, 0])


def test_one_ulp_apart_does_not_poison_the_scores():
    """1 / D**4 overflows float32 here, which turned the reference's whole score vector into NaN."""
    x = np.array([[1e-3, 1e-3], [np.nextafter(np.float32(1e-3), np.float32(1)), 1e-3], [0, 0], [2e-3, 2e-3]], "f4")
    result = zcore_scores(x, draws=([[0, 1]], [[1e-3, 1e-3]]))
    np.testing.assert_allclose(result.score, [1, -1, 0, 0], atol=1e-6)
