"""A small pool in three clear classes, whose labels are written as a person would."""

from __future__ import annotations

import numpy as np
import pytest

N = 60


@pytest.fixture
def pool(dataset):
    """A dataset of 60 images of three classes in turn, with embeddings in "emb"."""
    rng = np.random.default_rng(0)
    classes = np.arange(N) % 3
    made = dataset([f"/nowhere/{row:04d}.png" for row in range(N)])
    made.set_values("emb", list((2 * np.eye(6)[classes] + rng.normal(scale=0.4, size=(N, 6))).astype(np.float32)))
    made.persistent = True
    return made


@pytest.fixture
def ask(pool):
    """A function ``ask(**arguments)``: the next batch of 6 images."""
    import fiftyone_coreset as fc

    def next_batch(samples=None, **arguments):
        defaults = {"budget": 6, "label_field": "gt", "embeddings": "emb", "progress": False}
        return fc.next_batch(pool if samples is None else samples, **defaults | arguments)

    return next_batch
