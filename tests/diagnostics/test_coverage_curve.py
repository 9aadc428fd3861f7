"""The coverage curve against direct computation at every budget, in samples, and through storage."""

import io

import numpy as np
import pytest
from fiftyone_coreset.plugin.diagnostics import ranking_pass as ranking_pass_module
from fiftyone_coreset.plugin.diagnostics.coverage import coverage_curve
from fiftyone_coreset.plugin.diagnostics.curve import METRICS, CoverageCurve
from fiftyone_coreset.plugin.diagnostics.nearest_selected import nearest_selected
from fiftyone_coreset.plugin.errors import CoresetError
from hypothesis import given, settings
from hypothesis import strategies as st


def bursts(n_groups=40, size=5, dim=8, spread=0.02, seed=0):
    """Groups of near-copies."""
    rng = np.random.default_rng(seed)
    centers = rng.normal(size=(n_groups, dim)).repeat(size, axis=0)
    return centers + spread * rng.normal(size=(n_groups * size, dim))


@pytest.fixture(scope="module")
def pool():
    X = bursts()
    return X, np.random.default_rng(1).permutation(len(X))


@pytest.fixture(scope="module")
def curve(pool):
    return coverage_curve(*pool, coverage_radius=0.7, near_duplicate_radius=0.2)


def test_every_grid_budget_equals_direct_computation(pool, curve):
    X, order = pool
    for g, budget in enumerate(curve.budgets):
        kept = order[:budget]
        distance = nearest_selected(X, kept).distance
        apart = nearest_selected(X, kept, rows=kept, exclude_self=True).distance
        expected = {
            "distance_median": np.quantile(distance, 0.5),
            "distance_95": np.quantile(distance, 0.95),
            "distance_mean": distance.mean(),
            "coverage": (distance <= 0.7).mean(),
            "near_duplicate_rate": (apart <= 0.2).mean(),
        }
        for name in METRICS:
            assert curve.values[name][g] == pytest.approx(expected[name], abs=1e-6), (name, budget)


def test_counts_are_exact_between_grid_budgets(pool, curve):
    X, order = pool
    for budget in (7, 33, 71, 113, 199):
        kept = order[:budget]
        distance = nearest_selected(X, kept).distance
        apart = nearest_selected(X, kept, rows=kept, exclude_self=True).distance
        found = curve.at(budget)
        assert found["coverage"].value == pytest.approx((distance <= 0.7).mean())
        assert found["near_duplicate_rate"].value == pytest.approx((apart <= 0.2).mean())


def test_row_distances_are_those_of_the_grid_budget(pool, curve):
    X, order = pool
    budget = int(curve.budgets[10])
    expected = nearest_selected(X, order[:budget]).distance
    np.testing.assert_allclose(curve.distances_at(budget), expected, atol=1e-3)
    np.testing.assert_array_equal(curve.rows, np.arange(len(X)))


def test_smallest_budget_is_the_smallest(pool, curve):
    X, order = pool
    budget = curve.smallest_budget_for(0.9)
    assert (nearest_selected(X, order[:budget]).distance <= 0.7).mean() >= 0.9
    assert (nearest_selected(X, order[: budget - 1]).distance <= 0.7).mean() < 0.9


def test_unreachable_coverage_says_what_is_reachable(pool):
    X, order = pool
    curve = coverage_curve(X, order[:20], coverage_radius=0.1, near_duplicate_radius=0.05)
    reached = (nearest_selected(X, order[:20]).distance <= 0.1).mean()
    with pytest.raises(CoresetError, match=f"the 20 ranked images cover {reached:.1%} of the pool"):
        curve.smallest_budget_for(1.0)


@pytest.mark.parametrize("share", [0, 1.5, -1])
def test_impossible_shares_are_refused(curve, share):
    with pytest.raises(CoresetError, match="share in"):
        curve.smallest_budget_for(share)


@pytest.mark.parametrize("budget", [0, 201])
def test_budgets_outside_the_ranking_are_refused(curve, budget):
    with pytest.raises(CoresetError, match="1 to 200"):
        curve.at(budget)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_more_budget_never_covers_less(seed):
    rng = np.random.default_rng(seed)
    X = rng.integers(-2, 3, size=(40, 3)) + 0.0
    curve = coverage_curve(X, rng.permutation(40), coverage_radius=0.3, near_duplicate_radius=0.1, n_budgets=12)
    for name in ("distance_median", "distance_95", "distance_mean"):
        assert (np.diff(curve.values[name]) <= 1e-6).all()
    assert (np.diff(curve.values["coverage"]) >= 0).all()
    assert (np.diff(curve.distance.astype(float), axis=0) <= 1e-6).all()
    assert curve.values["distance_mean"][-1] == 0
    assert curve.values["coverage"][-1] == 1


def test_blocks_do_not_change_the_curve(pool, curve, monkeypatch):
    monkeypatch.setattr(ranking_pass_module, "_ROWS", 13)
    monkeypatch.setattr(ranking_pass_module, "_COLUMNS", 17)
    blocked = coverage_curve(*pool, coverage_radius=0.7, near_duplicate_radius=0.2)
    for name, array in curve.to_arrays().items():
        np.testing.assert_allclose(blocked.to_arrays()[name], array, atol=1e-3 if name == "distance" else 1e-6)


