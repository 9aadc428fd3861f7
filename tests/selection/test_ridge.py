"""The light head of numbers: against the normal equations, and refits without each row."""

from __future__ import annotations

import fiftyone_coreset as fc
import numpy as np
import pytest
from fiftyone_coreset.plugin.selection.head import standardisation
from fiftyone_coreset.plugin.selection.linear_head import transformed

N, LABELLED = 60, 25


@pytest.fixture(scope="module")
def cases():
    """Embeddings, numbers that are linear in them but for noise, and the features of the head."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N, 7)).astype(np.float32)
    center, by = standardisation(X, np.ones(N, dtype=bool), 0)
    features = transformed(X, center, by).astype(np.float64)
    y = features @ rng.normal(size=7) + 3 + rng.normal(scale=0.1, size=N)
    return X, np.where(np.arange(N) < LABELLED, y, np.nan), y, features


def _literal(features, y, penalty):
    """Weights and intercept of a ridge regression whose intercept is not punished."""
    augmented = np.column_stack([features, np.ones(len(features))])
    punished = penalty * np.diag([1.0] * features.shape[1] + [0.0])
    return np.linalg.solve(augmented.T @ augmented + punished, augmented.T @ y)


@pytest.mark.parametrize("penalty", [None, 0.01, 10.0])
def test_predictions_and_leverage_are_those_of_the_normal_equations(cases, penalty):
    X, given, y, features = cases
    head = fc.fit_ridge(X, given, penalty)
    *weights, bias = _literal(features[:LABELLED], y[:LABELLED], head.penalty)
    np.testing.assert_allclose(head.predict(X), features @ weights + bias, atol=1e-6)
    centred = features - features[:LABELLED].mean(axis=0)
    A = centred[:LABELLED]
    wanted = [x @ np.linalg.solve(A.T @ A + head.penalty * np.eye(7), x) for x in centred]
    np.testing.assert_allclose(head.leverage(X), wanted, rtol=1e-6)


def test_each_labelled_row_is_predicted_by_a_head_that_did_not_see_it(cases):
    X, given, y, features = cases
    head = fc.fit_ridge(X, given)
    errors = {}
    for penalty in np.logspace(-4, 4, 17):
        found = []
        for row in range(LABELLED):
            rest = np.delete(np.arange(LABELLED), row)
            *weights, bias = _literal(features[rest], y[rest], penalty)
            found.append(features[row] @ weights + bias)
        errors[penalty] = np.mean((np.array(found) - y[:LABELLED]) ** 2)
        if penalty == head.penalty:
            np.testing.assert_allclose(head.out_of_fold, found, atol=1e-6)
    assert min(errors, key=errors.get) == head.penalty


def test_it_learns_what_is_linear_and_knows_what_is_far(cases):
    X, given, y, _ = cases
    head = fc.fit_ridge(X, given)
    rest = np.arange(LABELLED, N)
    assert 1 - ((head.predict(X) - y)[rest] ** 2).sum() / ((y[rest] - y[rest].mean()) ** 2).sum() > 0.9
    assert head.leverage(X)[:LABELLED].mean() < head.leverage(X)[LABELLED:].mean()
    missing = np.vstack([X, np.full(7, np.nan, dtype=np.float32)])
    assert np.isnan(head.predict(missing)[-1])
    assert np.isnan(head.leverage(missing)[-1])


@pytest.mark.parametrize(
    ("targets", "sentence"),
    [
        ([1.0, None], "2 targets but 60 embeddings"),
        ([1.0, 2.0] + [None] * 58, "2 rows with an embedding have a number; label at least 3"),
        (["x"] * 60, "targets must be numbers"),
    ],
)
def test_unusable_targets_are_refused(cases, targets, sentence):
    with pytest.raises(fc.CoresetError, match=sentence):
        fc.fit_ridge(cases[0], targets)
