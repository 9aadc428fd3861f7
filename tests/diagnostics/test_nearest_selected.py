"""Nearest kept images against a literal implementation, at the edges, and in blocks."""

import numpy as np
import pytest
from fiftyone_coreset.plugin.diagnostics.nearest_selected import nearest_selected
from fiftyone_coreset.plugin.errors import CoresetError
from fiftyone_coreset.plugin.vectors import points as points_module
from fiftyone_coreset.plugin.vectors.points import Points
from hypothesis import given
from hypothesis import strategies as st


def unit(X):
    return X / np.linalg.norm(X, axis=1, keepdims=True)


def literal(X, kept, exclude_self=False):
    """Row by row, straight from the definition."""
    distance, nearest = [], []
    for i in range(len(X)):
        pairs = [(np.linalg.norm(X[i] - X[s]), s) for s in kept if not (exclude_self and s == i)]
        best = min(pairs, default=(np.inf, -1))
        distance.append(best[0])
        nearest.append(best[1])
    return np.array(distance), np.array(nearest)


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("exclude_self", [True, False])
def test_equals_the_definition(normalize, exclude_self):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 5)) + 3
    kept = rng.choice(60, 12, replace=False)
    found = nearest_selected(X, kept, exclude_self=exclude_self, normalize=normalize)
    distance, nearest = literal(unit(X) if normalize else X, kept, exclude_self)
    np.testing.assert_allclose(found.distance, distance, atol=1e-9)
    np.testing.assert_array_equal(found.nearest, nearest)
    np.testing.assert_array_equal(np.flatnonzero(~found.dropped), np.sort(kept))


def test_blocks_do_not_change_the_result(monkeypatch):
    rng = np.random.default_rng(1)
    X = rng.normal(size=(300, 7)).astype(np.float32)
    kept = rng.choice(300, 90, replace=False)
    whole = nearest_selected(X, kept, exclude_self=True)
    monkeypatch.setattr(points_module, "_TILE", 50)
    monkeypatch.setattr(points_module, "_TILE_COLUMNS", 16)
    blocked = nearest_selected(X, kept, exclude_self=True)
    np.testing.assert_allclose(blocked.distance, whole.distance, atol=1e-12)
    np.testing.assert_array_equal(blocked.nearest, whole.nearest)


def test_single_precision_misses_by_less_than_stated(monkeypatch):
    rng = np.random.default_rng(2)
    X = rng.normal(size=(400, 64))
    X[200:] = X[:200] + 10.0 ** rng.uniform(-6, 0, size=(200, 1)) * rng.normal(size=(200, 64)) / 8
    kept = rng.choice(400, 200, replace=False)
    exact = nearest_selected(X, kept).distance
    monkeypatch.setattr(points_module, "DOUBLE_WORK", 0)
    single = nearest_selected(X, kept).distance
    assert (single >= exact - 1e-12).all()
    assert (single - exact).max() < 1e-3


def test_distances_of_near_copies_keep_their_digits(monkeypatch):
    monkeypatch.setattr(points_module, "DOUBLE_WORK", 0)
    X = np.array([[1.0, 0, 0], [1.0, 1e-5, 0], [0, 0, 1.0]])
    np.testing.assert_allclose(nearest_selected(X, [0, 2]).distance, [0, 1e-5, 0], rtol=1e-6)


@given(seed=st.integers(0, 10_000), k=st.integers(1, 29))
def test_adding_an_image_never_lengthens_a_distance(seed, k):
    rng = np.random.default_rng(seed)
    X = rng.integers(-2, 3, size=(30, 3)).astype(float)
    order = rng.permutation(30)
    fewer = nearest_selected(X, order[:k]).distance
    more = nearest_selected(X, order[: k + 1]).distance
    assert (more <= fewer + 1e-9).all()


def test_everything_kept_leaves_no_distance():
    X = np.random.default_rng(3).normal(size=(50, 4))
    found = nearest_selected(X, np.arange(50))
    np.testing.assert_array_equal(found.distance, 0)
    np.testing.assert_array_equal(found.nearest, np.arange(50))


def test_first_copy_of_a_doubled_collection_covers_all_and_repeats_nothing():
    X = np.random.default_rng(4).normal(size=(40, 6))
    doubled = np.concatenate([X, X])
    np.testing.assert_allclose(nearest_selected(doubled, np.arange(40)).distance, 0, atol=1e-12)
    assert nearest_selected(doubled, np.arange(40), rows=np.arange(40), exclude_self=True).distance.min() > 0.01


def test_a_single_kept_image_has_no_other():
    found = nearest_selected(np.eye(3), [1], exclude_self=True)
    np.testing.assert_allclose(found.distance, [2**0.5, np.inf, 2**0.5])
    np.testing.assert_array_equal(found.nearest, [1, -1, 1])


def test_missing_rows_take_no_part():
    X = np.array([[1.0, 0], [np.nan, 0], [0, 1.0], [np.inf, 1]])
    found = nearest_selected(X, [0])
    np.testing.assert_array_equal(found.rows, [0, 2])
    np.testing.assert_allclose(found.distance, [0, 2**0.5])


def test_rows_of_zeros_and_huge_values_stay_finite():
    X = np.array([[0.0, 0], [1e30, 0], [1e-30, 0], [0, 3]], dtype=np.float32)
    distance = nearest_selected(X, [0]).distance
    np.testing.assert_allclose(distance, [0, 1, 1, 1])
    np.testing.assert_allclose(nearest_selected(X, [1]).distance, [1, 0, 0, 2**0.5], atol=1e-7)


@pytest.mark.parametrize(
    ("selected", "message"),
    [
        ([], "empty"),
        ([0, 0], "1 row indices appear more than once"),
        ([7], r"must lie in 0\.\.3, got 7\.\.7"),
        ([-1], r"must lie in 0\.\.3, got -1\.\.-1"),
        ([1], "1 of 1 rows have no finite embedding"),
        ([0.5], r"row indices or an \(n,\) bool mask, got float64"),
        (np.ones(3, bool), r"one entry for each of the 4 rows, got shape \(3,\)"),
    ],
)
def test_unusable_selections_are_refused(selected, message):
    X = np.array([[1.0, 0], [np.nan, 0], [0, 1.0], [1, 1]])
    with pytest.raises(CoresetError, match=message):
        nearest_selected(X, selected)


def test_a_mask_is_a_selection():
    X = np.random.default_rng(5).normal(size=(10, 3))
    mask = np.arange(10) % 3 == 0
    np.testing.assert_array_equal(
        nearest_selected(X, mask).distance, nearest_selected(X, np.flatnonzero(mask)).distance
    )


def test_progress_ends_at_one():
    seen = []
    nearest_selected(np.eye(5), [0, 1], progress=lambda fraction, message: seen.append(fraction))
    assert seen[-1] == 1
    assert seen == sorted(seen)


def test_reads_a_memmap(tmp_path):
    X = np.random.default_rng(6).normal(size=(20, 3)).astype(np.float32)
    np.save(tmp_path / "x.npy", X)
    mapped = Points(tmp_path / "x.npy")
    np.testing.assert_array_equal(nearest_selected(mapped, [3]).distance, nearest_selected(X, [3]).distance)
