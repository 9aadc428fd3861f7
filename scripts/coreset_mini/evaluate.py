"""Measures the shipped coreset-mini on held-out images and prints the tables of its model card.

    python -m scripts.coreset_mini.evaluate --data DIR [--mobilenet DIR]

``--mobilenet`` names a folder with ``mobilenet_v2.py`` and ``mobilenet_v2_imagenet.npz``, measured beside it.
"""

import argparse
import importlib.util
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import open_clip  # noqa: F401 - here, so that loading is timed without the import
import torch
from fiftyone_coreset.plugin.embeddings import bundled
from PIL import Image
from torch.nn import functional as F  # noqa: N812
from torchvision.transforms import functional as vision

from . import captions, data

PROMPTS = (captions.PROMPT, "a picture of a {}", "an image of a {}", "{}", "this is the {}")
CONCEPTS = {**captions.CIFAR10, **captions.CALTECH101, **captions.DIGITS}
SOURCES = {
    "CIFAR-10": lambda folder, crop: data.load_cifar10(folder, crop),
    "Caltech-101": lambda folder, crop: data.load_caltech101(folder, crop),
    "digits": lambda folder, crop: data.load_digit_images(crop),
}

Encode = Callable[[np.ndarray], torch.Tensor]


class Reader:
    """The bundled model as plain functions."""

    def __init__(self) -> None:
        self.model, self.preprocess, self.tokenizer = bundled.load_bundled_clip()

    @torch.no_grad()
    def images(self, pixels: np.ndarray) -> torch.Tensor:
        """Normalised embeddings of (n, side, side, 3) uint8 pixels, through the model's own preprocessing."""
        rows = []
        for start in range(0, len(pixels), 256):
            batch = torch.stack([self.preprocess(Image.fromarray(p)) for p in pixels[start : start + 256]])
            rows.append(self.model.encode_image(batch, normalize=True))
        return torch.cat(rows)

    @torch.no_grad()
    def names(self, names: list[str], templates: tuple[str, ...]) -> torch.Tensor:
        """One normalised embedding a name: the mean over templates."""
        texts = [
            self.model.encode_text(self.tokenizer([template.format(name) for name in names]), normalize=True)
            for template in templates
        ]
        return F.normalize(torch.stack(texts).mean(0), dim=-1)


