"""Every Python block of the README and of docs/ runs, in order, on a small dataset with the bundled CLIP.

A block that cannot run by its nature has the line ``<!-- not run: reason -->`` above it, and is counted here.
"""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from fiftyone_coreset.plugin.embeddings import compute
from fiftyone_coreset.plugin.embeddings.clip import resolve_clip

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"(?P<skipped><!-- not run: .+ -->\n)?```python\n(?P<source>.*?)```", re.DOTALL)
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PAGES = [page for page in DOCUMENTS if BLOCK.search(page.read_text())]
N = 40


@pytest.mark.timeout(1_800)
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_examples_of_a_page_run(page, dataset, image_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(compute, "resolve_model", lambda *_: resolve_clip("coreset-mini"))
    names = _what_the_pages_take_for_granted(dataset(image_folder(n=N)), page.name)
    blocks = [block for block in BLOCK.finditer(page.read_text()) if not block["skipped"]]
    if page.name == "README.md":
        blocks.insert(1, blocks[0])  # the README says that its first block can run again
    for block in blocks:
        line = page.read_text()[: block.start("source")].count("\n")
        exec(compile("\n" * line + block["source"], page, "exec"), names)


def test_few_blocks_are_not_run():
    skipped = [page.name for page in PAGES for block in BLOCK.finditer(page.read_text()) if block["skipped"]]
    assert skipped == ["coreset-mini.md"]


def _what_the_pages_take_for_granted(dataset, page: str) -> dict:
    """The names that examples use without making them: a dataset with labels, tags and fields, arrays, a session."""
    import fiftyone as fo
    import fiftyone_coreset as fc

    dataset.persistent = True
    labels = ["cat", "dog"]
    if page == "README.md":
        box = {"bounding_box": [0.1, 0.1, 0.5, 0.5]}
        dataset.set_values(
            "ground_truth", [fo.Detections(detections=[fo.Detection(label=labels[n % 2], **box)]) for n in range(N)]
        )
    else:
        dataset.set_values("ground_truth", [fo.Classification(label=labels[n % 2]) for n in range(N)])
    dataset.set_values("camera", ["ab"[n % 2] for n in range(N)])
    dataset.take(5, seed=0).tag_samples("labelled")
    dataset.take(5, seed=1).tag_samples("hand_picked")
    vectors = np.random.default_rng(0).normal(size=(N, 8)).astype(np.float32)
    np.save("vectors.npy", vectors)
    names = {"fc": fc, "dataset": dataset, "array": vectors, "embeddings": vectors, "session": SimpleNamespace()}
    if page == "diagnostics.md":
        fc.compute_embeddings(dataset, "clip_embeddings", progress=False)
        fc.compute_coreset(dataset, "clip_embeddings", method="random", brain_key="baseline", progress=False)
    return names
