"""The distances that diagnostics compare with, on data where they are known."""

import numpy as np
import pytest
from fiftyone_coreset.plugin.errors import CoresetError
from fiftyone_coreset.plugin.vectors.near_duplicates import near_duplicate_radius
from fiftyone_coreset.plugin.vectors.points import Points
from fiftyone_coreset.plugin.vectors.radius import comparison_radii, coverage_radius, covered_from


def test_near_duplicates_of_orthogonal_images():
    """All pairs lie at the root of 2: without a gap, the radius is half of that."""
    assert near_duplicate_radius(np.eye(50)) == pytest.approx(2**0.5 / 2)


def test_radius_of_orthogonal_images():
    assert coverage_radius(np.eye(50)) == pytest.approx(1.5 * 2**0.5)


def test_radius_is_that_of_a_grid():
    """On a grid the nearest other image is one step away."""
    grid = np.stack(np.meshgrid(np.arange(10.0), np.arange(10.0)), axis=-1).reshape(-1, 2)
    assert coverage_radius(grid, duplicate_radius=0.1, normalize=False) == pytest.approx(1.5)


def test_copies_do_not_shrink_the_radius():
    X = np.random.default_rng(0).normal(size=(100, 8))
    copies = np.concatenate([X] * 5) + 1e-3 * np.random.default_rng(1).normal(size=(500, 8))
    assert coverage_radius(copies) == pytest.approx(coverage_radius(X), rel=0.05)


def test_identical_images_have_no_scale():
    same = np.ones((5, 3))
    assert near_duplicate_radius(same) == 0
    assert coverage_radius(same) == 0
    assert coverage_radius(same[:1]) == 0


def test_given_distances_are_taken():
    assert comparison_radii(Points(np.eye(3)), 0.5, 0.25, 0) == (0.5, 0.25)


@pytest.mark.parametrize(
    ("radius", "duplicate_radius", "name"), [(-1, 0.1, "coverage_radius"), (1, float("nan"), "near_duplicate_radius")]
)
def test_impossible_distances_are_refused(radius, duplicate_radius, name):
    with pytest.raises(CoresetError, match=name):
        comparison_radii(Points(np.eye(3)), radius, duplicate_radius, 0)


@pytest.mark.parametrize("block", [1024, 7])
def test_covered_from_is_the_first_budget_with_a_kept_image_in_reach(monkeypatch, block):
    monkeypatch.setattr("fiftyone_coreset.plugin.vectors.radius._BLOCK", block)
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 4))
    ranking, rows = rng.permutation(80)[:60], np.arange(0, 80, 3)
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    near = np.linalg.norm(unit[rows, None] - unit[ranking], axis=2) <= 0.5
    expected = np.where(near.any(axis=1), near.argmax(axis=1) + 1, 61)
    assert covered_from(Points(X), ranking, rows, 0.5).tolist() == expected.tolist()
