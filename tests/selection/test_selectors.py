"""Selectors against literal forms of their definitions, and against cases worked by hand."""

import itertools
import math

import numpy as np
import pytest
from fiftyone_coreset.plugin.errors import CoresetError
from fiftyone_coreset.plugin.selection.methods import herding, kcenter
from fiftyone_coreset.plugin.selection.methods.density import cluster_budgets
from fiftyone_coreset.plugin.selection.pool import Pool, PoolVectors
from fiftyone_coreset.plugin.selection.registry import get_method
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays


def unit(X):
    return X / np.linalg.norm(X, axis=1, keepdims=True)


def gaussians(n=90, d=5, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d)) + np.array([2.0, 0, 0, 0, 0])[:d]


def on_circle(degrees):
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def assert_greedy(similarity, picks):
    """Every pick has the largest gain at its step, up to the rounding of float32 similarities."""
    best = np.zeros(len(similarity))
    for step, pick in enumerate(picks):
        gains = np.maximum(similarity - best[:, None], 0).sum(axis=0)
        gains[picks[:step]] = -1
        assert gains[pick] >= gains.max() - 1e-5, step
        best = np.maximum(best, similarity[:, pick])


def test_facility_location_is_plain_greedy():
    X = gaussians()
    cosine = unit(X) @ unit(X).T
    assert_greedy((1 + cosine) / 2, get_method("facility_location").select(X, 30).indices)


def test_facility_location_guarantee():
    X = gaussians(12, 3, seed=4)
    similarity = (1 + unit(X) @ unit(X).T) / 2
    best = max(similarity[:, list(chosen)].max(axis=1).sum() for chosen in itertools.combinations(range(12), 3))
    value = similarity[:, get_method("facility_location").select(X, 3).indices].max(axis=1).sum()
    assert (1 - 1 / math.e) * best <= value <= best + 1e-9


def test_facility_location_outside_oracle():
    import apricot  # here, because it compiles as it is imported

    X = gaussians()
    similarity = (1 + unit(X) @ unit(X).T) / 2
    oracle = apricot.FacilityLocationSelection(20, metric="precomputed", optimizer="naive").fit(similarity)
    assert get_method("facility_location").select(X, 20).indices.tolist() == oracle.ranking.tolist()


def test_facility_location_over_a_graph(monkeypatch):
    from fiftyone_coreset.plugin.selection import cover
    from fiftyone_coreset.plugin.selection.methods import facility_location

    X = gaussians()
    cosine = unit(X) @ unit(X).T
    for module in (cover, facility_location):
        monkeypatch.setattr(module, "DENSE_ROWS", 10)
    monkeypatch.setattr(cover, "GRAPH_NEIGHBORS", 7)
    near = np.argsort(-cosine, axis=1)[:, :8]  # the row itself and 7 others
    similarity = np.zeros_like(cosine)
    np.put_along_axis(similarity, near, np.take_along_axis((1 + cosine) / 2, near, axis=1), axis=1)
    selection = get_method("facility_location").select(X, 12)
    assert_greedy(similarity, selection.indices)
    covered = (similarity[:, selection.indices] > 0).any(axis=1).mean()
    assert selection.details["uncovered"] == pytest.approx(1 - covered)


def test_maxherding_is_facility_location_with_a_gaussian_kernel():
    X = gaussians()
    distances = np.linalg.norm(unit(X)[:, None] - unit(X)[None], axis=2)
    assert_greedy(np.exp(-((distances / 0.5) ** 2)), get_method("maxherding").select(X, 30, bandwidth=0.5).indices)
    tenth = np.sort(distances, axis=1)[:, 10]
    details = get_method("maxherding").select(X, 5).details
    assert details["bandwidth"] == pytest.approx(np.median(tenth), rel=1e-5)


def test_weights_of_covered_rows():
    # Two groups of three; the smaller group is worth more once its rows weigh ten times as much.
    X = on_circle([0, 1, 2, 3, 90, 91])
    pick = get_method("facility_location").select
    assert pick(X, 1).indices[0] in {1, 2, 3}
    assert pick(X, 1, weights=[1, 1, 1, 1, 10, 10]).indices[0] in {4, 5}


def literal_kcenter(Z, k):
    picks = [int(np.argmin(np.linalg.norm(Z - Z.mean(axis=0), axis=1)))]
    while len(picks) < k:
        nearest = np.linalg.norm(Z[:, None] - Z[picks][None], axis=2).min(axis=1)
        picks.append(int(np.argmax(nearest)))
    return picks


