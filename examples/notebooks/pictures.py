"""What the notebooks work on and how they show it: images that come with scikit-learn, and sheets of thumbnails."""

from pathlib import Path

import fiftyone as fo
import numpy as np
from matplotlib import pyplot as plt
from PIL import Image
from sklearn.datasets import load_digits, load_sample_images


def photographs(folder: Path, n: int = 150, seed: int = 0) -> fo.Dataset:
    """Makes a dataset of n photographs, as of someone who walks past two subjects; some are bursts.

    They are cut out of the two photographs that come with scikit-learn: a temple in China and a flower (CC BY).
    """
    rng = np.random.default_rng(seed)
    scenes = [Image.fromarray(image) for image in load_sample_images().images]
    folder.mkdir(parents=True, exist_ok=True)
    samples = []
    while len(samples) < n:
        which = int(rng.integers(2))
        scene = scenes[which]
        width = int(rng.integers(110, 260))
        height = width * 3 // 4
        left, top = int(rng.integers(5, scene.width - width - 5)), int(rng.integers(5, scene.height - height - 5))
        for _ in range(1 if rng.random() < 0.85 else int(rng.integers(3, 6))):
            x, y = left + rng.integers(-2, 3), top + rng.integers(-2, 3)  # the hand shakes
            path = folder / f"{len(samples):04d}.jpg"
            scene.crop((x, y, x + width, y + height)).resize((160, 120)).save(path, quality=90)
            samples.append(fo.Sample(filepath=str(path), subject=("temple", "flower")[which]))
    dataset = fo.Dataset()
    dataset.add_samples(samples[:n])
    return dataset


def digits(folder: Path, n: int = 1_000) -> tuple[fo.Dataset, dict[str, str]]:
    """Makes a dataset of n handwritten digits whose pixels are the embedding, and what each one says, by id."""
    loaded = load_digits()
    folder.mkdir(parents=True, exist_ok=True)
    samples = []
    for row, image in enumerate(loaded.images[:n]):
        path = folder / f"{row:04d}.png"
        Image.fromarray((255 - image * 15).astype(np.uint8)).resize((64, 64)).save(path)
        samples.append(fo.Sample(filepath=str(path), embedding=loaded.data[row]))
    dataset = fo.Dataset()
    dataset.add_samples(samples)
    return dataset, dict(zip(dataset.values("id"), map(str, loaded.target), strict=False))


def sheet(views: dict, columns: int = 10) -> None:
    """Shows the first images of each view in a row of its own, under the view's name."""
    figure, axes = plt.subplots(len(views), columns, figsize=(12, 1.35 * len(views)), squeeze=False)
    for row, (name, view) in zip(axes, views.items(), strict=True):
        for spot in row:
            spot.axis("off")
        for spot, path in zip(row, view.limit(columns).values("filepath"), strict=False):
            spot.imshow(Image.open(path), cmap="gray")
        row[0].set_title(name, loc="left", fontsize=10)
    figure.tight_layout()
    plt.show()


def drawn_map(points, layers: dict) -> None:
    """Draws a map, then some of its rows on top of it: words -> bool array."""
    _, axes = plt.subplots(figsize=(8, 5))
    axes.scatter(*points.T, s=9, color="#c4c9cf", label=f"all {len(points):,}")
    for (words, rows), colour in zip(layers.items(), ("#0b66b8", "#d1430c"), strict=False):
        axes.scatter(*points[rows].T, s=26, color=colour, label=f"{rows.sum():,} {words}")
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    plt.show()
