"""Single images beside bursts: whether they differ, and that this costs no kind of image its share."""

import numpy as np
import pytest
from fiftyone_coreset.plugin.selection.methods.auto.singletons import singleton_auc
from fiftyone_coreset.plugin.selection.registry import get_method
from fiftyone_coreset.plugin.vectors.near_duplicates import NearDuplicates


def grouped(groups):
    """Groups as they are found in a pool of plain bursts, the first row of each the most central."""
    groups = np.asarray(groups)
    later = np.r_[False, groups[1:] == groups[:-1]]
    return NearDuplicates(groups, 0.1, clear=True, centrality=later.astype(np.float32))


def pool(centers, bursts, copies=5, seed=0):
    """The first centers come in bursts of near-copies, the others once.

    Returns:
        the embeddings and their groups
    """
    groups = np.repeat(np.arange(len(centers)), np.repeat([copies, 1], [bursts, len(centers) - bursts]))
    Z = centers[groups] + 0.01 * np.random.default_rng(seed).normal(size=(len(groups), centers.shape[1]))
    return (Z / np.linalg.norm(Z, axis=1, keepdims=True)).astype(np.float32), grouped(groups)


def two_sides(bursts, singles, strangers, seed=0):
    """Bursts to the right, then singles like them, then strangers, to the left of all."""
    centers = np.random.default_rng(seed).normal(size=(bursts + singles + strangers, 12))
    centers[:, 0] += np.repeat([2.0, -2.0], [bursts + singles, strangers])
    return pool(centers, bursts)


def test_strangers_to_one_side_are_noticed():
    assert singleton_auc(*two_sides(90, 60, 60)) > 0.7


def test_strangers_in_no_one_direction_are_known_by_their_distance():
    # Bursts and their like come from twelve places all around; no plane separates strangers from them.
    rng = np.random.default_rng(0)
    places = np.concatenate([np.eye(6), -np.eye(6)])
    centers = places[np.arange(90) % 12] + 0.1 * rng.normal(size=(90, 6))
    assert singleton_auc(*pool(np.concatenate([centers, rng.normal(size=(60, 6))]), 50)) > 0.65


@pytest.mark.parametrize("seed", range(6))
def test_the_like_of_the_bursts_do_not_differ(seed):
    assert singleton_auc(*two_sides(80, 80, 0, seed)) is None


@pytest.mark.parametrize(
    ("bursts", "singles", "strangers"),
    [(60, 10, 9), (19, 10, 20), (60, 20, 160)],
    ids=["few singles", "few bursts", "singles are no exception"],
)
def test_nothing_is_said_where_the_pool_says_too_little(bursts, singles, strangers):
    assert singleton_auc(*two_sides(bursts, singles, strangers)) is None


@pytest.mark.parametrize("trust", [None, True], ids=["as it is", "ZCore chooses"])
@pytest.mark.parametrize("seed", range(3))
def test_kinds_that_were_never_filmed_keep_their_share(seed, trust, monkeypatch):
    # One kind comes in bursts of ten, five others as single photographs far away from it, a sixth of the pool.
    if trust is not None:
        monkeypatch.setattr("fiftyone_coreset.plugin.selection.methods.auto.zcore_trust.trusts_zcore", lambda *_: trust)
    rng = np.random.default_rng(seed)
    kinds = 4 * np.linalg.qr(rng.normal(size=(12, 12)))[0]
    kind = np.repeat(np.arange(6), [80, 32, 32, 32, 32, 32])
    Z, found = pool(kinds[kind] + rng.normal(size=(240, 12)), 80, copies=10, seed=seed)
    row_kind = kind[found.groups]
    selection = get_method("auto").select(Z, 0.5, seed=seed)
    assert selection.details["bursts"]
    assert selection.details["single_images_differ"] > 0.9
    for fraction in (0.05, 0.1, 0.3, 0.5):
        kept = row_kind[selection.indices[: round(fraction * len(Z))]]
        assert np.mean(kept > 0) == pytest.approx(160 / 960, abs=0.025)
        assert len(np.unique(kept)) == 6 or fraction < 0.1