@pytest.mark.parametrize("candidates", [2, 7, 1024])
def test_kcenter_in_blocks_is_plain_greedy(monkeypatch, candidates):
    monkeypatch.setattr(kcenter, "_CANDIDATES", candidates)
    X = gaussians()
    selection = get_method("kcenter").select(X, 40)
    assert selection.indices.tolist() == literal_kcenter(unit(X), 40)
    radius = np.linalg.norm(unit(X)[:, None] - unit(X)[selection.indices][None], axis=2).min(axis=1).max()
    assert selection.details["covering_radius"] == pytest.approx(radius, rel=1e-4)


def test_kcenter_is_within_twice_the_best_radius():
    X = gaussians(14, 3, seed=2)
    distances = np.linalg.norm(unit(X)[:, None] - unit(X)[None], axis=2)
    best = min(distances[:, list(chosen)].min(axis=1).max() for chosen in itertools.combinations(range(14), 4))
    assert get_method("kcenter").select(X, 4).details["covering_radius"] <= 2 * best + 1e-6


def test_kcenter_refuses_what_would_take_hours(monkeypatch):
    monkeypatch.setattr(kcenter, "MAX_COMPARISONS", 1000)
    with pytest.raises(CoresetError, match=r"lower the budget to 11 or use herding"):
        get_method("kcenter").select(gaussians(), 30)


def literal_herding(Z, k, kernel=None):
    picks = []
    for step in range(k):
        if kernel is None:
            error = np.linalg.norm((Z[picks].sum(axis=0) + Z) / (step + 1) - Z.mean(axis=0), axis=1)
        else:  # squared distance of kernel means, without the constant term
            inner = kernel[:, picks].sum(axis=1)
            within = kernel[np.ix_(picks, picks)].sum() + 2 * inner + np.diagonal(kernel)
            cross = kernel.mean(axis=1)[picks].sum() + kernel.mean(axis=1)
            error = within / (step + 1) ** 2 - 2 * cross / (step + 1)
        error[picks] = np.inf
        picks.append(int(np.argmin(error)))
    return picks


def test_herding_minimises_the_distance_of_means():
    X = gaussians()
    selection = get_method("herding").select(X, 45)
    assert selection.indices.tolist() == literal_herding(unit(X), 45)
    random = np.random.default_rng(0).permutation(90)[:45]
    error = [np.linalg.norm(unit(X)[rows].mean(axis=0) - unit(X).mean(axis=0)) for rows in (selection.indices, random)]
    assert error[0] < 0.3 * error[1]


def test_kernel_herding_minimises_the_distance_of_kernel_means():
    X = gaussians()
    squared = ((unit(X)[:, None] - unit(X)[None]) ** 2).sum(axis=2)
    median = np.median(np.sqrt(squared[np.triu_indices(90, 1)]))
    selection = get_method("herding").select(X, 30, kernel="rbf")
    assert selection.details["bandwidth"] == pytest.approx(median, rel=1e-5)
    assert selection.indices.tolist() == literal_herding(unit(X), 30, np.exp(-squared / (2 * median**2)))


def test_herding_in_shards_follows_the_mean_of_the_whole(monkeypatch):
    X = gaussians(400)
    exact = get_method("herding").select(X, 80).indices
    monkeypatch.setattr(herding, "SHARD_ROWS", 100)
    sharded = get_method("herding").select(X, 80)
    assert sharded.details["shards"] == 4
    mean = unit(X).mean(axis=0)
    errors = [np.linalg.norm(unit(X)[rows].mean(axis=0) - mean) for rows in (exact, sharded.indices)]
    random = [
        np.linalg.norm(unit(X)[np.random.default_rng(s).permutation(400)[:80]].mean(axis=0) - mean) for s in range(9)
    ]
    assert errors[0] <= errors[1] < 0.4 * np.median(random)
    whole = get_method("herding").select(X, 120).indices
    np.testing.assert_array_equal(whole[:80], sharded.indices)
    np.testing.assert_array_equal(get_method("herding").select(X, 120, preselected=whole[:33]).indices, whole)


def test_probcover_on_a_line_of_clusters():
    # Balls of 3 degrees: the cluster of five first, then the three, then the pair, then the farthest point.
    X = on_circle([0, 1, 2, 3, 4, 40, 41, 42, 100, 101, 180])
    selection = get_method("probcover").select(X, 5, radius=2 * math.sin(math.radians(3.5) / 2))
    groups = [0 if i < 5 else 1 if i < 8 else 2 if i < 10 else 3 for i in selection.indices]
    assert groups[:2] == [0, 1]
    assert set(groups[:4]) == {0, 1, 2, 3}
    assert selection.details["covering_picks"] == 5 or selection.details["covering_picks"] == 4


