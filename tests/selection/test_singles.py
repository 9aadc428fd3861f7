"""Single images beside bursts: strangers wait, and the like of the bursts do not."""

import numpy as np
import pytest
from fiftyone_coreset.plugin.selection.duplicates import NearDuplicates
from fiftyone_coreset.plugin.selection.singles import judge_singles


def grouped(groups):
    """Groups as they are found in a pool of plain bursts, the first row of each the most central."""
    groups = np.asarray(groups)
    later = np.r_[False, groups[1:] == groups[:-1]]
    return NearDuplicates(groups, 0.1, clear=True, centrality=later.astype(np.float32))


def pool(bursts, singles, strangers, seed=0):
    """Bursts of five to the right, then singles like them, then strangers, to the left of all.

    Returns:
        the embeddings, their groups, and the group numbers of singles and of strangers
    """
    rng = np.random.default_rng(seed)
    centers = rng.normal(size=(bursts + singles + strangers, 12))
    centers[:, 0] += np.repeat([2.0, -2.0], [bursts + singles, strangers])
    groups = np.repeat(np.arange(len(centers)), np.repeat([5, 1], [bursts, singles + strangers]))
    Z = centers[groups] + 0.01 * rng.normal(size=(len(groups), 12))
    first = np.cumsum([bursts, singles])
    ours, theirs = np.arange(first[0], first[1]), np.arange(first[1], len(centers))
    return (Z / np.linalg.norm(Z, axis=1, keepdims=True)).astype(np.float32), grouped(groups), ours, theirs


def test_strangers_wait_and_the_like_of_the_bursts_do_not():
    Z, found, ours, theirs = pool(60, 60, 60)
    judged = judge_singles(Z, found, np.ones(180))
    assert judged.auc > 0.7
    assert judged.waits[ours].mean() < 0.2
    assert judged.waits[theirs].mean() > 0.7
    assert judged.trust[ours].mean() > 2 * judged.trust[theirs].mean()
    assert (judged.trust[:60] == 1).all()
    assert not judged.waits[:60].any()


def test_strangers_in_no_one_direction_are_known_by_their_distance():
    # Bursts and their like come from twelve places all around; no plane separates strangers from them.
    rng = np.random.default_rng(0)
    places = np.concatenate([np.eye(6), -np.eye(6)])
    centers = places[np.arange(90) % 12] + 0.1 * rng.normal(size=(90, 6))
    centers = np.concatenate([centers, rng.normal(size=(60, 6))])
    groups = np.repeat(np.arange(150), np.repeat([5, 1], [50, 100]))
    Z = centers[groups] / np.linalg.norm(centers[groups], axis=1, keepdims=True)
    judged = judge_singles(Z.astype(np.float32), grouped(groups), np.ones(150))
    assert judged.auc > 0.65
    assert judged.waits[50:90].mean() < 0.2
    assert judged.waits[90:].mean() > 0.6


@pytest.mark.parametrize("strangers", [40, 60, 80])
def test_no_more_strangers_are_expected_than_the_pool_holds(strangers):
    shares, standing = [], []
    for seed in range(8):
        Z, found, _, theirs = pool(90, 40, strangers, seed)
        worth = np.sqrt(np.bincount(found.groups))
        judged = judge_singles(Z, found, worth)
        assert judged.auc is not None
        shares.append((worth * judged.trust)[theirs].sum() / (worth * judged.trust).sum())
        standing.append(np.isin(np.flatnonzero(~judged.waits), theirs).mean())
    most = 1.02 * strangers / len(Z)  # the chances are estimated
    assert np.mean(shares) <= most
    assert np.mean(standing) <= most


def test_kinds_that_were_never_filmed_keep_their_share():
    # One kind comes in bursts, the others as single photographs far away from it: nothing says which are off-topic.
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(300), np.repeat([10, 1], [100, 200]))
    centers = rng.normal(size=(300, 12)) + np.where(np.arange(300) < 100, 4.0, -4.0)[:, None] * np.eye(12)[0]
    Z = centers[groups] / np.linalg.norm(centers[groups], axis=1, keepdims=True)
    value = np.sqrt(np.bincount(groups))
    judged = judge_singles(Z.astype(np.float32), grouped(groups), value)
    assert judged.auc > 0.95
    share = (value * judged.trust)[100:].sum() / (value * judged.trust).sum()
    assert share == pytest.approx(200 / 1200, rel=0.05)


def test_pieces_of_a_few_long_bursts_do_not_make_single_images_strangers():
    # Four long videos, cut into forty short bursts each; photographs are unlike them, and most of what there is to see.
    rng = np.random.default_rng(0)
    videos = rng.normal(size=(4, 12))
    pieces = videos[np.arange(160) % 4] + 0.3 * rng.normal(size=(160, 12))
    centers = np.concatenate([pieces, rng.normal(size=(160, 12))])
    groups = np.repeat(np.arange(320), np.repeat([3, 1], [160, 160]))
    Z = centers[groups] / np.linalg.norm(centers[groups], axis=1, keepdims=True)
    judged = judge_singles(Z.astype(np.float32), grouped(groups), np.ones(320))
    assert (judged.trust == 1).all()
    assert not judged.waits.any()
    assert judged.auc is None


@pytest.mark.parametrize(("bursts", "singles", "strangers"), [(80, 80, 0), (60, 10, 9), (19, 60, 60)])
def test_all_are_trusted_where_the_pool_says_nothing(bursts, singles, strangers):
    Z, found, _, _ = pool(bursts, singles, strangers)
    judged = judge_singles(Z, found, np.ones(bursts + singles + strangers))
    assert judged.auc is None
    assert (judged.trust == 1).all()
    assert not judged.waits.any()


def test_where_all_singles_are_strangers_few_are_left():
    Z, found, _, theirs = pool(60, 0, 60)
    judged = judge_singles(Z, found, np.ones(120))
    assert judged.auc > 0.95
    assert judged.waits[theirs].mean() > 0.7
    assert judged.trust[theirs].max() < 0.3
