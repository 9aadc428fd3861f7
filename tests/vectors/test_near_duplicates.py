"""Near-duplicates are found where there are bursts, and nowhere else, at any scale of the data."""

import numpy as np
import pytest
from fiftyone_coreset.plugin.errors import CoresetError
from fiftyone_coreset.plugin.selection.methods.auto import zcore_trust
from fiftyone_coreset.plugin.selection.registry import get_method
from fiftyone_coreset.plugin.vectors import near_duplicates as duplicates
from fiftyone_coreset.plugin.vectors.near_duplicates import near_duplicate_radius, near_duplicates
from hypothesis import example, given, settings
from hypothesis import strategies as st


def unit(X):
    return (X / np.linalg.norm(X, axis=1, keepdims=True)).astype(np.float32)


def burst_pool(originals=80, spread=0.25, seed=0, d=32):
    """Heavy-tailed bursts of near-copies; a burst may be longer than any neighbour list."""
    rng = np.random.default_rng(seed)
    sizes = np.minimum(1 + rng.pareto(1.0, originals) * 2, 120).astype(int)
    centers = unit(rng.normal(size=(originals, d)))
    origin = np.repeat(np.arange(originals), sizes)
    return unit(centers[origin] + spread * rng.normal(size=(len(origin), d)) / np.sqrt(d)), origin


def same_grouping(a, b):
    return np.array_equal(a[:, None] == a[None], b[:, None] == b[None])


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000), st.floats(0.05, 0.3))
@example(290, 0.3)  # a stray link of a burst lies in the middle of the gap
@example(384, 0.3)
def test_bursts_are_found_whatever_their_tightness(seed, spread):
    Z, origin = burst_pool(spread=spread, seed=seed)
    found = near_duplicates(Z)
    assert found.clear
    assert same_grouping(found.groups, origin)


def test_distinct_images_are_not_duplicates():
    rng = np.random.default_rng(0)
    clean = unit(rng.normal(size=(400, 32)))
    found = near_duplicates(clean)
    assert not found.clear
    assert len(np.unique(found.groups)) == 400


def test_bursts_are_found_where_single_images_are_few():
    # Nine links in ten are inside bursts of very different tightness: the long ones are a mere shoulder.
    rng = np.random.default_rng(0)
    origin = np.repeat(np.arange(60), 10)
    spread = rng.lognormal(np.log(0.25), 0.45, 60)[origin, None]
    Z = unit(unit(rng.normal(size=(60, 32)))[origin] + spread * rng.normal(size=(600, 32)) / np.sqrt(32))
    found = near_duplicates(Z)
    assert found.clear
    pure = [len(np.unique(origin[found.groups == group])) == 1 for group in np.unique(found.groups)]
    assert np.mean(pure) > 0.9
    assert 55 <= len(pure) <= 90


@pytest.mark.parametrize("seed", [0, 1, 3])
def test_links_of_copies_and_of_images_that_overlap_are_told_apart_by_a_mixture(seed):
    # A tree in which three links in four join copies; together the lengths have one mode and a long tail.
    rng = np.random.default_rng(seed)
    copies = rng.random(1199) < 0.75
    lengths = np.exp(np.where(copies, rng.normal(np.log(0.12), 0.35, 1199), rng.normal(np.log(0.28), 0.3, 1199)))
    tree = np.arange(1199), np.arange(1, 1200)
    assert duplicates._gap(1200, *tree, lengths) is None
    assert duplicates._overlap(1200, *tree, lengths, seed) == pytest.approx(np.sqrt(0.12 * 0.28), rel=0.1)
    plain = np.exp(rng.normal(np.log(0.3), 0.3, 1199))
    assert duplicates._overlap(1200, *tree, plain, seed) is None
    assert duplicates._overlap(1200, *tree, 0.1 / lengths, seed) is None  # a tail of short links: some near-copies


def test_bursts_are_found_among_many_single_images():
    # As in a collection of photographs in which few things were filmed: one group in eighteen is a burst.
    rng = np.random.default_rng(0)
    origin = np.repeat(np.arange(1000), np.repeat([10, 1], [55, 945]))
    Z = unit(unit(rng.normal(size=(1000, 32)))[origin] + 0.2 * rng.normal(size=(len(origin), 32)) / np.sqrt(32))
    found = near_duplicates(Z)
    assert found.clear
    assert same_grouping(found.groups, origin)


def test_a_dense_class_beside_isolated_images_is_not_a_burst():
    # One class much denser than everything else shows a gap too, but its images are distinct.
    rng = np.random.default_rng(0)
    dense = rng.normal(size=(300, 16)) * 0.3 + 2
    lonely = rng.normal(size=(60, 16)) * 3
    assert not near_duplicates(unit(np.concatenate([dense, lonely]))).clear


def test_exact_copies_are_always_linked():
    X = unit(np.random.default_rng(1).normal(size=(40, 8)))
    found = near_duplicates(np.concatenate([X, X[:10], X[:10]]))
    assert same_grouping(found.groups, np.r_[np.arange(40), np.arange(10), np.arange(10)])
    assert len(np.unique(near_duplicates(np.ones((9, 4), np.float32) / 2).groups)) == 1
    assert near_duplicates(np.ones((1, 4), np.float32) / 2).groups.tolist() == [0]


