"""Datasets with embeddings whose clusters are known."""

from __future__ import annotations

from pathlib import Path

import fiftyone as fo
import numpy as np


def clusters(n: int, dim: int = 8, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Three round clusters, far apart; every tenth row repeats the row before it.

    Returns:
        a tuple of (n, dim) float32 embeddings and (n,) cluster numbers
    """
    rng = np.random.default_rng(seed)
    centers = 6 * np.eye(3, dim)
    label = np.arange(n) % 3
    rows = centers[label] + rng.normal(size=(n, dim))
    for row in range(9, n, 10):
        rows[row], label[row] = rows[row - 1], label[row - 1]
    return rows.astype(np.float32), label


def embedded(dataset: fo.Dataset, seed: int = 0) -> fo.Dataset:
    """Gives every sample an embedding in ``emb`` and its cluster as ``group`` and ``ground_truth``."""
    rows, label = clusters(len(dataset), seed=seed)
    dataset.add_sample_field("emb", fo.VectorField)
    dataset.set_values("emb", list(rows))
    dataset.set_values("group", [int(c) for c in label])
    dataset.set_values("ground_truth", [fo.Classification(label=f"class {c}") for c in label])
    return dataset


def repeated(paths: list[Path], n: int) -> list[Path]:
    """n paths, taken in turn from a few files."""
    return [paths[i % len(paths)] for i in range(n)]
