"""Neighbour search: exact against the definition, approximate against exact, copies and large pools included."""

import numpy as np
import pytest
from fiftyone_coreset.plugin.selection import cover
from fiftyone_coreset.plugin.selection.registry import get_method
from fiftyone_coreset.plugin.vectors import neighbors


def clusters(n=700, d=12, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(20, d))[rng.integers(0, 20, n)] + 0.3 * rng.normal(size=(n, d))
    return neighbors.unit_rows(X)[0]


@pytest.mark.parametrize("n", [40, 700])  # the matrix, and blocks of products
def test_exact_neighbors(n):
    Z = clusters(n)
    indices, distances = neighbors.nearest_neighbors(Z, 5)
    expected = np.linalg.norm(Z[:, None].astype(float) - Z[None], axis=2)
    np.fill_diagonal(expected, np.inf)
    np.testing.assert_allclose(distances, np.sort(expected, axis=1)[:, :5], atol=1e-5)
    np.testing.assert_allclose(np.take_along_axis(expected, indices, axis=1), distances, atol=1e-5)


def test_exact_neighbors_in_parts_and_tiles(monkeypatch):
    Z = clusters()
    expected = neighbors.nearest_neighbors(Z, 5)
    monkeypatch.setattr(neighbors, "_PART_ROWS", 90)
    monkeypatch.setattr(neighbors, "_TILE_ROWS", 4)  # fewer rows than neighbours
    for workers in (1, 3):
        found = neighbors.nearest_neighbors(Z, 5, num_workers=workers)
        np.testing.assert_array_equal(found[0], expected[0])
        np.testing.assert_array_equal(found[1], expected[1])


def test_a_row_is_never_its_own_neighbor():
    Z = np.repeat(clusters(30), 20, axis=0)
    for rows in (Z, Z[:100]):
        indices, distances = neighbors.nearest_neighbors(rows, 8)
        assert (indices != np.arange(len(rows))[:, None]).all()
        np.testing.assert_allclose(distances, 0, atol=1e-6)
    assert neighbors.nearest_neighbors(Z[:1], 3)[0].shape == (1, 0)
    assert neighbors.nearest_neighbors(Z[:3], 9)[0].shape == (3, 2)


def test_unit_rows_of_any_size():
    X = np.array([[3.0, 4], [0, 0], [1e30, 1e30], [1e-30, 0], [np.nan, 1]])
    unit, valid = neighbors.unit_rows(X)
    assert valid.tolist() == [True, True, True, True, False]
    np.testing.assert_allclose(unit[:4], [[0.6, 0.8], [0, 0], [0.5**0.5, 0.5**0.5], [1, 0]], rtol=1e-6)
    assert np.isnan(unit[4]).all()


def test_isolation_is_the_mean_distance_to_the_nearest():
    Z = clusters(60)
    distances = np.sort(np.linalg.norm(Z[:, None] - Z[None], axis=2), axis=1)[:, 1:11]
    np.testing.assert_allclose(neighbors.isolation(Z), distances.mean(axis=1), atol=1e-5)


def test_large_pools_use_an_index_and_a_graph(monkeypatch):
    Z = clusters(1500)
    exact = neighbors.nearest_neighbors(Z, 10)[0]
    inside = get_method("auto").select(Z, 150).indices
    monkeypatch.setattr(neighbors, "EXACT_LIMIT", 600)
    indices, distances = neighbors.nearest_neighbors(Z, 10, seed=3)
    recall = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(indices, exact, strict=True)])
    assert recall > 0.95
    np.testing.assert_array_equal(indices, neighbors.nearest_neighbors(Z, 10, seed=3)[0])
    assert (np.diff(distances, axis=1) >= 0).all()
    monkeypatch.setattr(cover, "DENSE_ROWS", 600)
    graph = get_method("auto").select(Z, 150).indices
    near = [np.linalg.norm(Z[:, None] - Z[kept][None], axis=2).min(axis=1).mean() for kept in (inside, graph)]
    assert near[1] < 1.05 * near[0]  # the sparse graph covers as well as all distances
