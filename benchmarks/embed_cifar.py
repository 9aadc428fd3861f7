"""MobileNetV2 embeddings of CIFAR-10 images, computed once and kept in ``.cache/``."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .quality.pools import embed, read_zip

_CACHE = Path(__file__).parents[1] / ".cache" / "cifar10_mobilenetv2_96px.npz"


def cifar_embeddings(data: Path, per_class: int = 1000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings and classes of a balanced pool of training images.

    Args:
        data: folder with ``cifar10_24k.zip``, beside a folder ``models`` with the MobileNetV2 weights
        per_class (1000): images of each class, at most 2,000
        seed (0): which images

    Returns:
        (n, 1280) float32 and (n,) class numbers, shuffled
    """
    if not _CACHE.exists():
        images, classes, test = read_zip(data / "cifar10_24k.zip", 32)
        _CACHE.parent.mkdir(exist_ok=True)
        np.savez(_CACHE, features=embed(images[~test], data.parent / "models", pixels=96), classes=classes[~test])
    with np.load(_CACHE) as stored:
        features, classes = stored["features"], stored["classes"]
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(classes))
    rows = np.concatenate([order[classes[order] == label][:per_class] for label in np.unique(classes)])
    rng.shuffle(rows)
    return features[rows], classes[rows]
