"""The distances that diagnostics compare with, on data where they are known."""

import numpy as np
import pytest
from fiftyone_coreset.plugin.errors import CoresetError
from fiftyone_coreset.plugin.vectors.points import Points
from fiftyone_coreset.plugin.vectors.radius import comparison_distances, coverage_radius, near_duplicate_distance


def test_near_duplicates_of_orthogonal_images():
    """All pairs lie at the root of 2."""
    assert near_duplicate_distance(np.eye(50)) == pytest.approx(0.3 * 2**0.5)


def test_radius_of_orthogonal_images():
    assert coverage_radius(np.eye(50)) == pytest.approx(1.5 * 2**0.5)


def test_radius_is_that_of_a_grid():
    """On a grid the nearest other image is one step away."""
    grid = np.stack(np.meshgrid(np.arange(10.0), np.arange(10.0)), axis=-1).reshape(-1, 2)
    assert coverage_radius(grid, near_duplicate=0.1, normalize=False) == pytest.approx(1.5)


def test_copies_do_not_shrink_the_radius():
    X = np.random.default_rng(0).normal(size=(100, 8))
    copies = np.concatenate([X] * 5) + 1e-3 * np.random.default_rng(1).normal(size=(500, 8))
    assert coverage_radius(copies) == pytest.approx(coverage_radius(X), rel=0.05)


def test_identical_images_have_no_scale():
    same = np.ones((5, 3))
    assert near_duplicate_distance(same) == 0
    assert coverage_radius(same) == 0
    assert coverage_radius(same[:1]) == 0


def test_given_distances_are_taken():
    assert comparison_distances(Points(np.eye(3)), 0.5, 0.25, 0) == (0.5, 0.25)


@pytest.mark.parametrize(("radius", "tau", "name"), [(-1, 0.1, "radius"), (1, float("nan"), "near_duplicate")])
def test_impossible_distances_are_refused(radius, tau, name):
    with pytest.raises(CoresetError, match=name):
        comparison_distances(Points(np.eye(3)), radius, tau, 0)
