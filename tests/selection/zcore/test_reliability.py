"""Reliability and overlap read off two halves agree with what independent runs really show."""

import numpy as np
import pytest
from fiftyone_coreset import CoresetError
from fiftyone_coreset.plugin.selection.methods.zcore.reliability import (
    Goal,
    correlation,
    draws_factor,
    expected_overlaps,
    rank,
    split_half_reliability,
)
from fiftyone_coreset.plugin.selection.methods.zcore.scores import zcore_scores
from scipy.stats import rankdata, spearmanr


def test_ranks_share_ties():
    values = np.array([3.0, 1, 3, 2, 3, -5])
    np.testing.assert_array_equal(rank(values), rankdata(values) - 1)


def test_correlation_of_constants():
    assert correlation(np.ones(4), np.ones(4)) == 1
    assert np.isnan(correlation(np.ones(4), np.arange(4.0)))


def noisy(truth, noise, rng):
    return truth + noise * rng.standard_normal(len(truth))


@pytest.mark.parametrize(("noise", "heavy"), [(0.2, False), (1.0, False), (3.0, False), (0.2, True), (1.0, True)])
def test_what_halves_predict_is_what_runs_show(noise, heavy):
    rng = np.random.default_rng(1)
    n = 20_000
    truth = rng.gamma(0.5, 1, n) if heavy else rng.standard_normal(n)
    noise = noise * (np.sqrt(truth + 0.1) if heavy else 1)
    halves = [noisy(truth, noise, rng) for _ in range(2)]
    runs = [noisy(truth, noise / np.sqrt(2), rng) for _ in range(2)]
    assert split_half_reliability(*halves) == pytest.approx(spearmanr(*runs).statistic, abs=0.03)
    keeps = [int(share * n) for share in (0.1, 0.3, 0.5)]
    together = expected_overlaps(*halves, keeps)
    for keep, expected in zip(keeps, together, strict=True):
        kept = [np.argsort(-run)[:keep] for run in runs]
        really = len(np.intersect1d(*kept)) / keep
        assert expected == pytest.approx(really, abs=0.05)
        assert expected == expected_overlaps(*halves, [keep])[0]


def test_draws_factor_follows_the_law():
    """r = T / (T + c): at r = 0.5, 19 times as many draws give 0.95."""
    assert draws_factor(0.5, 0.95) == pytest.approx(19)
    assert draws_factor(0.95, 0.95) == pytest.approx(1)
    assert draws_factor(-0.1, 0.95) == draws_factor(float("nan"), 0.95) == float("inf")


def test_draws_that_an_overlap_takes():
    """Near a threshold as many images change sides as the noise is wide, and noise halves with four times the draws."""
    goal = Goal(0.9, (6_000,))
    truth = np.random.default_rng(0).standard_normal(20_000)
    rng = np.random.default_rng(1)
    reached = goal.agreement(*(noisy(truth, 0.5, rng) for _ in range(2)))
    longer = 0.5 / np.sqrt(goal.draws_factor(reached))
    assert goal.agreement(*(noisy(truth, longer, rng) for _ in range(2))) == pytest.approx(0.9, abs=0.01)
    assert Goal(0.9).draws_factor(0.5) == draws_factor(0.5, 0.9)


def test_equal_halves_overlap_entirely_and_pure_noise_by_chance():
    rng = np.random.default_rng(0)
    truth = rng.standard_normal(2000)
    assert expected_overlaps(truth, truth, [600]) == 1
    assert expected_overlaps(truth, rng.standard_normal(2000), [600]) == pytest.approx(0.3, abs=0.06)
    assert expected_overlaps(np.ones(10), np.ones(10), [3, 10]).tolist() == [0.3, 1]


@pytest.fixture(scope="module")
def runs():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1500, 16)) * rng.gamma(2, 1, (1500, 1))
    return [zcore_scores(x, n_draws=60_000, seed=seed) for seed in range(2)]


def test_reported_reliability_is_the_correlation_of_two_runs(runs):
    assert runs[0].reliability == pytest.approx(spearmanr(runs[0].score, runs[1].score).statistic, abs=0.05)


@pytest.mark.parametrize("budget", [0.1, 0.3, 150])
def test_reported_overlap_is_that_of_two_runs(runs, budget):
    keep = budget if isinstance(budget, int) else round(budget * 1500)
    kept = [np.argsort(-run.score)[:keep] for run in runs]
    assert runs[0].overlap_at(budget) == pytest.approx(len(np.intersect1d(*kept)) / keep, abs=0.08)


@pytest.mark.parametrize("budget", [0, 0.0, 1501, 1.5, -3])
def test_impossible_budgets_are_refused(runs, budget):
    with pytest.raises(CoresetError, match="budget"):
        runs[0].overlap_at(budget)
