"""The second stage of PPAL against its formulas, box by box."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from fiftyone_coreset.plugin.selection import box_diversity
from fiftyone_coreset.plugin.selection.box_diversity import box_distances, medoids


def boxes(n=9, seed=0):
    """Boxes of n images, none in the last: (image, class, score, unit vector) each, in no order."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(30, 4)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return (
        rng.permutation(np.arange(30) % (n - 1)),
        rng.choice(["car", "bus", "dog"], 30),
        rng.uniform(0.05, 1, 30),
        vectors,
    )


def as_written(images, classes, scores, vectors, n):
    """For every box the nearest of its class in the other image, weighted by its score; the mean of both ways."""

    def one_way(a, b):
        mine, theirs = np.flatnonzero(images == a), np.flatnonzero(images == b)
        if not len(mine):
            return 0.0 if not len(theirs) else 2.0
        total = 0.0
        for box in mine:
            same = [1 - vectors[box] @ vectors[other] for other in theirs if classes[other] == classes[box]]
            total += scores[box] * min(same, default=2.0)
        return total / scores[mine].sum()

    return np.array([[0.0 if a == b else (one_way(a, b) + one_way(b, a)) / 2 for b in range(n)] for a in range(n)])


@pytest.mark.parametrize("block", [None, 1])
def test_distances_are_those_of_the_formula(monkeypatch, block):
    if block is not None:
        monkeypatch.setattr(box_diversity, "_BLOCK_VALUES", block)
    given = boxes()
    found = box_distances(*given, 9)
    np.testing.assert_allclose(found, as_written(*given, 9), atol=1e-6)
    assert found[8, :8].tolist() == [2.0] * 8, "an image without boxes is like no other"


def test_other_classes_are_never_alike():
    same = np.ones((2, 1), dtype=np.float32)
    apart = [box_distances(np.arange(2), np.array(list(names)), np.ones(2), same, 2)[0, 1] for names in ("aa", "ab")]
    assert apart == [0.0, 2.0]


def test_medoids_lower_the_distance_to_the_chosen():
    """Of two clear groups one each, the one in the middle; and never worse than what they begin from."""
    points = np.array([0.0, 1.0, 2.2, 10.0, 11.0, 12.5])
    assert medoids(np.abs(points[:, None] - points), 2).tolist() == [1, 4]
    rng = np.random.default_rng(0)
    for seed in range(20):
        points = rng.normal(size=(12, 2))
        apart = np.linalg.norm(points[:, None] - points, axis=2)
        chosen = medoids(apart, 3, seed)
        cost = apart[:, chosen].min(axis=1).sum()
        best = min(apart[:, list(rows)].min(axis=1).sum() for rows in itertools.combinations(range(12), 3))
        assert len(set(chosen.tolist())) == 3
        assert cost <= 1.7 * best


@pytest.mark.parametrize("k", [1, 3, 5])
def test_rows_that_coincide_are_still_k(k):
    assert len(set(medoids(np.zeros((5, 5)), k).tolist())) == k
