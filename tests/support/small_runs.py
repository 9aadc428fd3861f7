"""Fixtures: a small dataset with embeddings of known structure, and arguments that keep a run short."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture
def embedded(dataset):
    """A factory ``embedded(n=40)``: a dataset with the vector field "emb" and alternating labels in "gt"."""
    import fiftyone as fo

    def create(n: int = 40, dim: int = 6, seed: int = 0):
        made = dataset([f"/nowhere/{row:04d}.png" for row in range(n)])
        vectors = np.random.default_rng(seed).normal(size=(n, dim)).astype(np.float32)
        made.set_values("emb", list(vectors))
        made.set_values("gt", [fo.Classification(label="ab"[row % 2]) for row in range(n)])
        return made

    return create


@pytest.fixture
def quick():
    """Arguments that keep a run short: few draws, no UMAP."""
    return {"method": "zcore", "n_draws": 2_000, "projection": "pca", "progress": False}
