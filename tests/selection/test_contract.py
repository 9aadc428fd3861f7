"""What every registered selection method promises, whatever its algorithm."""

from functools import cache

import numpy as np
import pytest
from fiftyone_coreset.plugin.errors import CoresetError
from fiftyone_coreset.plugin.selection.head import fit_head
from fiftyone_coreset.plugin.selection.predictions import Predictions
from fiftyone_coreset.plugin.selection.registry import get_method, list_methods

#: Arguments a method cannot do without on these pools.
TARGET = np.random.default_rng(9).normal(size=(30, 6)) + 1
NEEDS = {
    "target_match": {"target": TARGET},
    "seek": {"target_class": "1"},
    "zcore": {"n_draws": 2000},
    "zcore_balanced": {"n_draws": 2000},
}
#: Methods whose picks depend on the seed even without ties.
SEEDED = {"random", "stratified", "ccs", "target_match", "zcore", "kmedoids", "badge", "dropquery"}
#: Texts of the three classes, for methods that compare images with them.
TEXTS = np.random.default_rng(8).normal(size=(3, 6))
METHODS = sorted(list_methods())

pytestmark = pytest.mark.parametrize("name", METHODS)


def pool(n=120, d=6, seed=0):
    """Clusters of unequal size and spread."""
    rng = np.random.default_rng(seed)
    centers = rng.normal(size=(6, d)) * 3
    cluster = rng.choice(6, n, p=[0.4, 0.25, 0.15, 0.1, 0.06, 0.04])
    X = centers[cluster] + rng.normal(size=(n, d)) * rng.uniform(0.2, 0.8, 6)[cluster, None]
    return X.astype(np.float32), cluster


def predictions(X, order=(0, 1, 2)):
    """Softmax of minus the distances to three centers; rows that are not finite have none."""
    X = np.asarray(X, dtype=np.float64)
    nearness = -np.linalg.norm(X[:, None] - TEXTS[None, :, : X.shape[1]], axis=2)
    powers = np.exp(nearness - nearness.max(axis=1, keepdims=True))[:, order]
    missing = ~np.isfinite(X).all(axis=1)
    names = [str(number) for number in order]
    return Predictions.from_probabilities(powers / powers.sum(axis=1, keepdims=True), names, missing=missing)


@cache
def head(dim):
    """The light head of a pool of that dimension, fit on a label for every fourth row."""
    X, cluster = pool(d=dim)
    return fit_head(X, np.where(np.arange(len(X)) % 4 == 0, cluster % 3, -1), C=100.0)


def select(name, X, k, **options):
    method = get_method(name)
    labels = options.pop("labels", np.arange(len(X)) % 3 if method.needs_labels else None)
    if method.needs_text:
        options["text_embeddings"] = TEXTS[:, : np.shape(X)[1]]
    if method.needs_predictions:
        options.setdefault("predictions", predictions(X))
    if method.needs_head:
        options["head"] = head(np.shape(X)[1])
    if "score" in method.required:
        options["score"] = np.asarray(X, dtype=np.float64)[:, 0]
    if "exemplars" in method.required:
        first = np.asarray(X, dtype=np.float64)[:, 0]
        options["exemplars"] = first >= min(0, np.nanmax(first))
    return method.select(X, k, labels=labels, **NEEDS.get(name, {}), **options)


def check(selection, n, k):
    assert selection.indices.shape == (k,)
    assert selection.indices.dtype == np.int64
    assert len(set(selection.indices.tolist())) == k
    assert selection.indices.min() >= 0
    assert selection.indices.max() < n
    if selection.scores is not None:
        assert selection.scores.shape == (n,)
    return selection.indices.tolist()


@pytest.mark.parametrize("k", [1, 7, 60, 119, 120])
def test_exact_budget_without_repeats(name, k):
    check(select(name, pool()[0], k), 120, k)


@pytest.mark.parametrize(("n", "k"), [(1, 1), (2, 1), (2, 2), (3, 2), (5, 4)])
def test_tiny_pools(name, n, k):
    check(select(name, pool(n)[0], k), n, k)


