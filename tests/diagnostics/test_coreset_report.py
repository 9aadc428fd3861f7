"""The report card: what it says of random, starved, redundant and complete selections."""

import json

import numpy as np
import pytest
from fiftyone_coreset.plugin.diagnostics import report as report_module
from fiftyone_coreset.plugin.diagnostics import report_metrics
from fiftyone_coreset.plugin.diagnostics.coverage import coverage_curve
from fiftyone_coreset.plugin.diagnostics.curve import METRICS
from fiftyone_coreset.plugin.diagnostics.metric import MEANING, Metric, RandomBand
from fiftyone_coreset.plugin.diagnostics.report import coreset_report
from fiftyone_coreset.plugin.errors import CoresetError


@pytest.fixture(scope="module")
def pool():
    """Six classes of bursts of three near-copies."""
    rng = np.random.default_rng(0)
    labels = np.repeat(list("abcdef"), 60)
    centers = 2 * np.eye(6, 12).repeat(20, axis=0) + 0.6 * rng.normal(size=(120, 12))
    return centers.repeat(3, axis=0) + 0.02 * rng.normal(size=(360, 12)), labels


@pytest.fixture(scope="module")
def one_sided(pool):
    """All kept images from the first three classes, whole bursts."""
    X, labels = pool
    return coreset_report(X, np.arange(60), labels=labels, stability=0.4)


def test_random_selections_look_random(pool):
    X, labels = pool
    rng = np.random.default_rng(1)
    verdicts = []
    for seed in range(12):
        report = coreset_report(X, rng.choice(360, 60, replace=False), labels=labels, seed=seed)
        verdicts += [metric.verdict for metric in report.metrics.values() if metric.verdict]
    assert len(verdicts) > 150
    assert verdicts.count("like random") / len(verdicts) > 0.97


def test_a_starved_selection_is_called_so(one_sided):
    for name in ("distance_95", "coverage", "energy_distance", "mmd", "class_kl", "class_coverage", "cluster_kl"):
        assert one_sided[name].verdict == "worse", name
    assert one_sided.classes.lost == ["b", "c", "d", "e", "f"]
    assert one_sided["class_coverage"].value == pytest.approx(1 / 6)
    assert one_sided["class_worst"].value == 0
    assert one_sided.classes.p_value < 1e-9
    classes = next(warning for warning in one_sided.warnings if "classes" in warning)
    assert "5 of 6 classes keep less than a third" in classes
    assert "0 of 60, fair 10" in classes


def test_a_redundant_selection_is_called_so(one_sided):
    assert one_sided["near_duplicate_rate"].value == 1
    assert one_sided["repeat_rate"].value == pytest.approx(2 / 3)
    assert one_sided["duplicate_groups"].value == 20
    assert one_sided["kept_once"].value == 0
    assert any("100.0% of the kept ones have a kept near-duplicate" in warning for warning in one_sided.warnings)


def test_one_of_each_burst_is_better_than_random(pool):
    X, labels = pool
    report = coreset_report(X, np.arange(0, 360, 3), labels=labels)
    assert report["near_duplicate_rate"].verdict == "better"
    assert report["distance_95"].verdict == "better"
    assert report["coverage"].value == 1
    assert report["kept_once"].value > 0.95  # two bursts happen to touch
    assert report["effective_size"].value == pytest.approx(120)
    assert report["class_kl"].value == pytest.approx(0)
    assert report.warnings == []


def test_a_good_radius_does_not_hide_starved_parts():
    """One dense class and many scattered images: keeping the scattered ones only wins the radius."""
    rng = np.random.default_rng(2)
    dense = np.array([1.0, 0, 0]) + 0.1 * rng.normal(size=(300, 3))
    scattered = rng.normal(size=(100, 3))
    X = np.concatenate([dense, scattered])
    kept = np.r_[0, 300:399]
    report = coreset_report(X, kept, labels=["dense"] * 300 + ["scattered"] * 100)
    assert report["distance_95"].verdict == "better"
    assert report.classes.starved == ["dense"]
    assert report.warnings[-1].startswith("the 95 % distance is better than random although")


