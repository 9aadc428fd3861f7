"""A small random CLIP for the embedding tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import tiny_clip


@pytest.fixture(scope="session")
def clip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny-clip")
    tiny_clip.register(folder)
    tiny_clip.write_weights(folder / "weights0.safetensors", seed=0)
    return folder


@pytest.fixture
def weights(clip_folder: Path) -> Path:
    return clip_folder / "weights0.safetensors"


@pytest.fixture
def embed(weights: Path) -> Callable:
    """``compute_embeddings`` with the small random CLIP, silently, in this process."""
    from fiftyone_coreset.plugin.embeddings.compute import compute_embeddings

    def run(samples, **kwargs):
        defaults = {"model": tiny_clip.NAME, "checkpoint": weights, "device": "cpu", "num_workers": 0}
        return compute_embeddings(samples, **(defaults | {"progress": False} | kwargs))

    return run


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """The number of images that went through a model in this test."""
    from fiftyone_coreset.plugin.embeddings.embedder import Embedder

    count: list[int] = []
    original = Embedder.__call__

    def counted(self, pixels):
        count.append(len(pixels))
        return original(self, pixels)

    monkeypatch.setattr(Embedder, "__call__", counted)
    return lambda: sum(count)