def test_seeds_reproduce_and_differ(name):
    X = pool()[0]
    first = select(name, X, 20, seed=1).indices
    np.testing.assert_array_equal(first, select(name, X, 20, seed=1).indices)
    if name in SEEDED:
        others = [set(select(name, X, 20, seed=seed).indices) for seed in (2, 3, 4)]
        assert any(other != set(first) for other in others)


def test_the_order_of_the_input_does_not_matter(name):
    X = pool()[0]
    shuffle = np.random.default_rng(5).permutation(len(X))
    expected = select(name, X, 25, seed=3).indices
    labels = shuffle % 3 if get_method(name).needs_labels else None
    actual = select(name, X[shuffle], 25, seed=3, labels=labels).indices
    np.testing.assert_array_equal(shuffle[actual], expected)


def test_the_form_of_the_input_does_not_matter(name):
    X = np.round(pool()[0] * 8).astype(np.float32)  # whole numbers: exact in every type
    X += np.arange(120)[:, None] == np.arange(6)  # no two rows alike by accident in the first six
    expected = select(name, X, 15).indices
    read_only = X.copy()
    read_only.setflags(write=False)
    for form in (read_only, np.asfortranarray(X), X.astype(np.float64), X.astype(np.float16), X.astype(int), list(X)):
        np.testing.assert_array_equal(select(name, form, 15).indices, expected)


def test_missing_rows_are_never_selected(name):
    X = pool()[0].copy()
    bad = [0, 17, 50, 119]
    X[[0, 17]], X[50, 2], X[119] = np.nan, np.inf, -np.inf
    selection = select(name, X, 116)
    assert set(check(selection, 120, 116)) == set(range(120)) - set(bad)
    if selection.scores is not None:
        assert np.isnan(selection.scores[bad]).all()
    # Missing rows leave no trace: the same as a pool without them.
    whole = np.delete(X, bad, axis=0)
    labels = np.delete(np.arange(120) % 3, bad) if get_method(name).needs_labels else None
    back = np.delete(np.arange(120), bad)
    np.testing.assert_array_equal(back[select(name, whole, 20, labels=labels).indices], select(name, X, 20).indices)
    with pytest.raises(CoresetError, match="116 images"):
        select(name, X, 117)


def test_a_seed_set_comes_first_and_counts(name):
    X = pool()[0]
    given = [30, 2, 77, 118]
    assert check(select(name, X, 20, preselected=given), 120, 20)[:4] == given
    mask = np.isin(np.arange(120), given)
    assert check(select(name, X, 20, preselected=mask), 120, 20)[:4] == sorted(given)
    assert select(name, X, 4, preselected=given).indices.tolist() == given
    assert set(select(name, X, 120, preselected=given).indices) == set(range(120))
    with pytest.raises(CoresetError, match="smaller than the 4 preselected"):
        select(name, X, 3, preselected=given)


@pytest.mark.parametrize("k", [1, 5, 33])
def test_continuing_equals_selecting_at_once(name, k):
    if not get_method(name).nested:
        pytest.skip("documented as not nested")
    X = pool()[0]
    whole = select(name, X, 60).indices
    np.testing.assert_array_equal(select(name, X, k).indices, whole[:k])
    np.testing.assert_array_equal(select(name, X, 60, preselected=whole[:k]).indices, whole)


def test_excluded_rows_are_never_selected(name):
    X = pool()[0]
    excluded = [5, 6, 40, 41, 42, 99]
    selection = select(name, X, 114, excluded=excluded)
    assert not set(check(selection, 120, 114)) & set(excluded)
    with pytest.raises(CoresetError, match="at most 114"):
        select(name, X, 115, excluded=excluded)
    with pytest.raises(CoresetError, match="both preselected and excluded"):
        select(name, X, 50, excluded=excluded, preselected=[40])