def test_everything_kept_is_perfect(pool):
    X, labels = pool
    report = coreset_report(X, np.arange(360), labels=labels)
    for name in ("distance_max", "distance_mean", "class_kl", "cluster_kl"):
        assert report[name].value == 0, name
    assert report["coverage"].value == 1
    assert report["energy_distance"].value == pytest.approx(0, abs=1e-6)
    assert report["effective_size"].value == pytest.approx(360)
    assert report.share == 1


def test_report_and_curve_tell_the_same(pool):
    X, _ = pool
    order = np.random.default_rng(3).permutation(360)
    curve = coverage_curve(X, order)
    budget = int(curve.budgets[40])
    report = coreset_report(X, order[:budget])
    assert report.settings["coverage_radius"] == curve.coverage_radius
    assert report.settings["near_duplicate_radius"] == curve.near_duplicate_radius
    for name in METRICS:
        assert curve.at(budget)[name].value == pytest.approx(report[name].value, abs=1e-6), name


def test_sampled_report_stays_near_the_exact_one(pool):
    X, labels = pool
    kept = np.random.default_rng(4).choice(360, 80, replace=False)
    exact = coreset_report(X, kept, labels=labels)
    sampled = coreset_report(X, kept, labels=labels, max_rows=200)
    assert sampled["coverage"].value == pytest.approx(exact["coverage"].value, abs=4 * 0.5 / 200**0.5)
    assert sampled["distance_max"].value <= exact["distance_max"].value
    assert any("200 sampled rows" in note for note in sampled.notes)
    assert not any("sampled" in note for note in exact.notes)


def test_stability_stands_beside_chance(one_sided):
    metric = one_sided["stability"]
    assert (metric.value, metric.random.mean) == (0.4, pytest.approx(60 / 360))
    assert metric.verdict == "better"
    rng = np.random.default_rng(5)
    kept = set(range(60))
    overlap = [len(kept & set(rng.choice(360, 60, replace=False))) / 60 for _ in range(500)]
    assert metric.random.sd == pytest.approx(np.std(overlap), rel=0.15)


def test_becomes_json_and_tables(one_sided):
    stored = json.loads(json.dumps(one_sided.to_dict()))
    assert stored["metrics"]["class_kl"]["verdict"] == "worse"
    assert stored["classes"]["names"] == list("abcdef")
    assert stored["kept"] == 60
    text, html = str(one_sided), one_sided._repr_html_()
    for name, metric in one_sided.metrics.items():
        assert name in text
        assert name in html
        assert metric.explanation == MEANING[name][1]
    assert "60 of 360 kept (16.7%)" in text
    assert one_sided.warnings[0] in text


def test_names_from_users_cannot_become_markup(pool):
    X, _ = pool
    labels = ["<script>"] * 200 + ["b"] * 160
    report = coreset_report(X, np.arange(200, 360), labels=labels)
    assert "<script>" not in report._repr_html_()
    assert "&lt;script&gt;" in report._repr_html_()


def test_same_seed_same_report(pool):
    X, labels = pool
    first, again = (coreset_report(X, np.arange(0, 360, 5), labels=labels, seed=3) for _ in range(2))
    assert first.to_dict() == again.to_dict()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"labels": ["a"] * 5}, "labels: 5 values for 360 embedding rows"),
        ({"cluster_ids": np.zeros(7, int)}, "cluster_ids: 7 values"),
        ({"n_random": 1}, "at least 2"),
        ({"coverage_radius": -1.0}, "coverage_radius=-1"),
    ],
)
def test_bad_input_is_refused_in_one_sentence(pool, arguments, message):
    with pytest.raises(CoresetError, match=message):
        coreset_report(pool[0], np.arange(10), **arguments)


def test_clusters_can_be_given(pool):
    X, labels = pool
    ids = np.where(labels == "a", 0, 1)
    ids[-1] = -1
    report = coreset_report(X, np.arange(90), cluster_ids=ids)
    assert report.clusters.names == [1, 0]
    np.testing.assert_array_equal(report.clusters.total, [299, 60])


