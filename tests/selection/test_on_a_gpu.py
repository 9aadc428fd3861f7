"""Methods pick the same rows where a GPU computes, here torch's tensors in ordinary memory."""

import numpy as np
import pytest
from fiftyone_coreset.plugin.selection import cover, pool
from fiftyone_coreset.plugin.selection.methods import kcenter
from fiftyone_coreset.plugin.selection.registry import get_method
from fiftyone_coreset.plugin.vectors import neighbors
from tensors import on_tensors


def rows(n=3000, d=32, seed=0):
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(40, d))[rng.integers(0, 40, n)] + 0.4 * rng.normal(size=(n, d))).astype(np.float32)


@pytest.mark.parametrize(
    "options",
    [{}, {"preselected": np.arange(0, 300, 2)}, {"weights": np.linspace(1, 3, 3000)}],
    ids=lambda options: next(iter(options), "plain"),
)
def test_kcenter(options, monkeypatch):
    monkeypatch.setattr(kcenter, "_CANDIDATES", 100)
    expected = get_method("kcenter").select(rows(), 300, **options)
    with on_tensors():
        found = get_method("kcenter").select(rows(), 300, **options)
    assert found.indices.tolist() == expected.indices.tolist()
    assert np.isclose(found.details["covering_radius"], expected.details["covering_radius"], rtol=1e-6)


def test_kcenter_of_copies_covers_as_well():
    X = np.repeat(rows(300), 10, axis=0)
    expected = get_method("kcenter").select(X, 350)  # more than there are different rows
    with on_tensors():
        found = get_method("kcenter").select(X, 350)
    assert found.details["covering_radius"] == expected.details["covering_radius"] == 0
    assert len(set(found.indices // 10)) == 300


@pytest.mark.parametrize("method", ["facility_location", "typiclust", "auto"])
def test_methods_over_neighbours_and_clusters(method, monkeypatch):
    for module, limit in ((neighbors, "EXACT_LIMIT"), (pool, "EXACT_LIMIT"), (cover, "DENSE_ROWS")):
        monkeypatch.setattr(module, limit, 1000)  # cells, and a graph, as for large pools
    expected = get_method(method).select(rows(), 200)
    with on_tensors():
        found = get_method(method).select(rows(), 200)
    assert found.indices.tolist() == expected.indices.tolist()
