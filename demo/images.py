"""Images for the demo: a folder of the user's, or handwritten digits that come with scikit-learn."""

from __future__ import annotations

import itertools
from pathlib import Path

import fiftyone as fo
import numpy as np
from PIL import Image
from rich.progress import track

from ..plugin.errors import CoresetError

_SUFFIXES = {".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}
_SIDE = 64
#: Entry of a dataset's info: the folder its images come from.
_SOURCE = "coreset_demo_images"


def load_digits_dataset(folder: Path) -> fo.Dataset:
    """Writes scikit-learn's 1,797 digits as PNG files, once, and makes a labelled dataset of them.

    Args:
        folder: where the PNG files are kept

    Returns:
        the dataset ``coreset-demo``
    """
    from sklearn.datasets import load_digits

    digits = load_digits()
    folder.mkdir(parents=True, exist_ok=True)
    samples = []
    pairs = list(zip(digits.images, digits.target, strict=True))
    for position, (image, digit) in enumerate(track(pairs, description="Writing digits as PNG")):
        path = folder / f"{position:04d}.png"
        if not path.exists():
            pixels = Image.fromarray(np.round(image * (255 / 16)).astype(np.uint8))
            pixels.resize((_SIDE, _SIDE), Image.Resampling.BICUBIC).convert("RGB").save(path)
        samples.append(fo.Sample(filepath=str(path), ground_truth=fo.Classification(label=str(digit))))
    return _dataset("coreset-demo", samples)


def load_folder_dataset(folder: Path) -> fo.Dataset:
    """Makes a dataset of all images under a folder; the files stay where they are.

    Args:
        folder: a folder, searched with its subfolders

    Returns:
        the dataset ``coreset-demo-<folder name>``, with a number behind it if another folder of that name had it first

    Raises:
        CoresetError: if there are no images
    """
    paths = sorted(path for path in folder.expanduser().rglob("*") if path.suffix.lower() in _SUFFIXES)
    if not paths:
        raise CoresetError(f"no images under {folder}; give a folder with {', '.join(sorted(_SUFFIXES))} files")
    folder = folder.expanduser().resolve()
    name = _dataset_name(folder)
    return _dataset(name, [fo.Sample(filepath=str(path.resolve())) for path in paths], source=str(folder))


def _dataset_name(folder: Path) -> str:
    """The first name that is free or already holds the images of this very folder."""
    base = f"coreset-demo-{folder.name}"
    return next(
        name
        for name in itertools.chain([base], (f"{base}-{number}" for number in itertools.count(2)))
        if not fo.dataset_exists(name) or fo.load_dataset(name).info.get(_SOURCE) == str(folder)
    )


def _dataset(name: str, samples: list[fo.Sample], source: str | None = None) -> fo.Dataset:
    """The dataset of this name with these samples; one from an earlier demo is completed, not copied."""
    if not fo.dataset_exists(name):
        dataset = fo.Dataset(name, persistent=True)
        dataset.info[_SOURCE] = source
        dataset.save()
    else:
        dataset = fo.load_dataset(name)
    known = set(dataset.values("filepath"))
    new = [sample for sample in samples if sample.filepath not in known]
    if new:
        dataset.add_samples(new, progress=False)
    return dataset
