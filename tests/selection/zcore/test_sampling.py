"""The draws are what ZCore asks for: every subspace equally likely, every target triangular."""

from itertools import combinations, islice

import numpy as np
import pytest
from fiftyone_coreset.plugin.selection.methods.zcore.sampling import inverse_triangular, spread_targets, subspaces
from scipy import stats


@pytest.mark.parametrize("n_dims", [2, 3, 4, 7, 10])
def test_a_tournament_plays_every_pair_once(n_dims):
    n_rounds = n_dims - 1 + n_dims % 2
    rounds = subspaces(n_dims, 2, np.random.default_rng(0))
    for _ in range(3):
        sweep = list(islice(rounds, n_rounds))
        for matches in sweep:
            assert len(np.unique(matches)) == matches.size == n_dims - n_dims % 2
        assert sorted(tuple(sorted(pair)) for pair in np.concatenate(sweep)) == list(combinations(range(n_dims), 2))


@pytest.mark.parametrize("sample_dim", [1, 3, 7])
def test_rounds_use_no_dimension_twice(sample_dim):
    for subspace in islice(subspaces(7, sample_dim, np.random.default_rng(0)), 20):
        assert subspace.shape == (7 // sample_dim, sample_dim)
        assert len(np.unique(subspace)) == subspace.size


@pytest.mark.parametrize(("n_dims", "sample_dim"), [(5, 2), (6, 2), (5, 3)])
def test_every_subspace_is_equally_likely_to_come_first(n_dims, sample_dim):
    firsts = [
        tuple(sorted(next(subspaces(n_dims, sample_dim, np.random.default_rng(seed)))[0])) for seed in range(3000)
    ]
    counts = np.array([firsts.count(subset) for subset in combinations(range(n_dims), sample_dim)])
    assert counts.sum() == 3000
    assert stats.chisquare(counts).pvalue > 1e-3


def test_inverse_triangular_is_the_quantile_function():
    u = np.linspace(0, 1, 101)
    for low, mode, high in [(0, 1, 3), (-2, -2, 5), (1, 4, 4), (0.0, 0.5, 1)]:
        reference = stats.triang((mode - low) / (high - low), low, high - low).ppf(u)
        np.testing.assert_allclose(inverse_triangular(u, low, mode, high), reference, atol=1e-12)


@pytest.mark.parametrize("m", [1, 2, 3])
@pytest.mark.parametrize("n_targets", [1, 5, 64])
def test_every_target_is_triangular(m, n_targets):
    triangles = np.array([[0, 1, 3], [-2, -2, 5], [1, 4, 4]])
    dims = np.tile(np.arange(m), (2000, 1))
    targets = spread_targets(triangles, dims, n_targets, np.random.default_rng(0))
    assert targets.shape == (m, 2000, n_targets)
    for j in range(m):
        low, mode, high = triangles[j]
        law = stats.triang((mode - low) / (high - low), low, high - low)
        for t in {0, n_targets - 1}:
            assert stats.kstest(targets[j, :, t], law.cdf).pvalue > 1e-3


def test_targets_of_a_pair_are_spread_evenly():
    """The share of targets in any quarter of the square is nearly exact, unlike that of independent ones."""
    triangles = np.array([[0.0, 0.5, 1], [0.0, 0.5, 1]])
    targets = spread_targets(triangles, np.tile([0, 1], (200, 1)), 256, np.random.default_rng(0))
    share = (targets < 0.5).all(axis=0).mean(axis=1)
    assert np.abs(share - 0.25).max() < 0.02  # independent targets: standard deviation 0.027
