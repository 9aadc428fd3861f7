"""The default keeps its promises on planted pools: bursts, tails, junk, outskirts."""

from dataclasses import replace

import numpy as np
import pytest
from fiftyone_coreset.plugin.selection.methods.auto.settings import DEFAULTS
from fiftyone_coreset.plugin.selection.registry import get_method
from fiftyone_coreset.plugin.vectors.near_duplicates import NearDuplicates
from fiftyone_coreset.plugin.vectors.neighbors import isolation

BUDGETS = (0.05, 0.1, 0.3, 0.5)


def unit(X):
    return (X / np.linalg.norm(X, axis=1, keepdims=True)).astype(np.float32)


def kept(X, method="auto", seed=0):
    """What a method keeps at every budget: one ranking, cut."""
    order = get_method(method).select(X, max(BUDGETS), seed=seed).indices
    return [order[: round(budget * len(X))] for budget in BUDGETS]


@pytest.mark.parametrize("seed", range(3))
def test_no_budget_collects_the_outskirts(seed):
    rng = np.random.default_rng(seed)
    spread = rng.gamma(2, 0.15, (600, 1))  # a dense middle and far-off images in each of six clusters
    X = unit(rng.normal(size=(6, 24))[rng.integers(0, 6, 600)] + rng.normal(size=(600, 24)) * spread)
    lonely = isolation(X) / isolation(X).mean()
    assert all(0.8 < lonely[rows].mean() < 1.2 for rows in kept(X, seed=seed))
    assert all(lonely[rows].mean() > 1.35 for rows in kept(X, "maxherding", seed=seed))  # what coverage alone does


@pytest.mark.parametrize("seed", range(3))
def test_small_clusters_are_kept_before_random_keeps_them(seed):
    rng = np.random.default_rng(seed)
    cluster = np.repeat(np.arange(12), [260, 220, *[12] * 10])
    X = unit(unit(rng.normal(size=(12, 24)))[cluster] + 0.12 * rng.normal(size=(600, 24)))
    found = [len(np.unique(cluster[rows])) for rows in kept(X, seed=seed)]
    assert found[0] >= 9  # with 30 images, of which random holds 6 to 7 clusters
    assert found[1:] == [12, 12, 12]


@pytest.mark.parametrize("width", [0.15, 0.6])
def test_a_region_of_odd_images_gets_no_more_than_its_share(width):
    rng = np.random.default_rng(0)
    usual = rng.normal(size=(8, 24))[rng.integers(0, 8, 540)] + 0.5 * rng.normal(size=(540, 24))
    odd = 6 * rng.normal(size=(1, 24)) + width * rng.normal(size=(60, 24))
    X = unit(np.concatenate([usual, odd]))
    for rows in kept(X):
        share = np.mean(rows >= len(usual)) / 0.1
        assert 0.3 < share <= 1.2, share


@pytest.mark.parametrize("seed", range(3))
def test_scattered_noise_gets_no_more_than_its_share(seed):
    rng = np.random.default_rng(seed)
    usual = rng.random((8, 32))[rng.integers(0, 8, 480)] + 0.1 * rng.normal(size=(480, 32))
    X = np.concatenate([usual, rng.random((120, 32))])  # a fifth, and most of the space
    for rows in kept(X, seed=seed):
        assert 0.1 <= np.mean(rows >= len(usual)) <= 0.23


@pytest.mark.parametrize("seed", range(3))
def test_single_photographs_beside_a_few_long_videos_keep_their_share(seed):
    # Ten videos of 70 frames are too few to be told from dense kinds of images; 300 photographs of the same ten kinds
    # lie far apart compared with them.
    rng = np.random.default_rng(seed)
    scenes = rng.normal(size=(10, 24))[np.arange(310) % 10] + 0.6 * rng.normal(size=(310, 24))
    videos = scenes[:10, None] + np.cumsum(0.03 * rng.normal(size=(10, 70, 24)), axis=1)
    X = unit(np.concatenate([videos.reshape(700, 24), scenes[10:]]))
    for rows in kept(X, seed=seed):
        assert np.mean(rows >= 700) > 0.23
    assert np.mean(kept(X, seed=seed)[2] >= 700) > 0.27
    told = get_method("auto").select(X, 100, seed=seed).details
    assert not told["bursts"]
    assert told["groups"] == len(X)  # frames are close, but no gap says that they are copies


