"""Fixtures: a small dataset with embeddings of known structure, and arguments that keep a run short."""

from __future__ import annotations

import numpy as np
import pytest

#: Arguments that keep a run short: few draws, no UMAP.
QUICK = {"method": "zcore", "n_draws": 2_000, "projection": "pca", "progress": False}


def with_vectors(made, dim: int = 6, seed: int = 0):
    """Gives a dataset the vector field "emb" and alternating labels in "gt"."""
    import fiftyone as fo

    n = len(made)
    made.set_values("emb", list(np.random.default_rng(seed).normal(size=(n, dim)).astype(np.float32)))
    made.set_values("gt", [fo.Classification(label="ab"[row % 2]) for row in range(n)])
    return made


@pytest.fixture
def embedded(dataset):
    """A factory ``embedded(n=40)``: a dataset with the vector field "emb" and alternating labels in "gt"."""
    return lambda n=40, dim=6, seed=0: with_vectors(dataset([f"/nowhere/{row:04d}.png" for row in range(n)]), dim, seed)


@pytest.fixture
def quick():
    """Arguments that keep a run short."""
    return QUICK.copy()


def stored_files():
    """How many files of runs the database has of datasets that are there, those that killed runs left included."""
    from fiftyone.core.odm import get_db_conn

    database = get_db_conn()
    return database.fs.files.count_documents({"coreset_dataset": {"$in": database.datasets.distinct("_id")}})
