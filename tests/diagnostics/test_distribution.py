"""Energy distance and MMD against their double sums, and at their known values."""

import numpy as np
import pytest
from fiftyone_coreset.plugin.diagnostics.distribution import DistributionShift
from fiftyone_coreset.plugin.vectors.points import Points


def energy_distance(X, kept, normalize=True, **settings):
    return DistributionShift(Points(X, normalize), **settings)(np.asarray(kept))["energy_distance"]


def mmd(X, kept):
    return DistributionShift(Points(X))(np.asarray(kept))["mmd"]


def pairs(a, b):
    return np.linalg.norm(a[:, None] - b[None], axis=-1)


def test_equal_their_double_sums():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 4))
    Z = X / np.linalg.norm(X, axis=1, keepdims=True)
    kept = rng.choice(80, 15, replace=False)
    S = Z[kept]
    expected = 2 * pairs(Z, S).mean() - pairs(Z, Z).mean() - pairs(S, S).mean()
    assert energy_distance(X, kept) == pytest.approx(expected, abs=1e-6)

    h = np.median(pairs(Z, Z)[np.triu_indices(80, 1)])
    assert DistributionShift(Points(X)).bandwidth == pytest.approx(h, rel=1e-5)

    def kernel(a, b):
        return np.exp(-(pairs(a, b) ** 2) / (2 * h**2)).mean()

    assert mmd(X, kept) == pytest.approx(kernel(Z, Z) - 2 * kernel(Z, S) + kernel(S, S), abs=1e-6)


def test_energy_distance_agrees_with_scipy_in_one_dimension():
    scipy_energy = pytest.importorskip("scipy.stats").energy_distance
    X = np.random.default_rng(1).normal(size=(60, 1))
    kept = np.arange(20)
    ours = energy_distance(X, kept, normalize=False)
    assert ours == pytest.approx(scipy_energy(X[:, 0], X[kept, 0]) ** 2, abs=1e-6)


def test_everything_kept_is_no_shift():
    X = np.random.default_rng(2).normal(size=(50, 5))
    assert energy_distance(X, np.arange(50)) == pytest.approx(0, abs=1e-7)
    assert mmd(X, np.arange(50)) == pytest.approx(0, abs=1e-7)


def test_random_subsets_sit_at_one_over_k():
    """Expected V-statistic of a random subset: mean distance of two images times (1/k - 1/n)."""
    rng = np.random.default_rng(3)
    X = rng.normal(size=(400, 6))
    Z = X / np.linalg.norm(X, axis=1, keepdims=True)
    mean_distance = pairs(Z, Z).sum() / (400 * 399)
    shift = DistributionShift(Points(X))
    for k in (20, 100):
        draws = [shift(rng.choice(400, k, replace=False))["energy_distance"] for _ in range(60)]
        expected = mean_distance * (1 / k - 1 / 400)
        assert np.mean(draws) == pytest.approx(expected, abs=4 * np.std(draws) / 60**0.5)


def test_one_sided_subsets_are_far():
    rng = np.random.default_rng(4)
    X = np.concatenate([rng.normal(size=(100, 3)) + 5, rng.normal(size=(100, 3)) - 5])
    shift = DistributionShift(Points(X))
    one_sided, both = shift(np.arange(40)), shift(np.arange(0, 200, 5))
    assert one_sided["energy_distance"] > 20 * both["energy_distance"]
    assert one_sided["mmd"] > 20 * both["mmd"]


def test_samples_approach_the_exact_value():
    rng = np.random.default_rng(5)
    X = rng.normal(size=(1500, 4))
    kept = np.flatnonzero(X[:, 0] > 0)
    exact = energy_distance(X, kept)
    sampled = [energy_distance(X, kept, max_rows=500, seed=seed) for seed in range(20)]
    assert np.mean(sampled) == pytest.approx(exact, abs=4 * np.std(sampled) / 20**0.5)
    assert 0 < np.std(sampled) < 0.02


def test_identical_images_have_no_shift():
    assert energy_distance(np.ones((6, 2)), [0]) == 0
    assert mmd(np.ones((6, 2)), [0]) == 0