def test_probcover_radius_is_the_largest_pure_one():
    from fiftyone_coreset.plugin.selection.methods.probcover import purity_radius

    X = np.concatenate([gaussians(60, seed=1), gaussians(60, seed=2) - [2, 2, 0, 0, 0]])
    labels = np.repeat([0, 1], 60)
    pool = Pool(PoolVectors(X.astype(np.float32)), np.empty(0, dtype=np.int64), np.ones(120), labels)
    radius = purity_radius(pool, 2, 0.9)
    distances = np.linalg.norm(unit(X)[:, None] - unit(X)[None], axis=2)

    def purity(r):
        return np.mean([(labels[distances[i] < r] == labels[i]).all() for i in range(120)])

    assert purity(radius - 1e-5) >= 0.9 > purity(radius + 0.02)


def test_d2_is_the_literal_rule():
    X, k, gamma = gaussians(60), 25, 0.7
    distances = np.linalg.norm(unit(X)[:, None] - unit(X)[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    near = np.argsort(distances, axis=1)[:, :5]
    edge = np.zeros((60, 60), dtype=bool)
    np.put_along_axis(edge, near, True, axis=1)
    edge |= edge.T
    scaled = distances / np.median(distances.min(axis=1))
    difficulty = np.random.default_rng(1).random(60)
    message = difficulty + (np.where(edge, np.exp(-scaled), 0) @ difficulty)
    expected = []
    for _ in range(k):
        row = max((i for i in range(60) if i not in expected), key=lambda i: message[i])
        expected.append(row)
        message -= np.where(edge[row], np.exp(-gamma * scaled[row]), 0) * message[row]
    assert get_method("d2").select(X, k, difficulty=difficulty, gamma=gamma).indices.tolist() == expected


def test_ccs_fills_bins_evenly_and_drops_the_hardest():
    difficulty = np.concatenate([np.full(80, 0.01), np.full(30, 0.5), np.full(6, 0.99), np.full(10, 5.0)])
    X = gaussians(126)
    selection = get_method("ccs").select(X, 36, difficulty=difficulty, drop_hardest=10 / 126, n_bins=50)
    kept = np.bincount(np.digitize(difficulty[selection.indices], [0.3, 0.7, 2.0]), minlength=4)
    assert kept.tolist() == [15, 15, 6, 0]  # the small bin is used up; the others share what it lacks
    everything = get_method("ccs").select(X, 126, difficulty=difficulty, drop_hardest=10 / 126).indices
    assert set(everything[-10:]) == set(range(116, 126))


def test_semdedup_keeps_one_of_each_pair():
    X = gaussians(40)
    X = np.concatenate([X, X + 1e-4])
    selection = get_method("semdedup").select(X, 40)
    assert sorted(selection.indices % 40) == list(range(40))
    # The score is the definition: 1 - the largest cosine to a row nearer to the front of the cluster.
    Z = unit(X)
    order = np.argsort(-np.linalg.norm(Z - Z.mean(axis=0), axis=1))
    expected = {int(order[j]): 1 - (Z[order[:j]] @ Z[order[j]]).max() for j in range(1, 80)}
    assert all(selection.scores[i] == pytest.approx(value, abs=2e-6) for i, value in list(expected.items())[5:40])


def test_prototypicality_with_labels_is_distance_to_the_class_mean():
    X, labels = gaussians(60), np.arange(60) % 3
    means = np.stack([unit(X)[labels == c].mean(axis=0) for c in range(3)])
    expected = 1 - (unit(X) * unit(means)[labels]).sum(axis=1)
    hard = get_method("prototypicality").select(X, 10, labels=labels)
    np.testing.assert_allclose(hard.scores, expected, atol=1e-6)
    assert set(hard.indices) == set(np.argsort(-expected)[:10])
    easy = get_method("prototypicality").select(X, 10, labels=labels, keep="easy")
    assert set(easy.indices) == set(np.argsort(expected)[:10])


@settings(max_examples=60, deadline=None)
@given(
    arrays(float, st.integers(1, 12), elements=st.floats(0, 50)),
    st.integers(0, 2**31),
)
def test_density_budgets_solve_the_quadratic_program(wanted, seed):
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 40, len(wanted))
    total = int(rng.integers(1, sizes.sum() + 1))
    budgets = cluster_budgets(wanted, sizes, np.zeros_like(sizes), total)
    assert budgets.sum() == pytest.approx(total, abs=1e-6)
    floor = np.minimum(int(0.5 * total / len(wanted)), sizes - 1)
    assert (budgets >= floor - 1e-9).all()
    assert (budgets <= sizes + 1e-9).all()
    # Optimal: moving mass between two budgets that may move never lowers the squared distance.
    pull = wanted - budgets
    can_grow, can_shrink = budgets < sizes - 1e-6, budgets > floor + 1e-6
    if can_grow.any() and can_shrink.any():
        assert pull[can_grow].max() <= pull[can_shrink].min() + 1e-4 * max(1, abs(pull).max())


def test_kmedoids_takes_one_of_each_cluster():
    rng = np.random.default_rng(0)
    angles = np.repeat(np.arange(8) * 45, 12) + rng.normal(0, 1.0, 96)
    hits = [len(set(get_method("kmedoids").select(on_circle(angles), 8, seed=s).indices // 12)) for s in range(4)]
    assert max(hits) >= 7  # k-means from random starts can merge a pair of clusters
    given = [0, 13]
    selection = get_method("kmedoids").select(on_circle(angles), 8, preselected=given)
    assert selection.indices[:2].tolist() == given


def test_typiclust_takes_the_densest_row_of_the_largest_clusters_first():
    X = np.concatenate(
        [on_circle(np.linspace(0, 8, 30)), on_circle(np.linspace(120, 124, 20)), on_circle([240, 241, 242])]
    )
    selection = get_method("typiclust").select(X, 3)
    first = selection.indices[0]
    assert selection.scores[first] == selection.scores[selection.indices].max() or first < 30
    assert {0 if i < 30 else 1 if i < 50 else 2 for i in selection.indices} >= {0, 1}


def test_target_match_moves_the_pool_toward_the_target():
    rng = np.random.default_rng(0)
    X = np.concatenate([on_circle(rng.normal(0, 10, 300)), on_circle(rng.normal(60, 10, 300))])
    target = on_circle(rng.normal(60, 10, 50))
    match = get_method("target_match").select(X, 60, target=target)
    assert np.mean(match.indices >= 300) > 0.9
    assert 60 <= match.details["effective_size"] <= 400
    flat = get_method("target_match").select(X, 60, target=target, temperature=0.0)
    assert 0.3 < np.mean(flat.indices >= 300) < 0.7
    with pytest.raises(CoresetError, match="needs target="):
        get_method("target_match").select(X, 60)
    with pytest.raises(CoresetError, match="dimension 3"):
        get_method("target_match").select(X, 60, target=np.ones((4, 3)))


def test_stratified_is_in_proportion_at_every_prefix():
    labels = np.repeat(["a", "b", "c"], [60, 30, 10])
    order = get_method("stratified").select(gaussians(100), 100, labels=labels).indices
    for k in range(1, 101):
        kept = [np.sum(labels[order[:k]] == name) for name in "abc"]
        assert np.abs(np.array(kept) - k * np.array([0.6, 0.3, 0.1])).max() <= 1


def test_zcore_takes_the_highest_scores_and_balanced_starves_no_cluster():
    rng = np.random.default_rng(0)
    tight = rng.normal(size=(150, 6)) * 0.02 + 3
    loose = rng.normal(size=(150, 6))
    X = np.concatenate([tight, loose])
    plain = get_method("zcore").select(X, 30, n_draws=4000)
    assert set(plain.indices) == set(np.argsort(-plain.scores)[:30])
    assert np.sum(plain.indices < 150) <= 10  # top-k starves the tight cluster
    balanced = get_method("zcore_balanced").select(X, 30, n_draws=4000, n_clusters=10)
    assert 10 <= np.sum(balanced.indices < 150) <= 20


def test_random_is_uniform_and_weighted():
    X = gaussians(20)
    counts = np.zeros(20)
    for seed in range(600):
        counts[get_method("random").select(X, 5, seed=seed).indices] += 1
    # Each row is kept with probability 1/4: 150 +- 10.6 of 600.
    assert np.abs(counts - 150).max() < 5 * 10.6
    weights = np.r_[np.full(10, 9.0), np.full(10, 1.0)]
    first = [get_method("random").select(X, 1, seed=s, weights=weights).indices[0] < 10 for s in range(300)]
    assert 0.82 < np.mean(first) < 0.97  # 0.9 +- 0.017


def test_random_treats_copies_as_single_images():
    # Exact copies must not be drawn together more often than other pairs of rows are.
    X = np.repeat(gaussians(20), 2, axis=0)

    def pairs(seed):
        kept = get_method("random").select(X, 10, seed=seed).indices
        return np.sum(np.bincount(kept // 2, minlength=20) == 2)

    expected = 20 * (10 * 9) / (40 * 39)
    assert abs(np.mean([pairs(seed) for seed in range(300)]) - expected) < 0.3
