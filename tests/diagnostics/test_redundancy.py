"""Near-duplicate groups against a literal graph search, and the order in which they are shown."""

import numpy as np
import pytest
from fiftyone_coreset.plugin.diagnostics.redundancy import redundancy_metrics, redundant_groups
from fiftyone_coreset.plugin.vectors import near_duplicates as duplicates
from fiftyone_coreset.plugin.vectors.near_duplicates import near_duplicates
from hypothesis import given, settings
from hypothesis import strategies as st


def literal_groups(X, duplicate_radius):
    """Flood fill over the near-duplicate pairs."""
    group = np.full(len(X), -1)
    for start in range(len(X)):
        if group[start] >= 0:
            continue
        todo, group[start] = [start], start
        while todo:
            i = todo.pop()
            for j in np.flatnonzero((np.linalg.norm(X - X[i], axis=1) <= duplicate_radius) & (group < 0)):
                group[j] = start
                todo.append(j)
    return group


def same_partition(a, b):
    return len(np.unique(a)) == len(np.unique(b)) == len(np.unique(np.stack([a, b]), axis=1).T)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), duplicate_radius=st.floats(0.05, 1.5), block=st.sampled_from([1, 7, 2048]))
def test_groups_are_connected_components(seed, duplicate_radius, block):
    X = np.random.default_rng(seed).normal(size=(40, 2)).astype(np.float32)
    before = duplicates._BLOCK
    duplicates._BLOCK = block
    try:
        found = near_duplicates(X, radius=duplicate_radius).groups
    finally:
        duplicates._BLOCK = before
    assert same_partition(found, literal_groups(X, duplicate_radius))


def test_groups_of_large_sets_agree(monkeypatch):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 6)).repeat(4, axis=0) + 0.001 * rng.normal(size=(240, 6))
    unit = (X / np.linalg.norm(X, axis=1, keepdims=True)).astype(np.float32)
    exact = near_duplicates(unit, radius=0.05).groups
    monkeypatch.setattr(duplicates, "EXACT_ROWS", 100)
    assert same_partition(near_duplicates(unit, radius=0.05).groups, exact)


def test_figures_by_hand():
    """Groups of 3, 2, 1 and 1: five of seven images have a near-duplicate, three repeat."""
    found = redundancy_metrics(np.array([0, 0, 0, 1, 1, 2, 3]))
    assert found == {
        "near_duplicate_rate": pytest.approx(5 / 7),
        "repeat_rate": pytest.approx(3 / 7),
        "duplicate_groups": 2,
    }


def test_groups_show_what_is_kept_first():
    angle = np.deg2rad([0, 1, 2.5, 90, 91, 180, 270, 271, 272, 273])
    X = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    groups = redundant_groups(X, [8, 2, 7, 5], near_duplicate_radius=np.deg2rad(2))
    assert [group.tolist() for group in groups] == [[8, 7, 9, 6], [2, 1, 0], [3, 4]]


def test_exact_copies_are_found_at_distance_zero():
    X = np.random.default_rng(1).normal(size=(30, 5))
    doubled = np.concatenate([X, X])
    groups = redundant_groups(doubled, np.arange(30), near_duplicate_radius=0.0)
    assert sorted(group.tolist() for group in groups) == [[i, i + 30] for i in range(30)]
