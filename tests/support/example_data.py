"""The small dataset that examples speak of: pictures in three colours, with labels, near-copies, a run and rounds."""

from __future__ import annotations

from pathlib import Path

import fiftyone as fo
import fiftyone_coreset as fc
import numpy as np
from PIL import Image

COLOURS = ("red", "green", "blue")
N = 60


def write_pictures(folder: Path, n: int = N, seed: int = 0) -> list[Path]:
    """Writes n smooth pictures, red, green and blue in turn; every tenth repeats the one before it, saved again."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    paths = [folder / f"{COLOURS[i % 3]}-{i:03d}.jpg" for i in range(n)]
    for i, path in enumerate(paths):
        if i % 10 != 9:
            coarse = rng.integers(0, 110, (4, 4, 3), dtype=np.uint8)
            coarse[..., i % 3] += 140
            picture = Image.fromarray(coarse).resize((64, 48), Image.Resampling.BICUBIC)
        picture.save(path, quality=95 if i % 10 != 9 else 80)
    return paths


def colour(path: str) -> str:
    """What a picture of :func:`write_pictures` shows."""
    return COLOURS[int(Path(path).stem.split("-")[1]) % 3]


def labels(paths: list[str]) -> list[fo.Classification]:
    """The labels that a person would give to pictures."""
    return [fo.Classification(label=colour(path)) for path in paths]


def example_dataset(folder: Path) -> fo.Dataset:
    """Pictures with embeddings, labels for two of three, two tags, a camera, and an object each with an embedding."""
    dataset = fo.Dataset()
    dataset.add_samples([fo.Sample(filepath=str(path)) for path in write_pictures(folder)], progress=False)
    given = labels(dataset.values("filepath"))
    dataset.set_values("ground_truth", [label if i % 9 < 6 else None for i, label in enumerate(given)])
    dataset[:40].tag_samples("train")
    dataset[40:].tag_samples("street")
    dataset.set_values("camera", ["ab"[i % 2] for i in range(N)])
    fc.compute_embeddings(dataset, "clip_embeddings", model="coreset-mini", num_workers=0, progress=False)
    box = {"label": "patch", "bounding_box": [0.2, 0.2, 0.5, 0.5]}
    vectors = dataset.values("clip_embeddings")
    dataset.set_values("objects", [fo.Detections(detections=[fo.Detection(**box, emb=list(v))]) for v in vectors])
    return dataset


def add_run_and_rounds(dataset: fo.Dataset) -> None:
    """Adds the run "coreset" and four recorded labelling rounds, with labels in "gt"."""
    fc.compute_coreset(
        dataset, method="zcore", n_draws=2_000, projection="pca", label_field="ground_truth", progress=False
    )
    asked = fc.reserve_test(dataset, size=10)
    for _ in range(4):
        asked.set_values("gt", labels(asked.values("filepath")))
        asked = fc.next_batch(dataset, budget=4, label_field="gt", progress=False).view
        asked.set_values("gt", labels(asked.values("filepath")))
        fc.record_round(dataset, progress=False)
