"""The model of wrong labels against Bayes' rule written out, and its gradient against differences."""

from __future__ import annotations

import numpy as np
import pytest
from fiftyone_coreset.plugin.scoring.clip_powered.noise import NoiseModel, _loss, fit_noise
from scipy.optimize import approx_fprime


def _literal(image, label, texts, model):
    """The probability that the label is wrong, from the joint table of true and given classes."""
    cosine = [float(image @ text) / np.linalg.norm(image) / np.linalg.norm(text) for text in texts]
    weight = [np.exp(model.scale * c + offset) for c, offset in zip(cosine, model.offsets, strict=True)]
    joint = []
    for true in range(len(texts)):
        given = 1 - model.rate if true == label else model.rate / (len(texts) - 1)
        joint.append(weight[true] / sum(weight) * given)
    others = [value for true, value in enumerate(weight) if true != label]
    return 1 - joint[label] / sum(joint), weight.index(max(others))


def test_suspicion_is_bayes_rule():
    rng = np.random.default_rng(0)
    images, texts, labels = rng.normal(size=(40, 5)), rng.normal(size=(4, 5)), rng.integers(0, 4, 40)
    model = NoiseModel(7.0, rng.normal(size=4), 0.3)
    wrong, suggested = model.suspicion(images, labels, texts)
    expected = [_literal(image, label, texts, model) for image, label in zip(images, labels, strict=True)]
    np.testing.assert_allclose(wrong, [probability for probability, _ in expected], rtol=1e-9)
    assert suggested.tolist() == [other for _, other in expected]


def test_clean_labels_still_show_flat_contradictions():
    texts = np.eye(3)
    images = np.repeat(texts, 50, axis=0)
    labels = np.repeat(np.arange(3), 50)
    images[0], labels[0] = texts[2], 0
    wrong, suggested = NoiseModel(40.0, np.zeros(3), 0.0).suspicion(images, labels, texts)
    assert wrong[0] > 0.99
    assert suggested[0] == 2
    assert wrong[1:].max() < 0.01


def test_the_gradient_of_the_fit():
    rng = np.random.default_rng(1)
    cosine, labels = 0.3 * rng.normal(size=(50, 4)), rng.integers(0, 4, 50)
    point = np.r_[2.0, -1.0, rng.normal(size=4)]
    numeric = approx_fprime(point, lambda at: _loss(at, cosine, labels)[0], 1e-6)
    np.testing.assert_allclose(_loss(point, cosine, labels)[1], numeric, atol=1e-6)


def test_the_fit_recovers_the_model_that_made_the_labels():
    rng = np.random.default_rng(2)
    texts, images = np.linalg.qr(rng.normal(size=(16, 16)))[0][:5], rng.normal(size=(8000, 16))
    cosine = images @ texts.T / np.linalg.norm(images, axis=1, keepdims=True)
    offsets = np.array([0.0, 1.0, -1.0, 0.5, -0.5])
    true = (10 * cosine + offsets + rng.gumbel(size=cosine.shape)).argmax(axis=1)
    flipped = rng.random(8000) < 0.25
    labels = np.where(flipped, (true + rng.integers(1, 5, 8000)) % 5, true)
    model = fit_noise(images, labels, texts)
    assert model.rate == pytest.approx(0.25, abs=0.03)
    assert model.scale == pytest.approx(10, rel=0.1)
    np.testing.assert_allclose(model.offsets - model.offsets.mean(), offsets, atol=0.25)
