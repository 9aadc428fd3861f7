"""One answer: the groups of near_duplicates are those of budgets, deduplication, reports, curves and explanations."""

import fiftyone_coreset as fc
import numpy as np
import pytest
from fiftyone_coreset.plugin.diagnostics.redundancy import second_of_group_at
from fiftyone_coreset.plugin.vectors.near_copies import NearCopies


@pytest.fixture
def pool(embedded, monkeypatch):
    """60 images of which the first 30 are ten bursts of three, as pixels tell; the embeddings know nothing of it."""
    samples = embedded(60)
    groups = np.r_[np.repeat(np.arange(10), 3), np.arange(10, 40)]
    first = np.unique(groups, return_index=True)[1][groups]
    told = NearCopies(
        groups=groups,
        radius=0.1,
        clear=True,
        centrality=(np.arange(60) - first).astype(np.float32),
        by_pixels=True,
        representative=first,
        agreement=np.ones(60, dtype=np.float32),
        probability=np.ones(60, dtype=np.float32),
        exact=np.arange(60) == first,
        known=np.ones(60, dtype=bool),
        false_alarm_rate=0.02,
    )
    monkeypatch.setattr("fiftyone_coreset.plugin.runs.compute.find_near_copies", lambda *args, **kwargs: told)
    return samples, groups


@pytest.mark.parametrize("method", ["auto", "random"])
def test_the_groups_serve_budget_selection_report_curve_and_explanations(pool, method):
    samples, groups = pool
    results = fc.compute_coreset(
        samples, "emb", method=method, projection=None, deduplicate=method == "random", progress=False
    )
    assert np.array_equal(results.near_copies, groups)
    assert (results.config.facts["near_copy_groups"], results.config.facts["near_copies"]) == (10, 30)
    kept = results.kept("redundancy")
    assert len(kept) == 40
    assert len(np.unique(groups[kept])) == 40
    assert results.report("redundancy")["repeat_rate"].value == 0
    assert results.report(60)["repeat_rate"].value == pytest.approx(20 / 60)
    assert results.report(60)["near_duplicate_rate"].value == pytest.approx(30 / 60)
    assert results.report(60)["look_alike_rate"].value >= 0
    assert "10 groups, the largest of 3, 3, 3, 3, 3 images; about 2.0%" in results.report(60).notes[-1]
    curve = results.curve()
    assert curve.near_duplicate_rate_at(40) == 0
    assert curve.near_duplicate_rate_at(60) == pytest.approx(30 / 60)
    assert curve.random_mean["near_duplicate_rate"][-1] == pytest.approx(30 / 60)
    told = results.explain(results.ids[1], 60)
    assert sorted(told.near_duplicates.tolist()) == [0, 2]
    cover = results.first_cover()
    ranked = groups[results.ranking]
    again = np.array([group in ranked[:place] for place, group in enumerate(ranked)])
    assert np.array_equal(cover.duplicate_at < 2**32 - 1, again)
    loaded = fc.load_run(samples, "coreset")
    assert np.array_equal(loaded.near_copies, groups)


def test_the_second_of_a_group_makes_both_redundant():
    assert second_of_group_at(np.array([3, 1, 3, 2, 1, 3])).tolist() == [3, 5, 3, 7, 5, 6]
    assert second_of_group_at(np.array([], dtype=int)).tolist() == []
