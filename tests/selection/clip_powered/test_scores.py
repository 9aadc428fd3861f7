"""Alignment, diversity and the objective against literal implementations of the published formulas."""

from __future__ import annotations

import numpy as np
import pytest
from fiftyone_coreset.plugin.selection.methods.clip_powered import scores as kernels
from fiftyone_coreset.plugin.selection.methods.clip_powered.objective import gradient_descent, objective
from hypothesis import given, settings
from hypothesis import strategies as st


def _data(n=60, dim=7, n_classes=3, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, n_classes, n)
    texts = rng.standard_normal((n_classes, dim)).astype(np.float32)
    images = (texts[labels] + 0.5 * rng.standard_normal((n, dim))).astype(np.float32)
    return images, labels, texts


def _literal_diversity(images, labels, k):
    """The definition, image by image: sort all distances inside the class, drop the image itself, average K - 1."""
    spread = []
    for i, (image, label) in enumerate(zip(images.astype(float), labels, strict=True)):
        others = [j for j in range(len(images)) if labels[j] == label and j != i]
        distances = sorted(float(np.sqrt(((image - images[j].astype(float)) ** 2).sum())) for j in others)
        spread.append(np.mean(distances[: k - 1]))
    return np.array(spread)


def _literal_cosine(a, b):
    return float(np.dot(a, b) / np.sqrt(np.dot(a, a)) / np.sqrt(np.dot(b, b)))


def test_alignment_is_the_cosine_with_the_own_label_only():
    images, labels, texts = _data()
    expected = [
        _literal_cosine(image.astype(float), texts[y].astype(float)) for image, y in zip(images, labels, strict=True)
    ]
    np.testing.assert_allclose(kernels.alignment(images, labels, texts), expected, atol=1e-12)


def test_the_margin_is_to_the_best_other_class():
    images, labels, texts = _data()
    expected = []
    for image, label in zip(images.astype(float), labels, strict=True):
        cosines = [_literal_cosine(image, text.astype(float)) for text in texts]
        expected.append(cosines.pop(label) - max(cosines))
    np.testing.assert_allclose(kernels.class_margin(images, labels, texts), expected, atol=1e-6)
    assert (kernels.class_margin(images, np.zeros(60, int), texts[:1]) == 0).all()


def test_diversity_equals_the_literal_definition():
    images, labels, _ = _data()
    np.testing.assert_allclose(kernels.diversity(images, labels, 6), _literal_diversity(images, labels, 6), rtol=1e-10)


def test_diversity_looks_for_neighbours_by_label_not_by_position():
    images, labels, _ = _data()
    shuffled = np.random.default_rng(1).permutation(len(images))
    moved = kernels.diversity(images[shuffled], labels[shuffled], 6)
    np.testing.assert_allclose(moved, kernels.diversity(images, labels, 6)[shuffled], rtol=1e-12)


def test_diversity_does_not_depend_on_the_block_size(monkeypatch):
    images, labels, _ = _data(n=90)
    whole = kernels.diversity(images, labels, 8)
    monkeypatch.setattr(kernels, "_BLOCK_CELLS", 70)
    np.testing.assert_allclose(kernels.diversity(images, labels, 8), whole, rtol=1e-12)


def test_a_copy_counts_as_a_neighbour_at_distance_zero():
    line = np.array([[0.0, 1], [0, 1], [3, 1], [10, 1]], dtype=np.float32)
    np.testing.assert_allclose(kernels.diversity(line, np.zeros(4, int), 2), [0, 0, 3, 7], atol=1e-6)


def test_diversity_uses_the_norm_of_embeddings():
    images, labels, _ = _data()
    np.testing.assert_allclose(
        kernels.diversity(3 * images, labels, 6), 3 * kernels.diversity(images, labels, 6), rtol=1e-6
    )


def test_an_image_alone_in_its_class_is_neither_favoured_nor_harmed():
    images = np.array([[0.0, 1], [2, 1], [0, 5]], dtype=np.float32)
    np.testing.assert_allclose(kernels.diversity(images, np.array([0, 0, 1])), [2, 2, 2])


def test_small_classes_use_the_neighbours_they_have():
    images, _, _ = _data(n=4)
    labels = np.zeros(4, dtype=int)
    np.testing.assert_allclose(kernels.diversity(images, labels), _literal_diversity(images, labels, 4), rtol=1e-10)


def test_published_neighbourhood_sizes():
    assert [kernels.neighbourhood_size(size) for size in (5000, 500, 50, 3)] == [100, 50, 10, 10]


def test_rescale_by_minimum_and_maximum():
    np.testing.assert_allclose(kernels.rescale(np.array([2.0, 4, 3])), [0, 1, 0.5])


def test_clipping_keeps_one_outlier_from_squeezing_the_rest():
    score = np.r_[np.linspace(0, 1, 199), 1e6]
    assert kernels.rescale(score)[:199].max() < 1e-5
    clipped = kernels.rescale(score, clip=0.01)
    assert clipped[-1] == 1
    assert clipped[100] == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("clip", [0.0, 0.01])
def test_a_constant_score_says_nothing(clip):
    scaled = kernels.rescale(np.full(5, 0.3), clip)
    assert (scaled == 0.5).all()
    other = np.array([0.1, 0.5, 0.2, 0.9, 0.3])
    assert (np.argsort(objective(scaled, other, 0.1)) == np.argsort(other)).all()


def test_rescale_of_a_nearly_constant_score_falls_back_to_the_range():
    score = np.r_[np.zeros(500), 1.0]
    assert kernels.rescale(score, clip=0.01)[-1] == 1


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0.1, 0.3, 0.5, 0.7, 0.9]))
def test_gradient_descent_finds_the_exact_answer_where_it_converges(seed, ratio):
    rng = np.random.default_rng(seed)
    gain = objective(rng.beta(4, 2, 400), rng.beta(2, 3, 400), 0.1)
    k = int(400 * ratio)
    if (gain > 2).sum() > k:
        return  # the published penalty of 2 cannot hold these back
    descended = gradient_descent(gain, k)
    assert len(descended) == k
    assert set(descended) == set(np.argsort(-gain)[:k])


def test_gradient_descent_says_when_it_cannot_reach_the_budget(monkeypatch):
    monkeypatch.setattr("fiftyone_coreset.plugin.selection.methods.clip_powered.objective._MAX_STEPS", 2000)
    gain = np.r_[np.full(50, 30.0), np.zeros(50)]
    with pytest.raises(ValueError, match=r"did not reach 10 of 100 images.*optimizer='exact'"):
        gradient_descent(gain, 10)


def test_the_objective_weighs_both_scores_by_their_means():
    sas, sds = np.array([0.2, 0.6]), np.array([1.0, 0.5])
    np.testing.assert_allclose(objective(sas, sds, 0.1), [0.2 / 0.4 + 0.1 * 1 / 0.75, 0.6 / 0.4 + 0.1 * 0.5 / 0.75])