def test_weights_and_a_seed_set_move_the_regions_shares():
    rng = np.random.default_rng(0)
    side = np.repeat([0, 1], 200)
    X = unit(np.where(side[:, None] == 0, 1, -1) + 0.5 * rng.normal(size=(400, 16)))
    select = get_method("auto").select
    heavy = select(X, 100, weights=np.where(side == 0, 3.0, 1.0)).indices
    assert 65 <= np.sum(side[heavy] == 0) <= 85
    # Twenty images of one side are labelled already: the other side catches up first.
    rest = select(X, 60, preselected=np.arange(20)).indices[20:]
    assert abs(np.sum(side[rest] == 1) - 30) <= 3


def test_the_reasons_are_told():
    rng = np.random.default_rng(0)
    scenes = unit(rng.normal(size=(60, 24)))
    bursts = unit(scenes[np.repeat(np.arange(60), 8)] + 0.02 * rng.normal(size=(480, 24)))
    told = get_method("auto").select(bursts, 0.2).details
    assert told["groups"] == 60
    assert told["largest_group"] == 8
    assert told["why"].startswith("88% of the pool are look-alikes in 60 bursts of up to 8")
    told = get_method("auto").select(unit(rng.normal(size=(300, 24))), 0.2).details
    assert not told["bursts"]
    assert told["why"].startswith("no bursts stand out, so every region")


def test_progress_never_goes_back():
    seen = []
    X = unit(np.random.default_rng(0).normal(size=(3000, 16)))
    get_method("auto").select(X, 1.0, progress=lambda fraction, message: seen.append(fraction))
    assert len(seen) > 4
    assert seen == sorted(seen)
    assert seen[0] >= 0
    assert seen[-1] <= 1


@pytest.mark.parametrize("n", [1, 2, 3, 12])
@pytest.mark.parametrize("alike", [False, True])
def test_tiny_pools_are_ranked_whole(n, alike):
    X = np.ones((n, 8)) if alike else np.random.default_rng(0).normal(size=(n, 8))
    assert sorted(get_method("auto").select(X, n).indices) == list(range(n))


def test_zcore_chooses_its_part_where_its_picks_stand_for_the_pool(monkeypatch):
    rng = np.random.default_rng(0)
    scenes = rng.normal(size=(8, 24))[np.arange(240) % 8] + 0.4 * rng.normal(size=(240, 24))
    X = unit(scenes[np.repeat(np.arange(240), 5)] + 0.01 * rng.normal(size=(1200, 24)))
    best = get_method("zcore").select(X, 60, n_draws=60_000).indices // 5
    mixed = get_method("auto").select(X, 60)
    assert mixed.details["bursts"]
    assert mixed.details["chosen_by_zcore"] == 0.9
    assert "ZCore's picks stand for the pool" in mixed.details["why"]
    monkeypatch.setattr(
        "fiftyone_coreset.plugin.selection.methods.auto.selector.DEFAULTS", replace(DEFAULTS, zcore_share=0.0)
    )
    plain = get_method("auto").select(X, 60)
    assert plain.details["chosen_by_zcore"] == 0
    assert "ZCore's picks" not in plain.details["why"]
    shared = [len(set(best) & set(picks.indices // 5)) for picks in (mixed, plain)]
    assert shared[0] > 1.3 * shared[1]


def test_a_few_certain_copies_change_little_and_many_decide():
    """One image of each comes first, however few they are; images that are merely close are not put together."""
    rng = np.random.default_rng(0)
    Z = rng.normal(size=(200, 8)).astype(np.float32)
    none, few = np.arange(200), np.r_[0, np.arange(199)]
    many = np.r_[np.repeat(np.arange(20), 5), np.arange(20, 120)]

    def order(groups):
        sizes = np.bincount(groups)
        several = bool((sizes > 1).mean() > 0.1)
        told = NearDuplicates(groups, 0.1, several, np.zeros(200, dtype=np.float32), by_pixels=True)
        return get_method("auto").select(Z, near_copies=told).indices

    assert np.array_equal(order(none), get_method("auto").select(Z).indices)
    assert not {0, 1} <= set(order(few)[:199].tolist())
    assert len(np.unique(many[order(many)[:120]])) == 120
