"""The two scores of CLIP-powered data selection: agreement with the label, and room around it in its class.

Semantic alignment score (SAS) and sample diversity score (SDS) of Yang et al., "CLIP-powered data selection"
(ICLR 2025, arXiv 2410.11215). Neighbours are found by label, never by file order.
"""

from __future__ import annotations

import numpy as np

from ....progress import ProgressCallback
from ....vectors.matrix import blocks, normalized
from .settings import DEFAULTS, ClipPoweredSettings

#: Distances held at a time: rows of a block x images of the class.
_BLOCK_CELLS = 1 << 22


def alignment(images: np.ndarray, labels: np.ndarray, texts: np.ndarray) -> np.ndarray:
    """SAS: cosine of each image with the text of its own label.

    Args:
        images: (n, d) adapted image embeddings
        labels: (n,) int class numbers
        texts: (C, d) adapted text embeddings

    Returns:
        (n,) float64 in [-1, 1]
    """
    texts = normalized(texts.astype(np.float64))
    cosine = np.empty(len(images))
    for part in blocks(len(images)):
        cosine[part] = np.einsum("ij,ij->i", normalized(images[part].astype(np.float64)), texts[labels[part]])
    return cosine


def class_margin(images: np.ndarray, labels: np.ndarray, texts: np.ndarray) -> np.ndarray:
    """Cosine with the own label's text less the highest cosine with another; positive if the image agrees.

    Args:
        images: (n, d) image embeddings
        labels: (n,) int class numbers
        texts: (C, d) text embeddings

    Returns:
        (n,) float64 in [-2, 2]; all 0 if there is one class only
    """
    margin = np.zeros(len(images))
    if len(texts) == 1:
        return margin
    texts = normalized(texts.astype(np.float32))
    for part in blocks(len(images), 8192):
        cosine = normalized(images[part].astype(np.float32)) @ texts.T
        row = np.arange(len(cosine))
        own = cosine[row, labels[part]]
        cosine[row, labels[part]] = -np.inf
        margin[part] = own - cosine.max(axis=1)
    return margin


def neighbourhood_size(class_size: int, settings: ClipPoweredSettings = DEFAULTS) -> int:
    """The published K: 100 for 5,000 images a class (CIFAR-10), 50 for 500 (CIFAR-100), and between and beyond."""
    return min(settings.max_neighbors, max(settings.min_neighbors, int(class_size * settings.neighbor_share)))


def diversity(
    images: np.ndarray,
    labels: np.ndarray,
    n_neighbors: int | None = None,
    report: ProgressCallback | None = None,
    settings: ClipPoweredSettings = DEFAULTS,
) -> np.ndarray:
    """SDS: mean Euclidean distance of each image to its K - 1 nearest others of its class.

    Exact, in float64, block by block: time is the sum over classes of (class size)^2 x d, memory a block of rows by
    one class. K counts the image itself, as published.

    Args:
        images: (n, d) adapted image embeddings, not normalised
        labels: (n,) int class numbers
        n_neighbors (None): K; by default a tenth of the class, between 10 and 100. A class with fewer images uses all
            it has
        report (None): called with the finished fraction and a message
        settings: the constants

    Returns:
        (n,) float64; an image alone in its class has no neighbours and gets the mean of the others (0 if there are
        none), so that its diversity neither favours nor harms it
    """
    spread = np.full(len(images), np.nan)
    order = np.argsort(labels, kind="stable")
    members = np.split(order, np.flatnonzero(np.diff(labels[order])) + 1)
    work = sum(len(rows) ** 2 for rows in members)
    done = 0
    for rows in members:
        if len(rows) > 1:
            n_nearest = (n_neighbors or neighbourhood_size(len(rows), settings)) - 1
            spread[rows] = _mean_nearest(images[rows], max(1, min(n_nearest, len(rows) - 1)))
        done += len(rows) ** 2
        if report:
            report(done / work, "measuring diversity")
    alone = np.isnan(spread)
    spread[alone] = spread[~alone].mean() if (~alone).any() else 0.0
    return spread


def _mean_nearest(images: np.ndarray, n_nearest: int) -> np.ndarray:
    """Mean distance of each row to its nearest others."""
    images = images.astype(np.float64)
    images -= images.mean(axis=0)  # shorter vectors cancel fewer digits in the expanded square
    squares = np.einsum("ij,ij->i", images, images)
    mean = np.empty(len(images))
    for part in blocks(len(images), max(1, _BLOCK_CELLS // len(images))):
        distance = squares[part, None] + squares - 2 * (images[part] @ images.T)
        own = np.arange(part.start, min(part.stop, len(images)))
        distance[own - part.start, own] = np.inf
        distance.partition(n_nearest - 1, axis=1)
        mean[part] = np.sqrt(np.maximum(distance[:, :n_nearest], 0)).mean(axis=1)
    return mean


def rescale(score: np.ndarray, clip: float = 0.0) -> np.ndarray:
    """Scales a score to [0, 1] over the whole dataset.

    Args:
        score: (n,) raw values
        clip (0.0): share of the images beyond 0 and beyond 1 on either side. The published scaling is by minimum and
            maximum, 0.0, and lets one outlier squeeze all others

    Returns:
        (n,) float64; all 0.5 if the score is the same everywhere
    """
    low, high = np.quantile(score, [clip, 1 - clip])
    if high - low <= 1e-12 * max(1.0, abs(low), abs(high)):
        low, high = score.min(), score.max()
    if high - low <= 1e-12 * max(1.0, abs(low), abs(high)):
        return np.full(len(score), 0.5)
    return np.clip((score - low) / (high - low), 0.0, 1.0)
