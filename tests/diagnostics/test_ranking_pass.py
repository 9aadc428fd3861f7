"""The pass behind curves and reports against a literal search, and that no shortcut changes a bit of it."""

from __future__ import annotations

import numpy as np
import pytest
from fiftyone_coreset.plugin.diagnostics import ranking_pass as ranking_pass_module
from fiftyone_coreset.plugin.diagnostics import sketch
from fiftyone_coreset.plugin.diagnostics.ranking_pass import RankingPass, ranking_pass
from fiftyone_coreset.plugin.progress import silence
from fiftyone_coreset.plugin.vectors import points as points_module
from fiftyone_coreset.plugin.vectors.points import Points
from hypothesis import given, settings
from hypothesis import strategies as st

POOLS = ("noise", "images", "copies", "far")


def pool(kind: str, n: int, dim: int, seed: int) -> np.ndarray:
    """Vectors of no structure; of falling variance; each of them twice, exactly; and of very unequal lengths."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, dim))
    if kind == "images":
        X *= np.arange(1, dim + 1) ** -1.0
    if kind == "copies":
        X[n // 2 :] = X[: n - n // 2]
    if kind == "far":
        X *= 10 ** rng.uniform(-4, 4, size=(n, 1))
    return X.astype(np.float32)


def literal(points: Points, rankings, rows, budgets, radius) -> RankingPass:
    """Row by row, straight from the definition."""
    shape = len(rankings), len(budgets), len(rows)
    length = len(rankings[0])
    distance, nearest, first = np.full(shape, np.inf), np.full((shape[0], shape[2]), length), np.full(len(rows), length)
    kind = points.work_dtype(len(rows), len(np.unique(np.concatenate(rankings))))
    X = np.zeros((points.n, points.dim))
    X[points.rows] = points.block(points.rows, kind)
    for at, row in enumerate(rows):
        apart = np.sqrt(((X - X[row]) ** 2).sum(axis=1))
        apart[row] = np.inf
        for r, ranking in enumerate(rankings):
            along = apart[ranking].astype(np.float32)
            distance[r, :, at] = [along[:budget].min() for budget in budgets]
            if np.isfinite(along.min()):
                nearest[r, at] = along.argmin()
        near = apart[rankings[0]] <= radius
        if near.any():
            first[at] = near.argmax()
    return RankingPass(distance, nearest, first)


def case(kind, seed, n=300, dim=16, length=200, normalize=True):
    rng = np.random.default_rng(seed)
    points = Points(pool(kind, n, dim, seed), normalize)
    rankings = [rng.permutation(n)[:length] for _ in range(3)]
    rows = np.sort(rng.permutation(n)[:120])
    budgets = np.unique(np.geomspace(1, length, 9).round().astype(np.int64))
    return points, rankings, rows, budgets


@pytest.fixture
def in_small_blocks(monkeypatch):
    """Float32 vectors, sketches of 4 directions, and blocks of a few rows and images."""
    monkeypatch.setattr(points_module, "DOUBLE_WORK", 0)
    monkeypatch.setattr(sketch, "FROM", 50)
    monkeypatch.setattr(sketch, "DIM", 5)
    monkeypatch.setattr(ranking_pass_module, "_ROWS", 50)
    monkeypatch.setattr(ranking_pass_module, "_COLUMNS", 40)
    monkeypatch.setattr(ranking_pass_module, "_FIRST_COLUMNS", 9)


def same_bits(found: RankingPass, expected: RankingPass) -> None:
    for name in ("distance", "nearest", "first_within"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), name)


@settings(max_examples=40, deadline=None)
@given(
    kind=st.sampled_from(POOLS),
    seed=st.integers(0, 10_000),
    length=st.integers(1, 60),
    dim=st.integers(1, 9),
    normalize=st.booleans(),
    radius=st.sampled_from([0.0, 0.3, 1.0, 3.0]),
)
def test_it_is_what_a_literal_search_finds(kind, seed, length, dim, normalize, radius):
    points, rankings, rows, budgets = case(kind, seed, 60, dim, length, normalize)
    found = ranking_pass(points, rankings, rows[:30], budgets, radius, silence)
    expected = literal(points, rankings, rows[:30], budgets, radius)
    np.testing.assert_allclose(found.distance, expected.distance, rtol=2e-7, atol=1e-12)
    if dim > 1:  # on a line many pairs are equally far but for the last bit
        np.testing.assert_array_equal(found.nearest, expected.nearest)
        np.testing.assert_array_equal(found.first_within, expected.first_within)


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("kind", POOLS)
def test_single_precision_finds_the_nearest_too(kind, normalize, in_small_blocks):
    points, rankings, rows, budgets = case(kind, 1, normalize=normalize)
    found = ranking_pass(points, rankings, rows, budgets, 0.7, silence)
    expected = literal(points, rankings, rows, budgets, 0.7)
    np.testing.assert_allclose(found.distance, expected.distance, rtol=2e-7, atol=1e-12)
    np.testing.assert_array_equal(found.nearest, expected.nearest)
    np.testing.assert_array_equal(found.first_within, expected.first_within)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kind", POOLS)
def test_no_shortcut_changes_a_bit(kind, seed, in_small_blocks, monkeypatch):
    points, rankings, rows, budgets = case(kind, seed, normalize=kind != "far")

    def found():
        return ranking_pass(points, rankings, rows, budgets, 0.7, silence)

    usual = found()
    monkeypatch.setattr(ranking_pass_module, "_SCATTERED", 1)  # every pair may be left to the sketch
    same_bits(found(), usual)
    monkeypatch.setattr(ranking_pass_module, "_SCATTERED", 10_000)  # one pair, and whole vectors are multiplied
    same_bits(found(), usual)
    monkeypatch.setattr(sketch, "pays", lambda n, dim: False)
    same_bits(found(), usual)
    monkeypatch.setattr(ranking_pass_module, "_FIRST_COLUMNS", 10_000)
    monkeypatch.setattr(ranking_pass_module, "_COLUMNS", 10_000)
    same_bits(found(), usual)


def test_rows_that_are_not_measured_change_nothing(in_small_blocks):
    points, rankings, rows, budgets = case("images", 2)
    others = np.setdiff1d(points.rows, rows)
    radii = np.r_[np.full(len(rows), 0.7), np.full(len(others), 0.4)]
    both = ranking_pass(points, rankings, np.r_[rows, others], budgets, radii, silence, len(rows))
    alone = ranking_pass(points, rankings, rows, budgets, 0.7, silence)
    first = ranking_pass(points, rankings, others, budgets, 0.4, silence).first_within
    same_bits(both, RankingPass(alone.distance, alone.nearest, np.r_[alone.first_within, first]))


def compared_in_full(kind, monkeypatch):
    """For every part of a pass over 4,000 vectors: (whether it was sketched, whether whole vectors were multiplied)."""
    monkeypatch.setattr(points_module, "DOUBLE_WORK", 0)
    monkeypatch.setattr(sketch, "FROM", 1_000)
    monkeypatch.setattr(sketch, "DIM", 16)
    compare, seen = ranking_pass_module._Block.compare, []

    def watched(block, start):
        in_full = compare(block, start)
        seen.append((block.sketch is not None, in_full))
        return in_full

    monkeypatch.setattr(ranking_pass_module._Block, "compare", watched)
    monkeypatch.setattr(ranking_pass_module, "_COLUMNS", 200)
    rng = np.random.default_rng(0)
    points = Points(pool(kind, 4_000, 64, 0))
    ranking_pass(points, [rng.permutation(4_000)], np.arange(512), np.array([100, 4_000]), 0.3, silence)
    return np.array(seen)


def test_sketches_spare_most_products_where_few_directions_say_much(monkeypatch):
    sketched, in_full = compared_in_full("images", monkeypatch).T
    assert sketched.mean() > 0.8
    assert in_full.mean() < 0.2


def test_sketches_are_given_up_where_all_directions_say_as_much(monkeypatch):
    sketched, in_full = compared_in_full("noise", monkeypatch).T
    assert in_full.all()
    assert 0 < sketched.sum() <= np.log2(4_000 / 128)
