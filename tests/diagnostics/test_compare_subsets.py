"""Comparisons: overlap by hand, who keeps what, drift, and the same yardstick for all."""

import json

import numpy as np
import pytest
from fiftyone_coreset.plugin.diagnostics.report import coreset_report
from fiftyone_coreset.plugin.diagnostics.subsets import compare_subsets
from fiftyone_coreset.plugin.errors import CoresetError


@pytest.fixture(scope="module")
def pool():
    rng = np.random.default_rng(0)
    X = 2 * np.eye(3, 6).repeat(40, axis=0) + 0.4 * rng.normal(size=(120, 6))
    return X, np.repeat(["cat", "dog", "eel"], 40)


@pytest.fixture(scope="module")
def comparison(pool):
    X, labels = pool
    return compare_subsets(
        X,
        {"even": np.arange(0, 120, 6), "cats": np.array([5, 0, 6, 7, 12, 30, 31, 32]), "mask": np.arange(120) < 13},
        labels=labels,
    )


def test_overlap_by_hand(comparison):
    """even = 0, 6, ..., 114; cats share 0, 6, 12, 30; the mask 0 to 12 shares 0, 6, 12 and 0, 5, 6, 7, 12."""
    np.testing.assert_array_equal(comparison.shared_counts, [[20, 4, 3], [4, 8, 5], [3, 5, 13]])
    np.testing.assert_allclose(comparison.overlap[1], [4 / 8, 1, 5 / 8])
    np.testing.assert_allclose(comparison.jaccard[0], [1, 4 / 24, 3 / 30])
    np.testing.assert_allclose(comparison.jaccard, comparison.jaccard.T)


def test_what_each_keeps_and_drops(comparison):
    assert comparison.only("cats").tolist() == [31, 32]
    assert comparison.only("mask").tolist() == [1, 2, 3, 4, 8, 9, 10, 11]
    assert comparison.dropped_by("even").tolist() == [0 + 5, 7]
    assert comparison.dropped_by("cats").tolist() == []
    assert comparison.shared().tolist() == [0, 6, 12]


def test_order_of_a_selection_is_kept(pool):
    X, _ = pool
    found = compare_subsets(X, {"a": [9, 3, 7], "b": [3]})
    assert found.only("a").tolist() == [9, 7]


def test_all_are_judged_by_one_yardstick(comparison, pool):
    settings = [report.settings for report in comparison.reports.values()]
    assert settings[0] == settings[1] == settings[2]
    X, labels = pool
    alone = coreset_report(X, np.arange(0, 120, 6), labels=labels)
    for name, metric in alone.metrics.items():
        assert comparison.reports["even"][name].value == pytest.approx(metric.value), name


def test_class_drift_is_told(comparison):
    assert comparison.reports["even"]["class_kl"].value < 0.01
    assert comparison.reports["cats"].classes.lost == ["dog", "eel"]
    text = str(comparison)
    assert "Class drift" in text
    assert "8 (3)" in text  # all eight cats, three times the fair share
    assert "! mask: 2 of 3 classes keep less than a third of their fair share" in text


def test_tables_and_json(comparison):
    stored = json.loads(json.dumps(comparison.to_dict()))
    assert stored["only"] == {"even": 16, "cats": 2, "mask": 8}
    assert stored["shared"] == 3
    html = comparison._repr_html_()
    for name in comparison.names:
        assert name in html
    assert "By chance: even 17%, cats 7%, mask 11%." in str(comparison)


def test_refusals(comparison, pool):
    X, _ = pool
    with pytest.raises(CoresetError, match="at least two"):
        compare_subsets(X, {"a": [1]})
    with pytest.raises(CoresetError, match="b is empty"):
        compare_subsets(X, {"a": [1], "b": []})
    with pytest.raises(CoresetError, match="choose from even, cats, mask"):
        comparison.only("other")
