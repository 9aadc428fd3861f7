"""The two usual ways to compute ZCore, for comparison: as the reference code does, and as Voxel51's plugin does.

Own code from the published descriptions; weights are written in the safe form, so results are comparable.
"""

from __future__ import annotations

import numpy as np


def random_draws(embeddings: np.ndarray, n_draws: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Independent pairs of dimensions and triangular targets, (n_draws, 2) each."""
    low, mode, high = embeddings.min(axis=0), np.median(embeddings, axis=0), embeddings.max(axis=0)
    usable = np.flatnonzero(low < high)
    first = rng.integers(len(usable), size=n_draws)
    second = (first + rng.integers(1, len(usable), size=n_draws)) % len(usable)
    dims = usable[np.column_stack([first, second])]
    return dims, rng.triangular(low[dims], mode[dims], high[dims])


def literal(embeddings: np.ndarray, dims: np.ndarray, targets: np.ndarray, n_neighbors: int = 1000) -> np.ndarray:
    """Scores draw by draw with a full sort, like the reference."""
    score = np.zeros(len(embeddings))
    for pair, target in zip(dims, targets.astype(embeddings.dtype), strict=True):
        points = embeddings[:, pair]
        hit = np.abs(points - target).sum(axis=1).argmin()
        score[hit] += 1
        distance = np.abs(points - points[hit]).sum(axis=1)
        near = np.argsort(distance)[1 : n_neighbors + 1]
        if distance[near[0]] == 0:
            score[near[0]] -= 1
        else:
            weight = (distance[near[0]] / distance[near]) ** 4
            score[near] -= weight / weight.sum()
    return score


def partitioned(
    embeddings: np.ndarray, dims: np.ndarray, targets: np.ndarray, n_neighbors: int = 1000, batch: int = 32
) -> np.ndarray:
    """Scores a batch of draws at a time with a partition instead of a sort, like the plugin."""
    score = np.zeros(len(embeddings))
    for start in range(0, len(dims), batch):
        pairs = dims[start : start + batch]
        points = embeddings[:, pairs]
        hits = np.abs(points - targets[start : start + batch].astype(embeddings.dtype)).sum(axis=2).argmin(axis=0)
        np.add.at(score, hits, 1)
        distance = np.abs(points - embeddings[hits[:, None], pairs]).sum(axis=2)
        distance[hits, np.arange(len(pairs))] = np.inf
        near = np.argpartition(distance, n_neighbors, axis=0)[:n_neighbors]
        value = np.take_along_axis(distance, near, axis=0)
        smallest = value.min(axis=0)
        with np.errstate(invalid="ignore"):
            weight = np.where(smallest > 0, (smallest / value) ** 4, 0)
        first_twin = np.zeros_like(weight)
        first_twin[value.argmin(axis=0), np.arange(len(pairs))] = 1
        weight = np.where(smallest > 0, weight, first_twin)
        np.subtract.at(score, near, weight / weight.sum(axis=0))
    return score
