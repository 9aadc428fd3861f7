"""The model of wrong labels against Bayes' rule written out, and its gradient against differences."""

from __future__ import annotations

import numpy as np
import pytest
from fiftyone_coreset.plugin.selection.methods.clip_powered.noise import NoiseModel, _confusions, _loss, fit_noise
from scipy.optimize import approx_fprime


def _literal(image, label, texts, model):
    """The probability that the label is wrong, from the joint table of true and given classes."""
    cosine = [float(image @ text) / np.linalg.norm(image) / np.linalg.norm(text) for text in texts]
    weight = [np.exp(model.scale * c + offset) for c, offset in zip(cosine, model.offsets, strict=True)]
    joint = [value / sum(weight) * model.table[true, label] for true, value in enumerate(weight)]
    others = [value for true, value in enumerate(joint) if true != label]
    return 1 - joint[label] / sum(joint), joint.index(max(others))


def test_suspicion_is_bayes_rule():
    rng = np.random.default_rng(0)
    images, texts, labels = rng.normal(size=(40, 5)), rng.normal(size=(4, 5)), rng.integers(0, 4, 40)
    model = NoiseModel(7.0, rng.normal(size=4), rng.dirichlet(np.ones(4), 4), 0.3)
    wrong, suggested = model.suspicion(images, labels, texts)
    expected = [_literal(image, label, texts, model) for image, label in zip(images, labels, strict=True)]
    np.testing.assert_allclose(wrong, [probability for probability, _ in expected], rtol=1e-9)
    assert suggested.tolist() == [other for _, other in expected]


def test_clean_labels_still_show_flat_contradictions():
    texts = np.eye(3)
    images = np.repeat(texts, 50, axis=0)
    labels = np.repeat(np.arange(3), 50)
    images[0], labels[0] = texts[2], 0
    wrong, suggested = fit_noise(images, labels, texts).suspicion(images, labels, texts)
    assert wrong[0] > 0.99
    assert suggested[0] == 2
    assert wrong[1:].max() < 0.01


def test_the_gradient_of_the_fit():
    rng = np.random.default_rng(1)
    cosine, likelihood = 0.3 * rng.normal(size=(50, 4)), rng.random((50, 4))
    point = np.r_[2.0, rng.normal(size=4)]
    numeric = approx_fprime(point, lambda at: _loss(at, cosine, likelihood, 3.0)[0], 1e-6)
    np.testing.assert_allclose(_loss(point, cosine, likelihood, 3.0)[1], numeric, atol=1e-6)


def _drawn(table, n=12_000, seed=2):
    """Images, labels drawn from a known model, and what is wrong."""
    rng = np.random.default_rng(seed)
    texts, images = np.linalg.qr(rng.normal(size=(16, 16)))[0][:5], rng.normal(size=(n, 16))
    cosine = images @ texts.T / np.linalg.norm(images, axis=1, keepdims=True)
    true = (10 * cosine + OFFSETS + rng.gumbel(size=cosine.shape)).argmax(axis=1)
    labels = (np.log(table + 1e-300)[true] + rng.gumbel(size=cosine.shape)).argmax(axis=1)
    return images, labels, texts, labels != true


OFFSETS = np.array([0.0, 1.0, -1.0, 0.5, -0.5])


def test_the_fit_recovers_labels_that_are_wrong_at_random():
    table = _confusions(0.25, 5)
    images, labels, texts, wrong = _drawn(table)
    model = fit_noise(images, labels, texts)
    assert model.rate == pytest.approx(wrong.mean(), abs=0.03)
    assert model.scale == pytest.approx(10, rel=0.1)
    np.testing.assert_allclose(model.offsets - model.offsets.mean(), OFFSETS, atol=0.3)
    np.testing.assert_allclose(model.table, table, atol=0.06)
    suspicion = model.suspicion(images, labels, texts)[0]
    assert suspicion.sum() == pytest.approx(wrong.sum(), rel=0.15)


def test_the_fit_recovers_labels_that_are_wrong_by_a_pattern():
    table = np.eye(5)
    table[0, :2] = 0.6, 0.4
    table[3, 2:4] = 0.4, 0.6
    images, labels, texts, wrong = _drawn(table)
    model = fit_noise(images, labels, texts)
    assert model.rate == pytest.approx(wrong.mean(), abs=0.04)
    assert model.table[0, 1] > 0.25
    assert model.table[3, 2] > 0.25
    assert model.table[[1, 2, 4], [1, 2, 4]].min() > 0.9
    suspicion = model.suspicion(images, labels, texts)[0]
    assert wrong[suspicion > 0.7].mean() > 0.7
