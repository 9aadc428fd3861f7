"""Greedy coverage: the textbook objective, and lazy evaluation that gives what plain greedy gives."""

import tracemalloc

import numpy as np
import pytest
from fiftyone_coreset.plugin.selection.cover import Coverage, GainQueue, distance_matrix, greedy_cover, similarities
from fiftyone_coreset.plugin.selection.methods.maxherding import gaussian
from fiftyone_coreset.plugin.selection.pool import Pool, PoolVectors
from scipy.sparse import csr_matrix


def problem(n=40, kept=(3,), seed=0):
    rng = np.random.default_rng(seed)
    similarity = rng.random((n, n)).astype(np.float32) * (rng.random((n, n)) < 0.4)
    pool = Pool(
        PoolVectors(rng.normal(size=(n, 4)).astype(np.float32)), np.array(kept, dtype=np.int64), rng.uniform(0.5, 2, n)
    )
    return pool, similarity


def objective(similarity, weights, chosen):
    return float(similarity[chosen].max(axis=0) @ weights)


@pytest.mark.parametrize("form", [np.asarray, csr_matrix], ids=["dense", "sparse"])
def test_gain_is_the_growth_of_the_objective_and_changes_nothing(form):
    pool, similarity = problem()
    coverage = Coverage(form(similarity), pool.weights)
    for row in (5, 8):
        coverage.add(row)
    expected = objective(similarity, pool.weights, [5, 8, 20]) - objective(similarity, pool.weights, [5, 8])
    assert coverage.gains(np.array([20]))[0] == pytest.approx(expected, rel=1e-5)
    assert coverage.gains(np.array([20]))[0] == pytest.approx(expected, rel=1e-5)
    coverage.add(20)
    assert coverage.gains(np.array([20]))[0] == 0


@pytest.mark.parametrize("form", [np.asarray, csr_matrix], ids=["dense", "sparse"])
@pytest.mark.parametrize("seed", range(3))
def test_lazy_greedy_gives_what_plain_greedy_gives(form, seed):
    pool, similarity = problem(seed=seed)
    order, gains = greedy_cover(form(similarity), 15, pool)
    chosen = [3]
    for row, gain in zip(order, gains, strict=True):
        before = objective(similarity, pool.weights, chosen)
        growth = [
            objective(similarity, pool.weights, [*chosen, i]) - before if i not in chosen else -1 for i in range(40)
        ]
        assert row == np.argmax(growth)
        assert gain == pytest.approx(growth[row], rel=1e-4)
        chosen.append(row)


def test_a_discarded_row_does_not_come():
    pool, similarity = problem()
    queue = GainQueue(Coverage(similarity, pool.weights), np.arange(40))
    first = queue.pop()[0]
    queue.discard(5)
    assert sorted([first, *(queue.pop()[0] for _ in range(38))]) == [row for row in range(40) if row != 5]


def graph(n, k, seed=0):
    """A pool of n rows, and k others as the neighbours of each."""
    rng = np.random.default_rng(seed)
    away = np.cumsum(rng.integers(1, n // (k + 1), (n, k)), axis=1)
    near = ((np.arange(n)[:, None] + away) % n).astype(np.int32), rng.random((n, k), dtype=np.float32)
    return Pool(PoolVectors(np.empty((n, 1), dtype=np.float32)), np.empty(0, dtype=np.int64), np.ones(n)), near


def test_a_graph_holds_the_rows_that_a_row_is_a_neighbor_of():
    n = 9_000
    pool, (indices, distances) = graph(n, 5)
    found = distance_matrix(pool, (indices, distances))
    links = {
        (column, row): float(d) for row in range(n) for column, d in zip(indices[row], distances[row], strict=True)
    }
    links |= {(row, row): 0.0 for row in range(n)}
    entries = found.tocoo()
    assert dict(zip(zip(entries.row, entries.col, strict=True), entries.data.tolist(), strict=True)) == links
    assert (np.diff(found.indices)[np.diff(entries.row) == 0] > 0).all()  # ascending, so that sums have one order


def test_similarities_of_a_graph_are_those_of_its_links_scaled():
    pool, near = graph(9_000, 5)
    distances, scale = distance_matrix(pool, near), np.random.default_rng(1).uniform(0.5, 2, 9_000).astype(np.float32)
    found, entries = similarities(distances, gaussian, scale).tocoo(), distances.tocoo()
    expected = np.exp(-(entries.data.astype(float) ** 2) / (scale[entries.row].astype(float) * scale[entries.col]))
    np.testing.assert_allclose(found.data, expected, rtol=1e-5)


def test_a_large_graph_is_held_once():
    pool, near = graph(300_000, 8)
    few = pool.vectors.matrix[:9_000], near[0][:9_000] % 9_000, near[1][:9_000]
    small = Pool(PoolVectors(few[0]), pool.preselected, np.ones(9_000))
    similarities(distance_matrix(small, few[1:]), gaussian, np.ones(9_000, dtype=np.float32))  # compiles
    tracemalloc.start()
    distances = distance_matrix(pool, near)
    matrix = similarities(distances, gaussian, np.ones(300_000, dtype=np.float32))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.6 * sum(array.nbytes for array in (distances.data, distances.indices, matrix.data))