def test_quotas_are_exact(name):
    X, cluster = pool()
    sizes = np.bincount(cluster, minlength=6)
    for quota in ("proportional", "sqrt", "uniform"):
        selection = select(name, X, 30, groups=cluster, quota=quota)
        counts = np.bincount(cluster[check(selection, 120, 30)], minlength=6)
        assert counts.tolist() == [selection.details["quota"][str(group)] for group in range(6)]
    proportional = select(name, X, 60, groups=cluster).details["quota"]
    assert all(abs(proportional[str(group)] - sizes[group] / 2) < 1 for group in range(6))
    explicit = {group: min(3, sizes[group]) for group in range(6)}
    selection = select(name, X, sum(explicit.values()), groups=cluster, quota=explicit)
    assert np.bincount(cluster[selection.indices], minlength=6).tolist() == list(explicit.values())


@pytest.mark.parametrize("quota", ["proportional", "sqrt", "uniform"])
def test_a_ranking_is_divided_by_its_quota_at_every_budget(name, quota):
    """Seat by seat by Webster's method: the next row is of a group with the highest share / (2 rows + 1)."""
    X, cluster = pool()
    sizes = np.bincount(cluster, minlength=6)
    ranking = check(select(name, X, len(X), groups=cluster, quota=quota), 120, 120)
    shares = {"proportional": sizes, "sqrt": np.sqrt(sizes), "uniform": np.ones(6)}[quota]
    counts = np.zeros(6, dtype=int)
    for row in ranking:
        claim = np.where(counts < sizes, shares / (2 * counts + 1), 0)
        assert np.isclose(claim[cluster[row]], claim.max())
        counts[cluster[row]] += 1


def test_a_ranking_gives_every_group_its_least_first(name):
    X, cluster = pool()
    sizes = np.bincount(cluster, minlength=6)
    ranking = check(select(name, X, len(X), groups=cluster, quota="sqrt", min_per_group=3), 120, 120)
    least = np.minimum(sizes, 3)
    assert np.bincount(cluster[ranking[: least.sum()]], minlength=6).tolist() == least.tolist()


def test_least_per_group(name):
    X, cluster = pool()
    sizes = np.bincount(cluster, minlength=6)
    selection = select(name, X, 40, groups=cluster, min_per_group=4)
    counts = np.bincount(cluster[check(selection, 120, 40)], minlength=6)
    assert (counts >= np.minimum(4, sizes)).all()
    with pytest.raises(CoresetError, match="raise the budget to at least"):
        select(name, X, 10, groups=cluster, min_per_group=4)


def test_quotas_with_a_seed_set(name):
    X, cluster = pool()
    given = np.flatnonzero(cluster == 1)[:6]
    explicit = {0: 5, 1: 8, 2: 3}
    selection = select(name, X, 16, groups=cluster, quota=explicit, preselected=given)
    assert check(selection, 120, 16)[:6] == given.tolist()
    assert np.bincount(cluster[selection.indices], minlength=3).tolist() == [5, 8, 3]


def test_exact_copies(name):
    X = np.repeat(pool(20)[0], 5, axis=0)
    check(select(name, X, 40), 100, 40)
    same = np.ones((12, 4), dtype=np.float32)
    if name != "target_match":
        check(select(name, same, 5), 12, 5)


