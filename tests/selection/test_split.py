"""Splits: every row once, what belongs together in one part, and parts that look more like the whole than random."""

from __future__ import annotations

import numpy as np
import pytest
from fiftyone_coreset.plugin.diagnostics.distribution import DistributionShift
from fiftyone_coreset.plugin.selection.split import Traits, joined, split
from fiftyone_coreset.plugin.vectors.points import Points
from hypothesis import given, settings
from hypothesis import strategies as st

FRACTIONS = np.array([0.8, 0.1, 0.1])


def clustered(n=600, dim=6, seed=0):
    rng = np.random.default_rng(seed)
    rows = 2 * rng.normal(size=(12, dim))[rng.integers(12, size=n)] + rng.normal(size=(n, dim))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32), rng.integers(0, 5, n)


@settings(deadline=None, max_examples=25)
@given(st.integers(3, 60), st.integers(0, 2**31), st.lists(st.integers(0, 9), min_size=60, max_size=60))
def test_every_row_has_one_part_and_nothing_is_taken_apart(n, seed, groups):
    unit, labels = clustered(n, seed=seed)
    together = joined([np.array(groups[:n]), np.arange(n) // 2 % 7])
    part = split(unit, together, Traits.of(unit, labels, 0.1, seed), FRACTIONS, seed)
    assert set(part.tolist()) <= {0, 1, 2}
    for group in np.unique(together):
        assert len(set(part[together == group].tolist())) == 1


def test_what_belongs_together_by_either_grouping():
    assert joined([np.array([3, 3, 1, 2, 9])]).tolist() == [0, 0, 1, 2, 3]
    assert joined([np.array([0, 0, 1, 2, 3]), np.array([7, 6, 6, 8, 9])]).tolist() == [0, 0, 0, 1, 2]


def test_parts_look_more_like_the_whole_than_random_ones():
    unit, labels = clustered()
    traits = Traits.of(unit, labels, 0.1, 0)
    part = split(unit, np.arange(600), traits, FRACTIONS, 0)
    sizes = np.bincount(part)
    np.testing.assert_allclose(sizes, 600 * FRACTIONS, atol=6)
    shift = DistributionShift(Points(unit))
    pool = np.bincount(labels) / 600
    for number, size in enumerate(sizes):
        ours = np.flatnonzero(part == number)
        random = [np.random.default_rng(seed).permutation(600)[:size] for seed in range(21)]
        assert shift(ours)["energy_distance"] < np.median([shift(rows)["energy_distance"] for rows in random])
        away = [np.abs(np.bincount(labels[rows], minlength=5) / size - pool).max() for rows in (ours, *random)]
        assert away[0] <= np.median(away[1:])


def test_the_order_of_the_rows_does_not_matter():
    unit, labels = clustered(200)
    order = np.random.default_rng(1).permutation(200)
    levels = Traits.of(unit, labels, 0.1, 0).levels
    part = split(unit, np.arange(200), Traits(levels), FRACTIONS, 0)
    again = split(unit[order], np.arange(200), Traits(levels[:, order]), FRACTIONS, 0)
    np.testing.assert_array_equal(part[order], again)
    assert (part != split(unit, np.arange(200), Traits(levels), FRACTIONS, 1)).any()


def test_a_group_larger_than_a_part_goes_where_it_fits():
    unit, _ = clustered(100)
    together = np.r_[np.zeros(60, int), np.arange(1, 41)]
    part = split(unit, together, Traits.of(unit, None, 0.1, 0), FRACTIONS, 0)
    assert set(part[:60].tolist()) == {0}
    assert np.bincount(part).tolist() == pytest.approx([80, 10, 10], abs=3)


@pytest.mark.parametrize("n", [10, 20, 100])
@pytest.mark.parametrize("n_classes", [10, 100])
def test_rare_classes_go_to_every_part(n, n_classes):
    unit, _ = clustered(n)
    labels = np.arange(n) % n_classes
    part = split(unit, np.arange(n), Traits.of(unit, labels, 0.1, 0), FRACTIONS, 0)
    assert np.bincount(part, minlength=3).tolist() == pytest.approx(n * FRACTIONS, abs=max(1, n // 50))
