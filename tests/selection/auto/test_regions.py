"""Regions and their shares: images count, and so does the space they cover, where that means something."""

import numpy as np
import pytest
from fiftyone_coreset.plugin.progress import silence
from fiftyone_coreset.plugin.selection.methods.auto.regions import (
    effective_dimension,
    find_regions,
    region_shares,
)
from fiftyone_coreset.plugin.selection.methods.auto.settings import AutoSettings
from fiftyone_coreset.plugin.selection.methods.auto.zcore_trust import zcore_ranking
from fiftyone_coreset.plugin.selection.pool import Pool, PoolVectors


def pool(X):
    return Pool(PoolVectors(np.asarray(X, dtype=np.float32)), np.empty(0, dtype=np.int64), np.ones(len(X)))


def shares(X, regions):
    """Shares over those of the images, with real distances to nearest neighbours and hits of real draws."""
    problem = pool(X)
    hits = zcore_ranking(problem, 50 * len(problem), silence).hits
    found = region_shares(problem, regions, problem.neighbors(1)[1][:, 0], hits)
    assert (found > 0).all()
    assert found.sum() == pytest.approx(1)
    return found / (np.bincount(regions) / len(regions))


def test_effective_dimension_counts_the_axes():
    rng = np.random.default_rng(0)
    line = rng.normal(size=(500, 1)) * np.ones((1, 7)) + 3
    assert effective_dimension(line.astype(np.float32)) == pytest.approx(1, abs=1e-3)
    ball = rng.normal(size=(20_000, 6))
    assert effective_dimension(ball.astype(np.float32)) == pytest.approx(6, rel=0.02)
    unequal = ball[:, :2] * np.sqrt([2, 1])
    assert effective_dimension(unequal.astype(np.float32)) == pytest.approx((2 + 1) ** 2 / (4 + 1), rel=0.02)
    assert effective_dimension(np.ones((9, 4), dtype=np.float32)) == 1


def test_regions_are_numbered_without_gaps_even_among_copies():
    rng = np.random.default_rng(0)
    copies = np.repeat(rng.normal(size=(3, 8)), 100, axis=0)
    assert np.unique(find_regions(pool(copies))).tolist() == [0, 1, 2]


def test_there_are_as_many_as_the_root_of_the_number_of_images():
    images = np.random.default_rng(0).normal(size=(400, 8))
    assert len(np.unique(find_regions(pool(images)))) == 20
    assert len(np.unique(find_regions(pool(images), AutoSettings(max_clusters=7)))) == 7
    assert not find_regions(pool(images[:15])).any()


def test_images_of_a_region_lie_together():
    kind = np.repeat(np.arange(8), 50)
    images = 50 * np.eye(8)[kind] + np.random.default_rng(0).normal(size=(400, 8))
    regions = find_regions(pool(images))
    assert len(set(zip(regions.tolist(), kind.tolist(), strict=True))) == len(set(regions.tolist())) == 20


def test_one_region_and_coinciding_images_count_as_their_mass():
    X = np.random.default_rng(0).normal(size=(30, 4))
    assert shares(X, np.zeros(30, dtype=np.int64)) == pytest.approx(1)
    assert shares(np.ones((30, 4)), np.repeat([0, 1], [10, 20])) == pytest.approx([1, 1])


def corner(spread):
    """Nine hundred images in the middle, one hundred in a place of their own, scattered by ``spread`` there."""
    X = np.random.default_rng(0).normal(size=(1000, 4)) / 2
    X[900:] = X[900:] * 2 * spread + np.array([8, 0, 0, 0])
    return X + 4, np.repeat([0, 1], [900, 100])


def test_a_rare_kind_in_a_place_of_its_own_counts_for_more_than_its_number():
    assert shares(*corner(0.3))[1] > 1.2


def test_in_many_dimensions_images_count():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1000, 300))
    regions = np.repeat([0, 1], [900, 100])
    X[regions == 1] *= 1.3  # further out, and so nearest to many targets
    assert shares(X, regions) == pytest.approx([1, 1], abs=0.1)


def test_scattered_images_count_by_their_number_not_by_the_space_they_lie_in():
    assert shares(*corner(4.0))[1] < 0.9 * shares(*corner(0.3))[1]
    assert 0.9 < shares(*corner(4.0))[1] <= 1