def test_near_duplicates_keep_one(name):
    X = np.repeat(pool(20)[0], 5, axis=0)
    selection = select(name, X, 20, deduplicate=True)
    assert sorted(np.array(check(selection, 100, 20)) // 5) == list(range(20))
    check(select(name, X, 100, deduplicate=True), 100, 100)


def test_isolated_rows_come_last(name):
    X = pool()[0].copy()
    X[7] = [40, -40, 40, -40, 40, -40]
    selection = select(name, X, 119, outlier_guard=0.01)
    assert 7 not in check(selection, 120, 119)
    assert selection.set_aside.tolist() == [7]
    assert select(name, X, 120, outlier_guard=0.01).indices[-1] == 7
    assert 7 in select(name, X, 50, outlier_guard=0.01, preselected=[7]).indices


def test_weights_pull(name):
    X = pool()[0]
    half = np.random.default_rng(2).random(120) < 0.5
    heavy = [
        half[select(name, X, 12, seed=seed, weights=np.where(half, 20.0, 0.05)).indices].mean() for seed in range(3)
    ]
    light = [
        half[select(name, X, 12, seed=seed, weights=np.where(half, 0.05, 20.0)).indices].mean() for seed in range(3)
    ]
    assert np.mean(heavy) > np.mean(light)
    np.testing.assert_array_equal(select(name, X, 12, weights=np.full(120, 7.0)).indices, select(name, X, 12).indices)


def test_budgets_in_every_form(name):
    X = pool()[0]
    assert len(select(name, X, 0.1).indices) == 12
    assert len(select(name, X, "25%").indices) == 30
    covered = select(name, X, "90% coverage").indices
    assert 1 <= len(covered) <= 120


#: One of every constraint.
CONSTRAINTS = {
    "preselected": {"preselected": [3, 50]},
    "excluded": {"excluded": [5, 6]},
    "groups": {"groups": pool()[1]},
    "min_per_group": {"groups": pool()[1], "min_per_group": 2},
    "weights": {"weights": np.arange(1, 121)},
    "deduplicate": {"deduplicate": True},
    "outlier_guard": {"outlier_guard": 0.05},
}


def test_columns_and_facts_are_the_same_for_every_budget_and_constraint(name):
    X = pool()[0]
    explained = get_method(name).columns
    assert all(len(text) > 15 for text in explained.values())
    whole = select(name, X, None if get_method(name).nested else 120)
    assert sorted(whole.rank) == list(range(120))
    for asked in ({}, *CONSTRAINTS.values()):
        some = select(name, X, 40, **asked)
        assert list(some.columns) == list(whole.columns) == list(explained)
        assert set(whole.details) <= set(some.details)
        assert sorted(some.rank[some.indices]) == list(range(40))
        for column in some.columns.values():
            assert np.isfinite(column[some.indices]).all()


def test_only_methods_that_are_nested_rank_without_a_budget(name):
    if get_method(name).nested:
        return
    with pytest.raises(CoresetError, match=f"'{name}' chooses for one budget, not for all: pass the largest you need"):
        select(name, pool()[0], None)


@pytest.mark.parametrize("k", [None, 10])
@pytest.mark.parametrize("constraint", [None, *CONSTRAINTS])
def test_unknown_parameters_are_named(name, k, constraint):
    with pytest.raises(CoresetError, match="no parameter 'n_drwas'; its parameters are"):
        select(name, pool()[0], k, n_drwas=3, **CONSTRAINTS.get(constraint, {}))


def test_labelled_rows_are_never_returned_as_new(name):
    X = pool()[0]
    labelled = np.arange(0, 120, 5)
    for k in (30, 120):
        selection = select(name, X, k, preselected=labelled)
        assert not set(selection.indices[len(labelled) :]) & set(labelled)


def test_permuting_the_classes_changes_nothing(name):
    if not get_method(name).needs_predictions:
        return
    X = pool()[0]
    labelled = np.arange(0, 120, 9)
    expected = select(name, X, 40, preselected=labelled).indices
    actual = select(name, X, 40, preselected=labelled, predictions=predictions(X, (2, 0, 1))).indices
    np.testing.assert_array_equal(actual, expected)


def test_rows_without_a_prediction_are_left_out_unless_they_are_kept(name):
    if not get_method(name).needs_predictions:
        return
    X = pool()[0]
    unknown = [4, 17, 50]
    said = predictions(np.where(np.isin(np.arange(120), unknown)[:, None], np.nan, X))
    selection = select(name, X, 118, preselected=[4], predictions=said)
    assert set(check(selection, 120, 118)) == set(range(120)) - {17, 50}
    assert selection.details["without_prediction"] == 2


def test_progress_is_reported_and_never_costs_the_result(name):
    X = pool()[0]

    def broken(fraction, message):
        raise RuntimeError("connection lost")

    np.testing.assert_array_equal(select(name, X, 10, progress=broken).indices, select(name, X, 10).indices)