@pytest.mark.parametrize(
    ("value", "better", "verdict"),
    [
        (1.29, "low", "like random"),
        (1.31, "low", "worse"),
        (0.69, "low", "better"),
        (1.31, "high", "better"),
        (9, "", ""),
    ],
)
def test_verdicts_at_three_standard_deviations(value, better, verdict):
    assert Metric(value, RandomBand(1.0, 0.1, 0), better, "").verdict == verdict


def test_bands_of_few_subsets_are_wider():
    """Of normal draws judged by bands of 5 others, 0.3 % are called different, not the 4 % beyond three of their SD."""
    rng = np.random.default_rng(6)
    draws = rng.normal(size=(20_000, 6))
    verdicts = [Metric(value, RandomBand.of(others), "low", "").verdict for value, *others in draws.tolist()]
    assert 1 - verdicts.count("like random") / 20_000 == pytest.approx(0.0027, abs=0.0015)


def test_figures_relative_to_random():
    metric = Metric(3.0, RandomBand(2.0, 0.5, 10), "low", "")
    assert (metric.z, metric.ratio) == (2.0, 1.5)
    assert Metric(3.0, None, "low", "").z is None
    assert Metric(9.0, RandomBand(1.0, 0.1, 10), "", "").verdict == ""
    assert Metric(3.0, RandomBand(0.0, 0.0, 10), "low", "").ratio is None


@pytest.mark.parametrize(
    ("X", "kept"),
    [
        (np.ones((1, 3)), [0]),
        (np.eye(2), [1]),
        (np.eye(3), [0, 1, 2]),
        (np.ones((8, 3)), [0, 5]),
        (np.zeros((5, 2)), [1]),
    ],
)
def test_tiny_and_degenerate_collections_have_a_report(X, kept):
    report = coreset_report(X, kept)
    assert report.kept == len(kept)
    assert np.isfinite([metric.value for metric in report.metrics.values()]).all()
    assert "kept" in str(report)
    assert coverage_curve(X, np.arange(len(X))).at(len(kept))["coverage"].value > 0


def test_images_without_embedding_do_not_count_as_dropped():
    X = np.random.default_rng(7).normal(size=(40, 4))
    X[20:] = np.nan
    labels = ["a"] * 10 + ["b"] * 10 + ["c"] * 20
    report = coreset_report(X, np.arange(0, 20, 2), labels=labels, cluster_ids=np.arange(40) // 10)
    assert report.n == 20
    assert report.classes.names == ["a", "b"]
    assert report.clusters.names == [0, 1]
    assert report["class_kl"].value == 0


def test_unlabelled_images_do_not_count(pool):
    X, _ = pool
    some = np.full(360, None, dtype=object)
    some[:20], some[20:40] = "a", "b"
    report = coreset_report(X, np.arange(0, 40, 4), labels=some)
    assert report.classes.total.tolist() == [20, 20]
    assert report["class_coverage"].value == 1
    unlabelled = coreset_report(X, np.arange(40, 80), labels=some)
    assert unlabelled.classes is None
    assert "class_kl" not in unlabelled.metrics


def test_a_metric_is_added_in_one_place(monkeypatch):
    added = list(report_metrics.MEASURES)
    for module in (report_metrics, report_module):
        monkeypatch.setattr(module, "MEASURES", added)
    monkeypatch.setitem(MEANING, "first_row", ("", ""))  # taken away again afterwards

    @report_metrics.measures(first_row=("low", "number of the first kept row"))
    def first_row(compared):
        return [{"first_row": float(rows.min())} for rows in compared.subsets]

    report = coreset_report(np.random.default_rng(0).normal(size=(60, 4)), [0, 1, 2, 3, 4], seed=1)
    assert report["first_row"].value == 0
    assert report["first_row"].random_mean > 0
    assert "number of the first kept row" in str(report)
