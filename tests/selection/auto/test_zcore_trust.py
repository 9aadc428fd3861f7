"""ZCore's ranking is trusted where its first picks could stand for the pool, and only there."""

import numpy as np
import pytest
from fiftyone_coreset.plugin.progress import silence
from fiftyone_coreset.plugin.selection.methods.auto import zcore_trust
from fiftyone_coreset.plugin.selection.methods.auto.regions import find_regions
from fiftyone_coreset.plugin.selection.methods.auto.settings import AutoSettings
from fiftyone_coreset.plugin.selection.methods.auto.zcore_trust import (
    judged_zcore,
    trusts_zcore,
    zcore_ranking,
)
from fiftyone_coreset.plugin.selection.methods.zcore.scores import zcore_scores
from fiftyone_coreset.plugin.selection.pool import Pool, PoolVectors


def pool(X, weights=None):
    X = np.ascontiguousarray(X, dtype=np.float32)
    return Pool(PoolVectors(X), np.empty(0, dtype=np.int64), np.ones(len(X)) if weights is None else weights)


def ranked(found):
    return zcore_ranking(found, 50 * len(found), silence)


@pytest.fixture(scope="module")
def clusters():
    """Eight clusters of two hundred images, the regions, and distances to nearest neighbours."""
    rng = np.random.default_rng(0)
    kind = rng.integers(0, 8, 1600)
    found = pool(rng.normal(size=(8, 16))[kind] + 0.3 * rng.normal(size=(1600, 16)))
    return found, kind, find_regions(found), found.neighbors(1)[1][:, 0]


def trust(clusters, ranking):
    found, _, regions, nearest = clusters
    return trusts_zcore(found, regions, np.asarray(ranking), nearest)


def test_the_ranking_is_the_zcore_ranking(clusters):
    found = clusters[0]
    by_zcore = ranked(found)
    scores = zcore_scores(found.X, n_draws=50 * len(found), seed=0)
    assert sorted(by_zcore.ranking) == list(range(len(found)))
    assert (np.diff(scores.score[by_zcore.ranking]) <= 0).all()
    assert np.array_equal(by_zcore.hits, scores.coverage)


def test_weights_move_images_up_the_ranking(clusters):
    heavy = clusters[1] == 3
    weighted = ranked(pool(clusters[0].X, np.where(heavy, 5.0, 1.0))).ranking
    assert heavy[weighted[:160]].mean() > 2 * heavy[ranked(clusters[0]).ranking[:160]].mean()


def test_a_choice_like_any_other_is_trusted(clusters):
    assert np.mean([trust(clusters, np.random.default_rng(seed).permutation(1600)) for seed in range(5)]) == 1


def test_isolated_crowded_and_lopsided_choices_are_not_trusted(clusters):
    _, kind, _, nearest = clusters
    assert not trust(clusters, np.argsort(-nearest))
    assert not trust(clusters, np.argsort(nearest))
    assert not trust(clusters, np.argsort(kind, kind="stable"))


def test_a_choice_that_becomes_fair_too_late_is_not_trusted(clusters):
    kind = clusters[1]
    fair = np.random.default_rng(0).permutation(1600)
    of_one_kind = fair[kind[fair] == 0][:80]
    late = np.concatenate([of_one_kind, np.setdiff1d(fair, of_one_kind, assume_unique=True)])
    assert not trust(clusters, late)


def test_isolation_counts_only_where_it_says_something(clusters):
    found, _, regions, nearest = clusters
    pairs = np.random.default_rng(0).permutation(1600).reshape(800, 2)
    representative = pairs[np.arange(800), nearest[pairs].argmax(axis=1)]  # from all over, the more isolated of two
    assert not trusts_zcore(found, regions, representative, nearest)
    assert trusts_zcore(found, regions, representative)


def test_noise_is_not_trusted():
    rng = np.random.default_rng(0)
    usual = rng.random((8, 32))[rng.integers(0, 8, 480)] + 0.1 * rng.normal(size=(480, 32))
    found = pool(np.concatenate([usual, rng.random((120, 32))]))
    by_zcore = ranked(found)
    assert np.mean(by_zcore.ranking[:60] >= 480) > 0.5  # ZCore collects it
    assert not trusts_zcore(found, find_regions(found), by_zcore.ranking, found.neighbors(1)[1][:, 0])


def test_pools_that_say_too_little_are_not_trusted():
    small = pool(np.random.default_rng(0).normal(size=(99, 4)))
    assert not trusts_zcore(small, find_regions(small), np.arange(99))
    alike = ranked(pool(np.ones((7, 3))))
    assert alike.ranking.tolist() == list(range(7))
    assert alike.hits.sum() == 0


def test_a_large_pool_is_judged_by_a_part_and_ranked_whole_where_that_is_trusted(clusters, monkeypatch):
    found, _, regions, nearest = clusters
    settings = AutoSettings(judged_rows=400)
    made = []
    original = zcore_trust.zcore_ranking
    monkeypatch.setattr(
        zcore_trust, "zcore_ranking", lambda pool, n, report: made.append(n) or original(pool, n, report)
    )
    answers = iter([True, False])
    monkeypatch.setattr(zcore_trust, "trusts_zcore", lambda *arguments: next(answers))
    heard = []
    trusted, follow = judged_zcore(found, regions, nearest, lambda share, message: heard.append(share), settings)
    assert follow
    assert np.array_equal(trusted.ranking, ranked(found).ranking)
    assert heard == sorted(heard)
    refused, follow = judged_zcore(found, regions, nearest, silence, settings)
    assert not follow
    assert made == [50 * 400, 50 * len(found), 50 * 400]
    of_part = ranked(pool(found.X[:400]))
    assert refused.ranking.tolist() == [*of_part.ranking, *range(400, 1600)]
    assert np.array_equal(refused.hits, np.append(of_part.hits, np.zeros(1200)))


def test_a_part_tells_the_space_of_the_regions_as_the_whole_does(clusters, monkeypatch):
    monkeypatch.setattr(zcore_trust, "trusts_zcore", lambda *arguments: False)
    found, _, regions, nearest = clusters
    whole, part = (
        judged_zcore(found, regions, nearest, silence, AutoSettings(judged_rows=rows)) for rows in (1600, 800)
    )
    space = [np.bincount(regions, weights=found[0].hits) / found[0].hits.sum() for found in (whole, part)]
    assert np.corrcoef(*space)[0, 1] > 0.9
