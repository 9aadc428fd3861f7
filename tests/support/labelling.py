"""Labels as a person would give them: images of the pool of the tests of rounds show "a", "b" and "c" in turn."""

from __future__ import annotations

from pathlib import Path


def truth(samples) -> dict[str, str]:
    """Sample id -> what the image shows."""
    ids, paths = samples.values(["id", "filepath"])
    return {row_id: "abc"[int(Path(path).stem) % 3] for row_id, path in zip(ids, paths, strict=True)}


def label(samples, field: str = "gt") -> None:
    """Labels all images of a collection."""
    import fiftyone as fo

    labels = {row_id: fo.Classification(label=name) for row_id, name in truth(samples).items()}
    samples._root_dataset.set_values(field, labels, key_field="id")
