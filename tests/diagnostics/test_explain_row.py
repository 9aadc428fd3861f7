"""Explanations of single images on a circle, where every distance is known."""

import json

import numpy as np
import pytest
from fiftyone_coreset.plugin.diagnostics.explain import explain_row
from fiftyone_coreset.plugin.errors import CoresetError

ANGLES = np.deg2rad([0, 1, 10, 40, 90, 91])
CIRCLE = np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1)
RANKING = np.array([0, 4, 2, 3, 1, 5])
DISTANCES = {"coverage_radius": 0.25, "near_duplicate_radius": 0.05}


def chord(degrees):
    return 2 * np.sin(np.deg2rad(degrees) / 2)


def explain(row, budget, **kwargs):
    return explain_row(CIRCLE, RANKING, row, budget, **{**DISTANCES, **kwargs})


def test_dropped_near_duplicate():
    found = explain(1, 3)
    assert (found.kept, found.covered, found.rank, found.nearest) == (False, True, 4, 0)
    assert found.distance == pytest.approx(chord(1))
    assert found.near_duplicates.tolist() == [0]
    assert found.n_kept_near_duplicates == 1
    assert str(found) == (
        "Dropped (rank 5 of 6; kept from a budget of 5 on): it repeats a kept one, row 0, at distance 0.0175."
    )


def test_dropped_but_covered():
    found = explain(2, 2)
    assert (found.kept, found.covered) == (False, True)
    assert "it is covered by row 0, at distance 0.174" in found.summary()


def test_dropped_and_uncovered():
    found = explain(3, 3)
    assert (found.kept, found.covered, found.nearest) == (False, False, 2)
    assert found.distance == pytest.approx(chord(30))
    assert "it is not covered, the nearest kept one is row 2, at distance 0.518" in found.summary()


def test_kept():
    found = explain(2, 3)
    assert (found.kept, found.covered, found.nearest) == (True, True, 0)
    assert found.summary() == "Kept (rank 3 of 6, budget 3): the nearest other kept one is row 0, at distance 0.174."


def test_kept_although_redundant():
    found = explain(5, 6)
    assert found.kept
    assert "although it repeats row 4" in found.summary()


def test_the_only_kept_image():
    found = explain(0, 1)
    assert (found.nearest, found.distance) == (None, np.inf)
    assert "no other one is kept" in found.summary()
    assert json.loads(json.dumps(found.to_dict()))["distance"] is None


def test_an_image_outside_the_ranking():
    found = explain_row(CIRCLE, RANKING[:3], 3, 3, **DISTANCES)
    assert found.rank is None
    assert not found.kept
    assert found.summary().startswith("Not ranked: it is not covered")


def test_names_replace_rows():
    assert "a kept one, zero, at" in explain(1, 3).summary(["zero", "one", "two", "three", "four", "five"])


def test_kept_near_duplicates_come_first():
    found = explain(0, 4, near_duplicate_radius=0.9)
    assert found.near_duplicates.tolist() == [2, 3, 1]
    assert found.n_kept_near_duplicates == 2


def test_figures_and_their_percentiles():
    scores = np.array([6.0, 2, 4, 3, 5, np.nan])
    found = explain(2, 3, figures={"score": scores, "redundancy": -scores})
    assert found.figures["score"] == 4
    assert found.percentiles == {"score": pytest.approx(2 / 5), "redundancy": pytest.approx(2 / 5)}
    assert found.summary().endswith("; its score is higher than that of 40% of all.")


@pytest.mark.parametrize("budget", [0, 7])
def test_budgets_outside_the_ranking_are_refused(budget):
    with pytest.raises(CoresetError, match="1 to 6"):
        explain(0, budget)


def test_rows_without_embedding_are_refused():
    X = CIRCLE.copy()
    X[5] = np.nan
    with pytest.raises(CoresetError, match="row: 1 of 1 rows have no finite embedding"):
        explain_row(X, RANKING[:5], 5, 2, **DISTANCES)