def test_a_given_radius_links_chains():
    angles = np.radians([0, 1, 2, 10, 11, 30])
    Z = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    chord = 2 * np.sin(np.radians(1.5) / 2)
    assert near_duplicates(Z, radius=chord).groups.tolist() == [0, 0, 0, 1, 1, 2]
    with pytest.raises(CoresetError, match="radius"):
        near_duplicates(Z, radius=-1)


def test_the_most_central_row_represents_its_group():
    angles = np.radians([0, 1, 2, 90, 180])
    Z = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    found = near_duplicates(Z, radius=0.05)
    assert found.representatives().tolist() == [False, True, False, True, True]
    assert found.representatives(prefer=np.array([2])).tolist() == [False, False, True, True, True]


def test_centrality_is_the_distance_to_the_mean_of_the_group(monkeypatch):
    monkeypatch.setattr(duplicates, "blocks", lambda n: (slice(start, start + 7) for start in range(0, n, 7)))
    rng = np.random.default_rng(0)
    scenes = unit(rng.normal(size=(60, 12)))[rng.integers(0, 60, 200)]
    Z = unit(scenes + 0.01 * rng.normal(size=(200, 12)))
    found = near_duplicates(Z, radius=0.3)
    expected = [
        np.linalg.norm(row - Z[found.groups == group].mean(axis=0)) for row, group in zip(Z, found.groups, strict=True)
    ]
    np.testing.assert_allclose(found.centrality, expected, atol=1e-6)
    assert np.bincount(found.groups).min() == 1 < np.bincount(found.groups).max()


def test_auto_takes_one_image_of_each_burst_first():
    Z, origin = burst_pool()
    count = origin.max() + 1
    selection = get_method("auto").select(Z, 0.5)
    assert selection.details["bursts"]
    assert "look-alikes in" in selection.details["why"]  # without fingerprints nothing is called a copy
    first = origin[selection.indices[:count]]
    assert len(set(first)) > 0.8 * count
    random = origin[get_method("random").select(Z, int(count)).indices]
    assert len(set(first)) > 1.4 * len(set(random))


def test_auto_starves_neither_dense_nor_sparse_regions():
    rng = np.random.default_rng(0)
    scales = np.repeat([0.05, 0.2, 0.6], 200)
    centers = np.repeat(rng.normal(size=(3, 16)) * 2, 200, axis=0)
    X = centers + rng.normal(size=(600, 16)) * scales[:, None]
    region = np.repeat([0, 1, 2], 200)
    for k in (30, 60, 200):
        kept = np.bincount(region[get_method("auto").select(X, k).indices], minlength=3)
        assert kept.min() >= k / 3 * 0.4, kept


def test_single_images_beside_bursts_count_as_one_each(monkeypatch):
    monkeypatch.setattr(zcore_trust, "trusts_zcore", lambda *_: False)
    rng = np.random.default_rng(0)
    Z, _ = burst_pool(originals=120)
    Z[:, 0] += 0.3  # bursts lie to one side, strangers to the other
    strangers = unit(rng.normal(size=(90, 32)))
    strangers[:, 0] = -np.abs(strangers[:, 0]) - 0.3
    X = np.concatenate([Z, strangers])
    selection = get_method("auto").select(X, 1.0)
    counts = np.sqrt(np.bincount(near_duplicates(unit(X)).groups))
    share = len(strangers) / counts.sum()
    for fraction in (0.1, 0.2):
        first = selection.indices[: int(fraction * len(X))]
        assert np.mean(first >= len(Z)) == pytest.approx(share, abs=0.1)
        continued = get_method("auto").select(X, 1.0, preselected=first)
        assert continued.indices.tolist() == selection.indices.tolist()


def test_the_radius_of_a_large_pool_is_read_around_some_of_its_rows(monkeypatch):
    Z, origin = burst_pool(originals=600, spread=0.2)
    plain = unit(np.random.default_rng(0).normal(size=(len(Z), 32)))
    whole, clean = near_duplicates(Z), near_duplicates(plain)
    monkeypatch.setattr(duplicates, "EXACT_LIMIT", 2000)
    monkeypatch.setattr(duplicates, "_PLACES", 10)
    monkeypatch.setattr(duplicates, "_PLACE_ROWS", 200)
    part = near_duplicates(Z)
    assert part.clear
    assert same_grouping(part.groups, origin)
    assert same_grouping(whole.groups, origin)
    assert not near_duplicates(plain).clear
    assert near_duplicate_radius(plain) == pytest.approx(clean.radius, rel=0.2)
    shuffled = np.random.default_rng(1).permutation(len(Z))
    assert near_duplicate_radius(Z[shuffled]) == near_duplicate_radius(Z)


def test_all_who_ask_get_one_radius():
    from fiftyone_coreset.plugin.diagnostics.coverage import coverage_curve
    from fiftyone_coreset.plugin.diagnostics.report import coreset_report

    Z, origin = burst_pool()
    radius = near_duplicate_radius(Z)
    ranking = np.random.default_rng(0).permutation(len(Z))
    said = [
        coverage_curve(Z, ranking).near_duplicate_radius,
        coreset_report(Z, ranking[:50]).settings["near_duplicate_radius"],
        get_method("random").select(Z, 50, deduplicate=True).details["near_duplicate_radius"],
        get_method("auto").select(Z, 50).details["near_duplicate_radius"],
    ]
    assert said == pytest.approx([radius] * 4, rel=1e-5)
    assert len(get_method("random").select(Z, "redundancy").indices) == len(set(origin))
    report = coreset_report(Z, np.arange(len(Z)))
    assert report["duplicate_groups"].value == np.sum(np.bincount(origin) > 1)
