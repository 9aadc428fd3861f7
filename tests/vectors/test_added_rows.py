"""Added rows: told by brute force, alike in one step and in two; the map that keeps its points."""

from __future__ import annotations

import numpy as np
import pytest
from fiftyone_coreset.plugin.diagnostics.first_cover import first_cover
from fiftyone_coreset.plugin.vectors.added_rows import (
    HALF_PRECISION,
    Neighborhood,
    Prints,
    copies_among_added,
    kinds_of_added,
)
from fiftyone_coreset.plugin.vectors.near_copies import Evidence, near_copies
from fiftyone_coreset.plugin.vectors.neighbors import nearest_in, pairwise_distances
from fiftyone_coreset.plugin.vectors.points import Points
from fiftyone_coreset.plugin.vectors.projection import place_along, place_between, project
from hypothesis import given, settings
from hypothesis import strategies as st

RADIUS = 0.3


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def kinds(pool, added):
    near, rows, nearest = Neighborhood.of(pool, added, np.arange(len(pool)))
    to_pool = pairwise_distances(added, pool)
    np.testing.assert_allclose(to_pool[np.arange(len(added)), rows[nearest]], to_pool.min(axis=1), atol=1e-3)
    return kinds_of_added(near, RADIUS, np.full(len(added), -1)).tolist()


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 30), st.integers(2, 40), st.integers(0, 2**31), st.data())
def test_two_steps_tell_what_one_tells(n, m, seed, data):
    rng = np.random.default_rng(seed)
    angles = rng.integers(0, 15, n + m) * 0.4 + rng.normal(size=n + m) * 1e-3  # rows lie within 0.01, or 0.39 apart
    rows = unit(np.stack([np.cos(angles), np.sin(angles)], axis=1))
    cut = data.draw(st.integers(1, m - 1))
    at_once = kinds(rows[:n], rows[n:])
    assert at_once == kinds(rows[:n], rows[n : n + cut]) + kinds(rows[: n + cut], rows[n + cut :])
    for row, kind in enumerate(at_once, n):
        near = (np.linalg.norm(rows[:row] - rows[row], axis=1) <= RADIUS).any()
        assert kind == ("look-alike" if near else "new")


@pytest.mark.parametrize("spread", [1.0, 0.1, 1e-3, 1e-4, 0.0])
def test_a_pool_in_half_precision_tells_what_the_exact_one_tells(spread):
    rng = np.random.default_rng(2)
    centers = rng.normal(size=(8, 16))
    rows = unit(centers[rng.integers(8, size=400)] + spread * rng.normal(size=(400, 16)))
    pool, added = rows[:360], rows[360:]
    exact = np.linalg.norm(added[:, None].astype(float) - pool[None], axis=2)
    radius = float(np.quantile(exact.min(axis=1), 0.5))
    read = []

    def exactly(some):
        read.extend(some.tolist())
        return pool[some]

    rounded = pool.astype(np.float16).astype(np.float32)
    near, places, nearest = Neighborhood.of(rounded, added, np.arange(360), None, exactly, radius)
    np.testing.assert_allclose(near.to_pool, exact.min(axis=1), atol=1e-6 if spread > 1e-3 else 2 * HALF_PRECISION)
    np.testing.assert_allclose(exact[np.arange(40), places[nearest]], near.to_pool, atol=1e-6)
    told = kinds_of_added(near, radius, np.full(40, -1))
    whole, *_ = Neighborhood.of(pool, added, np.arange(360))
    np.testing.assert_array_equal(told, kinds_of_added(whole, radius, np.full(40, -1)))
    assert len(read) == len(set(read)) < len(pool)


@pytest.mark.parametrize("radius", [0.0, 0.05, RADIUS, 2.5])
def test_first_budgets_of_added_rows_are_those_of_the_whole(radius):
    rng = np.random.default_rng(1)
    pool = unit(rng.normal(size=(300, 5)))
    added = unit(np.concatenate([pool[::30] + 0.02 * rng.normal(size=(10, 5)), rng.normal(size=(30, 5)), pool[:3]]))
    near, *_ = Neighborhood.of(pool, added, np.arange(300))
    np.testing.assert_allclose(near.to_pool, pairwise_distances(added, pool).min(axis=1), atol=1e-3)
    order = rng.permutation(len(added))
    whole = Points(np.concatenate([pool, added[order]]), are_unit=True)
    exact = first_cover(whole, radius, radius / 2)
    some = first_cover(Points(pool), radius, radius / 2)
    found = first_cover(whole, radius, radius / 2, known=some, to_known=near.to_pool[order])
    np.testing.assert_array_equal(found.covered_at, exact.covered_at)
    np.testing.assert_array_equal(found.duplicate_at, exact.duplicate_at)


