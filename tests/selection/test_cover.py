"""Greedy coverage: the textbook objective, and lazy evaluation that gives what plain greedy gives."""

import numpy as np
import pytest
from fiftyone_coreset.plugin.selection.cover import Coverage, GainQueue, greedy_cover
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
