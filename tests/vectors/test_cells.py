"""Neighbours in cells, beside all distances: with and without structure, copies, and any number of threads."""

import numpy as np
import pytest
from fiftyone_coreset.plugin.vectors.cells import cell_neighbors
from fiftyone_coreset.plugin.vectors.product_kernel import nearest_columns
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

N, K = 4000, 12


def unit(X):
    return (X / np.linalg.norm(X, axis=1, keepdims=True)).astype(np.float32)


def blobs(rng):
    return unit(rng.normal(size=(30, 24))[rng.integers(0, 30, N)] + 0.4 * rng.normal(size=(N, 24)))


def spectrum(rng):
    """Variances that fall as those of image embeddings do."""
    return unit(rng.normal(size=(N, 64)) * np.arange(1, 65) ** -0.5)


def noise(rng):
    """No row has a neighbourhood."""
    return unit(rng.normal(size=(N, 256)))


def search(X, workers=2, most=N, seed=0):
    return cell_neighbors(X, K, seed, workers, most)


@pytest.mark.parametrize("pool", [blobs, spectrum, noise])
def test_almost_all_neighbors_are_found(pool):
    X = pool(np.random.default_rng(0))
    wide = X.astype(float)
    squares = np.sum(wide**2, axis=1)
    truth = np.maximum(squares + squares[:, None] - 2 * wide @ wide.T, 0)
    np.fill_diagonal(truth, np.inf)
    indices, distances = search(X)
    kth = np.sqrt(np.partition(truth, K - 1, axis=1)[:, K - 1])
    assert np.mean(distances <= kth[:, None] + 1e-6) > 0.975
    np.testing.assert_allclose(distances, np.linalg.norm(wide[indices] - wide[:, None], axis=2), rtol=1e-5)
    assert (np.diff(distances, axis=1) >= 0).all()
    assert all(len({row, *near}) == K + 1 for row, near in enumerate(indices.tolist()))


def test_of_many_neighbors_the_nearest_are_found_most_surely():
    rng = np.random.default_rng(5)
    # Bursts of twelve lie in one cell each, so the ten nearest alone would ask for hardly any others.
    X = unit(np.repeat(spectrum(rng)[: N // 12], 12, axis=0) + 1e-3 * rng.normal(size=(N // 12 * 12, 64)))
    truth = np.sort(np.linalg.norm(X[:200, None].astype(float) - X[None], axis=2), axis=1)[:, 1:]
    found = cell_neighbors(X, 64, 0, 2, len(X))[1][:200]
    assert np.mean(found[:, :10] <= truth[:, 9:10] + 1e-6) > 0.975
    assert np.mean(found <= truth[:, 63:64] + 1e-6) > 0.93


def test_the_same_for_any_number_of_threads():
    X = blobs(np.random.default_rng(1))
    (one, lengths), (three, others) = search(X, 1), search(X, 3)
    np.testing.assert_array_equal(one, three)
    np.testing.assert_array_equal(lengths, others)


def test_near_copies_keep_their_digits():
    rng = np.random.default_rng(2)
    X = blobs(rng)
    X[1::2] = X[::2] + rng.normal(size=X[::2].shape).astype(np.float32) * 1e-5
    indices, distances = search(X)
    np.testing.assert_array_equal(indices[:, 0].reshape(-1, 2)[:, ::-1], np.arange(N).reshape(-1, 2))
    np.testing.assert_allclose(distances[::2, 0], np.linalg.norm(X[1::2] - X[::2], axis=1), rtol=1e-3)


def test_copies_of_one_image_do_not_compare_with_one_another(monkeypatch):
    """Their cell is cut: a row meets as many rows as others do, and finds enough copies among them."""
    from fiftyone_coreset.plugin.vectors import cells

    X = blobs(np.random.default_rng(3))
    X[:3500] = X[0]
    met = []
    original = cells.nearest_among
    monkeypatch.setattr(cells, "nearest_among", lambda a, b, *c: met.append(len(a) * len(b)) or original(a, b, *c))
    distances = search(X, most=600)[1]
    assert (distances[:3500] == 0).all()
    assert sum(met) < 0.25 * N**2


def test_where_nothing_is_near_the_work_is_bounded(monkeypatch):
    from fiftyone_coreset.plugin.vectors import cells

    met = []
    original = cells.nearest_among
    monkeypatch.setattr(cells, "nearest_among", lambda a, b, *c: met.append(len(a) * len(b)) or original(a, b, *c))
    search(noise(np.random.default_rng(4)), most=400)
    assert sum(met) / N < 400 + 4 * N / (2 * N**0.5)  # the last cell may be large


@given(
    npst.arrays(np.float32, st.tuples(st.integers(1, 5), st.integers(1, 40)), elements=st.floats(-9, 9, width=32)),
    st.integers(1, 40),
)
def test_the_heap_holds_the_smallest(values, k):
    k = min(k, values.shape[1])
    columns = nearest_columns(values, k)
    assert all(len(set(row)) == k for row in columns.tolist())
    found = np.sort(np.take_along_axis(values, columns, axis=1), axis=1)
    np.testing.assert_array_equal(found, np.sort(values, axis=1)[:, :k])


def test_a_limit_to_the_distance_spares_rows(monkeypatch):
    """Where clusters are of different width, the number of rows that wide ones need is too large for the others."""
    from fiftyone_coreset.plugin.vectors import cells

    n, k, rng = 20_000, 12, np.random.default_rng(1)
    cluster, width = rng.integers(0, 100, n), np.exp(rng.uniform(np.log(0.15), np.log(1.2), 100))
    falling = np.arange(1, 65) ** -0.5
    X = unit((rng.normal(size=(100, 64))[cluster] + width[cluster, None] * rng.normal(size=(n, 64))) * falling)
    met = []
    original = cells.nearest_among
    monkeypatch.setattr(cells, "nearest_among", lambda a, b, *c: met.append(len(a) * len(b)) or original(a, b, *c))
    distances = cell_neighbors(X, k, 1, 2, n)[1]
    with_distance = sum(met)
    met.clear()
    monkeypatch.setattr(cells, "_BY_NUMBER", 1)
    cell_neighbors(X, k, 1, 2, n)
    assert with_distance < 0.8 * sum(met)
    truth = np.sort(np.linalg.norm(X[:200, None] - X[None], axis=2), axis=1)
    assert np.mean(distances[:200] <= truth[:, k, None] + 1e-5) > 0.975
