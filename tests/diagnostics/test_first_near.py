"""The first image of a ranking near others, against a literal search; most are ruled out in a few directions."""

from __future__ import annotations

import numpy as np
import pytest
from fiftyone_coreset.plugin.diagnostics import sketch
from fiftyone_coreset.plugin.diagnostics.ranking_pass import first_near
from fiftyone_coreset.plugin.progress import silence
from fiftyone_coreset.plugin.vectors import points as points_module
from fiftyone_coreset.plugin.vectors.points import Points


@pytest.fixture
def vectors():
    """600 vectors whose first few directions say little: half of them lie near another one."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(600, 16))
    X[300:] = X[:300] + 0.02 * rng.normal(size=(300, 16))
    return X.astype(np.float32)


def literal(X, ranking, rows, radius):
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    found = []
    for row in rows:
        near = (np.linalg.norm(unit[ranking] - unit[row], axis=1) <= radius) & (ranking != row)
        found.append(near.argmax() if near.any() else len(ranking))
    return found


@pytest.mark.parametrize("radius", [0.0, 0.03, 0.7, 3.0])
@pytest.mark.parametrize("normalize", [True, False])
def test_the_first_near_one_is_found_with_and_without_a_sketch(vectors, radius, normalize, monkeypatch):
    rng = np.random.default_rng(1)
    X = vectors if normalize else vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    ranking = rng.permutation(600)[:400]
    rows = rng.permutation(600)[:200]
    expected = literal(X, ranking, rows, radius)
    assert first_near(Points(X, normalize), ranking, rows, radius, silence).tolist() == expected
    monkeypatch.setattr(points_module, "DOUBLE_WORK", 0)
    monkeypatch.setattr(sketch, "FROM", 50)
    monkeypatch.setattr(sketch, "DIM", 3)
    assert first_near(Points(X, normalize), ranking, rows, radius, silence).tolist() == expected
