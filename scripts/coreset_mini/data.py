"""The images of coreset-mini: CIFAR-10, Caltech-101 and scikit-learn digits, with their fixed splits.

Splits go by position in the sorted file list, so they need no random numbers and never change. Images are kept as
bytes exactly as the model's own preprocessing resizes and crops them.
"""

import io
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

SPLITS = ("train", "validation", "test")

#: Square PIL image of the model's input size.
Crop = Callable[[Image.Image], Image.Image]


@dataclass(frozen=True)
class ImageSet:
    """Labelled images in memory.

    Attributes:
        folders: class names as the source spells them, sorted.
        images: (n, variants, size, size, 3) uint8; the first variant is what inference sees, the others are further
            crops or renderings for training.
        labels: (n,) positions in ``folders``.
        splits: (n,) positions in ``SPLITS``.
    """

    folders: list[str]
    images: np.ndarray
    labels: np.ndarray
    splits: np.ndarray

    def part(self, split: str) -> "ImageSet":
        """The images of one split."""
        rows = np.flatnonzero(self.splits == SPLITS.index(split))
        return ImageSet(self.folders, self.images[rows], self.labels[rows], self.splits[rows])


def load_cifar10(folder: Path, crop: Crop) -> ImageSet:
    """CIFAR-10: its own test part; every 20th training image of a class is validation."""

    def split(parts: tuple[str, ...], position: int) -> str:
        if parts[0] == "test":
            return "test"
        return "validation" if position % 20 == 0 else "train"

    return _collect(_read_zip(folder / "cifar10_24k.zip", split), lambda image: [crop(image)])


def load_caltech101(folder: Path, crop: Crop) -> ImageSet:
    """Caltech-101: every fifth image of a class is test, every eleventh of the others or so validation."""

    def split(parts: tuple[str, ...], position: int) -> str:
        if position % 5 == 4:
            return "test"
        return "validation" if position % 11 == 0 else "train"

    def views(image: Image.Image) -> list[Image.Image]:
        side = min(image.size)
        ends = [(0, 0, side, side), (image.width - side, image.height - side, image.width, image.height)]
        return [crop(image), *(crop(image.crop(box)) for box in ends)]

    return _collect(_read_zip(folder / "caltech101_64px.zip", split), views)


def load_digit_images(crop: Crop) -> ImageSet:
    """scikit-learn digits: every fifth image is test; variants in another size and with inverted colours."""
    digits = load_digits()

    def rows() -> Iterator[tuple[str, str, Image.Image]]:
        for i, (pixels, label) in enumerate(zip(digits.images, digits.target, strict=True)):
            split = "test" if i % 5 == 4 else "validation" if i % 11 == 0 else "train"
            yield str(label), split, digit_image(pixels)

    def views(image: Image.Image) -> list[Image.Image]:
        blocky = image.resize((32, 32), Image.Resampling.NEAREST)
        both = [crop(image), crop(blocky)]
        return both + [Image.eval(view, lambda value: 255 - value) for view in both]

    return _collect(rows(), views)


def digit_image(pixels: np.ndarray) -> Image.Image:
    """An 8x8 scikit-learn digit (values 0 to 16) as an RGB image of the same size."""
    return Image.fromarray(np.clip(pixels * 16, 0, 255).astype(np.uint8)).convert("RGB")


def _read_zip(path: Path, split: Callable[[tuple[str, ...], int], str]) -> Iterator[tuple[str, str, Image.Image]]:
    with zipfile.ZipFile(path) as archive:
        position: dict[str, int] = {}
        for name in sorted(name for name in archive.namelist() if name.lower().endswith((".jpg", ".jpeg", ".png"))):
            parts = Path(name).parts
            parent = "/".join(parts[:-1])
            position[parent] = position.get(parent, -1) + 1
            with Image.open(io.BytesIO(archive.read(name))) as image:
                yield parts[-2], split(parts, position[parent]), image.convert("RGB")


def _collect(
    rows: Iterable[tuple[str, str, Image.Image]], views: Callable[[Image.Image], list[Image.Image]]
) -> ImageSet:
    names, splits, images = [], [], []
    for name, split, image in rows:
        names.append(name)
        splits.append(SPLITS.index(split))
        images.append(np.stack([np.asarray(view) for view in views(image)]))
    folders, labels = np.unique(names, return_inverse=True)
    return ImageSet(folders.tolist(), np.stack(images), labels, np.array(splits))
