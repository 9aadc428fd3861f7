"""What the panel shows, from arrays alone: first budgets and colours."""

import numpy as np
import pytest
from coreset_data import clusters
from fiftyone_coreset.panels import payload
from fiftyone_coreset.plugin.diagnostics.first_cover import first_cover
from fiftyone_coreset.plugin.vectors.points import Points
from panel_oracles import decoded, literal_first_cover


@pytest.mark.parametrize("radius", [0.0, 0.2, 0.7, 3.0])
def test_first_budgets_equal_the_definition(radius):
    rows, _ = clusters(150)
    found = first_cover(Points(rows), coverage_radius=radius, near_duplicate_radius=radius / 3)
    covered, duplicate = literal_first_cover(rows.astype(float), radius, radius / 3)
    assert found.covered_at.tolist() == covered
    assert found.duplicate_at.tolist() == duplicate


def test_first_budgets_across_blocks(monkeypatch):
    rows, _ = clusters(150)
    whole = first_cover(Points(rows), 0.3, 0.1)
    monkeypatch.setattr("fiftyone_coreset.plugin.diagnostics.first_cover._BLOCK", 7)
    parts = first_cover(Points(rows), 0.3, 0.1)
    assert np.array_equal(whole.covered_at, parts.covered_at)
    assert np.array_equal(whole.duplicate_at, parts.duplicate_at)


def test_rows_without_embedding_cover_nothing():
    rows, _ = clusters(60)
    rows[0] = np.nan
    found = first_cover(Points(rows), 3.0, 0.1)
    assert found.covered_at[0] == 1
    assert set(found.covered_at[1:]) == {2}, "row 1 is the first that can cover"


def test_rows_ruled_out_by_projections_have_no_neighbor(monkeypatch):
    rows, _ = clusters(200, dim=12)
    whole = first_cover(Points(rows), 0.3, 0.1)
    monkeypatch.setattr("fiftyone_coreset.plugin.diagnostics.sketch.FROM", 50)
    monkeypatch.setattr("fiftyone_coreset.plugin.diagnostics.sketch.DIM", 2)
    sketched = first_cover(Points(rows), 0.3, 0.1)
    assert np.array_equal(whole.covered_at, sketched.covered_at)
    assert np.array_equal(whole.duplicate_at, sketched.duplicate_at)


def test_ordered_colours_spread_between_the_tails():
    values = np.concatenate([np.linspace(0, 1, 1001), [1e6], [np.nan]])
    found = payload.ordered_coloring(values)
    codes = decoded(found["codes"], np.uint8)
    assert codes[-1] == payload.MISSING
    assert codes[-2] == payload.LEVELS - 1
    assert (np.diff(codes[:1000].astype(int)) >= 0).all()
    assert codes[:1001].min() == 0
    assert len(set(codes[:1001])) > 240, "one outlier must not take the colours"
    assert found["legend"]["missing"] == 1
    assert found["legend"]["high"].startswith("≥ ")


@pytest.mark.parametrize("values", [[2.0, 2.0, 2.0], [np.nan, np.nan], []])
def test_ordered_colours_of_nothing_to_order(values):
    found = payload.ordered_coloring(np.array(values))
    assert len(decoded(found["codes"], np.uint8)) == len(values)


def test_rare_categories_share_the_last_colour():
    values = [f"c{i}" for i in range(10) for _ in range(20 - i)] + [None]
    found = payload.category_coloring(values)
    legend = found["legend"]
    assert legend["labels"] == [f"c{i}" for i in range(7)] + ["3 others"]
    assert legend["counts"] == [20, 19, 18, 17, 16, 15, 14, 13 + 12 + 11]
    assert legend["missing"] == 1
    codes = decoded(found["codes"], np.uint8)
    assert codes[0] == 0
    assert codes[-1] == payload.MISSING
    assert (codes == 7).sum() == 36
