"""Retention of groups and effective size, by hand and by simulation."""

import math

import numpy as np
import pytest
from fiftyone_coreset.plugin.diagnostics.balance import clusters, effective_size, retention
from fiftyone_coreset.plugin.diagnostics.nearest_selected import nearest_selected
from fiftyone_coreset.plugin.errors import CoresetError
from fiftyone_coreset.plugin.vectors.points import Points


def test_worked_example():
    """60 cats, 40 dogs; 6 cats and 14 dogs kept: shares .3 and .7 against .6 and .4."""
    groups = np.array(["cat"] * 60 + ["dog"] * 40)
    found = retention(groups, np.concatenate([np.arange(6), np.arange(60, 74)]))
    assert found.names == ["cat", "dog"]
    np.testing.assert_array_equal(found.kept, [6, 14])
    np.testing.assert_allclose(found.fair, [12, 8])
    np.testing.assert_allclose(found.ratio, [0.5, 1.75])
    kl = 0.3 * math.log(0.5) + 0.7 * math.log(1.75)
    assert found.kl == pytest.approx(kl)
    assert found.statistic == pytest.approx(2 * 20 * kl / 0.8)
    assert found.worst == 0.5


def test_everything_kept_is_proportional():
    found = retention(np.arange(30) % 3, np.arange(30))
    assert (found.kl, found.statistic, found.p_value) == (0, 0, 1)
    assert found.lost == []
    assert found.starved == []


def test_statistic_is_chi_square_under_random_selection():
    """Ten classes, a third kept: mean 9 and variance 18 as the methods document predicts."""
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 10, 2000)
    draws = [retention(groups, rng.choice(2000, 600, replace=False)) for _ in range(400)]
    statistics = np.array([draw.statistic for draw in draws])
    assert statistics.mean() == pytest.approx(9, abs=4 * (18 / 400) ** 0.5)
    below = np.mean([draw.p_value < 0.05 for draw in draws])
    assert below == pytest.approx(0.05, abs=0.04)


def test_a_starved_group_is_found_and_a_small_one_by_chance_is_not():
    groups = np.repeat([0, 1, 2], [500, 490, 10])
    kept = np.concatenate([np.arange(100), np.arange(500, 510)])
    found = retention(groups, kept)
    assert found.starved == [1]
    assert found.lost == [2]
    assert found.worst == pytest.approx(10 / (490 * 0.11))


def test_random_selections_starve_nothing():
    rng = np.random.default_rng(1)
    groups = rng.integers(0, 50, 2000)
    starved = [retention(groups, rng.choice(2000, 200, replace=False)).starved for _ in range(60)]
    assert sum(map(bool, starved)) <= 8


def test_unknown_groups_do_not_count():
    found = retention(["a", None, "b", "a", None], np.array([0, 1]))
    assert found.names == ["a", "b"]
    np.testing.assert_array_equal(found.kept, [1, 0])
    numbered = retention(np.array([4, -1, 7, 4, -1]), np.array([0, 1]))
    assert numbered.names == [4, 7]
    np.testing.assert_array_equal(numbered.total, [2, 1])


def test_no_label_among_the_kept_is_refused():
    with pytest.raises(CoresetError, match="none of the 2 kept images has a label"):
        retention(["a", None, None], np.array([1, 2]))


def test_clusters_find_separated_groups():
    rng = np.random.default_rng(2)
    X = np.eye(6)[rng.integers(0, 6, 300)] + 0.01 * rng.normal(size=(300, 6))
    X[5] = np.nan
    found = clusters(Points(X), n_clusters=40)
    assert found[5] == -1
    side = X.argmax(axis=1)
    for cluster in np.unique(found[found >= 0]):
        assert len(np.unique(side[found == cluster])) == 1


def test_effective_size_by_hand():
    """Cells of 6, 2, 1 and 1 of ten images: 1 / (.36 + .04 + .01 + .01)."""
    assert effective_size(np.array([0] * 6 + [1] * 2 + [2, 3]), 10) == pytest.approx(1 / 0.42)
    assert effective_size(np.arange(10), 10) == pytest.approx(10)


def test_effective_size_from_a_sample_is_unbiased():
    rng = np.random.default_rng(3)
    X = rng.normal(size=(1500, 3))
    nearest = nearest_selected(X, np.arange(100)).nearest
    full = 1 / effective_size(nearest, 1500)
    sampled = [1 / effective_size(rng.choice(nearest, 300, replace=False), 1500) for _ in range(200)]
    assert np.mean(sampled) == pytest.approx(full, abs=4 * np.std(sampled) / 200**0.5)