def test_random_band_is_that_of_random_subsets(pool, curve):
    """The band's means lie where 200 random subsets put them; a random ranking lies inside the band."""
    X, _ = pool
    rng = np.random.default_rng(7)
    g = int(np.searchsorted(curve.budgets, 60))
    budget = int(curve.budgets[g])
    draws = []
    for _ in range(200):
        kept = rng.choice(len(X), budget, replace=False)
        distance = nearest_selected(X, kept).distance
        apart = nearest_selected(X, kept, rows=kept, exclude_self=True).distance
        draws.append([distance.mean(), (distance <= 0.7).mean(), (apart <= 0.2).mean()])
    mean, sd = np.mean(draws, axis=0), np.std(draws, axis=0)
    for name, expected, spread in zip(("distance_mean", "coverage", "near_duplicate_rate"), mean, sd, strict=True):
        assert abs(curve.random_mean[name][g] - expected) < 3 * spread / curve.n_random**0.5, name
        assert 0.3 < curve.random_sd[name][g] / spread < 3, name
        assert abs(curve.values[name][g] - curve.random_mean[name][g]) < 4 * spread, name


def test_samples_stay_within_the_stated_error():
    rng = np.random.default_rng(8)
    X = bursts(n_groups=300, size=5, seed=8)
    order = rng.permutation(len(X))
    exact = coverage_curve(X, order, coverage_radius=0.6, near_duplicate_radius=0.2)
    sampled = coverage_curve(X, order, coverage_radius=0.6, near_duplicate_radius=0.2, max_rows=500)
    assert exact.coverage_error == 0
    assert 0 < sampled.coverage_error <= 0.5 / 500**0.5
    assert len(sampled.rows) == 500
    gap = np.abs(sampled.values["coverage"] - exact.values["coverage"])
    assert 0 < gap.max() < 4 * sampled.coverage_error
    np.testing.assert_allclose(sampled.values["distance_mean"], exact.values["distance_mean"], atol=0.05)
    head = exact.budgets <= 250
    np.testing.assert_allclose(
        sampled.values["near_duplicate_rate"][head], exact.values["near_duplicate_rate"][head], atol=1e-12
    )
    np.testing.assert_allclose(sampled.values["near_duplicate_rate"], exact.values["near_duplicate_rate"], atol=0.1)


def test_distinct_first_ranking_bends_where_the_copies_begin():
    X = bursts(n_groups=50, size=4)
    distinct_first = np.concatenate([np.arange(0, 200, 4) + part for part in range(4)])
    curve = coverage_curve(X, distinct_first, coverage_radius=0.5, near_duplicate_radius=0.2, n_budgets=200)
    assert curve.near_duplicate_rate_at(50) == 0
    assert curve.coverage_at(50) == 1
    assert curve.smallest_budget_for(1.0) == 50
    assert curve.knees["near_duplicate_rate"] == 50
    assert 25 <= curve.knees["coverage"] <= 55


def test_no_knee_without_near_duplicates():
    X = np.eye(20)
    curve = coverage_curve(X, np.arange(20), coverage_radius=0.5, near_duplicate_radius=0.2)
    assert curve.knees["near_duplicate_rate"] is None


def test_survives_storage_without_pickle(curve):
    file = io.BytesIO()
    np.savez(file, **curve.to_arrays())
    file.seek(0)
    restored = CoverageCurve.from_arrays(np.load(file, allow_pickle=False))
    for name, array in curve.to_arrays().items():
        np.testing.assert_array_equal(restored.to_arrays()[name], array)
    assert restored.at(50) == curve.at(50)
    assert restored.smallest_budget_for(0.8) == curve.smallest_budget_for(0.8)
    assert (restored.n, restored.normalize) == (200, True)


def test_rows_without_embeddings_are_left_out(pool, curve):
    X, order = pool
    holed = np.insert(X, 3, np.nan, axis=0)
    shifted = coverage_curve(holed, order + (order >= 3), coverage_radius=0.7, near_duplicate_radius=0.2)
    assert shifted.n == 200
    for name in METRICS:
        np.testing.assert_allclose(shifted.values[name], curve.values[name], atol=1e-9)


def test_same_seed_same_curve(pool, curve):
    again = coverage_curve(*pool, coverage_radius=0.7, near_duplicate_radius=0.2)
    other = coverage_curve(*pool, coverage_radius=0.7, near_duplicate_radius=0.2, seed=1)
    np.testing.assert_array_equal(again.random_mean["distance_mean"], curve.random_mean["distance_mean"])
    assert not np.array_equal(other.random_mean["distance_mean"], curve.random_mean["distance_mean"])
    np.testing.assert_array_equal(other.values["distance_mean"], curve.values["distance_mean"])


def test_bands_need_two_random_rankings(pool):
    with pytest.raises(CoresetError, match="at least 2"):
        coverage_curve(*pool, n_random=1)


def test_two_distant_clusters():
    """Half of the images are covered from one side, all of them once both sides hold one."""
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.normal(size=(100, 2)) * 0.1 + [0, 0], rng.normal(size=(100, 2)) * 0.1 + [10, 0]])
    order = np.concatenate([[0, 100], np.setdiff1d(np.arange(200), [0, 100])])
    curve = coverage_curve(X, order, coverage_radius=1.0, near_duplicate_radius=0.0, normalize=False)
    assert curve.coverage_at(1) == 0.5
    assert curve.coverage_at(2) == 1.0
