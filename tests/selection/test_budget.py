"""Budgets: what is understood, what is refused and how, and where a target lands on a ranking."""

import math

import numpy as np
import pytest
from fiftyone_coreset.plugin.diagnostics.coverage import coverage_curve
from fiftyone_coreset.plugin.diagnostics.report import coreset_report
from fiftyone_coreset.plugin.errors import CoresetError
from fiftyone_coreset.plugin.selection.budget import (
    CoverageBudget,
    RedundancyBudget,
    SaturationBudget,
    parse_budget,
    ranking_budget,
    resolve_budget,
)
from fiftyone_coreset.plugin.selection.registry import get_method
from fiftyone_coreset.plugin.vectors.radius import coverage_radius
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from sklearn.datasets import load_digits


@pytest.mark.parametrize(
    ("budget", "k"),
    [
        (7, 7),
        ("7", 7),
        (np.int64(7), 7),
        (200, 200),
        (0.3, 60),
        ("0.3", 60),
        (np.float32(0.5), 100),
        (1.0, 200),
        ("30%", 60),
        ("0.05k", 50),
        (" 0.0001 M", 100),
        (" 12.5 % ", 25),
        ("100%", 200),
        (1e-9, 1),
        ("0.001%", 1),
    ],
)
def test_simple_budgets(budget, k):
    assert resolve_budget(budget, 200) == k


@pytest.mark.parametrize(
    ("budget", "says"),
    [
        (0, "at least 1 image, got 0"),
        (-3, "at least 1 image, got -3"),
        (201, "budget 201 exceeds the 200 images that can be kept; give at most 200"),
        ("201", "at most 200"),
        (0.0, "must lie in"),
        (1.5, "whole number to mean a count"),
        (math.nan, "got nan"),
        (math.inf, "got inf"),
        ("nan", "got nan"),
        ("0%", "percentage"),
        ("130%", "percentage"),
        ("abc", "got 'abc'"),
        ("1M", "budget 1000000 exceeds the 200 images"),
        ("0k", "at least 1 image, got 0"),
        ("1m", "got '1m'"),
        ("", "got ''"),
        (True, "got True"),
        (np.True_, "got"),
        (None, "got None"),
        ([3], "got"),
        ("95% coverage", "depends on a ranking; give a count (500) or a percentage ('30%')"),
    ],
)
def test_refusals_are_one_clear_sentence(budget, says):
    with pytest.raises(CoresetError) as error:
        resolve_budget(budget, 200)
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_no_embeddings():
    with pytest.raises(CoresetError, match="compute embeddings"):
        resolve_budget(0.5, 0)


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_min=True))
def test_a_fraction_is_always_feasible(n, fraction):
    k = resolve_budget(fraction, n)
    assert 1 <= k <= n
    assert k == 1 or abs(k - fraction * n) <= 0.5 + 1e-9 * n


def test_parsing_of_targets():
    assert parse_budget("95% coverage") == CoverageBudget(0.95)
    assert parse_budget("95%Coverage") == CoverageBudget(0.95)
    assert parse_budget("saturation") == SaturationBudget()
    assert parse_budget(" Redundancy ") == RedundancyBudget()
    target = CoverageBudget(0.5, radius=0.1)
    assert parse_budget(target) is target
    for bad in (lambda: CoverageBudget(0), lambda: CoverageBudget(0.9, -1), lambda: SaturationBudget(0)):
        with pytest.raises(CoresetError):
            bad()


def on_circle(degrees):
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def test_coverage_on_a_hand_worked_ranking():
    # Ten images on a circle: five within 4 degrees of 0, three around 90, two alone.
    X = on_circle([0, 1, 2, 3, 4, 90, 91, 92, 180, 270])
    ranking = [2, 0, 6, 8, 9]
    radius = 2 * math.sin(math.radians(2.5) / 2)  # chord of 2.5 degrees
    expected = {0.5: 1, 0.6: 3, 0.8: 3, 0.9: 4, 1.0: 5}
    for share, k in expected.items():
        assert ranking_budget(ranking, X, CoverageBudget(share, radius)) == k
    with pytest.raises(CoresetError, match=r"cover 80\.0%"):
        ranking_budget(ranking[:3], X, CoverageBudget(0.9, radius))


