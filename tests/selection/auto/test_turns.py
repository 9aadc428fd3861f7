"""Clusters take turns in a coverage selection, and ranked rows take some of the turns."""

import numpy as np
import pytest
from fiftyone_coreset.plugin.selection.cover import greedy_cover, similarity_matrix
from fiftyone_coreset.plugin.selection.methods.auto.turns import Priority, cover_in_turns
from fiftyone_coreset.plugin.selection.pool import Pool, PoolVectors


def problem(kept=(), n=60, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 6)).astype(np.float32)
    return Pool(PoolVectors(X), np.array(kept, dtype=np.int64), np.ones(n)), np.arange(n) % 3, rng.permutation(n)


def kernel(pool):
    return similarity_matrix(pool, lambda distances: np.exp(-(distances**2)))


def cover(pool, k, regions, shares, priority=None):
    priority = priority or Priority(np.arange(len(pool)), np.zeros(len(shares)))
    return cover_in_turns(kernel(pool), k, pool, regions, np.asarray(shares), priority)


def test_one_region_is_plain_greedy_coverage():
    pool, regions, _ = problem(kept=[4, 9])
    expected = greedy_cover(kernel(pool), 30, pool)[0]
    assert cover(pool, 30, np.zeros_like(regions), [1.0]).tolist() == expected.tolist()


@pytest.mark.parametrize("seed", range(5))
def test_the_region_behind_its_share_comes_first_and_else_the_one_that_gains_most(seed):
    rng = np.random.default_rng(seed)
    pool, _, _ = problem(kept=rng.choice(60, 3, replace=False), seed=seed)
    regions = np.sort(np.r_[np.arange(12), rng.integers(0, 12, 48)])
    shares = rng.dirichlet(np.ones(12))
    matrix, kept = kernel(pool), pool.preselected.tolist()
    for picks in range(4, 61):  # as the rule says it, every gain counted anew
        covered = matrix[kept].max(axis=0)
        gains = np.maximum(matrix - covered, 0).sum(axis=1)
        gains[kept] = -1
        taken = np.bincount(regions[kept], minlength=12)
        has_rows = np.bincount(regions[gains >= 0], minlength=12) > 0
        behind = np.where(has_rows, (taken + 0.5) / shares, np.inf)
        if behind.min() <= picks:
            turn = regions == behind.argmin()
        else:
            may = has_rows & (taken < shares * picks)
            # Where none may come, as others have no rows left, the one that may come soonest does.
            turn = may[regions] if may.any() else regions == np.where(has_rows, taken / shares, np.inf).argmin()
        kept.append(int(np.where(turn, gains, -2).argmax()))
    assert cover(pool, 57, regions, shares).tolist() == kept[3:]


def test_fewer_picks_than_regions_go_where_they_cover_most():
    rng = np.random.default_rng(0)
    centers = np.repeat(3 * rng.normal(size=(5, 6)), 4, axis=0)  # five kinds of images, four regions each
    X = (centers[:, None] + 0.3 * rng.normal(size=(20, 10, 6))).reshape(200, 6).astype(np.float32)
    pool, regions = Pool(PoolVectors(X), np.empty(0, dtype=np.int64), np.ones(200)), np.repeat(np.arange(20), 10)
    shares = np.repeat([0.3, 0.25, 0.15, 0.15, 0.15], 4) / 4
    order = cover(pool, 5, regions, shares)
    assert sorted(order // 40) == [0, 1, 2, 3, 4]


def test_regions_give_their_ranked_rows_in_order():
    pool, regions, ranking = problem()
    order = cover(pool, 60, regions, [1.0, 1.0, 1.0], Priority(ranking, np.ones(3)))
    for region in range(3):
        assert order[regions[order] == region].tolist() == ranking[regions[ranking] == region].tolist()
    assert sorted(regions[order[:6]]) == [0, 0, 1, 1, 2, 2]


def test_without_a_share_the_ranking_changes_nothing():
    pool, regions, ranking = problem()
    plain = cover(pool, 40, regions, [2.0, 1.0, 1.0])
    assert cover(pool, 40, regions, [2.0, 1.0, 1.0], Priority(ranking, np.zeros(3))).tolist() == plain.tolist()


def test_every_region_has_its_own_share_of_ranked_rows():
    pool, regions, ranking = problem()
    order = cover(pool, 24, regions, [1.0, 1.0, 1.0], Priority(ranking, np.array([0.5, 0.25, 1.0])))
    first = {region: ranking[regions[ranking] == region] for region in range(3)}
    for region, share in enumerate([0.5, 0.25, 1.0]):
        given = order[regions[order] == region]
        assert len(given) == 8
        assert set(first[region][: int(8 * share)]) <= set(given)
    plain = cover(pool, 3, regions, [1.0, 1.0, 1.0])
    assert order[regions[order] == 1][0] == plain[regions[plain] == 1][0]  # its first ranked row comes fourth


@pytest.mark.parametrize("split", [1, 7, 20])
def test_continuing_equals_selecting_at_once(split):
    pool, regions, ranking = problem()
    priority = Priority(ranking, np.array([0.3, 0.6, 0.9]))
    whole = cover(pool, 45, regions, [3.0, 2.0, 1.0], priority)
    rest = cover(problem(kept=whole[:split])[0], 45 - split, regions, [3.0, 2.0, 1.0], priority)
    assert rest.tolist() == whole[split:].tolist()
