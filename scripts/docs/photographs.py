"""The dataset in the pictures of the App: photographs of a dozen kinds of things, some of them taken in bursts."""

from pathlib import Path

import fiftyone as fo
import fiftyone_coreset as fc
import numpy as np
from PIL import Image

#: Folders of Caltech-101 (Li, Andreeto, Ranzato and Perona, CC BY 4.0).
KINDS = (
    *("airplanes", "bonsai", "butterfly", "chair", "crab", "dolphin", "elephant", "ewer", "flamingo", "grand_piano"),
    *("helicopter", "kangaroo", "ketch", "lamp", "lotus", "pagoda", "rhino", "rooster", "starfish", "sunflower"),
    *("trilobite", "watch"),
)
OF_EACH = 25
BURSTS = 40


def photographs(source: Path, folder: Path) -> fo.Dataset:
    """Copies photographs and gives some of them a burst of near-copies, embeds and ranks them.

    Args:
        source: a folder with a folder of images for each kind, as Caltech-101 is unpacked
        folder: where the copies go
    """
    rng = np.random.default_rng(0)
    photos = [photo for kind in KINDS for photo in sorted((source / kind).iterdir())[:OF_EACH]]
    bursts = set(rng.choice(len(photos), BURSTS, replace=False).tolist())
    samples = []
    for number in rng.permutation(len(photos)).tolist():
        photo = photos[number]
        for copy in range(int(rng.integers(2, 6)) if number in bursts else 1):
            path = folder / photo.parent.name / f"{photo.stem}-{copy}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            with Image.open(photo) as image:
                left, top = rng.integers(0, 3, 2) if copy else (0, 0)
                picture = image.convert("RGB").crop((left, top, image.width - 1, image.height - 1))
                picture.save(path, quality=95 - 5 * copy)
            samples.append(fo.Sample(filepath=str(path), ground_truth=fo.Classification(label=photo.parent.name)))
    dataset = fo.Dataset("photographs")
    dataset.add_samples(samples, progress=False)
    fc.compute_embeddings(dataset, "clip_embeddings", model="coreset-mini", num_workers=0, progress=False)
    fc.compute_fingerprints(dataset, num_workers=0, progress=False)
    fc.compute_coreset(dataset, "clip_embeddings", brain_key="coreset", label_field="ground_truth", progress=False)
    return dataset


def label_rounds(dataset: fo.Dataset, recorded: int = 6, batch: int = 40) -> None:
    """Labels rounds of images with their ground truth; the last one is open and half labelled."""
    truth = dict(zip(*dataset.values(["id", "ground_truth"]), strict=True))

    def label(view):
        dataset.set_values("kind", {row: truth[row] for row in view.values("id")}, key_field="id")

    label(fc.reserve_test(dataset, size=120))
    for _ in range(recorded):
        label(fc.next_batch(dataset, budget=batch, label_field="kind", progress=False).view)
        fc.record_round(dataset, progress=False)
    label(fc.next_batch(dataset, budget=batch, label_field="kind", progress=False).view.limit(batch // 2))