def test_neighbors_in_a_pool():
    rng = np.random.default_rng(0)
    pool, asked = rng.normal(size=(50, 4)).astype(np.float32), rng.normal(size=(7, 4)).astype(np.float32)
    found, distance = nearest_in(asked, pool, 3)
    exact = np.linalg.norm(asked[:, None] - pool[None], axis=2)
    np.testing.assert_array_equal(found, np.argsort(exact, axis=1)[:, :3])
    np.testing.assert_allclose(distance, np.sort(exact, axis=1)[:, :3], rtol=1e-5)
    assert nearest_in(asked, pool[:2], 3)[0].shape == (7, 2)


@pytest.fixture
def scenes():
    """150 scenes as fingerprints, 30 of them in three frames, and further frames of some; embeddings by scene."""
    rng = np.random.default_rng(0)
    side = np.mgrid[:24, :24] / 24

    def scene():
        waves = [
            rng.normal() * np.cos(2 * np.pi * (rng.integers(-5, 6) * side[0] + rng.integers(-5, 6) * side[1]))
            for _ in range(25)
        ]
        return 128 + 25 * np.sum(waves, axis=0)

    def frame(picture):
        top, left = rng.integers(3, 6, 2)
        return (picture[top : top + 16, left : left + 16] + rng.normal(size=(16, 16))).clip(0, 255).astype(np.uint8)

    pictures = [scene() for _ in range(150)]
    origin = np.r_[np.repeat(np.arange(30), 3), np.arange(30, 140)]
    added = np.array([0, 1, 2, 35, 36, 140, 141, 141, 142, 142])
    frames = [frame(pictures[number]).ravel() for number in np.r_[origin, added]]
    places = rng.normal(size=(150, 12))
    rows = unit(places[np.r_[origin, added]] + 0.02 * rng.normal(size=(len(frames), 12)))
    return rows, np.stack(frames), origin, added


def test_near_copies_join_the_group_of_what_they_repeat(scenes):
    rows, frames, origin, added = scenes
    n = len(origin)
    known = np.ones(n, dtype=bool)
    found = near_copies(rows[:n], Evidence(frames[:n], known))
    heads = found.representative
    near, places, _ = Neighborhood.of(rows[:n], rows[n:], heads)
    prints = Prints(
        values=np.concatenate([frames[places], frames[n:]]),
        known=np.ones(len(near.unit), dtype=bool),
        model=found.model,
        altered=np.tanh(found.model.altered),
        are_distinct=lambda one, other: False,
    )
    copy_of = copies_among_added(near, prints, np.searchsorted(places, heads[places]))
    of = np.r_[origin[places], added]
    assert [of[row] if row >= 0 else -1 for row in copy_of] == [0, 1, 2, 35, 36, -1, -1, 141, -1, 142]
    kind = kinds_of_added(near, 0.0, copy_of).tolist()
    assert kind == [*["near-copy"] * 5, "new", "new", "near-copy", "new", "near-copy"]
    apart = Prints(prints.values, prints.known, prints.model, prints.altered, lambda one, other: True)
    assert (copies_among_added(near, apart, np.searchsorted(places, heads[places])) == -1).all()


def test_a_map_by_pca_shows_further_rows_where_its_directions_do():
    rng = np.random.default_rng(0)
    X = (rng.normal(size=(60, 8)) * np.arange(8, 0, -1)).astype(np.float32)
    from sklearn.decomposition import PCA

    X[7] = X[3]
    points = project(X[:40], "pca").points
    fitted = PCA(2, svd_solver="covariance_eigh").fit(np.delete(X[:40], 7, axis=0))
    np.testing.assert_allclose(place_along(X[:40], points, X[40:]), fitted.transform(X[40:]), atol=1e-3)


def test_a_map_by_umap_shows_further_rows_between_their_neighbours():
    rng = np.random.default_rng(0)
    X = np.repeat(np.eye(3), 20, axis=0) + 0.05 * rng.normal(size=(60, 3))
    points = np.repeat([[0, 0], [10, 0], [0, 10]], 20, axis=0) + rng.normal(size=(60, 2))

    def placed_between(X, points, added):
        pool, added = unit(X), unit(added)
        near, rows, _ = Neighborhood.of(pool, added, np.arange(len(pool)))
        nearest, distance = near.of_pool
        return place_between(distance, points[rows[nearest]])

    placed = placed_between(X, points, np.eye(3))
    np.testing.assert_allclose(placed, [[0, 0], [10, 0], [0, 10]], atol=2)
    np.testing.assert_allclose(placed_between(X, points, X[5:6]), points[5:6], atol=1e-2)
    assert np.isfinite(placed_between(X[:2], points[:2], X[5:6])).all()
