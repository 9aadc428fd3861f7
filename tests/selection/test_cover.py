"""Greedy coverage: the regions' turns, and the favourites that regions give in some of them."""

import numpy as np
import pytest
from fiftyone_coreset.plugin.selection.cover import Favourites, greedy_cover, similarity_matrix
from fiftyone_coreset.plugin.selection.pool import Pool


def problem(kept=(), n=60, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 6)).astype(np.float32)
    return Pool(X, np.array(kept, dtype=np.int64), np.ones(n)), np.arange(n) % 3, rng.permutation(n)


def cover(pool, k, regions, shares, favourites=None):
    matrix = similarity_matrix(pool, lambda distances: np.exp(-(distances**2)))
    return greedy_cover(matrix, k, pool, regions, np.asarray(shares), favourites)[0]


def test_regions_give_their_favourites_in_order():
    pool, regions, ranking = problem()
    order = cover(pool, 60, regions, [1.0, 1.0, 1.0], Favourites(ranking, np.ones(3)))
    for region in range(3):
        assert order[regions[order] == region].tolist() == ranking[regions[ranking] == region].tolist()
    assert sorted(regions[order[:6]]) == [0, 0, 1, 1, 2, 2]


def test_without_a_share_favourites_change_nothing():
    pool, regions, ranking = problem()
    plain = cover(pool, 40, regions, [2.0, 1.0, 1.0])
    assert cover(pool, 40, regions, [2.0, 1.0, 1.0], Favourites(ranking, np.zeros(3))).tolist() == plain.tolist()


def test_every_region_has_its_own_share_of_favourites():
    pool, regions, ranking = problem()
    order = cover(pool, 24, regions, [1.0, 1.0, 1.0], Favourites(ranking, np.array([0.5, 0.25, 1.0])))
    first = {region: ranking[regions[ranking] == region] for region in range(3)}
    for region, share in enumerate([0.5, 0.25, 1.0]):
        given = order[regions[order] == region]
        assert len(given) == 8
        assert set(first[region][: int(8 * share)]) <= set(given)
    plain = cover(pool, 3, regions, [1.0, 1.0, 1.0])
    assert order[regions[order] == 1][0] == plain[regions[plain] == 1][0]  # its first favourite comes fourth


@pytest.mark.parametrize("split", [1, 7, 20])
def test_continuing_equals_selecting_at_once(split):
    pool, regions, ranking = problem()
    favourites = Favourites(ranking, np.array([0.3, 0.6, 0.9]))
    whole = cover(pool, 45, regions, [3.0, 2.0, 1.0], favourites)
    rest = cover(problem(kept=whole[:split])[0], 45 - split, regions, [3.0, 2.0, 1.0], favourites)
    assert rest.tolist() == whole[split:].tolist()
