"""Pools of scikit-learn's digits with one thing wrong each, in which some rule of selection has failed.

They are judged by ``quality_digits.py``.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from sklearn.datasets import load_digits

from .pools import ImagePool

#: Digits that pools are made of; the others test.
_OURS = 1200
_FRAME_NOISE = 0.03
Digits = tuple[np.ndarray, np.ndarray]


def _frames(rng: np.random.Generator, digits: Digits, lengths: np.ndarray) -> Digits:
    """Bursts: every digit several times, with a little noise."""
    X, y = (np.repeat(values, lengths, axis=0) for values in digits)
    return X + _FRAME_NOISE * rng.normal(size=X.shape), y


def _join(*parts: Digits) -> Digits:
    return np.concatenate([X for X, _ in parts]), np.concatenate([y for _, y in parts])


def _of(digits: Digits, rows: np.ndarray | slice) -> Digits:
    return digits[0][rows], digits[1][rows]


def exact_copies(rng: np.random.Generator, digits: Digits) -> Digits:
    """600 digits, of which 60 come ten times more, bit for bit."""
    return _join(_of(digits, slice(600)), _of(digits, np.repeat(np.arange(60), 10)))


def long_videos(rng: np.random.Generator, digits: Digits) -> Digits:
    """12 digits that drift through 60 frames, and 288 photographs."""
    drift = np.cumsum(0.02 * rng.normal(size=(12, 60, digits[0].shape[1])), axis=1)
    X, y = _of(digits, np.repeat(np.arange(12), 60))
    return _join((X + drift.reshape(X.shape), y), _of(digits, slice(12, 300)))


def never_filmed(rng: np.random.Generator, digits: Digits) -> Digits:
    """Bursts of 80 digits of five classes, and 100 single ones each of these classes and of the other five."""
    filmed = np.isin(digits[1], rng.permutation(10)[:5])
    ours, others = np.flatnonzero(filmed), np.flatnonzero(~filmed)
    bursts = _frames(rng, _of(digits, ours[:80]), rng.integers(5, 15, 80))
    return _join(bursts, _of(digits, ours[80:180]), _of(digits, others[:100]))


def filmed_apart(rng: np.random.Generator, digits: Digits) -> Digits:
    """Bursts of 80 digits of five classes, and 200 single ones of the other five."""
    filmed = np.isin(digits[1], rng.permutation(10)[:5])
    bursts = _frames(rng, _of(digits, np.flatnonzero(filmed)[:80]), rng.integers(5, 20, 80))
    return _join(bursts, _of(digits, np.flatnonzero(~filmed)[:200]))


def two_large_classes(rng: np.random.Generator, digits: Digits) -> Digits:
    """All digits of two classes, and five of each other."""
    large = rng.permutation(10)[:2]
    rows = [np.flatnonzero(digits[1] == kind)[: None if kind in large else 5] for kind in range(10)]
    return _of(digits, np.concatenate(rows))


def two_dimensions(rng: np.random.Generator, digits: Digits) -> Digits:
    """Clean, but the selection sees two principal axes only."""
    return digits


PLANTED: tuple[Callable[[np.random.Generator, Digits], Digits], ...] = (
    exact_copies,
    long_videos,
    never_filmed,
    filmed_apart,
    two_large_classes,
    two_dimensions,
)


def plant(kind: Callable[[np.random.Generator, Digits], Digits], seed: int) -> ImagePool:
    """A pool of pixels, without images, and a clean test set of digits that are not in it."""
    found = load_digits()
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(found.target))
    digits = (found.data[order] / 16, found.target[order])
    X, labels = kind(rng, _of(digits, slice(_OURS)))
    mixed = rng.permutation(len(labels))
    features, labels = X[mixed].astype(np.float32), labels[mixed]
    seen = features
    if kind is two_dimensions:
        axes = np.linalg.svd(features - features.mean(axis=0), full_matrices=False)[2][:2]
        seen = (features - features.mean(axis=0)) @ axes.T + 1
    nothing = np.zeros(len(labels), dtype=int)
    return ImagePool(
        images=np.empty(0),
        labels=labels,
        origin=np.arange(len(labels)),
        bad=nothing,
        embeddings=seen,
        features=features,
        test_images=np.empty(0),
        test_labels=digits[1][_OURS:],
        test_features=digits[0][_OURS:].astype(np.float32),
    )