def mobilenet(folder: Path) -> Encode:
    """Features of the ImageNet MobileNetV2 at the size of the given pixels."""
    spec = importlib.util.spec_from_file_location("mobilenet_v2", folder / "mobilenet_v2.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    net = module.MNV2(folder / "mobilenet_v2_imagenet.npz").eval()

    @torch.no_grad()
    def encode(pixels: np.ndarray) -> torch.Tensor:
        rows = []
        for start in range(0, len(pixels), 128):
            batch = torch.from_numpy(pixels[start : start + 128]).permute(0, 3, 1, 2).float() / 127.5 - 1
            rows.append(F.normalize(net(batch), dim=-1))
        return torch.cat(rows)

    return encode


def square(size: int) -> data.Crop:
    """Resize and centre crop as the model's preprocessing does them, for any size."""

    def crop(image: Image.Image) -> Image.Image:
        image = vision.resize(image, size, vision.InterpolationMode.BICUBIC)
        return vision.center_crop(image, size)

    return crop


def neighbour_accuracy(encode: Encode, known: data.ImageSet, asked: data.ImageSet, k: int = 10) -> float:
    """Share of images whose k nearest known images, by majority, are of their class."""
    nearest = (encode(asked.images[:, 0]) @ encode(known.images[:, 0]).T).topk(k).indices
    votes = F.one_hot(torch.from_numpy(known.labels)[nearest], len(known.folders)).sum(1)
    return float((votes.argmax(1).numpy() == asked.labels).mean())


def top1(images: torch.Tensor, text: torch.Tensor, labels: np.ndarray) -> float:
    return float(((images @ text.T).argmax(1).numpy() == labels).mean())


def per_class(images: torch.Tensor, text: torch.Tensor, labels: np.ndarray) -> np.ndarray:
    right = (images @ text.T).argmax(1).numpy() == labels
    return np.bincount(labels, right) / np.bincount(labels)


def unseen_words(reader: Reader, part: data.ImageSet, images: torch.Tensor) -> list[str]:
    """Rows: recall of a class when its caption uses a word that training never saw, beside its trained name."""
    folders = part.folders
    text = reader.names([CONCEPTS[f].names[0] for f in folders], (captions.PROMPT,))
    usual = per_class(images, text, part.labels)
    rows = []
    for position, folder in enumerate(folders):
        for word in CONCEPTS[folder].unseen:
            changed = text.clone()
            changed[position] = reader.names([word], (captions.PROMPT,))[0]
            recall = per_class(images, changed, part.labels)[position]
            nearest = folders[int((text @ changed[position]).argmax())]
            rows.append(f"| {folder} | {word} | {usual[position]:.0%} | {recall:.0%} | {nearest} |")
    return rows


def judge(reader: Reader, rival: Encode | None, source: str, args: argparse.Namespace) -> tuple[list[str], list[float]]:
    """Prints the row of one source; returns rows of untrained words, and the accuracy of each template."""
    everything = SOURCES[source](args.data, square(bundled.IMAGE_SIZE))
    asked = everything.part(args.split)
    rows = everything.splits < data.SPLITS.index(args.split)
    known = data.ImageSet(everything.folders, everything.images[rows], everything.labels[rows], asked.splits[:0])
    names = [CONCEPTS[folder].names[0] for folder in asked.folders]
    images = reader.images(asked.images[:, 0])
    text = reader.names(names, PROMPTS)
    other = "-"
    if rival:
        everything = SOURCES[source](args.data, square(96))
        big = data.ImageSet(everything.folders, everything.images[rows], everything.labels[rows], known.splits)
        other = f"{neighbour_accuracy(rival, big, everything.part(args.split)):.1%}"
    print(
        f"| {source} | {len(asked.labels)} | {top1(images, text, asked.labels):.1%} "
        f"| {per_class(images, text, asked.labels).mean():.1%} "
        f"| {top1(images, reader.names(names, (captions.PROMPT,)), asked.labels):.1%} "
        f"| {neighbour_accuracy(reader.images, known, asked):.1%} | {other} |",
        flush=True,
    )
    templates = captions.TEMPLATES + captions.UNSEEN_TEMPLATES
    return unseen_words(reader, asked, images), [
        top1(images, reader.names(names, (template,)), asked.labels) for template in templates
    ]


def print_templates(by_source: np.ndarray) -> None:
    """A row of means for the (sources, templates) that were trained, and one for each that was not."""
    seen = by_source[:, : len(captions.TEMPLATES)]
    print("\n| template | " + " | ".join(SOURCES) + " |\n|---|---|---|---|")
    for label, row in (("mean", seen.mean(axis=1)), ("worst", seen.min(axis=1))):
        print(f"| {label} of the {seen.shape[1]} trained | " + " | ".join(f"{x:.1%}" for x in row) + " |")
    for template, row in zip(captions.UNSEEN_TEMPLATES, by_source[:, seen.shape[1] :].T, strict=True):
        print(f"| unseen: {template} | " + " | ".join(f"{x:.1%}" for x in row) + " |")


def print_speed(reader: Reader) -> None:
    """Images a second, and the size of the files."""
    pixels = np.random.default_rng(0).integers(0, 256, (1024, 64, 64, 3), dtype=np.uint8)
    reader.images(pixels[:256])
    started = time.perf_counter()
    reader.images(pixels)
    print(f"\npreprocess and encode: {len(pixels) / (time.perf_counter() - started):.0f} images/s, 2 threads")
    batch = torch.zeros(256, 3, 64, 64)
    with torch.no_grad():
        started = time.perf_counter()
        for _ in range(4):
            reader.model.encode_image(batch)
    print(f"encode alone: {4 * len(batch) / (time.perf_counter() - started):.0f} images/s, 2 threads")
    for path in (bundled.CONFIG_PATH, bundled.WEIGHTS_PATH, bundled.MERGES_PATH):
        print(f"{path.name}: {path.stat().st_size:,} bytes")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with the two zip files")
    parser.add_argument("--mobilenet", type=Path, help="folder of the MobileNetV2 to compare with")
    parser.add_argument("--split", choices=data.SPLITS[1:], default="test")
    args = parser.parse_args()
    torch.set_num_threads(2)

    started = time.perf_counter()
    reader = Reader()
    print(f"load after imports: {time.perf_counter() - started:.2f} s")
    rival = mobilenet(args.mobilenet) if args.mobilenet else None
    print(
        "\n| held-out set | images | zero-shot, 5 prompts | mean per class | one prompt | kNN-10 | MobileNetV2 kNN-10 |"
    )
    print("|---|---|---|---|---|---|---|")
    judged = [judge(reader, rival, source, args) for source in SOURCES]
    print_templates(np.array([accuracies for _, accuracies in judged]))
    print("\n| class | word never trained | recall, trained name | recall, that word | nearest trained caption |")
    print("|---|---|---|---|---|\n" + "\n".join(word for words, _ in judged for word in words))
    print_speed(reader)


if __name__ == "__main__":
    main()