def test_coverage_matches_the_definition_and_is_the_smallest_prefix():
    rng = np.random.default_rng(3)
    X = rng.normal(size=(300, 8))
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    distances = np.linalg.norm(unit[:, None] - unit[None], axis=2)
    ranking = rng.permutation(300)
    radius = 0.5

    def share(k):
        return np.mean(distances[:, ranking[:k]].min(axis=1) <= radius)

    k = ranking_budget(ranking, X, CoverageBudget(0.8, radius))
    assert share(k) >= 0.8 > share(k - 1)


def digits_with_copies():
    X = load_digits().data[:600]
    copies = np.repeat(X[:150], 3, axis=0) + 0.1 * np.random.default_rng(0).normal(size=(450, 64))
    return np.concatenate([X, copies])


@pytest.mark.parametrize("X", [load_digits().data, digits_with_copies()], ids=["digits", "with copies"])
def test_coverage_is_one_number_for_budget_method_curve_and_report(X):
    ranking = get_method("random").select(X, 1.0).indices
    curve = coverage_curve(X, ranking)
    k = curve.smallest_budget_for(0.95)
    assert ranking_budget(ranking, X, "95% coverage") == k
    assert len(get_method("random").select(X, "95% coverage").indices) == k
    assert coreset_report(X, ranking[:k])["coverage"].value == pytest.approx(curve.coverage_at(k))
    assert curve.coverage_at(k) >= 0.95 > curve.coverage_at(k - 1)
    # By definition: 1.5 times the median distance to the nearest image that is not a near-duplicate.
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    distances = cdist(unit, unit)
    nearest = np.where(distances <= curve.near_duplicate_radius, np.inf, distances).min(axis=1)
    expected = 1.5 * np.median(nearest[np.isfinite(nearest)])
    assert coverage_radius(X, n_sample=len(X)) == pytest.approx(expected, rel=1e-6)
    assert curve.coverage_radius == pytest.approx(expected, rel=0.02)  # there the median is taken over 1,000 images


def test_copies_do_not_ask_for_a_larger_share():
    """Copies shrink no radius, so as many images cover the pool with them as without."""
    X = digits_with_copies()
    plain = get_method("random").select(X[:600], "95% coverage").indices
    with_copies = get_method("random").select(X, "95% coverage").indices
    assert len(with_copies) < 1.5 * len(plain)


def test_missing_rows_do_not_count_for_coverage():
    X = np.vstack([on_circle([0, 90]), [[np.nan, 0], [np.inf, 1]]])
    assert ranking_budget([0, 1], X, CoverageBudget(1.0, radius=0.1)) == 2


def test_saturation_stops_once_every_cluster_is_kept():
    # Four tight clusters: after one image of each, more images buy almost nothing.
    X = on_circle(np.concatenate([base + np.linspace(0, 0.5, 50) for base in (0, 90, 180, 270)]))
    ranking = np.concatenate([[0, 50, 100, 150], np.setdiff1d(np.arange(200), [0, 50, 100, 150])])
    assert ranking_budget(ranking, X, "saturation") == 4
    assert ranking_budget(ranking, X, SaturationBudget(min_gain=1e-6)) > 4
    assert ranking_budget(ranking, X, SaturationBudget(min_gain=1e6)) == 1


def test_plain_budgets_on_a_ranking():
    X = on_circle(np.arange(10) * 36)
    assert ranking_budget(np.arange(10), X, 0.5) == 5
    assert ranking_budget(np.arange(10), X, 3) == 3
